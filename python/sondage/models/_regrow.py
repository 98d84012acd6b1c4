"""Trees in which some nodes ask more than one threshold, grown out into plain thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sondage.models._adapter import NotNative

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage.models._trees import Nodes

__all__ = ["Segments", "place_of", "regrow"]

_MOST_NODES = 2**21


def place_of(x: float) -> int:
    """Return the place of a double in their order, ±0 being 0.

    >>> place_of(-0.0), place_of(5e-324), place_of(-5e-324)
    (0, 1, -1)
    """
    place = int(np.array(abs(x)).view(np.int64))
    return -place if x < 0.0 else place


@dataclass(frozen=True, slots=True)
class Segments:
    """Which way a node sends the raw line, piece after piece.

    Attributes
    ----------
    ends : tuple of int
        The last place of each piece in the order of doubles, ascending; empty pieces are allowed.
    right : tuple of bool
        Whether a piece goes right.
    missing_right : bool
    """

    ends: tuple[int, ...]
    right: tuple[bool, ...]
    missing_right: bool


class _Reach(NamedTuple):
    """Which values of a column can reach a node: places from `low` to `high`, and NaN or not."""

    low: int
    high: int
    missing: bool


_ANYTHING = _Reach(place_of(-np.inf), place_of(np.inf), True)
_MISSING = _Reach(1, 0, True)


@dataclass(slots=True)
class _Grown:
    """Nodes of the new trees: whose copy each is, and what it asks."""

    origin: list[int]
    cut: list[float]
    left: list[int]
    right: list[int]
    missing_right: list[bool]

    def add(self, origin: int, cut: float, missing_right: bool) -> int:
        if len(self.origin) >= _MOST_NODES:
            raise NotNative(
                f"trees that take zeros as missing would grow beyond {_MOST_NODES} nodes"
            )
        self.origin.append(origin)
        self.cut.append(cut)
        self.left.append(-1)
        self.right.append(-1)
        self.missing_right.append(missing_right)
        return len(self.origin) - 1


def regrow(nodes: Nodes, segments: Mapping[int, Segments]) -> Nodes:
    """Return trees in which the nodes of `segments` are thresholds like the others.

    Branches that a piece of the raw line cannot reach are left out, so that a tree grows little
    when the same column is asked again below.

    Raises
    ------
    NotNative
        If more than two million nodes come of it.
    """
    grown = _Grown([], [], [], [], [])
    roots = np.zeros(len(nodes.roots), dtype=np.int64)
    for tree, root in enumerate(nodes.roots):
        roots[tree] = len(grown.origin)
        _grow(nodes, segments, int(root), grown)
    origin = np.array(grown.origin, dtype=np.int64)
    leaf = nodes.left[origin] < 0
    return replace(
        nodes,
        roots=roots,
        feature=nodes.feature[origin],
        cut=np.array(grown.cut),
        left=np.array(grown.left, dtype=np.int64),
        right=np.array(grown.right, dtype=np.int64),
        value=nodes.value[origin],
        missing_right=np.array(grown.missing_right, dtype=np.bool_),
        set_index=np.where(leaf, -1, nodes.set_index[origin]),
        zero_missing=np.zeros(len(origin), dtype=np.bool_),
    )


def _grow(nodes: Nodes, segments: Mapping[int, Segments], root: int, grown: _Grown) -> None:
    # What is still to be grown: an old node, what reaches it, and where it hangs.
    left, right = grown.left, grown.right
    pending: list[tuple[int, dict[int, _Reach], list[int] | None, int]] = [(root, {}, None, -1)]
    while pending:
        node, reach, side, parent = pending.pop()
        if nodes.left[node] < 0 or nodes.set_index[node] >= 0:
            number = grown.add(node, float(nodes.cut[node]), bool(nodes.missing_right[node]))
            if side is not None:
                side[parent] = number
            if nodes.left[node] >= 0:
                pending.append((int(nodes.right[node]), reach, right, number))
                pending.append((int(nodes.left[node]), reach, left, number))
            continue
        column = int(nodes.feature[node])
        children = int(nodes.left[node]), int(nodes.right[node])
        own = reach.get(column, _ANYTHING)
        asked = segments.get(node) or Segments(
            (place_of(float(nodes.cut[node])), _ANYTHING.high),
            (False, True),
            bool(nodes.missing_right[node]),
        )
        pieces = _within(asked, own)
        missing = asked.missing_right
        if not pieces or (len(pieces) == 1 and not (own.missing and pieces[0][1] != missing)):
            way = pieces[0][1] if pieces else missing
            pending.append((children[way], reach, side, parent))
            continue
        if len(pieces) == 1:
            pieces = [(_ANYTHING.high, pieces[0][1]), (_ANYTHING.high, missing)]
        low = own.low
        for i, (end, way) in enumerate(pieces[:-1]):
            final = i == len(pieces) - 2
            lost = not final or pieces[-1][1] == missing
            number = grown.add(node, _double(end), own.missing and lost)
            if side is not None:
                side[parent] = number
            here = _Reach(low, min(end, own.high), own.missing and not lost)
            pending.append((children[way], {**reach, column: here}, left, number))
            low, side, parent = end + 1, right, number
        here = _Reach(low, own.high, own.missing and pieces[-1][1] == missing)
        pending.append((children[pieces[-1][1]], {**reach, column: here}, right, parent))


def _within(asked: Segments, reach: _Reach) -> list[tuple[int, bool]]:
    """Pieces that the values in reach fall into, neighbours that go the same way made one."""
    pieces: list[tuple[int, bool]] = []
    low = reach.low
    for end, way in zip(asked.ends, asked.right, strict=True):
        end = min(end, reach.high)
        if end < low:
            continue
        if pieces and pieces[-1][1] == way:
            pieces[-1] = end, way
        else:
            pieces.append((end, way))
        low = end + 1
    return pieces


def _double(place: int) -> float:
    value = float(np.array(abs(place)).view(np.float64))
    return -value if place < 0 else value
