"""Rows of several frames as arrays of numbers, a category once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import polars as pl

from sondage.columns import Categorical, Fixed
from sondage.errors import DataError
from sondage.frames import is_missing, plain
from sondage.models._rows import codes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sondage.frames import Table, Values
    from sondage.space import Space

__all__ = ["Coding"]


@dataclass(frozen=True, slots=True)
class Coding:
    """How rows of a space become arrays: numbers as they are, categories as positions in levels.

    Missing is NaN in both.

    Attributes
    ----------
    levels : mapping from str to tuple or None
        Of every column in the space's order: the values that occur in any of the frames; None for
        a column of numbers.
    """

    levels: Mapping[str, tuple[object, ...] | None]

    @classmethod
    def of(cls, space: Space, reference: Table, frames: tuple[Table, ...]) -> Coding:
        """Read the kinds off the space; of a fixed column, off the reference."""
        levels: dict[str, tuple[object, ...] | None] = {}
        for name, kind in space.kinds.items():
            dtype = reference.get_column(name).dtype
            category = isinstance(kind, Categorical) or (
                isinstance(kind, Fixed) and not dtype.is_numeric()
            )
            levels[name] = None if not category else _levels(name, (reference, *frames))
        return cls(levels)

    def encode(self, frame: Table, what: str) -> NDArray[np.float64]:
        """Return a frame as an array, (rows, columns); `what` names it in messages."""
        rows = np.empty((len(frame), len(self.levels)))
        for j, (name, levels) in enumerate(self.levels.items()):
            series = frame.get_column(name)
            if levels is None:
                rows[:, j] = _numbers(series, f"column {name!r} of {what}")
                continue
            where = f"column {name!r} of {what}"
            rows[:, j] = codes(series.to_list(), levels, where, missing=True, unknown=False)
        return rows

    def decode(self, rows: NDArray[np.float64]) -> pl.DataFrame:
        """Return the frame of an array, for a model."""
        columns = []
        for j, (name, levels) in enumerate(self.levels.items()):
            if levels is None:
                columns.append(pl.Series(name, rows[:, j]))
                continue
            values = [None if code != code else levels[int(code)] for code in rows[:, j]]
            kinds = {type(level) for level in levels}
            dtype = None if len(kinds) == 1 or kinds <= {int, float} else pl.Object()
            columns.append(pl.Series(name, values, dtype=dtype, strict=False))
        return pl.DataFrame(columns)

    @property
    def numeric(self) -> NDArray[np.bool_]:
        """Which columns are numbers, (columns,)."""
        return np.array([levels is None for levels in self.levels.values()], dtype=np.bool_)


def _levels(name: str, frames: tuple[Table, ...]) -> tuple[object, ...]:
    found: dict[object, None] = {}
    for frame in frames:
        values = (plain(value) for value in frame.get_column(name).to_list())
        found.update(dict.fromkeys(value for value in values if not is_missing(value)))
    return tuple(found)


def _numbers(series: Values, where: str) -> NDArray[np.float64]:
    if len(series) == 0:
        return np.empty(0)
    if not (series.dtype.is_numeric() or series.dtype == nw.Boolean):
        raise DataError(f"{where} is {series.dtype}; numbers are needed")
    numbers = series.cast(nw.Float64).to_numpy().astype(np.float64)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers)))
        raise DataError(f"{where} is {numbers[row]} in row {row}; finite numbers are needed")
    return numbers
