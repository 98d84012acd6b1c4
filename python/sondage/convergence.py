"""R-hat, effective sample size and Monte-Carlo error of chains, computed by arviz-stats."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_DRAWS = 4
TAIL = (0.05, 0.95)


class _ArrayStats(Protocol):
    def rhat(
        self, ary: NDArray[np.float64], chain_axis: int, draw_axis: int
    ) -> NDArray[np.float64]: ...

    def ess(
        self,
        ary: NDArray[np.float64],
        chain_axis: int,
        draw_axis: int,
        method: str,
        prob: tuple[float, float] | None = None,
    ) -> NDArray[np.float64]: ...

    def mcse(
        self, ary: NDArray[np.float64], chain_axis: int, draw_axis: int
    ) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class Convergence:
    """How well chains agree and how many independent draws they are worth, per column.

    Parameters
    ----------
    rhat, ess_bulk, ess_tail, mcse : ndarray of shape (columns,)
        Rank-normalised split R-hat, effective sample sizes of the bulk and of the 5 % and
        95 % quantiles, and the standard error of the mean (Vehtari et al. 2021). NaN where
        a number has no meaning: a constant column, fewer than four draws a chain, and, for
        R-hat, fewer than two chains.
    """

    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]
    mcse: NDArray[np.float64]


def available() -> bool:
    """Say whether arviz-stats is installed."""
    return find_spec("arviz_stats") is not None


def convergence(values: NDArray[np.float64]) -> Convergence:
    """Measure the convergence of every column.

    Parameters
    ----------
    values : ndarray of shape (chains, draws, columns)
        Kept draws.

    Returns
    -------
    Convergence
        All NaN where arviz-stats is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(4, 500, 1))
    >>> measured = convergence(x)
    >>> bool(measured.rhat[0] < 1.02), bool(measured.ess_bulk[0] > 1000)
    (True, True)
    """
    chains, draws, columns = values.shape
    result = {name: np.full(columns, np.nan) for name in ("rhat", "ess_bulk", "ess_tail", "mcse")}
    if chains == 0 or draws < MIN_DRAWS or not available():
        return Convergence(**result)
    flat = values.reshape(chains * draws, columns)
    moving = np.flatnonzero(flat.max(axis=0) > flat.min(axis=0))
    if moving.size == 0:
        return Convergence(**result)
    stats = cast("_ArrayStats", import_module("arviz_stats.base").array_stats)
    # Units must not matter, and arviz takes a range below 1e-15 for a constant.
    low = flat.min(axis=0)[moving]
    width = flat.max(axis=0)[moving] - low
    x = (values[:, :, moving] - low) / width
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that never moved: R-hat is inf
        if chains > 1:
            result["rhat"][moving] = stats.rhat(x, chain_axis=0, draw_axis=1)
        result["ess_bulk"][moving] = stats.ess(x, chain_axis=0, draw_axis=1, method="bulk")
        result["ess_tail"][moving] = stats.ess(
            x, chain_axis=0, draw_axis=1, method="tail", prob=TAIL
        )
        result["mcse"][moving] = width * stats.mcse(x, chain_axis=0, draw_axis=1)
    return Convergence(**result)


def levels_convergence(codes: NDArray[np.float64]) -> Convergence:
    """Measure the convergence of a column without order, level by level.

    Parameters
    ----------
    codes : ndarray of shape (chains, draws)
        Position of each draw's level.

    Returns
    -------
    Convergence
        Of one column: the largest R-hat and the smallest sample sizes over the indicators of the
        levels that occur. Without a standard error: there is no mean.
    """
    levels = np.unique(codes)
    # Of two levels one says what the other does.
    told = levels[:1] if len(levels) == 2 else levels
    measured = convergence((codes[:, :, np.newaxis] == told).astype(np.float64))
    return Convergence(
        rhat=_worst(measured.rhat, np.fmax),
        ess_bulk=_worst(measured.ess_bulk, np.fmin),
        ess_tail=_worst(measured.ess_tail, np.fmin),
        mcse=np.array([np.nan]),
    )


def missing_convergence(values: NDArray[np.float64]) -> Convergence:
    """Measure the convergence of a column whose values may be missing.

    Parameters
    ----------
    values : ndarray of shape (chains, draws)
        NaN where missing.

    Returns
    -------
    Convergence
        Of one column: the largest R-hat and the smallest sample sizes over the indicator of a
        missing value and the numbers, with the numbers' mean in place of missing ones. The standard
        error is that of the mean of the numbers, a ratio (delta method).
    """
    missing = np.isnan(values)
    share = 1.0 - missing.mean() if values.size else 0.0
    filled = np.where(missing, np.mean(values[~missing]) if share > 0.0 else 0.0, values)
    measured = convergence(np.stack([missing.astype(np.float64), filled], axis=2))
    return Convergence(
        rhat=_worst(measured.rhat, np.fmax),
        ess_bulk=_worst(measured.ess_bulk, np.fmin),
        ess_tail=_worst(measured.ess_tail, np.fmin),
        mcse=measured.mcse[1:] / share if share > 0.0 else np.array([np.nan]),
    )


def _worst(values: NDArray[np.float64], worse: np.ufunc) -> NDArray[np.float64]:
    """Return the worst of the values that are not NaN."""
    return np.array([worse.reduce(values) if values.size else np.nan])
