"""Which output of a model a loss reads, and means over the members of an ensemble."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, TypeAlias

from sondage._core import Loss
from sondage._question import Asked, Mean, Output, Term
from sondage.errors import QuestionError
from sondage.models._members import stack_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sondage.models import Model
    from sondage.models._graph import Head

__all__ = ["Averaged", "Parts", "hinge", "minus_log", "node_of", "other_label", "over_members"]

#: What a term asks member by member, and what of stacked ensembles.
Parts: TypeAlias = "tuple[list[Asked], list[Mean]]"


class Averaged(Term):
    """A term that is a mean over the members of its models: over q* (MATH 1, equation 4)."""

    __slots__ = ()

    @abstractmethod
    def parts(self) -> Parts:
        """Return the losses, and the means over stacked ensembles."""

    def losses(self) -> list[Asked]:
        """Return the loss of the model's outputs, or of each of an ensemble's."""
        return self.parts()[0]

    def means(self) -> list[Mean]:
        """Return the means over stacked ensembles."""
        return self.parts()[1]


def over_members(
    model: Model, loss_of: Callable[[Model], tuple[int, Loss]], second: Output | None = None
) -> Parts:
    """Return the mean over q* of a loss of a member's output, or of that and a second output."""
    if stack_of(model) is not None:
        # Members of a stack have one graph but for the numbers in it.
        node, loss = loss_of(model.members[0][1])
        return [], [Mean(model, node, second, loss)]
    others = () if second is None else (second,)
    asked = []
    for share, member in model.members:
        node, loss = loss_of(member)
        asked.append((share, ((member, node), *others), loss))
    return asked, []


def node_of(model: Model, head: Head) -> int:
    """Return the node of an output."""
    node = model._head(head)
    if node is None:
        raise QuestionError(f"{model.name} has no {head} that a question could be about")
    return node


def minus_log(model: Model, index: int) -> tuple[int, Loss]:
    """Return -log p of a class, from logits where there are any: never floored."""
    if model._head("log_proba") is not None:
        return node_of(model, "log_proba"), Loss.negative_log(index)
    return node_of(model, "proba"), Loss.cross_entropy(index)


def hinge(model: Model, index: int) -> tuple[int, Loss]:
    """Return the hinge that wants a class to lead by 1: max(0, 1 - s·z) of a margin z (MATH 2).

    With a score for each class, z is the score's lead over the largest other; one-vs-one scores
    are taken by their votes and sums.
    """
    head = _margins(model)
    if model._width(head) == 1:
        return node_of(model, head), Loss.margin(index == 1)
    return node_of(model, head), Loss.hinge(index)


def other_label(model: Model, *, hinged: bool) -> tuple[int, Loss]:
    """Return the loss of the label that a second output, of two classes, does not decide for."""
    if not hinged:
        logs = model._head("log_proba")
        if logs is not None:
            return logs, Loss.other_label(log=True)
        return node_of(model, "proba"), Loss.other_label(log=False)
    head = _margins(model)
    one = model._width(head) == 1
    return node_of(model, head), Loss.other_margin() if one else Loss.other_hinge()


def _margins(model: Model) -> Head:
    """Output that a hinge is about: one margin, or a score for each class."""
    if model._width("margins"):
        return "margins"
    width = model._width("score")
    if width == 1 or (model.classes is not None and width == len(model.classes)):
        return "score"
    return "decision"
