"""The questions that can be asked of trained models (MATH section 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._arguments import (
    band,
    column_weight,
    finite_number,
    finite_numbers,
    likeness_width,
    require_model,
    require_proba,
)
from sondage._question import Question
from sondage._terms import (
    Distance,
    FixedLabel,
    ModelContrasting,
    ParameterSensitive,
    PredictionRisky,
    Require,
)
from sondage.errors import DataError, QuestionError
from sondage.frames import is_missing, plain, to_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.frames import RowLike
    from sondage.models import Model

__all__ = [
    "Question",
    "fixed_label",
    "model_contrasting",
    "near",
    "parameter_sensitive",
    "prediction_risky",
    "require",
]

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
    require_model(model)
    if loss not in LOSSES:
        raise QuestionError(f"loss={loss!r} must be one of {', '.join(map(repr, LOSSES))}")
    scale = finite_number("scale", scale)
    if scale <= 0.0:
        raise QuestionError(f"scale={scale!r} must be above zero")
    if model.classes is not None:
        if loss != "squared" and scale != 1.0:
            raise QuestionError(f"scale={scale!r} has no meaning with loss={loss!r}; leave it out")
        if loss == "cross_entropy" and not model.has_proba:
            loss = "hinge"
        if loss == "squared":
            require_proba(model, "loss='squared'")
        return FixedLabel(model, model.classes[model.label_index(label)], loss, scale)
    if loss == "hinge":
        raise QuestionError(f"loss='hinge' is for classifiers; {model.name} is a regressor")
    target = (
        band(model, label) if isinstance(label, tuple | list) else finite_number("label", label)
    )
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
    require_model(model)
    if model.classes is None:
        raise QuestionError(
            f"{model.name} is a regressor; prediction_risky is about the probabilities of a "
            "classifier: fixed_label asks a regressor for a value"
        )
    if output not in ("proba", "score"):
        raise QuestionError(f"output={output!r} must be 'proba' or 'score'")
    if not isinstance(entropy, bool):
        raise QuestionError(f"entropy={entropy!r} must be True or False")
    level, r = finite_number("level", level), finite_number("r", r)
    if entropy:
        if level != 0.5 or r != 2.0:
            raise QuestionError("level and r have no meaning with entropy=True; leave them out")
        require_proba(model, "entropy=True")
        return PredictionRisky(model, 0.5, 2.0, True, "proba")
    if len(model.classes) != 2:
        raise QuestionError(
            f"{model.name} has {len(model.classes)} classes and level= needs two; use entropy=True"
        )
    if output == "proba":
        require_proba(model, "output='proba'")
        if not 0.0 <= level <= 1.0:
            raise QuestionError(f"level={level!r} must be a probability, between 0 and 1")
    if r <= 0.0:
        raise QuestionError(f"r={r!r} must be above zero")
    return PredictionRisky(model, level, r, False, output)


def parameter_sensitive(model: Model, posterior: Model, *, sigma: float | None = None) -> Question:
    """Ask where the model's prediction hangs on its parameters (MATH 2, equation 6).

    With θ drawn from the posterior q* and θ* the model's own parameters, G is, for

    - two classes: E_q*[−log p_θ(x)[1 − label_θ*(x)]]: other parameters give the other label. If
      models of the posterior have no probabilities, E_q*[max(0, 1 − s·z_θ(x))], s the sign of that
      label;
    - more classes: E_q*[exp(−|p_θ(x) − p_θ*(x)|²/σ²)];
    - numbers: E_q*[exp(−(y_θ(x) − y_θ*(x))²/σ²)].

    Parameters
    ----------
    model : Model
        Of an ensemble its mean is what the posterior is compared with.
    posterior : Model
        An ensemble: from `ensemble`, or from one of the functions of `posterior`.
    sigma : float, optional
        σ: how far probabilities, or values in their own unit, must be apart to count as different.
        Needed where the formula has one, refused elsewhere.

    Raises
    ------
    QuestionError
        If the models do not agree in kind and classes, or an argument is not allowed.

    Notes
    -----
    No outcome is asked for, so the answer's ``valid`` is true.
    """
    require_model(model)
    require_model(posterior)
    if posterior._members is None:
        raise QuestionError(
            f"posterior={posterior.name} is a single model; ensemble([...]) makes a distribution "
            "of several"
        )
    return ParameterSensitive(model, posterior, likeness_width(posterior, model, sigma))


def model_contrasting(
    a: Model,
    b: Model,
    *,
    labels: tuple[object, object] | None = None,
    sigma: float | None = None,
) -> Question:
    """Ask where two models disagree (MATH 2, equation 5).

    G is, for

    - two classes: −log p_a(x)[1 − label_b(x)]: `a` gives the label that `b` does not. If `a` has no
      probabilities, max(0, 1 − s·z_a(x)), s the sign of that label;
    - more classes: exp(−|p_a(x) − p_b(x)|²/σ²);
    - numbers: exp(−(y_a(x) − y_b(x))²/σ²);
    - ``labels=(i, j)``: −log p_a(x)[i] − log p_b(x)[j]; the hinge, as in `fixed_label`, of a model
      without probabilities.

    Logarithms come from logits where there are any and are never floored.

    Parameters
    ----------
    a, b : Model
        Of one kind and with the same classes, in any order. They may come from different libraries.
        Of an ensemble `a` the question is the mean over its members; of an ensemble `b` the mean
        output is compared with.
    labels : (label of a, label of b), optional
        Ask for this pair of labels; each model needs to have its own.
    sigma : float, optional
        σ: how far probabilities, or values in their own unit, must be apart to count as different.
        Needed where the formula has one, refused elsewhere.

    Raises
    ------
    QuestionError
        If the models do not agree in kind and classes, or an argument is not allowed.

    Notes
    -----
    The answer's ``valid`` says whether classifiers predict different labels, or the pair that was
    asked for. Of regressors nothing is verified.
    """
    require_model(a)
    require_model(b)
    if labels is None:
        return ModelContrasting(a, b, None, likeness_width(a, b, sigma))
    if sigma is not None:
        raise QuestionError(f"sigma={sigma!r} has no meaning with labels=; leave one of them out")
    given: object = labels
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise QuestionError(
            f"labels={labels!r} must be two labels, one of {a.name} and of {b.name}"
        )
    pair = []
    for model, label in zip((a, b), given, strict=True):
        if model.classes is None:
            raise QuestionError(
                f"{model.name} is a regressor and has no labels; leave labels= out, or add up "
                "fixed_label of each model and its value"
            )
        pair.append(model.classes[model.label_index(label)])
    return ModelContrasting(a, b, (pair[0], pair[1]), None)


def near(
    row: RowLike,
    *,
    weights: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None = None,
    norm: Literal[1, 2] = 2,
) -> Question:
    """Ask for rows near another one: Σ_d w_d |x_d − a_d|^norm, in the columns' own units.

    In a categorical column |x_d − a_d| is 1 where the levels differ, else 0. Where a number may be
    missing, it is the width of the column's bounds if one of the two is missing, 0 if both are.

    Parameters
    ----------
    row : mapping by name, one-row frame, or array in the space's order
        A mapping must name every free column of the space; other names are ignored. None or NaN is
        a missing value, where the space has such. An array holds finite numbers: a space with
        categories of words, and a row with missing values, needs a mapping or a frame.
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
        anchor = finite_numbers("the row of near", row)
    else:
        try:
            anchor = tuple(
                (name, None if is_missing(value) else value)
                for name, value in to_row(row, ()).items()
            )
        except DataError as error:
            raise QuestionError(f"the row of near cannot be read: {error}") from error
    if not anchor:
        raise QuestionError("the row of near has no values")
    column_weights: tuple[tuple[str, float], ...] | tuple[float, ...] | None = None
    if isinstance(weights, Mapping):
        column_weights = tuple(
            (name, column_weight(repr(name), value)) for name, value in weights.items()
        )
    elif weights is not None:
        values = finite_numbers("weights of near", weights)
        column_weights = tuple(column_weight(f"{j}", value) for j, value in enumerate(values))
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
    require_model(model)
    if model.classes is not None:
        return Require(model, model.classes[model.label_index(target)])
    if not isinstance(target, tuple | list):
        raise QuestionError(
            f"{model.name} is a regressor and hardly predicts {target!r} exactly; require a band, "
            "(lower, upper)"
        )
    return Require(model, band(model, target))
