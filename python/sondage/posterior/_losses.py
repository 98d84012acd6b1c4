"""Training losses of native models and their gradients in the parameters, for many at once.

Rows come in blocks, last axis last, so that a layer of the first inputs is one matrix product for
all parameter vectors. Nodes that no parameter reaches are evaluated once, by the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from sondage.errors import ModelError
from sondage.posterior._operations import (
    Operation,
    backward,
    forward,
    log_softmax,
    parameter_slope,
    sources,
    supported,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.models._parameters import Parameters, Slot

__all__ = ["GraphLoss"]

Floats: TypeAlias = "NDArray[np.float64]"
#: Positions of classes, int64, or values, float64.
Target: TypeAlias = "NDArray[np.int64] | NDArray[np.float64]"

#: Numbers of a node's values in one block, over all vectors: what stays in the cache.
_BLOCK = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class GraphLoss:
    """Mean loss of a native model over its training rows, as a function of its parameters.

    Attributes
    ----------
    parameters : Parameters
    nodes : tuple of int
        Those between the parameters and `output`, in order.
    inputs : dict
        Values (width, rows) of the nodes that they read and no parameter reaches.
    output : int
        The node that the loss is of: logits of a classifier, the value of a regressor.
    widest : int
        Width of the widest of the nodes.
    target : ndarray of shape (rows,)
    """

    parameters: Parameters
    nodes: tuple[int, ...]
    inputs: dict[int, Floats]
    output: int
    widest: int
    target: Target

    @classmethod
    def of(cls, parameters: Parameters, rows: Floats, target: Target) -> GraphLoss:
        """Prepare the loss on raw rows.

        Raises
        ------
        ModelError
            For a classifier without logits, and for an operation that has no way back here.
        """
        model, operations = parameters.model, parameters.operations
        graph = model._graph()
        output = _output(parameters)
        fitted = {slot.node for slot in parameters.slots}
        reached: set[int] = set()
        for node, operation in enumerate(operations):
            if node in fitted or reached.intersection(sources(operation)):
                reached.add(node)
        needed = {output}
        for node in range(output, 0, -1):
            if node in needed:
                needed.update(sources(operations[node]))
        nodes = tuple(sorted(needed & reached))
        for operation in (operations[node] for node in nodes):
            if not supported(operation):
                what = operation[2] if operation[0] == "activation" else operation[0]
                raise ModelError(
                    f"{model.name} has {what!r} behind its parameters, through which langevin "
                    "knows no gradient; linear models, dense nets and torch modules it knows"
                )
        read = {source for node in nodes for source in sources(operations[node])} - reached
        inputs = {
            node: np.ascontiguousarray((rows if node == 0 else graph.forward(rows, node)).T)
            for node in read
        }
        widest = max(graph.width(node) for node in nodes)
        return cls(parameters, nodes, inputs, output, widest, target)

    def __call__(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Mean loss (C,) and its gradient (C, parameters) at vectors (C, parameters)."""
        total, gradient = np.zeros(len(vectors)), np.zeros_like(vectors)
        slots = {(slot.node, slot.entry): slot for slot in self.parameters.slots}
        operations = {node: self._with(node, slots, vectors) for node in self.nodes}
        loss = half_square if self.parameters.model.classes is None else cross_entropy
        n = len(self.target)
        block = max(_BLOCK // (len(vectors) * self.widest), 64)
        for first in range(0, n, block):
            part = slice(first, first + block)
            values = {node: value[:, part] for node, value in self.inputs.items()}
            for node in self.nodes:
                values[node] = forward(operations[node], values)
            losses, slopes = loss(values[self.output], self.target[part])
            total += losses
            self._backward(operations, slots, values, slopes, gradient)
        return total / n, gradient / n

    def _with(self, node: int, slots: dict[tuple[int, int], Slot], vectors: Floats) -> Operation:
        """Return an operation with the arrays of all vectors in place of the model's own."""
        return tuple(
            np.ascontiguousarray(slots[node, entry].of(vectors)) if (node, entry) in slots else own
            for entry, own in enumerate(self.parameters.operations[node])
        )

    def _backward(
        self,
        operations: dict[int, Operation],
        slots: dict[tuple[int, int], Slot],
        values: dict[int, Floats],
        slopes: Floats,
        gradient: Floats,
    ) -> None:
        """Add a block's part to the gradient."""
        owed = {self.output: slopes}
        for node in reversed(self.nodes):
            operation, back = operations[node], owed.pop(node)
            for entry in (2, 3):
                if (node, entry) in slots:
                    slot = slots[node, entry]
                    own = parameter_slope(operation, entry, values[operation[1]], back)
                    gradient[:, slot.start : slot.stop] += own.reshape(len(gradient), -1)
            for source in sources(operation):
                if source in self.inputs:
                    continue
                part = backward(operation, source, values, values[node], back)
                owed[source] = owed[source] + part if source in owed else part


def _output(parameters: Parameters) -> int:
    model = parameters.model
    node = model._head("score" if model.classes is None else "log_proba")
    if model.classes is None:
        return cast("int", node)
    if node is not None:
        kind, source, *_ = parameters.operations[node]
        if kind in ("log_softmax", "log_logistic_pair"):
            return cast("int", source)
    raise ModelError(
        f"{model.name} has no logits, of which langevin takes the cross-entropy; logistic "
        "regression and nets have"
    )


def half_square(values: Floats, target: Target) -> tuple[Floats, Floats]:
    """Sum of ½ (value − target)² over a block's rows, (C,), and its slope in the values."""
    residual = values - target
    return 0.5 * np.einsum("cwn,cwn->c", residual, residual), residual


def cross_entropy(logits: Floats, target: Target) -> tuple[Floats, Floats]:
    """Sum of −log p of the target classes over a block's rows, (C,), and its slope."""
    if logits.shape[1] == 1:
        # log(1 + e^−sz), s = ±1 the wanted sign.
        sign = 2.0 * target - 1.0
        lead = logits * sign
        small = np.exp(-np.abs(lead))
        losses = np.log1p(small) - np.minimum(lead, 0.0)
        share = np.where(lead >= 0.0, small, 1.0) / (1.0 + small)
        return losses.sum(axis=(1, 2)), -sign * share
    logs = log_softmax(logits)
    every = np.arange(logits.shape[2])
    slopes = np.exp(logs)
    slopes[:, target, every] -= 1.0
    return -logs[:, target, every].sum(axis=1), slopes
