"""Which column depends on which, and how much: counts of pairs of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Counts", "edge_gains", "pair_counts", "smoothed", "spanning_tree"]

#: Rows added to every cell of a column by itself (Krichevsky and Trofimov 1981).
_HALF = 0.5
#: Strengths α of smoothing among which every edge has its own.
_STRENGTHS = 2.0 ** np.arange(-2, 11)


@dataclass(frozen=True, slots=True)
class Counts:
    """A column by itself.

    Parameters
    ----------
    rows : ndarray of shape (cells,)
        Rows of the frame in each cell.
    shares : ndarray of shape (cells,)
        Probability of each cell.
    others : ndarray of shape (cells,)
        The same for a row of that cell that is left out of the counts.
    """

    rows: NDArray[np.float64]
    shares: NDArray[np.float64]
    others: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[int]) -> Counts:
        """Smooth counts."""
        counted = np.array(rows, dtype=np.float64)
        total = counted.sum() + _HALF * len(counted)
        others = np.maximum(counted - 1.0, 0.0) + _HALF
        return cls(counted, (counted + _HALF) / total, others / (total - 1.0))

    def left_out(self) -> float:
        """Log-probability of the rows' cells, each row left out."""
        return float(self.rows @ np.log(self.others))


def pair_counts(
    parents: NDArray[np.int64], children: NDArray[np.int64], n_parents: int, n_children: int
) -> NDArray[np.float64]:
    """Count rows by parent cell and cell, an array of shape (parent cells, cells)."""
    flat = np.bincount(parents * n_children + children, minlength=n_parents * n_children)
    return flat.reshape(n_parents, n_children).astype(np.float64)


def smoothed(
    pairs: NDArray[np.float64], shares: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Probability of cells given the parent's, drawn towards those of the column by itself."""
    given = pairs.sum(axis=1, keepdims=True)
    table: NDArray[np.float64] = (pairs + strength * shares) / (given + strength)
    return table


def edge_gains(
    positions: Sequence[NDArray[np.int64]], alone: Sequence[Counts]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say what every column gains from every other as its parent.

    Returns
    -------
    gains : ndarray of shape (columns, columns)
        By parent and child: how much larger the log-probability of the child's cells is with the
        parent than without, each row left out; times the number of rows, so N × mutual information
        less what chance gives.
    strengths : ndarray of shape (columns, columns)
        The α under which it is largest.
    """
    width = len(positions)
    gains, strengths = np.zeros((width, width)), np.ones((width, width))
    for a in range(width):
        for b in range(a):
            pairs = pair_counts(positions[a], positions[b], len(alone[a].rows), len(alone[b].rows))
            gains[a, b], strengths[a, b] = _gain(pairs, alone[b].others)
            gains[b, a], strengths[b, a] = _gain(pairs.T, alone[a].others)
    return gains, strengths


def _gain(pairs: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float]:
    parent, child = np.nonzero(pairs)
    rows, given, share = pairs[parent, child], pairs.sum(axis=1)[parent], others[child]
    alpha = _STRENGTHS[:, np.newaxis]
    predicted = (rows - 1.0 + alpha * share) / (given - 1.0 + alpha)
    gains = np.log(predicted / share) @ rows
    best = int(np.argmax(gains))
    return float(gains[best]), float(_STRENGTHS[best])


def spanning_tree(weights: NDArray[np.float64]) -> list[int]:
    """Grow the spanning tree of largest weight from column 0 (Prim).

    Returns
    -------
    list of int
        The parent of each column; -1 for the first and for those that no edge of a weight above
        zero reaches: there the next tree starts. Of equal weights the lowest columns win.
    """
    width = len(weights)
    parents = [-1] * width
    best, through = np.zeros(width), np.full(width, -1)
    waiting = np.ones(width, dtype=np.bool_)
    for _ in range(width):
        new = int(np.argmax(np.where(waiting, best, -np.inf)))
        parents[new] = int(through[new])
        waiting[new] = False
        better = weights[new] > best
        best[better], through[better] = weights[new][better], new
    return parents
