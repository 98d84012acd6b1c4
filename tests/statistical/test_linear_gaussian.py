"""MATH section 10 end to end: from data over parameters drawn by Langevin steps to rows.

Two errors are told apart. The parameters are a finite sample: what they average to is held against
the closed form within the spread between their chains. Rows are drawn given these parameters: they
are held against the Gaussian that these very parameters imply, within their own Monte-Carlo error.
"""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

import sondage as sd

pytestmark = pytest.mark.statistical

Floats = NDArray[np.float64]

HOUSING = Path(__file__).parents[2].parent / "shared" / "data" / "tabular" / "housing.csv"
PARAMETER_TEMPERATURE = 0.2
CHAINS = 8
MEMBERS = 1200
VALUES = (-1.0, 0.0, 1.5)
TEMPERATURES = (1.0, 0.2)
DATA = ("diabetes", "housing")


def standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))


@cache
def data(name: str) -> tuple[Floats, Floats]:
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return standardised(X[:, [0, 1, 2, 3, 9]]), standardised(y)
    if not HOUSING.exists():
        pytest.skip(f"{HOUSING.name} is not there")
    frame = pl.read_csv(HOUSING)
    columns = ["area", "bedrooms", "bathrooms", "stories", "parking"]
    X = frame.select(columns).to_numpy().astype(np.float64)
    return standardised(X), standardised(np.log(frame["price"].to_numpy()))


@cache
def posterior(name: str) -> sd.Model:
    X, y = data(name)
    model = sd.as_model(LinearRegression().fit(X, y))
    return sd.posterior.langevin(
        model,
        X,
        y,
        temperature=PARAMETER_TEMPERATURE,
        draws=MEMBERS,
        thin=40,
        step=0.25,
        seed=3,
    )


def parameters(name: str) -> tuple[Floats, Floats]:
    """Slopes (chains, draws, columns) and intercepts (chains, draws)."""
    answer = posterior(name).answer
    assert answer is not None
    return answer.draws[:, :, :-1], answer.draws[:, :, -1]


