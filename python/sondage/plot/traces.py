"""The path of every chain, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage.columns import Categorical
from sondage.plot.levels import label_levels
from sondage.plot.style import CHAINS, INK, LEGEND, MUTED, TICK, Grid, dress, legend, message

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sondage.answer import Answer

__all__ = ["traces"]

POINTS = 400


def traces(answer: Answer, most: int | None = None) -> Figure:
    """Draw `AnswerPlots.trace`: at most 400 points of each chain, evenly spaced.

    Parameters
    ----------
    answer : Answer
    most : int, optional
        Draw no more columns than this, those of largest R-hat.
    """
    chains, draws, _ = answer.draws.shape
    if chains * draws == 0:
        return message("The answer holds no draws.")
    columns = answer.space.columns
    names = ["G", *_worst(answer, most)]
    series = [answer.energies] + [answer.draws[:, :, columns.index(name)] for name in names[1:]]
    kept = np.arange(0, draws, max(1, -(-draws // POINTS)))
    across = 2 if len(names) <= 8 else 3
    kinds = [None, *(answer.space.kinds[name] for name in names[1:])]
    aside = 0.4 if any(isinstance(kind, Categorical) for kind in kinds) else 0.0  # room for names
    grid = Grid(
        panels=len(names),
        columns=across,
        left=0.45 + aside,
        gap_x=0.6 + aside,
        panel_height=0.95,
    )
    figure, panels = grid.draw()
    for axes, name, kind, values in zip(panels, names, kinds, series, strict=True):
        for chain in range(chains):
            axes.plot(
                kept,
                values[chain, kept],
                color=CHAINS[chain % len(CHAINS)],
                linewidth=0.5,
                alpha=0.75,
                label=f"chain {chain}",
                rasterized=True,
            )
        axes.set_xlim(0, max(draws - 1, 1))
        dress(axes, "G (energy)" if name == "G" and axes is panels[0] else name, values=True)
        if isinstance(kind, Categorical):
            label_levels(axes.yaxis, kind, 12)
    if chains <= len(CHAINS):
        legend(figure, panels[0], len(CHAINS), x=0.0)
        for line in figure.legends[0].get_lines():
            line.set(linewidth=2.0, alpha=1.0)
    else:
        note = f"{chains} chains; their colours repeat"
        figure.text(0.0, 1.0, note, fontsize=LEGEND, color=INK, va="top")
    for axes in panels[-across:]:
        axes.set_xlabel("draw", fontsize=TICK, color=MUTED, labelpad=1.0)
    return figure


def _worst(answer: Answer, most: int | None) -> list[str]:
    """Choose the free columns of largest R-hat, in the space's order."""
    free = answer.space.free
    if most is None or len(free) <= most:
        return free
    summary = answer.summary()[:-1]
    rhat = dict(zip(summary["column"], summary["rhat"].fill_null(0.0), strict=True))
    worst = sorted(free, key=lambda name: -rhat[name])[:most]
    return [name for name in free if name in worst]
