"""Figures as data that an HTML file can hold."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.backends.backend_svg import FigureCanvasSVG
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "picture"]

MOST_BYTES = 450_000
DOTS_PER_INCH = 140
COLOURS = 48


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
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
        if drawn.tell() <= MOST_BYTES:
            return Picture(_uri("image/svg+xml", drawn.getvalue()), width, height)
    return Picture(_uri("image/png", _png(figure)), width, height)


def _png(figure: Figure) -> bytes:
    """Draw a figure as a PNG of few colours, which takes a quarter of the room."""
    pixels, drawn = io.BytesIO(), io.BytesIO()
    figure.savefig(pixels, format="png", dpi=DOTS_PER_INCH)
    with Image.open(pixels) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(drawn, format="png", optimize=True)
    return drawn.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
