"""The term that keeps rows near another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._question import Near, Term
from sondage._terms.words import weighted
from sondage.columns import (
    has_levels,
    level_codes,
    levels_of,
    may_be_missing,
    missing_weight,
)
from sondage.errors import QuestionError
from sondage.frames import is_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.space import Space

__all__ = ["Distance"]

_SHOWN = 6


@dataclass(frozen=True, slots=True, repr=False)
class Distance(Term):
    """The row stays near another: Σ_d w_d |x_d − a_d|^r (MATH 2, localizer).

    In a column of levels |x_d − a_d| is 1 where they differ, whatever the levels. Between a missing
    value and a number it is the width of the column's bounds, between two missing ones 0.
    """

    row: tuple[tuple[str, object], ...] | tuple[float, ...]
    weights: tuple[tuple[str, float], ...] | tuple[float, ...] | None
    norm: Literal[1, 2]

    def localizers(self, weight: float, space: Space) -> list[Near]:
        """Return the distance in the space's columns."""
        anchor, given = _anchor(_by_name(self.row), space)
        column_weights = np.ones(len(space.columns))
        if self.weights is not None:
            column_weights = _column_weights(_by_name(self.weights), space)
        column_weights = np.where(given, column_weights, 0.0)
        return [Near(weight, self.norm, anchor, column_weights)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        distance = "absolute" if self.norm == 1 else "squared"
        row = _by_name(self.row)
        words = isinstance(row, dict) and any(isinstance(v, bool | str) for v in row.values())
        columns = ", 1 for a category that differs" if words else ""
        columns += ", each column by its weight" if self.weights is not None else ""
        clause = f"the row stays near {_row_words(self.row)}"
        return weighted(weight, clause, f"the sum of {distance} differences{columns}")

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={_row_repr(self.weights)}"
        return f"near({_row_repr(self.row)}{weights}, norm={self.norm})"


def _anchor(
    values: dict[str, object] | tuple[float, ...], space: Space
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the anchor as a sampled row, and which of its columns were given."""
    columns = space.columns
    numbers = isinstance(values, tuple)
    if isinstance(values, tuple):
        _require_length("the row of near", values, columns)
        values = dict(zip(columns, values, strict=True))
    missing = [name for name in space.free if name not in values]
    if missing:
        raise QuestionError(
            f"the row of near has no value for {', '.join(map(repr, missing))}; every free column "
            "needs one"
        )
    anchor, given = np.zeros(len(columns)), np.zeros(len(columns), dtype=np.bool_)
    for index, (name, kind) in enumerate(space.kinds.items()):
        value = values.get(name)
        if has_levels(kind):
            if numbers and not all(isinstance(v, int | float) for v in levels_of(kind)):
                raise QuestionError(
                    f"the row of near is an array of numbers, and column {name!r} is {kind!r}: "
                    "give a mapping by name"
                )
            if not is_missing(value) or may_be_missing(kind):
                anchor[index], given[index] = level_codes([value], kind)[0], True
        elif isinstance(value, int | float) and math.isfinite(value):
            anchor[index], given[index] = float(value), True
        elif name in values and is_missing(value) and missing_weight(kind) > 0.0:
            anchor[index], given[index] = math.nan, True
        if not given[index] and name in space.free:
            needed = "a level" if has_levels(kind) else "a number"
            also = ": no value of it may be missing in the space" if is_missing(value) else ""
            raise QuestionError(
                f"the row of near has {value!r} for column {name!r}; {needed} is needed{also}"
            )
    return anchor, given


def _column_weights(
    values: dict[str, object] | tuple[float, ...], space: Space
) -> NDArray[np.float64]:
    """Return a weight for each column, 1 where none is given."""
    columns = space.columns
    if isinstance(values, tuple):
        _require_length("weights of near", values, columns)
        return np.array(values)
    unknown = [name for name in values if name not in columns]
    if unknown:
        raise QuestionError(
            f"weights of near names unknown column {', '.join(map(repr, unknown))}; "
            f"the columns are {', '.join(map(repr, columns))}"
        )
    return np.array([values.get(name, 1.0) for name in columns], dtype=np.float64)


def _require_length(what: str, values: tuple[float, ...], columns: list[str]) -> None:
    if len(values) != len(columns):
        raise QuestionError(
            f"{what} has {len(values)} values; the space has {len(columns)} columns"
        )


def _by_name(
    values: tuple[tuple[str, object], ...] | tuple[tuple[str, float], ...] | tuple[float, ...],
) -> dict[str, object] | tuple[float, ...]:
    named: dict[str, object] = {}
    numbers: list[float] = []
    for value in values:
        if isinstance(value, tuple):
            named[value[0]] = value[1]
        else:
            numbers.append(value)
    return tuple(numbers) if numbers else named


def _row_repr(
    values: tuple[tuple[str, object], ...] | tuple[tuple[str, float], ...] | tuple[float, ...],
) -> str:
    known = _by_name(values)
    return repr(known) if isinstance(known, dict) else repr(list(known))


def _row_words(row: tuple[tuple[str, object], ...] | tuple[float, ...]) -> str:
    known = _by_name(row)
    shown = (
        [f"{name} = {_value_words(value)}" for name, value in known.items()]
        if isinstance(known, dict)
        else [_value_words(value) for value in known]
    )
    if len(shown) > _SHOWN:
        return f"({', '.join(shown[:_SHOWN])}, … {len(shown) - _SHOWN} more)"
    return f"({', '.join(shown)})"


def _value_words(value: object) -> str:
    if is_missing(value):
        return "missing"
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"
