"""scikit-learn's linear models: the core gives what the library gives."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_models import Data, assert_same, blocks, cancer, close, diabetes, wine
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    PassiveAggressiveClassifier,
    PassiveAggressiveRegressor,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC, LinearSVR

import sondage as sd
from sondage._core import Graph
from sondage.models import _registry
from sondage.models._features import Chain, Features, RawColumn, Step, Table
from sondage.models._graph import GraphBuilder

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning"
)

REGRESSORS: dict[str, Callable[[], BaseEstimator]] = {
    "LinearRegression": LinearRegression,
    "no intercept": lambda: LinearRegression(fit_intercept=False),
    "Ridge": Ridge,
    "RidgeCV": RidgeCV,
    "Lasso": lambda: Lasso(0.1),
    "LassoCV": LassoCV,
    "ElasticNet": lambda: ElasticNet(0.1),
    "ElasticNetCV": ElasticNetCV,
    "BayesianRidge": BayesianRidge,
    "ARDRegression": ARDRegression,
    "HuberRegressor": HuberRegressor,
    "TheilSenRegressor": lambda: TheilSenRegressor(max_subpopulation=50, random_state=0),
    "Lars": Lars,
    "LarsCV": LarsCV,
    "LassoLars": lambda: LassoLars(0.1),
    "LassoLarsCV": LassoLarsCV,
    "LassoLarsIC": LassoLarsIC,
    "OrthogonalMatchingPursuit": OrthogonalMatchingPursuit,
    "OrthogonalMatchingPursuitCV": OrthogonalMatchingPursuitCV,
    "QuantileRegressor": QuantileRegressor,
    "SGDRegressor": lambda: SGDRegressor(random_state=0),
    "averaged SGDRegressor": lambda: SGDRegressor(average=True, random_state=0),
    "PassiveAggressiveRegressor": lambda: PassiveAggressiveRegressor(random_state=0),
    "LinearSVR": lambda: LinearSVR(random_state=0),
    "PoissonRegressor": PoissonRegressor,
    "GammaRegressor": GammaRegressor,
    "Tweedie, identity link": lambda: TweedieRegressor(power=0),
    "Tweedie, log link": lambda: TweedieRegressor(power=1.5),
}
CLASSIFIERS: dict[str, Callable[[], BaseEstimator]] = {
    "LogisticRegression": LogisticRegression,
    "LogisticRegressionCV": lambda: LogisticRegressionCV(Cs=3, cv=3),
    "RidgeClassifier": RidgeClassifier,
    "RidgeClassifierCV": RidgeClassifierCV,
    "LinearSVC": lambda: LinearSVC(random_state=0),
    "LinearSVC, Crammer and Singer": lambda: LinearSVC(
        multi_class="crammer_singer", max_iter=50, random_state=0
    ),
    "Perceptron": lambda: Perceptron(random_state=0),
    "PassiveAggressiveClassifier": lambda: PassiveAggressiveClassifier(random_state=0),
    "SGD, hinge": lambda: SGDClassifier(random_state=0),
    "SGD, log_loss": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "SGD, modified_huber": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "SGD, squared_error": lambda: SGDClassifier(loss="squared_error", eta0=1e-4, random_state=0),
    "LDA": LinearDiscriminantAnalysis,
    "LDA, shrunk": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
}


def fico() -> Data:
    name = Path("shared/data/tabular/FICO_dataset.csv")
    path = next((p / name for p in Path(__file__).resolve().parents if (p / name).exists()), None)
    if path is None:
        pytest.skip("FICO_dataset.csv is not here")
    frame = pl.read_csv(path)
    X = np.ascontiguousarray(frame[:, 1:].to_numpy(), dtype=np.float64)
    return scale(X), frame["RiskPerformance"].to_numpy()


DATA = {"wine": wine, "cancer": cancer, "fico": fico}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_are_the_librarys(data: str, name: str) -> None:
    X, y = DATA[data]()
    part = slice(0, 1500)
    estimator = CLASSIFIERS[name]().fit(X[part], y[part])
    for rows in blocks(X, 10_000 if data == "fico" else 2_000):
        assert_same(estimator, rows)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_are_the_librarys(name: str) -> None:
    X, y = diabetes()
    estimator = REGRESSORS[name]().fit(X, y)
    exponential = name in ("PoissonRegressor", "GammaRegressor", "Tweedie, log link")
    for rows in blocks(X):
        assert_same(estimator, rows, 1e-10 if exponential else 1e-12)


@pytest.mark.parametrize("make", [Ridge, Lasso, SGDRegressor])
def test_regressors_of_float32(make: Callable[[], BaseEstimator]) -> None:
    X, y = diabetes()
    estimator = make().fit(X.astype(np.float32), y.astype(np.float32))
    assert estimator.coef_.dtype == np.float32
    for rows in blocks(X, 1000):
        assert_same(estimator, rows)


@pytest.mark.parametrize("make", [LogisticRegression, SGDClassifier])
def test_classifiers_of_float32(make: Callable[[], BaseEstimator]) -> None:
    X, y = wine()
    estimator = make().fit(X.astype(np.float32), y)
    assert estimator.coef_.dtype == np.float32
    for rows in blocks(X, 1000):
        assert_same(estimator, rows)


def test_sparse_coefficients() -> None:
    X, y = wine()
    estimator = SGDClassifier(penalty="l1", random_state=0).fit(X, y).sparsify()
    assert_same(estimator, X)


def test_columns_by_name() -> None:
    X, y = wine()
    names = load_wine().feature_names
    frame = pl.DataFrame(X, schema=names)
    estimator = LogisticRegression().fit(frame, y)
    model = sd.as_model(estimator)
    assert model.feature_names == tuple(names)
    assert np.allclose(model.proba(frame[names[::-1]]), estimator.predict_proba(frame), atol=1e-14)


def test_features_of_a_pipeline() -> None:
    X, y = wine()
    estimator = LogisticRegression().fit(X[:, :3], y)
    features = Features(
        (RawColumn(), RawColumn(levels=("a", "b"))),
        (
            Chain(0, (Step("sub", 2.0), Step("div", 3.0))),
            Table(1, (0.5, -0.5), unknown=9.0, missing=0.0),
            Chain(0),
        ),
    )
    builder = GraphBuilder(2)
    heads = _registry.build(estimator, builder, features)
    rows = np.array([[1.0, 0.0], [7.0, 1.0], [-3.0, -1.0], [0.0, np.nan]])
    assert heads.proba is not None
    ours = Graph(2, builder.operations).forward(rows, heads.proba)
    assert np.allclose(ours, estimator.predict_proba(features.encode(rows)), atol=1e-14)


def test_models_survive_pickling() -> None:
    X, y = wine()
    model = sd.as_model(LogisticRegression().fit(X, y))
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    assert np.array_equal(again.proba(X), model.proba(X))


def test_one_target_in_a_column() -> None:
    X, y = diabetes()
    estimator = LinearRegression().fit(X, y[:, None])
    assert estimator.predict(X).shape == (len(X), 1)
    close(sd.as_model(estimator).score(X), estimator.predict(X)[:, 0], 1e-13)


@st.composite
def small_problems(draw: st.DrawFn, n_classes: int) -> Data:
    """Up to 30 rows of 1 to 4 features, some constant, in any unit; every class is there."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(3 * n_classes, 30)), draw(st.integers(1, 4))
    X = rng.normal(size=(n, d)) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    X[:, rng.random(d) < 0.25] = draw(st.sampled_from([0.0, 5.0]))
    y = rng.permutation(np.arange(n) % n_classes)
    return X.astype(draw(st.sampled_from([np.float32, np.float64]))), y


