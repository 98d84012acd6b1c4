"""Questions asked through a decoder: latent rows are sampled, rows of data are answered."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np

from sondage._assembly import Assembly
from sondage._core import Loss
from sondage._probes import Placed
from sondage._question import Question
from sondage.decoders import Affine, Decoder, Function, Module
from sondage.errors import QuestionError
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from sondage._checks import Check
    from sondage._decoding import Decoding
    from sondage._evaluation import Evaluation
    from sondage._lookups import Lookups
    from sondage._question import Part, Term

__all__ = ["Pullback", "pullback"]


def pullback(
    question: Question | Literal[0],
    decoder: Decoder | nn.Module | Callable[..., Any] | tuple[ArrayLike, ArrayLike],
    latent: Space | None = None,
) -> Question:
    """Ask a question through a decoder φ: G(φ(z)), a function of latent rows z (MATH section 7).

    Parameters
    ----------
    question : Question
        About rows of data.
    decoder : decoder, torch module, callable or (matrix, shift)
        From latent rows to rows of data: one of `sondage.decoders`, or what they are made of.
    latent : Space, optional
        Of the latent rows. None: what the decoder says; modules and callables say nothing. It
        holds continuous columns and fixed numbers, as does the space of the data.

    Returns
    -------
    Question
        To be asked on the space of the data, whose columns the decoder gives; rows that it puts
        outside of that space have G = +∞. The answer is in data space, its ``latents`` are what
        was sampled. ``start=`` is in latent space, as are the rows of `evaluate` and `gradient`.

    Raises
    ------
    QuestionError
        If an argument is of another kind. Whether it fits the space is checked where the question
        meets it.

    Notes
    -----
    The base measure is Lebesgue on the latent space; for `decoders.BoxSigmoid` the Jacobian makes
    it Lebesgue on the space of the data. Terms inside the pullback are about rows of data, terms
    that are added to it about latent rows:
    ``pullback(fixed_label(model, 1) + near(row), decoder) + 0.5 * near(origin)`` stays near `row`
    in data space and near `origin` in latent space.

    >>> from sondage.questions import near
    >>> pullback(near([0.5, 0.5]), ([[1.0], [2.0]], 0.0)) + near([0.0])
    pullback(near([0.5, 0.5], norm=2), decoders.Affine([[1.0], [2.0]], 0.0)) + near([0.0], norm=2)
    """
    if not isinstance(question, Question):
        raise QuestionError(f"question is {type(question).__name__}; a question is needed")
    if isinstance(question, Pullback):
        raise QuestionError("the question is a pullback already; compose its decoder with this one")
    if latent is not None and not isinstance(latent, Space):
        raise QuestionError(f"latent is {type(latent).__name__}; a sondage.Space is needed")
    return Pullback(question, as_decoder(decoder), latent, None)


def as_decoder(given: object) -> Decoder:
    """Return a decoder as it is, or made of a torch module, a callable or (matrix, shift)."""
    if isinstance(given, Decoder):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return Affine(*given)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.nn.Module):
        return Module(given)
    if callable(given) and not isinstance(given, type):
        return Function(given)
    raise QuestionError(
        f"decoder is {type(given).__name__}; one of sondage.decoders, a torch module, a callable "
        "or a pair (matrix, shift) is needed"
    )


@dataclass(frozen=True, slots=True, repr=False)
class Pullback(Question):
    """G(φ(z)), beside terms of z itself; made by `pullback` and ``+``."""

    _decodes: ClassVar[bool] = True

    question: Question
    decoder: Decoder
    space_of_latents: Space | None
    beside: Question | None

    @property
    def terms(self) -> tuple[tuple[float, Term], ...]:
        """The summands: those about rows of data, then those about latent rows."""
        return self.question.terms + (() if self.beside is None else self.beside.terms)

    def __add__(self, other: Question | Literal[0]) -> Question:
        """Add a question about latent rows, or another one through the same decoder."""
        if isinstance(other, Pullback):
            if (other.decoder, other.space_of_latents) != (self.decoder, self.space_of_latents):
                raise QuestionError(
                    f"questions through different decoders cannot be added: {self.decoder!r} and "
                    f"{other.decoder!r}, or their latent spaces differ"
                )
            beside = _sum(self.beside, other.beside)
            return replace(self, question=self.question + other.question, beside=beside)
        if isinstance(other, Question):
            return replace(self, beside=_sum(self.beside, other))
        return Question.__add__(self, other)

    @overload
    def __radd__(self, other: Literal[0]) -> Question: ...  # type: ignore[overload-overlap]
    @overload
    def __radd__(self, other: int) -> None: ...
    @overload
    def __radd__(self, other: Question) -> Question: ...
    def __radd__(self, other: Question | int) -> Question | None:
        """Add to a question about latent rows; let a `sum` start from zero."""
        if isinstance(other, Question):
            return replace(self, beside=_sum(other, self.beside))
        return Question.__radd__(self, other)

    def __mul__(self, weight: float | np.floating[Any] | np.integer[Any]) -> Question:
        """Weigh the question by a finite number."""
        question = self.question * weight
        return replace(
            self, question=question, beside=None if self.beside is None else self.beside * weight
        )

    __rmul__ = __mul__

    def describe(self) -> str:
        """Say in words what is asked.

        Returns
        -------
        str
        """
        decoded = f"Find latent rows that, decoded {self.decoder.words()}, are rows where"
        text = f"{decoded}{self.question._wanted()}."
        if self.beside is None:
            return text
        return f"{text} Of the latent rows themselves it is asked that{self.beside._wanted()}."

    def _sampled(self, space: Space) -> Space:
        """Return the latent space."""
        space._require_continuous("a pullback")
        latent = self.space_of_latents
        latent = self.decoder.latent(space) if latent is None else latent
        latent._require_continuous("a pullback")
        return latent

    def _everywhere(self, array: NDArray[np.float64]) -> Space:  # noqa: ARG002
        raise QuestionError("gradient needs space=, that of the data, for a pullback")

    def _on(self, space: Space, temperature: float | None = None) -> Evaluation:
        """G of latent rows; with a temperature, what is sampled: G − τ log|det ∂φ|."""
        latent = self._sampled(space)
        decoding = self.decoder.place(latent, space)
        n_data = len(space.columns)
        assembly = Assembly(n_data + len(latent.columns))
        assembly.add(self.question.terms, space)
        if self.beside is not None:
            assembly.add(self.beside.terms, latent, n_data)
        if temperature is not None and decoding.log_det is not None:
            volume = ((_Volume(decoding), decoding.log_det),)
            assembly.ask([(-temperature, volume, Loss.value())], latent, n_data)
        if temperature is not None:
            assembly.restrict(space)
            assembly.restrict(latent, n_data)
        return assembly.evaluation(latent, decoding=decoding, decoded=space)

    def _parts(
        self, space: Space, draws: NDArray[np.float64], latents: NDArray[np.float64] | None
    ) -> list[Part]:
        parts: list[Part] = [(self.question, space, draws)]
        if self.beside is not None and latents is not None:
            parts.append((self.beside, self._sampled(space), latents))
        return parts

    def _checks(self) -> list[Check]:
        """Conditions that a valid row of data fulfils."""
        return self.question._checks()

    def __repr__(self) -> str:
        latent = "" if self.space_of_latents is None else f", latent={self.space_of_latents!r}"
        beside = "" if self.beside is None else f" + {self.beside!r}"
        return f"pullback({self.question!r}, {self.decoder!r}{latent}){beside}"


@dataclass(frozen=True, slots=True, eq=False)
class _Volume:
    """log|det ∂φ|, as a question's losses ask for it."""

    decoding: Decoding
    name: str = "log|det ∂φ|"
    differentiable: bool = True

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:  # noqa: ARG002
        return Placed(self.decoding.graph, np.arange(first, first + len(space.columns)))


def _sum(first: Question | None, second: Question | None) -> Question | None:
    if first is None or second is None:
        return first if second is None else second
    return first + second
