"""The frames an answer offers: its draws and their summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage.columns import Fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.answer import Answer
    from sondage.convergence import Convergence

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def draws_frame(answer: Answer) -> pl.DataFrame:
    """Put the draws in a frame; see `Answer.frame`."""
    chains, draws, width = answer.draws.shape
    rows = answer.draws.reshape(chains * draws, width)
    series = []
    for j, (name, kind) in enumerate(answer.space.kinds.items()):
        if isinstance(kind, Fixed):
            series.append(pl.Series(name, [kind.value]).new_from_index(0, len(rows)))
        else:
            series.append(pl.Series(name, rows[:, j]))
    chain, draw, energy, valid = own_names(answer.space.columns)
    series += [
        pl.Series(chain, np.repeat(np.arange(chains, dtype=np.int64), draws)),
        pl.Series(draw, np.tile(np.arange(draws, dtype=np.int64), chains)),
        pl.Series(energy, answer.energies.reshape(-1)),
        pl.Series(valid, answer.valid.reshape(-1)),
    ]
    return pl.DataFrame(series)


def summary_frame(answer: Answer, measured: Convergence) -> pl.DataFrame:
    """Describe every column and G; see `Answer.summary`."""
    chains, draws, width = answer.draws.shape
    n = chains * draws
    values = np.column_stack([answer.draws.reshape(n, width), answer.energies.reshape(n)])
    empty = np.full(width + 1, np.nan)
    numbers: dict[str, NDArray[np.float64]] = {
        "mean": values.mean(axis=0) if n else empty,
        "sd": values.std(axis=0, ddof=1) if n > 1 else empty,
    }
    for name, share in QUANTILES.items():
        numbers[name] = np.quantile(values, share, axis=0) if n else empty
    constant = np.array([isinstance(kind, Fixed) for kind in answer.space.kinds.values()] + [False])
    if n:  # a mean of equal numbers is off in the last bit
        numbers["mean"] = np.where(constant, values[0], numbers["mean"])
        numbers["sd"] = np.where(constant, 0.0, numbers["sd"])
    numbers |= {
        "rhat": measured.rhat,
        "ess_bulk": measured.ess_bulk,
        "ess_tail": measured.ess_tail,
        "mcse": measured.mcse,
    }
    return pl.DataFrame(
        [
            pl.Series("column", [*answer.space.columns, "G"], dtype=pl.String),
            *(pl.Series(name, array).fill_nan(None) for name, array in numbers.items()),
        ]
    )


def own_names(columns: Sequence[str]) -> tuple[str, str, str, str]:
    """Name our four columns of a frame so that they differ from the user's.

    Examples
    --------
    >>> own_names(["age", "draw"])
    ('chain', 'draw_', 'energy', 'valid')
    """
    taken = set(columns)
    names = []
    for name in ("chain", "draw", "energy", "valid"):
        free = name
        while free in taken:
            free += "_"
        taken.add(free)
        names.append(free)
    return names[0], names[1], names[2], names[3]
