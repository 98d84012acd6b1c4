"""Models that their own library evaluates, as graphs whose sources are batched calls of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage._core import Graph
from sondage.errors import ModelError
from sondage.models._graph import GraphBuilder, Heads

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from sondage.models._adapter import Gives, Source, Vjp

__all__ = ["Call", "Foreign", "of_pair"]


@dataclass(frozen=True, slots=True)
class Call:
    """What one node of a graph gets from the user's model.

    Attributes
    ----------
    node, width : int
    source : Source
    gives : {"score", "proba", "log_proba", "decision"}
        Which of its outputs.
    """

    node: int
    width: int
    source: Source
    gives: Gives

    @property
    def differentiable(self) -> bool:
        """Whether there is a gradient of it."""
        return self.source.differentiable and self.gives in ("score", "proba")

    @property
    def key(self) -> Hashable:
        """The same for the same output of the same model."""
        return id(self.source), self.gives

    def values(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Call the model once for all raw rows; return (rows, width).

        Raises
        ------
        ModelError
            If it gives another number of outputs.
        """
        if len(rows) == 0:
            return np.empty((0, self.width))
        return self._checked(self._given(rows), len(rows))

    def with_vjp(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], Vjp]:
        """Return `values`, and what takes a cotangent (rows, width) back to the rows."""
        given, vjp = self.source.with_vjp(rows, self.gives)
        return self._checked(given, len(rows)), vjp

    def _checked(self, given: object, n: int) -> NDArray[np.float64]:
        values = np.asarray(given, dtype=np.float64)
        if values.ndim == 1:
            values = values[:, np.newaxis]
        if values.shape != (n, self.width):
            raise ModelError(
                f"its {self.gives} of {n} rows has shape {values.shape}; "
                f"{(n, self.width)} was expected"
            )
        return values

    def _given(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        if self.gives == "decision":
            return np.eye(self.width)[self.source.predict(rows).astype(np.intp)]
        if self.gives == "proba":
            return self.source.proba(rows)
        return self.source.score(rows) if self.gives == "score" else self.source.log_proba(rows)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A model in the core as far as it goes: its graph begins where calls of the model end."""

    graph: Graph
    heads: Heads
    calls: tuple[Call, ...]

    @classmethod
    def of(cls, source: Source) -> Foreign:
        """Make the graph of a source."""
        builder = GraphBuilder(len(source.columns))
        calls: list[Call] = []

        def call(gives: Gives, width: int) -> int:
            own = Call(len(builder.operations), width, source, gives)
            calls.append(own)
            return builder.foreign(width, gradient=own.differentiable)

        if source.classes is None:
            heads = Heads(call("score", 1))
        else:
            heads = _classifier(builder, source, call)
        return cls(Graph(builder.n_columns, builder.operations), heads, tuple(calls))


def _classifier(builder: GraphBuilder, source: Source, call: Callable[[Gives, int], int]) -> Heads:
    n = len(source.classes or ())
    kind = source.score_is()
    if kind == "logits":
        score = call("score", source.score_width())
        if source.score_width() == 1:
            return Heads(
                score,
                builder.logistic_pair(score),
                builder.log_logistic_pair(score),
                builder.signed_pair(score),
            )
        return Heads(score, builder.softmax(score), builder.log_softmax(score), score)
    proba = call("proba", n) if source.has_proba() else None
    logs = call("log_proba", n) if source.has_log_proba() else None
    decision = proba if source.label_is() == "proba" else None
    if decision is None:
        decision = call("decision", n)
    if kind == "score":
        score = call("score", source.score_width())
    else:
        score = decision if proba is None or kind == "decision" else proba
    return Heads(score, proba, logs, decision, decision if _between_pairs(source) else None)


def of_pair(vjp: Vjp) -> Vjp:
    """Return the vjp of [1 - p, p], from that of p (rows,)."""
    return lambda cotangent: vjp(cotangent[:, 1] - cotangent[:, 0])


def _between_pairs(source: Source) -> bool:
    """Whether scores are of pairs of classes, in as many columns as there may be classes."""
    estimator = getattr(source, "estimator", None)
    for _ in range(8):
        if getattr(estimator, "decision_function_shape", None) == "ovo":
            return len(source.classes or ()) > 2
        steps = getattr(estimator, "steps", None)
        inner = steps[-1][1] if steps else getattr(estimator, "best_estimator_", None)
        if inner is None:
            return False
        estimator = inner
    return False
