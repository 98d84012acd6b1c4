"""Replica exchange: what a ladder of temperatures did, and the evidence from it (MATH 3.7, 13).

``log E[exp(−G/τ)]`` under the base measure is a sum of stepping stones: logarithms of mean ratios
between neighbouring temperatures, and of one mean over independent rows of the base measure. Means
are pooled over chains; the standard error comes from the spread between chains alone, so that it
counts what draws of one chain have in common. With eight chains it is itself known to a quarter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sondage import _text as text
from sondage.errors import SamplingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage.answer import Answer

__all__ = ["LogEvidence", "TemperingStatistics", "log_evidence"]

#: Share of accepted exchanges below which rows hardly pass from one temperature to the next.
LEAST_RATE = 0.1


class LogEvidence(NamedTuple):
    """An estimate of ``log E[exp(−G/τ)]`` under the base measure of a space.

    Parameters
    ----------
    value : float
    se : float
        Standard error, from the spread between chains; NaN with a single chain.
    """

    value: float
    se: float


@dataclass(frozen=True, slots=True)
class TemperingStatistics:
    """What a ladder of temperatures did after warm-up.

    Parameters
    ----------
    temperatures : tuple of float
        Ascending, as they were used.
    swaps : tuple of tuple of float
        For each pair of neighbours and each chain, the share of exchanges that were accepted.
    stones : tuple of tuple of float
        For each pair of neighbours and each chain, ``log mean exp(−(1/τ_k − 1/τ_{k+1}) G)`` over
        the rows at the higher temperature.
    base : tuple of float
        For each chain, ``log mean exp(−G/τ_m)`` over independent rows of the base measure, with
        τ_m the highest temperature; NaN where none met the conditions of the space, empty where the
        run did not complete.
    round_trips : tuple of int
        For each chain, how often a row went from the lowest temperature to the highest and back.
    """

    temperatures: tuple[float, ...]
    swaps: tuple[tuple[float, ...], ...]
    stones: tuple[tuple[float, ...], ...]
    base: tuple[float, ...]
    round_trips: tuple[int, ...]

    @property
    def swap_rates(self) -> tuple[float, ...]:
        """Mean over chains of the accepted share, for each pair of neighbours."""
        return tuple(math.fsum(own) / len(own) for own in self.swaps)

    @property
    def wanted(self) -> int:
        """Temperatures for neighbours to accept about half of their exchanges.

        Twice the barrier between the ends, the sum of refused shares, and one (Syed et al. 2022). A
        pair that refuses nearly all hides how much, so more may be wanted still.
        """
        barrier = math.fsum(1.0 - rate for rate in self.swap_rates)
        return math.ceil(2.0 * barrier) + 1

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON; numbers that are not finite become text."""
        return {
            "temperatures": list(self.temperatures),
            "swaps": [[_written(share) for share in own] for own in self.swaps],
            "stones": [[_written(log) for log in own] for own in self.stones],
            "base": [_written(log) for log in self.base],
            "round_trips": list(self.round_trips),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> TemperingStatistics:
        """Read what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the data is of another shape.
        """
        return cls(
            temperatures=_numbers(data["temperatures"]),
            swaps=tuple(_numbers(own) for own in _listed(data["swaps"])),
            stones=tuple(_numbers(own) for own in _listed(data["stones"])),
            base=_numbers(data["base"]),
            round_trips=tuple(int(count) for count in _numbers(data["round_trips"])),
        )


def log_evidence(answer: Answer) -> LogEvidence:
    """Estimate ``log E[exp(−G/τ)]`` from a tempered run; see `Answer.log_evidence`."""
    found = answer.statistics.tempering
    temperature = answer.settings.temperature
    if found is None:
        raise SamplingError(
            "log_evidence needs a run at several temperatures: ask again with kernel="
            f"{suggestion(answer)}, or with temperature=[…]"
        )
    if not found.base or any(math.isnan(log) for own in found.stones for log in own):
        raise SamplingError(
            f"log_evidence needs a run that completes; this one is {answer.status!r}"
        )
    if any(math.isnan(log) for log in found.base):
        raise SamplingError(
            "log_evidence cannot be told: the conditions of the space leave too little of it to be "
            "met by chance"
        )
    at = found.temperatures.index(temperature)
    logs = np.array([*found.stones[at:], found.base])
    most = logs.max(axis=1, keepdims=True)
    if not np.isfinite(most).all():
        raise SamplingError(
            "log_evidence cannot be told: no row of the base measure that was drawn has a finite "
            "G; a requirement is too rare to be met by chance"
        )
    means = np.exp(logs - most)
    pooled = means.mean(axis=1, keepdims=True)
    value = float((most + np.log(pooled)).sum())
    # Stones of one chain hang together: their sum is what differs between chains.
    own = (means / pooled).sum(axis=0)
    n = len(own)
    return LogEvidence(value, float(own.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan)


def suggestion(answer: Answer) -> str:
    """Write a `Tempered` kernel to try for a question whose chains disagree.

    The highest temperature is a hundred times that of the answer, or what G differs by among its
    draws if that is more; neighbours differ by a factor of about three.
    """
    lowest = answer.settings.temperature
    finite = answer.energies[np.isfinite(answer.energies)]
    highest = max(100.0 * lowest, float(np.ptp(finite)) if finite.size else 0.0)
    n = max(math.ceil(math.log(highest / lowest) / math.log(3.0)) + 1, 3)
    inner = [float(f"{t:.2g}") for t in np.geomspace(lowest, highest, n)[1:]]
    asked = answer.settings.kernel_requested
    by_hand = asked == answer.settings.kernel
    kernel = answer.settings.kernel if by_hand else '"auto"'
    return text.qualified(f"Tempered({kernel}, {[lowest, *inner]})")


def _written(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _numbers(values: object) -> tuple[float, ...]:
    return tuple(float(value) for value in _listed(values) if isinstance(value, int | float | str))


def _listed(values: object) -> list[object]:
    if not isinstance(values, list):
        raise TypeError(f"a list is needed, not {values!r}")
    return values
