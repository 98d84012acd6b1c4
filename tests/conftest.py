"""Answers made by hand, for the tests of what is read off an answer, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sondage.answer import Answer
from sondage.diagnostics import KernelStatistics, RunStatistics
from sondage.settings import Settings
from sondage.space import Column, Continuous, Fixed, Space


@dataclass(frozen=True)
class WordsOnly:
    """A question that can be described and nothing else."""

    text: str = "Where is model 'forest' most uncertain?"

    def describe(self) -> str:
        return self.text


def settings(**changes: object) -> Settings:
    """Settings of a run that drew 200 rows from each of four chains."""
    standard = Settings(
        draws=200,
        chains=4,
        temperature=0.05,
        kernel="Conditional()",
        kernel_requested="auto",
        kernel_reason="every model in the question is constant between thresholds",
        warmup=100,
        thin=1,
        boundary="reflect",
        seed=7,
        threads=2,
        max_seconds=None,
        versions={"sondage": "0.1.0"},
        build={"profile": "release"},
        created="2026-01-02T03:04:05+00:00",
    )
    return replace(standard, **changes)  # type: ignore[arg-type]


def build_answer(
    columns: Space | Mapping[str, Column] | None = None,
    *,
    chains: int = 4,
    draws: int = 200,
    seed: int = 0,
    question: object = None,
    status: str = "complete",
    boundary: str = "reflect",
    exact: bool = True,
    acceptance: float = float("nan"),
    kernel: str = "conditional",
    nonfinite: int = 0,
    valid: bool | NDArray[np.bool_] = True,
    values: NDArray[np.float64] | None = None,
) -> Answer:
    """Independent draws from a bump in the middle of every free column."""
    space = columns if isinstance(columns, Space) else Space(columns or _three())
    rng = np.random.default_rng(seed)
    lower, upper = space._lower_upper()
    unit = rng.beta(2.0, 3.0, size=(chains, draws, len(lower)))
    filled = lower + unit * (upper - lower) if values is None else values
    energies = ((unit - 0.5) ** 2).sum(axis=2) + 0.01 * rng.normal(size=(chains, draws))
    return Answer(
        draws=filled,
        energies=energies,
        valid=np.broadcast_to(valid, (chains, draws)).copy(),
        space=space,
        question=question or WordsOnly(),
        settings=settings(draws=max(draws, 1), chains=chains, boundary=boundary),
        status=status,
        statistics=RunStatistics(
            nonfinite=(nonfinite,) * chains,
            seconds_warmup=0.5,
            seconds_sampling=1.5,
            steps=(draws + 100,) * chains,
            kernels=(
                KernelStatistics(
                    name=kernel,
                    acceptance=(acceptance,) * chains,
                    step=(float("nan"),) * chains,
                    steps=(draws,) * chains,
                ),
            ),
            exact=exact,
        ),
    )


def _three() -> dict[str, Column]:
    return {"age": Continuous(18, 90), "income": Continuous(0.0, 1e5), "children": Fixed(2)}


@pytest.fixture(scope="session")
def make_answer() -> Callable[..., Answer]:
    """Return the maker of answers."""
    return build_answer


@pytest.fixture(scope="session")
def answer(make_answer: Callable[..., Answer]) -> Answer:
    """Return four chains of 200 draws over two free columns and a fixed one."""
    return make_answer()


@pytest.fixture
def ctrl_c_soon() -> Iterator[None]:
    """Press Ctrl-C in a moment, which also tests that run in the background then heed."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    yield
    timer.cancel()
    signal.signal(signal.SIGINT, before)
