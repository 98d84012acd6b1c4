"""Cells of a column: the sets of values on which a density is constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import narwhals as nw
import numpy as np
import polars as pl

from sondage._text import number
from sondage.errors import DataError
from sondage.frames import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.frames import Values

__all__ = ["OUTSIDE", "Bins", "Cells", "Levels", "require_one_type"]

#: Position of a value that lies in no cell.
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Bins:
    """Cells of a column of numbers: ``(edges[k], edges[k + 1]]``, the first one closed.

    Parameters
    ----------
    edges : tuple of float
        Strictly ascending, one more than there are cells, in the column's own unit. Those of an
        integer column lie halfway between whole numbers.
    rows : tuple of int
        Rows of the fitted frame in each cell; 0 where nothing was seen.
    integer : bool
        Whether the column holds whole numbers only: the measure of a cell is their count, and its
        width otherwise.
    """

    edges: tuple[float, ...]
    rows: tuple[int, ...]
    integer: bool

    def __len__(self) -> int:
        return len(self.rows)

    def measures(self) -> NDArray[np.float64]:
        """Width of each cell, or how many whole numbers it holds."""
        return np.diff(np.array(self.edges))

    def cuts(self) -> NDArray[np.float64]:
        """Inner edges: the cell of a value is the number of cuts below it."""
        return np.array(self.edges[1:-1], dtype=np.float64)

    def positions(self, series: Values) -> NDArray[np.int64]:
        """Cell of each value; `OUTSIDE` for the missing and for values in no cell."""
        if not series.dtype.is_numeric():
            raise DataError(f"column {series.name!r} is {series.dtype}; numbers are needed")
        values = series.cast(nw.Float64).to_numpy().astype(np.float64)
        found = np.searchsorted(self.cuts(), values).astype(np.int64)
        inside = (values >= self.edges[0]) & (values <= self.edges[-1])
        if self.integer:
            inside &= values == np.floor(values)
        return np.where(inside, found, OUTSIDE)

    def draw(self, cells: NDArray[np.int64], name: str, rng: np.random.Generator) -> pl.Series:
        """Draw a value of each of the given cells, all values of a cell alike."""
        edges = np.array(self.edges)
        lower, upper = edges[cells], edges[cells + 1]
        if self.integer:
            values = (lower + 0.5).astype(np.int64)
            return pl.Series(name, values + rng.integers((upper - lower).astype(np.int64)))
        values = upper - (upper - lower) * rng.random(len(cells))
        return pl.Series(name, np.clip(values, np.nextafter(lower, np.inf), upper))

    def describe(self) -> str:
        """Say kind and range in words."""
        kind = "integer" if self.integer else "continuous"
        shift = 0.5 if self.integer else 0.0
        return f"{kind} {number(self.edges[0] + shift)} to {number(self.edges[-1] - shift)}"


@dataclass(frozen=True, slots=True)
class Levels:
    """Cells of a column of categories, a cell for each level; also of a column with one value.

    Parameters
    ----------
    levels : tuple
        Different values, all strings, all booleans or all numbers.
    rows : tuple of int
        Rows of the fitted frame that hold each level.
    """

    levels: tuple[object, ...]
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.levels)

    def measures(self) -> NDArray[np.float64]:
        """Return ones: the measure counts levels."""
        return np.ones(len(self.levels))

    def cuts(self) -> NDArray[np.float64]:
        """Halves between the positions of levels."""
        return np.arange(len(self.levels) - 1, dtype=np.float64) + 0.5

    def positions(self, series: Values) -> NDArray[np.int64]:
        """Cell of each value; `OUTSIDE` for the missing and for unknown levels."""
        known = {level: k for k, level in enumerate(self.levels)}

        def position(value: object) -> int:
            try:
                return known.get(value, OUTSIDE)
            except TypeError:  # lists and the like
                return OUTSIDE

        return np.fromiter((position(value) for value in series.to_list()), np.int64, len(series))

    def draw(self, cells: NDArray[np.int64], name: str, _rng: np.random.Generator) -> pl.Series:
        """Return the level of each of the given cells."""
        return pl.Series(name, _of_one_type(self.levels)).gather(cells)

    def describe(self) -> str:
        """Say kind and levels in words."""
        if len(self.levels) == 1:
            return f"always {self.levels[0]!r}"
        first = ", ".join(repr(level) for level in self.levels[:3])
        more = ", …" if len(self.levels) > 3 else ""
        return f"{len(self.levels)} levels: {first}{more}"


Cells: TypeAlias = Bins | Levels


def require_one_type(levels: Sequence[object]) -> None:
    """Refuse levels that no column of a frame can hold together."""
    types = {type(level) for level in levels}
    if len(types) > 1 and not types <= {int, float}:
        raise DataError(
            f"its levels {listed(levels)} must be strings, numbers or booleans, all of one of these"
        )


def _of_one_type(levels: Sequence[object]) -> list[object]:
    """Levels with whole numbers among fractions as floats."""
    if {type(level) for level in levels} == {int, float}:
        return [float(cast("float", level)) for level in levels]
    return list(levels)
