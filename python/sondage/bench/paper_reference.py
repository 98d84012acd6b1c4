"""The papers' sampler for tree models, and a plain random walk, in numpy and scikit-learn.

This is the peer that ``sondage bench`` compares with, written from the description in the
papers' Appendix C: Langevin proposals whose drift is the gradient of a smoothed probing function,
estimated along fresh random directions at every step and, as there, without the factor 1/σ; the
proposal density is taken as if the gradient were the same at both ends; proposals outside the unit
box are refused; step size and smoothing width go on adapting for the whole run. So it is close to
unadjusted Langevin and not exact: sondage offers the exact forms and keeps this one to be measured
against.

Every function here takes the probing function as ``rows (n, d) -> G (n,)`` and knows nothing of
sondage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["PaperSettings", "paper_mala", "random_walk", "wine_energy"]

Floats: TypeAlias = NDArray[np.float64]
Energy: TypeAlias = Callable[[Floats], Floats]


class Classifier(Protocol):
    """The one method of a scikit-learn classifier that the energy needs."""

    def predict_proba(self, rows: Floats, /) -> Floats:
        """Class probabilities, (n, K)."""
        ...


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """Settings of the papers' wine experiment.

    Parameters
    ----------
    temperature : float
        τ of the target ∝ exp(−G/τ) on the unit box.
    step : float
        First step size η: a move is −η·drift + sqrt(2ητ)·noise.
    sigma : float
        First smoothing width.
    directions : int
        Random directions per gradient, each used with both signs.
    check_every : int
        Steps between two adaptations.
    target_acceptance, target_change : float
        Shares of accepted steps and of steps that change G towards which η and σ move.
    """

    temperature: float = 1 / 50
    step: float = 0.05
    sigma: float = 0.1
    directions: int = 1
    check_every: int = 100
    target_acceptance: float = 0.574
    target_change: float = 0.1


def wine_energy(forest: Classifier, tree: Classifier) -> Energy:
    """Build G = Σ_k p_k log p_k (forest) + (p_1(tree) − 1)² from two scikit-learn classifiers."""

    def energy(rows: Floats) -> Floats:
        p = forest.predict_proba(rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            negative_entropy = np.where(p > 0, p * np.log(p), 0.0).sum(axis=1)
        miss: Floats = (tree.predict_proba(rows)[:, 1] - 1.0) ** 2
        total: Floats = negative_entropy + miss
        return total

    return energy


def paper_mala(
    energy: Energy,
    start: Floats,
    steps: int,
    rng: np.random.Generator,
    settings: PaperSettings | None = None,
    *,
    cached: bool = False,
) -> Floats:
    """Run one chain of the papers' sampler.

    Parameters
    ----------
    energy : callable
        G, rows (n, d) to values (n,).
    start : array, shape (d,)
        First point, inside the unit box.
    steps : int
        Number of Metropolis steps.
    rng : numpy.random.Generator
    settings : PaperSettings, optional
    cached : bool
        False evaluates G afresh wherever it is needed, six calls a step, as the papers' code
        does. True remembers G at the current point and evaluates both signs in one call: the same
        chain from two calls a step.

    Returns
    -------
    array, shape (steps, d)
    """
    rule = settings or PaperSettings()
    tau = rule.temperature
    eta, sigma = rule.step, rule.sigma
    x = np.array(start, dtype=np.float64)
    here = float(energy(x[None, :])[0])
    trajectory = np.empty((steps, x.size))
    accepted = changed = 0
    for i in range(steps):
        offsets = sigma * rng.standard_normal((rule.directions, x.size))
        if cached:
            both = energy(np.concatenate([x + offsets, x - offsets]))
            difference = both[: rule.directions] - both[rule.directions :]
        else:
            difference = energy(x + offsets) - energy(x - offsets)
        drift = difference @ offsets / (2 * sigma * rule.directions)
        move = -eta * drift + np.sqrt(2 * eta * tau) * rng.standard_normal(x.size)
        proposal = x + move
        there = float(energy(proposal[None, :])[0])
        if not cached:
            here = float(energy(x[None, :])[0])
        log_ratio = (here - there + float(drift @ move)) / tau
        inside = bool(np.all((proposal > 0) & (proposal < 1)))
        accept = rng.random() < np.exp(min(0.0, log_ratio)) and inside
        if not cached:
            there_again = float(energy((proposal if accept else x)[None, :])[0])
            here_again = float(energy(x[None, :])[0])
            changed += there_again != here_again
        else:
            changed += accept and there != here
        if accept:
            accepted += 1
            x, here = proposal, there
        trajectory[i] = x
        if (i + 1) % rule.check_every == 0:
            eta = _adapt_step(eta, accepted / rule.check_every, rule.target_acceptance)
            sigma = _adapt_sigma(sigma, changed / rule.check_every, rule.target_change)
            accepted = changed = 0
    return trajectory


def random_walk(
    energy: Energy,
    start: Floats,
    steps: int,
    rng: np.random.Generator,
    *,
    temperature: float = 1 / 50,
    scale: float = 0.5,
) -> Floats:
    """Run one chain of plain Metropolis with Gaussian steps, reflected at the box.

    Parameters
    ----------
    energy : callable
        G, rows (n, d) to values (n,); called once a step.
    start : array, shape (d,)
    steps : int
    rng : numpy.random.Generator
    temperature : float
    scale : float
        Standard deviation of a step in every column. The default gave the most effective draws per
        step on the wine question, out of 0.05 to 0.5, reflected or refused at the box.

    Returns
    -------
    array, shape (steps, d)
    """
    x = np.array(start, dtype=np.float64)
    here = float(energy(x[None, :])[0])
    trajectory = np.empty((steps, x.size))
    for i in range(steps):
        proposal = 1.0 - np.abs(1.0 - np.mod(x + scale * rng.standard_normal(x.size), 2.0))
        there = float(energy(proposal[None, :])[0])
        if rng.random() < np.exp(min(0.0, (here - there) / temperature)):
            x, here = proposal, there
        trajectory[i] = x
    return trajectory


def _adapt_step(eta: float, rate: float, target: float) -> float:
    if rate > 1.2 * target:
        return min(1.1 * eta, 1.0)
    if rate < 0.8 * target:
        return max(0.9 * eta, 1e-3)
    return eta


def _adapt_sigma(sigma: float, rate: float, target: float) -> float:
    if rate > 2 * target:
        return max(0.9 * sigma, 1e-4)
    if rate < target / 2:
        return min(1.1 * sigma, 1.0)
    return sigma
