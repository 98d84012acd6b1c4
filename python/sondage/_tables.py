"""The frames an answer offers: its draws and their summary."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from sondage._encoding import decode
from sondage.columns import (
    LEVELS,
    Categorical,
    Fixed,
    has_levels,
    is_number,
    levels_of,
    may_be_missing,
    missing_weight,
)
from sondage.convergence import convergence, levels_convergence, missing_convergence
from sondage.selection import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from sondage.answer import Answer
    from sondage.convergence import Convergence
    from sondage.space import Space

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def draws_frame(answer: Answer) -> pl.DataFrame:
    """Put the draws in a frame; see `Answer.frame`."""
    chains, draws, width = answer.draws.shape
    rows = answer.draws.reshape(chains * draws, width)
    series = decode(rows, answer.space).get_columns()
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
    kinds = answer.space.kinds.values()
    for j in np.flatnonzero(answer.space._missing() > 0.0):
        for name, value in _of_present(values[~np.isnan(values[:, j]), j]).items():
            numbers[name][j] = value
    constant = np.array([isinstance(kind, Fixed) for kind in kinds] + [False])
    if n:  # a mean of equal numbers is off in the last bit
        numbers["mean"] = np.where(constant, values[0], numbers["mean"])
        numbers["sd"] = np.where(constant, 0.0, numbers["sd"])
    named = np.array([not is_number(kind) for kind in kinds] + [False])
    numbers = {name: np.where(named, np.nan, array) for name, array in numbers.items()}
    numbers |= {
        "rhat": measured.rhat,
        "ess_bulk": measured.ess_bulk,
        "ess_tail": measured.ess_tail,
        "mcse": measured.mcse,
    }
    if any(may_be_missing(kind) for kind in kinds):
        numbers["missing"] = _missing_shares(values, answer.space)
    return pl.DataFrame(
        [
            pl.Series("column", [*answer.space.columns, "G"], dtype=pl.String),
            *(pl.Series(name, array).fill_nan(None) for name, array in numbers.items()),
        ]
    )


def _of_present(present: NDArray[np.float64]) -> dict[str, float]:
    """Describe the values that are there."""
    n = len(present)
    return {
        "mean": float(present.mean()) if n else np.nan,
        "sd": float(present.std(ddof=1)) if n > 1 else np.nan,
        **{name: float(np.quantile(present, q)) if n else np.nan for name, q in QUANTILES.items()},
    }


def _missing_shares(values: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    """Share of missing values in every column in which there may be one."""
    shares = np.full(values.shape[1], np.nan)
    for j, kind in enumerate(space.kinds.values()):
        if may_be_missing(kind) and len(values):
            none = levels_of(kind).index(None) if has_levels(kind) else np.nan
            shares[j] = np.mean((values[:, j] == none) | np.isnan(values[:, j]))
    return shares


def convergence_of(answer: Answer) -> Convergence:
    """Measure the convergence of every column and, last, of G."""
    measured = convergence(np.concatenate([answer.draws, answer.energies[:, :, None]], axis=2))
    for j, kind in enumerate(answer.space.kinds.values()):
        if isinstance(kind, Categorical):
            own = levels_convergence(answer.draws[:, :, j])
        elif missing_weight(kind) > 0.0:
            own = missing_convergence(answer.draws[:, :, j])
        else:
            continue
        for field in fields(own):
            getattr(measured, field.name)[j] = getattr(own, field.name)[0]
    return measured


def far_apart(
    rows: NDArray[np.float64],
    space: Space,
    energies: NDArray[np.float64],
    preferred: NDArray[np.bool_],
    k: int,
) -> NDArray[np.int64]:
    """Choose sampled rows that lie far from each other, in units of the bounds; see `spread`."""
    lower, upper = space._lower_upper()
    named = space._kinds() == LEVELS
    numbers, levels = (upper > lower) & ~named, (upper > lower) & named
    scaled = rows[:, numbers] / (upper - lower)[numbers]
    missing = np.isnan(rows[:, space._missing() > 0.0])
    apart = np.column_stack([rows[:, levels], missing])
    return spread(scaled, apart, energies, preferred, k)


def arviz_tree(answer: Answer) -> xr.DataTree:
    """Put the draws in an ArviZ tree; see `Answer.to_arviz`."""
    from arviz_base import from_dict

    free = answer.space.free
    moving = [answer.space.columns.index(name) for name in free]
    groups: dict[str, dict[str, NDArray[np.generic]]] = {
        "posterior": {"x": answer.draws[:, :, moving]},
        "sample_stats": {
            "energy": answer.energies,
            "lp": -answer.energies / answer.settings.temperature,
            "valid": answer.valid,
        },
    }
    tree: xr.DataTree = from_dict(
        groups,
        coords={"column": free},
        dims={"x": ["column"]},
        attrs={"/": arviz_attributes(answer)},
    )
    return tree


def arviz_attributes(answer: Answer) -> dict[str, object]:
    """Say where draws come from, for `Answer.to_arviz`."""
    attributes: dict[str, object] = {
        "inference_library": "sondage",
        "inference_library_version": answer.settings.versions.get("sondage", "unknown"),
        "created_at": answer.settings.created,
        "sampling_time": answer.statistics.seconds_sampling,
        "question": answer.question.describe(),
        "temperature": answer.settings.temperature,
        "kernel": answer.settings.kernel,
        "seed": str(answer.settings.seed),
        "status": answer.status,
    }
    levels = {
        name: list(kind.levels)
        for name, kind in answer.space.kinds.items()
        if isinstance(kind, Categorical)
    }
    if levels:
        attributes["levels"] = json.dumps(levels, ensure_ascii=False)
    return attributes


def to_pandas(frame: pl.DataFrame, space: Space) -> pd.DataFrame:
    """Return a frame of draws for pandas; see `Answer.to_pandas`."""
    import pandas as pd

    values: dict[str, object] = {}
    for series in frame:
        values[series.name] = series.to_numpy()
        if series.dtype in (pl.Enum, pl.Categorical):
            names = getattr(series.dtype, "categories", None)
            if names is None:
                kind = cast("Categorical | Fixed", space.kinds[series.name])
                names = [level for level in levels_of(kind) if level is not None]
            values[series.name] = pd.Categorical(series.to_list(), categories=list(names))
    return pd.DataFrame(values)


def own_names(
    columns: Sequence[str], ours: Sequence[str] = ("chain", "draw", "energy", "valid")
) -> list[str]:
    """Name our columns of a frame so that they differ from the user's.

    Examples
    --------
    >>> own_names(["age", "draw"])
    ['chain', 'draw_', 'energy', 'valid']
    """
    taken, names = set(columns), []
    for name in ours:
        free = name
        while free in taken:
            free += "_"
        taken.add(free)
        names.append(free)
    return names
