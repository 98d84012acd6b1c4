"""Evaluation of forests, side by side with the peers that are installed."""

from __future__ import annotations

import importlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sondage.bench import peers
from sondage.bench.result import Evaluation, ModelsResult
from sondage.models import as_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from sondage.bench.peers import Evaluate, Maker

__all__ = ["DATA", "run"]

Floats: TypeAlias = NDArray[np.float64]

#: Environment variable with the folder of FICO_dataset.csv and adult.csv.gz.
DATA: Final = "SONDAGE_BENCH_DATA"
#: Environment variable that, set to 1, has tl2cgen compile the largest forest too.
PATIENT: Final = "SONDAGE_BENCH_PATIENT"
SIZES: Final = (1, 1_000)
ROUNDS: Final = 15
ROUND_SECONDS: Final = 0.02
CLOSE: Final = 1e-5


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    model: Any
    rows: Floats
    peers: dict[str, Callable[[], Maker]]


def run() -> ModelsResult:
    """Time every forest at 1 and 1,000 rows, one thread, ours and the peers' turn by turn.

    A time is the least of many rounds: what the machine does besides only ever adds. Every peer's
    probabilities are compared with ours; peers that are not installed are skipped and named.
    """
    found: list[Evaluation] = []
    notes: list[str] = []
    for make in (_wine, _fico, _adult, _large):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case, said = make()
            notes += said
            if case is not None:
                found += _measure(case, notes)
    unique = tuple(dict.fromkeys(notes))
    return ModelsResult.now("models", tuple(found), unique)


def _measure(case: _Case, notes: list[str]) -> list[Evaluation]:
    model = as_model(case.model)
    native = model._native
    if native is None:
        notes.append(f"{case.name} skipped: it is not evaluated natively")
        return []
    graph, heads = native.graph, native.heads
    node = heads.score if heads.proba is None else heads.proba

    def call(rows: Floats) -> Evaluate:
        return lambda: np.asarray(model.proba(rows))[:, -1]

    def core(rows: Floats) -> Evaluate:
        return lambda: graph.forward(rows, node)[:, -1]

    makers: dict[str, Maker] = {"sondage, Model.proba": call, "sondage, core alone": core}
    for name, prepare in case.peers.items():
        package = peers.missing(name)
        if package is not None:
            notes.append(f"{name} skipped: {package} is not installed")
            continue
        try:
            makers[name] = prepare()
        except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as problem:
            notes.append(f"{case.name}: {name} skipped: {str(problem).splitlines()[0]}")
    found = []
    for n in SIZES:
        rows = np.ascontiguousarray(case.rows[:n])
        calls = {name: make(rows) for name, make in makers.items()}
        ours = np.asarray(calls["sondage, Model.proba"]())
        best = _best(calls)
        fastest = min(t for name, t in best.items() if not name.startswith("sondage"))
        for name, seconds in best.items():
            theirs = np.asarray(calls[name](), dtype=np.float64)
            found.append(
                Evaluation(
                    case=case.name,
                    name=name,
                    rows=n,
                    row_us=1e6 * seconds / n,
                    over_fastest_peer=fastest / seconds,
                    agreeing=float(np.mean(np.abs(theirs - ours) <= CLOSE)),
                )
            )
    return found


def _best(calls: dict[str, Evaluate]) -> dict[str, float]:
    repeats = {}
    for name, call in calls.items():
        call()
        start = perf_counter()
        call()
        repeats[name] = max(1, int(ROUND_SECONDS / max(perf_counter() - start, 1e-7)))
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            n = min(repeats[name], 2_000)
            # Several short stretches: one that nothing interrupts is enough.
            for _ in range(4):
                part = max(1, n // 4)
                start = perf_counter()
                for _ in range(part):
                    call()
                best[name] = min(best[name], (perf_counter() - start) / part)
    return best


def _wine() -> tuple[_Case | None, list[str]]:
    datasets = importlib.import_module("sklearn.datasets")
    ensemble = importlib.import_module("sklearn.ensemble")
    x, y = datasets.load_wine(return_X_y=True)
    forest = ensemble.RandomForestClassifier(100, max_depth=3, random_state=0).fit(x, y)
    rng = np.random.default_rng(0)
    rows = rng.uniform(x.min(axis=0), x.max(axis=0), (max(SIZES), x.shape[1]))
    name = "(a) wine forest, 100 × depth 3"
    return _Case(name, forest, _single(rows), peers.of_sklearn(forest)), []


def _fico() -> tuple[_Case | None, list[str]]:
    if peers.missing("xgboost inplace_predict") is not None:
        return None, ["(b) skipped: xgboost is not installed"]
    x, y, notes = _table("FICO_dataset.csv", 23, 10_459)
    xgboost = importlib.import_module("xgboost")
    classifier = xgboost.XGBClassifier(n_estimators=200, max_depth=8, n_jobs=1, random_state=0)
    classifier.fit(x, y)
    name = "(b) XGBoost, 200 × depth 8, FICO"
    return _Case(name, classifier, x, peers.of_xgboost(classifier)), notes


def _adult() -> tuple[_Case | None, list[str]]:
    if peers.missing("lightgbm") is not None:
        return None, ["(c) skipped: lightgbm is not installed"]
    x, y, notes = _table("adult.csv.gz", 14, 48_842)
    lightgbm = importlib.import_module("lightgbm")
    classifier = lightgbm.LGBMClassifier(
        n_estimators=500, num_leaves=64, n_jobs=1, random_state=0, verbose=-1
    )
    classifier.fit(x, y)
    name = "(c) LightGBM, 500 × 64 leaves, Adult"
    return _Case(name, classifier, x, peers.of_lightgbm(classifier)), notes


def _large() -> tuple[_Case | None, list[str]]:
    ensemble = importlib.import_module("sklearn.ensemble")
    x, y, notes = _table("FICO_dataset.csv", 23, 10_459)
    forest = ensemble.RandomForestClassifier(1_000, max_depth=12, random_state=0, n_jobs=1)
    forest.fit(x, y)
    patient = os.environ.get(PATIENT) == "1"
    if not patient:
        notes.append(f"(d): tl2cgen takes long to compile it and is skipped unless {PATIENT}=1")
    name = "(d) forest, 1,000 × depth 12, FICO"
    return _Case(name, forest, x, peers.of_sklearn(forest, compiled=patient)), notes


def _table(file: str, columns: int, n: int) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """Numeric columns and two classes: the file, or made-up rows of its shape."""
    folder = os.environ.get(DATA)
    path = None if folder is None else Path(folder) / file
    if path is None or not path.is_file():
        make = importlib.import_module("sklearn.datasets").make_classification
        x, y = make(n, columns, n_informative=columns // 2, flip_y=0.15, random_state=0)
        note = f"{file} not found ({DATA}): made-up rows of the same shape instead"
        return _single(x), y.astype(np.int64), [note]
    import polars as pl

    frame = pl.read_csv(path)
    labels = frame["RiskPerformance" if columns == 23 else "income"]
    inputs = frame.drop(labels.name)
    texts = [name for name, kind in inputs.schema.items() if kind == pl.String]
    coded = inputs.with_columns(pl.col(texts).rank("dense") - 1)
    y = (labels == labels.unique().sort()[-1]).to_numpy().astype(np.int64)
    return _single(coded.to_numpy()), y, []


def _single(x: NDArray[Any]) -> Floats:
    """Values that single precision holds, so that peers which take no other see the same rows."""
    return np.ascontiguousarray(x.astype(np.float32), dtype=np.float64)
