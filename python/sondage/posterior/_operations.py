"""Operations of a graph forwards and backwards, for many parameter vectors at once.

Values are (C, width, rows), or (width, rows) where they are the same for all C vectors; weights are
(C, outputs, inputs) or (outputs, inputs) likewise, biases and scales without the last axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["backward", "forward", "parameter_slope", "sources", "supported"]

Floats: TypeAlias = "NDArray[np.float64]"
#: Its kind, the node or nodes that it reads, and what it does with them.
Operation: TypeAlias = tuple[Any, ...]


def sources(operation: Operation) -> list[int]:
    """Nodes that an operation reads, each once."""
    kind = operation[0]
    if kind in ("row", "encode", "trees", "foreign"):
        return []
    if kind == "multiply":
        return list(dict.fromkeys(operation[1:3]))
    return list(dict.fromkeys(operation[1])) if isinstance(operation[1], list) else [operation[1]]


def supported(operation: Operation) -> bool:
    """Whether this module knows the way back."""
    if operation[0] == "activation":
        return operation[2] in _ACTIVATIONS
    return operation[0] in ("linear", "affine", "combine", "softmax", "log_softmax")


def forward(operation: Operation, values: dict[int, Floats]) -> Floats:
    """Value of an operation."""
    kind = operation[0]
    if kind == "combine":
        parts = zip(operation[1], operation[2], strict=True)
        return np.asarray(sum(w * values[node] for node, w in parts) / operation[3])
    x = values[operation[1]]
    if kind == "linear":
        return np.asarray(_product(operation[2], x) + operation[3][..., np.newaxis])
    if kind == "affine":
        return np.asarray(operation[2][..., np.newaxis] * x + operation[3][..., np.newaxis])
    if kind == "activation":
        return _ACTIVATIONS[operation[2]][0](x)
    logs = log_softmax(x)
    return np.exp(logs) if kind == "softmax" else logs


def backward(
    operation: Operation, source: int, values: dict[int, Floats], own: Floats, back: Floats
) -> Floats:
    """Slope in the value of a source, from the operation's own value and the slope in it."""
    kind = operation[0]
    if kind == "combine":
        parts = zip(operation[1], operation[2], strict=True)
        return np.asarray(back * (sum(w for node, w in parts if node == source) / operation[3]))
    if kind == "linear":
        return np.asarray(np.matmul(operation[2].swapaxes(-1, -2), back))
    if kind == "affine":
        return np.asarray(operation[2][..., np.newaxis] * back)
    if kind == "activation":
        return back * _ACTIVATIONS[operation[2]][1](values[source], own)
    if kind == "softmax":
        return np.asarray(own * (back - (own * back).sum(axis=-2, keepdims=True)))
    return np.asarray(back - np.exp(own) * back.sum(axis=-2, keepdims=True))


def parameter_slope(operation: Operation, entry: int, x: Floats, back: Floats) -> Floats:
    """Slope in the weights or scales (entry 2) or biases or shifts (3), (C, …)."""
    if entry == 3:
        return np.asarray(back.sum(axis=-1))
    if operation[0] == "affine":
        return np.asarray((back * x).sum(axis=-1))
    if x.ndim == 2:
        c, out, n = back.shape
        return np.asarray((back.reshape(c * out, n) @ x.T).reshape(c, out, len(x)))
    return np.asarray(np.matmul(back, x.swapaxes(1, 2)))


def log_softmax(x: Floats) -> Floats:
    """Logarithms of the shares of e^x along the width."""
    shifted = x - x.max(axis=-2, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-2, keepdims=True)))


def _product(weights: Floats, x: Floats) -> Floats:
    if weights.ndim == 3 and x.ndim == 2:
        # One product for all vectors.
        c, out, n = weights.shape
        return np.asarray((weights.reshape(c * out, n) @ x).reshape(c, out, -1))
    return np.asarray(np.matmul(weights, x))


def logistic(x: Floats) -> Floats:
    """1/(1 + e^−x), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


def _gelu(x: Floats) -> Floats:
    return np.asarray(x * _normal_share(x))


def _gelu_slope(x: Floats, _: Floats) -> Floats:
    return np.asarray(_normal_share(x) + x * np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


def _normal_share(x: Floats) -> Floats:
    # numpy has no erf; models with this function come from torch, which has.
    import torch

    return np.asarray(0.5 + 0.5 * torch.special.erf(torch.from_numpy(x / np.sqrt(2.0))).numpy())


_C, _D = np.sqrt(2.0 / np.pi), 0.044715


def _gelu_tanh(x: Floats) -> Floats:
    return np.asarray(0.5 * x * (1.0 + np.tanh(_C * (x + _D * x**3))))


def _gelu_tanh_slope(x: Floats, _: Floats) -> Floats:
    t = np.tanh(_C * (x + _D * x**3))
    return np.asarray(0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * _C * (1.0 + 3.0 * _D * x * x))


def _silu_slope(x: Floats, y: Floats) -> Floats:
    share = logistic(x)
    return np.asarray(share + y * (1.0 - share))


#: The function, and its derivative from argument and value.
_ACTIVATIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], Floats]]] = {
    "relu": (lambda x: np.maximum(x, 0.0), lambda x, _: (x > 0.0).astype(np.float64)),
    "tanh": (np.tanh, lambda _, y: 1.0 - y * y),
    "logistic": (logistic, lambda _, y: y * (1.0 - y)),
    "gelu": (_gelu, _gelu_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "silu": (lambda x: x * logistic(x), _silu_slope),
    "exp": (np.exp, lambda _, y: y),
    "expm1": (np.expm1, lambda _, y: y + 1.0),
    "log1p": (np.log1p, lambda x, _: 1.0 / (1.0 + x)),
}
