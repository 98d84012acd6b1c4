"""Compare draws from the circles of the papers' figure 2 with independent draws.

python benches/py/circles.py

For each of the four panels, two temperatures and three thinnings: the total-variation distance of
8 × 2,000 draws of the default kernel to the density integrated on a fine grid, on a histogram of
40 × 40 cells, as a multiple of what as many independent draws give. Mean and largest over eight
seeds; the panels are those of tests/statistical/test_circles.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import make_circles
from sklearn.svm import SVC

import sondage as sd

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF, CELLS, POINTS = 1.5, 40, 16
CHAINS, DRAWS = 8, 2_000
THINS, SEEDS = (1, 10, 20), range(101, 109)
SPACE = sd.Space({"x0": sd.Continuous(-HALF, HALF), "x1": sd.Continuous(-HALF, HALF)})


def panels() -> dict[str, sd.Question]:
    """Return the questions."""
    x, y = make_circles((50, 50), noise=0.05, factor=0.5, random_state=42)
    rbf = sd.as_model(SVC(kernel="rbf", C=10, gamma=20).fit(x, y), name="rbf")
    poly = sd.as_model(SVC(kernel="poly", degree=3, coef0=1).fit(x, y), name="poly")
    return {
        "contrast": sd.model_contrasting(rbf, poly),
        "risky rbf": sd.prediction_risky(rbf, level=0.0, output="score"),
        "risky poly": sd.prediction_risky(poly, level=0.0, output="score"),
        "counterfactual": sd.fixed_label(rbf, 1 - int(y[69])) + 0.5 * sd.near(x[69]),
    }


def masses(question: sd.Question, temperature: float) -> NDArray[np.float64]:
    """Probabilities of the cells."""
    n = CELLS * POINTS
    centers = (np.arange(n) + 0.5) / n * 2 * HALF - HALF
    grid = np.stack(np.meshgrid(centers, centers, indexing="ij"), axis=-1).reshape(-1, 2)
    g = question.evaluate(grid, SPACE)
    p = np.exp(-(g - g.min()) / temperature).reshape(CELLS, POINTS, CELLS, POINTS).sum(axis=(1, 3))
    return np.asarray(p / p.sum())


def ratio(question: sd.Question, temperature: float, thin: int, seed: int) -> float:
    """Return the distance of a run's draws over that of as many independent ones."""
    answer = sd.ask(
        question,
        SPACE,
        draws=DRAWS,
        chains=CHAINS,
        temperature=temperature,
        thin=thin,
        seed=seed,
        progress=False,
    )
    p = masses(question, temperature)
    rows = answer.draws.reshape(-1, 2)
    edges = np.linspace(-HALF, HALF, CELLS + 1)
    shares = np.histogram2d(rows[:, 0], rows[:, 1], bins=(edges, edges))[0] / len(rows)
    independent = np.random.default_rng(0).multinomial(len(rows), p.ravel(), size=50) / len(rows)
    expected = np.abs(independent - p.ravel()).sum(axis=1).mean()
    return float(np.abs(shares - p).sum() / expected)


def main() -> None:
    """Print a line per panel and temperature: mean and largest ratio for each thinning."""
    print(" | ".join(["panel", "τ", *(f"thin={thin}: mean, largest" for thin in THINS)]))
    for name, question in panels().items():
        for temperature in (1.0, 0.1):
            cells = []
            for thin in THINS:
                found = [ratio(question, temperature, thin, seed) for seed in SEEDS]
                cells.append(f"{np.mean(found):.2f}, {max(found):.2f}")
            print(" | ".join([name, f"{temperature:g}", *cells]), flush=True)


if __name__ == "__main__":
    main()
