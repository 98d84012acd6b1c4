"""Functions that JAX can differentiate, told by the arrays that they give."""

from __future__ import annotations

import sys
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Traced", "traced"]


class Traced:
    """A function of rows, compiled with its vjp.

    Parameters
    ----------
    function : callable
        From a JAX array (rows, columns) to one.
    compiled : bool
        Whether JAX can compile it; else it is followed anew in each call.
    """

    def __init__(self, function: Callable[[Any], Any], *, compiled: bool) -> None:
        self.function = function
        self.compiled = compiled

    def __reduce__(self) -> tuple[Callable[..., Traced], tuple[Any, bool]]:
        return _traced, (self.function, self.compiled)

    @property
    def library(self) -> str:
        """Name and version."""
        return f"jax {import_module('jax').__version__}"

    @cached_property
    def _passes(self) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
        jax = import_module("jax")

        def forward(rows: Any) -> Any:  # noqa: ANN401
            return jax.vjp(self.function, rows)

        def backward(vjp: Any, cotangent: Any) -> Any:  # noqa: ANN401
            return vjp(cotangent)[0]

        # The vjp is a tree of arrays, so that it can pass from one compiled function to the next.
        return (jax.jit(forward), jax.jit(backward)) if self.compiled else (forward, backward)

    def __call__(
        self, rows: NDArray[np.float64]
    ) -> tuple[NDArray[Any], Callable[[NDArray[np.float64]], NDArray[Any]]]:
        """Return outputs, and what takes a cotangent of their shape back to the rows."""
        numpy = import_module("jax.numpy")
        forward, backward = self._passes
        outputs, pull = forward(numpy.asarray(rows))

        def vjp(cotangent: NDArray[np.float64]) -> NDArray[Any]:
            return np.asarray(backward(pull, numpy.asarray(cotangent, dtype=outputs.dtype)))

        return np.asarray(outputs), vjp


def traced(function: Callable[[Any], Any], row: NDArray[np.float64]) -> Traced | None:
    """Return a function with its vjp if it gives a JAX array that JAX can follow to the row."""
    jax = sys.modules.get("jax")
    if jax is None:
        return None
    try:
        if not isinstance(function(row), jax.Array):
            return None
    except Exception:  # noqa: BLE001 - a function that fails says so when it is asked something
        return None
    for compiled in (True, False):
        found = Traced(function, compiled=compiled)
        try:
            outputs, vjp = found(row)
            vjp(np.ones(outputs.shape))
        except Exception:  # noqa: BLE001 - whatever stops it, there is no gradient
            continue
        return found
    return None


def _traced(function: Callable[[Any], Any], compiled: bool) -> Traced:
    return Traced(function, compiled=compiled)
