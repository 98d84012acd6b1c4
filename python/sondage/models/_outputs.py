"""Outputs of a model for Python's own functions of them: with gradients where it has any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sondage._probes import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from sondage._core import Graph
    from sondage.models._adapter import Vjp
    from sondage.models._model import Model

__all__ = ["output_probe"]

_Floats: TypeAlias = "NDArray[np.float64]"
_ListVjp: TypeAlias = "Callable[[_Floats], list[_Floats]]"


def output_probe(
    model: Model, output: Literal["score", "proba"], columns: NDArray[np.int64]
) -> Probe:
    """Return a model's score or probabilities as something that Python evaluates.

    Parameters
    ----------
    model : Model
        No ensemble; with probabilities if they are asked for.
    output : {"score", "proba"}
    columns : ndarray of int
        Those of the asked row that it reads.
    """
    graph, node = model._graph(), model._head(output)
    assert node is not None
    calls = {call.node: call for call in model._calls()}
    if not calls:
        return Probe(model.name, _Node(graph, node), columns)
    if node in calls:
        return Probe(model.name, calls[node], columns)
    score = Probe(model.name, calls[model._form_in_core().heads.score], columns)
    link = _Probabilities(graph.width(node), score.function.differentiable)
    return Probe(model.name, link, columns, (score,))


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of a native graph."""

    graph: Graph
    node: int

    @property
    def width(self) -> int:
        return self.graph.width(self.node)

    @property
    def differentiable(self) -> bool:
        return self.graph.differentiable(self.node)

    @property
    def key(self) -> Hashable:
        return id(self.graph), self.node

    def values(self, rows: _Floats) -> _Floats:
        return self.graph.forward(rows, self.node)

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        def vjp(cotangent: _Floats) -> _Floats:
            return self.graph.vjp(rows, self.node, np.ascontiguousarray(cotangent))

        return self.values(rows), vjp


@dataclass(frozen=True, slots=True)
class _Probabilities:
    """Probabilities from logits (rows, classes), or from the margin (rows, 1) of two classes."""

    width: int
    differentiable: bool

    @property
    def key(self) -> Hashable:
        return "probabilities"

    def values(self, given: Sequence[_Floats]) -> _Floats:
        logits = given[0]
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def with_vjp(self, given: Sequence[_Floats]) -> tuple[_Floats, _ListVjp]:
        proba = self.values(given)

        def vjp(cotangent: _Floats) -> list[_Floats]:
            mean = (cotangent * proba).sum(axis=1, keepdims=True)
            back = proba * (cotangent - mean)
            return [back if given[0].shape[1] > 1 else back[:, 1:]]

        return proba, vjp
