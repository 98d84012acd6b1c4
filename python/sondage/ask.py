"""Ask a question: run the chains and return the answer."""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast, overload

import numpy as np
import polars as pl

from sondage._checkpoint import Checkpoint, identity
from sondage._choice import choose_kernel, default_warmup, require_moved
from sondage._core import Run, build_info
from sondage._drawn import Drawn
from sondage._evaluation import advance_by_asking
from sondage._ladder import Ladder, base_stones
from sondage._numbers import one_of as _one_of
from sondage._numbers import positive as _positive
from sondage._numbers import whole as _whole
from sondage._recheck import recheck
from sondage._starts import start_rows
from sondage.answer import Answer, Status
from sondage.errors import QuestionError, SamplingError, SpaceError
from sondage.frames import plain
from sondage.questions import Question
from sondage.run_statistics import RunStatistics
from sondage.settings import Settings
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage._checkpoint import Keeper
    from sondage.frames import FrameLike
    from sondage.kernels import Kernel

__all__ = ["Settings", "ask"]

BOUNDARIES = ("reflect", "reject", "clip")
_SLICE_SECONDS = 0.05


@overload
def ask(
    question: Question | Literal[0],
    space: Space,
    *,
    draws: int = ...,
    chains: int = ...,
    temperature: float | None = ...,
    kernel: Kernel | Literal["auto"] = ...,
    warmup: int | None = ...,
    start: FrameLike | None = ...,
    seed: int | np.random.SeedSequence | None = ...,
    threads: int | None = ...,
    progress: bool | None = ...,
    max_seconds: float | None = ...,
    checkpoint: str | os.PathLike[str] | None = ...,
    thin: int = ...,
    boundary: Literal["reflect", "reject", "clip"] = ...,
    on_interrupt: Literal["raise", "return"] = ...,
) -> Answer: ...
@overload
def ask(
    question: Question | Literal[0],
    space: Space,
    *,
    draws: int = ...,
    chains: int = ...,
    temperature: Sequence[float] | NDArray[np.float64],
    kernel: Kernel | Literal["auto"] = ...,
    warmup: int | None = ...,
    start: FrameLike | None = ...,
    seed: int | np.random.SeedSequence | None = ...,
    threads: int | None = ...,
    progress: bool | None = ...,
    max_seconds: float | None = ...,
    checkpoint: str | os.PathLike[str] | None = ...,
    thin: int = ...,
    boundary: Literal["reflect", "reject", "clip"] = ...,
    on_interrupt: Literal["raise", "return"] = ...,
) -> tuple[Answer, ...]: ...
def ask(
    question: Question | Literal[0],
    space: Space,
    *,
    draws: int = 1000,
    chains: int = 8,
    temperature: float | Sequence[float] | NDArray[np.float64] | None = None,
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
) -> Answer | tuple[Answer, ...]:
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
    temperature : float or sequence of float, optional
        τ, in the unit of G. None: 1, or the lowest of a `Tempered` kernel. A sequence is answered
        at all its temperatures in one run, whose chains exchange rows between neighbouring ones
        (MATH 3.7): each answer is exact at its own, a step costs one for each.
    kernel : kernel or "auto"
        "auto" takes a `Cycle` of one exact sweep (`Conditional`) and four long joint steps where
        the question allows exact conditional draws, else a `Cycle` of `MALA` and `RandomWalk` where
        it has a gradient (a `Mixture` where a model is called or averaged, which is one call a
        step), else `RandomWalk`. Where integer and categorical columns are not drawn from sums of
        trees, those of few values are drawn exactly in each step of a cycle, by evaluating G at
        every value. On a space with a reference `Independence` takes the place of most walks. It
        does not temper: `Tempered` does.
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
    checkpoint : path, optional
        A file that the run is kept in, written about every second and where it stops early. Given
        the same arguments and file, a run that was interrupted, killed or timed out goes on, to the
        same draws as without a break; ``seed=None`` and `threads` are then those that it began
        with. The file is removed once the answer is complete. One of another run, or that is
        damaged, is refused and left as it is.
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
    Answer, or tuple of Answer for a sequence of temperatures, in its order

    Raises
    ------
    SamplingError
        For an argument that is not allowed, if no row of finite G is found to start from, or if
        a model fails or the checkpoint cannot be written: then with the answer so far as
        ``answer``.
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
    draws, chains = _whole("draws", draws, 1), _whole("chains", chains, 1)
    thin = _whole("thin", thin, 1)
    threads = _whole("threads", usable_cpus() if threads is None else threads, 1)
    ladder = Ladder.of(temperature, kernel)
    limit = math.inf if max_seconds is None else _positive("max_seconds", max_seconds)
    _one_of("boundary", boundary, BOUNDARIES)
    _one_of("on_interrupt", on_interrupt, ("raise", "return"))
    if progress is not None and not isinstance(progress, bool):
        raise SamplingError(f"progress={progress!r} must be True, False or None")
    kept = None if checkpoint is None else Checkpoint.at(checkpoint)
    if kept is not None:
        seed = kept.seed(seed)
        threads = kept.threads or threads
    entropy, key = seed_key(seed)

    space.sampleable()
    sampled = question._sampled(space)
    if not sampled.free:
        raise SpaceError(
            f"every column of the space is fixed ({sampled!r}); nothing can be sampled"
        )
    evaluation = question._on(space, ladder.lowest)
    energy = evaluation.energy
    outside = evaluation.outside
    chosen, reason = choose_kernel(kernel, energy, () if outside is None else outside.names)
    require_moved(chosen, energy, sampled)
    tempered = len(ladder.rungs) > 1
    if tempered and evaluation.decoding is not None and evaluation.decoding.log_det is not None:
        raise SamplingError(
            f"{question!r} holds log|det| of its decoder, and what is sampled then differs by "
            "temperature: ask at one temperature, or with a decoder that has no Jacobian"
        )
    steps = default_warmup(chosen) if warmup is None else _whole("warmup", warmup, 0)
    settings = Settings(
        draws=draws,
        chains=chains,
        temperature=ladder.lowest,
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
        temperatures=ladder.answered if ladder.several else (),
    )
    rows = None if start is None else start_rows(start, sampled, evaluation, chains)
    known = {} if kept is None else identity(question, space, evaluation, settings, rows)
    if kept is not None:
        kept.require(known)
    run = Run(
        energy,
        chosen._core(),
        key=key,
        chains=chains,
        temperature=ladder.lowest,
        warmup=steps,
        draws=draws,
        thin=thin,
        boundary=boundary,
        threads=threads,
        start=rows,
        ladder=list(ladder.rungs),
        every=ladder.several,
    )
    keeper = None if kept is None else kept.keeper(run, known, threads)
    base: tuple[float, ...] = ()
    status: Status
    failure: SamplingError | None = None
    try:
        if outside is None:
            status = _advance(run, began + limit, progress, keeper)
        else:
            status = advance_by_asking(run, outside, began + limit, progress, keeper)
        if keeper is not None:
            keeper.end(complete=status == "complete")
        if tempered and status == "complete":
            highest = ladder.rungs[-1]
            base = base_stones(evaluation, sampled, key, chains, draws, highest, began + limit)
    except KeyboardInterrupt as interrupt:
        if keeper is not None:
            keeper.leave(interrupt)
        if on_interrupt == "raise":
            raise
        status = "interrupted"
    except SamplingError as error:
        if keeper is not None:
            keeper.leave(error)
        status, failure = "failed", error
    answers = {}
    results = run.finish_all() if ladder.several else [run.finish()]
    for tau, result in zip(ladder.rungs[: len(results)], results, strict=True):
        own = evaluation
        if own.base is not None:
            own = replace(own, base=(tau, own.base[1]))
        drawn = Drawn.before_decoding(result, own, len(space.columns))
        try:
            drawn = drawn.decoded(result, own, tau, space)
            recheck(question._parts(space, drawn.draws, drawn.latents), drawn.valid)
        except KeyboardInterrupt:
            if on_interrupt == "raise":
                raise
            status = status if failure is not None else "interrupted"
        except SamplingError as error:
            status, failure = "failed", failure or error
        answers[tau] = Answer(
            draws=drawn.draws,
            energies=drawn.energies,
            valid=drawn.valid,
            latents=drawn.latents,
            space=space,
            question=question,
            settings=replace(settings, temperature=tau),
            status=status,
            statistics=RunStatistics.of_run(result, base),
        )
    if failure is not None:
        failure.answer = answers[ladder.lowest]
        raise failure
    if keeper is not None and status == "complete":
        keeper.remove()
    if ladder.several:
        return tuple(answers[tau] for tau in ladder.answered)
    return answers[ladder.lowest]


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


def _advance(
    run: Run, deadline: float, progress: bool | None, keeper: Keeper | None
) -> Literal["complete", "timed_out"]:
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
            if keeper is not None:
                keeper()


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


def usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
