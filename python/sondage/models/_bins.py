"""Trees that find the bin of a number or of a category, and tables over such bins.

A table over several features is a tree over the bins of the first, then at every end one over those
of the next. Bin 0 is for missing values, -1 for unknown categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, cast

import numpy as np

from sondage.models._trees import Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["BinTree", "categories_tree", "cuts_tree", "join"]


@dataclass(frozen=True)
class BinTree:
    """A tree whose leaves are bins; node 0 is the root.

    Attributes
    ----------
    bin : ndarray of int64, shape (nodes, features)
        At leaves; -1 is the bin of unknown categories.
    """

    feature: NDArray[np.int64]
    cut: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_right: NDArray[np.bool_]
    sets: Mapping[int, Sequence[int]]
    bin: NDArray[np.int64]

    def reading(self, feature: int) -> BinTree:
        """Return the tree over another feature."""
        return BinTree(
            np.full(len(self.feature), feature),
            self.cut,
            self.left,
            self.right,
            self.missing_right,
            self.sets,
            self.bin,
        )

    def then(self, other: BinTree) -> BinTree:
        """Return the tree that goes on with `other` at every leaf."""
        n, m = len(self.left), len(other.left)
        leaves = np.flatnonzero(self.left < 0)
        # Row k has the places of other's nodes below leaf k; its root takes the place of the leaf.
        place = n - 1 + np.arange(m) + (m - 1) * np.arange(len(leaves))[:, None]
        place[:, 0] = leaves
        size = n + len(leaves) * (m - 1)

        def both(own: NDArray[np.generic], new: NDArray[np.generic]) -> NDArray[np.generic]:
            out = np.empty((size, *own.shape[1:]), dtype=own.dtype)
            out[:n] = own
            out[place] = new
            return out

        def child(new: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.where(new < 0, -1, place[:, new])

        width = self.bin.shape[1]
        bins = np.full((size, width + other.bin.shape[1]), -1, dtype=np.int64)
        bins[place, :width] = self.bin[leaves][:, None, :]
        bins[place, width:] = other.bin
        sets = dict(self.sets)
        for node, codes in other.sets.items():
            sets.update((int(where), codes) for where in place[:, node])
        return BinTree(
            cast("NDArray[np.int64]", both(self.feature, other.feature)),
            cast("NDArray[np.float64]", both(self.cut, other.cut)),
            cast("NDArray[np.int64]", both(self.left, child(other.left))),
            cast("NDArray[np.int64]", both(self.right, child(other.right))),
            cast("NDArray[np.bool_]", both(self.missing_right, other.missing_right)),
            sets,
            bins,
        )


class _Growing:
    """Lists of nodes, to which branches are added."""

    def __init__(self) -> None:
        self.cut: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.missing_right: list[bool] = []
        self.sets: dict[int, Sequence[int]] = {}
        self.bin: list[int] = []

    @classmethod
    def nothing(cls) -> BinTree:
        """Return a tree of one leaf, bin 0."""
        growing = cls()
        growing.leaf(0)
        return growing.done()

    def leaf(self, number: int) -> int:
        return self._add(number, 0.0, missing_right=False)

    def aside(self, number: int) -> int:
        # Missing values were led to the right until here, where nothing else goes right.
        node = self.split(np.inf, missing_right=True)
        self.left[node] = self.leaf(number)
        self.right[node] = self.leaf(0)
        return node

    def split(self, cut: float, *, missing_right: bool, codes: Sequence[int] | None = None) -> int:
        node = self._add(-1, cut, missing_right=missing_right)
        if codes is not None:
            self.sets[node] = codes
        return node

    def _add(self, number: int, cut: float, *, missing_right: bool) -> int:
        self.bin.append(number)
        self.cut.append(cut)
        self.left.append(-1)
        self.right.append(-1)
        self.missing_right.append(missing_right)
        return len(self.bin) - 1

    def done(self) -> BinTree:
        return BinTree(
            np.zeros(len(self.bin), dtype=np.int64),
            np.array(self.cut),
            np.array(self.left),
            np.array(self.right),
            np.array(self.missing_right),
            self.sets,
            np.array(self.bin)[:, None],
        )


def cuts_tree(cuts: NDArray[np.float64]) -> BinTree:
    """Bins of a number: 0 where missing, else 1 + how many cuts are not above it."""
    growing = _Growing()
    # The library's cut starts the bin above it; ours is the last number below.
    last = np.nextafter(cuts, -np.inf)

    def grow(low: int, high: int, *, outermost: bool) -> int:
        if low == high:
            return growing.aside(low) if outermost else growing.leaf(low)
        middle = (low + high + 1) // 2
        node = growing.split(float(last[middle - 2]), missing_right=outermost)
        growing.left[node] = grow(low, middle - 1, outermost=False)
        growing.right[node] = grow(middle, high, outermost=outermost)
        return node

    grow(1, len(cuts) + 1, outermost=True)
    return growing.done()


def categories_tree(bins: Sequence[int | None]) -> BinTree:
    """Bins of a category: 0 where missing, else the bin of its code, -1 if it has none."""
    growing = _Growing()
    members: dict[int, list[int]] = {}
    for code, number in enumerate(bins):
        if number is not None:
            members.setdefault(number, []).append(code)
    order = [-1, *sorted(members)]

    def grow(low: int, high: int, *, outermost: bool) -> int:
        if low == high and not outermost:
            return growing.leaf(order[low])
        if low == high:
            return growing.aside(order[low])
        middle = (low + high + 1) // 2
        codes = [code for number in order[middle : high + 1] for code in members[number]]
        # Missing values are led to the right as far as the last bin.
        node = growing.split(0.0, missing_right=outermost, codes=codes)
        growing.left[node] = grow(low, middle - 1, outermost=False)
        growing.right[node] = grow(middle, high, outermost=outermost)
        return node

    grow(0, len(order) - 1, outermost=True)
    return growing.done()


def join(
    terms: Sequence[Sequence[BinTree]], scores: Sequence[NDArray[np.float64]], width: int
) -> Nodes:
    """Trees of terms, each over the bins of its features, with its scores at the leaves.

    Parameters
    ----------
    terms : sequence of sequence of BinTree
    scores : sequence of ndarray, shape (bins, ..., width) or (bins, ...) for width 1
    width : int
    """
    if not terms:
        terms, scores = [[_Growing.nothing()]], [np.zeros((1, width))]
    trees = [reduce(BinTree.then, own) for own in terms]
    values, sets = [], {}
    counts = [len(tree.left) for tree in trees]
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    for tree, own, root in zip(trees, scores, roots, strict=True):
        table = np.asarray(own, dtype=np.float64).reshape((*own.shape[: tree.bin.shape[1]], width))
        values.append(np.where((tree.left < 0)[:, None], table[tuple(tree.bin.T)], 0.0))
        sets.update({int(root) + node: codes for node, codes in tree.sets.items()})
    offset = np.repeat(roots, counts)
    left = np.concatenate([tree.left for tree in trees])
    right = np.concatenate([tree.right for tree in trees])
    return Nodes.of(
        roots=roots,
        feature=np.concatenate([tree.feature for tree in trees]),
        cut=np.concatenate([tree.cut for tree in trees]),
        left=np.where(left < 0, -1, left + offset),
        right=np.where(right < 0, -1, right + offset),
        value=np.concatenate(values),
        missing_right=np.concatenate([tree.missing_right for tree in trees]),
        sets=sets,
    )
