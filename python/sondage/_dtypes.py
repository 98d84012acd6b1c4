"""The dtypes in which columns come back: those that they had in the user's frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import polars as pl

from sondage.columns import Categorical, Continuous, Fixed, Integer, levels_of
from sondage.errors import SpaceError
from sondage.frames import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.frames import Values

__all__ = ["dtype_of", "holding", "require_exact", "round_float32", "usual_dtype"]

#: Beyond these, whole numbers are not told apart by float64.
_LARGEST = 2**53


def dtype_of(series: Values) -> pl.DataType | None:
    """Dtype of a column of a frame, in polars' terms; None where it has no name there.

    A pandas category of strings is an `Enum`, which keeps categories and their order.
    """
    native = series.to_native()
    if isinstance(native, pl.Series):
        return native.dtype
    categories = getattr(getattr(native, "dtype", None), "categories", None)
    if categories is not None:
        names = list(categories)
        return pl.Enum(names) if all(isinstance(name, str) for name in names) else None
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        found = getattr(pl, type(dtype).__name__, None)
        return found() if isinstance(found, type) and not dtype.is_decimal() else None
    return None


def usual_dtype(kind: Column) -> pl.DataType:
    """Dtype of a column that was read off no frame.

    Raises
    ------
    SpaceError
        For levels that are not all strings, all numbers or all booleans: a frame cannot hold them
        in one column.
    """
    if isinstance(kind, Continuous):
        return pl.Float64()
    if isinstance(kind, Integer):
        return pl.Int64()
    values = [value for value in levels_of(kind) if value is not None]
    if not values:
        return pl.Null()
    types = {type(value) for value in values}
    if types == {bool}:
        return pl.Boolean()
    if types == {str}:
        return pl.String()
    if types <= {int, float} and all(value == value for value in values):
        return pl.Int64() if types == {int} else pl.Float64()
    what = "levels" if isinstance(kind, Categorical) else "value"
    raise SpaceError(
        f"its {what} {listed(values)} must be strings, numbers or booleans, all of one of these: a "
        "frame's column has one dtype"
    )


def holding(kind: Column, dtype: pl.DataType | None) -> pl.DataType | None:
    """Return a dtype if it holds every value of a column; else None."""
    if dtype is None or (isinstance(kind, Fixed) and kind.at_query):
        return dtype
    if isinstance(kind, Continuous):
        if dtype != pl.Float32:
            return dtype if dtype == pl.Float64 else None
        lower, upper = float32_bounds(kind)
        return dtype if lower <= upper else None
    if isinstance(kind, Integer):
        return dtype if dtype.is_integer() and _holds([kind.lower, kind.upper], dtype) else None
    return dtype if _holds(levels_of(kind), dtype) else None


def require_exact(kind: Column) -> None:
    """Refuse whole numbers that float64 does not tell apart."""
    if isinstance(kind, Integer) and max(abs(kind.lower), abs(kind.upper)) > _LARGEST:
        raise SpaceError(f"its bounds must lie within ±2^53, so that {kind!r} is exact in float64")


def float32_bounds(kind: Continuous) -> tuple[np.float32, np.float32]:
    """Return the least and the largest float32 within the bounds."""
    with np.errstate(over="ignore"):
        lower, upper = np.float32(kind.lower), np.float32(kind.upper)
    if float(lower) < kind.lower:
        lower = np.nextafter(lower, np.float32(np.inf))
    if float(upper) > kind.upper:
        upper = np.nextafter(upper, np.float32(-np.inf))
    return lower, upper


def round_float32(values: NDArray[np.float64], kind: Continuous) -> NDArray[np.float64]:
    """Round to the nearest float32 within the bounds."""
    lower, upper = float32_bounds(kind)
    return np.clip(values.astype(np.float32), lower, upper).astype(np.float64)


def _holds(values: list[object], dtype: pl.DataType) -> bool:
    present = [value for value in values if value is not None]
    if not present:
        return True
    if (dtype == pl.Boolean) != all(isinstance(value, bool) for value in present):
        return False
    try:
        return pl.Series(values, dtype=dtype, strict=True).to_list() == values
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return False
