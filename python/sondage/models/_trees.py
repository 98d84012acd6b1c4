"""Node arrays of tree ensembles, and rows that would show a wrong import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelParityError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Nodes", "float32_cut", "parity_rows", "require_parity"]

_F32_END = 2.0**128
_N_UNIFORM = 128
_N_SPLITS = 32


@dataclass(frozen=True, slots=True)
class Nodes:
    """Trees one after another; a node is a leaf if ``left < 0``.

    A row goes left where ``row[feature] <= cut``. Children are absolute node numbers.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    cut: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]


def float32_cut(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cuts for a library that rounds its input to float32 before it compares.

    For every float64 ``x``: ``float32(x) <= threshold`` exactly where ``x <= cut``.

    With f the largest float32 not above the threshold, the reals that round to f or lower end at
    the midpoint of f and the next float32; the midpoint itself rounds to the one whose last
    mantissa bit is 0.

    >>> float(float32_cut(np.array([1.0]))[0]) == 1.0 + 2.0**-24
    True
    """
    threshold = np.asarray(threshold, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        rounded = threshold.astype(np.float32)
        below = np.where(
            rounded.astype(np.float64) > threshold,
            np.nextafter(rounded, np.float32(-np.inf)),
            rounded,
        ).astype(np.float32)
        above = np.nextafter(below, np.float32(np.inf)).astype(np.float64)
    low = below.astype(np.float64)
    above = np.where(np.isposinf(above), _F32_END, above)
    low = np.where(np.isneginf(low), -_F32_END, low)
    middle = np.where(np.isposinf(low), np.inf, 0.5 * low + 0.5 * above)
    even = (below.view(np.uint32) & 1) == 0
    return np.where(even, middle, np.nextafter(middle, -np.inf))


def parity_rows(nodes: Nodes, threshold: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Rows on which a wrong import would show.

    Uniform rows over the range of the thresholds, and for a sample of the splits rows that reach
    the split with its feature at the threshold, the cut, and their float32 and float64 neighbours.

    Parameters
    ----------
    nodes : Nodes
    threshold : ndarray, shape (nodes,)
        The library's own thresholds.
    n : int
        Features.

    Returns
    -------
    ndarray of float64, shape (rows, n)
        Every value is finite in float32.
    """
    generator = np.random.default_rng(0)
    inner = np.flatnonzero((nodes.left >= 0) & np.isfinite(threshold) & np.isfinite(nodes.cut))
    lower, upper = np.zeros(n), np.ones(n)
    if len(inner):
        features = nodes.feature[inner]
        lower[features], upper[features] = np.inf, -np.inf
        np.minimum.at(lower, features, threshold[inner])
        np.maximum.at(upper, features, threshold[inner])
    margin = np.where(upper > lower, 0.1 * upper - 0.1 * lower, 1.0)
    lower, upper = lower - margin, upper + margin
    share = generator.random((_N_UNIFORM, n))
    uniform = lower * (1.0 - share) + upper * share
    chosen = inner
    if len(inner) > _N_SPLITS:
        chosen = np.sort(generator.choice(inner, _N_SPLITS, replace=False))
    parent = _parents(nodes)
    blocks = [uniform]
    for number, node in enumerate(chosen):
        row = _reaching(nodes, parent, int(node), uniform[number % _N_UNIFORM])
        values = _neighbours(float(threshold[node]), float(nodes.cut[node]))
        block = np.repeat(row[None, :], len(values), axis=0)
        block[:, nodes.feature[node]] = values
        blocks.append(block)
    rows = np.concatenate(blocks)
    limit = float(np.finfo(np.float32).max)
    return np.ascontiguousarray(rows[(np.abs(rows) <= limit).all(axis=1)])


def require_parity(
    model: str,
    library: str,
    rows: NDArray[np.float64],
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    *,
    labels: bool,
) -> None:
    """Compare outputs (rows, outputs) and, where `labels`, the label of largest output.

    Raises
    ------
    ModelParityError
        If outputs differ by more than 1e-9 of their scale, or labels where the two largest
        outputs are more than 1e-12 apart; names the first such row.
    """
    scale = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
    wrong = ~(np.abs(ours - theirs) <= 1e-9 * scale).all(axis=1)
    if labels and theirs.shape[1] > 1:
        best = np.sort(theirs, axis=1)[:, -2:]
        differ = np.argmax(ours, axis=1) != np.argmax(theirs, axis=1)
        wrong |= differ & (best[:, 1] - best[:, 0] > 1e-12)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ModelParityError(
            f"{model} does not predict what {library} predicts, first in row {first} of "
            f"{len(rows)}: {rows[first].tolist()} gives {ours[first].tolist()} here and "
            f"{theirs[first].tolist()} there; please report it"
        )


def _parents(nodes: Nodes) -> NDArray[np.int64]:
    parent = np.full(len(nodes.left), -1, dtype=np.int64)
    inner = np.flatnonzero(nodes.left >= 0)
    parent[nodes.left[inner]] = inner
    parent[nodes.right[inner]] = inner
    return parent


def _reaching(
    nodes: Nodes, parent: NDArray[np.int64], node: int, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `start`, changed where needed to be led to `node`."""
    interval: dict[int, tuple[float, float]] = {}
    child, above = node, int(parent[node])
    while above >= 0:
        feature, cut = int(nodes.feature[above]), float(nodes.cut[above])
        low, high = interval.get(feature, (-np.inf, np.inf))
        if nodes.left[above] == child:
            interval[feature] = low, min(high, cut)
        else:
            interval[feature] = max(low, cut), high
        child, above = above, int(parent[above])
    row = start.copy()
    for feature, (low, high) in interval.items():
        if not low < row[feature] <= high:
            row[feature] = _between(low, high)
    return row


def _between(low: float, high: float) -> float:
    if np.isneginf(low):
        return high
    if np.isposinf(high):
        return low + 1.0 if low + 1.0 > low else float(np.nextafter(low, np.inf))
    middle = 0.5 * low + 0.5 * high
    return middle if low < middle <= high else high


def _neighbours(threshold: float, cut: float) -> list[float]:
    narrow = np.float32(threshold)
    return [
        threshold,
        float(np.nextafter(threshold, -np.inf)),
        float(np.nextafter(threshold, np.inf)),
        float(narrow),
        float(np.nextafter(narrow, np.float32(-np.inf))),
        float(np.nextafter(narrow, np.float32(np.inf))),
        cut,
        float(np.nextafter(cut, np.inf)),
    ]
