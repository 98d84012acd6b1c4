"""Read the kind and the range of a column off data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import narwhals as nw
import numpy as np

from sondage.columns import Categorical, Continuous, Fixed, Integer
from sondage.errors import DataError, SpaceError

if TYPE_CHECKING:
    from sondage.columns import Column
    from sondage.frames import Values

__all__ = ["read_column"]


def read_column(series: Values, said: str | None, bounds: tuple[float, float] | None) -> Column:
    dtype = series.dtype
    numeric = dtype.is_numeric()
    readable = numeric or dtype in (nw.Boolean, nw.String, nw.Categorical, nw.Enum, nw.Object)
    if not readable:
        raise SpaceError(f"dtype {dtype} is not supported; numbers, strings and booleans are")
    _require_complete(series, numeric)
    if dtype.is_decimal():
        series = series.cast(nw.Float64)
    values = cast("list[object]", series.unique(maintain_order=True).to_list())
    if said == "fixed":
        if bounds is not None:
            raise SpaceError("it is both in fixed and in bounds; choose one")
        if len(values) == 1:
            return Fixed(values[0])
        otherwise = read_column(series, None, None)
        return Fixed(otherwise=None if isinstance(otherwise, Fixed) else otherwise)
    kind = said or ("continuous" if dtype.is_float() or dtype.is_decimal() else None)
    kind = kind or ("integer" if dtype.is_integer() else "categorical")
    if kind == "categorical":
        if bounds is not None:
            raise SpaceError("bounds are for continuous and integer columns; this is categorical")
        return Fixed(values[0]) if len(values) == 1 else Categorical(_ordered(values))
    if not numeric:
        raise SpaceError(f"dtype {dtype} cannot be {kind}; numbers are needed")
    if bounds is None and len(values) == 1:
        return Fixed(values[0])
    lower, upper = _pair(bounds) if bounds is not None else (series.min(), series.max())
    if kind == "integer":
        for value in cast("list[float]", values):
            if not float(value).is_integer():
                raise SpaceError(f"it holds {value!r} and cannot be integer; say continuous")
        return Integer(cast("int", lower), cast("int", upper))
    return Continuous(lower, upper)


def _pair(bounds: object) -> tuple[float, float]:
    if isinstance(bounds, str) or not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise SpaceError(f"bounds {bounds!r} must be a pair (lower, upper)")
    return bounds[0], bounds[1]


def _ordered(values: list[object]) -> list[object]:
    return sorted(values, key=lambda value: (str(type(value)), value))


def _require_complete(series: Values, numeric: bool) -> None:
    bad = series.is_null().to_numpy()
    if numeric:
        bad = bad | ~np.isfinite(series.cast(nw.Float64).to_numpy().astype(np.float64))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"the value in row {row} is {series[row]}; missing, NaN and infinite values are not "
            "supported: drop or fill these rows"
        )
