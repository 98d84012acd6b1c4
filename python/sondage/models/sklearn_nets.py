"""Read scikit-learn's multi-layer perceptrons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sondage.errors import ModelError
from sondage.models._adapter import Adapter, NotNative
from sondage.models._dense import (
    as_matrix,
    as_vector,
    estimator_source,
    is_single,
    refuse_targets,
)
from sondage.models._graph import Heads

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import Activation, GraphBuilder

__all__ = ["ADAPTERS"]

HIDDEN: dict[str, Activation | None] = {
    "identity": None,
    "logistic": "logistic",
    "relu": "relu",
    "tanh": "tanh",
}


def _classifier_source(estimator: MLPClassifier) -> Source:
    source = estimator_source(estimator)
    if estimator.out_activation_ == "logistic" and estimator.n_outputs_ != 1:
        raise ModelError(
            f"{type(estimator).__name__} gives {estimator.n_outputs_} labels to a row; models "
            "with one are supported"
        )
    return source


def _classifier(estimator: MLPClassifier, graph: GraphBuilder, features: Features) -> Heads:
    logits = _outputs(estimator, graph, features)
    if estimator.n_outputs_ == 1:
        proba = graph.logistic_pair(logits)
        return Heads(
            score=proba,
            proba=proba,
            log_proba=graph.log_logistic_pair(logits),
            # The library compares the rounded probability with one half, not the logit with 0.
            decision=graph.complement(graph.activation(logits, "logistic")),
        )
    proba = graph.softmax(logits)
    return Heads(score=proba, proba=proba, log_proba=graph.log_softmax(logits), decision=proba)


def _regressor_source(estimator: MLPRegressor) -> Source:
    source = estimator_source(estimator)
    refuse_targets(estimator, estimator.n_outputs_)
    return source


def _regressor(estimator: MLPRegressor, graph: GraphBuilder, features: Features) -> Heads:
    value = _outputs(estimator, graph, features)
    if estimator.out_activation_ == "exp":
        return Heads(score=graph.activation(value, "exp"))
    if estimator.out_activation_ == "identity":
        return Heads(score=value)
    raise NotNative(
        f"{type(estimator).__name__} with out_activation_={estimator.out_activation_!r}; "
        "'identity' and 'exp' are native"
    )


def _outputs(
    estimator: MLPClassifier | MLPRegressor, graph: GraphBuilder, features: Features
) -> int:
    """Add all layers; the outputs of the last before its activation."""
    if estimator.activation not in HIDDEN:
        raise NotNative(
            f"{type(estimator).__name__} with activation={estimator.activation!r}; "
            f"{', '.join(map(repr, HIDDEN))} are native"
        )
    hidden = HIDDEN[estimator.activation]
    node = graph.encode(features)
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    for number, (weights, bias) in enumerate(layers, start=1):
        node = graph.layer(node, as_matrix(weights).T, as_vector(bias), single=is_single(weights))
        if hidden is not None and number < len(layers):
            node = graph.activation(node, hidden)
    return node


ADAPTERS = (
    Adapter(
        family="scikit-learn dense nets",
        classes=("sklearn.MLPClassifier",),
        source=_classifier_source,
        build=_classifier,
        gradient=True,
        slices=False,
    ),
    Adapter(
        family="scikit-learn dense nets",
        classes=("sklearn.MLPRegressor",),
        source=_regressor_source,
        build=_regressor,
        gradient=True,
        slices=False,
        note="one target",
    ),
)
