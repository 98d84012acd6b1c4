"""Histograms of an answer's columns over those of reference data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.ticker import FuncFormatter

from sondage._text import percent, plural
from sondage.columns import Categorical, Integer, level_codes, may_be_missing, missing_weight
from sondage.errors import DataError
from sondage.frames import to_polars
from sondage.plot.levels import draw_levels, draw_missing, integer_edges
from sondage.plot.style import (
    ANSWER,
    ANSWER_EDGE,
    REFERENCE,
    Grid,
    dress,
    legend,
    message,
    ticks_inside,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sondage.answer import Answer
    from sondage.columns import Column
    from sondage.frames import FrameLike
    from sondage.space import Space

__all__ = ["marginals"]


def marginals(answer: Answer, reference: FrameLike | None = None) -> Figure:
    """Draw `AnswerPlots.marginals`."""
    chains, draws, _ = answer.draws.shape
    space = answer.space
    if not space.free:
        return message("Every column is fixed: there is nothing to draw.")
    if chains * draws == 0:
        return message("The answer holds no draws.")
    data = None if reference is None else _reference(reference, space)
    lower, upper = space._lower_upper()
    across = _columns(len(space.free))
    figure, panels = Grid(panels=len(space.free), columns=across).draw()
    label = f"answer ({plural(chains * draws, 'draw')})"
    told = "" if data is None else f"reference data ({plural(_height(data), 'row')})"
    few = 4 if across < 5 else 2
    for axes, name in zip(panels, space.free, strict=True):
        j, kind = space.columns.index(name), space.kinds[name]
        values = answer.draws[:, :, j].reshape(-1)
        others = None if data is None else data[name]
        if isinstance(kind, Categorical):
            draw_levels(axes, kind, values, others, (label, told))
            dress(axes, name, width=max(14, 110 // across))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
            continue
        heights, edges = _density(values, kind, lower[j], upper[j])
        axes.stairs(heights, edges, fill=True, color=ANSWER, label=label, linewidth=0)
        axes.stairs(heights, edges, color=ANSWER_EDGE, linewidth=0.7)
        top = heights.max()
        if others is not None:
            outline, steps = _density(others, kind, lower[j], upper[j])
            axes.stairs(outline, steps, color=REFERENCE, linewidth=1.3, label=told)
            top = max(top, outline.max())
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0.0, 1.06 * max(top, 1e-9))
        dress(axes, name, width=max(14, 110 // across))
        most = min(few, kind.upper - kind.lower) if isinstance(kind, Integer) else few
        ticks_inside(axes, edges[0], edges[-1], most)
        if missing_weight(kind) > 0.0:
            # Numbers keep to the left of the bar.
            axes.set_xlim(edges[0], edges[0] + (edges[-1] - edges[0]) / 0.87)
            draw_missing(axes, values, others)
    legend(figure, panels[0], 2)
    return figure


def _columns(panels: int) -> int:
    return next(n for most, n in ((3, panels), (16, 4), (35, 5), (10**9, 6)) if panels <= most)


def _density(
    values: NDArray[np.float64], kind: Column, lower: float, upper: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Histogram with total area 1 over all values: what lies outside the bounds lowers the bars."""
    bins = _bins(values.size)
    if isinstance(kind, Integer):
        edges = integer_edges(kind, bins)
        counts, _ = np.histogram(values, bins=edges)
        shares = counts / np.diff(edges) * (edges[-1] - edges[0])
        return shares / max(values.size, 1), edges
    share = (values - lower) / (upper - lower)  # any bounds have room for the bins
    counts, _ = np.histogram(share, bins=bins, range=(0.0, 1.0))
    return counts * bins / max(values.size, 1), np.linspace(lower, upper, bins + 1)


def _bins(n: int) -> int:
    return next(bins for most, bins in ((60, 8), (600, 16), (10**12, 32)) if n <= most)


def _height(data: dict[str, NDArray[np.float64]]) -> int:
    return max(values.size for values in data.values())


def _reference(reference: FrameLike, space: Space) -> dict[str, NDArray[np.float64]]:
    """Values of the free columns; levels as positions, -1 for others.

    Missing ones are left out where the space has none.
    """
    array = isinstance(reference, np.ndarray)
    table = to_polars(reference, space.columns if array else space.free)
    data = {}
    for name in space.free:
        kind, may = space.kinds[name], may_be_missing(space.kinds[name])
        series = table[name] if may else table[name].drop_nulls()
        if isinstance(kind, Categorical):
            data[name] = level_codes(series.to_list(), kind)
            continue
        if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            raise DataError(
                f"column {name!r} of the reference is {series.dtype}; numbers are needed"
            )
        values = series.cast(pl.Float64).to_numpy()
        data[name] = values[np.isfinite(values) | (np.isnan(values) & may)]
    return data
