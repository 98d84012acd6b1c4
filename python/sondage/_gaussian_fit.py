"""Fit a normal law to an unnormalised density by natural-gradient ascent of the ELBO.

The law of v = m + Lε stands for ε ~ N(0, I) by a fixed sample whose mean is 0, whose covariance is
I and whose third moments are 0. On it the ELBO is a function of m and L without noise: steps can be
checked, and where the density is itself normal they end at it exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fit", "fit_gaussian", "standard_sample"]

Floats: TypeAlias = "NDArray[np.float64]"
#: Log density of points (n, d), up to a constant, shape (n,); its gradient, shape (n, d).
Function: TypeAlias = Callable[[Floats], Floats]

#: Gain of a step, in nats, below which it was the last: the mean was within 1e-4 standard
#: deviations before it. A promise of less than the second number is not worth a step.
_CONVERGED, _NOTHING = 1e-8, 1e-16
#: Rounding of an ELBO, relative.
_ROUNDING = 1e-12
#: Share of the promised gain that a step must bring, and halvings of it that are tried.
_ENOUGH, _HALVINGS = 0.1, 40
#: Least curvature of a direction, of that which the present law has, that a step relies on.
_FLAT = 1e-3
#: Promise, in nats, that may be left where no step keeps it.
_KINK = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A normal law N(m, LLᵀ), and how it was found.

    Parameters
    ----------
    mean : ndarray of shape (d,)
    factor : ndarray of shape (d, d)
        L, not triangular; diagonal for a mean field.
    elbo : ndarray of shape (steps + 1,)
        E[log density] + entropy before and after each step, in nats; rises but for rounding.
    converged : bool
        Whether a further step would have gained nothing.
    """

    mean: Floats
    factor: Floats
    elbo: Floats
    converged: bool

    @property
    def covariance(self) -> Floats:
        """LLᵀ."""
        return self.factor @ self.factor.T


def standard_sample(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Points (2n, d) with mean 0, covariance I exactly and every odd moment 0; needs n > d."""
    half = rng.standard_normal((n, d))
    values, vectors = np.linalg.eigh(half.T @ half / n)
    half = half @ (vectors / np.sqrt(values)) @ vectors.T
    return np.concatenate([half, -half])


def fit_gaussian(
    density: Function,
    gradient: Function,
    start: tuple[Floats, Floats],
    sample: Floats,
    *,
    full: bool,
    steps: int,
) -> Fit:
    """Maximise the ELBO over m and L (over diagonal L for a mean field).

    In whitened coordinates, v = m + Lε, the gradients are c = E[Lᵀ∇] and B = I + E[Lᵀ∇ εᵀ]. With
    B = V diag(b) Vᵀ a step of length ρ brings the precision from I to V diag(φ(ρb)) Vᵀ,
    φ(z) = 1 − z up to z = ½ (so ρ = 1 is Newton's step) and 1/(4z) beyond, which stays positive
    where the density is not concave, and the mean by ρ V diag(1/φ(ρb)) Vᵀ c. The scales of a mean
    field follow the diagonal of B, and cannot follow directions in which the density is flat: its
    mean moves by 1/|1 − b| there. ρ is halved until the ELBO rises by a share of what its slope
    promises.

    Parameters
    ----------
    density, gradient : callable
    start : tuple
        m and L; the density must be finite on all of m + Lε.
    sample : ndarray of shape (n, d)
        ε, of `standard_sample`.
    """
    mean, factor = start

    def elbo(mean: Floats, factor: Floats) -> float:
        with np.errstate(all="ignore"):
            average = float(density(mean + sample @ factor.T).mean())
        return average + float(np.linalg.slogdet(factor)[1]) + entropy

    d = len(mean)
    entropy = 0.5 * d * (1.0 + float(np.log(2.0 * np.pi)))
    trace = [elbo(mean, factor)]
    for _ in range(steps):
        slopes = gradient(mean + sample @ factor.T) @ factor
        c = slopes.mean(axis=0)
        curved = slopes.T @ sample / len(sample)
        curved = np.eye(d) + 0.5 * (curved + curved.T)
        b, basis = np.linalg.eigh(curved)
        own = b if full else np.diag(curved)
        along = basis.T @ c
        flat = np.ones(d) if full else np.maximum(np.abs(1.0 - b), _FLAT)
        promised = float(along @ (along / flat) + 0.5 * own @ own)
        if not promised > _NOTHING:
            return Fit(mean, factor, np.array(trace), converged=promised <= _NOTHING)
        rho, slack = 1.0, _ROUNDING * (1.0 + abs(trace[-1]))
        for _ in range(_HALVINGS):
            stiff = _positive(rho * b) if full else flat
            there = mean + rho * (factor @ (basis @ (along / stiff)))
            scale = 1.0 / np.sqrt(_positive(rho * own))
            wider = factor @ ((basis * scale) @ basis.T) if full else factor * scale
            found = elbo(there, wider)
            if found >= trace[-1] + _ENOUGH * rho * promised - slack:
                break
            rho *= 0.5
        else:
            # Steps are below rounding, or end at a kink of the density.
            return Fit(mean, factor, np.array(trace), converged=promised < _KINK)
        mean, factor = there, wider
        trace.append(found)
        if trace[-1] - trace[-2] < _CONVERGED:
            return Fit(mean, factor, np.array(trace), converged=True)
    return Fit(mean, factor, np.array(trace), converged=False)


def _positive(z: Floats) -> Floats:
    """φ: 1 − z up to ½, 1/(4z) beyond; its slope is continuous."""
    return np.where(z <= 0.5, 1.0 - z, 0.25 / np.maximum(z, 0.5))
