"""What a decoder is, and what every one checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sondage.columns import Fixed
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage._decoding import Decoding
    from sondage.space import Space

__all__ = ["Decoder", "require_pinned"]


class Decoder(ABC):
    """A map from latent rows to rows of data."""

    __slots__ = ()

    def latent(self, space: Space) -> Space:  # noqa: ARG002
        """Return the latent space that is meant when none is given.

        Raises
        ------
        QuestionError
            If there is none that follows from the decoder and the space of the data.
        """
        raise QuestionError(
            f"{self!r} does not say where its latent rows lie; give latent=, a Space of its inputs"
        )

    @abstractmethod
    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map from a latent space to a space of data.

        Raises
        ------
        QuestionError
            If it does not go from the one to the other.
        """

    @abstractmethod
    def words(self) -> str:
        """Say what it is, in a clause that follows "decoded"."""


def require_pinned(pinned: Mapping[str, object], space: Space) -> None:
    """Refuse fixed columns that a decoder does not fix at the same value."""
    for name, kind in space.kinds.items():
        if not isinstance(kind, Fixed):
            continue
        if name not in pinned:
            raise QuestionError(
                f"column {name!r} of the space is fixed at {kind.value!r}, and the decoder moves "
                "it: give it bounds, or leave it out of the decoder (decoders.Embedding)"
            )
        if pinned[name] != kind.value:
            raise QuestionError(
                f"column {name!r} of the space is fixed at {kind.value!r}, and by the decoder at "
                f"{pinned[name]!r}"
            )
