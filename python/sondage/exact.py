"""Answers that are known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage._numbers import positive
from sondage.errors import DataError, QuestionError
from sondage.frames import listed, plain, to_matrix, to_narwhals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sondage.frames import FrameLike

__all__ = ["Gaussian", "linear_gaussian"]

#: Smallest singular value of the standardised columns, relative to the largest, that is above
#: rounding.
_RANK = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """A normal law on the columns of a row.

    Parameters
    ----------
    mean : ndarray of shape (columns,)
    covariance : ndarray of shape (columns, columns)
        In the order and the units of the columns.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("mean", "covariance"):
            view = np.asarray(getattr(self, name), dtype=np.float64).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)


def linear_gaussian(
    X: FrameLike,
    y: ArrayLike,
    *,
    value: float,
    parameter_temperature: float,
    temperature: float = 1.0,
) -> Gaussian:
    """Give the exact answer to "which rows get this value?" of linear regression (MATH section 10).

    Parameters
    ----------
    X : polars, pandas or pyarrow frame, or 2-D numpy array
        Rows that the regression is fitted to, by ordinary least squares with an intercept.
    y : array or column of shape (rows,)
        Their values.
    value : float
        w, what the regression is to predict.
    parameter_temperature : float
        τ of the law of the parameters, above zero.
    temperature : float
        τ_x of the answer, above zero.

    Returns
    -------
    Gaussian
        Mean and covariance of p*.

    Raises
    ------
    DataError
        If X and y differ in length, hold anything but finite numbers, or the columns are constant
        or depend on each other linearly: then the answer is spread over a whole line.
    QuestionError
        If the value is no finite number.
    SamplingError
        If a temperature is no finite number above zero.

    Notes
    -----
    With F the mean of ½ (residual)², parameters follow q* = N(θ̂, τ (DᵀD/N)⁻¹), D the columns and a
    constant one. The mean over q* of ½ (y_θ(x) − w)² is quadratic in x, so

        p* = N(f̂, τ_x (τ A⁻¹ + ξξᵀ)⁻¹),   f̂ = x̄ + Cov(X, ŷ) / (τ + Var ŷ) · (w − mean ŷ),

    with ξ the slope, ŷ = Xξ + b the fitted values, and A = XᵀX/N − x̄x̄ᵀ, Cov and Var over the rows
    with 1/N. Both losses have the ½: with (y_θ(x) − w)² the covariance would be half of this.

    The same from draws: `posterior.langevin` of the regression, `fixed_label` of the value, and
    `ask` on a space whose bounds are far from all this.

    >>> law = linear_gaussian(
    ...     np.array([[-1.0], [1.0]]), [-2.0, 2.0], value=1.0, parameter_temperature=1.0
    ... )
    >>> law.mean, law.covariance
    (array([0.4]), array([[0.2]]))
    """
    rows, values = to_matrix(X, what="X"), _values(y)
    if len(values) != len(rows):
        raise DataError(f"X has {len(rows)} rows and y has {len(values)} values; both must agree")
    wanted = plain(value)
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not math.isfinite(wanted):
        raise QuestionError(f"value={value!r} must be a finite number")
    tau = positive("parameter_temperature", parameter_temperature)
    tau_x = positive("temperature", temperature)
    _require_independent(X, rows)

    middle, level = rows.mean(axis=0), float(values.mean())
    centred = rows - middle
    covariance = centred.T @ centred / len(rows)
    slope = np.linalg.lstsq(centred, values - level, rcond=None)[0]
    # (τ A⁻¹ + ξξᵀ)⁻¹ by the formula of Sherman and Morrison: A is never inverted.
    with_fit = covariance @ slope
    variance = float(slope @ with_fit)
    mean = middle + with_fit / (tau + variance) * (wanted - level)
    spread = (covariance - np.outer(with_fit, with_fit) / (tau + variance)) / tau
    return Gaussian(mean, tau_x * spread)


def _values(y: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(y)
    if array.ndim != 1:
        raise DataError(f"y must be 1-D, a value for each row; its shape is {array.shape}")
    try:
        values = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"y holds {array.dtype}; numbers are needed") from None
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"y is {values[row]} in row {row}; every value must be a finite number")
    return values


def _require_independent(X: FrameLike, rows: NDArray[np.float64]) -> None:
    """Refuse columns of which a linear combination is constant."""
    names = to_narwhals(X).columns
    if len(rows) == 0 or not names:
        raise DataError(f"X has {len(rows)} rows and {len(names)} columns; one of each is needed")
    constant = [
        name for name, low, high in zip(names, rows.min(0), rows.max(0), strict=True) if low == high
    ]
    if constant:
        raise DataError(
            f"column {listed(constant)} of X is constant, like the intercept; leave it out"
        )
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    sizes = np.linalg.svd(scaled, compute_uv=False)
    if len(rows) <= len(names) or sizes[-1] <= _RANK * sizes[0]:
        raise DataError(
            f"the {len(names)} columns of X and the intercept depend on each other linearly over "
            f"its {len(rows)} rows, so the slope is not determined; leave columns out"
        )
