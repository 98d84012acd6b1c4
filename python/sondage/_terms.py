"""The terms of questions: each says which loss of which model, and the same in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._core import Localizer, Loss
from sondage._question import Band, Term, anchor_columns, weighted
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from sondage.models import Model
    from sondage.models._graph import Head
    from sondage.space import Space

__all__ = ["Distance", "FixedLabel", "PredictionRisky", "Require"]

_SHOWN = 6


@dataclass(frozen=True, slots=True, repr=False)
class FixedLabel(Term):
    """The model predicts a label, or a value in a band (MATH 2, fixed label)."""

    model: Model
    label: object | Band
    loss: Literal["cross_entropy", "hinge", "squared"]
    scale: float

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The model that is asked."""
        return (self.model,)

    def losses(self) -> list[tuple[float, Model, int, Loss]]:
        """Return the loss of the model's outputs, or of each of an ensemble's."""
        return [(share, model, *self._loss(model)) for share, model in self.model.members]

    def _loss(self, model: Model) -> tuple[int, Loss]:
        if model.classes is None:
            lower, upper = _as_band(self.label)
            return _node(model, "score"), Loss.band(lower, upper, self.scale)
        index = model.label_index(self.label)
        if self.loss == "hinge":
            return hinge(model, index)
        if self.loss == "squared":
            return _node(model, "proba"), Loss.squared(index, self.scale)
        if model._head("log_proba") is not None:
            return _node(model, "log_proba"), Loss.negative_log(index)
        return _node(model, "proba"), Loss.cross_entropy(index)

    def checks(self) -> list[tuple[Model, object | Band]]:
        """Return the label or band; nothing for a single number, which is only come near."""
        if self.model.classes is None and not isinstance(self.label, tuple):
            return []
        return [(self.model, self.label)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        unit = "" if self.scale == 1.0 else f" in units of {self.scale:.10g}"
        if self.model.classes is None:
            clause = f"{self.model.name} predicts {_band_words(self.label)}"
            return weighted(weight, clause, f"half the squared distance to it{unit}")
        penalty = {
            "cross_entropy": "minus the logarithm of its probability",
            "hinge": "by how much its score falls short of leading by 1",
            "squared": f"the squared gap between its probability and 1{unit}",
        }[self.loss]
        return weighted(weight, f"{self.model.name} predicts {self.label!r}", penalty)

    def __repr__(self) -> str:
        loss = "" if self.model.classes is None else f", loss={self.loss!r}"
        scale = "" if self.scale == 1.0 else f", scale={self.scale!r}"
        return f"fixed_label({self.model.name}, {_shown(self.label)}{loss}{scale})"


@dataclass(frozen=True, slots=True, repr=False)
class PredictionRisky(Term):
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

    def losses(self) -> list[tuple[float, Model, int, Loss]]:
        """Return the loss of the model's outputs, or of each of an ensemble's."""
        return [(share, model, *self._loss(model)) for share, model in self.model.members]

    def _loss(self, model: Model) -> tuple[int, Loss]:
        if self.entropy:
            return _node(model, "proba"), Loss.negative_entropy()
        # A margin is one number; scores that are probabilities come in pairs.
        index = model._width(self.output) - 1
        return _node(model, self.output), Loss.level(index, self.level, self.r)

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        if self.entropy:
            clause = f"{self.model.name} is as undecided between its classes as possible"
            return weighted(weight, clause, "the negative entropy of its probabilities")
        label = self.model.classes[1] if self.model.classes is not None else None
        what = "probability" if self.output == "proba" else "score"
        clause = f"{self.model.name} gives {label!r} a {what} near {self.level:.10g}"
        power = {1.0: "the distance to it", 2.0: "the squared distance to it"}.get(
            self.r, f"the distance to it, to the power {self.r:.10g}"
        )
        return weighted(weight, clause, power)

    def __repr__(self) -> str:
        if self.entropy:
            return f"prediction_risky({self.model.name}, entropy=True)"
        output = "" if self.output == "proba" else f", output={self.output!r}"
        return f"prediction_risky({self.model.name}, level={self.level!r}, r={self.r!r}{output})"


@dataclass(frozen=True, slots=True, repr=False)
class Distance(Term):
    """The row stays near another: Σ_d w_d |x_d − a_d|^r (MATH 2, localizer)."""

    row: tuple[tuple[str, object], ...] | tuple[float, ...]
    weights: tuple[tuple[str, float], ...] | tuple[float, ...] | None
    norm: Literal[1, 2]

    def localizers(self, weight: float, space: Space) -> list[Localizer]:
        """Return the distance in the space's columns."""
        anchor, given = anchor_columns(
            "the row of near", _by_name(self.row), space, needed=space.free, otherwise=0.0
        )
        column_weights = np.ones(len(space.columns))
        if self.weights is not None:
            named = _by_name(self.weights)
            if isinstance(named, dict):
                unknown = [name for name in named if name not in space.columns]
                if unknown:
                    raise QuestionError(
                        f"weights of near names unknown column {', '.join(map(repr, unknown))}; "
                        f"the columns are {', '.join(map(repr, space.columns))}"
                    )
            column_weights, _ = anchor_columns(
                "weights of near", named, space, needed=[], otherwise=1.0
            )
        column_weights = np.where(given, column_weights, 0.0)
        return [Localizer(weight, self.norm, anchor, column_weights)]

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        distance = "absolute" if self.norm == 1 else "squared"
        columns = ", each column by its weight" if self.weights is not None else ""
        clause = f"the row stays near {_row_words(self.row)}"
        return weighted(weight, clause, f"the sum of {distance} differences{columns}")

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={_row_repr(self.weights)}"
        return f"near({_row_repr(self.row)}{weights}, norm={self.norm})"


@dataclass(frozen=True, slots=True, repr=False)
class Require(Term):
    """The model must predict a label, or a value in a band; G is +∞ elsewhere (MATH 2)."""

    model: Model
    target: object | Band

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The model that is asked."""
        return (self.model,)

    def losses(self) -> list[tuple[float, Model, int, Loss]]:
        """Return the requirement on the model's outputs; of an ensemble, on their mean."""
        model = self.model
        if model.classes is None:
            return [(1.0, model, _node(model, "score"), Loss.require_band(*_as_band(self.target)))]
        index = model.label_index(self.target)
        return [(1.0, model, _node(model, "decision"), Loss.require_label(index))]

    def checks(self) -> list[tuple[Model, object | Band]]:
        """Return the required label or band."""
        return [(self.model, self.target)]

    def check_weight(self, weight: float) -> None:
        """Refuse weights that are not above zero."""
        if weight <= 0.0:
            raise QuestionError(
                f"{self!r} cannot be weighed by {weight:g}: a requirement holds or does not hold; "
                "require another label instead"
            )

    def words(self, weight: float) -> str:  # noqa: ARG002
        """Say what the term wants."""
        if self.model.classes is None:
            return f"{self.model.name} must predict {_band_words(self.target)}"
        return f"{self.model.name} must predict {self.target!r}"

    def __repr__(self) -> str:
        return f"require({self.model.name}, {_shown(self.target)})"


def hinge(model: Model, index: int) -> tuple[int, Loss]:
    """Return the hinge that wants a class to lead by 1: max(0, 1 - s·z) of a margin z (MATH 2).

    With a score for each class, z is the score's lead over the largest other; one-vs-one scores
    are taken by their votes and sums.
    """
    if model._width("margins"):
        return _node(model, "margins"), Loss.hinge(index)
    width = model._width("score")
    if width == 1:
        return _node(model, "score"), Loss.margin(index == 1)
    head: Head = "decision"
    if model.classes is not None and width == len(model.classes):
        head = "score"
    return _node(model, head), Loss.hinge(index)


def _node(model: Model, head: Head) -> int:
    node = model._head(head)
    if node is None:
        raise QuestionError(f"{model.name} has no {head} that a question could be about")
    return node


def _as_band(label: object | Band) -> Band:
    if isinstance(label, tuple):
        return label[0], label[1]
    value = float(label)  # type: ignore[arg-type]
    return value, value


def _band_words(label: object | Band) -> str:
    lower, upper = _as_band(label)
    if lower == upper:
        return f"{lower:.10g}"
    if math.isinf(lower):
        return f"at most {upper:.10g}"
    if math.isinf(upper):
        return f"at least {lower:.10g}"
    return f"a value between {lower:.10g} and {upper:.10g}"


def _shown(label: object | Band) -> str:
    if isinstance(label, tuple):
        return f"({_shown(label[0])}, {_shown(label[1])})"
    if isinstance(label, float) and math.isinf(label):
        return f"float('{label}')"
    return repr(label)


def _by_name(
    values: tuple[tuple[str, object], ...] | tuple[tuple[str, float], ...] | tuple[float, ...],
) -> dict[str, object] | tuple[float, ...]:
    named: dict[str, object] = {}
    numbers: list[float] = []
    for value in values:
        if isinstance(value, tuple):
            named[value[0]] = value[1]
        else:
            numbers.append(value)
    return tuple(numbers) if numbers else named


def _row_repr(
    values: tuple[tuple[str, object], ...] | tuple[tuple[str, float], ...] | tuple[float, ...],
) -> str:
    known = _by_name(values)
    return repr(known) if isinstance(known, dict) else repr(list(known))


def _row_words(row: tuple[tuple[str, object], ...] | tuple[float, ...]) -> str:
    known = _by_name(row)
    shown = (
        [f"{name} = {_value_words(value)}" for name, value in known.items()]
        if isinstance(known, dict)
        else [f"{value:.10g}" for value in known]
    )
    if len(shown) > _SHOWN:
        return f"({', '.join(shown[:_SHOWN])}, … {len(shown) - _SHOWN} more)"
    return f"({', '.join(shown)})"


def _value_words(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"
