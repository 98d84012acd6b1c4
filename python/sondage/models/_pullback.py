"""Trees in the columns of a pipeline, brought back to the user's raw columns.

A test on a feature is a decision on the raw column that the feature reads. On a category it is a
set of levels. On a number it is a few intervals of the raw line with a direction each: nearly
always two, so one threshold again; more where zeros count as missing or a logarithm has no value,
and then the node becomes several.

The ends of the intervals are found by bisection over the doubles in their order, with the very
steps that the library takes, so no raw value changes sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sondage.models._adapter import NotNative
from sondage.models._features import UNKNOWN, Chain, Table, apply
from sondage.models._regrow import Segments, place_of, regrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sondage.models._features import Feature, Features
    from sondage.models._trees import Nodes

__all__ = ["pull_back"]

_Ints: TypeAlias = "NDArray[np.int64]"
_Floats: TypeAlias = "NDArray[np.float64]"
_Bools: TypeAlias = "NDArray[np.bool_]"

# The doubles in their order, as whole numbers: ±0 is 0, ±inf is ±_INF.
_INF = place_of(np.inf)


def pull_back(nodes: Nodes, features: Features) -> Nodes:
    """Return trees that read raw columns and send every raw row where its features would go.

    Parameters
    ----------
    nodes : Nodes
        In the model's own features.
    features : Features
        What these are in terms of raw columns.

    Returns
    -------
    Nodes
        Without `zero_missing`.

    Raises
    ------
    NotNative
        If a test has no form in raw columns, or the trees would grow beyond some million nodes.
    """
    inner = nodes.left >= 0
    zero = nodes.zero_missing & inner
    if _identity(features) and not zero.any():
        return nodes
    work = _Work.of(nodes, zero)
    own_set = nodes.set_index >= 0
    for j, feature in enumerate(features.features):
        here = inner & (nodes.feature == j)
        for at in (np.flatnonzero(here & ~own_set), np.flatnonzero(here & own_set)):
            if not len(at):
                continue
            if isinstance(feature, Table):
                work.table(feature, at)
            elif own_set[at[0]]:
                work.codes(feature, at)
            else:
                work.thresholds(feature, at)
    return work.result()


@dataclass(frozen=True, slots=True)
class _Work:
    """The trees in raw columns as they come to be; arrays are filled in place."""

    nodes: Nodes
    zero: _Bools
    feature: _Ints
    cut: _Floats
    swapped: _Bools
    missing: _Bools  # the direction of missing values, before children are swapped
    set_index: _Ints
    sets: list[_Ints]
    known: dict[bytes, int]  # sets that are shared
    segments: dict[int, Segments]  # nodes that need several thresholds

    @classmethod
    def of(cls, nodes: Nodes, zero: _Bools) -> _Work:
        starts, codes = nodes.set_starts, nodes.set_codes
        return cls(
            nodes=nodes,
            zero=zero,
            feature=np.zeros_like(nodes.feature),
            cut=nodes.cut.copy(),
            swapped=np.zeros(len(nodes.left), dtype=np.bool_),
            missing=nodes.missing_right.copy(),
            set_index=nodes.set_index.copy(),
            sets=[codes[a:b] for a, b in pairwise(starts)],
            known={},
            segments={},
        )

    def result(self) -> Nodes:
        nodes, swap = self.nodes, self.swapped
        starts = np.concatenate([[0], np.cumsum([len(own) for own in self.sets])])
        raw = replace(
            nodes,
            feature=self.feature,
            cut=self.cut,
            left=np.where(swap, nodes.right, nodes.left),
            right=np.where(swap, nodes.left, nodes.right),
            missing_right=self.missing ^ swap,
            set_index=self.set_index,
            set_starts=starts.astype(np.int64),
            set_codes=np.concatenate([np.empty(0, np.int64), *self.sets]),
            zero_missing=np.zeros_like(nodes.zero_missing),
            zero=0.0,
        )
        return regrow(raw, self.segments) if self.segments else raw

    def table(self, feature: Table, at: _Ints) -> None:
        """Turn tests on a table into sets of its levels."""
        nodes = self.nodes
        entries = np.array([*feature.values, feature.unknown, feature.missing])
        absent = np.isnan(entries)
        nought = np.abs(entries) <= nodes.zero
        answers: dict[tuple[float, int, bool, bool], tuple[bool, bool, int]] = {}
        self.feature[at] = feature.column
        for node in at:
            cut, own = float(nodes.cut[node]), int(nodes.set_index[node])
            right, zero = bool(nodes.missing_right[node]), bool(self.zero[node])
            key = (cut if own < 0 else 0.0, own, right, zero)
            if key not in answers:
                if own >= 0:
                    goes = np.isin(np.trunc(entries), self.sets[own].astype(np.float64))
                else:
                    goes = entries > cut
                goes = np.where(absent | nought if zero else absent, right, goes)
                swap = bool(goes[-2])
                answers[key] = swap, bool(goes[-1]), self._set(np.flatnonzero(goes[:-2] != swap))
            self.swapped[node], self.missing[node], self.set_index[node] = answers[key]
            # A set without codes is a threshold that no value exceeds.
            self.cut[node] = 0.0 if self.set_index[node] >= 0 else np.inf

    def _set(self, codes: _Ints) -> int:
        if not len(codes):
            return -1
        index = self.known.setdefault(codes.tobytes(), len(self.sets))
        if index == len(self.sets):
            self.sets.append(codes)
        return index

    def codes(self, feature: Chain, at: _Ints) -> None:
        """Keep sets of codes that are a raw number."""
        if any(step.kind != "impute" for step in feature.steps) or self.zero[at].any():
            raise NotNative("a categorical split on a number that is transformed")
        self.feature[at] = feature.column
        filled = float(feature(np.array([np.nan]))[0])
        if not np.isnan(filled):
            for node in at:
                self.missing[node] = np.trunc(filled) in self.sets[self.nodes.set_index[node]]

    def thresholds(self, feature: Chain, at: _Ints) -> None:
        """Turn thresholds on a chain into thresholds on its raw column."""
        self.feature[at] = feature.column
        filled = float(feature(np.array([np.nan]))[0])
        if not feature.steps and not self.zero[at].any():
            return
        pieces = _pieces(feature)
        for zero in (False, True):
            own = at[self.zero[at] == zero]
            if not len(own):
                continue
            cut, missing = self.nodes.cut[own], self.nodes.missing_right[own]
            nought = zero and abs(filled) <= self.nodes.zero
            if not np.isnan(filled) and not nought:
                self.missing[own] = filled > cut
            split = _split_zero(feature, pieces, self.nodes.zero) if zero else pieces
            self._place(own, *_directions(feature, split, cut, missing))

    def _place(self, at: _Ints, ends: list[_Ints], ways: list[_Bools]) -> None:
        """Set nodes from segments of the raw line: where each ends, and whether it goes right."""
        n = len(at)
        last, cut = np.full(n, -_INF - 1), np.full(n, _INF)
        first, way, begun = (np.zeros(n, dtype=np.bool_) for _ in range(3))
        changes = np.zeros(n, dtype=np.int64)
        for end, goes in zip(ends, ways, strict=True):
            filled = end > last
            turns = filled & begun & (goes != way)
            cut = np.where(turns & (changes == 0), last, cut)
            changes += turns
            first = np.where(filled & ~begun, goes, first)
            way = np.where(filled, goes, way)
            begun |= filled
            last = np.maximum(last, end)
        self.cut[at] = _double(cut)
        self.swapped[at] = first
        for i in np.flatnonzero(changes > 1):
            node = int(at[i])
            self.swapped[node] = False
            self.segments[node] = Segments(
                tuple(int(end[i]) for end in ends),
                tuple(bool(goes[i]) for goes in ways),
                bool(self.missing[node]),
            )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Raw values from `low` to `high` (in the order of doubles) on which a chain is simple.

    It rises (`sign` 1), falls (-1), or has one `value` (0), which may be NaN.
    """

    low: int
    high: int
    sign: int
    value: float = np.nan


