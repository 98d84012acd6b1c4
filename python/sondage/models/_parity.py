"""Rows on which a wrong import would show, and the comparison on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelParityError
from sondage.models._features import UNKNOWN, Chain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._graph import GraphBuilder
    from sondage.models._trees import Nodes

__all__ = ["compare", "parity_rows"]

_N_UNIFORM = 128
_N_SPLITS = 32
_LIMIT = float(np.finfo(np.float32).max)


def parity_rows(graph: GraphBuilder, source: Source) -> NDArray[np.float64]:
    """Raw rows for the comparison.

    Uniform over somewhat more than the range that the model shows interest in (thresholds,
    support vectors, centres of scalers), with unknown and missing values where the model takes
    them; and for a sample of the splits of every tree ensemble rows that reach the split with its
    column at the cut and its neighbours in float64 and float32.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
    """
    generator = np.random.default_rng(0)
    lower, upper = _ranges(graph, len(source.columns))
    uniform = lower + generator.random((_N_UNIFORM, len(lower))) * (upper - lower)
    for j, column in enumerate(source.columns):
        if column.levels is not None:
            first = UNKNOWN if source.unknown and column.unknown else 0
            uniform[:, j] = generator.integers(int(first), len(column.levels), _N_UNIFORM)
        elif np.isin(j, _coded(graph)):
            uniform[:, j] = np.floor(uniform[:, j])
    blocks = [uniform]
    if source.missing:
        holes = uniform.copy()
        may = np.array([column.missing for column in source.columns])
        holes[(generator.random(holes.shape) < 0.2) & may] = np.nan
        blocks.append(holes)
    numeric = [j for j, column in enumerate(source.columns) if column.levels is None]
    for nodes in graph.trees_added:
        blocks += _at_splits(nodes, uniform, numeric, generator)
    rows = np.concatenate(blocks)
    within = (np.abs(rows) <= _LIMIT) | np.isnan(rows)
    rows = np.ascontiguousarray(rows[within.all(axis=1)])
    return np.ascontiguousarray(rows[source.takes(rows)])


def compare(
    name: str,
    source: Source,
    rows: NDArray[np.float64],
    score: NDArray[np.float64],
    proba: NDArray[np.float64] | None,
    decision: NDArray[np.float64] | None,
) -> None:
    """Compare the core's outputs on raw rows with the library's own.

    Raises
    ------
    ModelParityError
        If an output differs by more than the source's tolerance of the outputs' size and its
        rounding, or a label where the two largest decisions are further apart than that; names the
        first such row.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # at the library, far from its data
        value, theirs, slack = source.score(rows), source.proba(rows), source.slack(rows)
    _require_close(name, source, "score", rows, score, value, slack)
    if (proba is None) != (theirs is None):
        raise ModelParityError(
            f"{name} has {'no ' if proba is None else ''}probabilities here and "
            f"{'none' if theirs is None else 'some'} in {source.library}; please report it"
        )
    if proba is not None and theirs is not None:
        _require_close(name, source, "probability", rows, proba, theirs, slack)
    if decision is None or source.classes is None:
        return
    predicted = source.predict(rows).astype(np.int64)
    ours = np.argmax(decision, axis=1)
    best = np.sort(decision, axis=1)
    gap = best[:, -1] - best[:, -2] if decision.shape[1] > 1 else np.full(len(rows), np.inf)
    clear = gap > source.tolerance * np.maximum(np.abs(best[:, -1]), 1e-300) + slack
    wrong = (ours != predicted) & clear
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ModelParityError(
            f"{name} does not predict what {source.library} predicts, first in row {first} of "
            f"{len(rows)}: {rows[first].tolist()} gives {source.classes[ours[first]]!r} here and "
            f"{source.classes[predicted[first]]!r} there; please report it"
        )


