"""scikit-learn's trees and forests.

The library rounds a row to float32 and sends it left where ``x <= threshold``, missing values where
the node says. A forest adds what its trees give, in order and in float64, then divides by their
number; a classifier's trees give the class fractions of their leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from sondage.models._adapter import Adapter
from sondage.models._graph import Heads
from sondage.models._sources import EstimatorSource, require_fitted
from sondage.models._trees import Nodes, float32_cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS", "FittedTree", "TreeArrays", "library_name", "tree_nodes"]


class TreeArrays(Protocol):
    """``tree_`` of a fitted tree: arrays with an entry per node."""

    node_count: int
    children_left: NDArray[np.int64]
    children_right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    n_node_samples: NDArray[np.int64]
    missing_go_to_left: NDArray[np.uint8]


class FittedTree(Protocol):
    """A fitted tree of either kind."""

    tree_: TreeArrays
    n_outputs_: int

    def _support_missing_values(self, X: NDArray[np.float64]) -> bool: ...


def library_name() -> str:
    """Return name and version of the library."""
    import sklearn

    return f"scikit-learn {sklearn.__version__}"


def tree_nodes(
    trees: Sequence[TreeArrays],
    values: Sequence[NDArray[np.float64]],
    columns: Sequence[NDArray[np.int64]] | None = None,
) -> Nodes:
    """Join trees.

    Parameters
    ----------
    trees : sequence of TreeArrays
    values : sequence of ndarray, shape (nodes of the tree, width)
        What leaves give.
    columns : sequence of ndarray of int64, optional
        For each tree the features that it reads, in its order; all of them if None.
    """
    counts = np.array([tree.node_count for tree in trees], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    offset = np.repeat(roots, counts)
    left = np.concatenate([tree.children_left for tree in trees]).astype(np.int64)
    right = np.concatenate([tree.children_right for tree in trees]).astype(np.int64)
    leaf = left < 0
    own = [np.maximum(tree.feature, 0).astype(np.int64) for tree in trees]
    if columns is not None:
        own = [read[feature] for read, feature in zip(columns, own, strict=True)]
    threshold = np.concatenate([tree.threshold for tree in trees]).astype(np.float64)
    missing_left = np.concatenate([tree.missing_go_to_left for tree in trees]).astype(np.bool_)
    return Nodes.of(
        roots=roots,
        feature=np.where(leaf, 0, np.concatenate(own)),
        cut=np.where(leaf, 0.0, float32_cut(threshold)),
        left=np.where(leaf, -1, left + offset),
        right=np.where(leaf, -1, right + offset),
        value=np.concatenate(list(values)),
        missing_right=~missing_left & ~leaf,
    )


def _members(estimator: object) -> Sequence[FittedTree]:
    alone = [cast("FittedTree", estimator)]
    return cast("Sequence[FittedTree]", getattr(estimator, "estimators_", alone))


def _source(estimator: object) -> Source:
    require_fitted(estimator)
    return EstimatorSource.of(estimator, library=library_name(), missing=takes_missing(estimator))


def takes_missing(estimator: object) -> bool:
    """Whether a tree or forest predicts for rows with NaN, which depends on its parameters."""
    return _members(estimator)[0]._support_missing_values(np.empty((1, 1)))


def _build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    trees = [member.tree_ for member in _members(estimator)]
    values = [tree.value[:, 0, :] for tree in trees]
    outputs = graph.trees(
        tree_nodes(trees, values),
        features,
        n_outputs=values[0].shape[1],
        divisor=float(len(trees)),
    )
    if hasattr(estimator, "classes_"):
        return Heads(score=outputs, proba=outputs, decision=outputs)
    return Heads(score=outputs)


ADAPTERS = (
    Adapter(
        family="scikit-learn trees and forests",
        classes=tuple(
            f"sklearn.{kind}{task}"
            for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
            for task in ("Classifier", "Regressor")
        ),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        note="one output",
    ),
)
