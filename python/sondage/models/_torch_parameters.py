"""The parameters of a torch module that torch itself evaluates, and the module with others.

The user's module is only read: modules with other parameters are copies of it.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from sondage.models._calls import Foreign
from sondage.models._torch_call import ModuleCall
from sondage.models._torch_source import TorchSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray
    from torch import nn

    from sondage.models._model import Model

__all__ = ["TorchParameters", "losses"]

#: Rows in one call, over all vectors: what a backward pass keeps of each may be large.
_ROWS = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class TorchParameters:
    """All of a module's `parameters()` as one vector, in the order of `named_parameters()`.

    Attributes
    ----------
    model : Model
    source : TorchSource
    values : ndarray of shape (parameters,)
        What training found.
    """

    model: Model
    source: TorchSource
    values: NDArray[np.float64]

    @classmethod
    def of(cls, model: Model) -> TorchParameters | None:
        """Find the parameters; None if the model is no module with parameters of real numbers.

        A module of which the core knows every parameter by itself is left to it.
        """
        source = model._source
        known = model._native is not None and bool(model._native.fitted)
        if known or not isinstance(source, TorchSource):
            return None
        parts = [p for _, p in source.call.module.named_parameters()]
        if not parts or not all(p.is_floating_point() for p in parts):
            return None
        flat = [p.detach().cpu().double().numpy().ravel() for p in parts]
        return cls(model, source, np.concatenate(flat))

    @property
    def module(self) -> nn.Module:
        """The user's module."""
        return self.source.call.module

    @property
    def single(self) -> bool:
        """Whether all of them are of float32."""
        return all(p.element_size() == 4 for p in self.module.parameters())

    def names(self) -> list[str]:
        """Name every parameter as torch does, by position in it."""
        return [
            f"{name}[{','.join(map(str, index))}]"
            for name, parameter in self.module.named_parameters()
            for index in np.ndindex(tuple(parameter.shape))
        ]

    def rounded(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vectors with those of float32 rounded to it."""
        out = np.array(vectors, dtype=np.float64)
        first = 0
        for parameter in self.module.parameters():
            last = first + parameter.numel()
            if parameter.element_size() == 4:
                out[..., first:last] = out[..., first:last].astype(np.float32)
            first = last
        return out

    def tensors(self, vectors: NDArray[np.float64]) -> dict[str, torch.Tensor]:
        """Return the tensors of vectors (n, parameters), each (n, …), by name."""
        import torch

        out: dict[str, torch.Tensor] = {}
        first = 0
        for name, parameter in self.module.named_parameters():
            last = first + parameter.numel()
            part = torch.tensor(vectors[:, first:last], dtype=parameter.dtype)
            out[name] = part.reshape(len(vectors), *parameter.shape).to(parameter.device)
            first = last
        return out

    def model_with(self, vector: NDArray[np.float64]) -> Model:
        """Return the model of a copy of the module with these parameters."""
        import torch

        module = copy.deepcopy(self.module)
        moved = self.tensors(vector[np.newaxis])
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(moved[name][0])
        call = replace(ModuleCall.of(module), in_place=self.source.call.in_place)
        source = replace(self.source, call=call)
        digest = hashlib.blake2b(self.model.fingerprint.encode(), digest_size=16)
        digest.update(vector.tobytes())
        return replace(
            self.model,
            native=False,
            differentiable=source.differentiable,
            fingerprint=digest.hexdigest(),
            _native=None,
            _source=source,
            _foreign=Foreign.of(source),
        )


def losses(
    parameters: TorchParameters,
    rows: NDArray[np.float64],
    target: NDArray[np.int64] | NDArray[np.float64],
) -> Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Mean training loss (C,) and its gradient (C, parameters) at vectors (C, parameters).

    −log p of the classes from logits, or ½ (value − target)², for all vectors in one call.
    """
    import torch
    from torch.func import functional_call, grad_and_value, vmap

    module = parameters.module
    like = next(module.parameters())
    x = torch.tensor(rows, dtype=like.dtype, device=like.device)
    classified = parameters.model.classes is not None
    wanted = torch.tensor(
        target, dtype=torch.int64 if classified else like.dtype, device=like.device
    )

    def loss(
        tensors: dict[str, torch.Tensor], x: torch.Tensor, wanted: torch.Tensor
    ) -> torch.Tensor:
        out = cast("torch.Tensor", functional_call(module, tensors, (x,)))
        out = out[:, 0] if out.ndim == 2 and out.shape[1] == 1 else out
        if not classified:
            return 0.5 * ((out - wanted) ** 2).sum()
        if out.ndim == 1:
            return torch.nn.functional.binary_cross_entropy_with_logits(
                out, wanted.to(out.dtype), reduction="sum"
            )
        return torch.nn.functional.cross_entropy(out, wanted, reduction="sum")

    both = vmap(grad_and_value(loss), in_dims=(0, None, None), randomness="error")

    def evaluate(
        vectors: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        tensors = parameters.tensors(vectors)
        total, gradient = np.zeros(len(vectors)), np.zeros_like(vectors)
        block = max(_ROWS // len(vectors), 1)
        for first in range(0, len(x), block):
            part = slice(first, first + block)
            slopes, values = both(tensors, x[part], wanted[part])
            flat = [slopes[name].reshape(len(vectors), -1) for name, _ in module.named_parameters()]
            total += values.detach().cpu().double().numpy()
            gradient += torch.cat(flat, dim=1).cpu().double().numpy()
        return total / len(x), gradient / len(x)

    return evaluate
