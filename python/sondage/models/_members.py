"""The models of an ensemble, and what the core makes of all of them."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sondage._core import Graph, Stack
from sondage.errors import ModelError
from sondage.frames import listed
from sondage.models._calls import Call, Foreign
from sondage.models._graph import GraphBuilder, Heads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from sondage.models._model import Model, Native

__all__ = ["Members", "append", "stack_of", "weighted_mean"]


class Members:
    """Weighted models that agree; what is made of them is made when something needs it, and once.

    Attributes
    ----------
    pairs : tuple
        Weights, which add up to 1, and models.
    """

    def __init__(self, pairs: Sequence[tuple[float, Model]]) -> None:
        self.pairs = tuple(pairs)

    def __reduce__(self) -> tuple[type[Members], tuple[tuple[tuple[float, Model], ...]]]:
        return Members, (self.pairs,)

    def with_feature_names(self, names: Sequence[str]) -> Members:
        """Return the same models with names for the columns they read by position."""
        return Members([(share, model.with_feature_names(names)) for share, model in self.pairs])

    @cached_property
    def have_proba(self) -> bool:
        """Whether every member has class probabilities."""
        return all(model.has_proba for _, model in self.pairs)

    @cached_property
    def stack(self) -> Stack | None:
        """The members' graphs on top of each other, where linear layers alone tell them apart."""
        natives = [model._native for _, model in self.pairs]
        first = natives[0]
        if len(natives) < 2 or first is None:
            return None
        graphs = [native.graph for native in natives if native and native.heads == first.heads]
        if len(graphs) < len(natives):
            return None
        try:
            return Stack(graphs, np.array([share for share, _ in self.pairs]))
        except ModelError:
            return None

    @cached_property
    def together(self) -> Native | Foreign:
        """One graph that holds every member's, and their means."""
        return _together([model for _, model in self.pairs], [share for share, _ in self.pairs])

    def mean(
        self, rows: NDArray[np.float64], head: Literal["score", "proba"]
    ) -> NDArray[np.float64]:
        """Mean of an output, (rows, width)."""
        if self.stack is not None:
            node = self.pairs[0][1]._head(head)
            if node is not None:
                return self.stack.forward(rows, node)
        shares = [share for share, _ in self.pairs]
        return weighted_mean(shares, (model._values(rows, head) for _, model in self.pairs))


def stack_of(model: Model) -> Stack | None:
    """Return the stacked members of an ensemble; None for other models."""
    return None if model._members is None else model._members.stack


def weighted_mean(
    shares: Sequence[float], values: Iterable[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Add up arrays of one shape, each when it comes: there may be thousands, of many rows.

    Raises
    ------
    ModelError
        If their shapes differ: a margin beside scores of two classes.
    """
    total = np.zeros(())
    for share, value in zip(shares, values, strict=True):
        if total.shape not in ((), value.shape):
            shapes = listed([total.shape, value.shape])
            raise ModelError(f"the members' outputs have different shapes: {shapes}")
        total = total + share * value
    return total


def _together(members: Sequence[Model], shares: Sequence[float]) -> Native | Foreign:
    from sondage.models._model import Native

    builder = GraphBuilder(members[0].n_features)
    forms = [model._form_in_core() for model in members]
    heads: list[Heads] = []
    calls: list[Call] = []
    for model, form in zip(members, forms, strict=True):
        shift = len(builder.operations) - 1
        calls += [replace(call, node=call.node + shift) for call in model._calls()]
        heads.append(append(builder, form))

    def mean(nodes: list[int | None]) -> int | None:
        known = [node for node in nodes if node is not None]
        return builder.combine(known, shares) if len(known) == len(nodes) else None

    proba = mean([own.proba for own in heads])
    decision = proba
    if proba is None:
        decision = mean(
            [
                None if own.decision is None else builder.one_hot_argmax(own.decision)
                for own in heads
            ]
        )
    widths = {form.graph.width(form.heads.score) for form in forms}
    # A margin and two scores have no mean; questions ask members, and requirements the decision.
    score = decision
    if score is None or len(widths) == 1:
        score = builder.combine([own.score for own in heads], shares)
    graph = Graph(builder.n_columns, builder.operations)
    own = Heads(score, proba, None, decision)
    return Foreign(graph, own, tuple(calls)) if calls else Native(graph, own)


# Which entries of an operation's tuple are numbers of nodes.
_SOURCES: dict[str, tuple[int, ...]] = {
    "row": (),
    "encode": (),
    "trees": (),
    "foreign": (),
    "multiply": (1, 2),
}


def append(builder: GraphBuilder, native: Native | Foreign) -> Heads:
    """Add a model's operations to a graph over the same row; return its heads there."""
    shift = len(builder.operations) - 1

    def moved(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, list):
            return [moved(one) for one in node]
        return node + shift if node > 0 else 0

    for operation in native.graph.operations[1:]:
        sources = _SOURCES.get(operation[0], (1,))
        builder.operations.append(
            tuple(moved(entry) if i in sources else entry for i, entry in enumerate(operation))
        )
    own = {field.name: getattr(native.heads, field.name) for field in fields(Heads)}
    there: dict[str, Any] = {
        head: None if node is None else moved(node) for head, node in own.items()
    }
    return Heads(**there)
