"""The constraints of a space: for the core, on frames, and whether any row may meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from sondage._constraints._condition import Condition, Predicate
from sondage._encoding import decode, encode
from sondage.columns import (
    Categorical,
    Continuous,
    Fixed,
    bounds_of,
    has_levels,
    level_codes,
    missing_weight,
    moves,
)
from sondage.errors import SpaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sondage import _core
    from sondage._constraints._condition import Constraint
    from sondage.columns import Column
    from sondage.frames import Table, Values
    from sondage.space import Space

__all__ = ["Limits", "admitted", "limits", "require_possible"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The constraints of a space that has no column waiting for a query's value.

    Attributes
    ----------
    conditions : list of core Constraint
        On rows as the sampler sees them.
    predicates : tuple of Predicate
    """

    conditions: list[_core.Constraint]
    predicates: tuple[Predicate, ...]


def limits(space: Space) -> Limits:
    """Return the constraints of a space for the core, and those that Python evaluates."""
    kinds, constraints = space.kinds, space._constraints
    return Limits(
        [own.program(kinds) for own in constraints if isinstance(own, Condition)],
        tuple(own for own in constraints if isinstance(own, Predicate)),
    )


def require_possible(space: Space, constraints: Sequence[Constraint]) -> None:
    """Refuse conditions that no row of the space fulfils, or that have probability 0.

    Columns that wait for a query's value are left for later.

    Raises
    ------
    SpaceError
        Names the condition.
    """
    kinds = space.kinds
    waiting = {name for name, kind in kinds.items() if isinstance(kind, Fixed) and kind.at_query}
    known = {name: kind for name, kind in kinds.items() if name not in waiting}
    for own in constraints:
        if not isinstance(own, Condition):
            continue
        program = own.program(kinds)
        reads = own.columns()
        for name in sorted(reads & kinds.keys()):
            if missing_weight(kinds[name]) > 0.0:
                raise SpaceError(
                    f"the constraint {own.text!r} reads column {name!r}, whose values may be "
                    "missing: nothing says whether it holds for them; leave missing='allow' out, "
                    "or give a function"
                )
        if reads & waiting:
            continue
        ends = [bounds_of(known[name]) if name in reads else (0.0, 0.0) for name in kinds]
        lower, upper = np.array(ends).T.copy()
        codes = [moves(kind) for kind in kinds.values()]
        possible, thin = program.on(lower, upper, np.array(codes, dtype=np.uint8))
        columns = ", ".join(f"{name!r}: {kinds[name]!r}" for name in kinds if name in reads)
        if not possible:
            raise SpaceError(
                f"no row of the space meets the constraint {own.text!r}; its columns: {columns}"
            )
        if thin:
            raise SpaceError(
                f"the constraint {own.text!r} asks for an equality of real numbers, which has "
                "probability 0: ask for a band, as in 'abs(a - b) <= 0.01', or express one column "
                f"by the others and leave it out; its columns: {columns}"
            )


def admitted(space: Space, table: Table, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the rows that lie inside kinds and bounds meet all constraints as well.

    Raises
    ------
    SpaceError
        If a function fails; its exception is the cause.
    """
    inside = inside.copy()
    conditions = [own for own in space._constraints if isinstance(own, Condition)]
    if conditions:
        read = set().union(*(own.columns() for own in conditions))
        kinds, rows, lenient = _read(space.kinds, table, read, inside)
        for own in conditions:
            inside &= own.program(kinds, lenient).violation(rows) == 0.0
    predicates = [own for own in space._constraints if isinstance(own, Predicate)]
    if predicates and inside.any():
        where = np.flatnonzero(inside)
        frame = _as_typed(space, table, where)
        for predicate in predicates:
            inside[where] &= predicate.checked(frame)
    return inside


def _as_typed(space: Space, table: Table, where: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """Return rows as a polars frame, in the space's dtypes where these are known."""
    frame = table.to_polars()[where]
    waits = any(isinstance(kind, Fixed) and kind.at_query for kind in space.kinds.values())
    return frame if waits else decode(encode(frame, space), space)


def _read(
    kinds: Mapping[str, Column], table: Table, read: set[str], inside: NDArray[np.bool_]
) -> tuple[dict[str, Column], NDArray[np.float64], frozenset[str]]:
    """Return kinds of the columns and rows as numbers; 0 in columns that are not read.

    A column that waits for a query's value is what it is in the table, with its levels, of which
    not all may be known.
    """
    found, open_ones = dict(kinds), set()
    rows = np.zeros((len(table), len(kinds)))
    for j, (name, kind) in enumerate(kinds.items()):
        if name not in read:
            continue
        series = table.get_column(name)
        if isinstance(kind, Fixed) and kind.at_query:
            if series.dtype.is_numeric():
                found[name] = Continuous(0.0, 1.0)
            else:
                levels = dict.fromkeys([*series.to_list(), False, True])
                found[name] = Categorical([*levels])
                open_ones.add(name)
        own = found[name]
        if has_levels(own):
            rows[:, j] = level_codes(series.to_list(), own)
        else:
            rows[inside, j] = _numbers(series, inside)
    return found, rows, frozenset(open_ones)


def _numbers(series: Values, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(np.float64)[inside]
    return np.array(
        [float(value) for value, own in zip(series.to_list(), inside, strict=True) if own]
    )
