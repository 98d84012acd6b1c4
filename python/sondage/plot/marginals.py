"""Histograms of an answer's columns over those of reference data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage._text import plural
from sondage.errors import DataError
from sondage.frames import to_polars
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
    from sondage.frames import FrameLike

__all__ = ["marginals"]


def marginals(answer: Answer, reference: FrameLike | None = None) -> Figure:
    """Draw `AnswerPlots.marginals`."""
    chains, draws, _ = answer.draws.shape
    space = answer.space
    if not space.free:
        return message("Every column is fixed: there is nothing to draw.")
    if chains * draws == 0:
        return message("The answer holds no draws.")
    data = None if reference is None else _reference(reference, space.columns, space.free)
    lower, upper = space._lower_upper()
    across = _columns(len(space.free))
    figure, panels = Grid(panels=len(space.free), columns=across).draw()
    for axes, name in zip(panels, space.free, strict=True):
        j = space.columns.index(name)
        heights, edges = _density(answer.draws[:, :, j].reshape(-1), lower[j], upper[j])
        label = f"answer ({plural(chains * draws, 'draw')})"
        axes.stairs(heights, edges, fill=True, color=ANSWER, label=label, linewidth=0)
        axes.stairs(heights, edges, color=ANSWER_EDGE, linewidth=0.7)
        top = heights.max()
        if data is not None:
            outline, steps = _density(data[name], lower[j], upper[j])
            axes.stairs(
                outline,
                steps,
                color=REFERENCE,
                linewidth=1.3,
                label=f"reference data ({plural(_height(data), 'row')})",
            )
            top = max(top, outline.max())
        axes.set_xlim(lower[j], upper[j])
        axes.set_ylim(0.0, 1.06 * top)
        dress(axes, name, width=max(14, 110 // across))
        ticks_inside(axes, lower[j], upper[j], 4 if across < 5 else 2)
    legend(figure, panels[0], 2)
    return figure


def _columns(panels: int) -> int:
    return next(n for most, n in ((3, panels), (16, 4), (35, 5), (10**9, 6)) if panels <= most)


def _density(
    values: NDArray[np.float64], lower: float, upper: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Histogram with total area 1 over all values: what lies outside the bounds lowers the bars."""
    bins = _bins(values.size)
    share = (values - lower) / (upper - lower)  # any bounds have room for the bins
    counts, _ = np.histogram(share, bins=bins, range=(0.0, 1.0))
    return counts * bins / max(values.size, 1), np.linspace(lower, upper, bins + 1)


def _bins(n: int) -> int:
    return next(bins for most, bins in ((60, 8), (600, 16), (10**12, 32)) if n <= most)


def _height(data: dict[str, NDArray[np.float64]]) -> int:
    return max(values.size for values in data.values())


def _reference(
    reference: FrameLike, columns: list[str], free: list[str]
) -> dict[str, NDArray[np.float64]]:
    table = to_polars(reference, columns if isinstance(reference, np.ndarray) else free)
    data = {}
    for name in free:
        series = table[name]
        if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            raise DataError(
                f"column {name!r} of the reference is {series.dtype}; numbers are needed"
            )
        values = series.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
        data[name] = values[np.isfinite(values)]
    return data
