"""scikit-learn's stacked models: a last model reads what the others give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from sondage.models import _registry
from sondage.models._adapter import Adapter, NotNative
from sondage.models._features import Outputs
from sondage.models._pathways import columns_of
from sondage.models._pipeline_source import as_it_scores, wrapper_source
from sondage.models._sources import require_fitted
from sondage.models.sklearn_ensembles import vote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder, Heads

__all__ = ["ADAPTERS"]


class _Stack(Protocol):
    estimators_: Sequence[object]
    stack_method_: Sequence[str]
    final_estimator_: object
    passthrough: bool


def _source(estimator: object) -> Source:
    require_fitted(estimator)
    return wrapper_source(estimator)


def _build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    stack = cast("_Stack", estimator)
    n_classes = len(cast("Sequence[object]", getattr(estimator, "classes_", ())))
    features = columns_of(estimator).all_of(features)
    given, width = [], 0
    for member, method in zip(stack.estimators_, stack.stack_method_, strict=True):
        heads = _registry.build(member, graph, features)
        node, own = _output(member, heads, method, n_classes, graph)
        given.append(node)
        width += own
    if stack.passthrough:
        given.append(graph.encode(features))
        width += len(features)
    outputs = Outputs(features.columns, graph.concat(given), width)
    heads = _registry.build(stack.final_estimator_, graph, cast("Features", outputs))
    return as_it_scores(estimator, graph, heads)


def _output(
    member: object, heads: Heads, method: str, n_classes: int, graph: GraphBuilder
) -> tuple[int, int]:
    """Return the node of what a member gives to the last model, and its width."""
    labels = np.asarray(getattr(member, "classes_", ()))
    if method == "predict_proba" and heads.proba is not None:
        # Of two classes one is enough.
        if n_classes == 2:
            return graph.pick(heads.proba, [1]), 1
        return heads.proba, len(labels)
    if method == "decision_function":
        pairs = len(labels) * (len(labels) - 1) // 2
        one_vs_one = getattr(member, "decision_function_shape", None) == "ovo"
        wide = pairs if one_vs_one else len(labels)
        return heads.score, 1 if len(labels) == 2 else wide
    if method == "predict" and len(labels) == 0:
        return heads.score, 1
    if method == "predict" and labels.dtype.kind in "iuf":
        return graph.linear(vote(heads, graph), labels[None, :].astype(np.float64)), 1
    raise NotNative(f"{type(member).__name__} gives the last model its {method}")


ADAPTERS = (
    Adapter(
        family="scikit-learn Stacking",
        classes=("sklearn.StackingClassifier", "sklearn.StackingRegressor"),
        source=_source,
        build=_build,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="of supported models below a linear model, kernel machine or net; evaluated by "
        "scikit-learn: trees or a pipeline as the last model",
    ),
)
