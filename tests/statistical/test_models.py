"""Chains on imported models keep the law that the models' own libraries state.

Reference rows are exact independent draws: uniform ones, accepted with probability
exp(-(G - min)/τ) where G comes from the library's own predictions alone. Chains that start from
other such draws, one chain a draw, must end in draws of the same law, whatever the kernel did in
between.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

import sondage as sd
from sondage.errors import ForeignModelWarning

pytestmark = pytest.mark.statistical

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
LABEL = load_wine().target
BINARY = (LABEL == 1).astype(int)
VALUE = np.sin(5 * X[:, 0]) + X[:, 1] ** 2
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
N = 12_000
TEMPERATURE = 0.4

Predict = Callable[[Any, NDArray[np.float64]], NDArray[np.float64]]


def minus_log(model: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(model.predict_proba(rows)[:, 1])


def margin(model: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - model.decision_function(rows))


def half_square(model: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * ((model.predict(rows) - 0.5) / 0.15) ** 2


MODELS: dict[str, tuple[Callable[[], Any], Predict]] = {
    "logistic regression": (lambda: LogisticRegression(C=50).fit(X, LABEL), minus_log),
    "standardised": (
        lambda: make_pipeline(StandardScaler(), LogisticRegression(C=5)).fit(X, BINARY),
        minus_log,
    ),
    "support vectors": (lambda: SVC(gamma=8, C=5).fit(X, BINARY), margin),
    "margins of SGD": (lambda: SGDClassifier(random_state=0).fit(X, BINARY), margin),
    "net": (
        lambda: MLPClassifier(
            hidden_layer_sizes=(12, 6), activation="tanh", random_state=1, max_iter=2000
        ).fit(X, LABEL),
        minus_log,
    ),
    "net, value": (
        lambda: MLPRegressor(hidden_layer_sizes=(10,), random_state=1, max_iter=2000).fit(X, VALUE),
        half_square,
    ),
    "boosted trees": (
        lambda: GradientBoostingClassifier(n_estimators=30, random_state=0).fit(X, LABEL),
        minus_log,
    ),
    "boosted trees, value": (
        lambda: GradientBoostingRegressor(n_estimators=30, random_state=0).fit(X, VALUE),
        half_square,
    ),
    "histogram trees": (
        lambda: HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5).fit(X, LABEL),
        minus_log,
    ),
    "voting of a line and trees": (
        lambda: VotingClassifier(
            [
                ("line", LogisticRegression()),
                ("trees", GradientBoostingClassifier(n_estimators=10, random_state=0)),
            ],
            voting="soft",
        ).fit(X, BINARY),
        minus_log,
    ),
    "naive Bayes, by its library": (lambda: GaussianNB().fit(X, LABEL), minus_log),
    "a line of principal components, by its library": (
        lambda: make_pipeline(PCA(2), LogisticRegression(C=5)).fit(X, BINARY),
        minus_log,
    ),
}
FOREIGN = {"naive Bayes, by its library", "a line of principal components, by its library"}
STEPWISE = {"boosted trees", "boosted trees, value", "histogram trees"}
SMOOTH = set(MODELS) - STEPWISE - FOREIGN - {"voting of a line and trees"}
CASES = [(name, "walk") for name in MODELS]
CASES += [(name, "conditional") for name in sorted(STEPWISE)]
CASES += [(name, "gradient") for name in sorted(SMOOTH)]
CASES += [(name, "signs") for name in sorted(SMOOTH)]
CASES += [(name, "smoothed") for name in ("boosted trees", "voting of a line and trees")]
KERNELS: dict[str, sd.Kernel] = {
    "walk": sd.RandomWalk(0.2),
    "conditional": sd.Conditional(),
    "gradient": sd.MALA(0.03, drift="gradient", precondition=False),
    "signs": sd.Barker(0.05),
    "smoothed": sd.MALA(0.03, drift="closed_form", precondition=False),
}


def exact_draws(
    energy: Callable[[NDArray[np.float64]], NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.float64]:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 400)] * 2), axis=-1).reshape(-1, 2)
    # The least G of a fine grid, and a little below for what lies between its points.
    least = float(energy(grid).min()) - 0.05
    kept: list[NDArray[np.float64]] = []
    while sum(map(len, kept)) < N:
        rows = rng.random((4 * N, 2))
        log = -(energy(rows) - least) / TEMPERATURE
        assert log.max() <= 0.0
        kept.append(rows[np.log(rng.random(len(rows))) < log])
    return np.concatenate(kept)[:N]


def two_samples(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """p-value of Pearson's test that both have one law, on a grid of 8 × 8 cells."""
    edges = np.linspace(0, 1, 9)
    counts = np.array(
        [np.histogram2d(rows[:, 0], rows[:, 1], bins=(edges, edges))[0].ravel() for rows in (a, b)]
    )
    common = counts.sum(axis=0) >= 20
    table = np.column_stack([counts[:, common], counts[:, ~common].sum(axis=1) + 0.5])
    return float(stats.chi2_contingency(table).pvalue)


@pytest.mark.parametrize(("name", "kernel"), CASES)
def test_chains_keep_the_law(name: str, kernel: str) -> None:
    make, own = MODELS[name]
    fitted = make()
    with pytest.warns(ForeignModelWarning) if name in FOREIGN else contextlib.nullcontext():
        model = sd.as_model(fitted)
    assert model.native == (name not in FOREIGN)
    label: object = 1 if model.classes is not None else 0.5
    scale = 1.0 if model.classes is not None else 0.15
    anchor = np.array([0.6, 0.4])
    question = sd.fixed_label(model, label, scale=scale) + 0.5 * sd.near(anchor)

    def energy(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        near: NDArray[np.float64] = 0.5 * ((rows - anchor) ** 2).sum(axis=1)
        return own(fitted, rows) + near

    rows = np.random.default_rng(0).random((500, 2))
    np.testing.assert_allclose(question.evaluate(rows, SPACE), energy(rows), rtol=1e-6, atol=1e-9)
    rng = np.random.default_rng(1)
    reference, start = exact_draws(energy, rng), exact_draws(energy, rng)
    answer = sd.ask(
        question,
        SPACE,
        draws=1,
        chains=N,
        warmup=9,
        temperature=TEMPERATURE,
        kernel=KERNELS[kernel],
        start=start,
        seed=2,
        progress=False,
    )
    ends = answer.draws[:, 0, :]
    assert (ends != start).any(axis=1).mean() > 0.5
    assert two_samples(ends, reference) > 1e-4
    # The test would see twice the temperature.
    hotter = exact_draws(lambda rows: energy(rows) / 2.0, rng)
    assert two_samples(hotter, reference) < 1e-4
