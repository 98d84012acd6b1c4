"""Choose a few rows that lie far from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spread(
    rows: NDArray[np.float64],
    levels: NDArray[np.float64],
    energies: NDArray[np.float64],
    preferred: NDArray[np.bool_],
    k: int,
) -> NDArray[np.int64]:
    """Greedy max–min distance selection (Gonzalez 1985), deterministic.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Numbers, in units in which distances mean something; NaN counts as no distance.
    levels : ndarray of shape (n, e)
        Without order: one unit apart where they differ.
    energies : ndarray of shape (n,)
        The first choice is the preferred row of lowest energy.
    preferred : ndarray of bool, shape (n,)
        These rows are exhausted before any other is taken.
    k : int
        At most n.

    Returns
    -------
    ndarray of shape (k,)
        Row numbers in the order of choice; ties go to the lowest.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [0.1], [1.0], [0.5]])
    >>> spread(x, np.zeros((4, 0)), np.array([0.0, 1, 2, 3]), np.ones(4, bool), 3)
    array([0, 2, 3])
    """
    chosen = np.empty(k, dtype=np.int64)
    nearest = np.full(len(rows), np.inf)
    left = np.ones(len(rows), dtype=np.bool_)
    for i in range(k):
        candidates = np.flatnonzero(left & preferred)
        if candidates.size == 0:
            candidates = np.flatnonzero(left)
        score = nearest if i else -energies
        best = candidates[int(np.argmax(score[candidates]))]
        chosen[i] = best
        left[best] = False
        apart = np.nansum((rows - rows[best]) ** 2, axis=1) + (levels != levels[best]).sum(axis=1)
        np.minimum(nearest, apart, out=nearest)
    return chosen
