"""Answers that are known beforehand, to check questions of one's own and kernels with.

A `Target` is a question whose answer has known marginal distributions. `check` compares an answer
with them, `check_gradient` a question's gradient with finite differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage import convergence as _convergence
from sondage.columns import Continuous, Integer
from sondage.custom import custom
from sondage.errors import QuestionError, SamplingError
from sondage.frames import listed
from sondage.questions import Question, near
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from sondage.answer import Answer

__all__ = ["Target", "check", "check_gradient", "normal", "steps", "truncated_normal"]

#: Where marginal distributions are compared.
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Target:
    """A question whose answer is known.

    Parameters
    ----------
    question : Question
    space : Space
    cdf : mapping from str to callable
        By column, the probability of values up to x under ``exp(−G/τ)`` on the space: of a number a
        number.
    temperature : float
        τ at which that holds.
    """

    question: Question
    space: Space
    cdf: Mapping[str, Callable[[float], float]]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.cdf if name not in self.space.columns]
        if unknown:
            raise QuestionError(
                f"cdf names {listed(unknown)}; the columns are {listed(self.space.columns)}"
            )
        wordy = [name for name in self.cdf if _bounds(self.space, name) is None]
        if wordy:
            raise QuestionError(
                f"cdf names {listed(wordy)}, and only continuous and integer columns have one"
            )


def normal(mean: ArrayLike, covariance: ArrayLike) -> Target:
    """Return a normal distribution as a question with a gradient.

    The columns ``x0``, ``x1`` … reach ten standard deviations to either side.

    Parameters
    ----------
    mean : array-like of shape (columns,)
    covariance : array-like of shape (columns, columns)

    Returns
    -------
    Target

    Raises
    ------
    QuestionError
        If the shapes do not fit, or the covariance is not positive definite.

    Examples
    --------
    >>> import sondage as sd
    >>> target = sd.testing.normal([0.0, 1.0], [[1.0, 0.9], [0.9, 1.0]])
    >>> answer = sd.ask(target.question, target.space, seed=0)
    >>> bool(sd.testing.check(answer, target)["z"].abs().max() < 4)
    True
    """
    centre = np.atleast_1d(np.asarray(mean, dtype=np.float64))
    spread = np.asarray(covariance, dtype=np.float64)
    if centre.ndim != 1 or spread.shape != (centre.size, centre.size):
        raise QuestionError(
            f"mean of shape {centre.shape} and covariance of shape {spread.shape} do not fit"
        )
    if not np.allclose(spread, spread.T) or np.linalg.eigvalsh(spread).min() <= 0.0:
        raise QuestionError("covariance must be symmetric and positive definite")
    precision = np.linalg.inv(spread)
    deviations = np.sqrt(np.diag(spread))

    def energy(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        off = rows - centre
        return np.asarray(0.5 * np.einsum("ij,jk,ik->i", off, precision, off))

    def slope(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((rows - centre) @ precision)

    names = [f"x{d}" for d in range(centre.size)]
    sides = zip(names, centre.tolist(), deviations.tolist(), strict=True)
    columns, cdf = {}, {}
    for name, at, sd in sides:
        columns[name] = Continuous(at - 10.0 * sd, at + 10.0 * sd)
        cdf[name] = _normal_cdf(at, sd)
    return Target(custom(energy, slope, name="normal"), Space(columns), cdf)


def truncated_normal(centre: float, sd: float, lower: float, upper: float) -> Target:
    """Return a normal distribution cut off at the bounds of its column ``x``, as `near` states it.

    Parameters
    ----------
    centre, sd : float
        Of the distribution before it is cut.
    lower, upper : float

    Returns
    -------
    Target
    """
    whole = _normal_cdf(centre, sd)
    below, above = whole(lower), whole(upper)
    question = near({"x": centre}, weights={"x": 0.5 / sd**2})
    space = Space({"x": Continuous(lower, upper)})
    return Target(question, space, {"x": lambda x: (whole(x) - below) / (above - below)})


def steps(edges: Sequence[float], energies: Sequence[float]) -> Target:
    """Return a step function of its column ``x``, without a gradient.

    Parameters
    ----------
    edges : sequence of float
        Ascending: the bounds of the column and where steps are.
    energies : sequence of float
        G on each of the steps.

    Returns
    -------
    Target

    Raises
    ------
    QuestionError
        If the edges do not ascend, or there is not one energy for each step.
    """
    at, levels = np.asarray(edges, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    if at.ndim != 1 or levels.shape != (at.size - 1,) or not (np.diff(at) > 0.0).all():
        raise QuestionError(f"{at.size} edges must ascend, and have {at.size - 1} energies between")
    weights = np.diff(at) * np.exp(levels.min() - levels)
    below = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()

    def energy(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.searchsorted(at[1:-1], rows[:, 0], side="left")
        return np.asarray(levels[found])

    space = Space({"x": Continuous(float(at[0]), float(at[-1]))})
    cdf = {"x": lambda x: float(np.interp(x, at, below))}
    return Target(custom(energy, name="steps"), space, cdf)


def check(answer: Answer, target: Target) -> pl.DataFrame:
    """Compare the draws of an answer with what is known of it.

    Parameters
    ----------
    answer : Answer
        To the question of the target, on its space and at its temperature.
    target : Target

    Returns
    -------
    polars.DataFrame
        For each column with a known distribution and each of five points ``x`` along it: the
        ``exact`` probability of values up to x, the ``share`` of draws, its Monte-Carlo error
        ``mcse``, which counts that draws of a chain hang together, and ``z``, their difference in
        these errors. Of a hundred rows of an exact answer one or none has ``|z| > 3``.

    Raises
    ------
    SamplingError
        If the answer is one to another question, space or temperature, or too short to judge.

    Notes
    -----
    Needs arviz-stats: the extra ``sondage[arviz]``.
    """
    if not _convergence.available():
        raise SamplingError("check needs arviz-stats: install sondage[arviz]")
    for name, own, known in (
        ("question", answer.question, target.question),
        ("space", answer.space, target.space),
        ("temperature", answer.settings.temperature, target.temperature),
    ):
        if own != known:
            raise SamplingError(f"the {name} of the answer is {own!r}, not the target's {known!r}")
    found = []
    for name, cdf in target.cdf.items():
        values = answer.draws[:, :, target.space.columns.index(name)]
        points = [_quantile(target.space, name, cdf, p) for p in PROBABILITIES]
        below = (values[:, :, np.newaxis] <= np.array(points)).astype(np.float64)
        errors = _convergence.convergence(below).mcse
        for x, share, error in zip(points, below.mean(axis=(0, 1)), errors, strict=True):
            exact = float(cdf(x))
            z = (float(share) - exact) / float(error)
            if math.isnan(z):
                # Draws that never cross a point say nothing of how they hang together.
                n = values.size
                error = math.sqrt(max(exact * (1.0 - exact), 1.0 / n) / n)
                z = (float(share) - exact) / error
            found.append((name, x, exact, float(share), float(error), z))
    return pl.DataFrame(found, ["column", "x", "exact", "share", "mcse", "z"], orient="row")


def check_gradient(
    question: Question, space: Space, *, rows: int = 100, seed: int = 0
) -> pl.DataFrame:
    """Compare a question's gradient with central differences at random rows.

    Parameters
    ----------
    question : Question
    space : Space
        All of its columns are continuous and free.
    rows : int
        Random rows, uniform in the space.
    seed : int

    Returns
    -------
    polars.DataFrame
        For each ``column`` the largest ``error``, in units of the largest slope of that column; the
        ``slope`` given and the ``difference`` found there, and the ``row`` among the random ones.
        Kinks and jumps of G show as errors too.

    Raises
    ------
    QuestionError
        If the question has no gradient, or a column is not continuous.
    """
    bounds = [_bounds(space, name) for name in space.columns]
    kinds = [space.kinds[name] for name in space.columns]
    if not all(isinstance(kind, Continuous) for kind in kinds):
        raise QuestionError("check_gradient needs a space of free continuous columns")
    lower, upper = np.array(bounds).T
    width = upper - lower
    at = np.random.default_rng(seed).uniform(
        lower + 1e-3 * width, upper - 1e-3 * width, (rows, len(kinds))
    )
    given = question.gradient(at, space)
    found = []
    for d, name in enumerate(space.columns):
        step = np.zeros(len(kinds))
        step[d] = 6e-6 * width[d]
        ahead, behind = (
            question.evaluate(pl.DataFrame(at + sign * step, list(space.columns)), space)
            for sign in (1.0, -1.0)
        )
        slopes = (ahead - behind) / (2.0 * step[d])
        scale = max(float(np.abs(slopes).max()), float(np.abs(given[:, d]).max()), 1e-300)
        errors = np.abs(given[:, d] - slopes) / scale
        row = int(np.nanargmax(errors)) if not np.isnan(errors).all() else 0
        found.append((name, float(errors[row]), float(given[row, d]), float(slopes[row]), row))
    return pl.DataFrame(found, ["column", "error", "slope", "difference", "row"], orient="row")


def _normal_cdf(centre: float, sd: float) -> Callable[[float], float]:
    return lambda x: 0.5 * math.erfc((centre - x) / (sd * math.sqrt(2.0)))


def _bounds(space: Space, name: str) -> tuple[float, float] | None:
    kind = space.kinds[name]
    if isinstance(kind, Continuous | Integer):
        return float(kind.lower), float(kind.upper)
    return None


def _quantile(space: Space, name: str, cdf: Callable[[float], float], p: float) -> float:
    """Return where a distribution function reaches p, by bisection; a whole number of integers."""
    ends = _bounds(space, name)
    assert ends is not None
    low, high = ends
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if cdf(middle) >= p else (middle, high)
    return float(math.ceil(low)) if isinstance(space.kinds[name], Integer) else high
