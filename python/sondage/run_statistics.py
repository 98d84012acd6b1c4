"""What the sampler counted while it ran."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sondage.tempering import TemperingStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KernelStatistics", "RunStatistics", "acceptance"]


@dataclass(frozen=True, slots=True)
class KernelStatistics:
    """What one kernel of the run did, per chain, after warm-up.

    Parameters
    ----------
    name : str
        Name of the kernel.
    acceptance : tuple of float
        Share of accepted proposals; NaN for a kernel that never rejects.
    step : tuple of float
        The frozen scale or step; NaN for a kernel that has none.
    steps : tuple of int
        Steps this kernel took.
    """

    name: str
    acceptance: tuple[float, ...]
    step: tuple[float, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """What the sampler counted while it ran.

    Parameters
    ----------
    nonfinite : tuple of int
        Per chain, how often the model returned NaN or infinity (each a rejection).
    seconds_warmup, seconds_sampling : float
        Wall-clock time.
    steps : tuple of int
        Per chain, steps taken, warm-up included.
    kernels : tuple of KernelStatistics
        One entry for a simple kernel, several for a mixture.
    exact : bool
        Whether every kernel leaves the stated density exactly invariant.
    nonfinite_drift : tuple of int
        Per chain, how often the gradient was NaN or infinite, and the drift therefore 0.
    tempering : TemperingStatistics, optional
        Of a run at several temperatures; all else is about the answer's own.
    """

    nonfinite: tuple[int, ...]
    seconds_warmup: float
    seconds_sampling: float
    steps: tuple[int, ...]
    kernels: tuple[KernelStatistics, ...]
    exact: bool
    nonfinite_drift: tuple[int, ...] = ()
    tempering: TemperingStatistics | None = None

    @classmethod
    def of_run(cls, result: Mapping[str, Any], base: tuple[float, ...] = ()) -> RunStatistics:
        """Read what the core's run gave; `base` is `TemperingStatistics.base`."""
        ladder = result.get("ladder")
        return cls(
            nonfinite=tuple(int(count) for count in result["nonfinite"]),
            seconds_warmup=float(result["seconds_warmup"]),
            seconds_sampling=float(result["seconds_sampling"]),
            steps=tuple(int(count) for count in result["steps"]),
            kernels=tuple(
                KernelStatistics(
                    name=kernel["name"],
                    acceptance=tuple(float(share) for share in kernel["acceptance"]),
                    step=tuple(float(size) for size in kernel["step"]),
                    steps=tuple(int(count) for count in kernel["steps"]),
                )
                for kernel in result["kernels"]
            ),
            exact=bool(result["exact"]),
            nonfinite_drift=tuple(int(count) for count in result["nonfinite_drift"]),
            tempering=None
            if ladder is None
            else TemperingStatistics(
                temperatures=tuple(ladder["temperatures"]),
                swaps=tuple(tuple(own) for own in ladder["swaps"]),
                stones=tuple(tuple(own) for own in ladder["stones"]),
                base=base,
                round_trips=tuple(ladder["round_trips"]),
            ),
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON; NaN becomes None."""
        return {
            "nonfinite": list(self.nonfinite),
            "nonfinite_drift": list(self.nonfinite_drift),
            "seconds_warmup": _none_if_nan(self.seconds_warmup),
            "seconds_sampling": _none_if_nan(self.seconds_sampling),
            "steps": list(self.steps),
            "kernels": [
                {
                    "name": kernel.name,
                    "acceptance": [_none_if_nan(share) for share in kernel.acceptance],
                    "step": [_none_if_nan(step) for step in kernel.step],
                    "steps": list(kernel.steps),
                }
                for kernel in self.kernels
            ],
            "exact": self.exact,
            "tempering": None if self.tempering is None else self.tempering.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> RunStatistics:
        """Read what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the data is of another shape.
        """
        ladder = data.get("tempering")
        kernels = tuple(
            KernelStatistics(
                name=str(entry["name"]),
                acceptance=tuple(_nan_if_none(share) for share in _listed(entry["acceptance"])),
                step=tuple(_nan_if_none(step) for step in _listed(entry["step"])),
                steps=_whole(entry["steps"]),
            )
            for entry in (_mapping(entry) for entry in _listed(data["kernels"]))
        )
        return cls(
            nonfinite=_whole(data["nonfinite"]),
            seconds_warmup=_nan_if_none(data["seconds_warmup"]),
            seconds_sampling=_nan_if_none(data["seconds_sampling"]),
            steps=_whole(data["steps"]),
            kernels=kernels,
            exact=bool(data["exact"]),
            nonfinite_drift=_whole(data.get("nonfinite_drift", [])),
            tempering=None if ladder is None else TemperingStatistics.from_dict(_mapping(ladder)),
        )


def acceptance(kernels: Sequence[KernelStatistics]) -> float | None:
    """Share of accepted proposals over kernels that reject, weighted by their steps."""
    pairs = [
        (share, steps)
        for kernel in kernels
        for share, steps in zip(kernel.acceptance, kernel.steps, strict=True)
        if not math.isnan(share)
    ]
    total = sum(steps for _, steps in pairs)
    return sum(share * steps for share, steps in pairs) / total if total else None


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _nan_if_none(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"a number or null is needed, not {value!r}")


def _whole(values: object) -> tuple[int, ...]:
    numbers = _listed(values)
    return tuple(int(value) for value in numbers if isinstance(value, int))


def _listed(values: object) -> list[object]:
    if not isinstance(values, list):
        raise TypeError(f"a list is needed, not {values!r}")
    return values


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is needed, not {value!r}")
    return value
