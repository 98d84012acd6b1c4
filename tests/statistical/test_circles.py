"""Two support vector machines on two circles (figure 2 of the papers): four densities in the plane.

Each answer is compared with the density integrated on a fine grid, on a histogram of 40 × 40 cells.
The default kernel has to reach thin rings and islands that no gradient leads to.
"""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_circles
from sklearn.svm import SVC

import sondage as sd

pytestmark = pytest.mark.statistical

X, Y = make_circles((50, 50), noise=0.05, factor=0.5, random_state=42)
RBF = SVC(kernel="rbf", C=10, gamma=20).fit(X, Y)
POLY = SVC(kernel="poly", degree=3, coef0=1).fit(X, Y)
HALF = 1.5
SPACE = sd.Space({"x0": sd.Continuous(-HALF, HALF), "x1": sd.Continuous(-HALF, HALF)})
CELLS, POINTS = 40, 16
CHAINS, DRAWS = 8, 2000
PANELS = ("contrast", "risky rbf", "risky poly", "counterfactual")


def question(panel: str) -> sd.Question:
    rbf, poly = sd.as_model(RBF, name="rbf"), sd.as_model(POLY, name="poly")
    if panel == "contrast":
        return sd.model_contrasting(rbf, poly)
    if panel == "counterfactual":
        return sd.fixed_label(rbf, 1 - int(Y[69])) + 0.5 * sd.near(X[69])
    return sd.prediction_risky(rbf if panel == "risky rbf" else poly, level=0.0, output="score")


def plain(panel: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """G from scikit-learn's own decision functions."""
    rbf, poly = RBF.decision_function(rows), POLY.decision_function(rows)
    if panel == "contrast":
        wanted = np.where(poly > 0, -1.0, 1.0)
        return np.maximum(0.0, 1.0 - wanted * rbf)
    if panel == "counterfactual":
        wanted = -1.0 if Y[69] == 1 else 1.0
        near: NDArray[np.float64] = ((rows - X[69]) ** 2).sum(axis=1)
        return np.maximum(0.0, 1.0 - wanted * rbf) + 0.5 * near
    return np.asarray((rbf if panel == "risky rbf" else poly) ** 2)


@cache
def energies(panel: str) -> NDArray[np.float64]:
    n = CELLS * POINTS
    centers = (np.arange(n) + 0.5) / n * 2 * HALF - HALF
    grid = np.stack(np.meshgrid(centers, centers, indexing="ij"), axis=-1).reshape(-1, 2)
    return plain(panel, grid)


def masses(panel: str, temperature: float) -> NDArray[np.float64]:
    """Probabilities of the cells, (CELLS, CELLS)."""
    g = energies(panel)
    p = np.exp(-(g - g.min()) / temperature).reshape(CELLS, POINTS, CELLS, POINTS).sum(axis=(1, 3))
    return np.asarray(p / p.sum())


def distance(p: NDArray[np.float64], rows: NDArray[np.float64]) -> float:
    """Total variation between the cells' probabilities and the rows' shares."""
    edges = np.linspace(-HALF, HALF, CELLS + 1)
    counts = np.histogram2d(rows[:, 0], rows[:, 1], bins=(edges, edges))[0]
    return float(0.5 * np.abs(counts / len(rows) - p).sum())


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_the_default_kernel_draws_from_the_density(panel: str, temperature: float) -> None:
    asked = question(panel)
    rows = np.random.default_rng(0).uniform(-HALF, HALF, (2000, 2))
    np.testing.assert_allclose(asked.evaluate(rows, SPACE), plain(panel, rows), atol=1e-9)
    answer = sd.ask(
        asked,
        SPACE,
        draws=DRAWS,
        chains=CHAINS,
        temperature=temperature,
        thin=20,
        seed=1,
        progress=False,
    )
    p = masses(panel, temperature)
    n = CHAINS * DRAWS
    independent = np.random.default_rng(1).multinomial(n, p.ravel(), size=50) / n
    expected = 0.5 * np.abs(independent - p.ravel()).sum(axis=1).mean()
    assert distance(p, answer.draws.reshape(-1, 2)) < 1.5 * expected
    # The test would see another temperature.
    colder = np.random.default_rng(2).multinomial(n, masses(panel, temperature / 3).ravel()) / n
    assert 0.5 * np.abs(colder - p.ravel()).sum() > 1.5 * expected


def test_the_models_disagree_as_often_as_they_should() -> None:
    p = np.exp(-energies("contrast"))
    n = CELLS * POINTS
    centers = (np.arange(n) + 0.5) / n * 2 * HALF - HALF
    grid = np.stack(np.meshgrid(centers, centers, indexing="ij"), axis=-1).reshape(-1, 2)
    share = float((p * (RBF.predict(grid) != POLY.predict(grid))).sum() / p.sum())
    answer = sd.ask(
        question("contrast"), SPACE, draws=DRAWS, chains=CHAINS, thin=10, seed=3, progress=False
    )
    # Half the draws' number, for what is left of correlation.
    error = np.sqrt(share * (1 - share) / (answer.valid.size / 2))
    assert abs(answer.valid.mean() - share) < 4 * error
