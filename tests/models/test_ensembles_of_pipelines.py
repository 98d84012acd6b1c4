"""Bags, votes and stacks whose members are pipelines that read different columns."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sondage.errors import DataError, ForeignModelWarning
from sondage.models import Model, as_model
from sondage.models.sklearn_ensembles import BagSource

WINE, CULTIVAR = load_wine(return_X_y=True)

Same = Callable[..., Model]
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning"),
]

TEXT = ["workclass", "occupation", "relationship"]
NUMBERS = ["age", "educational-num", "hours-per-week"]


@pytest.fixture(scope="module")
def small(adult: tuple[pl.DataFrame, np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    frame, rich = adult
    return frame.head(1200).to_pandas(), rich[:1200]


def linear(text: list[object], numbers: list[object]) -> Pipeline:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), text),
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    )
    return make_pipeline(encoder, LogisticRegression(max_iter=300))


def coded(text: list[object], numbers: list[object], model: object) -> Pipeline:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((encoder, text), ("passthrough", numbers)), model)


def histogram() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=8, categorical_features=[0, 1])


def members() -> list[tuple[str, Pipeline]]:
    """Every column is read by some member, none of the first two by all."""
    return [
        ("linear", linear(TEXT[1:], NUMBERS[:2])),
        ("histogram", coded(TEXT[:2], NUMBERS[1:], histogram())),
        ("tree", coded(TEXT, NUMBERS, DecisionTreeClassifier(max_depth=5))),
    ]


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_votes(voting: str, small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, rich = small
    vote = VotingClassifier(members(), voting=voting).fit(frame, rich)
    model = same_as_library(vote, frame, ties=1e-13, far=10.0)
    assert model.feature_names is not None
    assert set(model.feature_names) == {*TEXT, *NUMBERS}
    assert (model.predict(frame) == vote.predict(frame)).all()


def test_stacks(small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, rich = small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack = StackingClassifier(members(), cv=2).fit(frame, rich)
    same_as_library(stack, frame, ties=1e-13, far=10.0)


def test_a_pipeline_on_top_is_evaluated_by_the_library(
    small: tuple[pd.DataFrame, np.ndarray],
) -> None:
    frame, rich = small
    last = make_pipeline(StandardScaler(), LogisticRegression())
    stack = StackingClassifier(members()[1:], cv=2, final_estimator=last).fit(frame, rich)
    with pytest.warns(ForeignModelWarning, match="can read what others give"):
        model = as_model(stack)
    assert (model.predict(frame) == stack.predict(frame)).all()


def test_missing_values_where_every_member_takes_them(
    small: tuple[pd.DataFrame, np.ndarray],
) -> None:
    frame, rich = small
    vote = VotingClassifier(
        [
            ("linear", linear(TEXT[1:], NUMBERS[:1])),
            (
                "bare",
                make_pipeline(make_column_transformer((StandardScaler(), NUMBERS[1:2])), SVC()),
            ),
        ]
    )
    model = as_model(vote.fit(frame, rich))
    holes = frame.head(5).astype(dict.fromkeys(NUMBERS, float))
    assert (model.predict(holes.assign(age=np.nan)) == vote.predict(holes.assign(age=np.nan))).all()
    with pytest.raises(DataError, match="'educational-num' of the frame is nan"):
        model.predict(holes.assign(**{"educational-num": np.nan}))


def test_bags(small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, rich = small
    cells = frame[TEXT + NUMBERS].to_numpy(dtype=object)
    member = linear([0, 1, 2], [3, 4, 5])
    bag = BaggingClassifier(member, n_estimators=4, max_samples=60, random_state=0).fit(cells, rich)
    model = same_as_library(bag, cells, ties=1e-13, far=10.0)
    # Few rows were drawn, so members know different words.
    own = [as_model(member)._source.columns[1].levels or () for member in bag.estimators_]
    assert len(model._source.columns[1].levels or ()) > max(map(len, own))


def test_members_of_bags_are_asked_in_their_own_levels(
    small: tuple[pd.DataFrame, np.ndarray],
) -> None:
    frame, rich = small
    cells = frame[TEXT[:2]].to_numpy(dtype=object)
    member = make_pipeline(OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier())
    bag = BaggingClassifier(member, n_estimators=3, max_samples=30, random_state=0)
    source = as_model(bag.fit(cells, rich))._source
    assert isinstance(source, BagSource)
    levels = source.columns[1].levels
    assert levels is not None
    rows = np.column_stack([np.full(len(levels) + 1, np.nan), np.arange(-1.0, len(levels))])
    for inner, reads in zip(source.members, source.reads, strict=True):
        own = inner.columns[1].levels or ()
        found = source._of_member(rows, inner, reads)
        assert np.isnan(found[:, 0]).all()
        expected = [own.index(level) if level in own else -1 for level in levels]
        assert found[:, 1].tolist() == [-1, *expected]


def test_words_that_some_member_refuses(small: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, rich = small
    cells = frame[TEXT[2:]].to_numpy(dtype=object, copy=True)
    cells[::7, 0] = None
    member = make_pipeline(OneHotEncoder(), DecisionTreeClassifier(max_depth=2))
    bag = BaggingClassifier(member, n_estimators=3, random_state=0).fit(cells, rich)
    model = as_model(bag)
    known = cells[cells[:, 0] != None]  # noqa: E711
    assert (model.predict(known) == bag.predict(known)).all()
    with pytest.raises(DataError, match="no level of it"):
        model.predict(np.array([["elephant"]], dtype=object))


@pytest.mark.parametrize("marker", [None, np.nan])
@pytest.mark.parametrize("unknown", ["error", "ignore"])
@pytest.mark.parametrize("named", [False, True])
def test_missing_words_in_bags(
    marker: object, unknown: str, named: bool, same_as_library: Same
) -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(np.array(["a", "b", "c"], dtype=object), (300, 2))
    cells[rng.random(300) < 0.2, 0] = marker
    y = (cells[:, 0] == "a") | (cells[:, 1] == "b") & pd.isna(cells[:, 0])
    frame = pd.DataFrame(cells, columns=["x", "y"], dtype=object) if named else cells
    member = make_pipeline(OneHotEncoder(handle_unknown=unknown), DecisionTreeClassifier())
    bag = BaggingClassifier(member, n_estimators=3, random_state=0).fit(frame, y)
    model = same_as_library(bag, frame, n=300)
    assert (model.predict(frame) == bag.predict(frame)).all()


def test_bags_of_scaled_machines(same_as_library: Same) -> None:
    member = make_pipeline(StandardScaler(), SVC())
    bag = BaggingClassifier(member, n_estimators=4, max_features=0.5, random_state=0)
    same_as_library(bag.fit(WINE, CULTIVAR), WINE, ties=1e-12, far=3.0)


def test_ensembles_inside_pipelines(
    small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same
) -> None:
    frame, rich = small
    for model in (
        BaggingClassifier(n_estimators=4, max_features=0.5, random_state=0),
        AdaBoostClassifier(n_estimators=5, random_state=0),
        VotingClassifier([("a", histogram()), ("b", DecisionTreeClassifier(max_depth=4))]),
    ):
        same_as_library(coded(TEXT, NUMBERS, model).fit(frame, rich), frame, far=10.0)
