"""A native model: a small graph of vector operations that the core evaluates for batches of rows.

A node is the number of an operation; node 0 is the raw row. The builder only records; shapes are
checked when `_core.Graph` is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from sondage._core import TreeEnsemble
from sondage.models._features import Chain, Outputs
from sondage.models._pullback import pull_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from sondage.models._features import Features
    from sondage.models._trees import Nodes

__all__ = ["Activation", "Fitted", "GraphBuilder", "Head", "Heads"]

# relu, tanh, logistic 1/(1+e^-x), softplus ln(1+e^x), gelu x·Φ(x), gelu_tanh (its approximation by
# tanh), silu x/(1+e^-x), exp, signed_square sign(x)·x², exp2_neg -2^(-x).
Activation: TypeAlias = Literal[
    "relu",
    "tanh",
    "logistic",
    "softplus",
    "gelu",
    "gelu_tanh",
    "silu",
    "exp",
    "expm1",
    "log1p",
    "signed_square",
    "exp2_neg",
]


Head: TypeAlias = Literal["score", "proba", "log_proba", "decision", "margins"]


@dataclass(frozen=True, slots=True)
class Heads:
    """Which nodes of a graph are the model's outputs.

    Attributes
    ----------
    score : int
        The library's own margin or decision function, or the value of a regressor; width 1 for
        binary classifiers and regressors that give one number, else one per class (or pair).
    proba : int, optional
        Class probabilities, width K = number of classes.
    log_proba : int, optional
        Their logarithms, where they follow from logits: never floored, finite where proba is 0.
    decision : int, optional
        Width K; the label that the library predicts is that of the first largest entry. None for
        regressors.
    margins : int, optional
        Width K: what a hinge compares, where that is not the score: one-vs-one decisions.
    """

    score: int
    proba: int | None = None
    log_proba: int | None = None
    decision: int | None = None
    margins: int | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A "linear" or "affine" operation whose numbers are parameters that training fitted.

    Attributes
    ----------
    node : int
    biased : bool
        Whether its second array is fitted too; else there is none, and it is 0.
    single : bool
        Whether its numbers are of float32.
    """

    node: int
    biased: bool
    single: bool


