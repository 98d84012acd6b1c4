"""Frames as the sampler sees them, and back.

A sampled row is a float64 for each column of the space, in its order: numbers as they are, NaN
where missing, a level as its position in `Categorical.levels`, a fixed value that is not a number
as 0. In a frame a missing value is null, whatever the dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import narwhals as nw
import numpy as np
import polars as pl

from sondage._dtypes import round_float32, usual_dtype
from sondage.columns import (
    NO_LEVEL,
    Categorical,
    Continuous,
    Fixed,
    Integer,
    has_levels,
    level_codes,
    levels_of,
    missing_weight,
)
from sondage.errors import DataError
from sondage.frames import listed, to_matrix, to_narwhals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.frames import FrameLike, Table
    from sondage.space import Space

__all__ = ["as_given", "decode", "encode"]


def encode(frame: FrameLike, space: Space, what: str = "the frame") -> NDArray[np.float64]:
    """Return rows as the sampler sees them; they may lie outside the space's bounds.

    Parameters
    ----------
    frame : polars, pandas or pyarrow frame, or 2-D numpy array
        The columns of the space by name (others are ignored), or by position in an array, where a
        column of levels holds the levels themselves.
    space : Space
    what : str
        What the frame is, for messages.

    Returns
    -------
    ndarray of float64, shape (rows, columns)

    Raises
    ------
    DataError
        For a value that is infinite or no level, or missing where none may be; names column, row,
        value and levels.
    """
    kinds = space.kinds
    levelled = [name for name, kind in kinds.items() if has_levels(kind)]
    missing = [name for name, kind in kinds.items() if missing_weight(kind) > 0.0]
    if not levelled and not missing:
        return to_matrix(frame, space.columns, what=what)
    table = to_narwhals(frame, space.columns)
    numeric = [name for name in space.columns if name not in levelled]
    rows = np.empty((len(table), len(space.columns)))
    if numeric:
        numbers = _numbers(table, numeric, missing, what)
        rows[:, [space.columns.index(name) for name in numeric]] = numbers
    for name in levelled:
        kind = cast("Categorical | Fixed", kinds[name])
        values = table.get_column(name).to_list()
        codes = level_codes(values, kind)
        if (codes == NO_LEVEL).any():
            row = int(np.argmax(codes == NO_LEVEL))
            words = isinstance(frame, np.ndarray) and any(
                isinstance(v, str) for v in levels_of(kind)
            )
            hint = " (a frame can hold them, an array of numbers cannot)" if words else ""
            raise DataError(
                f"column {name!r} of {what} is {values[row]!r} in row {row}; {_allowed(kind)}{hint}"
            )
        rows[:, space.columns.index(name)] = codes
    return rows


def decode(rows: NDArray[np.float64], space: Space) -> pl.DataFrame:
    """Return sampled rows in the user's terms, in the dtypes that the columns had.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
    space : Space

    Returns
    -------
    polars.DataFrame
        A fixed column holds its very value.
    """
    return pl.DataFrame(
        [
            _column(name, kind, dtype or usual_dtype(kind), rows[:, j])
            for j, ((name, kind), dtype) in enumerate(
                zip(space.kinds.items(), space._dtypes, strict=True)
            )
        ]
    )


def _numbers(table: Table, names: list[str], missing: list[str], what: str) -> NDArray[np.float64]:
    """Return columns of numbers, NaN where missing in those in which a value may be."""
    parts = np.empty((len(table), len(names)))
    for group in ([name for name in names if name not in missing], missing):
        if group:
            own = table.select(*group)
            if group is missing:  # a column without any number has no dtype of numbers
                empty = [name for name in group if own.get_column(name).is_null().all()]
                own = own.with_columns(*(nw.col(name).cast(nw.Float64) for name in empty))
            places = [names.index(name) for name in group]
            parts[:, places] = to_matrix(
                own.to_native(), group, what=what, missing=group is missing
            )
    return parts


def as_given(rows: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    """Return rows (…, columns) whose Float32 columns hold float32 numbers within their bounds."""
    rounded = None
    for j, (kind, dtype) in enumerate(zip(space.kinds.values(), space._dtypes, strict=True)):
        if isinstance(kind, Continuous) and dtype == pl.Float32:
            rounded = rows.copy() if rounded is None else rounded
            rounded[..., j] = round_float32(rows[..., j], kind)
    return rows if rounded is None else rounded


def _column(name: str, kind: Column, dtype: pl.DataType, values: NDArray[np.float64]) -> pl.Series:
    if isinstance(kind, Fixed):
        return pl.Series(name, [kind.value], dtype=dtype).new_from_index(0, len(values))
    if isinstance(kind, Categorical):
        return pl.Series(name, levels_of(kind), dtype=dtype).gather(values.astype(np.uint32))
    numbers = pl.Series(name, np.ascontiguousarray(values)).fill_nan(None)
    return numbers.cast(pl.Int64).cast(dtype) if isinstance(kind, Integer) else numbers.cast(dtype)


def _allowed(kind: Categorical | Fixed) -> str:
    if isinstance(kind, Fixed):
        return f"the space fixes it at {kind.value!r}"
    return f"its levels are {listed(kind.levels)}"
