"""Random small spaces, models and questions: draws against the table of every cell.

Chains are many and one draw is kept of each, so that draws are independent and Pearson's test of
their counts holds as it stands.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from cases import Case, case
from numpy.typing import NDArray
from scipy import stats
from tables import FAULTS

import sondage as sd

CHAINS, LEVEL = 2000, 1e-6
CASES, QUICK = 50, 6
# Every other case has the default kernel; walks need more steps.
KERNELS = [
    (sd.RandomWalk(), 400),
    ("auto", 60),
    (sd.Cycle(sd.Independence(), sd.RandomWalk(0.5)), 200),
    ("auto", 60),
]


@cache
def drawn(seed: int) -> tuple[Case, NDArray[np.int64]]:
    made = case(seed)
    kernel, steps = KERNELS[seed % len(KERNELS)]
    answer = sd.ask(
        made.question,
        made.space,
        draws=1,
        chains=CHAINS,
        temperature=made.temperature,
        kernel=kernel,
        # Steps of a kernel that no longer adapts.
        thin=steps,
        warmup=150,
        seed=seed,
        progress=False,
    )
    assert made.space.contains(answer.frame).all()
    return made, made.table.counts(answer.frame)


def p_value(counts: NDArray[np.int64], law: NDArray[np.float64]) -> float:
    """Of Pearson's test, with all rare cells as one."""
    if counts[law == 0.0].any():
        return 0.0
    order = np.argsort(-law)
    found, expected = counts[order].astype(np.float64), CHAINS * law[order]
    common = max(1, int((expected >= 5.0).sum()))
    found = np.append(found[:common], found[common:].sum())
    expected = np.append(expected[:common], expected[common:].sum())
    if expected[-1] < 5.0:
        # Too rare even so: with the rarest of the others.
        found = np.append(found[:-2], found[-2:].sum())
        expected = np.append(expected[:-2], expected[-2:].sum())
    return float(stats.chisquare(found, expected).pvalue)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=[pytest.mark.statistical] if seed >= QUICK else [])
        for seed in range(CASES)
    ],
)
def test_draws_follow_the_table(seed: int) -> None:
    made, counts = drawn(seed)
    assert p_value(counts, made.table.law()) > LEVEL


@pytest.mark.statistical
@pytest.mark.timeout(300)
def test_tables_with_a_fault_are_told_apart() -> None:
    """Where a forgotten thing moves a tenth of the mass, counts of 2,000 mostly show it."""
    for fault in FAULTS:
        told = []
        for seed in range(CASES // 2):
            made, counts = drawn(seed)
            right, wrong = made.table.law(), made.table.law(fault)
            if np.abs(wrong - right).sum() / 2.0 > 0.1:
                told.append(p_value(counts, wrong) < LEVEL)
        assert len(told) >= 3, fault
        assert np.mean(told) > 0.75, fault
