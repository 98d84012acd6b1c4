"""scikit-learn's AdaBoost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sondage.errors import DataError, ForeignModelWarning, ModelError
from sondage.models import Model, as_model

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
WORDS = np.array(["low", "middle", "high"])

Same = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("one_thread")

MODELS: dict[str, Callable[[], tuple[BaseEstimator, Any]]] = {
    "stumps": lambda: (
        AdaBoostClassifier(n_estimators=40, random_state=0).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "trees, three classes": lambda: (
        AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=2), n_estimators=30, learning_rate=0.3, random_state=0
        ).fit(WINE, WORDS[CULTIVAR]),
        WINE,
    ),
    "boosted members": lambda: (
        AdaBoostClassifier(
            GradientBoostingClassifier(n_estimators=2, max_depth=1), n_estimators=6, random_state=0
        ).fit(WINE, CULTIVAR + 4),
        WINE,
    ),
    "perfect from the start": lambda: (
        AdaBoostClassifier(DecisionTreeClassifier(random_state=0), n_estimators=9).fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_boosted_votes(
    make: Callable[[], tuple[BaseEstimator, Any]], same_as_library: Same
) -> None:
    estimator, data = make()
    model = same_as_library(estimator, data)
    if isinstance(estimator.estimators_[0], DecisionTreeClassifier):
        assert model.score(data).tobytes() == estimator.decision_function(data).tobytes()


def test_categories(same_as_library: Same) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.choice([1.0, 2.0, 8.0], 200), rng.normal(size=200)])
    member = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])
    boosted = AdaBoostClassifier(member, n_estimators=3, random_state=0)
    model = same_as_library(boosted.fit(X, (X[:, 0] == 2.0) ^ (X[:, 1] > 0.5)), X)
    assert model._source.columns[0].levels == (1.0, 2.0, 8.0)
    with pytest.raises(DataError, match="nan"):
        model.predict(np.array([[1.0, np.nan]]))


@settings(max_examples=20, deadline=None)
@given(
    member=st.sampled_from(
        [
            DecisionTreeClassifier(max_depth=1),
            DecisionTreeClassifier(max_depth=3, max_features=1),
            ExtraTreeClassifier(max_depth=2),
        ]
    ),
    n_estimators=st.sampled_from([1, 2, 9]),
    learning_rate=st.sampled_from([0.1, 1.0]),
    n_classes=st.integers(2, 4),
    seed=st.integers(0, 1000),
)
def test_any_parameters(
    same_as_library: Same,
    member: BaseEstimator,
    n_estimators: int,
    learning_rate: float,
    n_classes: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(60, 3)), 1)
    y = (np.arange(60) + (X[:, 0] > 0)) % n_classes
    boosted = AdaBoostClassifier(
        member, n_estimators=n_estimators, learning_rate=learning_rate, random_state=seed
    )
    try:
        boosted.fit(X, y)
    except ValueError:
        return  # the first member was no better than chance
    same_as_library(boosted, X, n=200, at_cuts=60)


def test_what_the_library_evaluates_itself() -> None:
    median = AdaBoostRegressor(n_estimators=2).fit(DIABETES, PROGRESSION)
    with pytest.warns(ForeignModelWarning, match="AdaBoostRegressor has no native form"):
        model = as_model(median)
    assert (model.predict(DIABETES) == median.predict(DIABETES)).all()


def test_refused() -> None:
    with pytest.raises(ModelError, match="is not fitted"):
        as_model(AdaBoostClassifier())
    with pytest.raises(ModelError, match="one class"):
        as_model(AdaBoostClassifier(n_estimators=1).fit(WINE, np.zeros(len(WINE))))
