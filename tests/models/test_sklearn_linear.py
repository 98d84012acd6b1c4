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
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
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
from sondage.errors import ModelError
from sondage.models import _registry
from sondage.models._adapter import NotNative
from sondage.models._features import Chain, Features, RawColumn, Step, Table
from sondage.models._graph import GraphBuilder

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning"
)

Data = tuple[NDArray[np.float64], NDArray[Any]]

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


def wine() -> Data:
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def cancer() -> Data:
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), np.array(["malignant", "benign"])[y]


def diabetes() -> Data:
    return load_diabetes(return_X_y=True)


def fico() -> Data:
    name = Path("shared/data/tabular/FICO_dataset.csv")
    path = next((p / name for p in Path(__file__).resolve().parents if (p / name).exists()), None)
    if path is None:
        pytest.skip("FICO_dataset.csv is not here")
    frame = pl.read_csv(path)
    X = np.ascontiguousarray(frame[:, 1:].to_numpy(), dtype=np.float64)
    return scale(X), frame["RiskPerformance"].to_numpy()


DATA = {"wine": wine, "cancer": cancer, "fico": fico}


def blocks(X: NDArray[np.float64], n: int = 10_000) -> list[NDArray[np.float64]]:
    """Rows as in training, uniform beyond their box, far away, and barely off float32's grid."""
    rng = np.random.default_rng(7)
    lower, spread = X.min(axis=0), np.ptp(X, axis=0)
    near = X[rng.integers(len(X), size=500)]
    narrow = near.astype(np.float32).astype(np.float64)
    return [
        X[:11_000],
        lower - spread + 3.0 * spread * rng.random((n, X.shape[1])),
        near * rng.choice([-1e6, 1e6, 1e12], size=(500, 1)),
        np.nextafter(narrow, np.where(rng.random(narrow.shape) < 0.5, -np.inf, np.inf)),
    ]


def assert_same(estimator: Any, rows: NDArray[np.float64], tolerance: float = 1e-12) -> None:
    """Labels are equal, numbers equal up to a share of their size over the rows."""
    with np.errstate(over="ignore"):  # of an exponential link, at the library
        model = sd.as_model(estimator)
        theirs = estimator.predict(rows)
    assert model.native
    if not hasattr(estimator, "classes_"):
        close(model.predict(rows), theirs, tolerance)
        close(model.score(rows), theirs, tolerance)
        return
    close(model.score(rows), estimator.decision_function(rows), tolerance)
    assert model.predict(rows).tolist() == theirs.tolist()
    if not hasattr(estimator, "predict_proba"):
        with pytest.raises(ModelError, match="no class probabilities"):
            model.proba(rows)
        return
    proba = estimator.predict_proba(rows)
    # A difference of logits is one of the same size in the logarithm of a probability.
    size = max(1.0, float(np.max(np.abs(estimator.decision_function(rows)))))
    np.testing.assert_allclose(model.proba(rows), proba, rtol=0, atol=min(1e-6, tolerance * size))
    assert model._native is not None
    log_proba = model._native.heads.log_proba
    if log_proba is not None:
        logs = model._native.values(rows, log_proba)
        np.testing.assert_allclose(np.exp(logs), model.proba(rows), rtol=1e-12 * size, atol=1e-300)
        assert np.isfinite(logs).all()


def close(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> None:
    assert ours.shape == theirs.shape
    atol = tolerance * float(np.max(np.abs(theirs[np.isfinite(theirs)])))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


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


class OldLogistic(LogisticRegression):
    """The rules of versions that have `multi_class`, on coefficients fitted by this one."""

    def __init__(self, multi_class: str = "auto", solver: str = "lbfgs") -> None:
        super().__init__(solver=solver)
        self.multi_class = multi_class

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        few = len(self.classes_) <= 2 or self.solver == "liblinear"
        if self.multi_class == "ovr" or (self.multi_class == "auto" and few):
            return self._predict_proba_lr(X)
        z = self.decision_function(X)
        z = np.stack([-z, z], axis=1) if z.ndim == 1 else z
        shifted = np.exp(z - z.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("setting", ["auto", "ovr", "multinomial"])
@pytest.mark.parametrize("data", [wine, cancer])
def test_old_rules_of_logistic_regression(setting: str, data: Callable[[], Data]) -> None:
    X, y = data()
    X = scale(X)
    estimator = OldLogistic(setting).fit(X, y)
    for rows in blocks(X, 1000):
        assert_same(estimator, rows)
    estimator.solver = "liblinear"
    assert_same(estimator, X)


def test_left_over_attribute_says_nothing() -> None:
    X, y = wine()
    estimator = LogisticRegression().fit(X, y)
    estimator.multi_class = "ovr"
    assert_same(estimator, X)


@pytest.mark.parametrize("make", [LogisticRegression, LinearSVC, RidgeClassifier, Perceptron])
def test_ties_between_two_classes(make: Callable[[], BaseEstimator]) -> None:
    X = np.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [1.0, 1.0]])
    estimator = make().fit(X, ["a", "b", "a", "b"])
    estimator.coef_, estimator.intercept_ = np.array([[2.0, -3.0]]), np.zeros(1)
    rows = np.array([[0.0, 0.0], [3.0, 2.0], [3.0, np.nextafter(2.0, 3)], [3.0, 1.9]])
    assert estimator.decision_function(rows)[:2].tolist() == [0.0, 0.0]
    assert sd.as_model(estimator).predict(rows).tolist() == estimator.predict(rows).tolist()
    assert sd.as_model(estimator).predict(rows).tolist() == ["a", "a", "a", "b"]