class GraphBuilder:
    """Collects operations; every method returns the number of the node that it adds."""

    row: int = 0

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self.operations: list[tuple[Any, ...]] = [("row",)]
        #: Trees in raw columns with their cuts: what rows for the parity check are made of.
        self.trees_added: list[Nodes] = []
        #: Where fitted parameters are, but for trees and kernel machines.
        self.fitted: list[Fitted] = []

    def _add(self, *operation: object) -> int:
        self.operations.append(operation)
        return len(self.operations) - 1

    def encode(self, features: Features | Outputs) -> int:
        """Features of the row, one entry each; the row itself where they are just that."""
        if isinstance(features, Outputs):
            return features.node
        identity = tuple(Chain(j) for j in range(self.n_columns))
        if features.features == identity:
            return self.row
        return self._add("encode", features.features)

    def trees(
        self,
        nodes: Nodes,
        features: Features,
        *,
        n_outputs: int,
        first_output: ArrayLike | None = None,
        base: ArrayLike = 0.0,
        divisor: float = 1.0,
        precision: Literal["float32", "float64"] = "float64",
        base_last: bool = False,
    ) -> int:
        """Add up leaf values: ``base[k] + Σ_t value[leaf_t(x)][k - first_output[t]] / divisor``.

        Parameters
        ----------
        nodes : Nodes
            In the model's own features.
        features : Features
        n_outputs : int
        first_output : array of int, shape (trees,)
            First output that a tree's leaf vector adds to; all 0 if None.
        base : float or array, shape (n_outputs,)
        divisor : float
        precision : {"float32", "float64"}
            In which the library adds, tree after tree.
        base_last : bool
            Whether the library adds `base` after the trees (and the division) instead of before.
        """
        raw = pull_back(nodes, features)
        self.trees_added.append(raw)
        first = np.zeros(len(raw.roots)) if first_output is None else first_output
        ensemble = TreeEnsemble(
            n_features=self.n_columns,
            n_outputs=n_outputs,
            roots=raw.roots,
            feature=raw.feature,
            cut=raw.cut,
            left=raw.left,
            right=raw.right,
            value=raw.value,
            first_output=np.ascontiguousarray(first, dtype=np.int64),
            base=np.ascontiguousarray(np.broadcast_to(base, (n_outputs,)), dtype=np.float64),
            divisor=float(divisor),
            missing_right=raw.missing_right,
            set_index=raw.set_index,
            set_starts=raw.set_starts,
            set_codes=raw.set_codes,
            float32=precision == "float32",
            base_last=base_last,
        )
        return self._add("trees", ensemble)

    def foreign(self, width: int, *, gradient: bool = False) -> int:
        """Add outputs that another library computes from the row, in batched calls.

        With `gradient` it also takes their cotangents back to the row.
        """
        return self._add("foreign", int(width), gradient)

    def linear(self, source: int, weights: ArrayLike, bias: ArrayLike = 0.0) -> int:
        """``weights @ source + bias``; weights (out, in), bias (out,)."""
        matrix = np.ascontiguousarray(np.atleast_2d(np.asarray(weights)), dtype=np.float64)
        shift = np.ascontiguousarray(np.broadcast_to(bias, (len(matrix),)), dtype=np.float64)
        return self._add("linear", source, matrix, shift)

    def layer(
        self,
        source: int,
        weights: ArrayLike,
        bias: ArrayLike,
        *,
        biased: bool = True,
        single: bool = False,
    ) -> int:
        """Add a `linear` operation of fitted parameters; see `Fitted`."""
        node = self.linear(source, weights, bias)
        self.fitted.append(Fitted(node, biased, single))
        return node

    def scaling(
        self,
        source: int,
        scale: ArrayLike,
        shift: ArrayLike,
        *,
        biased: bool = True,
        single: bool = False,
    ) -> int:
        """Add an `affine` operation of fitted parameters, entry by entry; see `Fitted`."""
        node = self.affine(source, scale, shift)
        self.fitted.append(Fitted(node, biased, single))
        return node

    def kernel(
        self,
        source: int,
        kind: Literal["linear", "poly", "rbf", "sigmoid"],
        vectors: ArrayLike,
        *,
        gamma: float = 1.0,
        coef0: float = 0.0,
        degree: int = 3,
    ) -> int:
        """``k(source, v)`` for every row v of `vectors`.

        With u the source: u·v, (γ u·v + c)^degree, exp(-γ |u - v|²), tanh(γ u·v + c).
        """
        matrix = np.ascontiguousarray(vectors, dtype=np.float64)
        return self._add("kernel", source, kind, matrix, float(gamma), float(coef0), int(degree))

    def activation(self, source: int, kind: Activation) -> int:
        """Apply a function to every entry."""
        return self._add("activation", source, kind)

    def affine(self, source: int, scale: ArrayLike = 1.0, shift: ArrayLike = 0.0) -> int:
        """``scale · source + shift``, entry by entry; scalars or one per entry."""
        scale = np.atleast_1d(np.asarray(scale, dtype=np.float64))
        shift = np.atleast_1d(np.asarray(shift, dtype=np.float64))
        n = max(len(scale), len(shift))
        return self._add(
            "affine",
            source,
            np.ascontiguousarray(np.broadcast_to(scale, (n,))),
            np.ascontiguousarray(np.broadcast_to(shift, (n,))),
        )

    def clip(self, source: int, lower: float, upper: float) -> int:
        """Bring every entry into [lower, upper]."""
        return self._add("clip", source, float(lower), float(upper))

    def softmax(self, source: int) -> int:
        """e^z_k / Σ e^z_j."""
        return self._add("softmax", source)

    def softmax32(self, source: int) -> int:
        """Softmax as float32 rounds it, for labels: near ties are the library's. No gradient."""
        return self._add("softmax32", source)

    def log_softmax(self, source: int) -> int:
        """z_k - ln Σ e^z_j."""
        return self._add("log_softmax", source)

    def logistic_pair(self, source: int) -> int:
        """Width 1 to 2: probabilities of both classes, [1/(1+e^z), 1/(1+e^-z)]."""
        return self._add("logistic_pair", source)

    def log_logistic_pair(self, source: int) -> int:
        """Logarithms of `logistic_pair`."""
        return self._add("log_logistic_pair", source)

    def complement(self, source: int) -> int:
        """Width 1 to 2: [1 - p, p]."""
        return self.linear(source, [[-1.0], [1.0]], [1.0, 0.0])

    def signed_pair(self, source: int) -> int:
        """Width 1 to 2: [-z, z], a decision between two classes by the sign of z."""
        return self.linear(source, [[-1.0], [1.0]], [0.0, 0.0])

    def normalize(self, source: int) -> int:
        """Divide by the sum; all entries equal where that is 0."""
        return self._add("normalize", source)

    def pick(self, source: int, indices: Sequence[int]) -> int:
        """Entries by position; -1 gives 0."""
        return self._add("pick", source, np.ascontiguousarray(indices, dtype=np.int64))

    def concat(self, sources: Sequence[int]) -> int:
        """Entries of several nodes one after another."""
        return self._add("concat", list(sources))

    def combine(self, sources: Sequence[int], weights: ArrayLike, divisor: float = 1.0) -> int:
        """``(Σ_i weights[i] · source_i) / divisor`` of nodes of equal width, added in order."""
        shares = np.ascontiguousarray(weights, dtype=np.float64)
        return self._add("combine", list(sources), shares, float(divisor))

    def mean(self, sources: Sequence[int]) -> int:
        """Sum of nodes of equal width, divided by their number."""
        return self.combine(sources, np.ones(len(sources)), len(sources))

    def multiply(self, a: int, b: int) -> int:
        """Product, entry by entry, of nodes of equal width."""
        return self._add("multiply", a, b)

    def one_hot_argmax(self, source: int) -> int:
        """1 at the first largest entry, else 0: a vote."""
        return self._add("one_hot_argmax", source)

    def step(self, source: int, threshold: float = 0.0) -> int:
        """1 where an entry is above the threshold, else 0."""
        return self._add("step", source, float(threshold))

    def pair_votes(self, source: int, n_classes: int) -> int:
        """Votes of one-vs-one decisions (0,1), (0,2) … (1,2) …: > 0 is a vote for the first."""
        return self._add("pair_votes", source, int(n_classes))

    def pair_scores(self, source: int, n_classes: int) -> int:
        """Add up one-vs-one decisions by class: + for the first of a pair, - for the second."""
        return self._add("pair_scores", source, int(n_classes))

    def pair_coupling(self, source: int, n_classes: int) -> int:
        """Class probabilities from pairwise ones (Wu, Lin and Weng 2004, as libsvm)."""
        return self._add("pair_coupling", source, int(n_classes))

    def interpolate(self, source: int, x: ArrayLike, y: ArrayLike) -> int:
        """Piecewise linear through (x, y), constant beyond; width 1."""
        return self._add(
            "interpolate",
            source,
            np.ascontiguousarray(x, dtype=np.float64),
            np.ascontiguousarray(y, dtype=np.float64),
        )
