"""Searches, thresholds, targets and ensembles around pipelines predict as the library does."""

from typing import Any

import numpy as np
import pytest
from pipelines import NUMBERS, QUIET, WORDS, both, few, hard_people, people, same
from sklearn.compose import (
    TransformedTargetRegressor,
)
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sondage.errors import ForeignModelWarning, ModelError
from sondage.models import as_model

pd = pytest.importorskip("pandas")

pytestmark = [pytest.mark.usefixtures("one_thread"), QUIET]


@pytest.fixture(scope="session")
def adult(adult_in_pandas: Any) -> Any:
    return adult_in_pandas


def test_searches_give_their_best_estimator(adult: Any) -> None:
    columns, income = people(adult)
    search = GridSearchCV(
        make_pipeline(both(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=2
    ).fit(columns, income)
    same(search, hard_people(adult, 500))
    inside = make_pipeline(
        both(), RandomizedSearchCV(LinearSVC(), {"C": [0.1, 1.0]}, n_iter=2, cv=2)
    ).fit(columns, income)
    same(inside, hard_people(adult, 500))
    bare = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2, refit=False).fit(columns[["age"]], income)
    with pytest.raises(ModelError, match="refit=False"):
        as_model(bare)


@pytest.mark.parametrize("label", [0, 1, None])
def test_thresholds(label: int | None, adult: Any) -> None:
    columns, income = people(adult)
    for last, method in [
        (LogisticRegression(), "auto"),
        (LinearSVC(), "decision_function"),
        (RandomForestClassifier(7, random_state=0), "predict_proba"),
    ]:
        inner = make_pipeline(both(), last)
        # Shares of 7 trees meet a threshold exactly.
        threshold = 3 / 7 if method == "predict_proba" else 0.3
        fixed = FixedThresholdClassifier(
            inner, threshold=threshold, pos_label=label, response_method=method
        )
        same(fixed.fit(columns, income), hard_people(adult, 2000))


def test_a_tuned_threshold_and_a_frozen_model(adult: Any) -> None:
    columns, income = people(adult)
    inner = make_pipeline(both(), RandomForestClassifier(10, max_depth=4, random_state=0))
    tuned = TunedThresholdClassifierCV(inner, cv=2).fit(columns, income)
    same(tuned, hard_people(adult, 1000))
    same(FrozenEstimator(inner.fit(columns, income)), hard_people(adult, 1000))


TARGETS: dict[str, dict[str, Any]] = {
    "log1p": {"func": np.log1p, "inverse_func": np.expm1},
    "log": {"func": np.log, "inverse_func": np.exp},
    "square root": {"func": np.sqrt, "inverse_func": np.square},
    "expm1": {"func": np.expm1, "inverse_func": np.log1p},
    "standard": {"transformer": StandardScaler()},
    "range": {"transformer": MinMaxScaler((-1, 3))},
    "robust": {"transformer": make_pipeline(RobustScaler(), MaxAbsScaler())},
    "nothing": {},
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_are_brought_back(kind: str) -> None:
    values, progression = load_diabetes(return_X_y=True)
    for inner in (Ridge(), RandomForestRegressor(5), make_pipeline(StandardScaler(), Ridge())):
        estimator = TransformedTargetRegressor(inner, **TARGETS[kind])
        same(estimator.fit(values, progression / 1000.0), values)
    estimator = TransformedTargetRegressor(Ridge(), func=np.exp, inverse_func=np.log)
    estimator.fit(values, progression / 1000.0)
    with pytest.warns(ForeignModelWarning, match="brought back by log"):
        as_model(estimator)


def test_wrappers_in_wrappers(adult: Any) -> None:
    columns, _ = people(adult)
    inner = TransformedTargetRegressor(
        make_pipeline(MinMaxScaler(), DecisionTreeRegressor(max_depth=4)),
        func=np.log1p,
        inverse_func=np.expm1,
    )
    estimator = make_pipeline(both(False), inner).fit(columns, columns["age"])
    same(estimator, hard_people(adult, 1000))
    forest = make_pipeline(StandardScaler(), IsolationForest(n_estimators=10, random_state=0))
    values = columns[NUMBERS]
    model = same(forest.fit(values), values)
    assert model.classes == (-1, 1)


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_votes_of_pipelines(voting: str, adult: Any) -> None:
    columns, income = people(adult)
    members = [
        ("a", make_pipeline(few("race", "age", "workclass"), LogisticRegression())),
        ("b", make_pipeline(few("gender", "age"), RandomForestClassifier(5, random_state=0))),
        ("c", make_pipeline(few("workclass", "hours-per-week"), LogisticRegression())),
    ]
    estimator = VotingClassifier(members, voting=voting).fit(columns, income)
    model = same(estimator, hard_people(adult, 1000))
    expected = {"age", "workclass", "hours-per-week", "race", "gender"}
    assert set(model.feature_names or ()) == expected


def test_stacks_and_bags_of_pipelines(adult: Any) -> None:
    columns, income = people(adult)
    columns = columns[["race", "gender", "age", "hours-per-week"]]
    members = [
        ("a", make_pipeline(few("race", "age"), LogisticRegression())),
        ("b", make_pipeline(few("gender", "hours-per-week"), LogisticRegression())),
    ]
    stack = StackingClassifier(members, cv=2).fit(columns, income)
    frame = hard_people(adult, 1000)[list(columns)].ffill().fillna(30.0)
    same(stack, frame)
    member = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3))
    bag = BaggingClassifier(member, n_estimators=4, max_features=2, random_state=0)
    same(bag.fit(columns[["age", "hours-per-week"]], income), frame[["age", "hours-per-week"]])


def test_categories_of_a_searched_model(adult: Any) -> None:
    columns, income = people(adult)
    frame = hard_people(adult, 1000)
    for name in WORDS:
        columns[name] = columns[name].astype("category")
        known = columns[name].cat.categories
        frame[name] = pd.Categorical(frame[name].where(frame[name].isin(known)), categories=known)
    histograms = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    same(GridSearchCV(histograms, {"max_depth": [3]}, cv=2).fit(columns, income), frame)
    same(Pipeline([("nothing", None), ("model", histograms)]).fit(columns, income), frame)
    for library, kind, options in (
        ("xgboost", "XGBClassifier", {"enable_categorical": True}),
        ("lightgbm", "LGBMClassifier", {"verbose": -1}),
    ):
        machine = getattr(pytest.importorskip(library), kind)(n_estimators=3, n_jobs=1, **options)
        search = GridSearchCV(machine, {"max_depth": [3]}, cv=2).fit(columns, income)
        same(search, frame, close=1e-6, tiny=1e-7)
