"""What a run has drawn, in the space of its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sondage._encoding import as_given
from sondage.errors import ModelError, SamplingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._evaluation import Evaluation
    from sondage.space import Space

__all__ = ["Drawn"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws of all chains.

    Attributes
    ----------
    draws : ndarray of shape (chains, draws, columns)
    energies : ndarray of shape (chains, draws)
        G alone, whatever else the sampled density holds.
    valid : ndarray of bool, shape (chains, draws)
        All False, for `recheck` to fill.
    latents : ndarray of shape (chains, draws, latent columns), or None
        The rows that were decoded to the draws.
    """

    draws: NDArray[np.float64]
    energies: NDArray[np.float64]
    valid: NDArray[np.bool_]
    latents: NDArray[np.float64] | None

    @classmethod
    def before_decoding(cls, result: dict[str, Any], evaluation: Evaluation, width: int) -> Drawn:
        """Return what `Run.finish` gave; no draws yet where they must be decoded."""
        sampled, energies = result["draws"], result["energies"]
        if evaluation.decoding is None:
            if evaluation.base is not None:
                temperature, reference = evaluation.base
                log = reference.log_density(sampled.reshape(-1, sampled.shape[-1]))
                energies = energies + temperature * log.reshape(energies.shape)
            return cls(sampled, energies, np.zeros(energies.shape, dtype=np.bool_), None)
        return cls(
            np.empty((len(sampled), 0, width)), energies[:, :0], energies[:, :0] > 0, sampled[:, :0]
        )

    def decoded(
        self, result: dict[str, Any], evaluation: Evaluation, temperature: float, space: Space
    ) -> Drawn:
        """Return the draws in data space, Float32 columns rounded to float32.

        Raises
        ------
        SamplingError
            If the user's decoder fails; its exception is the cause.
        """
        decoding = evaluation.decoding
        if decoding is None:
            return replace(self, draws=as_given(self.draws, space))
        latents, sampled = result["draws"], result["energies"]
        flat = latents.reshape(-1, latents.shape[-1])
        try:
            data = decoding.decode(flat)
        except ModelError as error:
            raise SamplingError(str(error)) from (error.__cause__ or error)
        return Drawn(
            as_given(data.reshape(*latents.shape[:2], data.shape[1]), space),
            # What was sampled is G - τ log|det ∂φ|.
            sampled + temperature * decoding.volume(flat).reshape(sampled.shape),
            np.zeros(sampled.shape, dtype=np.bool_),
            latents,
        )
