"""A torch module called on rows of numbers: outputs, and gradients in the rows.

A module is called as it stands, on its own device and in its own precision, and never changed: its
parameters keep their values, flags and gradients. torch is imported where a module is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np

from sondage.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from sondage.models._adapter import Vjp

__all__ = ["STATELESS", "ModuleCall", "kind_of"]

#: Layers that do the same in training mode, and on each row by itself.
STATELESS = frozenset(
    {
        "Flatten",
        "GELU",
        "Identity",
        "LeakyReLU",
        "Linear",
        "LogSoftmax",
        "ReLU",
        "Sequential",
        "SiLU",
        "Sigmoid",
        "Softmax",
        "Tanh",
        "Unflatten",
    }
)

_BATCH = 16384


@dataclass(frozen=True, slots=True, eq=False)
class ModuleCall:
    """Calls of a module.

    Attributes
    ----------
    module : torch.nn.Module
    modal : tuple of torch.nn.Module
        Its parts that may do something else in training mode.
    like : pair or None
        Where its first tensor of numbers stands, by name: rows must have its precision and be on
        its device.
    flat : bool
        Whether outputs of any shape are taken, (rows, …), as (rows, outputs).
    in_place : bool
        Whether it may write into its input, so that gradients need a copy of it.
    """

    module: nn.Module
    modal: tuple[nn.Module, ...]
    like: tuple[dict[str, torch.Tensor | None], str] | None
    flat: bool = False
    in_place: bool = False

    @classmethod
    def of(cls, module: nn.Module, *, flat: bool = False) -> ModuleCall:
        """Check that the outputs of a module depend on the row and its parameters alone.

        Raises
        ------
        ModelError
            If a layer is not initialised, in training mode, or looks at the other rows of a batch.
        """
        from torch.nn.parameter import is_lazy

        name = type(module).__name__
        if any(is_lazy(parameter) for parameter in module.parameters()):
            raise ModelError(f"{name} is not initialised; call it once on rows of data first")
        for part in module.modules():
            if kind_of(part).startswith("BatchNorm") and part.running_mean is None:
                raise ModelError(
                    f"{name} has {part}, which looks at the other rows of a batch; "
                    "track_running_stats=True is needed"
                )
        modal = tuple(part for part in module.modules() if kind_of(part) not in STATELESS)
        call = cls(module, modal, _first_tensor(module), flat)
        call._require_eval()
        return call

    @property
    def precise(self) -> bool:
        """Whether the module computes in float64."""
        import torch

        return bool(self._tensor_like().dtype == torch.float64)

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return outputs, (rows,) or (rows, outputs ≥ 2), without gradients, in batches."""
        import torch

        like = self._ready()
        parts = []
        with torch.no_grad():
            for start in range(0, len(rows), _BATCH):
                batch = _copied(rows[start : start + _BATCH], like)
                parts.append(_numbers(self._outputs(batch)))
        if not parts:
            return np.empty(0)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def with_vjp(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], Vjp]:
        """Return outputs, and the product of their Jacobian with a cotangent of their shape."""
        import torch

        if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
            with torch.inference_mode(False), torch.enable_grad():
                return self.with_vjp(rows)
        leaf = _copied(rows, self._ready()).requires_grad_()
        outputs = self._outputs(leaf.clone() if self.in_place else leaf)

        def vjp(cotangent: NDArray[np.float64]) -> NDArray[np.float64]:
            given = torch.from_numpy(cotangent).to(outputs.dtype)
            if not outputs.is_cpu:
                given = given.to(outputs.device)
            if given.shape != outputs.shape:
                given = given.reshape(outputs.shape)
            gradient = _pulled_back(outputs, leaf, given)
            return np.zeros_like(rows) if gradient is None else _numbers(gradient)

        return _numbers(outputs.detach()), vjp

    def differentiable(self, n_columns: int) -> ModuleCall | None:
        """Return the call with which autograd follows outputs to the row; None if it cannot."""
        for call in (self, replace(self, in_place=True)):
            try:
                outputs, vjp = call.with_vjp(np.zeros((1, n_columns)))
                vjp(np.ones_like(outputs))
            except RuntimeError:
                continue
            return call
        return None

    def _ready(self) -> torch.Tensor:
        """Check the module's mode and place; return a tensor of its precision on its device."""
        self._require_eval()
        like = self._tensor_like()
        if like.is_meta:
            raise ModelError(
                f"{type(self.module).__name__} is on the device 'meta', which holds no numbers; "
                "move it to one that does"
            )
        return like

    def _require_eval(self) -> None:
        for part in self.modal:
            if part.training:
                raise ModelError(
                    f"{type(self.module).__name__} is in training mode, in which "
                    f"{type(part).__name__} may change what it gives; call its eval() first"
                )

    def _tensor_like(self) -> torch.Tensor:
        import torch

        if self.like is None:
            return torch.empty(0, dtype=torch.float32)
        tensors, name = self.like
        return cast("torch.Tensor", tensors[name])

    def _outputs(self, batch: torch.Tensor) -> torch.Tensor:
        """Return what the module gives, (rows,) or (rows, outputs ≥ 2)."""
        import torch

        name = type(self.module).__name__
        try:
            given = self.module(batch)
        except RuntimeError as error:
            tensors = chain(self.module.parameters(), self.module.buffers())
            places = sorted({str(tensor.device) for tensor in tensors})
            if len(places) > 1:
                raise ModelError(
                    f"{name} has parameters on several devices ({', '.join(places)}), and could "
                    f"not be called on rows on {batch.device}: {error}"
                ) from error
            raise
        if not isinstance(given, torch.Tensor):
            raise ModelError(
                f"{name} gives {type(given)}; a tensor (rows,) or (rows, outputs) is needed"
            )
        shape = given.shape
        if len(shape) == 0 or (len(shape) > 2 and not self.flat):
            raise ModelError(
                f"{name} gives {tuple(shape)}; a tensor (rows,) or (rows, outputs) is needed"
            )
        if shape[0] != batch.shape[0]:
            raise ModelError(f"{name} gives {shape[0]} outputs for {batch.shape[0]} rows")
        if len(shape) > 2:
            given = given.flatten(1)
        return given.squeeze(1) if given.shape[1:] == (1,) else given


