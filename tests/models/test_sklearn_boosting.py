"""scikit-learn's gradient boosting, of exact and of histogram trees."""

import warnings
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
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from sondage.errors import DataError, ForeignModelWarning, ModelError, ModelParityError
from sondage.models import Model, as_model

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.2] = np.nan
WORDS = np.array(["low", "middle", "high"])

Same = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("one_thread")

EXACT: dict[str, Callable[[], tuple[BaseEstimator, Any]]] = {
    "binary": lambda: (GradientBoostingClassifier(n_estimators=60).fit(CANCER, MALIGNANT), CANCER),
    "exponential": lambda: (
        GradientBoostingClassifier(loss="exponential", n_estimators=40).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "three classes, words": lambda: (
        GradientBoostingClassifier(n_estimators=30, subsample=0.7, random_state=0).fit(
            WINE, WORDS[CULTIVAR]
        ),
        WINE,
    ),
    "no first guess": lambda: (
        GradientBoostingClassifier(init="zero", n_estimators=20).fit(WINE, CULTIVAR),
        WINE,
    ),
    "uniform first guess": lambda: (
        GradientBoostingClassifier(init=DummyClassifier(strategy="uniform"), n_estimators=5).fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "regression": lambda: (
        GradientBoostingRegressor(n_estimators=80, max_depth=4).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "huber": lambda: (
        GradientBoostingRegressor(loss="huber", n_estimators=20).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "quantile, from the median": lambda: (
        GradientBoostingRegressor(
            loss="quantile", n_estimators=20, init=DummyRegressor(strategy="median")
        ).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "from a forest": lambda: (
        GradientBoostingRegressor(
            init=RandomForestRegressor(5, random_state=0), n_estimators=9
        ).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "stopped early": lambda: (
        GradientBoostingClassifier(n_estimators=200, n_iter_no_change=2).fit(WINE, CULTIVAR),
        WINE,
    ),
}

HISTOGRAM: dict[str, Callable[[], tuple[BaseEstimator, Any]]] = {
    "binary": lambda: (
        HistGradientBoostingClassifier(max_iter=60).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "three classes, missing values": lambda: (
        HistGradientBoostingClassifier(max_iter=30, min_samples_leaf=5).fit(HOLES, WORDS[CULTIVAR]),
        HOLES,
    ),
    **{
        loss: lambda loss=loss: (  # type: ignore[misc]
            HistGradientBoostingRegressor(loss=loss, quantile=0.3, max_iter=30).fit(
                DIABETES, PROGRESSION
            ),
            DIABETES,
        )
        for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile")
    },
    "stopped early": lambda: (
        HistGradientBoostingClassifier(early_stopping=True, random_state=0).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "monotonic": lambda: (
        HistGradientBoostingRegressor(monotonic_cst=[1, -1] * 5, max_iter=20).fit(
            DIABETES, PROGRESSION
        ),
        DIABETES,
    ),
}


@pytest.mark.parametrize("make", EXACT.values(), ids=EXACT.keys())
def test_gradient_boosting(
    make: Callable[[], tuple[BaseEstimator, Any]], same_as_library: Same
) -> None:
    estimator, data = make()
    model = same_as_library(estimator, data)
    if not isinstance(getattr(estimator, "init_", None), RandomForestRegressor):
        own = getattr(estimator, "decision_function", estimator.predict)
        assert model.score(data).tobytes() == own(data).tobytes()


@pytest.mark.parametrize("make", HISTOGRAM.values(), ids=HISTOGRAM.keys())
def test_histogram_gradient_boosting(
    make: Callable[[], tuple[BaseEstimator, Any]], same_as_library: Same
) -> None:
    estimator, data = make()
    model = same_as_library(estimator, data)
    own = getattr(estimator, "decision_function", None)
    if own is not None:
        assert model.score(data).tobytes() == own(data).tobytes()


def test_a_margin_of_zero_is_the_second_class_of_gradient_boosting_only() -> None:
    X, y = np.arange(20.0)[:, None], np.repeat([0, 1], 10)
    exact = GradientBoostingClassifier(n_estimators=1, init="zero", learning_rate=0.0).fit(X, y)
    histogram = HistGradientBoostingClassifier(max_iter=1, max_depth=1).fit(X, y)
    for estimator, label in ((exact, 1), (histogram, 0)):
        model = as_model(estimator)
        assert (model.score(X) == 0.0).all()
        assert (estimator.predict(X) == label).all()
        assert (model.predict(X) == label).all()


def test_fico(fico: tuple[pl.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, bad = fico
    sample = frame.sample(3000, seed=0)
    numbers, target = sample.to_numpy(), bad[:3000]
    same_as_library(GradientBoostingClassifier(n_estimators=40).fit(numbers, target), numbers)
    # -7, -8 and -9 say why there is no value.
    gaps = sample.with_columns(pl.all().replace([-7, -8, -9], None))
    holes = gaps.to_pandas().astype(float)
    model = same_as_library(HistGradientBoostingClassifier(max_iter=40).fit(holes, target), gaps)
    assert model.feature_names == tuple(frame.columns)


@pytest.fixture(scope="module")
def small(adult: tuple[pl.DataFrame, np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    frame, rich = adult
    return frame.head(3000).to_pandas(), rich[:3000]


class TestCategories:
    def test_by_dtype(self, small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same) -> None:
        frame, rich = small
        text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
        typed = frame.astype(dict.fromkeys(text, "category"))
        holes = typed.mask(np.random.default_rng(1).random(typed.shape) < 0.1)
        fitted = HistGradientBoostingClassifier(max_iter=40).fit(holes, rich)
        model = same_as_library(fitted, holes)
        assert model.feature_names == tuple(frame.columns)
        assert (model.predict(pl.from_pandas(frame)) == fitted.predict(typed)).all()
        levels = [column.levels for column in model._source.columns]
        assert [own is not None for own in levels] == [name in text for name in frame]

    def test_by_name_and_by_position(
        self, small: tuple[pd.DataFrame, np.ndarray], same_as_library: Same
    ) -> None:
        frame, rich = small
        text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
        by_name = HistGradientBoostingClassifier(max_iter=20, categorical_features=text)
        same_as_library(by_name.fit(frame, rich), frame)
        cells = frame.to_numpy(dtype=object)
        mask = [name in text for name in frame]
        by_mask = HistGradientBoostingClassifier(max_iter=20, categorical_features=mask)
        same_as_library(by_mask.fit(cells, rich), cells)

    def test_numbers_as_categories(self, same_as_library: Same) -> None:
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.choice([-3.0, 0.5, 7.0, 1e6], 400), rng.normal(size=400)])
        y = (X[:, 0] == 0.5) | (X[:, 1] > 0.7)
        X[rng.random(400) < 0.1, 0] = np.nan
        fitted = HistGradientBoostingClassifier(max_iter=20, categorical_features=[0]).fit(X, y)
        model = same_as_library(fitted, X)
        assert model._source.columns[0].levels == (-3.0, 0.5, 7.0, 1e6)
        unseen = np.array([[3.25, 0.0], [np.nan, 0.0]])
        assert (model.score(unseen) == fitted.decision_function(unseen)).all()

    def test_many_categories(self, same_as_library: Same) -> None:
        rng = np.random.default_rng(0)
        code = rng.integers(0, 250, 4000)
        frame = pd.DataFrame({"code": pd.Categorical([f"c{k:03}" for k in code]), "x": code % 7.0})
        y = np.sin(code.astype(float) ** 2) + frame["x"]
        fitted = HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=3).fit(frame, y)
        same_as_library(fitted, frame)

    def test_a_left_set_read_as_a_right_set_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch, small: tuple[pd.DataFrame, np.ndarray]
    ) -> None:
        frame, rich = small
        fitted = HistGradientBoostingClassifier(max_iter=5, categorical_features=["relationship"])
        fitted.fit(frame[["age", "relationship"]], rich)
        as_model(fitted)
        bits = np.unpackbits
        monkeypatch.setattr("numpy.unpackbits", lambda *a, **k: 1 - bits(*a, **k))
        with pytest.raises(ModelParityError):
            as_model(fitted)


SHAPES = ("real", "whole", "constant", "missing")


def cloud(seed: int, rows: int, shape: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    if shape == "whole":
        return np.round(X)
    if shape == "constant":
        X[:, 1:] = 3.0
    elif shape == "missing":
        X[rng.random(X.shape) < 0.3] = np.nan
    return X


@settings(max_examples=20, deadline=None)
@given(
    task=st.sampled_from(["log_loss", "exponential", "squared_error", "quantile"]),
    n_classes=st.integers(2, 4),
    parameters=st.fixed_dictionaries(
        {
            "n_estimators": st.sampled_from([1, 2, 7]),
            "max_depth": st.sampled_from([1, 3, None]),
            "learning_rate": st.sampled_from([0.0, 0.1, 1.0]),
            "subsample": st.sampled_from([0.5, 1.0]),
            "init": st.sampled_from([None, "zero"]),
            "random_state": st.integers(0, 100),
        }
    ),
    rows=st.sampled_from([12, 60]),
    shape=st.sampled_from(SHAPES[:3]),
)
def test_any_parameters_of_gradient_boosting(
    same_as_library: Same,
    task: str,
    n_classes: int,
    parameters: dict[str, Any],
    rows: int,
    shape: str,
) -> None:
    X = cloud(parameters["random_state"], rows, shape)
    y = np.arange(rows) % (2 if task == "exponential" else n_classes)
    classifies = task in ("log_loss", "exponential")
    kind = GradientBoostingClassifier if classifies else GradientBoostingRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        estimator = kind(loss=task, **parameters).fit(X, y)
    same_as_library(estimator, X, n=200, at_cuts=60)


@settings(max_examples=20, deadline=None)
@given(
    task=st.sampled_from(["log_loss", "squared_error", "poisson", "absolute_error"]),
    n_classes=st.integers(2, 4),
    parameters=st.fixed_dictionaries(
        {
            "max_iter": st.sampled_from([1, 2, 7]),
            "max_depth": st.sampled_from([1, 3, None]),
            "min_samples_leaf": st.sampled_from([1, 5, 100]),
            "max_bins": st.sampled_from([2, 5, 255]),
            "learning_rate": st.sampled_from([0.1, 1.0]),
            "categorical_features": st.sampled_from([None, [0], [1, 3]]),
            "random_state": st.integers(0, 100),
        }
    ),
    rows=st.sampled_from([12, 60]),
    shape=st.sampled_from(SHAPES),
)
def test_any_parameters_of_histogram_gradient_boosting(
    same_as_library: Same,
    task: str,
    n_classes: int,
    parameters: dict[str, Any],
    rows: int,
    shape: str,
) -> None:
    X = cloud(parameters["random_state"], rows, shape)
    for j in parameters["categorical_features"] or ():
        X[:, j] = np.round(X[:, j]) % min(4, parameters["max_bins"])
    y = np.arange(rows) % n_classes
    classifies = task == "log_loss"
    kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    estimator = kind(loss=task, **parameters).fit(X, y)
    same_as_library(estimator, X, n=200, at_cuts=60)


def test_two_thousand_trees(same_as_library: Same) -> None:
    X, y = DIABETES[:80], PROGRESSION[:80]
    same_as_library(GradientBoostingRegressor(n_estimators=2000, max_depth=1).fit(X, y), X, n=500)
    same_as_library(HistGradientBoostingRegressor(max_iter=2000, max_depth=1).fit(X, y), X, n=500)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: GradientBoostingRegressor(init=LinearRegression(), n_estimators=2).fit(
                DIABETES, PROGRESSION
            ),
            "init=LinearRegression",
        ),
        (
            lambda: GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2).fit(
                CANCER[:, :2], MALIGNANT
            ),
            "init=LogisticRegression",
        ),
        (
            lambda: GradientBoostingClassifier(
                init=DummyClassifier(strategy="stratified"), n_estimators=2
            ).fit(CANCER, MALIGNANT),
            "init=DummyClassifier",
        ),
    ],
)
def test_first_guesses_that_the_library_evaluates(
    make: Callable[[], BaseEstimator], reason: str
) -> None:
    estimator = make()
    with pytest.warns(ForeignModelWarning, match=reason):
        model = as_model(estimator)
    assert not model.native


def test_a_tree_is_a_first_guess_too(same_as_library: Same) -> None:
    estimator = GradientBoostingRegressor(init=DecisionTreeRegressor(max_depth=2), n_estimators=3)
    same_as_library(estimator.fit(DIABETES, PROGRESSION), DIABETES)


def test_refused() -> None:
    for kind in (GradientBoostingClassifier, HistGradientBoostingRegressor):
        with pytest.raises(ModelError, match=f"{kind.__name__} is not fitted"):
            as_model(kind())
    with pytest.raises(ModelError, match="one class"):
        as_model(HistGradientBoostingClassifier().fit(WINE, np.zeros(len(WINE))))
    exact = as_model(GradientBoostingClassifier(n_estimators=1).fit(WINE, CULTIVAR))
    with pytest.raises(DataError, match="nan"):
        exact.predict(HOLES)
