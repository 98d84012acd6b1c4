"""Compare kernels on questions of several kinds: what `kernel="auto"` was settled by.

python benches/py/kernels.py

Prints the smallest bulk effective sample size over the columns and G, per second of processor time
of the whole call, one thread, median of three seeds: first for questions about trees, then for
smooth ones, then for both on a space with a reference.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import circles
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage.demo import wine_problem

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

TREES: dict[str, sd.Kernel] = {
    "Conditional": sd.Conditional(),
    "RandomWalk": sd.RandomWalk(),
    "RandomWalk(0.5)": sd.RandomWalk(0.5),
    "Cycle 1 : 1": sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 1]),
    "Cycle 1 : 4 (auto)": sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 4]),
}

SMOOTH: dict[str, sd.Kernel] = {
    "RandomWalk": sd.RandomWalk(),
    "MALA": sd.MALA(),
    "Barker": sd.Barker(),
    "Cycle 1 : 1": sd.Cycle(sd.MALA(), sd.RandomWalk(), repeats=[1, 1]),
    "Cycle 1 : 6 (auto)": sd.Cycle(sd.MALA(), sd.RandomWalk(), repeats=[1, 6]),
    "Cycle 1 : 20": sd.Cycle(sd.MALA(), sd.RandomWalk(), repeats=[1, 20]),
    "Mixture 3 : 1": sd.Mixture(sd.MALA(), sd.RandomWalk(), weights=[3, 1]),
}

STEPS_FROM_REFERENCE: dict[str, sd.Kernel] = {
    "Conditional": sd.Conditional(),
    "Independence": sd.Independence(),
    "Conditional, walks 1 : 4": sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5), repeats=[1, 4]),
    "Conditional, Independence 1 : 4": sd.Cycle(
        sd.Conditional(), sd.Independence(), repeats=[1, 4]
    ),
    "1 : 10 (auto)": sd.Cycle(sd.Conditional(), sd.Independence(), repeats=[1, 10]),
}

SMOOTH_FROM_REFERENCE: dict[str, sd.Kernel] = {
    "RandomWalk": sd.RandomWalk(),
    "Independence": sd.Independence(),
    "MALA, walks 1 : 6": sd.Cycle(sd.MALA(), sd.RandomWalk(), repeats=[1, 6]),
    "MALA, Independence 1 : 6": sd.Cycle(sd.MALA(), sd.Independence(), repeats=[1, 6]),
    "MALA, walks, Independence 1 : 2 : 6 (auto)": sd.Cycle(
        sd.MALA(), sd.RandomWalk(), sd.Independence(), repeats=[1, 2, 6]
    ),
}

Case = tuple[sd.Question, sd.Space, float]


def box(columns: int) -> sd.Space:
    """Return the space of columns scaled to [0, 1]."""
    return sd.Space({f"x{i}": sd.Continuous(0.0, 1.0) for i in range(columns)})


def fitted(model: BaseEstimator, rows: np.ndarray, targets: np.ndarray) -> sd.Model:
    """Return the model, fitted."""
    return sd.as_model(model.fit(rows, targets))


def scaled(rows: np.ndarray) -> np.ndarray:
    """Return rows with every column scaled to [0, 1]."""
    return np.asarray(MinMaxScaler().fit_transform(rows))


def about_trees() -> dict[str, Case]:
    """Return questions about trees with their spaces and temperatures."""
    wine = wine_problem()
    cancer, diabetes = load_breast_cancer(), load_diabetes()
    rows, labels, patients = scaled(cancer.data), cancer.target, scaled(diabetes.data)
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


def about_smooth_models() -> dict[str, Case]:
    """Return questions with a gradient, their spaces and temperatures."""
    cancer, diabetes, wine = load_breast_cancer(), load_diabetes(), load_wine()
    rows, labels, patients = scaled(cancer.data), cancer.target, scaled(diabetes.data)
    net = fitted(MLPClassifier((32, 16), max_iter=2_000, random_state=0), rows, labels)
    three = MLPClassifier((32,), max_iter=2_000, random_state=0)
    classes = fitted(three, scaled(wine.data), wine.target)
    logistic = fitted(LogisticRegression(), rows, labels)
    line = fitted(LinearRegression(), patients, diabetes.target)
    band = sd.fixed_label(line, (200, 210), scale=10.0) + 5 * sd.near(patients[3], norm=2)
    images, digits = load_digits(return_X_y=True)
    linear = fitted(LogisticRegression(max_iter=3_000), images / 16, digits)
    deep = fitted(MLPClassifier((64, 32), max_iter=500, random_state=0), images / 16, digits)
    panels = circles.panels()
    return {
        "wine, net: all classes alike": (sd.prediction_risky(classes, entropy=True), box(13), 0.02),
        "cancer, net: risky": (sd.prediction_risky(net, level=0.5), box(30), 0.002),
        "cancer, logistic: label near a row": (
            sd.fixed_label(logistic, 1) + 2.0 * sd.near(rows[0], norm=2),
            box(30),
            0.1,
        ),
        "diabetes, linear: band near a row": (band, box(10), 0.5),
        "digits, logistic: label near a row": (
            sd.fixed_label(linear, 3) + 2.0 * sd.near(images[0] / 16, norm=2),
            box(64),
            0.02,
        ),
        "digits, net: label near a row": (
            sd.fixed_label(deep, 3) + 1.0 * sd.near(images[0] / 16, norm=2),
            box(64),
            0.02,
        ),
        "circles, rbf: risky": (panels["risky rbf"], circles.SPACE, 0.1),
        "circles: contrast": (panels["contrast"], circles.SPACE, 0.1),
    }


def from_a_reference() -> tuple[dict[str, Case], dict[str, Case]]:
    """Return questions about trees, and smooth ones, on a space with a reference."""
    cancer = load_breast_cancer(as_frame=True)
    frame, labels = cancer.data, cancer.target
    space = sd.Space.from_frame(frame, reference=sd.reference.chow_liu(frame))
    forest = sd.as_model(
        RandomForestClassifier(100, max_depth=6, random_state=0).fit(frame, labels)
    )
    logistic = sd.as_model(make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, labels))
    return {
        "cancer, forest: required label": (sd.require(forest, 1), space, 1.0),
        "cancer, forest: risky": (sd.prediction_risky(forest), space, 0.02),
    }, {
        "cancer, logistic: required label": (sd.require(logistic, 1), space, 1.0),
        "cancer, logistic: risky": (sd.prediction_risky(logistic), space, 0.01),
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


def compare(cases: dict[str, Case], kernels: dict[str, sd.Kernel]) -> None:
    """Print a line per question."""
    print(" | ".join(["question", *kernels]))
    for name, case in cases.items():
        rates = [
            np.median([effective(case, k, seed) for seed in (1, 2, 3)]) for k in kernels.values()
        ]
        print(" | ".join([name, *(f"{rate:,.0f}" for rate in rates)]), flush=True)


def main() -> None:
    """Print the tables."""
    compare(about_trees(), TREES)
    compare(about_smooth_models(), SMOOTH)
    steps, smooth = from_a_reference()
    compare(steps, STEPS_FROM_REFERENCE)
    compare(smooth, SMOOTH_FROM_REFERENCE)


if __name__ == "__main__":
    main()
