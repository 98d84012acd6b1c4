"""The closed-form answer of linear regression against formulas written another way."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import sondage as sd

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3)) + [3.0, -2.0, 10.0]
Y = X @ [1.0, -2.0, 0.5] + 4.0 + RNG.normal(size=60)


def by_moments(value: float, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and inverse curvature of E ½ (θᵀd − w)², from the moments of q*."""
    design = np.column_stack([X, np.ones(len(X))])
    theta = np.linalg.solve(design.T @ design, design.T @ Y)
    second = tau * np.linalg.inv(design.T @ design / len(X)) + np.outer(theta, theta)
    curvature = second[:3, :3]
    return np.linalg.solve(curvature, value * theta[:3] - second[:3, 3]), np.linalg.inv(curvature)


@pytest.mark.parametrize(("value", "tau", "tau_x"), [(2.0, 0.3, 1.0), (-20.0, 5.0, 0.01)])
def test_it_is_the_minimum_and_the_inverse_curvature(value, tau, tau_x) -> None:
    law = sd.linear_gaussian(X, Y, value=value, parameter_temperature=tau, temperature=tau_x)
    mean, covariance = by_moments(value, tau)
    np.testing.assert_allclose(law.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(law.covariance, tau_x * covariance, rtol=1e-8)
    np.testing.assert_array_equal(law.covariance, law.covariance.T)


def test_frames_are_taken_and_the_law_is_frozen() -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    law = sd.linear_gaussian(frame, pl.Series(Y), value=1.0, parameter_temperature=1.0)
    same = sd.linear_gaussian(X, list(Y), value=1, parameter_temperature=1)
    np.testing.assert_array_equal(law.mean, same.mean)
    assert isinstance(law, sd.Gaussian)
    with pytest.raises(ValueError, match="read-only"):
        law.mean[0] = 0.0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"y": Y[1:]}, sd.DataError, "60 rows and y has 59"),
        ({"y": Y[:, np.newaxis]}, sd.DataError, r"1-D.*\(60, 1\)"),
        ({"y": ["a"] * 60}, sd.DataError, "numbers are needed"),
        ({"y": np.where(np.arange(60) == 7, np.nan, Y)}, sd.DataError, "nan in row 7"),
        ({"X": np.where(np.eye(60, 3) == 1, np.inf, X)}, sd.DataError, "column number 0.*row 0"),
        ({"X": np.column_stack([X, np.full(60, 2.0)])}, sd.DataError, "'x3' of X is constant"),
        ({"X": np.column_stack([X, X[:, 0] - X[:, 1]])}, sd.DataError, "depend on each other"),
        ({"X": X[:3], "y": Y[:3]}, sd.DataError, "depend on each other.*3 rows"),
        ({"X": X[:0], "y": Y[:0]}, sd.DataError, "0 rows"),
        ({"value": np.inf}, sd.QuestionError, "value=inf"),
        ({"parameter_temperature": 0.0}, sd.SamplingError, "parameter_temperature=0.0"),
        ({"temperature": -1}, sd.SamplingError, "temperature=-1"),
    ],
)
def test_bad_input_is_refused(change, error, words) -> None:
    given = {"X": X, "y": Y, "value": 0.0, "parameter_temperature": 1.0} | change
    with pytest.raises(error, match=words):
        sd.linear_gaussian(given.pop("X"), given.pop("y"), **given)
