"""Read the kind and the range of a column off data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import narwhals as nw
import numpy as np

from sondage.columns import Categorical, Continuous, Fixed, Integer
from sondage.errors import DataError, SpaceError
from sondage.frames import is_missing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.frames import Table, Values

__all__ = ["read_column", "read_columns"]


def read_columns(
    table: Table,
    kinds: Mapping[str, Collection[str]],
    bounds: Mapping[str, tuple[float, float]],
    missing: str,
) -> dict[str, Column]:
    """Read the kinds of all columns; arguments as in `Space.from_frame`."""
    if missing not in ("forbid", "allow"):
        raise SpaceError(f"missing={missing!r} must be 'forbid' or 'allow'")
    columns: dict[str, Column] = {}
    for name in table.columns:
        said = [kind for kind, group in kinds.items() if name in group]
        if len(said) > 1:
            raise SpaceError(f"column {name!r} is named in {' and '.join(said)}; choose one")
        series, own = table.get_column(name), said[0] if said else None
        try:
            columns[name] = read_column(series, own, bounds.get(name), missing=missing)
        except (SpaceError, DataError) as error:
            raise type(error)(f"column {name!r}: {error}") from None
    return columns


def read_column(
    series: Values,
    said: str | None,
    bounds: tuple[float, float] | None,
    *,
    missing: str | None = None,
) -> Column:
    """Read a column's kind; `missing` as in `Space.from_frame`, None where there is no choice."""
    dtype = series.dtype
    numeric = dtype.is_numeric()
    readable = numeric or dtype in (nw.Boolean, nw.String, nw.Categorical, nw.Enum, nw.Object)
    if missing == "allow" and bool(series.is_null().all()):
        return _never_there(said, bounds)
    if not readable:
        raise SpaceError(f"dtype {dtype} is not supported; numbers, strings and booleans are")
    absent = _absent(series, numeric, missing)
    if absent.all():
        return _never_there(said, bounds)
    share = float(absent.mean()) or None
    if share is not None:
        series = series.filter((~absent).tolist())
    if dtype.is_decimal():
        series = series.cast(nw.Float64)
    values = cast("list[object]", series.unique(maintain_order=True).to_list())
    if said == "fixed":
        if bounds is not None:
            raise SpaceError("it is both in fixed and in bounds; choose one")
        if len(values) == 1 and share is None:
            return Fixed(values[0])
        otherwise = None if share is not None else read_column(series, None, None)
        otherwise = None if isinstance(otherwise, Fixed) else otherwise
        return Fixed(otherwise=otherwise, missing=share is not None)
    kind = said or ("continuous" if dtype.is_float() or dtype.is_decimal() else None)
    kind = kind or ("integer" if dtype.is_integer() else "categorical")
    if kind == "categorical":
        if bounds is not None:
            raise SpaceError("bounds are for continuous and integer columns; this is categorical")
        return _levels(values, share)
    if not numeric:
        raise SpaceError(f"dtype {dtype} cannot be {kind}; numbers are needed")
    if bounds is None and len(values) == 1:
        return _levels(values, share)
    lower, upper = _pair(bounds) if bounds is not None else (series.min(), series.max())
    if kind == "integer":
        for value in cast("list[float]", values):
            if not float(value).is_integer():
                raise SpaceError(f"it holds {value!r} and cannot be integer; say continuous")
        return Integer(cast("int", lower), cast("int", upper), share)
    return Continuous(lower, upper, share)


def _pair(bounds: object) -> tuple[float, float]:
    if isinstance(bounds, str) or not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise SpaceError(f"bounds {bounds!r} must be a pair (lower, upper)")
    return bounds[0], bounds[1]


def _levels(values: list[object], share: float | None) -> Column:
    """One value, or levels; the level None, if a value may be missing, is the last."""
    if share is not None:
        return Categorical([*_ordered(values), None])
    return Fixed(values[0]) if len(values) == 1 else Categorical(_ordered(values))


def _never_there(said: str | None, bounds: object) -> Column:
    if bounds is not None or said not in (None, "fixed", "categorical"):
        raise SpaceError("it holds missing values only; give it bounds in a space written by hand")
    return Fixed(None, missing=True)


def _ordered(values: list[object]) -> list[object]:
    return sorted(values, key=lambda value: (str(type(value)), value))


def _absent(series: Values, numeric: bool, missing: str | None) -> NDArray[np.bool_]:
    """Where values are missing, which must be allowed."""
    allowed = missing == "allow"
    absent = series.is_null().to_numpy().astype(np.bool_)
    infinite = np.zeros_like(absent)
    if numeric:
        numbers = series.cast(nw.Float64).to_numpy().astype(np.float64)
        absent, infinite = absent | np.isnan(numbers), np.isinf(numbers)
    elif allowed and series.dtype == nw.Object:
        absent = np.fromiter((is_missing(value) for value in series.to_list()), np.bool_)
    bad = infinite if allowed else infinite | absent
    if bad.any():
        row = int(np.argmax(bad))
        offered = missing is not None and not infinite[row]
        kept = ', or keep missing values with missing="allow"' if offered else ""
        raise DataError(
            f"the value in row {row} is {series[row]}; missing, NaN and infinite values are not "
            f"supported: drop or fill these rows{kept}"
        )
    return absent
