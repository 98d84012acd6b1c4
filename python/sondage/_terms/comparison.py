"""Terms that compare models: two of them, or one with others that its parameters could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sondage._checks import Check, Disagree, Predicts
from sondage._core import Loss
from sondage._terms.outputs import (
    Averaged,
    Parts,
    hinge,
    minus_log,
    node_of,
    other_label,
    over_members,
)
from sondage._terms.words import averaged, weighted
from sondage.models._reorder import in_order_of

if TYPE_CHECKING:
    from sondage.models import Model
    from sondage.models._graph import Head

__all__ = ["ModelContrasting", "ParameterSensitive"]


@dataclass(frozen=True, slots=True, repr=False)
class ModelContrasting(Averaged):
    """Two models disagree, or give a pair of labels (MATH 2, equation 5)."""

    a: Model
    b: Model
    labels: tuple[object, object] | None
    sigma: float | None

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The models that are asked."""
        return self.a, self.b

    @property
    def sloping(self) -> tuple[Model, ...]:
        """Of two classes the second model's label counts, which is piecewise constant."""
        return (self.a,) if self.labels is None and self.sigma is None else self.own_models

    def parts(self) -> Parts:
        """Return the comparison, or the losses of both labels."""
        if self.labels is None:
            return comparison(self.a, self.b, self.sigma)
        first, second = (_minus_log_or_hinge(*pair) for pair in self._pairs())
        return first[0] + second[0], first[1] + second[1]

    def _pairs(self) -> tuple[tuple[Model, object], ...]:
        return tuple(zip((self.a, self.b), self.labels or (), strict=True))

    def checks(self) -> list[Check]:
        """Return the pair of labels, or that labels differ; nothing of regressors."""
        if self.labels is not None:
            return [Predicts(model, label) for model, label in self._pairs()]
        return [] if self.a.classes is None else [Disagree(self.a, self.b)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        a, b = self.a.name, self.b.name
        if self.labels is not None:
            i, j = self.labels
            clause = f"{a} predicts {i!r} and {b} predicts {j!r}"
            both = [_penalty(model) for model in self.own_models]
            penalty = " plus ".join(both)
            if both[0] == both[1]:
                penalty = f"{both[0]}, added up over both"
            return weighted(weight, clause, penalty)
        if self.sigma is not None:
            what = "values" if self.a.classes is None else "class probabilities"
            clause = f"{a} and {b} give {what} that are far apart"
            return weighted(weight, clause, averaged(_likeness(what, self.sigma), self.a))
        clause = f"{a} and {b} disagree about the label"
        return weighted(weight, clause, averaged(_other(self.a, f"{a} gives", b), self.a))

    def __repr__(self) -> str:
        labels = "" if self.labels is None else f", labels={self.labels!r}"
        sigma = "" if self.sigma is None else f", sigma={self.sigma!r}"
        return f"model_contrasting({self.a.name}, {self.b.name}{labels}{sigma})"


@dataclass(frozen=True, slots=True, repr=False)
class ParameterSensitive(Averaged):
    """Other parameters, those of q*, would change the prediction (MATH 2, equation 6)."""

    model: Model
    posterior: Model
    sigma: float | None

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The models that are asked."""
        return self.model, self.posterior

    @property
    def sloping(self) -> tuple[Model, ...]:
        """Of two classes the model's label counts, which is piecewise constant."""
        return (self.posterior,) if self.sigma is None else self.own_models

    def parts(self) -> Parts:
        """Return the mean over the posterior of its members' comparison with the model."""
        return comparison(self.posterior, self.model, self.sigma)

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        model, posterior = self.model.name, self.posterior.name
        if self.sigma is not None:
            what = "value" if self.model.classes is None else "class probabilities"
            penalty = _likeness("values" if what == "value" else what, self.sigma)
        else:
            what = "label"
            penalty = _other(self.posterior, "they give", model)
        n = len(self.posterior.members)
        clause = (
            f"the {what} that {model} gives would change had its parameters come out as in "
            f"{posterior} ({n:,} model{'s' if n > 1 else ''})"
        )
        return weighted(weight, clause, f"{penalty}, on average over them")

    def __repr__(self) -> str:
        sigma = "" if self.sigma is None else f", sigma={self.sigma!r}"
        return f"parameter_sensitive({self.model.name}, {self.posterior.name}{sigma})"


def comparison(a: Model, b: Model, sigma: float | None) -> Parts:
    """Return the mean over the members of `a` of their comparison with `b` as a whole."""
    b = in_order_of(b, a)
    if sigma is None:
        hinged = not a.has_proba
        return over_members(
            a, lambda member: other_label(member, hinged=hinged), (b, node_of(b, "decision"))
        )
    head: Head = "score" if a.classes is None else "proba"
    loss = Loss.likeness(sigma)
    return over_members(a, lambda member: (node_of(member, head), loss), (b, node_of(b, head)))


def _minus_log_or_hinge(model: Model, label: object) -> Parts:
    loss_of, index = minus_log if model.has_proba else hinge, model.label_index(label)
    return over_members(model, lambda member: loss_of(member, index))


def _penalty(model: Model) -> str:
    if model.has_proba:
        return averaged("minus the logarithm of its probability", model)
    return averaged("by how much its score falls short of leading by 1", model)


def _other(model: Model, gives: str, other: str) -> str:
    label = f"that {gives} to the label that {other} does not predict"
    if model.has_proba:
        return f"minus the logarithm of the probability {label}"
    return f"by how much the score {label} falls short of leading by 1"


def _likeness(what: str, sigma: float) -> str:
    return (
        f"how alike the {what} are, exp(−d²/σ²) of their distance d with σ = {sigma:.10g}: 1 where "
        "they are equal, next to 0 beyond 2σ"
    )
