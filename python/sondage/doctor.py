"""What ``sondage doctor`` says: versions, build, and a sample compared with its exact law."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from dataclasses import dataclass
from typing import Final

import numpy as np

from sondage import _core
from sondage.ask import ask
from sondage.kernels import Conditional
from sondage.questions import near
from sondage.space import Continuous, Space

__all__ = ["SelfCheck", "self_check", "truncated_normal", "versions"]

PACKAGES: Final = (
    "numpy",
    "polars",
    "narwhals",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "catboost",
    "interpret-core",
    "torch",
    "skops",
    "pandas",
    "pyarrow",
    "arviz-stats",
    "matplotlib",
    "jinja2",
    "rich",
)
SIGMAS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """A sample of a truncated normal law beside its closed form.

    Parameters
    ----------
    draws : int
        Independent draws.
    mean, sd : float
        Of the sample.
    exact_mean, exact_sd : float
        Of the law.
    deviation : float
        ``|mean − exact_mean|`` in standard errors.
    deviation_sd : float
        ``|sd − exact_sd|`` in standard errors (of a normal law, which has heavier tails than the
        truncated one, so the comparison is on the safe side).
    """

    draws: int
    mean: float
    sd: float
    exact_mean: float
    exact_sd: float
    deviation: float
    deviation_sd: float

    @property
    def passed(self) -> bool:
        """Whether both deviations stay below five standard errors."""
        return self.deviation < SIGMAS and self.deviation_sd < SIGMAS


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that sondage works with."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def truncated_normal(mean: float, sd: float, lower: float, upper: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal law cut to ``[lower, upper]``.

    >>> m, s = truncated_normal(0.0, 1.0, -1.0, 1.0)
    >>> round(m, 6), round(s, 6)
    (0.0, 0.53956)
    """
    a, b = (lower - mean) / sd, (upper - mean) / sd
    mass = _cdf(b) - _cdf(a)
    shift = (_pdf(a) - _pdf(b)) / mass
    variance = 1 + (a * _pdf(a) - b * _pdf(b)) / mass - shift**2
    return mean + sd * shift, sd * math.sqrt(variance)


def self_check(*, draws: int = 2500, chains: int = 8, seed: int = 1) -> SelfCheck:
    """Sample ``exp(−w (x − a)² / τ)`` on an interval exactly and compare with the closed form.

    Parameters
    ----------
    draws, chains, seed : int
        As in ``sd.ask``.
    """
    lower, upper, anchor, weight, temperature = 0.0, 1.0, 0.2, 3.0, 0.5
    answer = ask(
        weight * near(np.array([anchor])),
        Space({"x": Continuous(lower, upper)}),
        draws=draws,
        chains=chains,
        temperature=temperature,
        kernel=Conditional(),
        seed=seed,
        progress=False,
    )
    sample = answer.draws.reshape(-1)
    exact_mean, exact_sd = truncated_normal(
        anchor, math.sqrt(temperature / (2 * weight)), lower, upper
    )
    mean, sd = float(sample.mean()), float(sample.std(ddof=1))
    return SelfCheck(
        draws=sample.size,
        mean=mean,
        sd=sd,
        exact_mean=exact_mean,
        exact_sd=exact_sd,
        deviation=abs(mean - exact_mean) / (exact_sd / math.sqrt(sample.size)),
        deviation_sd=abs(sd - exact_sd) / (exact_sd / math.sqrt(2 * sample.size)),
    )


def build() -> dict[str, str]:
    """Describe the compiled core."""
    return _core.build_info()


def _pdf(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
