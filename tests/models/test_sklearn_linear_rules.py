"""How linear classifiers turn scores into labels and probabilities, ties among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from linear_models import Data, assert_same, blocks, cancer, wine
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC

import sondage as sd

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning"
)


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
