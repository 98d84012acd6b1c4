"""One restrained look for all figures, set on each object and never on matplotlib itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from sondage._text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1f2933"
MUTED = "#6b7785"
RULE = "#c5ccd3"
ANSWER = "#7fb0d6"
ANSWER_EDGE = "#2f6f9f"
REFERENCE = "#b3541e"

# Okabe and Ito's colours, in an order that keeps neighbours apart; black and yellow left out.
CHAINS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a6f9b", "#4d4d4d")

TITLE = 8.5
TICK = 7.0
LEGEND = 8.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A sheet of equal panels, measured in inches."""

    panels: int
    columns: int
    width: float = 10.0
    panel_height: float = 1.05
    gap_x: float = 0.3
    gap_y: float = 0.62
    left: float = 0.06
    right: float = 0.06
    top: float = 0.62
    bottom: float = 0.42

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return -(-self.panels // self.columns)

    def draw(self) -> tuple[Figure, list[Axes]]:
        """Make the figure and its panels, row by row."""
        height = (
            self.top + self.bottom + self.rows * self.panel_height + (self.rows - 1) * self.gap_y
        )
        figure = new_figure(self.width, height)
        free = self.width - self.left - self.right - (self.columns - 1) * self.gap_x
        wide = free / self.columns
        axes = []
        for i in range(self.panels):
            row, column = divmod(i, self.columns)
            x = self.left + column * (wide + self.gap_x)
            y = height - self.top - (row + 1) * self.panel_height - row * self.gap_y
            box = (
                x / self.width,
                y / height,
                wide / self.width,
                self.panel_height / height,
            )
            axes.append(figure.add_axes(box))
        return figure, axes


def new_figure(width: float, height: float) -> Figure:
    """Make an empty white figure, in inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def message(words: str) -> Figure:
    """Make a figure that only says why there is nothing to draw."""
    figure = new_figure(7.0, 1.2)
    figure.text(0.5, 0.5, words, ha="center", va="center", fontsize=10, color=MUTED)
    return figure


def dress(axes: Axes, title: str, *, width: int = 30, values: bool = False) -> None:
    """Give a panel its title, thin rules and few ticks; `values` keeps the vertical axis."""
    axes.set_facecolor("white")
    label = axes.set_title(shorten(title, width), loc="left", fontsize=TITLE, color=INK, pad=4.0)
    label.set_parse_math(False)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" or (values and side == "left"))
        spine.set_color(RULE)
        spine.set_linewidth(0.8)
    axes.tick_params(
        labelsize=TICK, labelcolor=MUTED, color=RULE, length=3.0, width=0.8, left=values
    )
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]) if values else NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def ticks_inside(axes: Axes, lower: float, upper: float, most: int) -> None:
    """Put at most `most` + 1 ticks between two bounds, their labels within the panel's width."""
    ticks = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(lower, upper)
    slack = 1e-9 * (upper - lower)
    inside = [float(t) for t in ticks if lower - slack <= t <= upper + slack]
    labels = axes.set_xticks(inside, [short_number(tick) for tick in inside])
    for tick, label in zip(labels, axes.get_xticklabels(), strict=True):
        place = (tick.get_loc() - lower) / (upper - lower)
        if place < 0.04:
            label.set_horizontalalignment("left")
        elif place > 0.96:
            label.set_horizontalalignment("right")


def short_number(value: float) -> str:
    """Write a tick's number in little room.

    Examples
    --------
    >>> short_number(25000.0), short_number(0.25), short_number(-1.5e6), short_number(0.30000000004)
    ('25k', '0.25', '−1.5M', '0.3')
    """
    size = abs(value)
    sign = "−" if value < 0 else ""
    for least, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if least <= size < 1e12:
            return f"{sign}{size / unit:.5g}{suffix}"
    return f"{sign}{size:.5g}"


def legend(figure: Figure, axes: Axes, columns: int, *, x: float = 0.0) -> None:
    """Put the legend of `axes` above all panels, `x` inches from the left."""
    width, _ = figure.get_size_inches()
    handles, labels = axes.get_legend_handles_labels()
    box = figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(x / width, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=LEGEND,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.8,
        borderaxespad=0.4,
        borderpad=0.2,
    )
    box.set_in_layout(False)