def _identity(features: Features) -> bool:
    if len(features.features) != len(features.columns):
        return False
    return all(_itself(feature, j) for j, feature in enumerate(features.features))


def _itself(feature: Feature, column: int) -> bool:
    if isinstance(feature, Chain):
        return feature == Chain(column)
    codes = tuple(float(k) for k in range(len(feature.values)))
    same = feature.column == column and feature.values == codes
    return same and feature.unknown == UNKNOWN and bool(np.isnan(feature.missing))


def _pieces(chain: Chain) -> list[_Piece]:
    """Cut the raw line where a logarithm ends to have a value."""
    low, high, sign = -_INF, _INF, 1
    dead: list[_Piece] = []
    for i, step in enumerate(chain.steps):
        if step.kind in ("sub", "add", "mul", "div"):
            if not np.isfinite(step.value) or (step.kind in ("mul", "div") and step.value == 0.0):
                raise NotNative(f"a column is transformed by {step.kind} of {step.value}")
            if step.kind in ("mul", "div") and step.value < 0.0:
                sign = -sign
        elif np.isnan(step.value):
            raise NotNative(f"a column is transformed by {step.kind} of NaN")
        elif step.kind == "log1p" and low <= high:
            # Up to the last value below -1 if the steps before rise, else up to the last at least.
            before = Chain(chain.column, chain.steps[:i])
            below = np.nextafter(-1.0, -np.inf)
            end = _last(_above(before, below, sign < 0), low, high)
            if sign > 0:
                dead.append(_Piece(low, end, 0))
                low = end + 1
            else:
                dead.append(_Piece(end + 1, high, 0))
                high = end
        dead = [
            replace(piece, value=float(apply(step, np.array([piece.value]))[0])) for piece in dead
        ]
    pieces = [piece for piece in (*dead, _Piece(low, high, sign)) if piece.low <= piece.high]
    return sorted(pieces, key=lambda piece: piece.low)


