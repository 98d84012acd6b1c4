"""Arguments of questions: checked at the door, refused with what is allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from sondage.errors import QuestionError
from sondage.frames import listed, plain
from sondage.models import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage._checks import Band

__all__ = [
    "band",
    "column_weight",
    "finite_number",
    "finite_numbers",
    "likeness_width",
    "require_model",
    "require_proba",
]


def require_model(model: object) -> None:
    """Refuse anything but a model."""
    if not isinstance(model, Model):
        raise QuestionError(
            f"a sondage.Model is needed, not {type(model).__name__}; as_model imports one"
        )


def require_proba(
    model: Model, what: str, instead: str = "ask by its score (output='score', loss='hinge')"
) -> None:
    """Refuse a model without probabilities, and say what to ask instead."""
    if not model.has_proba:
        raise QuestionError(f"{what} needs probabilities, and {model.name} has none: {instead}")


def finite_number(what: str, value: object) -> float:
    """Return a number as a float; `what` names it in messages."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise QuestionError(f"{what}={value!r} must be a finite number")
    return float(value)


def band(model: Model, label: Sequence[object]) -> Band:
    """Return two numbers in order, one of which may be infinite."""
    ends = [plain(end) for end in label]
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, int | float) or math.isnan(end):
            raise QuestionError(f"the band {tuple(ends)} of {model.name} must be two numbers")
    if len(ends) != 2:
        raise QuestionError(f"the band {tuple(ends)} of {model.name} must be (lower, upper)")
    lower, upper = (float(cast("float", end)) for end in ends)
    if lower > upper:
        raise QuestionError(f"the band ({lower}, {upper}) is upside down; lower must come first")
    if math.isinf(lower) and math.isinf(upper):
        raise QuestionError(f"the band ({lower}, {upper}) holds every number or none")
    return lower, upper


def finite_numbers(what: str, values: object) -> tuple[float, ...]:
    """Return an array of numbers as floats."""
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise QuestionError(f"{what} must be 1-D; its shape is {array.shape}")
    return tuple(finite_number(f"{what}, value {j},", value) for j, value in enumerate(array))


def column_weight(name: str, value: object) -> float:
    """Return a column's weight, at least zero."""
    weight = finite_number(f"weight of column {name}", value)
    if weight < 0.0:
        raise QuestionError(f"the weight of column {name} is {weight}; it must be at least zero")
    return weight


def likeness_width(a: Model, b: Model, sigma: float | None) -> float | None:
    """Check that models can be compared; return σ, or None where the formula has none (MATH 2)."""
    if a.kind != b.kind:
        raise QuestionError(
            f"{a.name} is a {a.kind} and {b.name} a {b.kind}; only models of one kind can be "
            "compared"
        )
    if a.classes is not None and b.classes is not None:
        _require_same_classes(a, b)
        if len(a.classes) == 2:
            if sigma is not None:
                raise QuestionError(
                    f"sigma={sigma!r} has no meaning for models of two classes; leave it out"
                )
            return None
        for model in (a, b):
            what = "a comparison of more than two classes"
            require_proba(model, what, "model_contrasting compares a pair of labels=(i, j) instead")
    if sigma is None:
        outputs = "values" if a.classes is None else "probabilities"
        raise QuestionError(
            f"sigma is needed to compare the {outputs} of {a.name} and {b.name}: the distance at "
            "which they count as different, σ in exp(−d²/σ²)"
        )
    width = finite_number("sigma", sigma)
    if width <= 0.0:
        raise QuestionError(f"sigma={width!r} must be above zero")
    return width


def _require_same_classes(a: Model, b: Model) -> None:
    own, others = a.classes or (), b.classes or ()
    if len(own) != len(others) or not all(label in others for label in own):
        raise QuestionError(
            f"{a.name} has the classes {listed(own)} and {b.name} {listed(others)}; models to be "
            "compared must have the same, which classes= of as_model can name"
        )
