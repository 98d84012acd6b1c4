"""Pipelines and other wrappers as scikit-learn evaluates them, given raw rows."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import polars as pl

from sondage.errors import ModelError
from sondage.frames import is_missing, plain
from sondage.models._adapter import NotNative
from sondage.models._features import UNKNOWN, Chain, Features, RawColumn
from sondage.models._foreign import library_of
from sondage.models._pathways import columns_of, final_step, first_reader, reading, steps_of
from sondage.models._sources import EstimatorSource, level_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

    from sondage.models._columns import Columns
    from sondage.models._graph import GraphBuilder, Heads

__all__ = ["WrapperSource", "as_it_scores", "wrapper_source"]

# How the libraries that have no decision_function are asked for the margin of a classifier.
_MARGIN: dict[str, dict[str, object]] = {
    "xgboost": {"output_margin": True},
    "lightgbm": {"raw_score": True},
    "catboost": {"prediction_type": "RawFormulaVal"},
}
# Columns that are tried one by one.
_MOST_PROBES = 100


@dataclass(frozen=True)
class WrapperSource(EstimatorSource):
    """A pipeline, or a wrapper that may hold some.

    `columns` are those that some step reads; the library wants all of its `inputs`, of which
    `kept` are the positions of `columns`.
    """

    inputs: tuple[RawColumn, ...] = ()
    kept: tuple[int, ...] = ()
    #: What stands for a missing category in each of the columns: None or NaN.
    markers: tuple[object, ...] = ()
    #: The estimator or, of a search, the pipeline that it found.
    inner: Any = None
    #: What the model reads, where the steps before it have a form per column.
    features: Features | None = None

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        with _silence():
            return super().predict(rows)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None if it has none."""
        with _silence():
            return super().proba(rows)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its decision function, else the margin of its model, else probabilities or values."""
        margin = None if self.classes is None else margin_keywords(self.inner)
        with _silence():
            if margin is None:
                return self._plain_score(rows)
            return np.asarray(self.inner.predict(self.given(rows), **margin), dtype=np.float64)

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        if self.classes is not None and margin_keywords(self.inner) is not None:
            return "score"
        return super().score_is()

    def log_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Logarithms of the probabilities; None if the estimator gives none."""
        with _silence():
            return super().log_proba(rows)

    def _plain_score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.classes is None or hasattr(self.estimator, "decision_function"):
            return super().score(rows)
        proba = self.proba(rows)
        if proba is not None:
            return proba
        return np.eye(len(self.classes))[self.predict(rows).astype(np.int64)]

    def given(self, rows: NDArray[np.float64]) -> object:
        """Rows as the estimator was fitted."""
        values: list[Any] = [np.full(len(rows), np.nan) for _ in self.inputs]
        for i, (j, column) in enumerate(zip(self.kept, self.columns, strict=True)):
            values[j] = rows[:, i]
            if column.levels is not None:
                values[j] = _as_given(rows[:, i], column.levels, self.markers[i])
        if self.categories == "category" and find_spec("pandas") is not None:
            for j, column in enumerate(self.inputs):
                if column.levels is not None:
                    values[j] = _categories(values[j], column.levels)
        names = [column.name for column in self.inputs]
        if names[0] is None:
            return np.stack(values, axis=1) if values else rows
        if find_spec("pandas") is None:
            # A polars column of words has no NaN.
            lists = [
                [None if is_missing(value) else value for value in own]
                if own.dtype == object
                else own.tolist()
                for own in values
            ]
            return pl.DataFrame(dict(zip(map(str, names), lists, strict=True)))
        import pandas as pd

        series = {
            name: pd.Series(own, dtype=own.dtype) for name, own in zip(names, values, strict=True)
        }
        return pd.DataFrame(series)

    def takes(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows the library takes: not those of which a logarithm is not finite."""
        good = np.ones(len(rows), dtype=np.bool_)
        logs = [] if self.features is None else [f for f in self.features.features if _has_log(f)]
        if self.features is None or not logs:
            return good
        encoded = Features(self.features.columns, tuple(logs)).encode(rows)
        raw = np.isnan(rows[:, [feature.column for feature in logs]])
        bad = ((~np.isfinite(encoded)) & ~raw).any(axis=1)
        if bad.any() and self.refuses(rows[bad]) is not None:
            return good & ~bad
        return good

    def refuses(self, rows: NDArray[np.float64]) -> str | None:
        """Why the library refuses rows; None if it takes them."""
        try:
            self.predict(rows)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            return str(error).strip() or type(error).__name__
        return None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the library says about unknown words and logarithms of rows that are not data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def wrapper_source(estimator: BaseEstimator) -> WrapperSource:
    """Return the source of a fitted wrapper.

    Raises
    ------
    ModelError
        If it is not fitted, or does not predict even on rows of plain numbers and of categories
        that its encoders know.
    """
    require_fitted_wrapper(estimator)
    if not hasattr(estimator, "predict"):
        raise ModelError(
            f"{type(estimator).__name__} does not end in a model; its last step must predict"
        )
    columns = columns_of(estimator)
    names = getattr(first_reader(estimator), "feature_names_in_", None)
    inputs = tuple(
        RawColumn(None if names is None else str(names[j]), columns.levels_of(j))
        for j in range(columns.n)
    )
    kept = columns.kept
    classes = getattr(estimator, "classes_", columns.classes)
    given: dict[str, Any] = {
        "estimator": estimator,
        "library": library_of(estimator),
        "kind": "regressor" if classes is None else "classifier",
        "classes": None if classes is None else tuple(plain(label) for label in classes),
        "columns": tuple(inputs[j] for j in kept),
        "tolerance": columns.tolerance,
        "categories": cast("Literal['values', 'category']", columns.categories),
        "inputs": inputs,
        "kept": kept,
        "markers": tuple(columns.marker(j) for j in kept),
        "inner": _deciding(estimator),
        "features": _features(_deciding(estimator), columns, inputs, kept),
    }
    probe = WrapperSource(**given, missing=True, unknown=True)
    _require_some_row(probe)
    own = tuple(
        replace(column, missing=missing, unknown=unknown)
        for column, missing, unknown in zip(
            probe.columns, _where_taken(probe, np.nan), _where_taken(probe, UNKNOWN), strict=True
        )
    )
    return replace(
        probe,
        columns=own,
        missing=any(column.missing for column in own),
        unknown=any(column.unknown for column in own),
    )


def _where_taken(probe: WrapperSource, value: float) -> list[bool]:
    """In which columns the library takes a missing value (NaN), or an unknown category."""
    n = len(probe.columns)
    may = np.array([np.isnan(value) or column.levels is not None for column in probe.columns])
    if not may.any():
        return [False] * n
    plain_row = np.zeros((1, n))
    if probe.refuses(np.where(may, value, plain_row)) is None:
        return [bool(taken) for taken in may]
    numbers = may & [column.levels is None for column in probe.columns]
    if not numbers.any() or probe.refuses(np.where(numbers, value, plain_row)) is not None:
        numbers[:] = False
    if probe.features is not None:
        # A refused value is NaN behind the encoders, as one that only some models take.
        encoded = probe.features.encode(np.full((1, n), value))[0]
        gone = {
            feature.column
            for feature, x in zip(probe.features.features, encoded, strict=True)
            if np.isnan(x)
        }
        return [bool(numbers[j] or (may[j] and j not in gone)) for j in range(n)]
    if n > _MOST_PROBES:
        return [bool(taken) for taken in numbers]
    alone = np.where(np.eye(n, dtype=np.bool_), value, plain_row)
    return [
        bool(numbers[j] or (may[j] and probe.refuses(alone[j : j + 1]) is None)) for j in range(n)
    ]


def require_fitted_wrapper(estimator: BaseEstimator) -> None:
    """Raise `ModelError` for a wrapper without the marks of a fit."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        name = type(estimator).__name__
        raise ModelError(f"{name} is not fitted; call its fit(X, y) first") from None


def margin_keywords(estimator: BaseEstimator) -> dict[str, object] | None:
    """Arguments of ``predict`` for a margin; None where the estimator has no need of them."""
    if hasattr(estimator, "decision_function"):
        return None
    last = final_step(estimator) if steps_of(estimator) else estimator
    if steps_of(last):
        return margin_keywords(last)
    roots = [cls.__module__.partition(".")[0] for cls in type(last).__mro__]
    return next((_MARGIN[root] for root in roots if root in _MARGIN), None)


def _features(
    estimator: BaseEstimator,
    columns: Columns,
    inputs: tuple[RawColumn, ...],
    kept: tuple[int, ...],
) -> Features | None:
    if not steps_of(estimator):
        return None
    try:
        return reading(estimator, columns.all_of(Features.of([inputs[j] for j in kept])))
    except NotNative:
        return None


def as_it_scores(estimator: BaseEstimator, graph: GraphBuilder, heads: Heads) -> Heads:
    """Return the heads with the score that a wrapper gives: what `WrapperSource.score` says."""
    scores = hasattr(estimator, "decision_function") or heads.decision is None
    if scores or margin_keywords(_deciding(estimator)) is not None:
        return heads
    if heads.proba is not None:
        return replace(heads, score=heads.proba)
    assert heads.decision is not None
    return replace(heads, score=graph.one_hot_argmax(heads.decision))


def _deciding(estimator: BaseEstimator) -> BaseEstimator:
    """Return what is asked for the margin of a wrapper."""
    for name in ("best_estimator_", "estimator_"):
        if hasattr(estimator, name):
            found: BaseEstimator = getattr(estimator, name)
            return found
    return estimator


def _require_some_row(probe: WrapperSource) -> None:
    rows = np.zeros((1, len(probe.columns)))
    numbers = np.array([column.levels is None for column in probe.columns], dtype=np.float64)
    reason = None
    for value in (0.0, 0.5, 1.0):
        reason = probe.refuses(rows + value * numbers)
        if reason is None:
            return
    raise ModelError(
        f"{type(probe.estimator).__name__} does not predict on rows of plain numbers and of the "
        f"categories that its encoders know: {reason}"
    )


def _as_given(codes: NDArray[np.float64], levels: Sequence[object], marker: object) -> NDArray[Any]:
    """Values of a category as an array of their own type, if that has room for missing ones."""
    values = level_values(codes, levels)
    absent = np.fromiter((is_missing(value) for value in values), np.bool_, len(values))
    values[absent] = marker
    kinds = {type(level) for level in levels if not is_missing(level)}
    if kinds <= {int, float} and not (marker is None and absent.any()):
        return values.astype(np.float64)
    if kinds == {bool} and all(type(value) is bool for value in values):
        return values.astype(np.bool_)
    return values


def _categories(values: NDArray[Any], levels: Sequence[object]) -> Any:  # noqa: ANN401
    """Values as pandas' own kind of categories, a new one only where it occurs."""
    import pandas as pd

    present = dict.fromkeys(value for value in values.tolist() if not is_missing(value))
    known = [level for level in levels if not is_missing(level)]
    return pd.Categorical(values, categories=list(dict.fromkeys([*known, *present])))


def _has_log(feature: object) -> bool:
    return isinstance(feature, Chain) and any(step.kind == "log1p" for step in feature.steps)
