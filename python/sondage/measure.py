"""How much of a space: the probability that a question is answered."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sondage import _text as text
from sondage._arguments import finite_number
from sondage._assembly import Assembly
from sondage._constraints import limits
from sondage._constraints._draws import given
from sondage._core import Measurement
from sondage._encoding import decode
from sondage._guides import natural_guide, require_graded, requires
from sondage._numbers import positive, whole
from sondage.ask import seed_key, usable_cpus
from sondage.errors import ModelError, QuestionError, SamplingError, SpaceError
from sondage.questions import Question
from sondage.space import Space

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from sondage._core import Reference
    from sondage._evaluation import Evaluation

__all__ = ["Measure", "measure"]

Status: TypeAlias = Literal["complete", "imprecise", "not_seen", "needs_guide", "timed_out"]

_SLICE_SECONDS = 0.05
#: Rows that a guide is tried on.
_TRIED = 1024
#: Rows of the event that are kept.
_EXAMPLES = 100


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Measure:
    """A probability of an event under the base measure of a space; made by `measure`.

    Attributes
    ----------
    log_p : float
        Natural logarithm of the estimate; −∞ where the event was not seen.
    log_se : float
        Standard error of `log_p`, about the relative error of `p`; ∞ where the event was not seen.
    interval : (float, float)
        For the probability, of 95 %. Where the event was not seen (or nothing else was) a bound of
        95 %, from independent draws alone: ``(0.0, bound)``.
    levels : int
        Nested sets of the longest repetition; 0 where independent draws were enough.
    calls : int
        Rows of which the question was evaluated.
    status : str
        ``"complete"``: `log_se` is at most the relative error that was asked for. ``"imprecise"``:
        it is not, with all the work that is allowed. ``"not_seen"``: the event was never seen, it
        may be impossible. ``"needs_guide"``: it was seen too seldom, or never, and nothing leads
        to it. ``"timed_out"``: `max_seconds` was over.
    examples : polars.DataFrame
        Up to 100 rows from the event, with the columns of the space. They are not independent.
    """

    log_p: float
    log_se: float
    interval: tuple[float, float]
    levels: int
    calls: int
    status: Status
    examples: pl.DataFrame

    @property
    def p(self) -> float:
        """The estimate; 0 where the event was not seen."""
        return math.exp(self.log_p)

    def __repr__(self) -> str:
        low, high = self.interval
        if self.p > 0.0:
            estimate, *ends = _apart(self.p, low, high)
            found = f"p = {estimate}, 95 % {ends[0]} to {ends[1]}"
        elif high < 1.0:
            found = f"p < {high:.2g} with 95 %, never seen"
        else:
            found = "p unknown"
        levels = f", {text.plural(self.levels, 'level')}" if self.levels else ""
        return f"Measure({found}{levels}, {self.calls:,} rows evaluated, {self.status})"


def measure(
    question: Question,
    space: Space,
    *,
    at_most: float | None = None,
    guide: Question | None = None,
    relative_error: float = 0.1,
    seed: int | np.random.SeedSequence | None = None,
    threads: int | None = None,
    max_seconds: float | None = None,
    progress: bool | None = None,
) -> Measure:
    """Estimate how much of a space answers a question (MATH section 13).

    The probability, under the base measure of the space (uniform, or its reference; given the
    conditions of `Space.where`), that G(x) ≤ `at_most`, or that a requirement holds. Independent
    draws are counted where that is enough; an event that is rare is reached through nested sets by
    adaptive multilevel splitting, in independent repetitions whose spread is the standard error.

    Parameters
    ----------
    question : Question
        With a requirement among its terms, or with `at_most`.
    space : Space
        At least one column is free.
    at_most : float, optional
        The event is that G is at most this. None: that G is finite: every requirement holds.
    guide : Question, optional
        Graded: lower the nearer a row is to the event, which need not be a level set of it. A bad
        guide costs work, not truth. None: G itself leads, and where it is infinite the distance
        of the required models from what is required of them, where they have one.
    relative_error : float
        Standard error of log p that is enough, between 0 and 1.
    seed : int or SeedSequence, optional
        The same seed gives the same estimate, whatever `threads`. None: fresh entropy.
    threads : int, optional
        None: as many as this process may use.
    max_seconds : float, optional
        Stop after so long, with what there is (status ``"timed_out"``).
    progress : bool, optional
        None: a progress bar if rich is installed and standard error is a terminal.

    Returns
    -------
    Measure

    Raises
    ------
    QuestionError
        For no event (neither a requirement nor `at_most`), a guide that grades nothing, or a
        `pullback`, whose rows are latent.
    SamplingError
        For an argument that is not allowed, or if a model fails.
    SpaceError, ModelError
        If the space has nothing free, or does not fit the question.

    Notes
    -----
    The error covers what chance does to the repetitions. A part of the event that no repetition
    has come near, because the guide leads elsewhere, is in no estimate; where independent draws
    contradict the repetitions, they are believed instead.

    >>> space = Space.from_frame(np.array([[0.0, 0.0], [1.0, 1.0]]))
    >>> from sondage import near
    >>> found = measure(near([0.5, 0.5]), space, at_most=0.04, seed=1)
    >>> abs(found.p - 0.04 * math.pi) < 4 * found.log_se * found.p
    True
    """
    began = time.monotonic()
    _require_event(question, space, at_most, guide)
    c = None if at_most is None else finite_number("at_most", at_most)
    relative_error = positive("relative_error", relative_error)
    if relative_error >= 1.0:
        raise SamplingError(f"relative_error={relative_error!r} must be between 0 and 1")
    threads = usable_cpus() if threads is None else whole("threads", threads, 1)
    limit = math.inf if max_seconds is None else positive("max_seconds", max_seconds)
    if progress is not None and not isinstance(progress, bool):
        raise SamplingError(f"progress={progress!r} must be True, False or None")
    _, key = seed_key(seed)
    space.sampleable()
    if not space.free:
        raise SpaceError(f"every column of the space is fixed ({space!r}); there is no probability")
    event = _Event.of(question, space, c, guide, key)
    run = event.run(key, relative_error, threads)
    try:
        over = _advance(run, event, began + limit, progress)
    except ModelError as error:
        raise SamplingError(str(error)) from (error.__cause__ or error)
    result = run.finish()
    return Measure(
        log_p=result["log_p"],
        log_se=result["log_se"],
        interval=result["interval"],
        levels=result["levels"],
        calls=result["calls"],
        status=result["status"] if over else "timed_out",
        examples=event.examples(result["examples"]),
    )


@dataclass(frozen=True, slots=True)
class _Event:
    """What is measured, ready to be evaluated."""

    space: Space
    question: Evaluation
    guide: Evaluation | None
    #: 0 where functions among the constraints of the space admit a row, else infinite.
    admitting: Evaluation | None
    at_most: float | None
    by_guide: bool
    reference: Reference | None

    @classmethod
    def of(
        cls, question: Question, space: Space, c: float | None, guide: Question | None, key: bytes
    ) -> _Event:
        admitting = None
        if limits(space).predicates:
            assembly = Assembly(len(space.columns))
            assembly.restrict(space)
            admitting = assembly.evaluation(space)
        reference = None if space.reference is None else space.reference._core()
        plain = cls(space, question._on(space), None, admitting, c, False, reference)
        if guide is None and not requires(question):
            return plain
        try:
            rows = plain.run(key, 0.5, 1).draws(_TRIED)
            if guide is None:
                found = natural_guide(question, space, rows)
                own = None if found is None else found[1]
            else:
                own = guide._on(space)
                require_graded(guide, own, rows)
        except ModelError as error:
            raise SamplingError(str(error)) from (error.__cause__ or error)
        by_guide = guide is not None
        return cls(space, plain.question, own, admitting, c, by_guide, reference)

    @property
    def foreign(self) -> bool:
        """Whether Python evaluates a part of it."""
        guided = self.guide is not None and self.guide.outside is not None
        return self.question.outside is not None or self.admitting is not None or guided

    def run(self, key: bytes, relative_error: float, threads: int) -> Measurement:
        guide = None if self.guide is None else self.guide.energy
        return Measurement(
            self.question.energy,
            guide=guide,
            reference=self.reference,
            key=key,
            at_most=self.at_most,
            by_guide=self.by_guide,
            steered=self.at_most is not None or guide is not None,
            relative_error=relative_error,
            threads=threads,
            foreign=self.foreign,
        )

    def holds(self, energies: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say at which values of G the event holds."""
        if self.at_most is None:
            return energies < math.inf
        return energies <= self.at_most

    def tell(self, run: Measurement, rows: NDArray[np.float64], guided: bool) -> None:
        """Evaluate rows: G where functions admit them, the guide where the event does not hold."""
        energies = np.full(len(rows), math.inf)
        admitted = np.ones(len(rows), dtype=np.bool_)
        if self.admitting is not None:
            admitted = np.isfinite(self.admitting(rows))
        if admitted.any():
            energies[admitted] = self.question(np.ascontiguousarray(rows[admitted]))
        led = None
        if guided and self.guide is not None:
            led = np.full(len(rows), math.inf)
            asks = admitted & ~self.holds(energies)
            if not self.by_guide:
                asks &= ~(energies < math.inf)
            if asks.any():
                led[asks] = self.guide(np.ascontiguousarray(rows[asks]))
        run.tell(energies, led, admitted)

    def examples(self, rows: NDArray[np.float64]) -> pl.DataFrame:
        """Put some rows of the event in a frame, as far as they hold in the user's dtypes."""
        if len(rows) > _EXAMPLES:
            rows = rows[np.linspace(0, len(rows) - 1, _EXAMPLES).astype(np.int64)]
        rows = np.ascontiguousarray(given(rows, self.space))
        if len(rows):
            rows = rows[self.holds(self.question(rows))]
        return decode(rows, self.space)


