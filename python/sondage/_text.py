"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re

ELLIPSIS = "…"


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with few significant digits, the missing as a dash.

    Examples
    --------
    >>> number(0.123456), number(12345678.0), number(float("nan")), number(3.0)
    ('0.1235', '1.235e+07', '–', '3')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if value == round(value) and size < 10**6:
        return f"{value:,.0f}"
    if 1e-4 <= size < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def count(value: float | None) -> str:
    """Write a count without decimals: ``12,345``.

    Examples
    --------
    >>> count(12345.6)
    '12,346'
    """
    if value is None or math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:,.0f}"


def rhat(value: float | None) -> str:
    """Write R-hat with three decimals; chains that stand still give numbers without a meaning.

    Examples
    --------
    >>> rhat(1.00449), rhat(6.9e15), rhat(None)
    ('1.004', '> 100', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}" if value <= 100 else "> 100"


def percent(share: float | None) -> str:
    """Write a share as per cent, never rounding up to 100 % nor down to 0 %.

    Examples
    --------
    >>> percent(0.5), percent(0.99999), percent(1.0), percent(0.00001)
    ('50 %', '> 99.9 %', '100 %', '< 0.1 %')
    """
    if share is None or math.isnan(share):
        return "–"
    if 0.999 < share < 1.0:
        return "> 99.9 %"
    if 0.0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is longer than `width` characters.

    Examples
    --------
    >>> shorten("od280/od315_of_diluted_wines", 15)
    'od280/o…d_wines'
    """
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    tail = width - 1 - head
    return text[:head] + ELLIPSIS + text[len(text) - tail :]


def round_up(value: float, digits: int = 2) -> int:
    """Round a positive number up to a few leading digits.

    Examples
    --------
    >>> round_up(1234), round_up(7), round_up(130.0)
    (1300, 7, 130)
    """
    whole = math.ceil(value)
    unit = int("1" + "0" * max(0, len(str(whole)) - digits))
    return math.ceil(whole / unit) * unit


def plural(n: int, noun: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "chain"), plural(4, "chain")
    ('1 chain', '4 chains')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Lay out a table in plain text: first column flush left, the others flush right.

    Examples
    --------
    >>> print(table(["column", "mean"], [["a", "1.5"]]))
    column  mean
    a        1.5
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def qualified(expression: str) -> str:
    """Write the public names that an expression calls as of ``sd``.

    Examples
    --------
    >>> qualified("Cycle(MALA(), RandomWalk(0.5))")
    'sd.Cycle(sd.MALA(), sd.RandomWalk(0.5))'
    """
    import sondage

    names = "|".join(sondage.__all__)
    return re.sub(rf"(?<![\w.'\"])({names})\(", r"sd.\1(", expression)
