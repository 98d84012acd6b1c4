"""Node arrays of tree ensembles, and the cuts of libraries that compare in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Nodes", "float32_cut"]

_F32_END = 2.0**128


@dataclass(frozen=True, slots=True)
class Nodes:
    """Trees one after another; a node is a leaf if ``left < 0``.

    A row goes right where ``row[feature] > cut``; at a node with a set (``set_index >= 0``), where
    the feature's value, cut to a whole number, is one of the set's codes. Every other value,
    unknown levels included, goes left. NaN goes where `missing_right` says. Children are absolute
    node numbers.

    Attributes
    ----------
    roots : ndarray of int64, shape (trees,)
    feature, left, right : ndarray of int64, shape (nodes,)
    cut : ndarray of float64, shape (nodes,)
        The largest float64 that goes left, whatever the library compares in.
    value : ndarray of float64, shape (nodes, width)
        Only the rows of leaves are read.
    missing_right : ndarray of bool, shape (nodes,)
    set_index : ndarray of int64, shape (nodes,)
        -1 at thresholds, else the set: codes ``set_codes[set_starts[i]:set_starts[i + 1]]``.
    set_starts, set_codes : ndarray of int64
    zero_missing : ndarray of bool, shape (nodes,)
        Thresholds at which values in [-zero, zero] count as missing. `pull_back` resolves them.
    zero : float
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    cut: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    missing_right: NDArray[np.bool_]
    set_index: NDArray[np.int64]
    set_starts: NDArray[np.int64]
    set_codes: NDArray[np.int64]
    zero_missing: NDArray[np.bool_]
    zero: float = 0.0

    @classmethod
    def of(
        cls,
        *,
        roots: NDArray[np.int64],
        feature: NDArray[np.int64],
        cut: NDArray[np.float64],
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        value: NDArray[np.float64],
        missing_right: NDArray[np.bool_] | None = None,
        sets: Mapping[int, Sequence[int]] | None = None,
        zero_missing: NDArray[np.bool_] | None = None,
        zero: float = 0.0,
    ) -> Nodes:
        """Fill in what a library lacks; `sets` maps a node to the codes that go right."""
        n = len(feature)
        sets = {} if sets is None else sets
        index = np.full(n, -1, dtype=np.int64)
        index[np.fromiter(sets, dtype=np.int64, count=len(sets))] = np.arange(len(sets))
        codes = [np.unique(np.asarray(list(own), dtype=np.int64)) for own in sets.values()]
        nothing = np.zeros(n, dtype=np.bool_)
        return cls(
            roots=np.ascontiguousarray(roots, dtype=np.int64),
            feature=np.ascontiguousarray(feature, dtype=np.int64),
            cut=np.ascontiguousarray(cut, dtype=np.float64),
            left=np.ascontiguousarray(left, dtype=np.int64),
            right=np.ascontiguousarray(right, dtype=np.int64),
            value=np.ascontiguousarray(value, dtype=np.float64).reshape(n, -1),
            missing_right=nothing if missing_right is None else missing_right.astype(np.bool_),
            set_index=index,
            set_starts=np.concatenate([[0], np.cumsum([len(own) for own in codes])]).astype(
                np.int64
            ),
            set_codes=np.concatenate([np.empty(0, np.int64), *codes]),
            zero_missing=nothing if zero_missing is None else zero_missing.astype(np.bool_),
            zero=zero,
        )


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
