"""Bounded columns in unbounded coordinates, and moments of a normal law there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Coordinates", "moments"]

#: Share of a column's width from a bound that still has a coordinate.
_INSIDE = 1e-12
#: Terms of the expansion of a covariance in powers of the correlation.
_TERMS = 64


@dataclass(frozen=True, slots=True)
class Coordinates:
    """One unbounded coordinate v for each free column x in [l, u].

    ``x = l + (u − l) / (1 + e^−v)`` where the column is curved, ``x = v`` where it is not.

    Parameters
    ----------
    lower, upper : ndarray of shape (columns,)
    curved : ndarray of bool, shape (columns,)
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    curved: NDArray[np.bool_]

    def columns(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of the columns, of the shape (…, columns) of `v`."""
        width = self.upper - self.lower
        bent = np.clip(self.lower + width * (0.5 + 0.5 * np.tanh(0.5 * v)), self.lower, self.upper)
        return np.where(self.curved, bent, v)

    def points(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of rows; columns at a bound are taken to be just inside."""
        share = np.clip((x - self.lower) / (self.upper - self.lower), _INSIDE, 1.0 - _INSIDE)
        return np.where(self.curved, np.log(share) - np.log1p(-share), x)

    def slope(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """dx/dv."""
        return np.exp(self.log_slope(v))

    def log_slope(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ln dx/dv."""
        size = np.abs(v)
        bent = np.log(self.upper - self.lower) - size - 2.0 * np.log1p(np.exp(-size))
        return np.where(self.curved, bent, 0.0)

    def log_slope_slope(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """d/dv of `log_slope`."""
        return np.where(self.curved, -np.tanh(0.5 * v), 0.0)


def moments(
    coordinates: Coordinates, mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of the columns where the coordinates follow a normal law.

    By a sum over a grid for each column and Mehler's formula for each pair: with standard normal
    z_d, z_e of correlation r, E[f(z_d) g(z_e)] = Σ_k r^k E[f h_k] E[g h_k] of the normalised
    Hermite polynomials h_k. Exact for columns that are not curved.
    """
    sd = np.sqrt(np.diag(covariance))
    z = np.linspace(-9.0, 9.0, 1201)[:, np.newaxis]
    weight = np.exp(-0.5 * z[:, 0] ** 2)
    weight /= weight.sum()
    values = coordinates.columns(mean + sd * z)
    middle = weight @ values
    centred = values - middle
    correlation = covariance / np.outer(sd, sd)
    total = np.zeros_like(covariance)
    power = np.ones_like(covariance)
    before, now = np.zeros_like(weight), np.ones_like(weight)
    for k in range(1, _TERMS + 1):
        before, now = now, (z[:, 0] * now - np.sqrt(k - 1.0) * before) / np.sqrt(k)
        power *= correlation
        shares = (weight * now) @ centred
        total += power * np.outer(shares, shares)
    np.fill_diagonal(total, weight @ centred**2)
    straight = ~coordinates.curved
    middle[straight] = mean[straight]
    both = np.ix_(straight, straight)
    total[both] = covariance[both]
    return middle, total
