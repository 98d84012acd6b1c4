"""Compare kernels on questions of several kinds: what `kernel="auto"` was settled by.

python benches/py/kernels.py

Prints the smallest bulk effective sample size over the columns and G, per second of processor time
of the whole call, one thread, median of three seeds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage.demo import wine_problem

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

KERNELS: dict[str, sd.Kernel] = {
    "Conditional": sd.Conditional(),
    "RandomWalk": sd.RandomWalk(),
    "RandomWalk(0.5)": sd.RandomWalk(0.5),
    "Cycle 1 : 1": sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 1]),
    "Cycle 1 : 4 (auto)": sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 4]),
}

Case = tuple[sd.Question, sd.Space, float]


def cases() -> dict[str, Case]:
    """Return questions with their spaces and temperatures; all columns scaled to [0, 1]."""
    wine = wine_problem()
    cancer, diabetes = load_breast_cancer(), load_diabetes()
    rows, labels = MinMaxScaler().fit_transform(cancer.data), cancer.target
    patients = MinMaxScaler().fit_transform(diabetes.data)

    def box(columns: int) -> sd.Space:
        return sd.Space({f"x{i}": sd.Continuous(0.0, 1.0) for i in range(columns)})

    def fitted(model: BaseEstimator, x: np.ndarray, y: np.ndarray) -> sd.Model:
        return sd.as_model(model.fit(x, y))

    forest = fitted(RandomForestClassifier(200, random_state=0), rows, labels)
    tree = fitted(DecisionTreeClassifier(random_state=0, min_samples_leaf=3), rows, labels)
    extra = ExtraTreesRegressor(100, min_samples_leaf=5, random_state=0)
    regressor = fitted(extra, patients, diabetes.target)
    band = sd.fixed_label(regressor, (200, 210), scale=10.0) + 5 * sd.near(patients[3], norm=2)
    return {
        "wine, τ = 1/50": (wine.question, wine.space, 1 / 50),
        "wine, τ = 1/200": (wine.question, wine.space, 1 / 200),
        "cancer: label near a row": (
            sd.fixed_label(forest, 1) + 2.0 * sd.near(rows[0], norm=1),
            box(30),
            0.1,
        ),
        "cancer: risky": (sd.prediction_risky(forest, level=0.5), box(30), 0.002),
        "diabetes: band near a row": (band, box(10), 0.5),
        "one tree: required label near a row": (
            sd.require(tree, 1) + 1.0 * sd.near(rows[0], norm=1),
            box(30),
            0.2,
        ),
    }


def effective(case: Case, kernel: sd.Kernel, seed: int, seconds: float = 1.0) -> float:
    """Return effective draws per second of processor time, from a run of about `seconds`."""
    question, space, temperature = case

    def run(draws: int, thin: int) -> tuple[sd.Answer, float]:
        began = time.process_time()
        answer = sd.ask(
            question,
            space,
            draws=draws,
            thin=thin,
            chains=8,
            warmup=1_000,
            temperature=temperature,
            kernel=kernel,
            seed=seed,
            threads=1,
            progress=False,
        )
        return answer, time.process_time() - began

    pilot, _ = run(100, 1)
    steps = int(np.clip(100 * seconds / pilot.statistics.seconds_sampling, 400, 400_000))
    thin = max(1, steps // 8_000)
    answer, spent = run(steps // thin, thin)
    return float(answer.summary()["ess_bulk"].drop_nulls().min()) / spent  # type: ignore[arg-type]


def main() -> None:
    """Print a line per question."""
    print(" | ".join(["question", *KERNELS]))
    for name, case in cases().items():
        rates = [
            np.median([effective(case, k, seed) for seed in (1, 2, 3)]) for k in KERNELS.values()
        ]
        print(" | ".join([name, *(f"{rate:,.0f}" for rate in rates)]), flush=True)


if __name__ == "__main__":
    main()
