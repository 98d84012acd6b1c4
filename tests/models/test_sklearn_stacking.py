"""scikit-learn's stacked models."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sondage.errors import ForeignModelWarning, ModelError
from sondage.models import Model, as_model
from sondage.models._adapter import NotNative
from sondage.models._features import Outputs, RawColumn
from sondage.models._graph import GraphBuilder

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
WINE, CANCER = ((X - X.mean(axis=0)) / X.std(axis=0) for X in (WINE, CANCER))
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.1] = np.nan
WORDS = np.array(["low", "middle", "high"])

Same = Callable[..., Model]
Made = tuple[BaseEstimator, Any]
pytestmark = pytest.mark.usefixtures("one_thread")


def members() -> list[tuple[str, BaseEstimator]]:
    return [
        ("forest", RandomForestClassifier(5, max_depth=4, random_state=0)),
        ("gone", "drop"),
        ("boosted", GradientBoostingClassifier(n_estimators=4, random_state=0)),
        ("machine", SVC()),
    ]


def numbers() -> list[tuple[str, BaseEstimator]]:
    return [("tree", DecisionTreeRegressor(max_depth=4)), ("linear", Ridge())]


MODELS: dict[str, Callable[[], Made]] = {
    "two classes": lambda: (StackingClassifier(members(), cv=3).fit(CANCER, MALIGNANT), CANCER),
    "three classes": lambda: (
        StackingClassifier(members(), cv=3).fit(WINE, WORDS[CULTIVAR]),
        WINE,
    ),
    "labels and the row itself": lambda: (
        StackingClassifier(members(), cv=3, stack_method="predict", passthrough=True).fit(
            WINE, CULTIVAR
        ),
        WINE,
    ),
    "decision functions": lambda: (
        StackingClassifier(members()[2:], cv=3, stack_method="decision_function").fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "a machine on top": lambda: (
        StackingClassifier(members()[2:], cv=3, final_estimator=SVC()).fit(WINE, CULTIVAR),
        WINE,
    ),
    "fitted before": lambda: (
        StackingClassifier(
            [("tree", DecisionTreeClassifier(max_depth=3).fit(WINE, CULTIVAR))], cv="prefit"
        ).fit(WINE, CULTIVAR),
        WINE,
    ),
    "missing values": lambda: (
        StackingClassifier(members()[:2], cv=3).fit(HOLES, CULTIVAR),
        HOLES,
    ),
    "regression": lambda: (
        StackingRegressor(numbers(), cv=3, passthrough=True, final_estimator=Ridge()).fit(
            DIABETES, PROGRESSION
        ),
        DIABETES,
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_stacks(make: Callable[[], Made], same_as_library: Same) -> None:
    estimator, data = make()
    # Rows far outside only overflow the linear members: they are not compared.
    model = same_as_library(estimator, data, within=1e-11, far=0.0, ties=1e-13)
    if model.classes is not None:
        assert (model.predict(data) == estimator.predict(data)).all()


@pytest.mark.parametrize("last", [RandomForestRegressor(3), GradientBoostingRegressor()])
def test_trees_on_top_are_evaluated_by_the_library(last: BaseEstimator) -> None:
    stack = StackingRegressor(numbers(), cv=2, final_estimator=last).fit(DIABETES, PROGRESSION)
    with pytest.warns(ForeignModelWarning, match="can read what others give"):
        model = as_model(stack)
    assert (model.predict(DIABETES) == stack.predict(DIABETES)).all()


def test_outputs_in_the_place_of_features() -> None:
    graph = GraphBuilder(2)
    node = graph.linear(0, np.ones((3, 2)))
    outputs = Outputs((RawColumn(), RawColumn()), node, 3)
    assert len(outputs) == 3
    assert graph.encode(outputs) == node
    for name in ("features", "select", "sparse"):
        with pytest.raises(NotNative, match="can read what others give"):
            getattr(outputs, name)


def test_refused() -> None:
    with pytest.raises(ModelError, match="is not fitted"):
        as_model(StackingClassifier(members()))