@pytest.mark.parametrize("make", [LogisticRegression, LinearSVC, RidgeClassifier, Perceptron])
def test_ties_between_three_classes(make: Callable[[], BaseEstimator]) -> None:
    estimator = make().fit([[-1.0], [0.0], [1.0], [-1.1], [0.1], [1.1]], [5, 3, 9, 5, 3, 9])
    estimator.coef_, estimator.intercept_ = np.array([[-1.0], [1.0], [1.0]]), np.zeros(3)
    rows = np.array([[0.0], [2.0], [-2.0]])
    assert estimator.predict(rows).tolist() == [3, 5, 3]
    assert sd.as_model(estimator).predict(rows).tolist() == [3, 5, 3]


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_equal_probabilities_where_every_class_is_refused(loss: str) -> None:
    X, y = wine()
    estimator = SGDClassifier(loss=loss, random_state=0).fit(X, y)
    estimator.coef_, estimator.intercept_ = estimator.coef_.copy(), np.full(3, -1e4)
    third = np.full((len(X), 3), 1.0 / 3.0)
    assert np.array_equal(estimator.predict_proba(X), third)
    assert np.array_equal(sd.as_model(estimator).proba(X), third)


def test_no_probability_is_floored() -> None:
    X, y = wine()
    model = sd.as_model(LogisticRegression().fit(X, y))
    assert model._native is not None
    assert model._native.heads.log_proba is not None
    logs = model._native.values(1e5 * X, model._native.heads.log_proba)
    assert (model.proba(1e5 * X) == 0.0).any()
    assert np.isfinite(logs).all()


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


@pytest.mark.parametrize(
    "make",
    [LinearRegression, Ridge, PoissonRegressor, LogisticRegression, SGDClassifier, LinearSVC],
)
def test_unfitted_models_are_refused(make: Callable[[], BaseEstimator]) -> None:
    with pytest.raises(ModelError, match="not fitted"):
        sd.as_model(make())


@pytest.mark.parametrize("make", [LinearRegression, Ridge, Lasso, Lars])
def test_several_targets_are_refused(make: Callable[[], BaseEstimator]) -> None:
    X, y = diabetes()
    with pytest.raises(ModelError, match=r"2 targets"):
        sd.as_model(make().fit(X, np.stack([y, -y], axis=1)))


def test_one_target_in_a_column() -> None:
    X, y = diabetes()
    estimator = LinearRegression().fit(X, y[:, None])
    assert estimator.predict(X).shape == (len(X), 1)
    close(sd.as_model(estimator).score(X), estimator.predict(X)[:, 0], 1e-13)


def test_several_labels_are_refused() -> None:
    X, y = wine()
    with pytest.raises(ModelError, match="3 labels to a row"):
        sd.as_model(RidgeClassifier().fit(X, np.eye(3)[y]))


def test_one_class_is_refused() -> None:
    X, y = wine()
    with pytest.raises(ModelError, match="one class, 1"):
        sd.as_model(RidgeClassifier().fit(X, np.ones(len(y), dtype=np.int64)))


def test_unknown_links_are_the_librarys() -> None:
    X, y = diabetes()
    estimator = PoissonRegressor().fit(X, y)

    class OtherLink:
        inverse = staticmethod(np.square)

    estimator._base_loss.link = OtherLink()
    builder = GraphBuilder(X.shape[1])
    features = Features.of([RawColumn()] * X.shape[1])
    with pytest.raises(NotNative, match="OtherLink"):
        _registry.build(estimator, builder, features)


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
