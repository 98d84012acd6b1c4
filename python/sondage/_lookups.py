"""Columns looked up in tables: what models read where their columns are not the space's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lookups"]


class Lookups:
    """Columns appended to a row, each ``values[x − first]`` of a column x before it.

    Parameters
    ----------
    width : int
        Columns of the row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._number: dict[tuple[int, float, bytes], int] = {}
        #: What the core is told: column, first and values of each.
        self.tables: list[tuple[int, float, NDArray[np.float64]]] = []

    @property
    def width(self) -> int:
        """Columns of the row with those appended so far."""
        return self._width + len(self.tables)

    def column(self, source: int, first: float, values: NDArray[np.float64]) -> int:
        """Return the number of the column with this table, which is appended once."""
        key = (source, first, values.tobytes())
        if key not in self._number:
            self._number[key] = self.width
            self.tables.append((source, first, values))
        return self._number[key]

    def appended(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows (rows, columns) with the columns appended."""
        if not self.tables:
            return rows
        found = [
            _looked_up(rows[:, source], first, values) for source, first, values in self.tables
        ]
        return np.column_stack([rows, *found])


def _looked_up(
    x: NDArray[np.float64], first: float, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    missing = np.isnan(x)
    place = np.where(missing, 0.0, x - first).astype(np.int64)
    return np.where(missing, np.nan, np.take(values, place, mode="clip"))
