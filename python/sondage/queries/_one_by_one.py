"""Counterfactuals of one query after another, for what the core cannot evaluate by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage._encoding import encode
from sondage._tables import far_apart
from sondage.ask import ask
from sondage.columns import LEVELS
from sondage.errors import StartError
from sondage.questions import near

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._evaluation import Evaluation
    from sondage._question import Question
    from sondage.space import Space

__all__ = ["Answered", "answer_one"]

_CHAINS = 8
_WARMUP = 300


@dataclass(frozen=True, slots=True)
class Answered:
    """Rows (rows, columns) on the query's space; without any, why."""

    rows: NDArray[np.float64]
    space: Space
    reason: str | None


def answer_one(
    question: Question,
    row: dict[str, object],
    space: Space,
    n: int,
    costs: NDArray[np.float64],
    key: bytes,
    threads: int,
) -> Answered:
    """Sample rows that meet the requirements near a query, and choose among them.

    Parameters
    ----------
    question : Question
        Requirements.
    row : mapping from str to value
    space : Space
        Around the row.
    n : int
        Rows wanted.
    costs : ndarray of shape (columns,)
        Of a change, and of one as wide as the column.
    key : bytes
        Seed of the query.
    threads : int

    Raises
    ------
    SamplingError
        If the user's model fails.
    """
    none = np.empty((0, len(space.columns)))
    if not space.free:
        return Answered(none, space, "nothing can change: every column is fixed around this row")
    widths = [_width(*pair) for pair in zip(*space._lower_upper(), strict=True)]
    weights = dict(zip(space.columns, costs / widths, strict=True))
    asked = question if not costs.any() else question + near(row, weights=weights, norm=1)
    try:
        answer = ask(
            asked,
            space,
            draws=-(-10 * n // _CHAINS),
            chains=_CHAINS,
            warmup=_WARMUP,
            thin=3,
            seed=int.from_bytes(key, "little"),
            threads=threads,
            progress=False,
        )
    except StartError as error:
        return Answered(none, space, str(error))
    evaluation = question._on(space, 1.0)
    home = encode(_one(row, space), space)[0]
    rows = answer.draws.reshape(-1, len(space.columns))[answer.valid.ravel()]
    rows = np.unique(_without_needless(rows, home, evaluation), axis=0)
    energy = _distance(rows, home, costs, np.array(widths), space._kinds() == LEVELS)
    if space.reference is not None:
        energy -= space.reference._core().log_density(np.ascontiguousarray(rows))
    order = np.argsort(energy, kind="stable")[: 2 * n]
    best, every = rows[order], np.ones(len(order), dtype=np.bool_)
    chosen = far_apart(best, space, energy[order], every, min(n, len(best)))
    return Answered(best[chosen], space, None)


def _width(lower: float, upper: float) -> float:
    return upper - lower if upper > lower else 1.0


def _one(row: dict[str, object], space: Space) -> pl.DataFrame:
    return pl.DataFrame({name: [row[name]] for name in space.columns})


def _distance(
    rows: NDArray[np.float64],
    home: NDArray[np.float64],
    costs: NDArray[np.float64],
    widths: NDArray[np.float64],
    levels: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return what changes from a query to rows cost."""
    changed = _changed(rows, home)
    moved = np.where(changed, np.abs(rows - home) / widths, 0.0)
    # From a number to a missing value it is as far as through the whole column.
    moved[np.isnan(moved)] = 1.0
    moved[:, levels] = 0.0
    return np.asarray((changed + moved) @ costs)


def _changed(rows: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((rows != other) & ~(np.isnan(rows) & np.isnan(other)))


def _without_needless(
    rows: NDArray[np.float64], home: NDArray[np.float64], evaluation: Evaluation
) -> NDArray[np.float64]:
    """Undo changes, column after column, without which rows still meet the requirements."""
    rows = rows.copy()
    undone = True
    while undone and len(rows):
        undone = False
        for column in range(rows.shape[1]):
            changed = np.flatnonzero(_changed(rows[:, column], home[column : column + 1]))
            if len(changed) == 0:
                continue
            tried = rows[changed]
            tried[:, column] = home[column]
            met = np.isfinite(evaluation(np.ascontiguousarray(tried)))
            rows[changed[met], column] = home[column]
            undone |= bool(met.any())
    return rows
