"""scikit-learn's calibrated classifiers: a calibrator after each model, the mean over folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage.models import _registry
from sondage.models._adapter import Adapter, NotNative
from sondage.models._graph import Heads
from sondage.models._pathways import of_all_columns
from sondage.models._pipeline_source import wrapper_source

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]

# What the library adds to probabilities before it takes their logarithms.
_EPSILON = 1e-12
# An isotonic step this much steeper than 1 makes the rounding of float32 visible.
_STEEP = 4.0


def _calibrated(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    features = of_all_columns(estimator, features)
    folds = [
        _fold(member, graph, features, len(estimator.classes_))
        for member in estimator.calibrated_classifiers_
    ]
    proba = graph.mean(folds)
    return Heads(score=proba, proba=proba, decision=proba)


def _fold(member: BaseEstimator, graph: GraphBuilder, features: Features, n_classes: int) -> int:
    """Probabilities of one model and its calibrators."""
    inner = member.estimator
    heads = _registry.build(inner, graph, features)
    by_decision = hasattr(inner, "decision_function")
    if not by_decision and heads.proba is None:
        raise NotNative(f"{type(inner).__name__} has no native probabilities to calibrate")
    response = heads.score if by_decision else heads.proba
    assert response is not None
    binary = len(inner.classes_) == 2
    if member.method == "temperature":
        return _tempered(member.calibrators[0], graph, heads, response, by_decision, binary)
    if binary and not by_decision:
        response = graph.pick(response, [1])
    classes = list(member.classes)
    outputs: dict[int, int] = {}
    for k, (label, calibrator) in enumerate(
        zip(inner.classes_, member.calibrators, strict=binary is False)
    ):
        value = graph.pick(response, [k])
        # With two classes the one calibrator is that of the second.
        own = 1 if n_classes == 2 else classes.index(label)
        outputs[own] = _calibrator(calibrator, graph, value, inner, n_classes == 2)
        if binary:
            break
    if n_classes == 2:
        return graph.complement(outputs[1])
    found = graph.concat(list(outputs.values()))
    place = {k: i for i, k in enumerate(outputs)}
    # A class that is missing from the fold has probability 0.
    every = graph.pick(found, [place.get(k, -1) for k in range(n_classes)])
    return graph.clip(graph.normalize(every), 0.0, 1.0)


def _calibrator(
    calibrator: BaseEstimator,
    graph: GraphBuilder,
    value: int,
    inner: BaseEstimator,
    alone: bool,
) -> int:
    kind = type(calibrator).__name__
    if kind == "_SigmoidCalibration":
        margin = graph.affine(value, -float(calibrator.a_), -float(calibrator.b_))
        return graph.activation(margin, "logistic")
    if kind == "IsotonicRegression":
        if calibrator.out_of_bounds != "clip":
            raise NotNative(f"isotonic calibration with out_of_bounds={calibrator.out_of_bounds!r}")
        x = np.asarray(calibrator.X_thresholds_)
        y = np.asarray(calibrator.y_thresholds_)
        if len(x) == 1:
            x, y = np.append(x, np.nextafter(x, np.inf)), np.append(y, y)
        if x.dtype == np.float32:
            slope = np.max(np.abs(np.diff(y.astype(np.float64))) / np.diff(x.astype(np.float64)))
            if slope > _STEEP:
                raise NotNative(
                    f"isotonic calibration of the float32 scores of {type(inner).__name__}, whose "
                    "rounding it magnifies"
                )
        x, y = x.astype(np.float64), y.astype(np.float64)
        return graph.interpolate(value, x if alone else _past_rounding(x, y), y)
    raise NotNative(f"a calibrator of type {kind}")


def _past_rounding(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let probability 0 reach as far as rounding does.

    The classes' probabilities are divided by their sum, so that the least number above 0 counts as
    1 where the others are 0. Rows of the training data lie on the very ends of these steps.
    """
    ends = np.flatnonzero((y[:-1] == 0.0) & (y[1:] > 0.0))
    moved = x.copy()
    room = 0.5 * (x[ends + 1] - x[ends])
    moved[ends] += np.minimum(2.0**-44 * np.maximum(np.abs(x[ends]), 1e-3), room)
    return moved


def _tempered(
    calibrator: BaseEstimator,
    graph: GraphBuilder,
    heads: Heads,
    response: int,
    by_decision: bool,
    binary: bool,
) -> int:
    """Softmax of logits times a constant."""
    beta = float(calibrator.beta_)
    if by_decision:
        logits = graph.signed_pair(response) if binary else response
        return graph.softmax(graph.affine(logits, beta))
    # ln(p + ε) up to a constant: ln(1 + p / ε), or softplus(ln p - ln ε).
    if heads.log_proba is not None:
        shifted = graph.affine(heads.log_proba, 1.0, -float(np.log(_EPSILON)))
        logits = graph.activation(shifted, "softplus")
    else:
        logits = graph.activation(graph.affine(response, 1.0 / _EPSILON), "log1p")
    return graph.softmax(graph.affine(logits, beta))


ADAPTERS = (
    Adapter(
        family="scikit-learn CalibratedClassifierCV",
        classes=("sklearn.CalibratedClassifierCV",),
        source=wrapper_source,
        build=_calibrated,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="sigmoid, isotonic and temperature calibrators of a supported model",
    ),
)
