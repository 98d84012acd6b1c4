"""The answers to many queries as one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
import polars as pl

from sondage import _text as text
from sondage._constraints import Condition
from sondage._dtypes import usual_dtype
from sondage._encoding import as_given, decode
from sondage._recheck import recheck
from sondage._tables import own_names
from sondage.columns import waits
from sondage.frames import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage._question import Question
    from sondage.models import Model
    from sondage.space import Space

__all__ = ["Outcome", "Status", "not_found", "table"]

OURS = ("query", "sample", "valid", "status", "reason")

Status: TypeAlias = Literal["complete", "fewer", "not_found", "already", "outside", "timed_out"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a query.

    Attributes
    ----------
    status : str
    space : Space or None
        That of its rows.
    rows : ndarray of shape (rows, columns), or None
    reason : str or None
        Why there are not as many rows as were asked for.
    """

    status: Status
    space: Space | None = None
    rows: NDArray[np.float64] | None = None
    reason: str | None = None


def not_found(model: Model, space: Space, nearest: NDArray[np.float64], target: object) -> str:
    """Say how near to the target the search came, which constraints bind, and what may help."""
    row = decode(nearest[np.newaxis], space)
    broken = [
        own.text
        for own in space._constraints
        if isinstance(own, Condition)
        and own.program(space.kinds).violation(nearest[np.newaxis])[0] > 0.0
    ]
    if model.classes is None:
        reached = f"the value {text.number(float(model.predict(row)[0]))}"
    elif model.has_proba:
        share = model.proba(row)[0, list(model.classes).index(target)]
        reached = f"a probability of {text.percent(float(share))} for {target!r}"
    else:
        reached = f"{model.predict(row)[0]!r}"
    but = f", and breaks the constraint {listed(broken)}" if broken else ""
    loosen = "loosen a constraint, " if space._constraints else ""
    return (
        f"no row was found for which the model predicts {target!r}; the nearest reached {reached}"
        f"{but}: {loosen}free a fixed column, or widen bounds"
    )


def table(
    outcomes: Sequence[Outcome], queries: pl.DataFrame, space: Space, question: Question
) -> pl.DataFrame:
    """Return a row for each row found, and one for each query without any.

    Raises
    ------
    SamplingError
        If the user's model fails on the rows found.
    """
    query, sample, valid, status, reason = own_names(space.columns, OURS)
    ours = {query: pl.Int64(), sample: pl.Int64(), valid: pl.Boolean()}
    schema = pl.Schema({**ours, **_schema(queries, space)})
    found: dict[int, list[int]] = {}
    for i, outcome in enumerate(outcomes):
        if outcome.rows is not None:
            found.setdefault(id(outcome.space), []).append(i)
    parts = [pl.DataFrame(schema=schema)]
    for positions in found.values():
        own = outcomes[positions[0]].space
        assert own is not None
        rows = [cast("NDArray[np.float64]", outcomes[i].rows) for i in positions]
        numbers = {
            query: np.repeat(positions, [len(each) for each in rows]),
            sample: np.concatenate([np.arange(len(each)) for each in rows]),
        }
        frame, confirmed = _confirmed(np.concatenate(rows), own, question)
        given = pl.DataFrame({**numbers, valid: confirmed}).hstack(frame)
        # What is fixed is the query's very value.
        kept = [name for name, kind in space.kinds.items() if waits(kind)]
        given = given.with_columns(queries[numbers[query].tolist()].select(kept))
        parts.append(given.cast(schema))
    rest = [i for i, outcome in enumerate(outcomes) if outcome.rows is None]
    parts.append(pl.DataFrame({query: rest, valid: [False] * len(rest)}, schema_overrides=ours))
    whole = pl.concat(parts, how="diagonal").sort(query, sample, maintain_order=True)
    asked = whole[query].to_list()
    return whole.with_columns(
        pl.Series(status, [outcomes[i].status for i in asked], dtype=pl.String),
        pl.Series(reason, [outcomes[i].reason for i in asked], dtype=pl.String),
    ).select(query, sample, *space.columns, valid, status, reason)


def _confirmed(
    rows: NDArray[np.float64], space: Space, question: Question
) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Return rows as the user has them, and whether the user's own model predicts the target."""
    rows = as_given(rows, space)
    confirmed = np.zeros((1, len(rows)), dtype=np.bool_)
    recheck(question._parts(space, rows[np.newaxis], None), confirmed)
    return decode(rows, space), confirmed[0]


def _schema(queries: pl.DataFrame, space: Space) -> dict[str, pl.DataType]:
    """Dtypes of the columns of the space."""
    return {
        name: dtype or (queries.schema[name] if waits(kind) else usual_dtype(kind))
        for (name, kind), dtype in zip(space.kinds.items(), space._dtypes, strict=True)
    }
