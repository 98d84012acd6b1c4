"""Models as their own libraries evaluate them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import polars as pl

from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models._adapter import Source
from sondage.models._features import RawColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["EstimatorSource", "decode_rows", "positions"]


@dataclass(frozen=True)
class EstimatorSource(Source):
    """Anything with scikit-learn's methods: ``predict``, ``predict_proba``, ``decision_function``.

    Rows are given as a numpy array, or as a frame where the estimator was fitted with names or has
    categorical columns.
    """

    estimator: Any
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    unknown: bool = False
    tolerance: float = 1e-6
    #: How categories are given: as their values, or as a pandas column of dtype category.
    categories: Literal["values", "category"] = "values"

    @classmethod
    def of(
        cls,
        estimator: Any,  # noqa: ANN401
        *,
        library: str,
        missing: bool = False,
        unknown: bool = False,
        levels: Sequence[Sequence[object] | None] | None = None,
        tolerance: float = 1e-6,
        categories: Literal["values", "category"] = "values",
    ) -> Self:
        """Read names, classes and number of columns off a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted; ``n_features_in_`` and, for a classifier, ``classes_``.
        library : str
            Name and version.
        missing, unknown : bool
            Whether it takes NaN, and categories that were never seen.
        levels : sequence, optional
            Per column its categories, or None for a number.

        Raises
        ------
        ModelError
            If it is not fitted or has several outputs.
        """
        kind = type(estimator).__name__
        require_fitted(estimator)
        classes = getattr(estimator, "classes_", None)
        # Of a net that tells classes apart they are its last layer's.
        if classes is None and int(getattr(estimator, "n_outputs_", 1)) != 1:
            raise ModelError(
                f"{kind} has {estimator.n_outputs_} outputs; models with one are supported"
            )
        if isinstance(classes, list):
            raise ModelError(f"{kind} has {len(classes)} outputs; models with one are supported")
        names = getattr(estimator, "feature_names_in_", None)
        n = int(estimator.n_features_in_)
        columns = tuple(
            RawColumn(
                None if names is None else str(names[j]),
                None if levels is None or levels[j] is None else tuple(levels[j]),  # type: ignore[arg-type]
            )
            for j in range(n)
        )
        return cls(
            estimator=estimator,
            library=library,
            kind="regressor" if classes is None else "classifier",
            classes=None if classes is None else tuple(plain(label) for label in classes),
            columns=columns,
            missing=missing,
            unknown=unknown,
            tolerance=tolerance,
            categories=categories,
        )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        predicted = np.asarray(self.estimator.predict(self.given(rows)))
        if self.classes is None:
            return predicted.astype(np.float64).reshape(-1)
        return positions(predicted.reshape(-1), self.classes)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None if it has none."""
        if not self.has_proba():
            return None
        return np.asarray(self.estimator.predict_proba(self.given(rows)), dtype=np.float64)

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self.classes is not None and hasattr(self.estimator, "predict_proba")

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its decision function, else its probabilities, else its labels or values."""
        if self.classes is not None and hasattr(self.estimator, "decision_function"):
            return np.asarray(self.estimator.decision_function(self.given(rows)), dtype=np.float64)
        proba = self.proba(rows)
        return self.predict(rows).astype(np.float64) if proba is None else proba

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        if self.classes is None or hasattr(self.estimator, "decision_function"):
            return "score"
        return "proba" if self.has_proba() else "decision"

    def log_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Logarithms of the probabilities; None if the estimator gives none."""
        if not self.has_log_proba():
            return None
        with np.errstate(divide="ignore"):
            logs = self.estimator.predict_log_proba(self.given(rows))
        return np.asarray(logs, dtype=np.float64)

    def has_log_proba(self) -> bool:
        """Whether the estimator gives logarithms, which may be finite where p is rounded to 0."""
        return self.has_proba() and hasattr(self.estimator, "predict_log_proba")

    def given(self, rows: NDArray[np.float64]) -> object:
        """Rows as the estimator was fitted."""
        return decode_rows(rows, self.columns, categories=self.categories)


