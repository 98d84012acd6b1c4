"""scikit-learn's isolation forest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.datasets import load_wine
from sklearn.ensemble import IsolationForest

from sondage.errors import ModelError
from sondage.models import Model, as_model, sklearn_isolation

WINE = load_wine().data
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.2] = np.nan

Same = Callable[..., Model]

MODELS: dict[str, Callable[[], tuple[BaseEstimator, Any]]] = {
    "all columns": lambda: (IsolationForest(n_estimators=40, random_state=0).fit(WINE), WINE),
    "some columns": lambda: (
        IsolationForest(n_estimators=40, max_features=0.5, contamination=0.1, random_state=0).fit(
            HOLES
        ),
        HOLES,
    ),
    "columns drawn twice": lambda: (
        IsolationForest(n_estimators=9, max_features=13, bootstrap=True, random_state=0).fit(WINE),
        WINE,
    ),
    "single rows": lambda: (
        IsolationForest(n_estimators=5, max_samples=1, random_state=0).fit(WINE),
        WINE,
    ),
    "pairs": lambda: (
        IsolationForest(n_estimators=5, max_samples=2, random_state=0).fit(WINE),
        WINE,
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_isolation_forests(
    make: Callable[[], tuple[BaseEstimator, Any]], same_as_library: Same
) -> None:
    estimator, data = make()
    model = same_as_library(estimator, data)
    assert (model.predict(data) == estimator.predict(data)).all()


def test_isolation_forests_tell_outliers_apart() -> None:
    estimator = IsolationForest(n_estimators=60, contamination=0.1, random_state=0).fit(WINE)
    model = as_model(estimator)
    assert model.classes == (-1, 1)
    assert (model.predict(WINE) == estimator.predict(WINE)).all()
    np.testing.assert_allclose(
        model.score(WINE), estimator.decision_function(WINE), rtol=0, atol=1e-14
    )
    with pytest.raises(ModelError, match="no class probabilities"):
        model.proba(WINE)


@pytest.mark.parametrize("quantile", np.linspace(0.02, 0.5, 9))
def test_rows_on_the_boundary_of_an_isolation_forest(quantile: float) -> None:
    # 178 rows and a share k / 177 of outliers put the boundary on the depth of one of them.
    share = round(quantile * 177) / 177
    estimator = IsolationForest(n_estimators=7, contamination=share, random_state=0).fit(WINE)
    assert (estimator.decision_function(WINE) == 0.0).any()
    assert (as_model(estimator).predict(WINE) == estimator.predict(WINE)).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("equal", [True, False])
def test_isolation_forests_with_most_scores_zero(
    equal: bool, seed: int, same_as_library: Same
) -> None:
    X = np.zeros((30, 4)) if equal else np.random.default_rng(seed).normal(size=(30, 4))
    for n_estimators, max_samples in ((2, 2), (2, 30), (9, 30)):
        estimator = IsolationForest(
            n_estimators=n_estimators,
            max_samples=max_samples,
            contamination=0.01,
            bootstrap=True,
            random_state=seed,
        ).fit(X)
        if equal:
            assert (estimator.decision_function(X) == 0.0).all()
            assert (as_model(estimator).score(X) == 0.0).all()
        same_as_library(estimator, X, n=100)


def test_a_boundary_beyond_every_depth() -> None:
    assert sklearn_isolation._boundary(-2.0) == pytest.approx(-1.0)
    assert sklearn_isolation._boundary(-0.5) == pytest.approx(1.0)
    assert sklearn_isolation._boundary(0.5) == 2000.0


@settings(max_examples=15, deadline=None)
@given(
    parameters=st.fixed_dictionaries(
        {
            "n_estimators": st.sampled_from([1, 2, 9]),
            "max_samples": st.sampled_from([1, 2, 3, 30]),
            "max_features": st.sampled_from([1, 3, 4]),
            "contamination": st.sampled_from(["auto", 0.01, 0.3, 0.5]),
            "bootstrap": st.booleans(),
            "random_state": st.integers(0, 100),
        }
    ),
    constant=st.booleans(),
)
def test_any_parameters_of_isolation_forests(
    same_as_library: Same, parameters: dict[str, Any], constant: bool
) -> None:
    rng = np.random.default_rng(parameters["random_state"])
    X = np.zeros((30, 4)) if constant else rng.normal(size=(30, 4))
    same_as_library(IsolationForest(**parameters).fit(X), X, n=200, at_cuts=60)


def test_two_thousand_trees(same_as_library: Same) -> None:
    same_as_library(
        IsolationForest(n_estimators=2000, max_samples=8, random_state=0).fit(WINE), WINE, n=300
    )


def test_refused() -> None:
    with pytest.raises(ModelError, match="IsolationForest is not fitted"):
        as_model(IsolationForest())
