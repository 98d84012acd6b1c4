"""Columns without order, or of few whole numbers, as figures show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._text import percent, shorten
from sondage.plot.style import ANSWER, ANSWER_EDGE, INK, REFERENCE, RULE, TICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from sondage.columns import Categorical, Integer

__all__ = ["draw_levels", "draw_missing", "integer_edges", "label_levels"]

#: Levels that have a bar of their own; the rest share one.
MOST_BARS = 8
#: Whole numbers that have a bar each.
MOST_INTEGERS = 32
#: Levels that are named beside an axis.
MOST_NAMES = 6


def integer_edges(kind: Integer, bins: int) -> NDArray[np.float64]:
    """Edges of bars over whole numbers: one for each where they are few, else equally many."""
    count = kind.upper - kind.lower + 1
    each = 1 if count <= MOST_INTEGERS else -(-count // bins)
    return np.append(np.arange(kind.lower, kind.upper + 1, each), kind.upper + 1) - 0.5


def draw_levels(
    axes: Axes,
    kind: Categorical,
    codes: NDArray[np.float64],
    reference: NDArray[np.float64] | None,
    labels: tuple[str, str],
) -> None:
    """Draw a bar for the share of each level, from the top; reference data as outlines."""
    shares = _shares(codes, len(kind.levels))
    order = np.arange(len(shares))
    names = [_named(level) for level in kind.levels]
    if len(shares) > MOST_BARS:
        order = np.sort(np.argsort(-shares, kind="stable")[: MOST_BARS - 1])
        names = [names[k] for k in order] + [f"{len(shares) - MOST_BARS + 1} others"]
    places = np.arange(len(names))
    heights = _merged(shares, order, len(names))
    axes.barh(places, heights, 0.82, color=ANSWER, label=labels[0], edgecolor=ANSWER_EDGE, lw=0.7)
    top = heights.max()
    if reference is not None:
        outline = _merged(_shares(reference, len(kind.levels)), order, len(names))
        axes.barh(places, outline, 0.82, fill=False, edgecolor=REFERENCE, lw=1.3, label=labels[1])
        top = max(top, outline.max())
    axes.set_xlim(0.0, 1.06 * max(top, 1e-9))
    axes.set_ylim(len(names) - 0.5, -0.5)
    size = min(TICK, 56.0 / len(names))
    for place, name in enumerate(names):
        text = axes.text(
            0.015,
            place,
            shorten(name, 26),
            transform=axes.get_yaxis_transform(),
            va="center_baseline",
            fontsize=size,
            color=INK,
        )
        text.set_parse_math(False)


def label_levels(axis: Axis, kind: Categorical, width: int, most: int = MOST_NAMES) -> None:
    """Name the levels along an axis; where they are many, some of them."""
    every = -(-len(kind.levels) // most)
    places = range(0, len(kind.levels), every)
    labels = axis.set_ticks(list(places), [shorten(_named(kind.levels[k]), width) for k in places])
    for tick in labels:
        for label in (tick.label1, tick.label2):
            label.set_parse_math(False)


def _named(level: object) -> str:
    return "missing" if level is None else str(level)


def draw_missing(
    axes: Axes,
    values: NDArray[np.float64],
    reference: NDArray[np.float64] | None,
) -> None:
    """Draw the shares of missing values as a bar right of a histogram, on a scale from 0 to 1."""
    beside = axes.inset_axes((0.91, 0.0, 0.09, 1.0))
    share = float(np.isnan(values).mean())
    beside.bar([0.0], [share], 0.82, color=ANSWER, edgecolor=ANSWER_EDGE, lw=0.7)
    if reference is not None and len(reference):
        told = float(np.isnan(reference).mean())
        beside.bar([0.0], [told], 0.82, fill=False, edgecolor=REFERENCE, lw=1.3)
    beside.set_xlim(-0.6, 0.6)
    beside.set_ylim(0.0, 1.06)
    beside.set_yticks([])
    beside.set_xticks([0.0], [f"missing {percent(share)}"])
    beside.tick_params(labelsize=TICK - 1.0, labelcolor=INK, length=0.0)
    for label in beside.get_xticklabels():
        label.set_horizontalalignment("right")
    for side, spine in beside.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(RULE)


def _shares(codes: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Share of each level in all values, those included that are no level."""
    known = codes[codes >= 0].astype(np.int64)
    return np.asarray(np.bincount(known, minlength=n) / max(len(codes), 1))


def _merged(shares: NDArray[np.float64], order: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    own = shares[order]
    return own if len(own) == n else np.append(own, shares.sum() - own.sum())
