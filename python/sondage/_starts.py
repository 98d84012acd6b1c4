"""The rows that a user lets chains start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._constraints._draws import first_broken
from sondage._encoding import encode
from sondage.columns import Integer
from sondage.errors import DataError, ModelError, SamplingError, SpaceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._evaluation import Evaluation
    from sondage.frames import FrameLike
    from sondage.space import Space

__all__ = ["start_rows"]


def start_rows(
    start: FrameLike, space: Space, evaluation: Evaluation, chains: int
) -> NDArray[np.float64]:
    """Check starts: one row in the space and of finite G for each chain.

    Raises
    ------
    SamplingError
        Names the row and what is wrong with it.
    """
    try:
        rows = encode(start, space, "start")
    except DataError as error:
        raise SamplingError(f"start cannot be used: {error}") from error
    if len(rows) != chains:
        raise SamplingError(f"start has {len(rows)} rows; {chains} are needed, one for each chain")
    lower, upper = space._lower_upper()
    # Only values that may be missing can be, once they are encoded.
    within = ((lower <= rows) & (rows <= upper)) | np.isnan(rows)
    inside = within.all(axis=1)
    if not inside.all():
        row = int(np.argmin(inside))
        column = int(np.argmin(within[row]))
        raise SamplingError(
            f"row {row} of start lies outside the space: column {space.columns[column]!r} is "
            f"{rows[row, column]} and must be in [{lower[column]}, {upper[column]}]"
        )
    for name, kind, values in zip(space.columns, space.kinds.values(), rows.T, strict=True):
        broken = (values != np.floor(values)) & ~np.isnan(values)
        if isinstance(kind, Integer) and broken.any():
            row = int(np.argmax(broken))
            raise SamplingError(
                f"row {row} of start lies outside the space: column {name!r} is {values[row]} and "
                "must be a whole number"
            )
    try:
        bad = first_broken(space, rows)
    except SpaceError as error:
        raise SamplingError(f"start cannot be used: {error}") from (error.__cause__ or error)
    if bad is not None:
        row, constraint = bad
        raise SamplingError(f"row {row} of start breaks the constraint {constraint!r}")
    try:
        finite = np.isfinite(evaluation(rows))
    except ModelError as error:
        raise SamplingError(f"start cannot be used: {error}") from (error.__cause__ or error)
    if not finite.all():
        row = int(np.argmin(finite))
        raise SamplingError(
            f"row {row} of start has no finite G: {rows[row].tolist()}; choose a row that meets "
            "the requirements, or leave start out"
        )
    return rows