def _split_zero(chain: Chain, pieces: list[_Piece], zero: float) -> list[_Piece]:
    """Take out the values that count as missing because they are zero."""
    split: list[_Piece] = []
    for piece in pieces:
        if piece.sign == 0:
            gone = abs(piece.value) <= zero
            split.append(replace(piece, value=np.nan) if gone else piece)
            continue
        low, high = piece.low, piece.high
        # The value is below -zero, then within, then above, or the other way about.
        if piece.sign > 0:
            before = _last(lambda x: chain(x) < -zero, low, high)
            upto = _last(lambda x: chain(x) <= zero, low, high)
        else:
            before = _last(lambda x: chain(x) > zero, low, high)
            upto = _last(lambda x: chain(x) >= -zero, low, high)
        split += [
            replace(piece, high=before),
            _Piece(before + 1, upto, 0),
            replace(piece, low=upto + 1),
        ]
    return [piece for piece in split if piece.low <= piece.high]


def _directions(
    chain: Chain, pieces: list[_Piece], cut: _Floats, missing: _Bools
) -> tuple[list[_Ints], list[_Bools]]:
    """Segments of the raw line, in order: where each ends, and whether it goes right."""
    ends: list[_Ints] = []
    ways: list[_Bools] = []
    for piece in pieces:
        high = np.full(len(cut), piece.high, dtype=np.int64)
        if piece.sign == 0:
            ends.append(high)
            ways.append(missing if np.isnan(piece.value) else piece.value > cut)
            continue
        falls = piece.sign < 0
        low = np.full(len(cut), piece.low, dtype=np.int64)
        ends += [_bisect(_above(chain, cut, falls), low, high), high]
        ways += [np.full(len(cut), falls), np.full(len(cut), not falls)]
    return ends, ways


def _above(chain: Chain, cut: _Floats | float, wanted: bool) -> Callable[[_Floats], _Bools]:
    return lambda x: (chain(x) > cut) == wanted


def _last(holds: Callable[[_Floats], _Bools], low: int, high: int) -> int:
    return int(_bisect(holds, np.array([low]), np.array([high]))[0])


def _bisect(holds: Callable[[_Floats], _Bools], low: _Ints, high: _Ints) -> _Ints:
    """Last place from `low` to `high` up to which something holds; ``low - 1`` if nowhere."""
    good, bad = low - 1, high + 1
    while (good + 1 < bad).any():
        # Half of each: neither their sum nor their difference may leave int64.
        middle = (good >> 1) + (bad >> 1) + (good & bad & 1)
        middle = np.clip(middle, low, high)
        held = holds(_double(middle))
        more = good + 1 < bad
        good = np.where(more & held, middle, good)
        bad = np.where(more & ~held, middle, bad)
    return good


def _double(place: _Ints) -> _Floats:
    """Return the doubles at places in their order."""
    place = np.clip(place, -_INF, _INF)
    value = np.abs(place).astype(np.int64).view(np.float64)
    return np.where(place < 0, -value, value)
