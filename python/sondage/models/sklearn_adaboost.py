"""scikit-learn's AdaBoost for classes: weighted votes.

A vote of weight w counts w for its class and -w / (K - 1) for each of the K - 1 others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from sondage.errors import ModelError
from sondage.models import _registry
from sondage.models._adapter import Adapter
from sondage.models._graph import Heads
from sondage.models._pathways import columns_of
from sondage.models._pipeline_source import wrapper_source
from sondage.models._sources import require_fitted
from sondage.models.sklearn_ensembles import vote
from sondage.models.sklearn_trees import FittedTree, tree_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]


class _Boosted(Protocol):
    estimators_: Sequence[object]
    estimator_weights_: NDArray[np.float64]
    classes_: NDArray[np.generic]


def _source(estimator: object) -> Source:
    require_fitted(estimator)
    boosted = cast("_Boosted", estimator)
    if len(boosted.classes_) < 2:
        raise ModelError(f"{type(estimator).__name__} was fitted on one class only")
    return wrapper_source(estimator)


def _build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    from sklearn.tree import BaseDecisionTree

    boosted = cast("_Boosted", estimator)
    features = columns_of(estimator).all_of(features)
    weights = boosted.estimator_weights_
    total = float(weights.sum())
    n_classes = len(boosted.classes_)
    # A row per class that is voted for.
    counts = [
        np.where(np.eye(n_classes, dtype=np.bool_), weight, -1 / (n_classes - 1) * weight)
        for weight in weights[: len(boosted.estimators_)]
    ]
    own = [
        np.searchsorted(boosted.classes_, np.asarray(cast("_Boosted", member).classes_))
        for member in boosted.estimators_
    ]
    if all(isinstance(member, BaseDecisionTree) for member in boosted.estimators_):
        trees = [member.tree_ for member in cast("Sequence[FittedTree]", boosted.estimators_)]
        values = [
            count[classes[np.argmax(tree.value[:, 0, :], axis=1)]]
            for tree, count, classes in zip(trees, counts, own, strict=True)
        ]
        sums = graph.trees(tree_nodes(trees, values), features, n_outputs=n_classes, divisor=total)
    else:
        votes = []
        for member, count, classes in zip(boosted.estimators_, counts, own, strict=True):
            heads = _registry.build(member, graph, features)
            votes.append(graph.linear(vote(heads, graph), count[classes].T))
        sums = graph.combine(votes, np.ones(len(votes)), total)
    if n_classes == 2:
        z = graph.linear(sums, [[-1.0, 1.0]])
        return Heads(
            score=z,
            proba=graph.logistic_pair(z),
            log_proba=graph.log_logistic_pair(z),
            decision=graph.signed_pair(z),
        )
    logits = graph.affine(sums, 1.0 / (n_classes - 1))
    return Heads(sums, graph.softmax(logits), graph.log_softmax(logits), decision=sums)


ADAPTERS = (
    Adapter(
        family="scikit-learn AdaBoost",
        classes=("sklearn.AdaBoostClassifier",),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        categorical=True,
        note="of supported classifiers; AdaBoostRegressor, a median, by scikit-learn",
    ),
)