def kind_of(layer: nn.Module) -> str:
    """Name of a layer's class if it is torch's own, else ""."""
    cls = type(layer)
    return cls.__name__ if cls.__module__.startswith("torch.nn.modules.") else ""


def _first_tensor(module: nn.Module) -> tuple[dict[str, torch.Tensor | None], str] | None:
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.is_floating_point():
                    return cast("dict[str, torch.Tensor | None]", tensors), name
    return None


def _copied(rows: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    """Return rows as a tensor like another: always a copy, for a layer may write into its input."""
    import torch

    if like.is_cpu and like.dtype == torch.float32 and rows.flags.writeable:
        return torch.from_numpy(rows).to(torch.float32)
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


def _pulled_back(
    outputs: torch.Tensor, leaf: torch.Tensor, cotangent: torch.Tensor
) -> torch.Tensor | None:
    """Return the gradient by the leaf alone, parameters get none; None where it has no part."""
    import torch

    if type(outputs) is torch.Tensor and _engine_runs():
        # What `torch.autograd.grad` ends in. Its checks in Python, of shapes that are right here,
        # take as long as the backward pass of a small module.
        engine = torch.autograd.Variable._execution_engine
        found = engine.run_backward(
            (outputs,), (cotangent,), False, False, (leaf,), True, accumulate_grad=False
        )
    else:
        found = torch.autograd.grad(outputs, leaf, cotangent, allow_unused=True)
    return cast("torch.Tensor | None", found[0])


@cache
def _engine_runs() -> bool:
    """Whether torch's engine, which is not of its public interface, can be called as it could."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        leaf = torch.ones(1, requires_grad=True)
        try:
            (found,) = torch.autograd.Variable._execution_engine.run_backward(
                (2.0 * leaf,), (torch.ones(1),), False, False, (leaf,), True, accumulate_grad=False
            )
        except (AttributeError, TypeError):
            return False
        return bool(found == 2.0 and leaf.grad is None)


def _numbers(outputs: torch.Tensor) -> NDArray[np.float64]:
    import torch

    if outputs.is_cpu and outputs.dtype == torch.float32:
        return cast("NDArray[np.float64]", outputs.numpy().astype(np.float64))
    return cast("NDArray[np.float64]", outputs.to(device="cpu", dtype=torch.float64).numpy())
