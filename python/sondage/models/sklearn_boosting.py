"""scikit-learn's gradient boosting, of exact and of histogram trees.

Both add what their trees give to a first guess, in order and in float64. GradientBoosting's trees
compare as `sklearn_trees` says; HistGradientBoosting's compare float64 rows, know sets of
categories, and treat categories that they have never seen as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models import _registry
from sondage.models._adapter import Adapter, NotNative
from sondage.models._categories import with_codes
from sondage.models._graph import Heads
from sondage.models._sources import EstimatorSource, require_fitted
from sondage.models._trees import Nodes
from sondage.models.sklearn_trees import library_name, tree_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder
    from sondage.models.sklearn_trees import FittedTree

__all__ = ["ADAPTERS", "pair_from"]

# What reads its input as GradientBoosting gives it, in float32, without a change.
_READ_FLOAT32 = (
    "DecisionTreeRegressor",
    "ExtraTreeRegressor",
    "RandomForestRegressor",
    "ExtraTreesRegressor",
    "GradientBoostingRegressor",
)


class _Boosted(Protocol):
    estimators_: NDArray[np.object_]
    learning_rate: float
    init_: object
    n_features_in_: int
    _loss: object

    def _raw_predict_init(self, X: NDArray[np.float64]) -> NDArray[np.float64]: ...


class _Predictor(Protocol):
    nodes: NDArray[np.void]
    raw_left_cat_bitsets: NDArray[np.uint32]


class _HistBoosted(Protocol):
    _predictors: Sequence[Sequence[_Predictor]]
    _baseline_prediction: NDArray[np.float64]
    _loss: object
    is_categorical_: NDArray[np.bool_] | None


def pair_from(graph: GraphBuilder, z: int) -> int:
    """Return the decision of a library that says the second class from z = 0 on."""
    # The smallest float64 is lost next to every other number, so only the tie at 0 is decided.
    return graph.linear(z, [[-1.0], [1.0]], [-float(np.nextafter(0.0, 1.0)), 0.0])


def _classes(estimator: object) -> int:
    return len(cast("Sequence[object]", getattr(estimator, "classes_", ())))


def _source(estimator: object) -> Source:
    require_fitted(estimator)
    return EstimatorSource.of(estimator, library=library_name(), missing=False)


def _build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    boosted = cast("_Boosted", estimator)
    stages, width = boosted.estimators_.shape
    members = cast("Sequence[FittedTree]", boosted.estimators_.ravel().tolist())
    trees = [member.tree_ for member in members]
    values = [boosted.learning_rate * tree.value[:, 0, :] for tree in trees]
    base, start = _first_guess(estimator, graph, features)
    z = graph.trees(
        tree_nodes(trees, values),
        features,
        n_outputs=width,
        first_output=np.tile(np.arange(width), stages),
        base=base,
    )
    if start is not None:
        z = graph.combine([start, z], [1.0, 1.0])
    if _classes(estimator) == 0:
        return Heads(score=z)
    if width > 1:
        return Heads(z, graph.softmax(z), graph.log_softmax(z), decision=z)
    logit = z
    if type(boosted._loss).__name__ == "ExponentialLoss":
        logit = graph.affine(z, 2.0)
    return Heads(
        score=z,
        proba=graph.logistic_pair(logit),
        log_proba=graph.log_logistic_pair(logit),
        decision=pair_from(graph, z),
    )


def _first_guess(
    estimator: object, graph: GraphBuilder, features: Features
) -> tuple[NDArray[np.float64], int | None]:
    """Find what the trees are added to: a constant, or 0 and the node of a model."""
    boosted = cast("_Boosted", estimator)
    init = boosted.init_
    kind = type(init).__name__
    constant = isinstance(init, str) or kind == "DummyRegressor"
    if kind == "DummyClassifier":
        constant = getattr(init, "strategy", None) in (
            "prior",
            "most_frequent",
            "uniform",
            "constant",
        )
    if constant:
        row = np.zeros((1, boosted.n_features_in_))
        return boosted._raw_predict_init(row)[0], None
    if _classes(estimator) > 0 or kind not in _READ_FLOAT32:
        raise NotNative(f"it starts from init={kind}")
    return np.zeros(1), _registry.build(init, graph, features).score


def _hist_source(estimator: object) -> Source:
    require_fitted(estimator)
    if _classes(estimator) == 1:
        raise ModelError(f"{type(estimator).__name__} was fitted on one class only")
    levels: list[tuple[object, ...] | None] | None = None
    codes = _categories(estimator)
    if codes:
        n_features = cast("_Boosted", estimator).n_features_in_
        levels = [tuple(codes[j]) if j in codes else None for j in range(n_features)]
    return EstimatorSource.of(
        estimator, library=library_name(), missing=True, unknown=True, levels=levels
    )


def _categories(estimator: object) -> dict[int, dict[object, int]]:
    """Codes of the categories of every categorical feature."""
    categorical = cast("_HistBoosted", estimator).is_categorical_
    if categorical is None:
        return {}
    encoder = getattr(estimator, "_preprocessor").named_transformers_["encoder"]  # noqa: B009
    codes = {}
    for position, categories in zip(np.flatnonzero(categorical), encoder.categories_, strict=True):
        known = [plain(category) for category in categories]
        codes[int(position)] = {
            category: k for k, category in enumerate(known) if not _is_missing(category)
        }
    return codes


def _is_missing(category: object) -> bool:
    return isinstance(category, float) and bool(np.isnan(category))


def _hist_build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    boosted = cast("_HistBoosted", estimator)
    codes = _categories(estimator)
    own = with_codes(features, codes)
    if boosted.is_categorical_ is not None:
        # The library moves categorical columns to the front.
        mask = np.asarray(boosted.is_categorical_, dtype=np.bool_)
        own = own.select([*np.flatnonzero(mask).tolist(), *np.flatnonzero(~mask).tolist()])
    predictors = [tree for stage in boosted._predictors for tree in stage]
    base = np.asarray(boosted._baseline_prediction, dtype=np.float64).ravel()
    width = len(base)
    z = graph.trees(
        _hist_nodes(predictors, [len(codes[j]) for j in sorted(codes)]),
        own,
        n_outputs=width,
        first_output=np.arange(len(predictors)) % width,
        base=base,
    )
    if _classes(estimator) == 0:
        link = type(getattr(boosted._loss, "link")).__name__  # noqa: B009
        if link not in ("IdentityLink", "LogLink"):
            raise NotNative(f"its link is {link}")
        return Heads(score=graph.activation(z, "exp") if link == "LogLink" else z)
    if width > 1:
        return Heads(z, graph.softmax(z), graph.log_softmax(z), decision=z)
    return Heads(
        score=z,
        proba=graph.logistic_pair(z),
        log_proba=graph.log_logistic_pair(z),
        decision=graph.signed_pair(z),
    )


def _hist_nodes(predictors: Sequence[_Predictor], n_categories: Sequence[int]) -> Nodes:
    """Trees; the first features are categorical, with so many categories each."""
    counts = np.array([len(tree.nodes) for tree in predictors], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    nodes = np.concatenate([tree.nodes for tree in predictors])
    offset = np.repeat(roots, counts)
    leaf = nodes["is_leaf"].astype(np.bool_)
    categorical = nodes["is_categorical"].astype(np.bool_) & ~leaf
    missing_left = nodes["missing_go_to_left"].astype(np.bool_)
    # Categories that nobody has seen go where missing values go, and in a set node left. Where the
    # library sends them right, its left set becomes ours on the right.
    swapped = categorical & ~missing_left
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    owner = np.repeat(np.arange(len(predictors)), counts)
    sets = {}
    for node in np.flatnonzero(categorical):
        bits = predictors[owner[node]].raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        listed = np.unpackbits(bits.astype("<u4").view(np.uint8), bitorder="little")
        listed = listed[: n_categories[nodes["feature_idx"][node]]]
        sets[int(node)] = np.flatnonzero(listed if swapped[node] else 1 - listed).tolist()
    return Nodes.of(
        roots=roots,
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        cut=np.where(leaf | categorical, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, -1, left + offset),
        right=np.where(leaf, -1, right + offset),
        value=nodes["value"].astype(np.float64),
        missing_right=~missing_left & ~leaf & ~categorical,
        sets=sets,
    )


ADAPTERS = (
    Adapter(
        family="scikit-learn GradientBoosting",
        classes=("sklearn.GradientBoostingClassifier", "sklearn.GradientBoostingRegressor"),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        note="evaluated by scikit-learn: init= with a model other than a Dummy or regression trees",
    ),
    Adapter(
        family="scikit-learn HistGradientBoosting",
        classes=("sklearn.HistGradientBoostingClassifier", "sklearn.HistGradientBoostingRegressor"),
        source=_hist_source,
        build=_hist_build,
        gradient=False,
        slices=True,
        missing=True,
        categorical=True,
    ),
)
