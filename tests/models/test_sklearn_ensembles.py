"""scikit-learn's bagging and voting."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from sondage.errors import ForeignModelWarning, ModelError, ModelParityError
from sondage.models import Model, as_model
from sondage.models import sklearn_ensembles as adapter

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
SCALED = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.2] = np.nan
WORDS = np.array(["low", "middle", "high"])

Same = Callable[..., Model]
Made = tuple[BaseEstimator, Any]
pytestmark = pytest.mark.usefixtures("one_thread")


def boosted(n: int = 4) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=n, max_depth=2, random_state=0)


def members() -> list[tuple[str, BaseEstimator]]:
    return [
        ("forest", RandomForestClassifier(7, max_depth=4, random_state=0)),
        ("boosted", boosted()),
        ("stump", DecisionTreeClassifier(max_depth=1)),
        ("gone", "drop"),
    ]


def numbers() -> list[tuple[str, BaseEstimator]]:
    return [
        ("trees", ExtraTreesRegressor(5, max_depth=5, random_state=0)),
        ("boosted", GradientBoostingRegressor(n_estimators=9)),
    ]


class Alone(VotingClassifier):
    """A model that takes no weights of rows, so that bags draw rows and members miss classes."""

    def __init__(self, member: BaseEstimator, voting: str = "soft") -> None:
        super().__init__([("alone", member)], voting=voting)
        self.member = member


# Of 178 rows few are drawn, so some members know two of the three classes.
FEW = {"max_samples": 4, "n_estimators": 12, "random_state": 3}


MODELS: dict[str, Callable[[], Made]] = {
    "bag of trees": lambda: (
        BaggingClassifier(n_estimators=20, max_features=0.5, random_state=0).fit(
            WINE, WORDS[CULTIVAR]
        ),
        WINE,
    ),
    "bag of trees, columns drawn twice": lambda: (
        BaggingClassifier(
            ExtraTreeClassifier(), bootstrap_features=True, n_estimators=9, random_state=1
        ).fit(HOLES, CULTIVAR),
        HOLES,
    ),
    "bag of trees that know some classes": lambda: (
        BaggingClassifier(Alone(DecisionTreeClassifier()), **FEW).fit(WINE, WORDS[CULTIVAR]),
        WINE,
    ),
    "bag of labels that know some classes": lambda: (
        BaggingClassifier(Alone(DecisionTreeClassifier(), "hard"), **FEW).fit(WINE, CULTIVAR),
        WINE,
    ),
    "bag of boosted models": lambda: (
        BaggingClassifier(boosted(), n_estimators=5, max_features=0.4, random_state=2).fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "bag of votes": lambda: (
        BaggingClassifier(VotingClassifier(members()), n_estimators=4, random_state=0).fit(
            WINE, CULTIVAR
        ),
        WINE,
    ),
    "bag of linear models": lambda: (
        BaggingClassifier(LogisticRegression(), max_features=0.5, random_state=0).fit(
            SCALED, CULTIVAR
        ),
        SCALED,
    ),
    "bag of machines, which vote": lambda: (
        BaggingClassifier(SVC(), n_estimators=5, max_samples=0.3, random_state=0).fit(
            SCALED, CULTIVAR
        ),
        SCALED,
    ),
    "vote of models of several kinds": lambda: (
        VotingClassifier([*members(), ("linear", LogisticRegression()), ("machine", SVC())]).fit(
            SCALED, CULTIVAR
        ),
        SCALED,
    ),
    "bag of regression trees": lambda: (
        BaggingRegressor(n_estimators=20, max_features=3, random_state=0).fit(
            DIABETES, PROGRESSION
        ),
        DIABETES,
    ),
    "bag of boosted regressors": lambda: (
        BaggingRegressor(HistGradientBoostingRegressor(max_iter=5), n_estimators=4).fit(
            DIABETES, PROGRESSION
        ),
        DIABETES,
    ),
    "soft vote": lambda: (
        VotingClassifier(members(), voting="soft").fit(WINE, WORDS[CULTIVAR]),
        WINE,
    ),
    "weighted soft vote": lambda: (
        VotingClassifier(members(), voting="soft", weights=[3, 1.5, 0.1, 7]).fit(WINE, CULTIVAR),
        WINE,
    ),
    "hard vote": lambda: (VotingClassifier(members()).fit(WINE, WORDS[CULTIVAR]), WINE),
    "weighted hard vote": lambda: (
        VotingClassifier(members(), weights=[1, 2, 1, 7]).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "mean of regressors": lambda: (VotingRegressor(numbers()).fit(DIABETES, PROGRESSION), DIABETES),
    "weighted mean of regressors": lambda: (
        VotingRegressor(numbers(), weights=[0.3, 2]).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_ensembles(
    make: Callable[[], Made], same_as_library: Same, request: pytest.FixtureRequest
) -> None:
    estimator, data = make()
    # Sums of products are rounded in another order; far outside such models only overflow.
    smooth = {"ties": 1e-12, "far": 10.0} if data is SCALED else {}
    model = same_as_library(estimator, data, **smooth)
    assert model.differentiable == (data is SCALED and "linear" in str(request.node.name))
    if model.classes is not None:
        assert (model.predict(data) == estimator.predict(data)).all()


def test_bags_of_trees_are_one_forest_to_the_last_bit() -> None:
    estimator, data = MODELS["bag of trees, columns drawn twice"]()
    model = as_model(estimator)
    assert model.proba(data).tobytes() == estimator.predict_proba(data).tobytes()
    assert model._native is not None
    assert [kind for kind, *_ in model._native.graph.operations] == ["row", "trees"]


def test_bags_score_as_the_library_does() -> None:
    estimator, data = MODELS["bag of boosted models"]()
    np.testing.assert_allclose(
        as_model(estimator).score(data), estimator.decision_function(data), rtol=1e-13
    )
    estimator, data = MODELS["bag of trees that know some classes"]()
    assert {len(member.classes_) for member in estimator.estimators_} == {2, 3}
    model = as_model(estimator)
    assert (model.score(data) == model.proba(data)).all()


def test_hard_votes_have_no_probabilities() -> None:
    estimator, data = MODELS["weighted hard vote"]()
    model = as_model(estimator)
    with pytest.raises(ModelError, match="no class probabilities"):
        model.proba(data)
    assert (model.score(data).sum(axis=1) == 4.0).all()


def test_a_tie_of_votes_is_the_first_class() -> None:
    X = np.arange(8.0)[:, None]
    low, high = np.repeat([0, 1], 4), np.repeat([0, 1], [6, 2])
    vote = VotingClassifier([("a", boosted()), ("b", boosted())]).fit(X, low)
    vote.estimators_[1].fit(X, high)
    model = as_model(vote)
    assert model.score(X)[4].tolist() == [1.0, 1.0]
    assert vote.predict(X)[4] == model.predict(X)[4] == 0


def test_categories_pass_through(
    adult: tuple[pl.DataFrame, np.ndarray], same_as_library: Same
) -> None:
    table, rich = adult
    frame, rich = table.head(1500).to_pandas(), rich[:1500]
    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    histogram = HistGradientBoostingClassifier(max_iter=5, categorical_features=text)
    other = HistGradientBoostingClassifier(max_iter=9, max_leaf_nodes=5, categorical_features=text)
    vote = VotingClassifier([("a", histogram), ("b", other)], voting="soft").fit(frame, rich)
    same_as_library(vote, frame)
    cells = frame.to_numpy(dtype=object)
    mask = [name in text for name in frame]
    member = HistGradientBoostingClassifier(max_iter=5, categorical_features=mask)
    # Members of 60 rows know few of the categories each.
    bag = BaggingClassifier(Alone(member), n_estimators=4, max_samples=60, random_state=0)
    model = same_as_library(bag.fit(cells, rich), cells, ties=1e-14)
    own = [as_model(member)._source.columns[-1].levels or () for member in bag.estimators_]
    assert len(model._source.columns[-1].levels or ()) > max(map(len, own))


def test_fico(fico: tuple[pl.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, bad = fico
    X, y = frame.head(2000).to_numpy(), bad[:2000]
    tree = DecisionTreeClassifier(max_depth=6)
    same_as_library(BaggingClassifier(tree, n_estimators=20, max_features=0.6).fit(X, y), X)
    vote = VotingClassifier([("a", boosted(20)), ("b", tree)], voting="soft", weights=[1, 2])
    same_as_library(vote.fit(frame.head(2000).to_pandas(), y), frame.head(2000))


@settings(max_examples=20, deadline=None)
@given(
    member=st.sampled_from(
        [
            DecisionTreeClassifier(max_depth=2),
            ExtraTreeClassifier(),
            Alone(DecisionTreeClassifier(max_depth=2)),
            RandomForestClassifier(2, max_depth=3),
            HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1),
        ]
    ),
    parameters=st.fixed_dictionaries(
        {
            "n_estimators": st.sampled_from([1, 2, 9]),
            "max_samples": st.sampled_from([2, 8, 30]),
            "max_features": st.sampled_from([1, 3, 4]),
            "bootstrap": st.booleans(),
            "bootstrap_features": st.booleans(),
            "random_state": st.integers(0, 100),
        }
    ),
    n_classes=st.integers(1, 4),
)
def test_any_parameters_of_bagging(
    same_as_library: Same, member: BaseEstimator, parameters: dict[str, Any], n_classes: int
) -> None:
    rng = np.random.default_rng(parameters["random_state"])
    X, y = rng.normal(size=(30, 4)), np.arange(30) % n_classes
    bag = BaggingClassifier(member, **parameters).fit(X, y)
    if n_classes == 1 and isinstance(member, HistGradientBoostingClassifier):
        with pytest.raises(ModelError, match="one class"):
            as_model(bag)
        return
    # Means of probabilities that come from logits tie up to rounding.
    same_as_library(bag, X, n=200, at_cuts=60, ties=1e-14)


def test_many_members(same_as_library: Same) -> None:
    stump = DecisionTreeClassifier(max_depth=1)
    bag = BaggingClassifier(stump, n_estimators=400, random_state=0).fit(WINE[:60], CULTIVAR[:60])
    same_as_library(bag, WINE, n=300)


def test_a_member_without_native_form_is_evaluated_by_the_library() -> None:
    vote = VotingClassifier([("near", KNeighborsClassifier()), ("tree", DecisionTreeClassifier())])
    vote.fit(WINE, CULTIVAR)
    with pytest.warns(ForeignModelWarning, match="KNeighborsClassifier"):
        model = as_model(vote)
    assert not model.native
    assert (model.predict(WINE) == vote.predict(WINE)).all()


def test_columns_of_the_wrong_members_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, _ = MODELS["bag of trees"]()
    tree_nodes = adapter.tree_nodes
    monkeypatch.setattr(adapter, "tree_nodes", lambda trees, values, _: tree_nodes(trees, values))
    with pytest.raises(ModelParityError):
        as_model(estimator)


@pytest.mark.parametrize(
    "kind",
    [
        BaggingClassifier,
        BaggingRegressor,
        lambda: VotingClassifier(members()),
        lambda: VotingRegressor(numbers()),
    ],
)
def test_models_that_are_not_fitted(kind: Callable[[], BaseEstimator]) -> None:
    with pytest.raises(ModelError, match="is not fitted"):
        as_model(kind())


def test_several_outputs_are_refused() -> None:
    many = BaggingRegressor(DecisionTreeRegressor()).fit(DIABETES, np.c_[PROGRESSION, PROGRESSION])
    with pytest.raises(ModelError, match="2 outputs"):
        as_model(many)
