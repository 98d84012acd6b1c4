"""Rows as the sampler sees them against the constraints of a space."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage._constraints._condition import Condition
from sondage._constraints._space import limits
from sondage._dtypes import float32_bounds
from sondage._encoding import as_given, decode
from sondage.columns import Continuous

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage import _core
    from sondage.space import Space

__all__ = ["first_broken", "given"]

#: Columns of a row that are rounded the other way, all ways of them tried.
_MOST = 6


def first_broken(space: Space, rows: NDArray[np.float64]) -> tuple[int, str] | None:
    """Return the first row that breaks a constraint, and how the constraint is called.

    Raises
    ------
    SpaceError
        If a function fails; its exception is the cause.
    """
    for own in space._constraints:
        if isinstance(own, Condition):
            bad = own.program(space.kinds).violation(rows) > 0.0
        else:
            bad = ~own.checked(decode(rows, space))
        if bad.any():
            return int(np.argmax(bad)), own.name
    return None


def given(rows: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    """Return draws (…, columns) whose Float32 columns hold float32 numbers; they stay in the space.

    Where the nearest float32 breaks a condition, one of its neighbours is taken.
    """
    rounded = as_given(rows, space)
    conditions = limits(space).conditions
    if rounded is rows or not conditions:
        return rounded
    flat = rounded.reshape(-1, rounded.shape[-1])
    dtypes = zip(space.kinds.values(), space._dtypes, strict=True)
    read = set().union(*(own.columns() for own in space._constraints if isinstance(own, Condition)))
    coarse = [
        j
        for j, (name, (kind, dtype)) in enumerate(zip(space.columns, dtypes, strict=True))
        if name in read and isinstance(kind, Continuous) and dtype == pl.Float32
    ]
    for i in np.flatnonzero(_violated(conditions, flat)):
        ways = [_near(flat[i, j], space, j) for j in coarse[:_MOST]]
        tried = np.tile(flat[i], (int(np.prod([len(way) for way in ways])), 1))
        tried[:, coarse[:_MOST]] = list(product(*ways))
        kept = np.flatnonzero(~_violated(conditions, tried))
        if len(kept):
            nearest = np.abs(tried[kept] - flat[i]).sum(axis=1).argmin()
            flat[i] = tried[kept[nearest]]
    return rounded


def _near(value: float, space: Space, column: int) -> list[float]:
    kind = list(space.kinds.values())[column]
    assert isinstance(kind, Continuous)
    lower, upper = float32_bounds(kind)
    own = np.float32(value)
    around = [own, np.nextafter(own, np.float32(-np.inf)), np.nextafter(own, np.float32(np.inf))]
    return [float(x) for x in around if lower <= x <= upper]


def _violated(
    conditions: Sequence[_core.Constraint], rows: NDArray[np.float64]
) -> NDArray[np.bool_]:
    bad = np.zeros(len(rows), dtype=np.bool_)
    for own in conditions:
        bad |= own.violation(np.ascontiguousarray(rows)) > 0.0
    return bad
