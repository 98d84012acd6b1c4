"""Answers made by hand, for the tests of what is read off an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sondage.answer import Answer
from sondage.diagnostics import KernelStatistics, RunStatistics
from sondage.space import Continuous, Fixed, Space

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class WordsOnly:
    """A question that can be described and nothing else."""

    text: str = "Where is model 'forest' most uncertain?"

    def describe(self) -> str:
        return self.text


@dataclass(frozen=True)
class Settings:
    draws: int = 200
    chains: int = 4
    temperature: float = 0.05
    kernel: str = "Conditional()"
    kernel_requested: str = "auto"
    kernel_reason: str = "trees and a localizer: exact conditional draws"
    warmup: int = 100
    thin: int = 1
    boundary: str = "reflect"
    seed: int = 7
    threads: int = 2
    max_seconds: float | None = None
    versions: dict[str, str] = field(default_factory=lambda: {"sondage": "0.1.0"})
    build: dict[str, str] = field(default_factory=lambda: {"profile": "release"})
    created: str = "2026-01-02T03:04:05+00:00"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Settings:
        return cls(**data)


def build_answer(
    columns: Any = None,
    *,
    chains: int = 4,
    draws: int = 200,
    seed: int = 0,
    question: Any = None,
    status: str = "complete",
    boundary: str = "reflect",
    exact: bool = True,
    acceptance: float = float("nan"),
    kernel: str = "conditional",
    nonfinite: int = 0,
    valid: Any = True,
    values: Any = None,
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
        settings=Settings(draws=max(draws, 1), chains=chains, boundary=boundary),
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


def _three() -> dict[str, Any]:
    return {"age": Continuous(18, 90), "income": Continuous(0.0, 1e5), "children": Fixed(2)}


@pytest.fixture(scope="session")
def make_answer() -> Callable[..., Answer]:
    """Return the maker of answers."""
    return build_answer


@pytest.fixture(scope="session")
def answer(make_answer: Callable[..., Answer]) -> Answer:
    """Return four chains of 200 draws over two free columns and a fixed one."""
    return make_answer()
