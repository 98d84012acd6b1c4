"""The term about undecided predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sondage._core import Loss
from sondage._terms.outputs import Averaged, Parts, node_of, over_members
from sondage._terms.words import averaged, weighted

if TYPE_CHECKING:
    from sondage.models import Model

__all__ = ["PredictionRisky"]


@dataclass(frozen=True, slots=True, repr=False)
class PredictionRisky(Averaged):
    """The model's prediction is near a level, or as undecided as it can be (MATH 2)."""

    model: Model
    level: float
    r: float
    entropy: bool
    output: Literal["proba", "score"]

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The model that is asked."""
        return (self.model,)

    def parts(self) -> Parts:
        """Return the loss of the model's outputs, or of each of an ensemble's."""
        return over_members(self.model, self._loss)

    def _loss(self, model: Model) -> tuple[int, Loss]:
        if self.entropy:
            return node_of(model, "proba"), Loss.negative_entropy()
        # A margin is one number; scores that are probabilities come in pairs.
        index = model._width(self.output) - 1
        return node_of(model, self.output), Loss.level(index, self.level, self.r)

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        if self.entropy:
            clause = f"{self.model.name} is as undecided between its classes as possible"
            penalty = "the negative entropy of its probabilities"
        else:
            label = self.model.classes[1] if self.model.classes is not None else None
            what = "probability" if self.output == "proba" else "score"
            clause = f"{self.model.name} gives {label!r} a {what} near {self.level:.10g}"
            penalty = {1.0: "the distance to it", 2.0: "the squared distance to it"}.get(
                self.r, f"the distance to it, to the power {self.r:.10g}"
            )
        return weighted(weight, clause, averaged(penalty, self.model))

    def __repr__(self) -> str:
        if self.entropy:
            return f"prediction_risky({self.model.name}, entropy=True)"
        output = "" if self.output == "proba" else f", output={self.output!r}"
        return f"prediction_risky({self.model.name}, level={self.level!r}, r={self.r!r}{output})"
