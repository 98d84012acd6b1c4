"""Condition a tree-structured density on a space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage.columns import Categorical, Fixed, Integer, may_be_missing
from sondage.errors import DataError, SpaceError
from sondage.frames import listed
from sondage.reference._cells import Bins, Levels, require_one_type
from sondage.reference._passes import marginals, normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.reference._cells import Cells
    from sondage.space import Space

__all__ = ["restrict"]

#: Source of a cell that the fitted density lacks.
_UNSEEN = -1


@dataclass(frozen=True, slots=True)
class _Part:
    """Cells of a column on a space.

    Parameters
    ----------
    cells : Cells
    source : ndarray of int64, shape (cells,)
        The fitted cell that each is a part of, or `_UNSEEN`.
    log_share : ndarray of shape (cells,)
        Log of its part of the fitted cell's probability; of an unseen cell, of all probability.
    """

    cells: Cells
    source: NDArray[np.int64]
    log_share: NDArray[np.float64]

    def weights(
        self, table: NDArray[np.float64], alone: NDArray[np.float64], parent: _Part | None
    ) -> NDArray[np.float64]:
        """Log conditional probabilities on the space, before they are normalised.

        Under a parent's cell that was not seen, the column is as it is by itself.
        """
        if parent is not None:
            table = np.vstack([table, np.log(alone)])[parent.source]
        return np.where(self.source == _UNSEEN, 0.0, table[:, self.source]) + self.log_share


def restrict(
    space: Space,
    names: Sequence[str],
    cells: Sequence[Cells],
    parents: Sequence[int],
    log_shares: Sequence[NDArray[np.float64]],
    rows: int,
) -> tuple[list[Cells], list[int], list[NDArray[np.float64]]]:
    """Return cells, parents and log conditional probabilities, all in the space's order."""
    own = set(space.columns)
    if own != set(names):
        here, there = sorted(own - set(names)), sorted(set(names) - own)
        unlike = f"the space has {listed(here)} besides" if here else ""
        unlike += " and " if here and there else ""
        unlike += f"the space lacks {listed(there)}" if there else ""
        raise SpaceError(
            f"the reference was learned from other columns: {unlike}; learn it from the space's"
        )
    old = [names.index(name) for name in space.columns]
    new = {j: i for i, j in enumerate(old)}
    parts = []
    for j, (name, kind) in zip(old, space.kinds.items(), strict=True):
        try:
            parts.append(_part(cells[j], kind, rows))
        except (SpaceError, DataError) as error:
            raise SpaceError(f"column {name!r} of the reference: {error}") from None
    above = [new.get(parents[j], -1) for j in old]
    alone = marginals(parents, log_shares)
    weights = [
        part.weights(log_shares[j], alone[j], parts[parent] if parent >= 0 else None)
        for j, part, parent in zip(old, parts, above, strict=True)
    ]
    return [part.cells for part in parts], above, normalised(above, weights)


def _part(cells: Cells, kind: Column, rows: int) -> _Part:
    if may_be_missing(kind):
        raise SpaceError(
            "its values may be missing in the space, and a reference knows of none: make the space "
            "with missing='forbid', or leave the reference out"
        )
    if isinstance(kind, Fixed):
        return _fixed(cells, kind)
    if isinstance(kind, Categorical):
        return _levels(cells, kind, rows)
    integer = isinstance(kind, Integer)
    half = 0.5 if integer else 0.0
    lower, upper = float(kind.lower) - half, float(kind.upper) + half
    if isinstance(cells, Levels):
        value = cells.levels[0]
        if len(cells) > 1 or isinstance(value, bool) or not isinstance(value, int | float):
            raise SpaceError(f"it holds {cells.describe()}, and the space says {kind}")
        return _Part(Bins((lower, upper), cells.rows, integer), np.zeros(1, np.int64), np.zeros(1))
    if cells.integer != integer:
        raise SpaceError(
            f"it is {cells.describe()}, and the space says {kind}; name the kind where it is "
            "learned, or where the space is made"
        )
    return _between(cells, lower, upper)


def _fixed(cells: Cells, kind: Fixed) -> _Part:
    """Return one cell of measure one, the value's; all cells where the value is a query's."""
    if kind.at_query:
        # Nothing is known of it before there is a query.
        return _Part(cells, np.arange(len(cells)), np.zeros(len(cells)))
    value = kind.value
    if isinstance(cells, Levels):
        known = value in cells.levels
        source = cells.levels.index(value) if known else _UNSEEN
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise SpaceError(f"it is {cells.describe()}, and the space fixes it at {value!r}")
    else:
        source = int(np.searchsorted(cells.cuts(), value))
    seen = cells.rows[source] if source != _UNSEEN else 0
    return _Part(Levels((value,), (seen,)), np.array([source]), np.zeros(1))


def _levels(cells: Cells, kind: Categorical, rows: int) -> _Part:
    if isinstance(cells, Bins):
        raise SpaceError(
            f"it is {cells.describe()}, and the space says {kind}; name it in categorical= where "
            "it is learned"
        )
    require_one_type(kind.levels)
    position = {level: k for k, level in enumerate(cells.levels)}
    source = np.array([position.get(level, _UNSEEN) for level in kind.levels])
    unseen = source == _UNSEEN
    if unseen.all():
        raise SpaceError(
            f"it holds {listed(cells.levels)}, none of the space's levels {listed(kind.levels)}"
        )
    # Up to a factor that normalising takes off.
    log_share = np.where(unseen, -np.log(max(unseen.sum(), 1)), np.log(rows))
    seen = tuple(0 if k == _UNSEEN else cells.rows[k] for k in source)
    return _Part(Levels(tuple(kind.levels), seen), source, log_share)


def _between(cells: Bins, lower: float, upper: float) -> _Part:
    """Let the cells reach as far as the bounds and no farther; mass goes with measure.

    Beyond the m rows of an end cell lies the next row with probability 1/(m + 1), as any of the
    m + 1 is as likely as the others to be the outermost.
    """
    edges, rows, source = list(cells.edges), list(cells.rows), list(range(len(cells)))
    share = [1.0] * len(cells)
    # The smallest value stays in the cell that it was counted in.
    first = edges[0] if cells.integer else float(np.nextafter(edges[0], -np.inf))
    if lower < first and not rows[0]:
        edges[0] = lower
    elif lower < first:
        beyond = 1.0 / (rows[0] + 1)
        edges[:1] = [lower, first]
        share[:1] = [beyond, 1.0 - beyond]
        rows, source = [0, *rows], [0, *source]
    if upper > edges[-1] and not rows[-1]:
        edges[-1] = upper
    elif upper > edges[-1]:
        beyond = 1.0 / (rows[-1] + 1)
        share[-1:] = [share[-1] * (1.0 - beyond), share[-1] * beyond]
        edges, rows, source = [*edges, upper], [*rows, 0], [*source, source[-1]]
    uncut, cut = np.array(edges), np.clip(edges, lower, upper)
    kept = np.diff(cut) > 0.0
    part = np.array(share) * np.diff(cut) / np.diff(uncut)
    ends = np.append(kept, False) | np.append(False, kept)
    seen = tuple(row for row, keep in zip(rows, kept, strict=True) if keep)
    return _Part(
        Bins(tuple(cut[ends].tolist()), seen, cells.integer),
        np.array(source)[kept],
        np.log(part[kept]),
    )
