"""Functions that say which rows a space holds, as the sampler asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sondage._core import Loss
from sondage._encoding import decode
from sondage._evaluation import CONSTRAINT
from sondage._probes import NODE, Probe, placed

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from sondage._constraints import Predicate
    from sondage._lookups import Lookups
    from sondage._probes import Placed
    from sondage._question import Asked
    from sondage.models._adapter import Vjp
    from sondage.space import Space

__all__ = ["admitting"]

_Floats: TypeAlias = "NDArray[np.float64]"


def admitting(predicate: Predicate, space: Space) -> Asked:
    """Return the loss that is 0 where a predicate admits a row of a space, else infinite."""
    return (1.0, ((_Asked(predicate, space), NODE),), Loss.require_band(0.5, 1.5))


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A predicate, as a question's losses ask for it."""

    predicate: Predicate
    space: Space
    differentiable: bool = False

    @property
    def name(self) -> str:
        return f"{CONSTRAINT}{self.predicate.name!r}"

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:  # noqa: ARG002
        columns = np.arange(first, first + len(space.columns))
        return placed(Probe(self.name, _OfRows(self.predicate, self.space), columns), columns)


@dataclass(frozen=True, slots=True, eq=False)
class _OfRows:
    """1 for rows that it admits, else 0; rows outside the bounds it is not asked about."""

    predicate: Predicate
    space: Space

    @property
    def width(self) -> int:
        return 1

    @property
    def differentiable(self) -> bool:
        return False

    @property
    def key(self) -> Hashable:
        return id(self.predicate), id(self.space)

    def values(self, rows: _Floats) -> _Floats:
        lower, upper = self.space._lower_upper()
        inside = np.flatnonzero(((lower <= rows) & (rows <= upper)).all(axis=1))
        admitted = np.zeros((len(rows), 1))
        if len(inside):
            admitted[inside, 0] = self.predicate.mask(decode(rows[inside], self.space))
        return admitted

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        return self.values(rows), lambda _: np.zeros_like(rows)
