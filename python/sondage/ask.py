"""Ask a question: run the chains and return the answer."""

from __future__ import annotations

import math
import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import polars as pl

from sondage._choice import choose_kernel, default_warmup, require_moved
from sondage._core import Run, build_info
from sondage._drawn import Drawn
from sondage._evaluation import advance_by_asking
from sondage._numbers import one_of as _one_of
from sondage._numbers import positive as _positive
from sondage._numbers import whole as _whole
from sondage._recheck import recheck
from sondage._starts import start_rows
from sondage.answer import Answer, Status
from sondage.errors import QuestionError, SamplingError, SpaceError
from sondage.frames import plain
from sondage.questions import Question
from sondage.run_statistics import KernelStatistics, RunStatistics
from sondage.settings import Settings
from sondage.space import Space

if TYPE_CHECKING:
    from sondage.frames import FrameLike
    from sondage.kernels import Kernel

__all__ = ["Settings", "ask"]

BOUNDARIES = ("reflect", "reject", "clip")
_SLICE_SECONDS = 0.05


def ask(
    question: Question | Literal[0],
    space: Space,
    *,
    draws: int = 1000,
    chains: int = 8,
    temperature: float = 1.0,
    kernel: Kernel | Literal["auto"] = "auto",
    warmup: int | None = None,
    start: FrameLike | None = None,
    seed: int | np.random.SeedSequence | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    max_seconds: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    thin: int = 1,
    boundary: Literal["reflect", "reject", "clip"] = "reflect",
    on_interrupt: Literal["raise", "return"] = "raise",
) -> Answer:
    """Sample rows x of the space from p(x) ∝ exp(−G(x)/τ) (MATH section 1).

    Parameters
    ----------
    question : Question
        G, from `fixed_label`, `prediction_risky`, `near`, `require` and their sums.
    space : Space
        At least one column is free.
    draws : int
        Rows kept per chain.
    chains : int
        Independent chains. Chain i does not depend on how many others run.
    temperature : float
        τ, in the unit of G.
    kernel : kernel or "auto"
        "auto" takes a `Cycle` of one exact sweep (`Conditional`) and four long joint steps where
        the question allows exact conditional draws, else a `Cycle` of `MALA` and `RandomWalk` where
        it has a gradient (a `Mixture` where a model is called or averaged, which is one call a
        step), else `RandomWalk`. Where integer and categorical columns are not drawn from sums of
        trees, those of few values are drawn exactly in each step of a cycle, by evaluating G at
        every value. On a space with a reference `Independence` takes the place of most walks.
    warmup : int, optional
        Steps before the first kept row. None: 200 where each step holds an exact sweep and no part
        of the kernel adapts, else 1000.
    start : frame or array, optional
        One row per chain, in the space (of a `pullback`, its latent space) and of finite G;
        categories as their levels. None: each chain finds its own.
    seed : int or SeedSequence, optional
        The same seed gives the same draws, whatever `threads`. None: fresh entropy, kept in the
        answer's settings.
    threads : int, optional
        None: as many as this process may use.
    progress : bool, optional
        None: a progress bar if rich is installed and standard error is a terminal.
    max_seconds : float, optional
        Stop sampling after so long, with what there is (status ``"timed_out"``). That the user's
        models then confirm the draws comes on top.
    checkpoint : None
        Not available yet.
    thin : int
        Keep every so many-th step.
    boundary : {"reflect", "reject", "clip"}
        What happens to proposals outside the bounds (MATH 3.4). "clip" is not exact.
    on_interrupt : {"raise", "return"}
        Whether Ctrl-C raises `KeyboardInterrupt` or returns what there is (status
        ``"interrupted"``). Pressed again while the user's models confirm the draws, it marks the
        rest of them as not valid.

    Returns
    -------
    Answer

    Raises
    ------
    SamplingError
        For an argument that is not allowed, if no row of finite G is found to start from, or if
        a model fails: then with the answer so far as ``answer``.
    SpaceError
        If the space has nothing free or a column that cannot be sampled: fixed at a query's value,
        or of mixed levels.
    QuestionError, ModelError
        If the question does not fit the space.
    """
    began = time.monotonic()
    if not isinstance(question, Question):
        raise QuestionError(
            f"question is {type(question).__name__}; fixed_label, prediction_risky, "
            "parameter_sensitive, model_contrasting, near and require make one"
        )
    if not isinstance(space, Space):
        raise SpaceError(f"space is {type(space).__name__}; a sondage.Space is needed")
    if checkpoint is not None:
        raise SamplingError(f"checkpoint={checkpoint!r} is not available yet; leave it out")
    draws, chains = _whole("draws", draws, 1), _whole("chains", chains, 1)
    thin = _whole("thin", thin, 1)
    threads = _whole("threads", _usable_cpus() if threads is None else threads, 1)
    temperature = _positive("temperature", temperature)
    limit = math.inf if max_seconds is None else _positive("max_seconds", max_seconds)
    _one_of("boundary", boundary, BOUNDARIES)
    _one_of("on_interrupt", on_interrupt, ("raise", "return"))
    if progress is not None and not isinstance(progress, bool):
        raise SamplingError(f"progress={progress!r} must be True, False or None")
    entropy, key = seed_key(seed)

    space.sampleable()
    sampled = question._sampled(space)
    if not sampled.free:
        raise SpaceError(
            f"every column of the space is fixed ({sampled!r}); nothing can be sampled"
        )
    evaluation = question._on(space, temperature)
    energy = evaluation.energy
    outside = evaluation.outside
    chosen, reason = choose_kernel(kernel, energy, () if outside is None else outside.names)
    require_moved(chosen, energy, sampled)
    steps = default_warmup(chosen) if warmup is None else _whole("warmup", warmup, 0)
    settings = Settings(
        draws=draws,
        chains=chains,
        temperature=temperature,
        kernel=repr(chosen),
        kernel_requested=repr(kernel) if not isinstance(kernel, str) else kernel,
        kernel_reason=reason,
        warmup=steps,
        thin=thin,
        boundary=boundary,
        seed=entropy,
        threads=threads,
        max_seconds=None if max_seconds is None else limit,
        versions=_versions(question),
        build=dict(build_info()),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    run = Run(
        energy,
        chosen._core(),
        key=key,
        chains=chains,
        temperature=temperature,
        warmup=steps,
        draws=draws,
        thin=thin,
        boundary=boundary,
        threads=threads,
        start=None if start is None else start_rows(start, sampled, evaluation, chains),
    )
    status: Status
    failure: SamplingError | None = None
    try:
        if outside is None:
            status = _advance(run, began + limit, progress)
        else:
            status = advance_by_asking(run, outside, began + limit, progress)
    except KeyboardInterrupt:
        if on_interrupt == "raise":
            raise
        status = "interrupted"
    except SamplingError as error:
        status, failure = "failed", error
    result = run.finish()
    drawn = Drawn.before_decoding(result, evaluation, len(space.columns))
    try:
        drawn = drawn.decoded(result, evaluation, temperature, space)
        recheck(question._parts(space, drawn.draws, drawn.latents), drawn.valid)
    except KeyboardInterrupt:
        if on_interrupt == "raise":
            raise
        status = status if failure is not None else "interrupted"
    except SamplingError as error:
        status, failure = "failed", failure or error
    answer = Answer(
        draws=drawn.draws,
        energies=drawn.energies,
        valid=drawn.valid,
        latents=drawn.latents,
        space=space,
        question=question,
        settings=settings,
        status=status,
        statistics=_statistics(result),
    )
    if failure is not None:
        failure.answer = answer
        raise failure
    return answer


def seed_key(seed: int | np.random.SeedSequence | None) -> tuple[int, bytes]:
    """Return the entropy of a seed and the 32-byte key of the random streams.

    The entropy, given as seed again, leads to the same key. A spawned sequence is condensed to one
    number first.

    >>> seed_key(7) == seed_key(np.random.SeedSequence(7))
    True
    """
    value = plain(seed)
    if isinstance(value, np.random.SeedSequence):
        entropy = plain(value.entropy)
        if value.spawn_key or value.pool_size != 4 or not isinstance(entropy, int):
            entropy = int.from_bytes(
                value.generate_state(4, np.uint32).astype("<u4").tobytes(), "little"
            )
    elif value is None:
        entropy = cast("int", np.random.SeedSequence().entropy)
    elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SamplingError(
            f"seed={seed!r} must be a whole number of at least 0, a numpy SeedSequence or None"
        )
    else:
        entropy = value
    words = np.random.SeedSequence(entropy).generate_state(8, np.uint32)
    return entropy, words.astype("<u4").tobytes()


def _advance(run: Run, deadline: float, progress: bool | None) -> Literal["complete", "timed_out"]:
    from sondage.progress import progress_bar

    done, total, warmup = run.progress()
    with progress_bar(total, warmup, progress) as bar:
        while True:
            seconds = min(_SLICE_SECONDS, deadline - time.monotonic())
            if seconds <= 0.0:
                return "timed_out"
            finished = run.advance(seconds)
            done, _, _ = run.progress()
            bar.update(done)
            if finished:
                return "complete"


def _statistics(result: dict[str, Any]) -> RunStatistics:
    return RunStatistics(
        nonfinite=tuple(int(count) for count in result["nonfinite"]),
        seconds_warmup=float(result["seconds_warmup"]),
        seconds_sampling=float(result["seconds_sampling"]),
        steps=tuple(int(count) for count in result["steps"]),
        kernels=tuple(
            KernelStatistics(
                name=kernel["name"],
                acceptance=tuple(float(share) for share in kernel["acceptance"]),
                step=tuple(float(size) for size in kernel["step"]),
                steps=tuple(int(count) for count in kernel["steps"]),
            )
            for kernel in result["kernels"]
        ),
        exact=bool(result["exact"]),
        nonfinite_drift=tuple(int(count) for count in result["nonfinite_drift"]),
    )


def _versions(question: Question) -> dict[str, str]:
    versions = {
        "sondage": build_info()["version"],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "polars": pl.__version__,
    }
    for model in question.models:
        library, _, version = model.library.rpartition(" ")
        if library:
            versions[library] = version
    return versions


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