def require_fitted(estimator: object) -> None:
    """Raise `ModelError` for an estimator without the marks of a fit."""
    kind = type(estimator).__name__
    message = f"{kind} is not fitted; call its fit(X, y) first"
    if find_spec("sklearn") is not None and hasattr(estimator, "get_params"):
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(estimator)
        except NotFittedError:
            raise ModelError(message) from None
    if not hasattr(estimator, "n_features_in_"):
        raise ModelError(message)


def decode_rows(
    rows: NDArray[np.float64],
    columns: Sequence[RawColumn],
    *,
    categories: Literal["values", "category"] = "values",
) -> object:
    """Raw rows in the user's own values.

    A numpy array where no column has a name; else a frame, pandas' where there are categories and
    pandas is installed. An unknown category becomes a value that no level has.
    """
    if all(column.name is None and column.levels is None for column in columns):
        return rows
    if categories == "values" and all(column.name is None for column in columns):
        return _array(rows, columns)
    names = [column.name or f"x{j}" for j, column in enumerate(columns)]
    values = {
        name: rows[:, j] if column.levels is None else level_values(rows[:, j], column.levels)
        for j, (name, column) in enumerate(zip(names, columns, strict=True))
    }
    if all(column.levels is None for column in columns):
        return pl.DataFrame(values)
    if find_spec("pandas") is None:
        if categories == "category":
            raise ModelError(
                "a model with pandas categories needs pandas to be checked; install it"
            )
        return pl.DataFrame({name: pl.Series(name, list(own)) for name, own in values.items()})
    import pandas as pd

    frame = pd.DataFrame(values)
    if categories == "category":
        for name, column in zip(names, columns, strict=True):
            if column.levels is not None:
                levels = [*column.levels, unseen(column.levels)]
                frame[name] = pd.Categorical(values[name], categories=levels)
    return frame


def _array(rows: NDArray[np.float64], columns: Sequence[RawColumn]) -> NDArray[np.generic]:
    """Values in an array, of dtype object where some level is no number."""
    levels = [level for column in columns for level in column.levels or ()]
    numbers = all(isinstance(level, int | float) for level in levels)
    out: NDArray[np.generic] = np.empty(rows.shape, dtype=np.float64 if numbers else object)
    for j, column in enumerate(columns):
        own = rows[:, j]
        out[:, j] = own if column.levels is None else level_values(own, column.levels)
    return out


def level_values(codes: NDArray[np.float64], levels: Sequence[object]) -> NDArray[np.object_]:
    """Return the level of each code; None for NaN, a value that is no level for other codes."""
    known = np.empty(len(levels) + 2, dtype=object)
    known[: len(levels)] = list(levels)
    known[len(levels)] = unseen(levels)
    known[len(levels) + 1] = None
    code = np.where((codes >= 0) & (codes < len(levels)), codes, len(levels))
    code = np.where(np.isnan(codes), len(levels) + 1, code)
    return known[code.astype(np.int64)]


def unseen(levels: Sequence[object]) -> object:
    """Return a value of the levels' kind that is none of them."""
    numbers = [
        level for level in levels if isinstance(level, int | float) and not isinstance(level, bool)
    ]
    if numbers and len(numbers) == len(levels):
        finite = [number for number in numbers if np.isfinite(number)]
        return type(numbers[0])(max(finite, default=0) + 1)
    name = "an unseen level"
    while name in levels:
        name += "'"
    return name


def positions(labels: NDArray[np.generic], classes: Sequence[object]) -> NDArray[np.int64]:
    """Position of every label in `classes`."""
    position = {label: k for k, label in enumerate(classes)}
    return np.fromiter((position[plain(label)] for label in labels), np.int64, len(labels))
