"""The term that keeps rows near another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._question import Near, Term
from sondage._terms.words import weighted
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.space import Space

__all__ = ["Distance", "anchor_columns"]

_SHOWN = 6


@dataclass(frozen=True, slots=True, repr=False)
class Distance(Term):
    """The row stays near another: Σ_d w_d |x_d − a_d|^r (MATH 2, localizer)."""

    row: tuple[tuple[str, object], ...] | tuple[float, ...]
    weights: tuple[tuple[str, float], ...] | tuple[float, ...] | None
    norm: Literal[1, 2]

    def localizers(self, weight: float, space: Space) -> list[Near]:
        """Return the distance in the space's columns."""
        anchor, given = anchor_columns(
            "the row of near", _by_name(self.row), space, needed=space.free, otherwise=0.0
        )
        column_weights = np.ones(len(space.columns))
        if self.weights is not None:
            named = _by_name(self.weights)
            if isinstance(named, dict):
                unknown = [name for name in named if name not in space.columns]
                if unknown:
                    raise QuestionError(
                        f"weights of near names unknown column {', '.join(map(repr, unknown))}; "
                        f"the columns are {', '.join(map(repr, space.columns))}"
                    )
            column_weights, _ = anchor_columns(
                "weights of near", named, space, needed=[], otherwise=1.0
            )
        column_weights = np.where(given, column_weights, 0.0)
        return [Near(weight, self.norm, anchor, column_weights)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        distance = "absolute" if self.norm == 1 else "squared"
        columns = ", each column by its weight" if self.weights is not None else ""
        clause = f"the row stays near {_row_words(self.row)}"
        return weighted(weight, clause, f"the sum of {distance} differences{columns}")

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={_row_repr(self.weights)}"
        return f"near({_row_repr(self.row)}{weights}, norm={self.norm})"


def anchor_columns(
    what: str,
    values: dict[str, object] | tuple[float, ...],
    space: Space,
    *,
    needed: list[str],
    otherwise: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers in the space's order from a mapping or an array, and which of them were given."""
    columns = space.columns
    if isinstance(values, tuple):
        if len(values) != len(columns):
            raise QuestionError(
                f"{what} has {len(values)} values; the space has {len(columns)} columns"
            )
        return np.array(values, dtype=np.float64), np.ones(len(columns), dtype=np.bool_)
    missing = [name for name in needed if name not in values]
    if missing:
        raise QuestionError(
            f"{what} has no value for {', '.join(map(repr, missing))}; every free column needs one"
        )
    numbers = np.full(len(columns), otherwise)
    given = np.zeros(len(columns), dtype=np.bool_)
    for index, name in enumerate(columns):
        value = values.get(name)
        number = isinstance(value, int | float) and math.isfinite(value)
        if number:
            numbers[index], given[index] = float(value), True  # type: ignore[arg-type]
        elif name in needed:
            raise QuestionError(f"{what} has {value!r} for column {name!r}; a number is needed")
    return numbers, given


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
        else [f"{value:.10g}" for value in known]
    )
    if len(shown) > _SHOWN:
        return f"({', '.join(shown[:_SHOWN])}, … {len(shown) - _SHOWN} more)"
    return f"({', '.join(shown)})"


def _value_words(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"
