"""Rows near given ones for which a model predicts what is wanted."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage import _core
from sondage import _text as text
from sondage._encoding import encode
from sondage._numbers import one_of, positive, whole
from sondage.ask import seed_key, usable_cpus
from sondage.columns import missing_weight
from sondage.errors import SpaceError
from sondage.frames import listed
from sondage.progress import progress_bar
from sondage.queries._groups import Group, grouped
from sondage.queries._one_by_one import answer_one
from sondage.queries._reading import bounds_around, read_queries
from sondage.queries._table import Outcome, not_found, table
from sondage.questions import require
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl
    from numpy.typing import NDArray

    from sondage._question import Question
    from sondage.frames import FrameLike
    from sondage.models import Model

__all__ = ["counterfactuals"]

#: Seconds of work between looks at the clock and for Ctrl-C.
_SLICE_SECONDS = 0.1
_OVER = Outcome("timed_out", reason="max_seconds was over before its turn")
_ALREADY = Outcome("already", reason="the model predicts the target for the row as it is")


def counterfactuals(
    model: Model,
    rows: FrameLike,
    target: object,
    space: Space,
    *,
    n: int = 10,
    temperature: float | None = None,
    near: float = 0.1,
    weights: Mapping[str, float] | None = None,
    engine: Literal["local", "ray"] = "local",
    seed: int | np.random.SeedSequence | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    max_seconds: float | None = None,
) -> pl.DataFrame:
    """Find rows near each query row for which the model predicts the target.

    They are drawn from p(x) ∝ 1[the model predicts the target] p_ref(x) exp(−near · D(x)/τ), where
    D(x) is the number of changed columns plus how far each has moved, in units of its range, and
    p_ref the reference of the space, if it has one. A query's own value weighs as much as the cell
    of the base measure that holds it. Of the rows drawn, changes without which the model still
    agrees are undone; of the `2n` most probable, the `n` that
    differ most are given.

    Parameters
    ----------
    model : Model
        Native models of any kind are answered for many queries at once; with other models, and
        conditions of the space that are functions, one query after the other.
    rows : polars, pandas or pyarrow frame, or 2-D numpy array
        A query in each row, with the columns of the space.
    target : label, or (lower, upper)
        What `require` takes.
    space : Space
        Bounds hold for every row; columns that are fixed at the query's value, or may only grow or
        shrink, are so for each query.
    n : int
        Rows for each query.
    temperature : float, optional
        τ, in the unit of `near`. None: 0.02.
    near : float
        What a changed column costs; 0: nothing does.
    weights : mapping from str to float, optional
        Factors of the cost by column, above zero; one for columns left out.
    engine : {"local"}
        "ray" is not available yet.
    seed : int or SeedSequence, optional
        The rows of a query depend on the seed and its own values alone: not on other queries, their
        order, or threads.
    threads : int, optional
        None: as many as this process may use.
    progress : bool, optional
        None: a progress bar if rich is installed and standard error is a terminal.
    max_seconds : float, optional
        Queries that are not answered by then have the status ``"timed_out"``.

    Returns
    -------
    polars.DataFrame
        ``query`` (position in `rows`), ``sample`` (from 0), the columns of the space in the dtypes
        of the space, ``valid`` (the user's own model predicts the target), ``status`` and
        ``reason``. Fixed columns hold the query's very values. A query without an answer has one
        row whose ``sample`` and columns are null. If the space has a column of one of these names,
        ours gets a trailing underscore. Statuses: ``"complete"``; ``"fewer"`` rows than `n`;
        ``"not_found"``; ``"already"`` what is wanted; ``"outside"`` of the space; ``"timed_out"``.

    Raises
    ------
    SamplingError
        For an argument that is not allowed, or if a model fails.
    QuestionError, ModelError, SpaceError
        If model, target and space do not fit together.
    DataError
        If `rows` is no frame, or lacks a column of the space.
    """
    began = time.monotonic()
    question = require(model, target)
    if not isinstance(space, Space):
        raise SpaceError(f"space is {type(space).__name__}; a sondage.Space is needed")
    n = whole("n", n, 1)
    one_of("engine", engine, ("local",))
    threads = usable_cpus() if threads is None else whole("threads", threads, 1)
    scale = 0.02 if temperature is None else positive("temperature", temperature)
    near = 0.0 if near == 0.0 else positive("near", near)
    limit = math.inf if max_seconds is None else positive("max_seconds", max_seconds)
    _, key = seed_key(seed)
    costs = _costs(space, near / scale, weights)
    queries = read_queries(rows, space)
    outcomes = [Outcome("outside", reason=why) for why in queries.problems]
    search = _Search(model, target, question, space, n, costs, key, threads, began + limit)
    done = 0
    with progress_bar(len(outcomes), 0, progress) as bar:
        for group in grouped(queries, space):
            answers = _answers(search, group, queries.frame)
            for position, outcome in zip(group.positions.tolist(), answers, strict=True):
                outcomes[position] = outcome
                done += 1
                bar.update(done)
    return table(outcomes, queries.frame, space, question)


@dataclass(frozen=True, slots=True)
class _Search:
    """What is the same for all queries."""

    model: Model
    target: object
    question: Question
    declared: Space
    n: int
    costs: NDArray[np.float64]
    key: bytes
    threads: int
    deadline: float


def _answers(search: _Search, group: Group, queries: pl.DataFrame) -> Iterator[Outcome]:
    """Yield the outcome of each query of a group."""
    space, question = group.space, search.question
    rows = encode(queries[group.positions.tolist()], space, "rows") + 0.0
    lower, upper = bounds_around(rows, space, search.declared)
    keys = [hashlib.sha256(search.key + row.tobytes()).digest() for row in rows]
    evaluation = question._on(space, 1.0)
    missing = any(missing_weight(kind) > 0.0 for kind in space.kinds.values())
    if evaluation.outside is not None or missing:
        yield from _one_by_one(search, group, queries, rows, keys)
        return
    labels = question._on(space) if space._constraints else evaluation
    already = np.isfinite(labels(rows))
    core = _core.Search(
        evaluation.energy, n=search.n, costs=search.costs.tolist(), threads=search.threads
    )
    batch, first = 8 * search.threads, 0
    while first < len(rows):
        began = time.monotonic()
        if began >= search.deadline:
            yield from [_OVER] * (len(rows) - first)
            return
        own = np.arange(first, min(first + batch, len(rows)))
        asked = own[~already[own]]
        counts, found, nearest = core.run(
            rows[asked], lower[asked], upper[asked], b"".join(keys[i] for i in asked)
        )
        given = iter(np.split(found, np.cumsum(counts)[:-1]))
        last = iter(nearest)
        for i in own:
            if already[i]:
                yield _ALREADY
            else:
                yield _outcome(search, space, next(given), next(last))
        first += batch
        taken = time.monotonic() - began
        batch = int(np.clip(batch * _SLICE_SECONDS / taken, 8 * search.threads, 4096)) // 8 * 8


def _one_by_one(
    search: _Search,
    group: Group,
    queries: pl.DataFrame,
    rows: NDArray[np.float64],
    keys: list[bytes],
) -> Iterator[Outcome]:
    """Yield outcomes where another library evaluates the model."""
    already = np.isfinite(search.question._on(group.space)(rows))
    for i, position in enumerate(group.positions.tolist()):
        if time.monotonic() >= search.deadline:
            yield _OVER
        elif already[i]:
            yield _ALREADY
        else:
            row = queries.row(position, named=True)
            found = answer_one(
                search.question,
                row,
                search.declared.around(row),
                search.n,
                search.costs,
                keys[i],
                search.threads,
            )
            if found.reason is not None:
                yield Outcome("not_found", reason=found.reason)
            else:
                yield _outcome(search, found.space, found.rows, rows[i])


def _outcome(
    search: _Search, space: Space, rows: NDArray[np.float64], nearest: NDArray[np.float64]
) -> Outcome:
    if len(rows) == 0:
        why = not_found(search.model, space, nearest, search.target)
        return Outcome("not_found", reason=why)
    if len(rows) < search.n:
        why = f"no more than {text.plural(len(rows), 'row')} without needless changes found"
        return Outcome("fewer", space, rows, why)
    return Outcome("complete", space, rows)


def _costs(space: Space, cost: float, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return what changing each column costs, in logarithms of probability."""
    weights = {} if weights is None else dict(weights)
    unknown = [name for name in weights if name not in space.columns]
    if unknown:
        raise SpaceError(
            f"weights names unknown column {listed(unknown)}; the columns are "
            f"{listed(space.columns)}"
        )
    factors = [positive(f"weights[{name!r}]", weights.get(name, 1.0)) for name in space.columns]
    return cost * np.array(factors)
