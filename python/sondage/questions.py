"""The questions that can be asked of trained models (MATH section 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from sondage._question import Band, Question
from sondage._terms import Distance, FixedLabel, PredictionRisky, Require
from sondage.errors import DataError, QuestionError
from sondage.frames import plain, to_row
from sondage.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.frames import RowLike

__all__ = ["Question", "fixed_label", "near", "prediction_risky", "require"]

LOSSES = ("cross_entropy", "hinge", "squared")


def fixed_label(
    model: Model,
    label: object,
    *,
    loss: Literal["cross_entropy", "hinge", "squared"] = "cross_entropy",
    scale: float = 1.0,
) -> Question:
    """Ask where the model predicts this.

    Parameters
    ----------
    model : Model
    label : label, number or (lower, upper)
        For a classifier one of its classes. For a regressor a number or a band, of which one end
        may be infinite.
    loss : {"cross_entropy", "hinge", "squared"}
        For a classifier: −log p, max(0, 1 − s·z) or ((1 − p)/scale)², where p is the label's
        probability, from logits where there are any and never floored, z the margin and s = ±1 its
        wanted sign; where every class has a score, s·z is the label's lead over the largest other.
        A classifier without probabilities has the hinge for "cross_entropy". A regressor always
        has ½ (distance/scale)².
    scale : float
        What the residual is divided by; only for "squared" and for regressors.

    Raises
    ------
    QuestionError
        If the model has no such label, or an argument is not allowed.

    Notes
    -----
    The answer's ``valid`` says whether the model predicts the label or a value in the band; a
    single number is approached, not verified.
    """
    _require_model(model)
    if loss not in LOSSES:
        raise QuestionError(f"loss={loss!r} must be one of {', '.join(map(repr, LOSSES))}")
    scale = _number("scale", scale)
    if scale <= 0.0:
        raise QuestionError(f"scale={scale!r} must be above zero")
    if model.classes is not None:
        if loss != "squared" and scale != 1.0:
            raise QuestionError(f"scale={scale!r} has no meaning with loss={loss!r}; leave it out")
        if loss == "cross_entropy" and not model.has_proba:
            loss = "hinge"
        if loss == "squared":
            _require_proba(model, "loss='squared'")
        return FixedLabel(model, model.classes[model.label_index(label)], loss, scale)
    if loss == "hinge":
        raise QuestionError(f"loss='hinge' is for classifiers; {model.name} is a regressor")
    target = _band(model, label) if isinstance(label, tuple | list) else _number("label", label)
    return FixedLabel(model, target, "squared", scale)


def prediction_risky(
    model: Model,
    *,
    level: float = 0.5,
    r: float = 2,
    entropy: bool = False,
    output: Literal["proba", "score"] = "proba",
) -> Question:
    """Ask where the model is undecided.

    Parameters
    ----------
    model : Model
        A classifier; with a level, one with two classes.
    level : float
        The probability of the second class that is looked for, |p − level|^r, in [0, 1]; or its
        score.
    r : float
        Power, above zero.
    entropy : bool
        Instead of a level: Σ_k p_k log p_k, lowest where all classes are equally probable.
    output : {"proba", "score"}
        What the level is on; the scores of forests are their probabilities.

    Raises
    ------
    QuestionError
        For a regressor, a level with more than two classes, or an argument that is not allowed.
    """
    _require_model(model)
    if model.classes is None:
        raise QuestionError(
            f"{model.name} is a regressor; prediction_risky is about the probabilities of a "
            "classifier: fixed_label asks a regressor for a value"
        )
    if output not in ("proba", "score"):
        raise QuestionError(f"output={output!r} must be 'proba' or 'score'")
    if not isinstance(entropy, bool):
        raise QuestionError(f"entropy={entropy!r} must be True or False")
    level, r = _number("level", level), _number("r", r)
    if entropy:
        if level != 0.5 or r != 2.0:
            raise QuestionError("level and r have no meaning with entropy=True; leave them out")
        _require_proba(model, "entropy=True")
        return PredictionRisky(model, 0.5, 2.0, True, "proba")
    if len(model.classes) != 2:
        raise QuestionError(
            f"{model.name} has {len(model.classes)} classes and level= needs two; use entropy=True"
        )
    if output == "proba":
        _require_proba(model, "output='proba'")
        if not 0.0 <= level <= 1.0:
            raise QuestionError(f"level={level!r} must be a probability, between 0 and 1")
    if r <= 0.0:
        raise QuestionError(f"r={r!r} must be above zero")
    return PredictionRisky(model, level, r, False, output)


def near(
    row: RowLike,
    *,
    weights: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None = None,
    norm: Literal[1, 2] = 2,
) -> Question:
    """Ask for rows near another one: Σ_d w_d |x_d − a_d|^norm, in the columns' own units.

    Parameters
    ----------
    row : mapping by name, one-row frame, or array in the space's order
        A mapping must name every free column of the space; other names are ignored.
    weights : mapping by name or array in the space's order, optional
        At least zero; columns without one weigh 1.
    norm : {1, 2}

    Raises
    ------
    QuestionError
        For another norm, a negative weight, or a row that cannot be read. What depends on the
        space is checked where the question meets it.

    >>> near({"a": 1.0, "b": 2.0}, weights={"b": 3.0}, norm=1)
    near({'a': 1.0, 'b': 2.0}, weights={'b': 3.0}, norm=1)
    """
    power = plain(norm)
    if isinstance(power, bool) or power not in (1, 2):
        raise QuestionError(f"norm={norm!r} must be 1 or 2")
    anchor: tuple[tuple[str, object], ...] | tuple[float, ...]
    if isinstance(row, np.ndarray | list | tuple):
        anchor = _numbers("the row of near", row)
    else:
        try:
            anchor = tuple(to_row(row, ()).items())
        except DataError as error:
            raise QuestionError(f"the row of near cannot be read: {error}") from error
    if not anchor:
        raise QuestionError("the row of near has no values")
    column_weights: tuple[tuple[str, float], ...] | tuple[float, ...] | None = None
    if isinstance(weights, Mapping):
        column_weights = tuple(
            (name, _weight(repr(name), value)) for name, value in weights.items()
        )
    elif weights is not None:
        values = _numbers("weights of near", weights)
        column_weights = tuple(_weight(f"{j}", value) for j, value in enumerate(values))
    return Distance(anchor, column_weights or None, 1 if power == 1 else 2)


def require(model: Model, target: object) -> Question:
    """Demand that the model predicts this; rows where it does not have G = +∞.

    Parameters
    ----------
    model : Model
    target : label or (lower, upper)
        A class of a classifier; for a regressor a band, of which one end may be infinite.

    Raises
    ------
    QuestionError
        If the model has no such label, or a regressor is given no band.
    """
    _require_model(model)
    if model.classes is not None:
        return Require(model, model.classes[model.label_index(target)])
    if not isinstance(target, tuple | list):
        raise QuestionError(
            f"{model.name} is a regressor and hardly predicts {target!r} exactly; require a band, "
            "(lower, upper)"
        )
    return Require(model, _band(model, target))


def _require_model(model: object) -> None:
    if not isinstance(model, Model):
        raise QuestionError(
            f"a sondage.Model is needed, not {type(model).__name__}; as_model imports one"
        )


def _require_proba(model: Model, what: str) -> None:
    if not model.has_proba:
        raise QuestionError(
            f"{what} needs probabilities, and {model.name} has none: ask by its score "
            "(output='score', loss='hinge')"
        )


def _number(what: str, value: object) -> float:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise QuestionError(f"{what}={value!r} must be a finite number")
    return float(value)


def _band(model: Model, label: Sequence[object]) -> Band:
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


def _numbers(what: str, values: object) -> tuple[float, ...]:
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise QuestionError(f"{what} must be 1-D; its shape is {array.shape}")
    return tuple(_number(f"{what}, value {j},", value) for j, value in enumerate(array))


def _weight(name: str, value: object) -> float:
    weight = _number(f"weight of column {name}", value)
    if weight < 0.0:
        raise QuestionError(f"the weight of column {name} is {weight}; it must be at least zero")
    return weight
