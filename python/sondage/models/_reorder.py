"""The outputs of a classifier in the order of another one's classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sondage._core import Graph
from sondage.models._calls import Foreign
from sondage.models._graph import GraphBuilder, Heads
from sondage.models._members import append
from sondage.models._model import Native

if TYPE_CHECKING:
    from sondage.models._model import Model

__all__ = ["in_order_of"]


def in_order_of(model: Model, other: Model) -> Model:
    """Return a model whose probabilities and decision stand in the order of `other`'s classes.

    The model itself where that is its own order. Only these two outputs are meant to be read.

    Raises
    ------
    QuestionError
        If it lacks one of the classes.
    """
    if model.classes is None or other.classes is None:
        return model
    order = [model.label_index(label) for label in other.classes]
    if order == list(range(len(order))):
        return model
    form = model._form_in_core()
    builder = GraphBuilder(model.n_features)
    heads = append(builder, form)
    proba, decision = heads.proba, heads.decision
    if proba is not None:
        proba = builder.pick(proba, order)
    if decision is not None:
        # The first of equal decisions is the label in the model's own order.
        decision = builder.pick(builder.one_hot_argmax(decision), order)
    moved = Heads(heads.score, proba, None, decision)
    graph = Graph(builder.n_columns, builder.operations)
    # Nodes of an empty builder keep their numbers, so the calls are the same.
    return replace(
        model,
        classes=other.classes,
        _native=None if isinstance(form, Foreign) else Native(graph, moved),
        _foreign=Foreign(graph, moved, form.calls) if isinstance(form, Foreign) else None,
        _members=None,
    )
