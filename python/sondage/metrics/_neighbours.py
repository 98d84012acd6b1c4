"""How rows lie among those of a reference: local outlier factor and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sondage.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.metrics._distances import Scale

__all__ = ["LOF_NEIGHBOURS", "Neighbourhood", "require_scikit_learn"]

LOF_NEIGHBOURS = 20


def require_scikit_learn() -> Any:  # noqa: ANN401 - untyped library
    """Return scikit-learn's estimator of the local outlier factor."""
    try:
        from sklearn.neighbors import LocalOutlierFactor
    except ImportError:
        raise MissingDependencyError(
            "metrics find neighbours with scikit-learn: pip install scikit-learn"
        ) from None
    return LocalOutlierFactor


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The reference as points: numbers min–max scaled, an indicator for every level of a category.

    A column of numbers that holds one value in the reference is 0 there and 1 elsewhere. Missing
    numbers are 0 and have an indicator of their own; levels that the reference lacks have none.
    """

    reference: NDArray[np.float64]
    numeric: NDArray[np.bool_]
    scale: Scale

    def __post_init__(self) -> None:
        if len(self.reference) <= LOF_NEIGHBOURS:
            raise DataError(
                f"reference has {len(self.reference)} rows; the local outlier factor with "
                f"{LOF_NEIGHBOURS} neighbours needs at least {LOF_NEIGHBOURS + 1}"
            )

    def look(
        self, rows: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Give the local outlier factors (rows,) and the k nearest rows of the reference (rows, k).

        At least one row.
        """
        among, points = self._points(rows)
        lof = require_scikit_learn()(n_neighbors=LOF_NEIGHBOURS, novelty=True).fit(among)
        nearest = lof.kneighbors(points, n_neighbors=k, return_distance=False)
        return -lof.score_samples(points), nearest.astype(np.int64)

    def _points(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        both = np.concatenate([self.reference, rows])
        known = len(self.reference)
        parts: list[NDArray[np.float64]] = []
        for j, numeric in enumerate(self.numeric):
            column, missing = both[:, j], np.isnan(both[:, j])
            if not numeric:
                codes = np.unique(column[:known][~missing[:known]])
                parts.append((column[:, None] == codes).astype(np.float64))
            else:
                low, width = self.scale.low[j], self.scale.width[j]
                sized = (column - low) / width if width > 0.0 else (column != low) * 1.0
                parts.append(np.where(missing, 0.0, sized)[:, None])
            if missing.any():
                parts.append(missing[:, None].astype(np.float64))
        points = np.concatenate(parts, axis=1)
        return points[:known], points[known:]
