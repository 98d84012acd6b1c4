"""The wine question timed: the papers' sampler in numpy and scikit-learn, and every kernel here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sondage.ask import ask
from sondage.bench.paper_reference import paper_mala, random_walk, wine_energy
from sondage.bench.result import BenchResult, Measurement, timed
from sondage.convergence import convergence
from sondage.demo import TEMPERATURE, WineProblem, wine_problem
from sondage.kernels import MALA, Conditional, Kernel, Mixture, RandomWalk, Smoothed

if TYPE_CHECKING:
    from sondage.answer import Answer

__all__ = ["run"]

Floats: TypeAlias = NDArray[np.float64]
Energy: TypeAlias = Callable[[Floats], Floats]

CHAINS: Final = 16
REPEATS: Final = 3
REFERENCE_STEPS: Final = 200
MIXING_STEPS: Final = 12_000
MIXING_CHAINS: Final = 8


@dataclass(frozen=True, slots=True)
class _Work:
    name: str
    kernel: Kernel | None
    draws: int
    thin: int


WORK: Final = (
    _Work("RandomWalk", RandomWalk(), 4_000, 50),
    _Work("RandomWalk(0.5)", RandomWalk(0.5), 4_000, 20),
    _Work("MALA, closed form", MALA(drift="closed_form"), 2_000, 20),
    _Work("MALA, smoothed shared", MALA(drift=Smoothed()), 1_000, 20),
    _Work("Conditional", Conditional(), 10_000, 4),
    _Work(
        "Mixture of Conditional and RandomWalk(0.5), 1 : 4",
        Mixture(Conditional(), RandomWalk(0.5), weights=[1, 4]),
        4_000,
        5,
    ),
    _Work("auto", None, 20_000, 1),
)


def run() -> BenchResult:
    """Measure the reference and every kernel on the wine question, in this process.

    The papers' sampler is timed with scikit-learn for a bounded number of steps. Its effective
    sample size per step comes from a longer run of the same code whose G is evaluated by sondage,
    which gives the same numbers sooner; its ESS per second is the one divided by the other.
    """
    problem = wine_problem()
    references = _references(problem)
    first = references[0]
    rows = [*references]
    notes = [
        f"the references' ESS per step is from {MIXING_CHAINS} chains of {MIXING_STEPS:,} steps, "
        "worth few effective draws, so their ESS per second is good to a factor of about 1.5"
    ]
    for work in WORK:
        measured, answer = _measure(problem, work, threads=1)
        rows.append(_against(measured, first))
        if work.kernel is None:
            notes.append(f"auto picked {answer.settings.kernel}: {answer.settings.kernel_reason}")
    conditional = next(work for work in WORK if work.name == "Conditional")
    two, _ = _measure(problem, conditional, threads=2)
    one = next(row for row in rows if row.name == "Conditional")
    rows.append(_against(two, first))
    speedup = 2 * one.step_us / two.step_us
    notes.append(f"Conditional on 2 threads is {speedup:.2f} times as fast as on 1")
    return BenchResult.now("wine", tuple(rows), tuple(notes))


def _references(problem: WineProblem) -> list[Measurement]:
    slow = wine_energy(problem.forest, problem.tree)

    fast = problem.question._energy(problem.space).evaluate

    def published(energy: Energy, start: Floats, steps: int, rng: np.random.Generator) -> Floats:
        return paper_mala(energy, start, steps, rng)

    def cached(energy: Energy, start: Floats, steps: int, rng: np.random.Generator) -> Floats:
        return paper_mala(energy, start, steps, rng, cached=True)

    def walk(energy: Energy, start: Floats, steps: int, rng: np.random.Generator) -> Floats:
        return random_walk(energy, start, steps, rng)

    langevin_ess = _ess_per_step(cached, fast, problem)
    walk_ess = _ess_per_step(walk, fast, problem)
    found = []
    for name, sampler, ess, exact in (
        ("paper's sampler, six calls a step", published, langevin_ess, False),
        ("paper's sampler, two calls a step", cached, langevin_ess, False),
        ("random walk, one call a step", walk, walk_ess, True),
    ):
        rng = np.random.default_rng(1)
        start = rng.random(len(problem.space.columns))
        sampler(slow, start, 5, rng)
        _, seconds = timed(lambda: sampler(slow, start, REFERENCE_STEPS, rng))  # noqa: B023
        step = seconds / REFERENCE_STEPS
        found.append(
            Measurement(
                name=f"numpy + scikit-learn: {name}",
                chains=1,
                threads=1,
                steps=REFERENCE_STEPS,
                step_us=1e6 * step,
                ess_per_second=ess / step,
                per_step=1.0,
                per_ess=1.0,
                exact=exact,
            )
        )
    return [_against(row, found[0]) for row in found]


def _ess_per_step(
    sampler: Callable[[Energy, Floats, int, np.random.Generator], Floats],
    energy: Energy,
    problem: WineProblem,
) -> float:
    rng = np.random.default_rng(2)
    kept = []
    for _ in range(MIXING_CHAINS):
        start = rng.random(len(problem.space.columns))
        kept.append(sampler(energy, start, MIXING_STEPS, rng)[MIXING_STEPS // 4 :])
    draws = np.stack(kept)
    smallest = float(convergence(draws).ess_bulk.min())
    return smallest / draws[:, :, 0].size


def _measure(problem: WineProblem, work: _Work, *, threads: int) -> tuple[Measurement, Answer]:
    runs = [
        ask(
            problem.question,
            problem.space,
            draws=work.draws,
            chains=CHAINS,
            thin=work.thin,
            temperature=TEMPERATURE,
            kernel="auto" if work.kernel is None else work.kernel,
            seed=seed,
            threads=threads,
            progress=False,
        )
        for seed in range(REPEATS)
    ]
    steps = work.draws * work.thin
    seconds = [answer.statistics.seconds_sampling for answer in runs]
    return (
        Measurement(
            name=work.name,
            chains=CHAINS,
            threads=threads,
            steps=steps,
            step_us=median(1e6 * s * threads / (CHAINS * steps) for s in seconds),
            ess_per_second=median(
                _smallest_ess(answer) / s for answer, s in zip(runs, seconds, strict=True)
            ),
            per_step=math.nan,
            per_ess=math.nan,
            exact=runs[0].statistics.exact,
        ),
        runs[0],
    )


def _smallest_ess(answer: Answer) -> float:
    columns = answer.summary().filter(pl.col("column").is_in(answer.space.columns))
    return float(columns["ess_bulk"].to_numpy().min())


def _against(row: Measurement, reference: Measurement) -> Measurement:
    return Measurement(
        name=row.name,
        chains=row.chains,
        threads=row.threads,
        steps=row.steps,
        step_us=row.step_us,
        ess_per_second=row.ess_per_second,
        per_step=reference.step_us / row.step_us,
        per_ess=row.ess_per_second / reference.ess_per_second,
        exact=row.exact,
    )
