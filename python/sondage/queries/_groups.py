"""Queries that can be answered on one space together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage.columns import Fixed, inside_column, waits
from sondage.frames import to_narwhals
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.queries._reading import Queries

__all__ = ["Group", "grouped"]


@dataclass(frozen=True, slots=True)
class Group:
    """Queries on a space on which nothing waits for a query.

    What a space is does not depend on which queries are in the group, so that neither does an
    answer.
    """

    space: Space
    positions: NDArray[np.int64]


def grouped(queries: Queries, space: Space) -> Iterator[Group]:
    """Put the usable queries together as far as they can be.

    Columns fixed at the query's value take part as what they are in the data from which the space
    was read; where that is not known, or a query brings a value beyond it, queries of the same
    values are a group of their own.
    """
    usable = queries.usable()
    waiting = [name for name, kind in space.kinds.items() if waits(kind)]
    known = np.ones(len(usable), dtype=np.bool_)
    table = to_narwhals(queries.frame[usable.tolist()])
    for name in waiting:
        kind = space.kinds[name]
        assert isinstance(kind, Fixed)
        if kind.otherwise is None:
            known[:] = False
        else:
            known &= inside_column(table.get_column(name), kind.otherwise)
    if known.any():
        kinds = {name: _otherwise(space, name) for name in waiting}
        yield Group(_with(space, kinds), usable[known])
    apart: dict[tuple[object, ...], list[int]] = {}
    for position in usable[~known].tolist():
        values = tuple(queries.frame[name][position] for name in waiting)
        apart.setdefault(values, []).append(position)
    for values, positions in apart.items():
        fixed = {name: Fixed(value) for name, value in zip(waiting, values, strict=True)}
        yield Group(_with(space, fixed), np.array(positions))


def _otherwise(space: Space, name: str) -> Column:
    kind = space.kinds[name]
    assert isinstance(kind, Fixed)
    assert kind.otherwise is not None
    return kind.otherwise


def _with(space: Space, kinds: Mapping[str, Column]) -> Space:
    columns = {**space.kinds, **kinds}
    return Space(columns, reference=space._learned)._typed(space._dtypes, space._constraints)
