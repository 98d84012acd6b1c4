"""scikit-learn's isolation forest.

Its score is -2^(-d), less a constant, of the mean depth d at which the trees let go of a row, in
units of the depth of typical rows; rows of negative score are outliers, of class -1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from sondage.models._adapter import Adapter
from sondage.models._graph import Heads
from sondage.models._sources import EstimatorSource, require_fitted
from sondage.models.sklearn_boosting import pair_from
from sondage.models.sklearn_trees import FittedTree, library_name, tree_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]


class _Isolation(Protocol):
    estimators_: Sequence[FittedTree]
    estimators_features_: Sequence[NDArray[np.int64]]
    n_features_in_: int
    _max_features: int
    _max_samples: int
    offset_: float
    _decision_path_lengths: Sequence[NDArray[np.float64]]
    _average_path_length_per_tree: Sequence[NDArray[np.float64]]


def _source(estimator: object) -> Source:
    require_fitted(estimator)
    own = EstimatorSource.of(estimator, library=library_name(), missing=True)
    return replace(own, kind="classifier", classes=(-1, 1))


def _build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    from sklearn.ensemble._iforest import _average_path_length

    forest = cast("_Isolation", estimator)
    trees = [member.tree_ for member in forest.estimators_]
    depths = [
        (own + average - 1.0).reshape(-1, 1)
        for own, average in zip(
            forest._decision_path_lengths, forest._average_path_length_per_tree, strict=True
        )
    ]
    typical = len(trees) * float(_average_path_length([forest._max_samples])[0])
    if typical == 0.0:
        # Trees of one row each: the library says depth 1 of 1.
        depths = [np.full_like(own, 1.0) for own in depths]
        typical = float(len(trees))
    whole = forest._max_features == forest.n_features_in_
    depth = graph.trees(
        tree_nodes(trees, depths, None if whole else forest.estimators_features_),
        features,
        n_outputs=1,
        divisor=typical,
    )
    offset = float(forest.offset_)
    leaves = [own[tree.children_left < 0, 0] for tree, own in zip(trees, depths, strict=True)]
    if all((own == own[0]).all() for own in leaves):
        # One score for all rows, exactly 0 if it is the boundary itself.
        relative = np.array([sum(float(own[0]) for own in leaves) / typical])
        score = graph.affine(depth, 0.0, float(-(2.0**-relative)[0] - offset))
    else:
        score = graph.affine(graph.activation(depth, "exp2_neg"), 1.0, -offset)
    # The label is read off the depth: powers of 2 from two libraries may differ in the last bit,
    # and a row of the training data may lie on the very boundary.
    above = graph.affine(depth, 1.0, -_boundary(offset))
    return Heads(score=score, decision=pair_from(graph, above))


def _boundary(offset: float) -> float:
    """Smallest relative depth that the library takes for an inlier."""

    def inlier(depth: float) -> bool:
        return not bool(-(2.0 ** -np.array([depth]))[0] - offset < 0.0)

    low, high = -1.0, 2000.0
    while (middle := 0.5 * (low + high)) not in (low, high):
        low, high = (low, middle) if inlier(middle) else (middle, high)
    return high


ADAPTERS = (
    Adapter(
        family="scikit-learn IsolationForest",
        classes=("sklearn.IsolationForest",),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        note="classes -1 (outlier) and 1; no probabilities",
    ),
)
