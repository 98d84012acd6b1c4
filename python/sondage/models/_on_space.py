"""A model's columns on those of a space: as they are, or looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from sondage.columns import (
    Categorical,
    Continuous,
    Fixed,
    Integer,
    has_levels,
    levels_of,
    may_be_missing,
    missing_weight,
)
from sondage.errors import ModelError
from sondage.frames import is_missing, listed
from sondage.models._features import UNKNOWN
from sondage.models._rows import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.models._features import OpenLevels, RawColumn

__all__ = ["table_of"]

#: A value for each of ``first``, ``first + 1``, … of a column of the space.
Table: TypeAlias = "tuple[float, NDArray[np.float64]]"

#: Whole numbers of a column that a model may take for categories.
_MOST = 4096


def table_of(
    column: RawColumn, kind: Column, unknown: bool, name: str, *, missing: bool
) -> Table | None:
    """Return what a model sees of a column of the space; None: its values as they are.

    Parameters
    ----------
    column : RawColumn
        The model's.
    kind : Column
        The space's.
    unknown : bool
        Whether the model takes categories that it does not know.
    name : str
        Of the column.
    missing : bool
        Whether the model has a rule for a missing value of the column.

    Raises
    ------
    ModelError
        If the model cannot read such a column; says so without the model's name.
    """
    known = column.levels is not None and any(is_missing(level) for level in column.levels)
    if may_be_missing(kind) and not (missing or known):
        raise ModelError(
            f"has no rule for a missing value, which the space allows in column {name!r}: impute "
            "it in a pipeline with the model, or make the space with missing='forbid'"
        )
    if column.levels is None:
        return _numbers(kind, name)
    first, values = _values(kind, column.levels, name)
    if known and missing_weight(kind) > 0.0:
        raise ModelError(
            f"reads column {name!r} as a category with a level for missing values, and the space's "
            f"is {kind!r}: declare it Categorical"
        )
    found = codes(values, column.levels, name, missing=True, unknown=True)
    if (found == UNKNOWN).any() and not unknown:
        value = values[int(np.argmax(found == UNKNOWN))]
        raise ModelError(
            f"does not know {value!r} in column {name!r}, which the space allows; its levels are "
            f"{listed(column.levels)}"
        )
    return _unless_same(first, found)


def _numbers(kind: Column, name: str) -> Table | None:
    if not has_levels(kind):
        return None
    levels = [np.nan if level is None else level for level in levels_of(kind)]
    if not all(isinstance(level, int | float) for level in levels):
        what = "is fixed at" if isinstance(kind, Fixed) else "has the levels"
        raise ModelError(
            f"reads column {name!r} as a number, and the space's {what} {listed(levels)}: encode "
            "it as the model was trained"
        )
    return _unless_same(0.0, np.array(levels, dtype=np.float64))


def _values(
    kind: Column, levels: Sequence[object] | OpenLevels, name: str
) -> tuple[float, list[object]]:
    """Return the values of a column that a model takes for categories, in the order of a table."""
    if isinstance(kind, Continuous):
        raise ModelError(
            f"reads column {name!r} as a category ({listed(levels)}), and the space's is {kind!r}: "
            "declare it Categorical"
        )
    if isinstance(kind, Integer):
        if kind.upper - kind.lower >= _MOST:
            raise ModelError(
                f"reads column {name!r} as a category ({listed(levels)}), and the space's is "
                f"{kind!r}, more than {_MOST:,} values: declare it Categorical, or narrow it"
            )
        return float(kind.lower), list(range(kind.lower, kind.upper + 1))
    if isinstance(kind, Categorical) or has_levels(kind):
        return 0.0, levels_of(kind)
    return float(cast("float", kind.value)), [kind.value]


def _unless_same(first: float, values: NDArray[np.float64]) -> Table | None:
    same = np.array_equal(values, first + np.arange(len(values)))
    return None if same else (first, values)
