"""Decoders on their spaces: graphs for the core, or calls that Python makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sondage._probes import failed
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from sondage._core import Graph
    from sondage._lookups import Lookups
    from sondage._probes import Outputs
    from sondage.models._adapter import Vjp

__all__ = ["DecodedOutputs", "Decoding", "FunctionCall"]

_Floats: TypeAlias = "NDArray[np.float64]"

_BATCH = 16384


@dataclass(frozen=True, slots=True)
class Decoding:
    """A map φ from a latent space to a space of data.

    Attributes
    ----------
    graph : Graph
        Over the latent row.
    node : int
        The data row.
    log_det : int or None
        The node of log|det ∂φ|, where the sampled density takes it into account.
    call : FunctionCall or None
        What Python evaluates, where that is the node.
    name : str
        Of what it calls.
    """

    graph: Graph
    node: int
    log_det: int | None = None
    call: FunctionCall | None = None
    name: str = ""

    def decode(self, latents: _Floats) -> _Floats:
        """Return rows of data, (rows, columns).

        Raises
        ------
        ModelError
            If the user's decoder fails; its exception is the cause.
        """
        if self.call is None:
            return self.graph.forward(latents, self.node)
        parts = [np.empty((0, self.call.width))]
        for first in range(0, len(latents), _BATCH):
            batch = np.ascontiguousarray(latents[first : first + _BATCH])
            try:
                parts.append(self.call.values(batch))
            except Exception as error:  # the user's decoder may raise anything
                raise failed(self.name, len(batch), error) from error
        return np.concatenate(parts)

    def volume(self, latents: _Floats) -> _Floats:
        """Return log|det ∂φ| where it is taken into account, else 0; shape (rows,)."""
        if self.log_det is None:
            return np.zeros(len(latents))
        return self.graph.forward(latents, self.log_det)[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall:
    """A decoder that Python calls.

    Attributes
    ----------
    function : callable
        From latent rows to (rows, …).
    slopes : callable or None
        The same with its vjp.
    width : int
        Columns of the data.
    """

    function: Callable[[_Floats], Any]
    slopes: Callable[[_Floats], tuple[Any, Callable[[Any], Any]]] | None
    width: int

    @property
    def differentiable(self) -> bool:
        """Whether there is a gradient."""
        return self.slopes is not None

    @property
    def key(self) -> Hashable:
        """The same for the same function."""
        return id(self.function)

    def values(self, rows: _Floats) -> _Floats:
        """Decode latent rows."""
        return self._flat(self.function(rows), len(rows))

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        """Decode latent rows; also return what takes cotangents of the data back to them."""
        assert self.slopes is not None
        given, back = self.slopes(rows)
        shape = np.shape(given)

        def vjp(cotangent: _Floats) -> _Floats:
            gradient = np.asarray(back(cotangent.reshape(shape)), dtype=np.float64)
            if gradient.shape != rows.shape:
                raise QuestionError(f"its vjp gave shape {gradient.shape}; {rows.shape} is needed")
            return gradient

        return self._flat(given, len(rows)), vjp

    def _flat(self, given: object, n: int) -> _Floats:
        data = np.asarray(given, dtype=np.float64)
        if data.ndim == 0 or len(data) != n or data.size != n * self.width:
            raise QuestionError(
                f"it gave shape {data.shape} for {n} latent rows; ({n}, {self.width}) is needed, a "
                "number for each column of the space"
            )
        return data.reshape(n, self.width)


@dataclass(frozen=True, slots=True)
class DecodedOutputs:
    """What a decoder of Python gives, and behind it what the models of Python say of that.

    Attributes
    ----------
    call : FunctionCall
    name : str
        Of the decoder.
    probes : Outputs or None
        Functions of the rows ``[data columns, latent columns]``.
    lookups : Lookups
        What these rows have appended.
    """

    call: FunctionCall
    name: str
    probes: Outputs | None
    lookups: Lookups

    @property
    def names(self) -> tuple[str, ...]:
        """The decoder, then the models and functions."""
        return (self.name, *(() if self.probes is None else self.probes.names))

    def values(self, rows: _Floats) -> _Floats:
        """Return the data rows and the outputs for them, side by side."""
        try:
            data = self.call.values(rows)
        except Exception as error:  # the user's decoder may raise anything
            raise failed(self.name, len(rows), error) from error
        if self.probes is None:
            return np.ascontiguousarray(data)
        outputs = self.probes.values(self._asked(data, rows))
        return np.ascontiguousarray(np.concatenate([data, outputs], axis=1))

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        """Return the same; also what takes cotangents back to the latent rows."""
        n = self.call.width
        try:
            data, back = self.call.with_vjp(rows)
        except Exception as error:  # the user's decoder may raise anything
            raise failed(self.name, len(rows), error) from error
        given, outputs, vjp = np.ascontiguousarray(data), None, None
        if self.probes is not None:
            outputs, vjp = self.probes.with_vjp(self._asked(data, rows))
            given = np.ascontiguousarray(np.concatenate([data, outputs], axis=1))

        def pull(cotangents: _Floats) -> _Floats:
            of_data, of_latent = cotangents[:, :n], None
            if vjp is not None:
                through = vjp(cotangents[:, n:])
                of_data, of_latent = of_data + through[:, :n], through[:, n : n + rows.shape[1]]
            try:
                gradient = back(np.ascontiguousarray(of_data))
            except Exception as error:  # the user's decoder may raise anything
                raise failed(self.name, len(rows), error, "the gradient") from error
            return np.ascontiguousarray(gradient if of_latent is None else gradient + of_latent)

        return given, pull

    def _asked(self, data: _Floats, latents: _Floats) -> _Floats:
        return self.lookups.appended(np.concatenate([data, latents], axis=1))
