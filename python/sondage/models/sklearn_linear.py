"""Read scikit-learn's linear models: regressors, generalised linear models and classifiers."""

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
    from sklearn.base import BaseEstimator

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]

REGRESSORS = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)
GENERALISED = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
MARGINS = (
    "LinearSVC",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "RidgeClassifierCV",
)


def _regressor_source(estimator: BaseEstimator) -> Source:
    source = estimator_source(estimator)
    refuse_targets(estimator, len(as_matrix(estimator.coef_)))
    return source


def _regressor(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    return Heads(score=_margins(estimator, graph, features))


def _generalised(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    link = type(estimator._base_loss.link).__name__
    margin = _margins(estimator, graph, features)
    if link == "LogLink":
        return Heads(score=graph.activation(margin, "exp"))
    if link == "IdentityLink":
        return Heads(score=margin)
    raise NotNative(f"{type(estimator).__name__} with a {link}; log and identity are native")


def _classifier_source(estimator: BaseEstimator) -> Source:
    source = estimator_source(estimator)
    binarizer = getattr(estimator, "_label_binarizer", None)
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        raise ModelError(
            f"{type(estimator).__name__} gives {len(estimator.classes_)} labels to a row; models "
            "with one are supported"
        )
    return source


def _margin_classifier(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    margins = _margins(estimator, graph, features)
    return Heads(score=margins, decision=_decision(estimator, graph, margins))


def _logistic(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    margins = _margins(estimator, graph, features)
    decision = _decision(estimator, graph, margins)
    n_classes = len(estimator.classes_)
    # Only of versions that have the parameter: newer ones ignore an attribute left over from a fit
    # in an older one.
    setting = estimator.get_params(deep=False).get("multi_class")
    if n_classes == 2 and setting == "multinomial":
        logits = graph.signed_pair(margins)
        return Heads(margins, graph.softmax(logits), graph.log_softmax(logits), decision)
    liblinear = setting in ("auto", "deprecated") and estimator.solver == "liblinear"
    if n_classes > 2 and (setting in ("ovr", "warn") or liblinear):
        return Heads(score=margins, proba=_one_vs_rest(graph, margins), decision=decision)
    return _with_logits(graph, margins, decision, n_classes)


def _discriminant(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    margins = _margins(estimator, graph, features)
    decision = _decision(estimator, graph, margins)
    return _with_logits(graph, margins, decision, len(estimator.classes_))


def _descent(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    margins = _margins(estimator, graph, features)
    decision = _decision(estimator, graph, margins)
    binary = len(estimator.classes_) == 2
    if estimator.loss in ("log_loss", "log"):
        if binary:
            return _with_logits(graph, margins, decision, 2)
        return Heads(score=margins, proba=_one_vs_rest(graph, margins), decision=decision)
    if estimator.loss == "modified_huber":
        share = graph.affine(graph.clip(margins, -1.0, 1.0), 0.5, 0.5)
        proba = graph.complement(share) if binary else graph.normalize(share)
        return Heads(score=margins, proba=proba, decision=decision)
    return Heads(score=margins, decision=decision)


def _margins(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> int:
    weights, bias = as_matrix(estimator.coef_), as_vector(estimator.intercept_)
    return graph.layer(
        graph.encode(features),
        weights,
        bias,
        biased=getattr(estimator, "fit_intercept", True),
        single=is_single(estimator.coef_),
    )


def _decision(estimator: BaseEstimator, graph: GraphBuilder, margins: int) -> int:
    return graph.signed_pair(margins) if len(estimator.classes_) == 2 else margins


def _with_logits(graph: GraphBuilder, margins: int, decision: int, n_classes: int) -> Heads:
    if n_classes == 2:
        return Heads(
            score=margins,
            proba=graph.logistic_pair(margins),
            log_proba=graph.log_logistic_pair(margins),
            decision=decision,
        )
    return Heads(
        score=margins,
        proba=graph.softmax(margins),
        log_proba=graph.log_softmax(margins),
        decision=decision,
    )


def _one_vs_rest(graph: GraphBuilder, margins: int) -> int:
    # No logarithm: where every class underflows the library's rule makes all of them equal.
    return graph.normalize(graph.activation(margins, "logistic"))


def _named(*names: str) -> tuple[str, ...]:
    return tuple(f"sklearn.{name}" for name in names)


ADAPTERS = (
    Adapter(
        family="scikit-learn linear regressors",
        classes=_named(*REGRESSORS),
        source=_regressor_source,
        build=_regressor,
        gradient=True,
        slices=False,
        note="one target",
    ),
    Adapter(
        family="scikit-learn generalised linear models",
        classes=_named(*GENERALISED),
        source=_regressor_source,
        build=_generalised,
        gradient=True,
        slices=False,
    ),
    Adapter(
        family="scikit-learn logistic regression",
        classes=_named(*LOGISTIC),
        source=_classifier_source,
        build=_logistic,
        gradient=True,
        slices=False,
    ),
    Adapter(
        family="scikit-learn linear discriminant analysis",
        classes=_named("LinearDiscriminantAnalysis"),
        source=_classifier_source,
        build=_discriminant,
        gradient=True,
        slices=False,
    ),
    Adapter(
        family="scikit-learn stochastic gradient descent",
        classes=_named("SGDClassifier"),
        source=_classifier_source,
        build=_descent,
        gradient=True,
        slices=False,
        note="probabilities with loss log_loss and modified_huber",
    ),
    Adapter(
        family="scikit-learn linear classifiers",
        classes=_named(*MARGINS),
        source=_classifier_source,
        build=_margin_classifier,
        gradient=True,
        slices=False,
        note="margins, no probabilities",
    ),
)
