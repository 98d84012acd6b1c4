"""The comparison of a native model with its own library, for the tests of every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sondage.models import Model, _registry, as_model
from sondage.models._features import Features
from sondage.models._graph import GraphBuilder
from sondage.models._trees import Nodes

DATA = Path(__file__).parents[3] / "shared" / "data" / "tabular"
LARGEST = float(np.finfo(np.float32).max)


def compare_with_library(
    fitted: object,
    frame: object,
    *,
    n: int = 10_000,
    at_cuts: int = 2_000,
    within: float = 1e-12,
    ties: float = 0.0,
    far: float = 1e30,
    seed: int = 0,
) -> Model:
    """Import a model and require its library's labels everywhere, its numbers within a bound.

    Where the two largest decisions are closer than `ties`, labels may differ.

    Rows: those of `frame`, `n` uniform over somewhat more than their range, with missing values and
    unknown categories where the library takes them, rows of `frame` with one number at a cut of a
    tree or a neighbour of it in float64 or float32, and rows `far` times outside.
    """
    model = as_model(fitted)
    native, source = model._native, model._source
    assert native is not None
    rng = np.random.default_rng(seed)
    given = model._rows(frame)  # type: ignore[arg-type]
    uniform = uniform_rows(given, [column.levels for column in source.columns], n, rng)
    if source.unknown:
        for j, column in enumerate(source.columns):
            if column.levels is not None and column.unknown:
                uniform[rng.random(n) < 0.1, j] = -1.0
    if source.missing:
        may = np.array([column.missing for column in source.columns])
        uniform[: n // 2][(rng.random((n // 2, len(may))) < 0.2) & may] = np.nan
    graph = GraphBuilder(len(source.columns))
    _registry.build(fitted, graph, Features.of(source.columns))
    numeric = np.array([column.levels is None for column in source.columns])
    outside = given[:200].copy()
    outside[:, numeric] *= far
    blocks = [given, uniform, outside, -outside if numeric.all() else outside]
    blocks += [cut_rows(nodes, given, numeric, at_cuts, rng) for nodes in graph.trees_added]
    rows = np.concatenate(blocks)
    rows = rows[~(np.abs(rows) > LARGEST).any(axis=1)]
    rows = np.ascontiguousarray(rows[source.takes(rows)])
    heads = native.heads
    require_close(native.values(rows, heads.score), source.score(rows), within)
    theirs = source.proba(rows)
    assert (theirs is None) == (heads.proba is None)
    if theirs is not None:
        ours = native.values(rows, heads.proba)
        require_close(ours, theirs, within)
        if heads.log_proba is not None:
            require_close(np.exp(native.values(rows, heads.log_proba)), ours, 1e-12)
    if model.classes is not None:
        decision = native.values(rows, heads.decision)
        best = np.sort(decision, axis=1)
        near = best[:, -1] - best[:, -2] < ties if best.shape[1] > 1 else np.zeros(len(rows), bool)
        assert ((np.argmax(decision, axis=1) == source.predict(rows)) | near).all()
    return model


def require_close(ours: NDArray[np.float64], theirs: NDArray[np.float64], within: float) -> None:
    theirs = theirs.reshape(len(ours), -1)
    assert ours.shape == theirs.shape
    assert (np.abs(ours - theirs) <= within * np.maximum(1.0, np.abs(theirs))).all()


def uniform_rows(
    given: NDArray[np.float64],
    levels: Sequence[Sequence[object] | None],
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    lower, upper = np.nanmin(given, axis=0), np.nanmax(given, axis=0)
    margin = 0.2 * (upper - lower) + 0.1
    rows = lower - margin + rng.random((n, given.shape[1])) * (upper - lower + 2.0 * margin)
    for j, own in enumerate(levels):
        if own is not None:
            rows[:, j] = rng.integers(0, max(1, len(own)), n)
    return rows


def cut_rows(
    nodes: Nodes,
    given: NDArray[np.float64],
    numeric: NDArray[np.bool_],
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    threshold = (nodes.left >= 0) & (nodes.set_index < 0) & np.isfinite(nodes.cut)
    inner = np.flatnonzero(threshold & numeric[nodes.feature])
    inner = rng.permutation(inner)[: n // 6]
    cut = nodes.cut[inner]
    with np.errstate(over="ignore", under="ignore"):
        narrow = cut.astype(np.float32)
        values = [
            cut,
            np.nextafter(cut, np.inf),
            np.nextafter(cut, -np.inf),
            narrow.astype(np.float64),
            np.nextafter(narrow, np.float32(np.inf)).astype(np.float64),
            np.nextafter(narrow, np.float32(-np.inf)).astype(np.float64),
        ]
    rows = given[rng.integers(len(given), size=(len(values), len(inner)))]
    for block, value in zip(rows, values, strict=True):
        block[np.arange(len(inner)), nodes.feature[inner]] = value
    return rows.reshape(-1, given.shape[1])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Fit on one thread: those that wait for each other on a busy machine take most of the time."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def same_as_library() -> Callable[..., Model]:
    """Return the comparison of a fitted model with its own library."""
    return compare_with_library


@pytest.fixture(scope="session")
def fico() -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the credit applications of FICO: columns and whether the risk is bad."""
    path = DATA / "FICO_dataset.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    frame = pl.read_csv(path)
    bad = (frame["RiskPerformance"] == "Bad").to_numpy().astype(np.int64)
    return frame.drop("RiskPerformance"), bad


@pytest.fixture(scope="session")
def adult() -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the Adult census: columns, of text and numbers, and whether income is above 50 K."""
    path = DATA / "adult.csv.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    frame = pl.read_csv(path)
    rich = (frame["income"] == ">50K").to_numpy().astype(np.int64)
    return frame.drop("income"), rich


@pytest.fixture(scope="session")
def adult_in_pandas() -> Any:
    """Return 2000 rows of the Adult census as a frame of pandas, income among its columns."""
    pd = pytest.importorskip("pandas")
    path = DATA / "adult.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path, na_values="?", nrows=2000)


@pytest.fixture
def seeded() -> None:
    """Start torch's random numbers anew."""
    pytest.importorskip("torch").manual_seed(0)
