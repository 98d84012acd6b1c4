"""Checks of what a space is declared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sondage._dtypes import require_exact, usual_dtype
from sondage.columns import Categorical, Continuous, Fixed, Integer, has_levels, may_be_missing
from sondage.errors import SpaceError
from sondage.frames import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sondage.space import Space

__all__ = ["names_of", "require_columns", "require_known", "require_monotone"]


def require_columns(columns: object) -> None:
    """Refuse what is no mapping from name to kind."""
    if not isinstance(columns, Mapping):
        raise SpaceError(
            f"columns must be a mapping from name to kind, not {type(columns).__name__}; "
            "Space.from_frame reads one off data"
        )
    if not columns:
        raise SpaceError("a space needs at least one column")
    for name, column in columns.items():
        if not isinstance(name, str):
            raise SpaceError(f"column name {name!r} must be a string")
        if not name:
            raise SpaceError("a column name must not be empty")
        if not isinstance(column, Continuous | Integer | Categorical | Fixed):
            raise SpaceError(
                f"column {name!r} is {column!r}; it must be Continuous, Integer, Categorical "
                "or Fixed"
            )


def require_monotone(columns: Mapping[str, object], up: list[str], down: list[str]) -> None:
    """Refuse columns that cannot grow or shrink, or are said to do both."""
    for argument, names in (("increase_only", up), ("decrease_only", down)):
        require_known(argument, names, list(columns))
        for name in names:
            if not isinstance(columns[name], Continuous | Integer):
                raise SpaceError(
                    f"{argument} names {name!r}, which is {columns[name]!r}; only continuous "
                    "and integer columns can grow or shrink"
                )
    both = [name for name in up if name in down]
    if both:
        raise SpaceError(
            f"column {listed(both)} is both increase_only and decrease_only; put it in fixed"
        )


def names_of(group: Collection[str], argument: str) -> list[str]:
    """Return a group of names as a list."""
    if isinstance(group, str):
        raise SpaceError(f"{argument}={group!r} must be a list of names; write [{group!r}]")
    return list(group)


def require_known(argument: str, names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse names of columns that there are none of."""
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise SpaceError(
            f"{argument} names unknown column {listed(unknown)}; the columns are {listed(columns)}"
        )


def require_reference(reference: object) -> None:
    """Refuse what is no density that was learned."""
    from sondage.reference import TreeDensity  # it reads spaces

    if not isinstance(reference, TreeDensity):
        raise SpaceError(
            f"reference={reference!r} must be a density that sondage.reference.chow_liu has "
            "learned, or None"
        )


def require_sampleable(space: Space) -> None:
    """Refuse columns that cannot be sampled as they are."""
    for name, column in space.kinds.items():
        if isinstance(column, Fixed) and column.at_query:
            raise SpaceError(
                f"column {name!r} is fixed at the query's value and there is no query yet; "
                "call space.around(row) or space.fix({...})"
            )
        try:
            usual_dtype(column)
            require_exact(column)
        except SpaceError as error:
            raise SpaceError(f"column {name!r} cannot be sampled: {error}") from None
    for names, argument in (
        (space.increase_only, "increase_only"),
        (space.decrease_only, "decrease_only"),
    ):
        if names:
            raise SpaceError(
                f"column {listed(sorted(names))} is {argument} relative to a query row; "
                "call space.around(row) first"
            )


def require_continuous(space: Space, what: str) -> None:
    """Refuse columns other than continuous ones and fixed numbers; `what` cannot have them."""
    if space._learned is not None:
        raise SpaceError(
            f"the space has a reference, and {what} knows the uniform base measure alone; "
            "leave reference= out"
        )
    for name, column in space.kinds.items():
        if isinstance(column, Integer) or has_levels(column) or may_be_missing(column):
            raise SpaceError(
                f"column {name!r} is {column!r}; {what} needs continuous columns and fixed "
                "numbers, none of them missing: declare it Continuous, fix it at a number, or "
                "leave it out"
            )
