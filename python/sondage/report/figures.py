"""Figures as data that an HTML file can hold."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "picture"]

MOST_BYTES = 450_000
DOTS_PER_INCH = 120


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture: its data URI and its size in CSS pixels."""

    source: str
    width: int
    height: int


def picture(figure: Figure, *, vector: bool = True) -> Picture:
    """Embed a figure, as SVG where that stays small and as PNG otherwise."""
    inches = figure.get_size_inches()
    width, height = (round(96 * float(size)) for size in inches)
    if vector:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        if drawn.tell() <= MOST_BYTES:
            return Picture(_uri("image/svg+xml", drawn.getvalue()), width, height)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH, pil_kwargs={"compress_level": 9})
    return Picture(_uri("image/png", drawn.getvalue()), width, height)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
