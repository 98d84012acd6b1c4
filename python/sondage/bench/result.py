"""Results of benchmarks: what was measured, on which machine, with which build."""

from __future__ import annotations

import dataclasses
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from sondage import _core
from sondage.doctor import versions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BenchResult", "Evaluation", "Machine", "Measurement", "ModelsResult", "timed"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a benchmark ran.

    Parameters
    ----------
    processor : str
        The processor's name as the system gives it.
    cores : int
        Logical processors.
    system, python : str
        Operating system and Python version.
    """

    processor: str
    cores: int
    system: str
    python: str

    @classmethod
    def here(cls) -> Machine:
        """Describe the machine that runs this."""
        return cls(
            processor=_processor(),
            cores=os.cpu_count() or 1,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a benchmark.

    Parameters
    ----------
    name : str
        What ran.
    chains, threads : int
        How many chains, on how many threads.
    steps : int
        Timed steps of one chain.
    step_us : float
        Microseconds per step and chain: seconds × threads / (chains × steps).
    ess_per_second : float
        The smallest bulk effective sample size over the columns per second of sampling after
        warm-up, all chains together.
    per_step, per_ess : float
        How many times faster than the reference, per step and per effective sample.
    exact : bool
        Whether the kernel leaves the stated distribution invariant.
    """

    name: str
    chains: int
    threads: int
    steps: int
    step_us: float
    ess_per_second: float
    per_step: float
    per_ess: float
    exact: bool


@dataclass(frozen=True, slots=True)
class BenchResult:
    """All rows of one benchmark with the circumstances.

    Parameters
    ----------
    name : str
        Key in the registry.
    command : str
        The command that repeats it.
    rows : tuple of Measurement
        The reference first.
    notes : tuple of str
        Further findings of the same run, one sentence each.
    machine : Machine
    build : dict
        What ``sondage.build_info()`` says.
    versions : dict
        Of Python and the packages.
    created : str
        ISO 8601, UTC.
    """

    name: str
    command: str
    rows: tuple[Measurement, ...]
    notes: tuple[str, ...]
    machine: Machine
    build: dict[str, str]
    versions: dict[str, str]
    created: str

    @classmethod
    def now(cls, name: str, rows: tuple[Measurement, ...], notes: tuple[str, ...]) -> BenchResult:
        """Add machine, build and time to rows."""
        return cls(
            name=name,
            command=f"sondage bench {name}",
            rows=rows,
            notes=notes,
            machine=Machine.here(),
            build=_core.build_info(),
            versions=versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def to_dict(self) -> dict[str, object]:
        """Give everything as plain values for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One library's evaluation of one model.

    Parameters
    ----------
    case : str
        The model.
    name : str
        Who evaluated it.
    rows : int
        Rows of one call.
    row_us : float
        Microseconds per row, the call included: the least of many rounds.
    over_fastest_peer : float
        How many times faster than the fastest peer of the same case and number of rows.
    agreeing : float
        Share of the rows in which the probability is ours to 1e-5.
    """

    case: str
    name: str
    rows: int
    row_us: float
    over_fastest_peer: float
    agreeing: float


@dataclass(frozen=True, slots=True)
class ModelsResult:
    """All evaluations of one benchmark with the circumstances, as in `BenchResult`."""

    name: str
    command: str
    rows: tuple[Evaluation, ...]
    notes: tuple[str, ...]
    machine: Machine
    build: dict[str, str]
    versions: dict[str, str]
    created: str

    @classmethod
    def now(cls, name: str, rows: tuple[Evaluation, ...], notes: tuple[str, ...]) -> ModelsResult:
        """Add machine, build and time to rows."""
        return cls(
            name=name,
            command=f"sondage bench {name}",
            rows=rows,
            notes=notes,
            machine=Machine.here(),
            build=_core.build_info(),
            versions=versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def to_dict(self) -> dict[str, object]:
        """Give everything as plain values for JSON."""
        return dataclasses.asdict(self)


def timed(action: Callable[[], T]) -> tuple[T, float]:
    """Run something once and give its result with the seconds it took."""
    start = perf_counter()
    result = action()
    return result, perf_counter() - start


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
