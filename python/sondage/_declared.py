"""Checks of what a space is declared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sondage.columns import Categorical, Continuous, Fixed, Integer
from sondage.errors import SpaceError
from sondage.frames import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
