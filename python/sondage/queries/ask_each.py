"""Any question, one for each of many rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from sondage._numbers import one_of
from sondage._tables import own_names
from sondage.ask import ask, seed_key
from sondage.errors import QuestionError, SamplingError, SpaceError, StartError
from sondage.frames import to_polars
from sondage.progress import progress_bar
from sondage.questions import Question
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from sondage.frames import FrameLike

__all__ = ["ask_each"]


def ask_each(
    make_question: Callable[[dict[str, object]], Question],
    rows: FrameLike,
    space: Space,
    *,
    engine: Literal["local", "ray"] = "local",
    seed: int | np.random.SeedSequence | None = None,
    progress: bool | None = None,
    **settings: Any,  # noqa: ANN401 - what `ask` takes
) -> pl.DataFrame:
    """Ask a question of its own for each of many rows, one after another.

    Parameters
    ----------
    make_question : callable
        Takes a row, a mapping from column to value, and returns the question.
    rows : polars, pandas or pyarrow frame, or 2-D numpy array
        With the columns of the space.
    space : Space
        Each question is asked on ``space.around(row)``.
    engine : {"local"}
        "ray" is not available yet.
    seed : int or SeedSequence, optional
        An answer depends on the seed and its row's values alone.
    progress : bool, optional
        None: a progress bar if rich is installed and standard error is a terminal.
    **settings
        Passed to `ask`.

    Returns
    -------
    polars.DataFrame
        ``query`` (position in `rows`), the columns of `Answer.frame`, ``status`` (that of the
        answer; ``"outside"`` of the space; ``"not_found"``, no start) and ``reason``. A query
        without an answer has one row whose other columns are null. If the space has a column of
        one of these names, ours gets a trailing underscore.

    Raises
    ------
    QuestionError
        If `make_question` returns something else.
    SamplingError
        For an argument that is not allowed, or if a model fails.

    >>> from sondage import Continuous, near
    >>> space = Space({"x": Continuous(0.0, 9.0)})
    >>> rows = pl.DataFrame({"x": [2.0, 5.0]})
    >>> found = ask_each(near, rows, space, draws=100, temperature=0.01, seed=0)
    >>> found.group_by("query", maintain_order=True).agg(pl.col("x").mean().round())["x"].to_list()
    [2.0, 5.0]
    """
    one_of("engine", engine, ("local",))
    if not isinstance(space, Space):
        raise SpaceError(f"space is {type(space).__name__}; a sondage.Space is needed")
    _, key = seed_key(seed)
    if hasattr(settings.get("temperature"), "__len__"):
        raise SamplingError(
            f"temperature={settings['temperature']!r}: ask_each answers each row at one temperature"
        )
    if settings.get("checkpoint") is not None:
        raise SamplingError(
            f"checkpoint={settings['checkpoint']!r}: ask_each makes many short runs, none of which "
            "is kept; leave it out"
        )
    table = to_polars(rows, space.columns)
    query, status, reason = own_names(space.columns, ("query", "status", "reason"))
    parts: list[pl.DataFrame] = []
    with progress_bar(len(table), 0, progress) as bar:
        for position, row in enumerate(table.iter_rows(named=True)):
            frame, came, why = _answer(make_question, row, space, key, settings)
            own = pl.DataFrame({query: [position] * max(len(frame), 1)})
            parts.append(
                pl.concat([own, frame], how="horizontal").with_columns(
                    pl.lit(came).alias(status), pl.lit(why, dtype=pl.String).alias(reason)
                )
            )
            bar.update(position + 1)
    every = pl.concat(parts, how="diagonal") if parts else pl.DataFrame({query: []})
    return every.select(*(n for n in every.columns if n not in (status, reason)), status, reason)


def _answer(
    make_question: Callable[[dict[str, object]], Question],
    row: dict[str, object],
    space: Space,
    key: bytes,
    settings: dict[str, Any],
) -> tuple[pl.DataFrame, str, str | None]:
    try:
        own = space.around(row)
    except SpaceError as error:
        return pl.DataFrame(), "outside", str(error)
    question = make_question(row)
    if not isinstance(question, Question):
        raise QuestionError(f"make_question returned {type(question).__name__}, not a question")
    seed = int.from_bytes(
        hashlib.sha256(key + repr(list(row.values())).encode()).digest(), "little"
    )
    try:
        answer = ask(question, own, seed=seed, progress=False, **settings)
    except StartError as error:
        return pl.DataFrame(), "not_found", str(error)
    return answer.frame, answer.status, None
