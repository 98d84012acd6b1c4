"""Read scikit-learn's support vector machines with kernels (libsvm).

libsvm's decision of a pair (i, j), i < j, votes for i where it is above 0. scikit-learn turns its
sign for two classes and keeps the private arrays (`_dual_coef_`, `_intercept_`) as libsvm has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models._adapter import Adapter, NotNative
from sondage.models._dense import as_matrix, as_vector
from sondage.models._features import RawColumn
from sondage.models._foreign import library_of
from sondage.models._graph import Heads
from sondage.models._sources import EstimatorSource

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.svm import SVC, SVR, OneClassSVM

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]

# libsvm keeps pairwise probabilities this far from 0 and 1.
MIN_PROBABILITY = 1e-7


@dataclass(frozen=True)
class KernelSource(EstimatorSource):
    """A kernel machine, whose sums of kernels may cancel down to their rounding."""

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Platt's probabilities; None if the machine was fitted without, whatever it says now."""
        if len(getattr(self.estimator, "_probA", ())) == 0:
            return None
        return super().proba(rows)

    def slack(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bound what the order of the sums decides, in the decisions of the vectors' pairs."""
        from sklearn.metrics.pairwise import pairwise_kernels

        machine = self.estimator
        weights, vectors = _weights(machine), as_matrix(machine.support_vectors_)
        if vectors.size == 0:
            return np.zeros(len(rows))
        kernels = pairwise_kernels(
            rows,
            vectors,
            metric=machine.kernel,
            filter_params=True,
            gamma=machine._gamma,
            coef0=machine.coef0,
            degree=machine.degree,
        )
        bias = as_vector(machine._intercept_)
        terms = np.abs(kernels) @ np.abs(weights).T + np.abs(bias)
        bound = 4.0 * np.finfo(np.float64).eps * sum(vectors.shape) * terms
        hangs = (np.abs(kernels @ weights.T + bias) <= bound).any(axis=1)
        return np.where(hangs & (self.classes is not None), np.inf, bound.max(axis=1))


def _source(estimator: SVC | SVR | OneClassSVM) -> EstimatorSource:
    if callable(estimator.kernel) and hasattr(estimator, "shape_fit_"):
        # scikit-learn does not look at rows whose kernel is a function.
        classes = getattr(estimator, "classes_", None)
        return EstimatorSource(
            estimator=estimator,
            library=library_of(estimator),
            kind="regressor" if classes is None else "classifier",
            classes=None if classes is None else tuple(plain(label) for label in classes),
            columns=(RawColumn(),) * int(estimator.shape_fit_[1]),
            missing=False,
        )
    return KernelSource.of(estimator, library=library_of(estimator))


def _classifier_source(estimator: SVC) -> Source:
    source = _source(estimator)
    if estimator.break_ties and estimator.decision_function_shape == "ovo":
        raise ModelError(
            f"{type(estimator).__name__} has break_ties=True and decision_function_shape='ovo', "
            "with which scikit-learn does not predict; set break_ties=False"
        )
    return source


def _outlier_source(estimator: OneClassSVM) -> Source:
    return replace(_source(estimator), kind="classifier", classes=(-1, 1))


def _outlier(estimator: OneClassSVM, graph: GraphBuilder, features: Features) -> Heads:
    score = _expansions(estimator, graph, features)
    return Heads(score=score, decision=graph.signed_pair(score))


def _regressor(estimator: SVR, graph: GraphBuilder, features: Features) -> Heads:
    return Heads(score=_expansions(estimator, graph, features))


def _classifier(estimator: SVC, graph: GraphBuilder, features: Features) -> Heads:
    n_classes = len(estimator.classes_)
    pairs = _expansions(estimator, graph, features)
    votes = graph.pair_votes(pairs, n_classes)
    proba = _platt(estimator, graph, pairs, n_classes)
    if n_classes == 2:
        return Heads(score=graph.affine(pairs, -1.0), proba=proba, decision=votes)
    score = _one_vs_rest(graph, pairs, n_classes)
    if estimator.decision_function_shape == "ovo":
        return Heads(score=pairs, proba=proba, decision=votes, margins=score)
    return Heads(score=score, proba=proba, decision=score if estimator.break_ties else votes)


def _expansions(estimator: SVC | SVR | OneClassSVM, graph: GraphBuilder, features: Features) -> int:
    """Add sums of kernels weighted for each pair of classes, plus libsvm's intercepts."""
    kernel = estimator.kernel
    if callable(kernel) or kernel == "precomputed":
        named = "a function" if callable(kernel) else "precomputed"
        raise NotNative(
            f"{type(estimator).__name__} with kernel={named}; linear, poly, rbf and sigmoid are "
            "native"
        )
    weights = _weights(estimator)
    vectors, bias = as_matrix(estimator.support_vectors_), as_vector(estimator._intercept_)
    x = graph.encode(features)
    if vectors.size == 0:
        return graph.linear(x, np.zeros((len(bias), len(features))), bias)
    if kernel == "linear":
        return graph.linear(x, weights @ vectors, bias)
    expanded = graph.kernel(
        x,
        kernel,
        vectors,
        gamma=estimator._gamma,
        coef0=estimator.coef0,
        degree=estimator.degree,
    )
    return graph.linear(expanded, weights, bias)


def _weights(estimator: SVC | SVR | OneClassSVM) -> NDArray[np.float64]:
    """Weights of the vectors, shape (pairs of classes, vectors), or (1, vectors) of a regressor.

    libsvm keeps those of class i's vectors against j > i in row j - 1, those of class j's against
    i < j in row i.
    """
    dual = as_matrix(estimator._dual_coef_)
    n_classes = len(getattr(estimator, "classes_", ()))
    if n_classes == 0:
        return dual
    ends = np.cumsum(estimator._n_support)
    starts = ends - estimator._n_support
    weights = np.zeros((n_classes * (n_classes - 1) // 2, dual.shape[1]))
    for row, (i, j) in zip(weights, combinations(range(n_classes), 2), strict=True):
        row[starts[i] : ends[i]] = dual[j - 1, starts[i] : ends[i]]
        row[starts[j] : ends[j]] = dual[i, starts[j] : ends[j]]
    return weights


def _platt(estimator: SVC, graph: GraphBuilder, pairs: int, n_classes: int) -> int | None:
    """Probabilities where the model was fitted with them and still gives them."""
    if not hasattr(estimator, "predict_proba") or len(estimator._probA) == 0:
        return None
    slope, shift = as_vector(estimator._probA), as_vector(estimator._probB)
    first = graph.activation(graph.affine(pairs, -slope, -shift), "logistic")
    clipped = graph.clip(first, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
    # Also for two classes: libsvm stops the coupling early, short of the pair's own probability.
    return graph.pair_coupling(clipped, n_classes)


def _one_vs_rest(graph: GraphBuilder, pairs: int, n_classes: int) -> int:
    """Votes plus s / (3 |s| + 3) of the summed decisions s, scikit-learn's 'ovr' shape.

    Here a pair's decision of exactly 0 is a vote for its first class, where libsvm's own votes go
    to the second.
    """
    below = graph.step(graph.affine(pairs, -1.0))
    votes = graph.pair_votes(graph.affine(below, -2.0, 1.0), n_classes)
    sums = graph.pair_scores(pairs, n_classes)
    positive = graph.activation(sums, "relu")
    negative = graph.activation(graph.affine(sums, -1.0), "relu")
    one = graph.affine(graph.pick(sums, [-1]), 1.0, 1.0)
    squashed = []
    for k in range(n_classes):
        parts = graph.concat([graph.pick(positive, [k]), graph.pick(negative, [k]), one])
        squashed.append(graph.linear(graph.normalize(parts), [[1.0, -1.0, 0.0]]))
    return graph.combine([votes, graph.concat(squashed)], [1.0, 1.0 / 3.0])


ADAPTERS = (
    Adapter(
        family="scikit-learn kernel classifiers",
        classes=("sklearn.SVC", "sklearn.NuSVC"),
        source=_classifier_source,
        build=_classifier,
        gradient=True,
        slices=False,
        note="kernels that are precomputed or a function are evaluated by scikit-learn",
    ),
    Adapter(
        family="scikit-learn kernel regressors",
        classes=("sklearn.SVR", "sklearn.NuSVR"),
        source=_source,
        build=_regressor,
        gradient=True,
        slices=False,
        note="kernels that are precomputed or a function are evaluated by scikit-learn",
    ),
    Adapter(
        family="scikit-learn one-class kernel machines",
        classes=("sklearn.OneClassSVM",),
        source=_outlier_source,
        build=_outlier,
        gradient=True,
        slices=False,
        note="classes -1 (outlier) and 1",
    ),
)