def quietly_fitted(
    estimator: BaseEstimator, X: NDArray[np.floating], y: NDArray[Any]
) -> BaseEstimator:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n_classes=st.integers(2, 5))
def test_any_small_classifier(data: st.DataObject, n_classes: int) -> None:
    X, y = data.draw(small_problems(n_classes))
    make = data.draw(st.sampled_from(["LogisticRegression", "RidgeClassifier", "LinearSVC", "SGD"]))
    intercept, balance = data.draw(st.booleans()), data.draw(st.sampled_from([None, "balanced"]))
    estimator = {
        "LogisticRegression": lambda: LogisticRegression(
            C=data.draw(st.sampled_from([1e-3, 1.0, 1e3])), max_iter=30
        ),
        "RidgeClassifier": RidgeClassifier,
        "LinearSVC": lambda: LinearSVC(max_iter=100),
        "SGD": lambda: SGDClassifier(
            loss=data.draw(st.sampled_from(["hinge", "log_loss", "modified_huber"])), max_iter=5
        ),
    }[make]()
    estimator.set_params(fit_intercept=intercept, class_weight=balance, random_state=0)
    assert_same(quietly_fitted(estimator, X, y), X.astype(np.float64))


@settings(max_examples=25, deadline=None)
@given(data=st.data(), alpha=st.sampled_from([1e-3, 1.0, 1e3]), intercept=st.booleans())
def test_any_small_regressor(data: st.DataObject, alpha: float, intercept: bool) -> None:
    X, y = data.draw(small_problems(2))
    make = data.draw(st.sampled_from([Ridge, Lasso, ElasticNet, PoissonRegressor]))
    estimator = quietly_fitted(make(alpha=alpha, fit_intercept=intercept, max_iter=50), X, y)
    assert_same(estimator, X.astype(np.float64), 1e-10)
