"""The kinds of column: what one value of a row may be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard, cast

import narwhals as nw
import numpy as np

from sondage.errors import SpaceError
from sondage.frames import is_missing, listed, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.frames import Values

__all__ = ["Categorical", "Column", "Continuous", "Fixed", "Integer"]


class _Query(Enum):
    """Stands for the value that a query row will bring."""

    VALUE = "query"


AT_QUERY: Final = _Query.VALUE
#: How the sampler moves a column: a real number, a whole number, from level to level.
CONTINUOUS, INTEGER, LEVELS = range(3)
#: Position of a value that is no level.
NO_LEVEL: Final = -1.0


@dataclass(frozen=True, slots=True, repr=False)
class Continuous:
    """A column of real numbers in ``[lower, upper]``.

    Parameters
    ----------
    lower, upper : float
        Finite, in the column's own unit, ``lower < upper``.
    missing : float, optional
        The share of a missing value in the column's base measure, between 0 and 1: normalised, it
        is uniform over the numbers with probability ``1 − missing``. None or 0: none is missing.

    Raises
    ------
    SpaceError
        If a bound is not a finite number, the bounds are equal or upside down, or the share of
        missing values is not below 1.

    >>> Continuous(0, 1)
    Continuous(lower=0.0, upper=1.0)
    """

    lower: float
    upper: float
    missing: float | None = None

    def __post_init__(self) -> None:
        lower, upper = _number("lower", self.lower), _number("upper", self.upper)
        _require_order(lower, upper)
        if not math.isfinite(upper - lower):
            raise SpaceError(f"bounds ({lower}, {upper}) are too far apart for floating point")
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "missing", _share(self.missing))

    def __repr__(self) -> str:
        return _in_words(self)


@dataclass(frozen=True, slots=True, repr=False)
class Integer:
    """A column of whole numbers ``lower, lower + 1, …, upper``.

    Parameters
    ----------
    lower, upper : int
    missing : float, optional
        As in `Continuous`.

    Raises
    ------
    SpaceError
        If a bound is not a whole number, the bounds are equal or upside down, or the share of
        missing values is not below 1.
    """

    lower: int
    upper: int
    missing: float | None = None

    def __post_init__(self) -> None:
        lower, upper = _number("lower", self.lower), _number("upper", self.upper)
        for name, bound in (("lower", lower), ("upper", upper)):
            if not bound.is_integer():
                raise SpaceError(f"{name} bound {bound} must be a whole number")
        _require_order(lower, upper)
        object.__setattr__(self, "lower", int(self.lower))
        object.__setattr__(self, "upper", int(self.upper))
        object.__setattr__(self, "missing", _share(self.missing))

    def __repr__(self) -> str:
        return _in_words(self)


@dataclass(frozen=True, slots=True)
class Categorical:
    """A column of named levels, without order.

    Parameters
    ----------
    levels : sequence
        At least two different values: all strings, all numbers or all booleans; and None, if a
        value may be missing (NaN stands for it too).
    """

    levels: Sequence[object]

    def __post_init__(self) -> None:
        if isinstance(self.levels, str):
            raise SpaceError(f"levels must be a sequence of values, not the string {self.levels!r}")
        levels = tuple(None if is_missing(level) else plain(level) for level in self.levels)
        if len(set(levels)) != len(levels):
            raise SpaceError(f"levels must differ from each other; given: {listed(levels)}")
        if len(levels) < 2:
            raise SpaceError(f"levels {levels} are fewer than two; use Fixed for a single value")
        object.__setattr__(self, "levels", levels)


@dataclass(frozen=True, slots=True, repr=False)
class Fixed:
    """A column that holds one value; without a value, that of the query row it is asked about.

    Parameters
    ----------
    value : number, str or bool, optional
        Left out: `Space.around` or `Space.fix` must give it before sampling.
    otherwise : Continuous, Integer or Categorical, optional
        Without a value: what the column is in the data, so that many queries with values of it can
        be answered together. Fixed columns are equal whatever it is.
    missing : bool
        Whether the value may be missing: ``Fixed(None, missing=True)`` is, and
        ``Fixed(missing=True)`` may be in the query row.

    >>> Fixed(40), Fixed()
    (Fixed(40), Fixed())
    """

    value: object = AT_QUERY
    otherwise: Continuous | Integer | Categorical | None = field(default=None, compare=False)
    missing: bool = False

    def __post_init__(self) -> None:
        value = plain(self.value)
        if self.otherwise is not None and not (
            self.at_query and isinstance(self.otherwise, Continuous | Integer | Categorical)
        ):
            raise SpaceError(
                f"otherwise={self.otherwise!r} must be Continuous, Integer or Categorical, and is "
                "for a column without a value"
            )
        if not isinstance(self.missing, bool):
            raise SpaceError(f"missing={self.missing!r} of a fixed column must be True or False")
        if is_missing(value) and self.missing:
            value = None
        elif is_missing(value) or (isinstance(value, float) and not math.isfinite(value)):
            raise SpaceError(f"a fixed value must not be {value}; give a finite number or a level")
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "missing", self.missing and (value is None or self.at_query))

    @property
    def at_query(self) -> bool:
        """Whether the value is still to come from a query row."""
        return self.value is AT_QUERY

    def __repr__(self) -> str:
        given = [] if self.at_query else [repr(self.value)]
        return f"Fixed({', '.join(given + ['missing=True'] * self.missing)})"


Column: TypeAlias = Continuous | Integer | Categorical | Fixed


def _number(what: str, value: object) -> float:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpaceError(f"{what} bound {value!r} must be a finite number")
    return float(value)


def _share(value: object) -> float | None:
    value = plain(value)
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 1.0:
        raise SpaceError(
            f"missing={value!r} must be a share between 0 and 1, or None where no value is missing"
        )
    return float(value)


def _in_words(column: Continuous | Integer) -> str:
    missing = "" if column.missing is None else f", missing={column.missing!r}"
    return f"{type(column).__name__}(lower={column.lower!r}, upper={column.upper!r}{missing})"


def _require_order(lower: float, upper: float) -> None:
    if lower > upper:
        raise SpaceError(f"bounds ({lower}, {upper}) are upside down; lower must be below upper")
    if lower == upper:
        raise SpaceError(f"bounds ({lower}, {upper}) are equal; use Fixed for a single value")


def may_be_missing(column: Column) -> bool:
    """Whether a value of the column may be missing."""
    if isinstance(column, Categorical):
        return None in column.levels
    return bool(column.missing)


def missing_weight(column: Column) -> float:
    """Weigh a missing value, where every whole number or every unit of length weighs 1."""
    if not isinstance(column, Continuous | Integer) or column.missing is None:
        return 0.0
    numbers = float(column.upper) - float(column.lower) + isinstance(column, Integer)
    return numbers * column.missing / (1.0 - column.missing)


def require_allowed(name: str, column: Column, value: object) -> None:
    value = plain(value)
    if is_missing(value) and may_be_missing(column):
        return
    if isinstance(column, Continuous | Integer):
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise SpaceError(f"column {name!r} cannot be {value!r}; a number is needed")
        if not column.lower <= value <= column.upper:
            raise SpaceError(
                f"column {name!r} cannot be {value!r}; its bounds are "
                f"[{column.lower}, {column.upper}]"
            )
        if isinstance(column, Integer) and float(value) != int(value):
            raise SpaceError(f"column {name!r} cannot be {value!r}; a whole number is needed")
    elif isinstance(column, Categorical) and value not in column.levels:
        raise SpaceError(
            f"column {name!r} cannot be {value!r}; its levels are {listed(column.levels)}"
        )


def has_levels(column: Column) -> TypeGuard[Categorical | Fixed]:
    """Whether values are held as positions in levels: categories, and fixed ones of no number."""
    if isinstance(column, Fixed):
        return not isinstance(column.value, int | float)
    return isinstance(column, Categorical)


def levels_of(kind: Categorical | Fixed) -> list[object]:
    """Levels of a column; of a fixed one, its value."""
    return list(kind.levels) if isinstance(kind, Categorical) else [kind.value]


def level_codes(values: Sequence[object], kind: Categorical | Fixed) -> NDArray[np.float64]:
    """Positions of values in the levels of a column; -1 for a value that is no level."""
    position = {level: float(k) for k, level in enumerate(levels_of(kind))}

    def code(value: object) -> float:
        if is_missing(value):
            return position.get(None, NO_LEVEL)
        try:
            return position.get(value, NO_LEVEL)
        except TypeError:  # lists and the like
            return NO_LEVEL

    return np.fromiter((code(value) for value in values), np.float64, len(values))


def waits(column: Column) -> bool:
    """Whether the value of a column is still to come from a query."""
    return isinstance(column, Fixed) and column.at_query


def is_number(column: Column) -> bool:
    """Whether the column is a number with a mean: no category, and not fixed at a boolean."""
    return not has_levels(column) and not (
        isinstance(column, Fixed) and isinstance(column.value, bool)
    )


def moves(column: Column) -> int:
    """How the sampler moves a column: CONTINUOUS, INTEGER or LEVELS."""
    if has_levels(column):
        return LEVELS
    return INTEGER if isinstance(column, Integer) else CONTINUOUS


def bounds_of(column: Column) -> tuple[float, float]:
    """Return the range in which the sampler moves a column; a fixed one has its value twice."""
    if isinstance(column, Continuous | Integer):
        return float(column.lower), float(column.upper)
    if isinstance(column, Categorical):
        return 0.0, len(column.levels) - 1.0
    value = 0.0 if has_levels(column) else float(cast("float", column.value))
    return value, value


def inside_column(series: Values, column: Column) -> NDArray[np.bool_]:
    null = series.is_null().to_numpy().astype(np.bool_)
    if isinstance(column, Fixed) and column.at_query:
        return null | True if column.missing else ~null
    if isinstance(column, Continuous | Integer):
        may = column.missing is not None
        if not series.dtype.is_numeric():
            return null & may
        values = series.cast(nw.Float64).to_numpy().astype(np.float64)
        inside: NDArray[np.bool_] = (values >= column.lower) & (values <= column.upper)
        if isinstance(column, Integer):
            inside &= values == np.floor(values)
        return inside | (np.isnan(values) & may)
    return np.asarray(level_codes(series.to_list(), column) != NO_LEVEL)
