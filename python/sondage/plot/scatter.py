"""Two columns of an answer against each other, coloured by energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._text import shorten
from sondage.errors import DataError
from sondage.frames import listed
from sondage.plot.style import INK, LEGEND, MUTED, RULE, TICK, dress, message, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sondage.answer import Answer

__all__ = ["scatter"]

POINTS = 5_000


def scatter(answer: Answer, x: str, y: str) -> Figure:
    """Draw `AnswerPlots.scatter`: at most 5,000 draws, evenly spaced, low energies on top."""
    for argument, name in (("x", x), ("y", y)):
        if name not in answer.space.free:
            raise DataError(
                f"{argument} = {name!r} is not a free column; these are {listed(answer.space.free)}"
            )
    n = answer.energies.size
    if n == 0:
        return message("The answer holds no draws.")
    columns = answer.space.columns
    i, j = columns.index(x), columns.index(y)
    kept = np.arange(0, n, max(1, -(-n // POINTS)))
    rows = answer.draws.reshape(n, len(columns))[kept]
    energies = answer.energies.reshape(n)[kept]
    order = np.argsort(-energies, kind="stable")
    lower, upper = answer.space._lower_upper()
    figure = new_figure(6.4, 5.0)
    axes = figure.add_axes((0.13, 0.12, 0.68, 0.83))
    points = axes.scatter(
        rows[order, i],
        rows[order, j],
        c=energies[order],
        cmap="cividis",
        s=9.0,
        linewidths=0,
        alpha=0.85,
        rasterized=True,
    )
    dress(axes, "", values=True)
    for name, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        axis.set_label_text(shorten(name, 50), fontsize=LEGEND + 1, color=INK)
        axis.label.set_parse_math(False)
    margins = 0.02 * (upper - lower)
    axes.set_xlim(lower[i] - margins[i], upper[i] + margins[i])
    axes.set_ylim(lower[j] - margins[j], upper[j] + margins[j])
    bar = figure.colorbar(points, cax=figure.add_axes((0.85, 0.12, 0.025, 0.83)))
    bar.set_label("G (energy)", fontsize=LEGEND, color=INK)
    bar.ax.tick_params(labelsize=TICK, labelcolor=MUTED, color=RULE, length=3.0, width=0.8)
    for spine in bar.ax.spines.values():
        spine.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    return figure
