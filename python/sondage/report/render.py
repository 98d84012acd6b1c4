"""Put the report together and write it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sondage._text import plural
from sondage.persistence import write_atomic
from sondage.plot.traces import traces
from sondage.report import content
from sondage.report.figures import picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage.answer import Answer
    from sondage.frames import FrameLike
    from sondage.report.content import Section

__all__ = ["render_report", "write_report"]

TRACES = 17


def write_report(
    answer: Answer,
    path: str | Path,
    *,
    reference: FrameLike | None = None,
    title: str | None = None,
    sections: Sequence[Section] = (),
) -> Path:
    """Write the report of an answer; see `Answer.report`."""
    target = Path(path)
    page = render_report(answer, reference=reference, title=title, sections=sections)
    write_atomic(target, lambda part: part.write_text(page, encoding="utf-8"))
    return target


def render_report(
    answer: Answer,
    *,
    reference: FrameLike | None = None,
    title: str | None = None,
    sections: Sequence[Section] = (),
) -> str:
    """Return the report's HTML: no script, nothing loaded from elsewhere, all text escaped."""
    environment = Environment(
        loader=PackageLoader("sondage.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.loader.get_source(environment, "report.css")[0]  # type: ignore[union-attr]
    found = answer.diagnostics
    free = answer.space.free
    fixed = len(answer.space.columns) - len(free)
    return environment.get_template("report.html.j2").render(
        style=Markup(style),
        title=title or "Answer to a question about trained models",
        question=answer.question.describe(),
        temperature=f"{answer.settings.temperature:g}",
        measure=content.base_measure(answer.space),
        learned=content.reference(answer.space),
        fixed=plural(fixed, "column") if fixed else "",
        exact=found.exact,
        verdict=found.verdict,
        verdict_class=found.verdict.replace(" ", "-"),
        symbol=content.SYMBOLS[found.verdict],
        sentence=found.sentence,
        warnings=found.warnings,
        numbers=content.numbers(answer),
        marginals=picture(answer.plot.marginals(reference)),
        has_reference=reference is not None,
        sections=[
            {
                "title": section.title,
                "paragraphs": content.paragraphs(section.text),
                "table": None if section.table is None else content.from_frame(section.table),
            }
            for section in sections
        ],
        summary=content.summary(answer),
        examples=content.examples(answer),
        traces=picture(traces(answer, TRACES), vector=False),
        traces_left_out=max(len(free) - TRACES, 0),
        kernels=content.kernels(answer),
        chains=content.chains(answer),
        swaps=content.swaps(answer),
        space=content.space(answer),
        settings=content.settings(answer),
        versions=content.versions(answer),
        recipe=content.recipe(answer),
        digest=content.digest(answer),
        created=answer.settings.created,
        version=answer.settings.versions.get("sondage", ""),
        seed=answer.settings.seed,
    )
