"""Chains keep the law of questions that compare models, jumps at decision boundaries included.

Chains start from independent draws of the exact law, one chain a draw, and must end in such draws
whatever the kernel did in between: what lies in a cell is compared with its probability.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

import sondage as sd

pytestmark = pytest.mark.statistical

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
LABEL = load_wine().target
TWO = (LABEL == 1).astype(int)
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
N, CELLS, FINE, TEMPERATURE = 12_000, 8, 160, 0.3

line = LogisticRegression(C=50).fit(X, TWO)
forest = RandomForestClassifier(9, max_depth=4, random_state=0).fit(X, TWO)
boosted = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, TWO)
three = LogisticRegression(C=50).fit(X, LABEL)
refits = [LogisticRegression(C=50).fit(X[part::3], LABEL[part::3]) for part in range(3)]
model, trees, boost = (sd.as_model(fitted) for fitted in (line, forest, boosted))
wide = sd.as_model(three)
posterior = sd.ensemble([sd.as_model(fitted) for fitted in refits])


def other(a: object, b: object, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    wanted = 1 - b.predict(rows)  # type: ignore[attr-defined]
    p = a.predict_proba(rows)[np.arange(len(rows)), wanted]  # type: ignore[attr-defined]
    return -np.log(np.maximum(p, 1e-300))


def alike(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    p = three.predict_proba(rows)
    distance = [((fitted.predict_proba(rows) - p) ** 2).sum(axis=1) for fitted in refits]
    return np.mean([np.exp(-one / 0.2**2) for one in distance], axis=0)


CASES = {
    "a line against trees": (
        sd.model_contrasting(model, trees),
        lambda rows: other(line, forest, rows),
        {"walk": sd.RandomWalk(0.2), "gradient": sd.MALA(0.03, precondition=False)},
    ),
    "trees against trees": (
        sd.model_contrasting(boost, trees),
        lambda rows: other(boosted, forest, rows),
        {"walk": sd.RandomWalk(0.2), "conditional": sd.Conditional()},
    ),
    "a posterior of three classes": (
        sd.parameter_sensitive(wide, posterior, sigma=0.2),
        alike,
        {"walk": sd.RandomWalk(0.2), "gradient": sd.MALA(0.03, precondition=False)},
    ),
}


@pytest.mark.parametrize(("name", "kernel"), [(name, k) for name in CASES for k in CASES[name][2]])
def test_chains_keep_the_law(name: str, kernel: str) -> None:
    question, energy, kernels = CASES[name]
    side = (np.arange(CELLS * FINE) + 0.5) / (CELLS * FINE)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    g = energy(grid)
    weight = np.exp(-g / TEMPERATURE).reshape(CELLS, FINE, CELLS, FINE).sum(axis=(1, 3)).ravel()
    probability = weight / weight.sum()
    rng, kept = np.random.default_rng(1), list[NDArray[np.float64]]()
    least = float(g.min()) - 0.05
    while sum(map(len, kept)) < N:
        rows = rng.random((4 * N, 2))
        kept.append(rows[np.log(rng.random(len(rows))) < -(energy(rows) - least) / TEMPERATURE])
    answer = sd.ask(
        question,
        SPACE,
        draws=1,
        chains=N,
        warmup=9,
        temperature=TEMPERATURE,
        kernel=kernels[kernel],
        start=np.concatenate(kept)[:N],
        seed=2,
        progress=False,
    )
    ends = answer.draws[:, 0, :]
    cell = (ends * CELLS).astype(int)
    counts = np.bincount(CELLS * cell[:, 0] + cell[:, 1], minlength=CELLS**2)
    assert p_value(counts, probability) > 1e-4
    # The test would see another temperature.
    hotter = np.sqrt(weight)
    assert p_value(counts, hotter / hotter.sum()) < 1e-4


def p_value(counts: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    common = probability * N >= 8
    found = np.append(counts[common], counts[~common].sum())
    expected = np.append(probability[common], probability[~common].sum()) * N
    keep = expected > 0.0
    return float(stats.chisquare(found[keep], expected[keep]).pvalue)
