"""XGBoost's own predictions, of a Booster or one of the scikit-learn classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sondage.models._adapter import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.models._features import RawColumn

__all__ = ["XGBoostSource"]


@dataclass(frozen=True)
class XGBoostSource(Source):
    """A Booster or a scikit-learn class; it is given arrays of numbers and codes."""

    booster: Any
    estimator: Any
    objective: str
    feature_types: list[str] | None
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    logits: bool
    missing: bool = True
    unknown: bool = False
    tolerance: float = 1e-6

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        if self.classes is None:
            return self.score(rows)
        if self.estimator is not None:
            labels = np.asarray(self.estimator.predict(rows))
            # Two classes under a multi-class objective: a column for each.
            own = labels if labels.ndim == 1 else labels.argmax(axis=1)
            return np.asarray(own, dtype=np.int64)
        value = self._own(rows)
        if value.ndim == 2:
            return np.asarray(value.argmax(axis=1), dtype=np.int64)
        if self.objective == "multi:softmax":
            return np.asarray(value, dtype=np.int64)
        level = 0.0 if self.objective == "binary:logitraw" else 0.5
        return np.asarray(value > level, dtype=np.int64)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None where the objective has none."""
        if not self.logits:
            return None
        if self.estimator is not None:
            return np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
        if self.objective == "binary:logitraw":
            with np.errstate(over="ignore"):
                own = 1.0 / (1.0 + np.exp(-self._own(rows).astype(np.float64)))
        elif self.objective == "multi:softmax":
            margin = self._own(rows, margin=True).astype(np.float64)
            own = np.exp(margin - margin.max(axis=1, keepdims=True))
            own /= own.sum(axis=1, keepdims=True)
        else:
            # Subtracted in float32, as the scikit-learn class does.
            value = self._own(rows)
            pair = value if value.ndim == 2 else np.stack([1.0 - value, value], axis=1)
            return pair.astype(np.float64)
        return own if own.ndim == 2 else np.stack([1.0 - own, own], axis=1)

    def has_proba(self) -> bool:
        """Whether the objective has class probabilities."""
        return self.logits

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Margins of a classifier; values of a regressor."""
        margin = self.classes is not None
        if self.estimator is None:
            return self._own(rows, margin=margin).astype(np.float64)
        return np.asarray(self.estimator.predict(rows, output_margin=margin), dtype=np.float64)

    def _own(self, rows: NDArray[np.float64], *, margin: bool = False) -> NDArray[np.float32]:
        from xgboost import DMatrix

        data = DMatrix(
            rows,
            feature_names=self.booster.feature_names,
            feature_types=self.feature_types,
            enable_categorical=True,
        )
        own: NDArray[np.float32] = self.booster.predict(data, output_margin=margin)
        return own
