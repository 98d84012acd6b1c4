"""Variational answers: the nearest member of a Gaussian family (MATH section 9)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._core import build_info
from sondage._drawn import Drawn
from sondage._gaussian_fit import Fit, fit_gaussian, standard_sample
from sondage._numbers import one_of, positive, whole
from sondage._question import Term
from sondage._recheck import recheck
from sondage._terms import Require
from sondage._unbounded import Coordinates, moments
from sondage._variational_answer import Family, VariationalAnswer, pareto_khat
from sondage.ask import _versions, seed_key
from sondage.errors import ModelError, QuestionError, SamplingError, SpaceError
from sondage.questions import Question
from sondage.run_statistics import RunStatistics
from sondage.settings import Settings
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sondage._evaluation import Evaluation

__all__ = ["VariationalAnswer", "variational"]

#: Points that stand for the fitted law: at least so many, and so many for each column.
_POINTS, _POINTS_PER_COLUMN = 4096, 8
#: Standard deviations from both bounds beyond which a column is normal as it is.
_CLEAR = 6.0


def variational(
    question: Question | Literal[0],
    space: Space,
    *,
    family: Family = "full",
    temperature: float = 1.0,
    steps: int = 200,
    draws: int = 8000,
    seed: int | np.random.SeedSequence | None = None,
) -> VariationalAnswer:
    """Approximate p(x) ∝ exp(−G(x)/τ) by a Gaussian law and draw from that (MATH section 9).

    Parameters
    ----------
    question : Question
        G, with a gradient and finite everywhere: no `require`.
    space : Space
        Continuous and fixed numeric columns; at least one is free. With a `pullback` the law is of
        its latent rows.
    family : {"full", "mean_field"}
        Gaussian laws with any covariance, or with independent columns.
    temperature : float
        τ, in the unit of G.
    steps : int
        The most that a fit takes; it ends as soon as it has converged, usually after 5 to 50.
    draws : int
        Independent draws of the fitted law.
    seed : int or SeedSequence, optional
        The same seed gives the same answer.

    Returns
    -------
    VariationalAnswer
        An `Answer` whose draws are those of the fitted law, with its ``mean``, ``covariance``,
        ``elbo`` trace, and ``khat``, which says how near it is to p.

    Raises
    ------
    QuestionError
        If the question has a requirement, or a model without gradient.
    SamplingError
        For an argument that is not allowed, or if G or its gradient is not finite where the fit
        comes.
    SpaceError
        If the space has nothing free, or a column that is neither continuous nor fixed at a number.

    Notes
    -----
    Maximises −E_q[G] + τH(q) over laws q = N(m, LLᵀ), in coordinates in which a column between
    bounds is normal on the logistic scale, x = l + (u − l)/(1 + e^−v), with the Jacobian of this
    map in the entropy. Columns whose fitted law stays 6 standard deviations away from both bounds
    are then fitted anew as they are, so that a normal p is met exactly.

    The expectation is over a fixed sample v = m + Lε (ε of mean 0, covariance I and third moments
    0; 4,096 points or 8 a column), so G and its gradient are called for all of it at once, and each
    step of natural-gradient ascent with reparametrised gradients is checked to raise the bound.

    The best Gaussian law has one mode and thin tails, and tends to be narrower than p: compare with
    `ask` on a kernel of your choice before you rely on it.

    >>> from sondage import Continuous, near
    >>> space = Space({"x": Continuous(-50.0, 50.0)})
    >>> answer = variational(near({"x": 3.0}), space, seed=1)
    >>> answer.mean.round(6), answer.covariance.round(6)
    (array([3.]), array([[0.5]]))
    """
    began = time.monotonic()
    if not isinstance(question, Question):
        raise QuestionError(f"question is {type(question).__name__}; a Question is needed")
    if not isinstance(space, Space):
        raise SpaceError(f"space is {type(space).__name__}; a sondage.Space is needed")
    temperature = positive("temperature", temperature)
    one_of("family", family, ("full", "mean_field"))
    steps, draws = whole("steps", steps, 1), whole("draws", draws, 1)
    entropy, _ = seed_key(seed)
    space._require_continuous("a variational answer")
    sampled = question._sampled(space)
    if not sampled.free:
        raise SpaceError(f"every column of the space is fixed ({sampled!r}); nothing can be fitted")
    for own in (*space._constraints, *sampled._constraints):
        raise SpaceError(
            f"the space has the constraint {own.name!r}, which no Gaussian law keeps: use ask"
        )
    target = _Target.of(question, space, temperature)
    _require_smooth(question, target.evaluation)

    for_fit, for_draws = map(np.random.default_rng, np.random.SeedSequence(entropy).spawn(2))
    d = len(target.free)
    half = max(_POINTS, _POINTS_PER_COLUMN * d) // 2
    target, fit = _fit(target, standard_sample(half, d, for_fit), family == "full", steps)
    fitted = time.monotonic()

    v = _drawn(target, fit, draws, for_draws)
    rows = target.rows(v)[np.newaxis]
    energies = target.energies(rows[0])
    log_law = -0.5 * (np.linalg.solve(fit.factor, (v - fit.mean).T) ** 2).sum(axis=0)
    log_law -= target.coordinates.log_slope(v).sum(axis=1)
    result = {"draws": rows, "energies": energies[np.newaxis]}
    drawn = Drawn.before_decoding(result, target.evaluation, len(space.columns))
    drawn = drawn.decoded(result, target.evaluation, temperature, space)
    recheck(question._parts(space, drawn.draws, drawn.latents), drawn.valid)
    mean, covariance = moments(target.coordinates, fit.mean, fit.covariance)
    curved = target.coordinates.curved
    return VariationalAnswer(
        draws=drawn.draws,
        energies=drawn.energies,
        valid=drawn.valid,
        latents=drawn.latents,
        space=space,
        question=question,
        settings=Settings(
            draws=draws,
            chains=1,
            temperature=temperature,
            kernel=f"variational, {family.replace('_', ' ')} Gaussian",
            kernel_requested=f"variational(family={family!r})",
            kernel_reason=(
                "no chain is run: the draws are independent ones of the fitted law, which is near "
                "the stated density and not the same"
            ),
            warmup=0,
            thin=1,
            boundary="none",
            seed=entropy,
            threads=1,
            max_seconds=None,
            versions=_versions(question),
            build=dict(build_info()),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        status="complete",
        statistics=RunStatistics(
            nonfinite=(int((~np.isfinite(energies)).sum()),),
            seconds_warmup=fitted - began,
            seconds_sampling=time.monotonic() - fitted,
            steps=(draws,),
            kernels=(),
            exact=False,
        ),
        family=family,
        steps=steps,
        columns=tuple(sampled.free),
        mean=mean,
        covariance=covariance,
        elbo=temperature * fit.elbo,
        converged=fit.converged,
        curved=tuple(name for name, bent in zip(sampled.free, curved, strict=True) if bent),
        khat=pareto_khat(-energies / temperature - log_law),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """log p in unbounded coordinates, up to a constant, and its gradient."""

    evaluation: Evaluation
    temperature: float
    #: Values of all columns; those of the free ones are replaced.
    base: NDArray[np.float64]
    free: NDArray[np.intp]
    coordinates: Coordinates

    @classmethod
    def of(cls, question: Question, space: Space, temperature: float) -> _Target:
        lower, upper = question._sampled(space)._lower_upper()
        free = np.flatnonzero(lower < upper)
        curved = np.ones(len(free), dtype=np.bool_)
        coordinates = Coordinates(lower[free], upper[free], curved)
        evaluation = question._on(space, temperature)
        return cls(evaluation, temperature, lower, free, coordinates)

    def rows(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows of the sampled space, (n, columns)."""
        rows = np.tile(self.base, (len(v), 1))
        rows[:, self.free] = self.coordinates.columns(v)
        return rows

    def energies(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """G of rows."""
        with _failing():
            return self.evaluation(rows)

    def density(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give log p of coordinates, up to a constant."""
        energies = self.energies(self.rows(v))
        return np.asarray(self.coordinates.log_slope(v).sum(axis=1) - energies / self.temperature)

    def gradient(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of `density`."""
        with _failing():
            slopes = self.evaluation.gradient(self.rows(v))[:, self.free]
        if not np.isfinite(slopes).all():
            row = int(np.argmin(np.isfinite(slopes).all(axis=1)))
            raise SamplingError(
                f"the gradient of G is {slopes[row].tolist()} at "
                f"{self.coordinates.columns(v[row]).tolist()}; a fit needs one that is finite"
            )
        own = self.coordinates.slope(v) * slopes / self.temperature
        return np.asarray(self.coordinates.log_slope_slope(v) - own)


@contextmanager
def _failing() -> Iterator[None]:
    """Raise `SamplingError` where a model fails, as `ask` does."""
    try:
        yield
    except ModelError as error:
        raise SamplingError(str(error)) from (error.__cause__ or error)


def _require_smooth(question: Question, evaluation: Evaluation) -> None:
    for _, term in question.terms:
        if isinstance(term, Require):
            raise QuestionError(
                f"{term!r} makes G infinite, and a Gaussian law cannot keep away from where it is: "
                "leave the requirement out, or sample with ask"
            )
        for asked in term.sloping:
            if not asked.differentiable:
                name = repr(asked) if isinstance(asked, Term) else asked.name
                raise QuestionError(
                    f"{name} has no gradient, which a variational answer needs; sample with ask"
                )
    if not evaluation.energy.differentiable:
        raise QuestionError(f"{question!r} has no gradient; sample with ask")


def _fit(
    target: _Target, sample: NDArray[np.float64], full: bool, steps: int
) -> tuple[_Target, Fit]:
    """Fit with every column on the logistic scale, then anew with those straight that can be."""
    d = len(target.free)
    _require_finite(target, sample)
    start = np.zeros(d), np.eye(d)
    fit = fit_gaussian(target.density, target.gradient, start, sample, full=full, steps=steps)
    curved = np.zeros(d, dtype=np.bool_)
    while True:
        columns = target.coordinates.columns(fit.mean + sample @ fit.factor.T)
        curved = curved | ~_clear(target, columns.mean(axis=0), columns.std(axis=0))
        if (curved == target.coordinates.curved).all():
            return target, fit
        target = replace(target, coordinates=replace(target.coordinates, curved=curved))
        near = _normal_like(target.coordinates.points(columns), full)
        anew = fit_gaussian(target.density, target.gradient, near, sample, full=full, steps=steps)
        fit = replace(anew, elbo=np.concatenate([fit.elbo, anew.elbo]))


def _normal_like(
    v: NDArray[np.float64], full: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and factor of the normal law with the moments of a sample."""
    mean = v.mean(axis=0)
    covariance = (v - mean).T @ (v - mean) / len(v)
    factor = np.linalg.cholesky(covariance) if full else np.diag(np.sqrt(np.diag(covariance)))
    return np.asarray(mean), factor


def _clear(
    target: _Target, mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which columns keep away from both bounds."""
    own = target.coordinates
    return (own.lower + _CLEAR * sd <= mean) & (mean <= own.upper - _CLEAR * sd)


def _require_finite(target: _Target, sample: NDArray[np.float64]) -> None:
    """Refuse a G that is not finite around the middle of the space, where the fit starts."""
    energies = target.energies(target.rows(sample))
    wrong = ~np.isfinite(energies)
    if wrong.any():
        row = target.rows(sample[np.argmax(wrong)][np.newaxis])[0]
        raise SamplingError(
            f"G is {energies[np.argmax(wrong)]} at {row.tolist()}, and not finite at "
            f"{int(wrong.sum()):,} of {len(sample):,} rows around the middle of the space; a "
            "variational answer needs a G that is finite everywhere"
        )


def _drawn(target: _Target, fit: Fit, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from the fitted law; again where a straight column is beyond its bounds."""
    own = target.coordinates
    v = np.empty((n, len(fit.mean)))
    wanted = np.arange(n)
    while len(wanted):
        v[wanted] = fit.mean + rng.standard_normal((len(wanted), len(fit.mean))) @ fit.factor.T
        beyond = ~own.curved & ((v[wanted] < own.lower) | (v[wanted] > own.upper))
        wanted = wanted[beyond.any(axis=1)]
    return v
