"""Query rows as the sampler sees them, and what is wrong with those that it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage.columns import (
    Categorical,
    Continuous,
    Fixed,
    Integer,
    inside_column,
    may_be_missing,
    waits,
)
from sondage.errors import DataError
from sondage.frames import listed, to_narwhals

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.frames import FrameLike, Values
    from sondage.space import Space

__all__ = ["Queries", "bounds_around", "read_queries"]


@dataclass(frozen=True, slots=True)
class Queries:
    """Rows that are asked about.

    Attributes
    ----------
    frame : polars.DataFrame
        The columns of the space, as the user gave them.
    problems : list of (str or None)
        Why a row cannot be asked about on the space.
    """

    frame: pl.DataFrame
    problems: list[str | None]

    def usable(self) -> NDArray[np.int64]:
        """Return the positions of rows without a problem."""
        return np.array([i for i, why in enumerate(self.problems) if why is None], dtype=np.int64)


def read_queries(rows: FrameLike, space: Space) -> Queries:
    """Read rows; a value that the space does not hold is the problem of its row alone.

    Raises
    ------
    DataError
        If it is no frame, or lacks a column of the space.
    """
    table = to_narwhals(rows, space.columns)
    problems: list[str | None] = [None] * len(table)
    for name, kind in space.kinds.items():
        series = table.get_column(name)
        bad = ~_held(series, kind)
        for row in np.flatnonzero(bad).tolist():
            if problems[row] is None:
                problems[row] = f"column {name!r} is {series[row]!r}; {_allowed(kind)}"
    return Queries(table.to_polars(), problems)


def bounds_around(
    rows: NDArray[np.float64], space: Space, declared: Space
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds of the space around each row, (rows, columns) each.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
        On `space`.
    space : Space
        Nothing in it waits for a query.
    declared : Space
        Says which columns do.
    """
    least, most = space._lower_upper()
    lower, upper = np.tile(least, (len(rows), 1)), np.tile(most, (len(rows), 1))
    for j, (name, kind) in enumerate(declared.kinds.items()):
        if waits(kind) or name in declared.increase_only:
            lower[:, j] = rows[:, j]
        if waits(kind) or name in declared.decrease_only:
            upper[:, j] = rows[:, j]
    return lower, upper


def _held(series: Values, kind: Column) -> NDArray[np.bool_]:
    """Whether each value can be asked about."""
    if isinstance(kind, Continuous | Integer) and not series.dtype.is_numeric():
        raise DataError(f"column {series.name!r} of rows is {series.dtype}; numbers are needed")
    held = inside_column(series, kind)
    if waits(kind) and not may_be_missing(kind) and series.dtype.is_float():
        held = held & np.isfinite(series.to_numpy().astype(np.float64))
    return held


def _allowed(kind: Column) -> str:
    if isinstance(kind, Fixed):
        return "a value is needed" if kind.at_query else f"the space fixes it at {kind.value!r}"
    if isinstance(kind, Categorical):
        return f"its levels are {listed(kind.levels)}"
    whole = "whole numbers in " if isinstance(kind, Integer) else ""
    return f"the space allows {whole}[{kind.lower}, {kind.upper}]"
