"""Simulation-based calibration of `ask` as a whole (MATH section 11, item 10).

A row is drawn from the base measure, a label from what a model says of it, and measurements of some
of its columns with normal errors. Asking for rows given label and measurements is then a posterior:
among independent draws from it the first row has a uniform rank, in every column. What questions,
spaces, references, starts, kernels and warm-up do together is held against nothing but the
simulation.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sondage as sd

pytestmark = pytest.mark.statistical

ROUNDS = 195
#: Independent draws, each the first of a chain of its own; ranks are 0 to DRAWS.
DRAWS = 51
BINS = 13
COLUMNS = ["mean radius", "mean texture", "mean smoothness", "mean symmetry"]
MEASURED = COLUMNS[:3]
#: Of measurements, in parts of a column's range.
ERROR = 0.15
#: One of the 24 columns fails by chance once in a thousand runs of this file.
LEVEL = 1e-3 / 24

FAMILIES: dict[str, Callable[[], ClassifierMixin]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(20, max_depth=4, random_state=0),
    "net": lambda: make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=600, random_state=0)
    ),
}


@cache
def frame() -> pl.DataFrame:
    data = load_breast_cancer(as_frame=True).data[COLUMNS]
    return pl.from_pandas(data)


@cache
def model(family: str) -> sd.Model:
    fitted = FAMILIES[family]().fit(frame().to_pandas(), load_breast_cancer().target)
    return sd.as_model(fitted)


@cache
def space(referenced: bool) -> sd.Space:
    reference = sd.reference.chow_liu(frame()) if referenced else None
    return sd.Space.from_frame(frame(), reference=reference)


def first_rows(referenced: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rows of the base measure."""
    own = space(referenced)
    if own.reference is not None:
        seed = int(rng.integers(2**32))
        return own.reference.sample(ROUNDS, seed=seed).select(COLUMNS).to_numpy()
    kinds = [own.kinds[name] for name in COLUMNS]
    bounds = [(kind.lower, kind.upper) for kind in kinds if isinstance(kind, sd.Continuous)]
    lower, upper = np.array(bounds).T
    return np.asarray(rng.uniform(lower, upper, (ROUNDS, len(COLUMNS))))


def ranks(family: str, referenced: bool, temperature: float, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    rows = first_rows(referenced, rng)
    proba = model(family).proba(pl.DataFrame(rows, schema=COLUMNS))
    labels = (rng.uniform(size=ROUNDS) < proba[:, 1]).astype(int)
    width = np.ptp(frame().select(MEASURED).to_numpy(), axis=0)
    measured = rows[:, : len(MEASURED)] + ERROR * width * rng.normal(size=(ROUNDS, len(MEASURED)))
    weights = dict(zip(MEASURED, (0.5 / (ERROR * width) ** 2).tolist(), strict=True))
    found = []
    for i in range(ROUNDS):
        anchor = dict(zip(MEASURED, measured[i].tolist(), strict=True)) | {COLUMNS[3]: rows[i, 3]}
        question = sd.fixed_label(model(family), int(labels[i])) + sd.near(
            anchor, weights={**weights, COLUMNS[3]: 0.0}
        )
        answer = sd.ask(
            question,
            space(referenced),
            draws=1,
            chains=DRAWS,
            warmup=200,
            temperature=temperature,
            seed=i,
            progress=False,
        )
        found.append((answer.draws[:, 0, :] < rows[i]).sum(axis=0))
    return np.array(found)


def p_values(found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of uniform ranks, by columns."""
    counts = np.array([np.bincount(own * BINS // (DRAWS + 1), minlength=BINS) for own in found.T])
    expected = len(found) / BINS
    return np.asarray(chi2.sf(((counts - expected) ** 2 / expected).sum(axis=1), BINS - 1))


@pytest.mark.parametrize("referenced", [False, True], ids=["uniform", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_are_uniform(family: str, referenced: bool) -> None:
    assert p_values(ranks(family, referenced, 1.0, seed=1)).min() > LEVEL


def test_another_temperature_is_noticed() -> None:
    assert p_values(ranks("logistic", False, 4.0, seed=1)).min() < LEVEL
