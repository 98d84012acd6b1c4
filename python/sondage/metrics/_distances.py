"""Distances between rows of a `Coding`, column by column (Gower 1971)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Scale", "changed"]


def changed(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say where rows differ; a missing value equals a missing value."""
    return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Scale:
    """The reference's smallest values and ranges.

    Attributes
    ----------
    low, width : ndarray of shape (columns,)
        Width is NaN where differences have no size: of categories, and of columns that hold
        one value or none in the reference.
    """

    low: NDArray[np.float64]
    width: NDArray[np.float64]

    @classmethod
    def of(cls, reference: NDArray[np.float64], numeric: NDArray[np.bool_]) -> Scale:
        """Measure rows of a reference."""
        low, high = np.full(len(numeric), np.nan), np.full(len(numeric), np.nan)
        for j in np.flatnonzero(numeric & ~np.isnan(reference).all(axis=0)):
            low[j], high[j] = np.nanmin(reference[:, j]), np.nanmax(reference[:, j])
        width = high - low
        return cls(low, np.where(width > 0.0, width, np.nan))

    def distances(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give |Δ| / width, 1 where that has no size; shape of a − b."""
        sized = np.nan_to_num(np.abs(a - b) / self.width, nan=1.0)
        return np.where(changed(a, b), sized, 0.0)
