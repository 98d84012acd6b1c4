"""An answer on one screen: the terminal and the notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from sondage import _text as text

if TYPE_CHECKING:
    from sondage.answer import Answer
    from sondage.diagnostics import Diagnostics

TEXT_ROWS = 16
HTML_ROWS = 40


def as_text(answer: Answer) -> str:
    """Write an answer for the terminal."""
    header = ["column", "mean", "sd", "q05", "q50", "q95", "rhat", "ess_bulk"]
    rows = _cells(answer, header)
    hidden = len(rows) - TEXT_ROWS
    shown = rows if hidden <= 0 else [*rows[: TEXT_ROWS - 1], rows[-1]]
    lines = [_headline(answer), text.shorten(_one_line(answer.question.describe()), 160)]
    lines += ["", text.table(header, shown)]
    if hidden > 0:
        lines.append(f"({text.plural(hidden, 'more column')} in .summary())")
    found = _remarks(answer.diagnostics)
    lines += ["", answer.diagnostics.sentence, *(f"  {remark}" for remark in found[:5])]
    if len(found) > 5:
        lines.append(f"  ({len(found) - 5} more in .diagnostics)")
    return "\n".join(lines)


def as_html(answer: Answer) -> str:
    """Write an answer for a notebook."""
    header = ["column", "mean", "sd", "q05", "q50", "q95", "rhat", "ess_bulk", "ess_tail"]
    rows = _cells(answer, header)
    hidden = len(rows) - HTML_ROWS
    shown = rows if hidden <= 0 else [*rows[: HTML_ROWS - 1], rows[-1]]
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in shown
    )
    more = f"<p>{text.plural(hidden, 'more column')} in .summary()</p>" if hidden > 0 else ""
    found = "".join(f"<li>{html.escape(r)}</li>" for r in _remarks(answer.diagnostics))
    return (
        f"<div><p><strong>{html.escape(_headline(answer))}</strong><br>"
        f"{html.escape(_one_line(answer.question.describe()))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
        f"<p>{html.escape(answer.diagnostics.sentence)}</p>"
        f"{f'<ul>{found}</ul>' if found else ''}</div>"
    )


def _remarks(found: Diagnostics) -> list[str]:
    """Write the warnings; of the one that the verdict's sentence repeats, the remedy only."""
    return [
        f"→ {warning.remedy}" if found.sentence.endswith(warning.text[1:]) else str(warning)
        for warning in found.warnings
    ]


def _headline(answer: Answer) -> str:
    chains, draws, _ = answer.draws.shape
    return (
        f"Answer ({answer.status.replace('_', ' ')}): {text.plural(chains, 'chain')} × "
        f"{text.plural(draws, 'draw')}, τ = {text.number(answer.settings.temperature)}, "
        f"{text.shorten(answer.settings.kernel, 60)}, seed {answer.settings.seed}"
    )


def _cells(answer: Answer, header: list[str]) -> list[list[str]]:
    """Write the summary's rows, counts and R-hat in their own ways."""
    return [
        [
            text.shorten(row["column"], 32),
            *(_cell(name, row[name]) for name in header[1:]),
        ]
        for row in answer.summary().iter_rows(named=True)
    ]


def _cell(name: str, value: float | None) -> str:
    if name.startswith("ess"):
        return text.count(value)
    return text.rhat(value) if name == "rhat" else text.number(value)


def _one_line(words: str) -> str:
    return " ".join(words.split())
