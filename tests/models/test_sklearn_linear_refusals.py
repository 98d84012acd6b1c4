"""Linear models that are refused or left to the library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from linear_models import diabetes, wine
from sklearn.base import BaseEstimator
from sklearn.linear_model import (
    Lars,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.svm import LinearSVC

import sondage as sd
from sondage.errors import ModelError
from sondage.models import _registry
from sondage.models._adapter import NotNative
from sondage.models._features import Features, RawColumn
from sondage.models._graph import GraphBuilder

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning"
)


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