def implied(slopes: Floats, intercepts: Floats, value: float) -> tuple[Floats, Floats]:
    """Precision of G, and precision times mean, of ½ E[(θ·x + b − value)²]."""
    return (
        np.einsum("...ki,...kj->...ij", slopes, slopes) / slopes.shape[-2],
        np.einsum("...ki,...k->...i", slopes, value - intercepts) / slopes.shape[-2],
    )


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("value", VALUES)
def test_parameters_average_to_the_closed_form(name: str, value: float) -> None:
    X, y = data(name)
    exact = sd.linear_gaussian(X, y, value=value, parameter_temperature=PARAMETER_TEMPERATURE)
    precision = np.linalg.inv(exact.covariance)
    chains = implied(*parameters(name), value)
    for found, want in zip(chains, (precision, precision @ exact.mean), strict=True):
        error = found.std(axis=0, ddof=1) / np.sqrt(CHAINS)
        # Student's t with 7 degrees of freedom is beyond 6 once in 1,800.
        assert (np.abs(found.mean(axis=0) - want) < 6 * error).all()
        assert (error < 0.1 * np.abs(np.linalg.eigvalsh(precision)).max()).all()


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_are_those_of_the_gaussian(name: str, value: float, temperature: float) -> None:
    slopes, intercepts = parameters(name)
    precision, shifted = implied(slopes.reshape(-1, slopes.shape[2]), intercepts.reshape(-1), value)
    mean, covariance = np.linalg.solve(precision, shifted), temperature * np.linalg.inv(precision)
    # A box that the Gaussian hardly knows of.
    reach = 10 * np.sqrt(np.diag(covariance))
    space = sd.Space(
        {
            f"x{j}": sd.Continuous(float(low), float(high))
            for j, (low, high) in enumerate(zip(mean - reach, mean + reach, strict=True))
        }
    )
    question = sd.fixed_label(posterior(name), value)
    answer = sd.ask(
        question,
        space,
        draws=1500,
        chains=CHAINS,
        temperature=temperature,
        kernel=sd.MALA(),
        warmup=600,
        seed=5,
        progress=False,
    )
    effective = answer.summary()["ess_bulk"][:-1].to_numpy().min()
    assert effective > 1000
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    white = (answer.draws.reshape(-1, len(mean)) - mean) @ whiten.T
    assert (np.abs(white.mean(axis=0)) < 4.5 / np.sqrt(effective)).all()
    error = np.abs(np.cov(white.T, bias=True) - np.eye(len(mean)))
    bound = 4.5 * np.sqrt(2 / effective)
    assert (error < bound).all()
    # The papers' covariance, which belongs to another G, is another.
    assert np.abs(2 * np.cov(white.T, bias=True) - np.eye(len(mean))).max() > 2 * bound

    fitted = sd.variational(
        question, space, family="full", temperature=temperature, draws=500, seed=6
    )
    assert np.abs(whiten @ (fitted.mean - mean)).max() < 0.01
    assert np.abs(whiten @ fitted.covariance @ whiten.T - np.eye(len(mean))).max() < 0.02


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_follow_the_closed_form(name: str, value: float, temperature: float) -> None:
    """Both errors at once, straight from the data to the rows."""
    X, y = data(name)
    exact = sd.linear_gaussian(
        X, y, value=value, parameter_temperature=PARAMETER_TEMPERATURE, temperature=temperature
    )
    reach = 10 * np.sqrt(np.diag(exact.covariance))
    space = sd.Space(
        {
            f"x{j}": sd.Continuous(float(middle - far), float(middle + far))
            for j, (middle, far) in enumerate(zip(exact.mean, reach, strict=True))
        }
    )
    question = sd.fixed_label(posterior(name), value)
    answer = sd.ask(
        question,
        space,
        draws=1500,
        chains=CHAINS,
        temperature=temperature,
        kernel=sd.MALA(),
        warmup=600,
        seed=7,
        progress=False,
    )
    fitted = sd.variational(question, space, temperature=temperature, draws=500, seed=8)

    # What as many independent parameters as the chains are worth would have implied.
    drawn = posterior(name).answer
    assert drawn is not None
    worth = int(drawn.summary()["ess_bulk"][:-1].to_numpy().min())
    design = np.column_stack([X, np.ones(len(X))])
    theta = np.linalg.lstsq(design, y, rcond=None)[0]
    spread = PARAMETER_TEMPERATURE * np.linalg.inv(design.T @ design / len(X))
    rng = np.random.default_rng(0)
    whiten = np.linalg.inv(np.linalg.cholesky(exact.covariance))
    means, covariances = [], []
    for _ in range(300):
        samples = rng.multivariate_normal(theta, spread, size=worth)
        precision, shifted = implied(samples[:, :-1], samples[:, -1], value)
        means.append(whiten @ (np.linalg.solve(precision, shifted) - exact.mean))
        covariances.append(temperature * whiten @ np.linalg.inv(precision) @ whiten.T)
    of_mean, of_covariance = np.std(means, axis=0), np.std(covariances, axis=0)

    effective = answer.summary()["ess_bulk"][:-1].to_numpy().min()
    rows = (answer.draws.reshape(-1, X.shape[1]) - exact.mean) @ whiten.T
    unit = np.eye(X.shape[1])
    found = np.cov(rows.T)
    bound = 5 * np.sqrt(of_covariance**2 + 2 / effective)
    assert (np.abs(rows.mean(axis=0)) < 5 * np.sqrt(of_mean**2 + 1 / effective)).all()
    assert (np.abs(found - unit) < bound).all()
    assert (np.abs(whiten @ (fitted.mean - exact.mean)) < 5 * of_mean).all()
    assert (np.abs(whiten @ fitted.covariance @ whiten.T - unit) < 5 * of_covariance).all()
    # Half the covariance, or twice: what belongs to a loss without its ½.
    for factor in (0.5, 2.0):
        assert (np.abs(np.diag(found) - factor) > np.diag(bound)).all()