def _require_close(
    name: str,
    source: Source,
    what: str,
    rows: NDArray[np.float64],
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    slack: NDArray[np.float64],
) -> None:
    theirs = theirs.reshape(len(rows), -1)
    if ours.shape != theirs.shape:
        raise ModelParityError(
            f"{name} has a {what} of {ours.shape[1]} numbers a row here and of {theirs.shape[1]} "
            f"in {source.library}; please report it"
        )
    finite = np.abs(theirs[np.isfinite(theirs)])
    # Outputs that cancel to 0 in most rows still have the rounding errors of what cancelled.
    middle, largest = (np.median(finite), finite.max()) if finite.size else (0.0, 0.0)
    scale = max(float(middle), 1e-6 * float(largest), 1e-300)
    allowed = source.tolerance * np.maximum(np.abs(theirs), scale) + slack[:, None]
    allowed[np.isinf(theirs)] = 0.0
    with np.errstate(invalid="ignore"):
        same = (np.abs(ours - theirs) <= allowed) | (ours == theirs)
    same |= np.isnan(ours) & np.isnan(theirs)
    wrong = ~same.all(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ModelParityError(
            f"{name} does not predict what {source.library} predicts, first in row {first} of "
            f"{len(rows)}: {rows[first].tolist()} has {what} {ours[first].tolist()} here and "
            f"{theirs[first].tolist()} there; please report it"
        )


def _ranges(graph: GraphBuilder, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each raw column matters to the model."""
    lower, upper = np.full(n, np.inf), np.full(n, -np.inf)
    for nodes in graph.trees_added:
        at = np.flatnonzero((nodes.left >= 0) & (nodes.set_index < 0) & np.isfinite(nodes.cut))
        cuts = np.clip(nodes.cut[at], -0.1 * _LIMIT, 0.1 * _LIMIT)
        np.minimum.at(lower, nodes.feature[at], cuts)
        np.maximum.at(upper, nodes.feature[at], cuts)
        for node in np.flatnonzero((nodes.left >= 0) & (nodes.set_index >= 0)):
            index = nodes.set_index[node]
            codes = nodes.set_codes[nodes.set_starts[index] : nodes.set_starts[index + 1]]
            feature = nodes.feature[node]
            lower[feature] = min(lower[feature], 0.0)
            upper[feature] = max(upper[feature], float(codes.max(initial=0)) + 2.0)
    for operation in graph.operations:
        if operation[0] == "kernel" and operation[1] == graph.row:
            np.minimum(lower, operation[3].min(axis=0), out=lower)
            np.maximum(upper, operation[3].max(axis=0), out=upper)
        if operation[0] == "encode":
            for feature in operation[1]:
                if isinstance(feature, Chain) and feature.column < n:
                    _widen(feature, lower, upper)
    lower = np.where(np.isfinite(lower), lower, -3.0)
    upper = np.where(np.isfinite(upper), upper, 3.0)
    margin = np.where(upper > lower, 0.1 * (upper - lower), 1.0)
    return lower - margin, upper + margin


def _widen(feature: Chain, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> None:
    """Cover the raw values that scaling steps bring to about [-3, 3]."""
    low, high = -3.0, 3.0
    for step in reversed(feature.steps):
        c = step.value
        inverse = {"sub": c, "add": -c}.get(step.kind)
        if inverse is not None:
            low, high = low + inverse, high + inverse
        elif step.kind in ("mul", "div") and c != 0.0:
            factor = 1.0 / c if step.kind == "mul" else c
            low, high = sorted((low * factor, high * factor))
        elif step.kind == "log1p":
            low, high = np.expm1(max(low, -20.0)), np.expm1(min(high, 20.0))
    j = feature.column
    lower[j], upper[j] = min(lower[j], low), max(upper[j], high)


def _coded(graph: GraphBuilder) -> NDArray[np.int64]:
    """Columns that some tree splits by sets."""
    found = [
        nodes.feature[(nodes.left >= 0) & (nodes.set_index >= 0)] for nodes in graph.trees_added
    ]
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))


def _at_splits(
    nodes: Nodes,
    uniform: NDArray[np.float64],
    numeric: list[int],
    generator: np.random.Generator,
) -> list[NDArray[np.float64]]:
    threshold = (nodes.left >= 0) & (nodes.set_index < 0) & np.isfinite(nodes.cut)
    inner = np.flatnonzero(threshold & np.isin(nodes.feature, numeric))
    if len(inner) > _N_SPLITS:
        inner = np.sort(generator.choice(inner, _N_SPLITS, replace=False))
    parent = _parents(nodes)
    blocks = []
    for number, node in enumerate(inner):
        row = _reaching(nodes, parent, int(node), uniform[number % len(uniform)])
        values = _neighbours(float(nodes.cut[node]))
        block = np.repeat(row[None, :], len(values), axis=0)
        block[:, nodes.feature[node]] = values
        blocks.append(block)
    return blocks


def _parents(nodes: Nodes) -> NDArray[np.int64]:
    parent = np.full(len(nodes.left), -1, dtype=np.int64)
    inner = np.flatnonzero(nodes.left >= 0)
    parent[nodes.left[inner]] = inner
    parent[nodes.right[inner]] = inner
    return parent


def _reaching(
    nodes: Nodes, parent: NDArray[np.int64], node: int, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `start`, changed where needed to be led to `node` by the thresholds above it."""
    interval: dict[int, tuple[float, float]] = {}
    child, above = node, int(parent[node])
    while above >= 0:
        if nodes.set_index[above] < 0:
            feature, cut = int(nodes.feature[above]), float(nodes.cut[above])
            low, high = interval.get(feature, (-np.inf, np.inf))
            if nodes.left[above] == child:
                interval[feature] = low, min(high, cut)
            else:
                interval[feature] = max(low, cut), high
        child, above = above, int(parent[above])
    row = start.copy()
    for feature, (low, high) in interval.items():
        if not low < row[feature] <= high:
            row[feature] = _between(low, high)
    return row


def _between(low: float, high: float) -> float:
    if np.isneginf(low):
        return high
    if np.isposinf(high):
        return low + 1.0 if low + 1.0 > low else float(np.nextafter(low, np.inf))
    middle = 0.5 * low + 0.5 * high
    return middle if low < middle <= high else high


def _neighbours(cut: float) -> list[float]:
    with np.errstate(over="ignore"):
        narrow = np.float32(cut)
        return [
            cut,
            float(np.nextafter(cut, -np.inf)),
            float(np.nextafter(cut, np.inf)),
            float(narrow),
            float(np.nextafter(narrow, np.float32(-np.inf))),
            float(np.nextafter(narrow, np.float32(np.inf))),
        ]
