"""Terms about a wanted label or value: one that rows are drawn to, one that they must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sondage._checks import Check, Predicts
from sondage._core import Loss
from sondage._question import Asked, Term
from sondage._terms.outputs import Averaged, Parts, hinge, minus_log, node_of, over_members
from sondage._terms.words import as_band, averaged, band_words, shown, weighted
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from sondage._checks import Band
    from sondage.models import Model

__all__ = ["FixedLabel", "Require"]


@dataclass(frozen=True, slots=True, repr=False)
class FixedLabel(Averaged):
    """The model predicts a label, or a value in a band (MATH 2, equation 7)."""

    model: Model
    label: object | Band
    loss: Literal["cross_entropy", "hinge", "squared"]
    scale: float

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The model that is asked."""
        return (self.model,)

    def parts(self) -> Parts:
        """Return the loss of the model's outputs, or of each of an ensemble's."""
        return over_members(self.model, self._loss)

    def _loss(self, model: Model) -> tuple[int, Loss]:
        if model.classes is None:
            lower, upper = as_band(self.label)
            return node_of(model, "score"), Loss.band(lower, upper, self.scale)
        index = model.label_index(self.label)
        if self.loss == "hinge":
            return hinge(model, index)
        if self.loss == "squared":
            return node_of(model, "proba"), Loss.squared(index, self.scale)
        return minus_log(model, index)

    def checks(self) -> list[Check]:
        """Return the label or band; nothing for a single number, which is only come near."""
        if self.model.classes is None and not isinstance(self.label, tuple):
            return []
        return [Predicts(self.model, self.label)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        unit = "" if self.scale == 1.0 else f" in units of {self.scale:.10g}"
        if self.model.classes is None:
            wanted, penalty = band_words(self.label), f"half the squared distance to it{unit}"
        else:
            wanted = repr(self.label)
            penalty = {
                "cross_entropy": "minus the logarithm of its probability",
                "hinge": "by how much its score falls short of leading by 1",
                "squared": f"the squared gap between its probability and 1{unit}",
            }[self.loss]
        clause = f"{self.model.name} predicts {wanted}"
        return weighted(weight, clause, averaged(penalty, self.model))

    def __repr__(self) -> str:
        loss = "" if self.model.classes is None else f", loss={self.loss!r}"
        scale = "" if self.scale == 1.0 else f", scale={self.scale!r}"
        return f"fixed_label({self.model.name}, {shown(self.label)}{loss}{scale})"


@dataclass(frozen=True, slots=True, repr=False)
class Require(Term):
    """The model must predict a label, or a value in a band; G is +∞ elsewhere (MATH 2)."""

    model: Model
    target: object | Band

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The model that is asked."""
        return (self.model,)

    @property
    def sloping(self) -> tuple[Model, ...]:
        """Requirements are flat where they are finite."""
        return ()

    def losses(self) -> list[Asked]:
        """Return the requirement on the model's outputs; of an ensemble, on their mean."""
        model = self.model
        if model.classes is None:
            loss = Loss.require_band(*as_band(self.target))
            return [(1.0, ((model, node_of(model, "score")),), loss)]
        loss = Loss.require_label(model.label_index(self.target))
        return [(1.0, ((model, node_of(model, "decision")),), loss)]

    def checks(self) -> list[Check]:
        """Return the required label or band."""
        return [Predicts(self.model, self.target)]

    def check_weight(self, weight: float) -> None:
        """Refuse weights that are not above zero."""
        if weight <= 0.0:
            raise QuestionError(
                f"{self!r} cannot be weighed by {weight:g}: a requirement holds or does not hold; "
                "require another label instead"
            )

    def words(self, weight: float) -> str:  # noqa: ARG002
        """Say what the term wants."""
        wanted = band_words(self.target) if self.model.classes is None else repr(self.target)
        return f"{self.model.name} must predict {wanted}"

    def __repr__(self) -> str:
        return f"require({self.model.name}, {shown(self.target)})"
