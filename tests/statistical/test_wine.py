"""On the wine question every exact kernel gives the same means, and the exact ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

import sondage as sd
from sondage.demo import WineProblem, wine_problem

# Means of the scaled columns and of G at temperature 1/50, from 600 random-walk chains of 6,000
# steps by a program that shares nothing with this one; each is good to 0.003 at 95 %.
REFERENCE = [
    0.652,
    0.512,
    0.503,
    0.490,
    0.506,
    0.468,
    0.538,
    0.502,
    0.498,
    0.299,
    0.445,
    0.344,
    0.446,
]
REFERENCE_ERROR = 0.0015
REFERENCE_G = -1.0776

# Enough steps of each kernel for several hundred effective draws.
KERNELS = [
    (sd.Conditional(), "reflect", 6_000, 1),
    (sd.RandomWalk(), "reflect", 6_000, 10),
    (sd.RandomWalk(), "reject", 6_000, 10),
    (sd.Mixture(sd.Conditional(), sd.RandomWalk(), weights=[1, 4]), "reflect", 6_000, 4),
    (sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 4]), "reflect", 6_000, 1),
    (sd.MALA(drift="closed_form"), "reflect", 4_000, 10),
    (sd.MALA(drift="closed_form"), "reject", 4_000, 10),
    (sd.MALA(drift=sd.Smoothed(directions=2)), "reflect", 4_000, 20),
    (sd.MALA(drift=sd.Smoothed(directions=2, noise="frozen")), "reflect", 4_000, 20),
]


@pytest.fixture(scope="module")
def wine() -> WineProblem:
    return wine_problem()


def means(
    wine: WineProblem, kernel: sd.Kernel | Literal["auto"], boundary: str, draws: int, thin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means of the columns and of G, and their Monte-Carlo errors from 16 independent chains."""
    answer = sd.ask(
        wine.question,
        wine.space,
        draws=draws,
        thin=thin,
        chains=16,
        warmup=2_000,
        temperature=1 / 50,
        kernel=kernel,
        boundary=boundary,  # type: ignore[arg-type]
        seed=5,
        progress=False,
    )
    rows = np.concatenate([answer.draws, answer.energies[:, :, None]], axis=2)
    per_chain = rows.mean(axis=1)
    return per_chain.mean(axis=0), per_chain.std(axis=0, ddof=1) / 4.0


@pytest.mark.statistical
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kernel", "boundary", "draws", "thin"), KERNELS)
def test_means_are_the_exact_ones(
    wine: WineProblem, kernel: sd.Kernel | Literal["auto"], boundary: str, draws: int, thin: int
) -> None:
    mean, error = means(wine, kernel, boundary, draws, thin)
    t = (mean - [*REFERENCE, REFERENCE_G]) / np.hypot(error, [*[REFERENCE_ERROR] * 13, 0.0002])
    # Student's t with 15 degrees of freedom leaves 5.5 with probability 6e-5; 14 comparisons.
    assert np.abs(t).max() < 5.5
    # A test that cannot see a bias of 0.03 of a column's width proves little.
    assert error[:13].max() < 0.03


def test_the_default_kernel_gives_the_exact_means(wine: WineProblem) -> None:
    mean, error = means(wine, "auto", "reflect", 2_000, 1)
    t = (mean - [*REFERENCE, REFERENCE_G]) / np.hypot(error, [*[REFERENCE_ERROR] * 13, 0.0002])
    assert np.abs(t).max() < 5.5
    assert error[:13].max() < 0.02


def test_the_papers_rule_is_marked_not_exact(wine: WineProblem) -> None:
    fresh = sd.MALA(drift=sd.Smoothed(directions=2, noise="fresh"))
    answer = sd.ask(
        wine.question,
        wine.space,
        draws=50,
        chains=4,
        kernel=fresh,
        temperature=0.02,
        seed=1,
        progress=False,
    )
    assert not answer.diagnostics.exact
    clipped = sd.ask(
        wine.question,
        wine.space,
        draws=50,
        chains=4,
        kernel=sd.RandomWalk(),
        boundary="clip",
        temperature=0.02,
        seed=1,
        progress=False,
    )
    assert not clipped.diagnostics.exact
