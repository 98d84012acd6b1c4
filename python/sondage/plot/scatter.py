"""Two columns of an answer against each other, coloured by energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._text import shorten
from sondage.columns import Categorical
from sondage.errors import DataError
from sondage.frames import listed
from sondage.plot.levels import label_levels
from sondage.plot.style import INK, LEGEND, MUTED, RULE, TICK, dress, message, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sondage.answer import Answer

__all__ = ["scatter"]

POINTS = 5_000
#: How far aside of its level a draw may lie.
SPREAD = 0.3


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
    rows = answer.draws.reshape(n, len(columns))[kept][:, [i, j]]
    energies = answer.energies.reshape(n)[kept]
    order = np.argsort(-energies, kind="stable")
    lower, upper = (bounds[[i, j]] for bounds in answer.space._lower_upper())
    margins = 0.02 * (upper - lower)
    kinds = [answer.space.kinds[name] for name in (x, y)]
    aside = np.random.default_rng(0)
    for k, kind in enumerate(kinds):
        if isinstance(kind, Categorical):
            rows[:, k] += aside.uniform(-SPREAD, SPREAD, len(rows))
            margins[k] = 0.5
    figure = new_figure(6.4, 5.0)
    axes = figure.add_axes((0.13, 0.12, 0.68, 0.83))
    points = axes.scatter(
        rows[order, 0],
        rows[order, 1],
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
    axes.set_xlim(lower[0] - margins[0], upper[0] + margins[0])
    axes.set_ylim(lower[1] - margins[1], upper[1] + margins[1])
    if isinstance(kinds[0], Categorical):
        label_levels(axes.xaxis, kinds[0], 10)
    if isinstance(kinds[1], Categorical):
        label_levels(axes.yaxis, kinds[1], 9, most=12)
    bar = figure.colorbar(points, cax=figure.add_axes((0.85, 0.12, 0.025, 0.83)))
    bar.set_label("G (energy)", fontsize=LEGEND, color=INK)
    bar.ax.tick_params(labelsize=TICK, labelcolor=MUTED, color=RULE, length=3.0, width=0.8)
    for spine in bar.ax.spines.values():
        spine.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    return figure
