"""``sondage report``: a saved answer as an HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sondage.answer import load_answer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["report_of"]


def report_of(answer: Path, out: Path | None) -> Path:
    """Write the report of a saved answer, beside it unless `out` says where.

    Raises
    ------
    DataError
        If the file is no saved answer.
    """
    return load_answer(answer).report(answer.with_suffix(".html") if out is None else out)
