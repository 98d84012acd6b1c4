"""What leads to rows that meet a requirement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._question import Question, combine
from sondage._terms import Require
from sondage.errors import ModelError, QuestionError
from sondage.questions import fixed_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._evaluation import Evaluation
    from sondage.space import Space

__all__ = ["natural_guide", "require_graded", "requires"]


def requires(question: Question) -> list[Require]:
    """Return the requirements among the terms of a question."""
    return [term for _, term in question.terms if isinstance(term, Require)]


def natural_guide(
    question: Question, space: Space, rows: NDArray[np.float64]
) -> tuple[Question, Evaluation] | None:
    """Grade rows by how far each required model is from what is required of it.

    Several requirements are weighed by what they come to in `rows`, on average. None where a model
    has no outputs that could be graded, or they are the same in all rows that do not meet it.
    """
    graded: list[tuple[float, Question]] = []
    wanted = requires(question)
    for term in wanted:
        try:
            own = fixed_label(term.model, term.target)
            weight = 1.0
            if len(wanted) > 1:
                values = own._on(space)(rows)
                size = float(np.mean(values[np.isfinite(values)] if values.size else 0.0))
                weight = 1.0 / size if np.isfinite(size) and size > 0.0 else 1.0
            graded.append((weight, own))
        except (QuestionError, ModelError):
            return None
    if not graded:
        return None
    guide = combine(
        tuple((weight * share, term) for weight, own in graded for share, term in own.terms)
    )
    try:
        evaluation = guide._on(space)
    except (QuestionError, ModelError):
        return None
    values = evaluation(rows)
    # What is the same everywhere, as with models that say labels and no more, leads nowhere.
    unmet = values[~np.isfinite(question._on(space)(rows))]
    return (guide, evaluation) if len(np.unique(unmet)) != 1 else None


def require_graded(guide: Question, evaluation: Evaluation, rows: NDArray[np.float64]) -> None:
    """Refuse a guide that is infinite everywhere."""
    if not np.isfinite(evaluation(rows)).any():
        raise QuestionError(
            f"guide={guide!r} is finite at none of {len(rows):,} rows of the space; it must grade "
            "rows by how near they are to what is asked, as fixed_label does"
        )
