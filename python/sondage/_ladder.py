"""Temperatures of a run, as they are asked for, and rows of the base measure to compare with."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage._constraints import Predicate
from sondage._encoding import decode
from sondage._numbers import positive
from sondage.errors import ModelError, SamplingError
from sondage.frames import plain
from sondage.kernels import MOST_TEMPERATURES, Tempered

if TYPE_CHECKING:
    from sondage._evaluation import Evaluation
    from sondage.space import Space

__all__ = ["Ladder", "base_stones"]

#: Rows of the base measure that are drawn for each chain, at most and at least.
_ROWS = (10_000, 100)
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Ladder:
    """Temperatures of a run.

    Attributes
    ----------
    answered : tuple of float
        Those that are answered, in the order asked for.
    rungs : tuple of float
        All of the run, ascending.
    several : bool
        Whether a sequence was asked for.
    """

    answered: tuple[float, ...]
    rungs: tuple[float, ...]
    several: bool

    @property
    def lowest(self) -> float:
        """The lowest temperature."""
        return self.rungs[0]

    @classmethod
    def of(cls, temperature: object, kernel: object) -> Ladder:
        """Read the temperatures that `ask` was given.

        Raises
        ------
        SamplingError
            If they are no temperatures, or not those of the kernel.
        """
        own = kernel.temperatures if isinstance(kernel, Tempered) else None
        value = plain(temperature)
        if isinstance(value, list | tuple | range | np.ndarray):
            answered = tuple(positive("temperature", entry) for entry in value)
            if not answered:
                raise SamplingError("temperature=[] holds no temperature to answer at")
            if len(set(answered)) < len(answered):
                raise SamplingError(f"temperature={list(answered)} holds a temperature twice")
            if len(answered) > MOST_TEMPERATURES:
                raise SamplingError(
                    f"temperature holds {len(answered)} temperatures; at most {MOST_TEMPERATURES}"
                )
            if own is not None:
                raise SamplingError(
                    f"temperature={list(answered)} answers at several temperatures, and so it "
                    f"tempers by itself: give the kernel inside {kernel!r} instead"
                )
            return cls(answered, tuple(sorted(answered)), several=True)
        if own is None:
            one = 1.0 if value is None else positive("temperature", value)
            return cls((one,), (one,), several=False)
        if value is not None and positive("temperature", value) != own[0]:
            raise SamplingError(
                f"temperature={value!r} is not the lowest of {kernel!r}, {own[0]!r}, at which it "
                "answers: give the same one, or leave temperature out"
            )
        return cls(own[:1], own, several=False)


def base_stones(
    evaluation: Evaluation,
    space: Space,
    key: bytes,
    chains: int,
    draws: int,
    temperature: float,
    deadline: float,
) -> tuple[float, ...]:
    """Return ``log mean exp(−G/τ)`` over rows of the base measure, for each chain.

    NaN for a chain of which no row met the conditions of the space; empty if the deadline passes.

    Raises
    ------
    SamplingError
        If a model fails; the user's exception is its cause.
    """
    n = max(min(draws, _ROWS[0]), _ROWS[1])
    functions = any(isinstance(own, Predicate) for own in space._constraints)
    found = []
    for chain in range(chains):
        rows = evaluation.energy.base_rows(key, chain, n)
        if functions:
            rows = np.ascontiguousarray(rows[space.contains(decode(rows, space))])
        energies = []
        for first in range(0, len(rows), _BATCH):
            if time.monotonic() >= deadline:
                return ()
            batch = np.ascontiguousarray(rows[first : first + _BATCH])
            try:
                energies.append(_of_question(evaluation, batch))
            except ModelError as error:
                raise SamplingError(str(error)) from (error.__cause__ or error)
        found.append(_log_mean(np.concatenate(energies) if energies else np.empty(0), temperature))
    return tuple(found)


def _of_question(evaluation: Evaluation, rows: np.ndarray) -> np.ndarray:
    """G alone, whatever else is sampled."""
    energies = evaluation(rows)
    if evaluation.base is None:
        return energies
    weight, reference = evaluation.base
    return np.asarray(energies + weight * reference.log_density(rows))


def _log_mean(energies: np.ndarray, temperature: float) -> float:
    """Return ``log mean exp(−G/τ)``; what is not finite weighs nothing."""
    if not energies.size:
        return math.nan
    logs = -energies[np.isfinite(energies)] / temperature
    if not logs.size:
        return -math.inf
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).sum()) / len(energies))