def _advance(run: Measurement, event: _Event, deadline: float, progress: bool | None) -> bool:
    """Go on until it is over, or time is; say which."""
    from sondage.progress import progress_bar

    _, total = run.progress()
    shown = time.monotonic()
    with progress_bar(total, 0, progress) as bar:
        while True:
            if event.foreign:
                asked = run.ask()
                if asked is not None:
                    event.tell(run, *asked)
                over = asked is None
            else:
                left = max(0.0, deadline - time.monotonic())
                over = run.advance(min(_SLICE_SECONDS, left))
            now = time.monotonic()
            if over:
                bar.update(total)
                return True
            if now >= deadline:
                return False
            if now - shown >= _SLICE_SECONDS:
                bar.update(run.progress()[0])
                shown = now


def _require_event(question: object, space: object, at_most: object, guide: object) -> None:
    """Refuse what has no event, or is not about rows of the space."""
    for name, asked in (("question", question), ("guide", guide)):
        if asked is None and name == "guide":
            continue
        if not isinstance(asked, Question):
            raise QuestionError(
                f"{name} is {type(asked).__name__}; a sondage.Question such as fixed_label makes "
                "is needed"
            )
        if asked._decodes:
            raise QuestionError(
                f"{name}={asked!r} is about latent rows, and a probability is of rows of the "
                "space: leave out pullback"
            )
    if not isinstance(space, Space):
        raise SpaceError(f"space is {type(space).__name__}; a sondage.Space is needed")
    if at_most is None and isinstance(question, Question) and not requires(question):
        raise QuestionError(
            f"{question!r} holds everywhere: give at_most=, the value of G that is low enough, or "
            "require a label or a band"
        )


def _apart(*values: float) -> list[str]:
    """Write numbers with as few digits as tell them apart."""
    for digits in range(2, 8):
        shown = [f"{value:.{digits}g}" for value in values]
        if len(set(shown)) == len(shown):
            return shown
    return [f"{value:.2g}" for value in values]
