"""scikit-learn's pipelines, searches and other wrappers of one model.

The steps of a pipeline are compiled into features of the user's raw columns; the model at its end
is then read as if it had been fitted on these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelError
from sondage.models import _registry
from sondage.models._adapter import Adapter, NotNative
from sondage.models._graph import Heads
from sondage.models._pathways import final_step, of_all_columns, reading, steps_of
from sondage.models._pipeline_source import as_it_scores, wrapper_source

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]


def _pipeline(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    last = final_step(estimator)
    given = of_all_columns(estimator, features)
    return as_it_scores(estimator, graph, _registry.build(last, graph, reading(estimator, given)))


def _pipeline_source(estimator: BaseEstimator) -> Source:
    last = final_step(estimator)
    if all(step is None for step in steps_of(estimator)[:-1]) and _registry.find(last) is not None:
        return _registry.source(last)
    return wrapper_source(estimator)


# Wrappers that decide as the one model inside does


def _search_source(estimator: BaseEstimator) -> Source:
    _found(estimator)
    return wrapper_source(estimator)


def _search(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    return as_it_scores(
        estimator,
        graph,
        _registry.build(_found(estimator), graph, of_all_columns(estimator, features)),
    )


def _found(estimator: BaseEstimator) -> BaseEstimator:
    name = type(estimator).__name__
    if not hasattr(estimator, "best_estimator_"):
        fitted = hasattr(estimator, "cv_results_")
        raise ModelError(
            f"{name} was fitted with refit=False, so it holds no model"
            if fitted
            else f"{name} is not fitted; call its fit(X, y) first"
        )
    return estimator.best_estimator_


def _frozen_source(estimator: BaseEstimator) -> Source:
    return _registry.source(estimator.estimator)


def _frozen(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    return _registry.build(estimator.estimator, graph, features)


# Thresholds


def _threshold(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    inner = estimator.estimator_
    heads = _registry.build(inner, graph, of_all_columns(estimator, features))
    wanted = estimator.response_method
    by_proba = wanted == "predict_proba" or (wanted == "auto" and hasattr(inner, "predict_proba"))
    if hasattr(estimator, "best_threshold_"):
        threshold = float(estimator.best_threshold_)
        label = estimator._curve_scorer._get_pos_label()
    else:
        auto = estimator.threshold == "auto"
        threshold = (0.5 if by_proba else 0.0) if auto else float(estimator.threshold)
        label = estimator.pos_label
    positive = 1 if label is None else int(np.flatnonzero(inner.classes_ == label)[0])
    if by_proba:
        if heads.proba is None:
            raise NotNative(f"{type(inner).__name__} has no native probabilities")
        value = graph.pick(heads.proba, [positive])
    else:
        value = graph.affine(heads.score, 1.0 if positive == 1 else -1.0)
    if positive == 1:
        # The second entry has to exceed the first, the library asks for no more than equality.
        below = float(np.nextafter(threshold, -np.inf))
        decision = graph.linear(value, [[0.0], [1.0]], [below, 0.0])
    else:
        decision = graph.linear(value, [[1.0], [0.0]], [0.0, threshold])
    return as_it_scores(estimator, graph, replace(heads, decision=decision))


# Targets


def _target(estimator: BaseEstimator, graph: GraphBuilder, features: Features) -> Heads:
    heads = _registry.build(estimator.regressor_, graph, of_all_columns(estimator, features))
    return Heads(score=_inverse(estimator.transformer_, graph, heads.score))


def _inverse(transformer: BaseEstimator, graph: GraphBuilder, value: int) -> int:
    """Bring a transformed target back."""
    kind = type(transformer).__name__
    if steps_of(transformer):
        for step in reversed(steps_of(transformer)):
            value = value if step is None else _inverse(step, graph, value)
        return value
    if kind == "FunctionTransformer":
        return _inverse_function(transformer, graph, value)
    if kind == "MinMaxScaler":
        scale, shift = float(transformer.scale_[0]), float(transformer.min_[0])
        return graph.affine(graph.affine(value, 1.0, -shift), 1.0 / scale)
    if kind == "StandardScaler":
        scale = float(transformer.scale_[0]) if transformer.with_std else 1.0
        mean = float(transformer.mean_[0]) if transformer.with_mean else 0.0
        return graph.affine(value, scale, mean)
    if kind == "RobustScaler":
        scale = float(transformer.scale_[0]) if transformer.with_scaling else 1.0
        centre = float(transformer.center_[0]) if transformer.with_centering else 0.0
        return graph.affine(value, scale, centre)
    if kind == "MaxAbsScaler":
        return graph.affine(value, float(transformer.scale_[0]))
    raise NotNative(f"a target transformed by {kind}")


def _inverse_function(transformer: BaseEstimator, graph: GraphBuilder, value: int) -> int:
    function = transformer.inverse_func
    if transformer.inv_kw_args:
        raise NotNative("a target transformed by a function with inv_kw_args")
    if function is None:
        return value
    if function is np.expm1:
        return graph.activation(value, "expm1")
    if function is np.exp:
        return graph.activation(value, "exp")
    if function is np.log1p:
        return graph.activation(value, "log1p")
    if function is np.square:
        return graph.multiply(value, value)
    name = getattr(function, "__name__", repr(function))
    raise NotNative(
        f"a target brought back by {name}; expm1, exp, log1p, square and scalers are native"
    )


ADAPTERS = (
    Adapter(
        family="scikit-learn Pipeline",
        classes=("sklearn.Pipeline",),
        source=_pipeline_source,
        build=_pipeline,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="of scalers, encoders, imputers and a supported model, with what this has",
    ),
    Adapter(
        family="scikit-learn searches",
        classes=(
            "sklearn.GridSearchCV",
            "sklearn.RandomizedSearchCV",
            "sklearn.HalvingGridSearchCV",
            "sklearn.HalvingRandomSearchCV",
        ),
        source=_search_source,
        build=_search,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="the best estimator, with what it has",
    ),
    Adapter(
        family="scikit-learn FrozenEstimator",
        classes=("sklearn.FrozenEstimator",),
        source=_frozen_source,
        build=_frozen,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="what the model inside has",
    ),
    Adapter(
        family="scikit-learn decision thresholds",
        classes=("sklearn.FixedThresholdClassifier", "sklearn.TunedThresholdClassifierCV"),
        source=wrapper_source,
        build=_threshold,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="what the model inside has",
    ),
    Adapter(
        family="scikit-learn TransformedTargetRegressor",
        classes=("sklearn.TransformedTargetRegressor",),
        source=wrapper_source,
        build=_target,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="targets through log1p, log, sqrt, expm1 or scalers",
    ),
)
