"""Cut columns of data into cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import narwhals as nw
import numpy as np

from sondage.columns import Categorical, Fixed, Integer
from sondage.errors import DataError
from sondage.reference._cells import Bins, Levels, require_one_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.frames import Values
    from sondage.reference._cells import Cells

__all__ = ["Cut", "cut"]

#: Cells of a column, and the position in them of each value.
Cut: TypeAlias = "tuple[Cells, NDArray[np.int64]]"

#: An integer has a cell of its own if it holds at least this part of what a bin is to hold,
_OF_BIN = 0.25
#: a real number if it holds this part of all rows: not less where bins are many, as the narrow
#: cell raises the density of the rows in it without bound, and so the choice of bins;
_OF_ALL = 0.05
#: both at least so many rows.
_LEAST_ROWS = 10
#: Edges lie halfway between whole numbers up to this.
_LARGEST = 2.0**52
#: Narrowest cell of a value of a continuous column, relative to the column's range.
_NARROWEST = 1e-6


def cut(series: Values, kind: Column, bins: int) -> Cut:
    """Cut a column into cells: a level each, or bins that hold about the same number of rows.

    Parameters
    ----------
    series : narwhals series
        Complete.
    kind : Column
        What `read_column` found.
    bins : int
        How many bins a column of numbers is to have.
    """
    if isinstance(kind, Categorical | Fixed):
        return _levels(series, kind)
    values = series.cast(nw.Float64).to_numpy().astype(np.float64)
    integer = isinstance(kind, Integer)
    if integer and np.abs(values).max() >= _LARGEST:
        largest = values[np.abs(values).argmax()]
        raise DataError(
            f"it holds {largest:.0f}, and floating point has no halves between whole numbers from "
            "2^52 on; declare it continuous or categorical"
        )
    edges = _edges(*np.unique(values, return_counts=True), bins, integer=integer)
    found = np.searchsorted(edges[1:-1], values).astype(np.int64)
    rows = np.bincount(found, minlength=len(edges) - 1)
    return Bins(tuple(edges.tolist()), tuple(rows.tolist()), integer), found


def _levels(series: Values, kind: Categorical | Fixed) -> Cut:
    levels = tuple(kind.levels) if isinstance(kind, Categorical) else (kind.value,)
    require_one_type(levels)
    found = Levels(levels, (0,) * len(levels)).positions(series)
    return Levels(levels, tuple(np.bincount(found, minlength=len(levels)).tolist())), found


def _edges(
    values: NDArray[np.float64], rows: NDArray[np.int64], bins: int, *, integer: bool
) -> NDArray[np.float64]:
    """Edges of the cells of ascending `values`, each of which `rows` rows hold.

    Values with a cell of their own come with empty cells where nothing was seen between them and
    their neighbours: what lies there must not share the mass of a neighbour.
    """
    most = rows.sum() / bins
    share = _OF_BIN * most if integer else _OF_ALL * rows.sum()
    alone = rows >= max(share, _LEAST_ROWS)
    if integer and len(values) <= bins:
        alone[:] = True
    gaps, middles = np.diff(values), 0.5 * values[:-1] + 0.5 * values[1:]
    half = 0.5 if integer else 0.5 * max(gaps.min(), _NARROWEST * (values[-1] - values[0]))
    near = gaps < 3.0 * half  # no empty cell between them
    first, last = (values[0] - half, values[-1] + half) if integer else (values[0], values[-1])
    below = np.append(first, np.where(near, middles, values[1:] - half))
    above = np.append(np.where(near, middles, values[:-1] + half), last)
    edges = [np.array([first, last]), below[alone], above[alone]]
    starts = np.flatnonzero(~alone & np.append(True, alone[:-1]))
    ends = np.flatnonzero(~alone & np.append(alone[1:], True))
    for start, end in zip(starts, ends, strict=True):
        run = slice(start, end + 1)
        edges.append(np.array([below[start], above[end]]))
        edges.append(_quantile_cuts(values[run], rows[run], most, integer=integer))
    return np.unique(np.concatenate(edges))


def _quantile_cuts(
    values: NDArray[np.float64], rows: NDArray[np.int64], most: float, *, integer: bool
) -> NDArray[np.float64]:
    """Cut between neighbouring values where the rows below come closest to equal shares."""
    if len(values) == 1:
        return np.empty(0)
    until = np.cumsum(rows)
    parts = max(1, round(until[-1] / most))
    wanted = until[-1] * np.arange(1, parts) / parts
    after = np.clip(np.searchsorted(until, wanted), 1, None)
    after -= np.abs(until[after - 1] - wanted) <= np.abs(until[after] - wanted)
    after = np.unique(after[after < len(values) - 1])
    middle: NDArray[np.float64] = 0.5 * values[after] + 0.5 * values[after + 1]
    return np.floor(middle) + 0.5 if integer else middle
