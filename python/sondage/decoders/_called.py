"""Decoders that Python calls: torch modules and functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from sondage._core import Graph
from sondage._decoding import Decoding, FunctionCall
from sondage.decoders._base import Decoder, require_pinned
from sondage.errors import QuestionError
from sondage.models._callable_source import WithVjp
from sondage.models._jax import traced
from sondage.models._torch_call import ModuleCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from sondage.space import Space

__all__ = ["Function", "Module"]

_Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True, repr=False)
class Function(Decoder):
    """A function of the user.

    Parameters
    ----------
    function : callable
        From latent rows (rows, latent columns) to rows of data, (rows, columns) or of any shape
        (rows, …) with as many numbers.
    vjp : callable, optional
        From the latent rows and a cotangent of the shape of the function's output to the gradient
        of their product, of the shape of the latent rows. Without one there is no gradient, unless
        the function gives JAX arrays.

    Raises
    ------
    QuestionError
        If an argument is not callable.
    """

    function: Callable[[_Floats], Any]
    vjp: Callable[[_Floats, _Floats], Any] | None = None

    def __post_init__(self) -> None:
        for what, value in (("function", self.function), ("vjp", self.vjp)):
            if not (callable(value) or (what == "vjp" and value is None)):
                raise QuestionError(f"{what} is {type(value).__name__}; a callable is needed")

    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map; see `Decoder.place`."""
        row = _middle(latent)
        slopes = (
            traced(self.function, row)
            if self.vjp is None
            else WithVjp(cast("Callable[[object], Any]", self.function), self.vjp)
        )
        call = FunctionCall(self.function, slopes, len(space.columns))
        return _placed(self, call, latent, space)

    @property
    def name(self) -> str:
        """Name of the function."""
        return _called(self.function)

    def words(self) -> str:
        """Say what it is."""
        return f"by the function {self.name}"

    def __repr__(self) -> str:
        vjp = "" if self.vjp is None else f", vjp={_called(self.vjp)}"
        return f"decoders.Function({self.name}{vjp})"


@dataclass(frozen=True, slots=True, repr=False)
class Module(Decoder):
    """A torch module, from (rows, latent columns) to (rows, …), as the decoder of a VAE.

    Parameters
    ----------
    module : torch.nn.Module
        In eval mode.
    """

    module: nn.Module

    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map; see `Decoder.place`."""
        call = ModuleCall.of(self.module, flat=True)
        sloped = call.differentiable(len(latent.columns))
        own = call if sloped is None else sloped
        width = len(space.columns)
        return _placed(
            self, FunctionCall(own, None if sloped is None else own.with_vjp, width), latent, space
        )

    @property
    def name(self) -> str:
        """Name of the module's class."""
        return type(self.module).__name__

    def words(self) -> str:
        """Say what it is."""
        return f"by the torch module {self.name}"

    def __repr__(self) -> str:
        return f"decoders.Module({self.name})"


def _called(function: object) -> str:
    own = getattr(function, "__name__", None)
    return own if isinstance(own, str) else type(function).__name__


def _placed(
    decoder: Function | Module, call: FunctionCall, latent: Space, space: Space
) -> Decoding:
    require_pinned({}, space)
    try:
        call.values(_middle(latent))
    except Exception as error:  # the user's function may raise anything
        raise QuestionError(
            f"{decoder!r} could not decode a row of {len(latent.columns)} latent columns: "
            f"{type(error).__name__}: {error}"
        ) from error
    n = len(latent.columns)
    operations = [("row",), ("foreign", call.width, call.differentiable)]
    return Decoding(Graph(n, operations), 1, None, call, decoder.name)


def _middle(space: Space) -> _Floats:
    lower, upper = space._lower_upper()
    return np.array([0.5 * (lower + upper)])
