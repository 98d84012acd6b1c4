"""Read torch modules: `nn.Sequential` of dense layers natively, every other module by torch itself.

What the last layer gives is the user's to say (`output=`), unless it is a Softmax, a LogSoftmax or
a Sigmoid with one output. A module is only read and called, never changed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from sondage.models._adapter import Adapter, NotNative
from sondage.models._graph import Heads
from sondage.models._torch_call import kind_of
from sondage.models._torch_source import TorchSource, flat_layers, read_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from sondage.models._adapter import Source
    from sondage.models._features import Features
    from sondage.models._graph import Activation, GraphBuilder
    from sondage.space import Space

__all__ = ["ADAPTERS", "build_torch", "torch_source"]

ACTIVATIONS: dict[str, Activation] = {
    "ReLU": "relu",
    "SiLU": "silu",
    "Sigmoid": "logistic",
    "Tanh": "tanh",
}
GELU: dict[str, Activation] = {"none": "gelu", "tanh": "gelu_tanh"}


def torch_source(
    obj: object,
    output: str | None = None,
    classes: Sequence[object] | None = None,
    space: Space | None = None,
) -> Source:
    """Return a module as torch evaluates it; see `TorchSource.of`."""
    return TorchSource.of(cast("nn.Module", obj), output, classes, space)


def build_torch(
    obj: object, graph: GraphBuilder, features: Features, output: str | None = None
) -> Heads:
    """Add a module's layers to a graph.

    Raises
    ------
    NotNative
        If it is no `nn.Sequential` of layers that the core has.
    """
    module = cast("nn.Module", obj)
    resolved, width = read_output(module, output, len(features))
    if resolved == "label":
        raise NotNative(f"{type(module).__name__} gives labels and nothing to tell them by")
    _require_native(module)
    layers = flat_layers(module)
    if resolved == "proba":
        last = layers.pop()
        if kind_of(last) not in ("Softmax", "Sigmoid"):
            raise NotNative(f"the layer {last} has no native form")
    node, before = graph.encode(features), len(graph.fitted)
    for layer in layers:
        node = _layer(graph, node, layer)
    if _tied(layers):
        # They could not be changed one by one.
        del graph.fitted[before:]
    if resolved == "value":
        return Heads(score=node)
    if width > 1:
        proba, log_proba = graph.softmax(node), graph.log_softmax(node)
        if resolved == "proba":
            return Heads(score=proba, proba=proba, log_proba=log_proba, decision=proba)
        return Heads(score=node, proba=proba, log_proba=log_proba, decision=node)
    proba, log_proba = graph.logistic_pair(node), graph.log_logistic_pair(node)
    if resolved == "proba":
        # The rounded probability is compared with one half, not the logit with 0.
        half = graph.complement(graph.activation(node, "logistic"))
        return Heads(score=proba, proba=proba, log_proba=log_proba, decision=half)
    return Heads(score=node, proba=proba, log_proba=log_proba, decision=graph.signed_pair(node))


def _layer(graph: GraphBuilder, node: int, layer: nn.Module) -> int:
    kind, arrays = kind_of(layer), _arrays(layer)
    if kind == "Linear":
        return graph.layer(
            node,
            arrays["weight"],
            arrays.get("bias", 0.0),
            biased="bias" in arrays,
            single=_is_single(layer),
        )
    if kind == "BatchNorm1d":
        spread = np.sqrt(arrays["running_var"] + cast("nn.BatchNorm1d", layer).eps)
        node = graph.affine(node, 1.0 / spread, -arrays["running_mean"] / spread)
        if "weight" not in arrays:
            return node
        return graph.scaling(
            node,
            arrays["weight"],
            arrays.get("bias", 0.0),
            biased="bias" in arrays,
            single=_is_single(layer),
        )
    if kind == "LeakyReLU":
        above = graph.activation(node, "relu")
        below = graph.activation(graph.affine(node, -1.0), "relu")
        return graph.combine([above, below], [1.0, -cast("nn.LeakyReLU", layer).negative_slope])
    if kind == "GELU":
        return graph.activation(node, GELU[cast("nn.GELU", layer).approximate])
    if kind == "Softmax":
        return graph.softmax(node)
    if kind == "LogSoftmax":
        return graph.log_softmax(node)
    if kind in ACTIVATIONS:
        return graph.activation(node, ACTIVATIONS[kind])
    raise NotNative(f"the layer {layer} has no native form")


def _require_native(module: nn.Module) -> None:
    """Refuse what flattening would lose: hooks, and layers that are no-ops only as they stand."""
    for part in module.modules():
        if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
            raise NotNative(f"{type(part).__name__} has hooks or a forward of its own")
        if kind_of(part) == "Flatten":
            flatten = cast("nn.Flatten", part)
            if flatten.start_dim != 1:
                raise NotNative(f"the layer {part} has no native form")
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point() and tensor.element_size() not in (4, 8):
            raise NotNative(f"{type(module).__name__} has parameters of {tensor.dtype}")


def _arrays(layer: nn.Module) -> dict[str, NDArray[np.float64]]:
    """Parameters and running statistics of one layer by name."""
    state = layer.state_dict()
    return {name: state[name].cpu().numpy().astype(np.float64) for name in state}


def _tied(layers: list[nn.Module]) -> bool:
    """Whether a parameter is part of several layers."""
    parameters = [id(parameter) for layer in layers for parameter in layer.parameters()]
    return len(set(parameters)) < len(parameters)


def _is_single(layer: nn.Module) -> bool:
    return all(parameter.element_size() == 4 for parameter in layer.parameters())


def _with_output(
    output: str | None, classes: Sequence[object] | None, space: Space | None
) -> Adapter:
    return replace(
        ADAPTERS[0],
        source=partial(torch_source, output=output, classes=classes, space=space),
        build=partial(build_torch, output=output),
        with_output=None,
    )


ADAPTERS: tuple[Adapter, ...] = (
    Adapter(
        family="torch",
        classes=("torch.Sequential",),
        source=torch_source,
        build=build_torch,
        gradient=True,
        slices=False,
        note=(
            "Linear, ReLU, LeakyReLU, Tanh, Sigmoid, GELU, SiLU, BatchNorm1d and Dropout in eval "
            "mode, Flatten, Identity, Softmax, LogSoftmax; other layers are evaluated by torch"
        ),
        with_output=_with_output,
    ),
    Adapter(
        family="torch",
        classes=("torch.Module",),
        source=torch_source,
        build=build_torch,
        gradient=False,
        slices=False,
        note="single layers as in a Sequential; other modules are evaluated by torch",
        with_output=_with_output,
    ),
)
