"""Which raw columns and values pipelines take, refuse, or leave to the library."""

import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from pipelines import QUIET, both, hard_people, mixed, people, same
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import (
    ColumnTransformer,
    make_column_transformer,
)
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from sondage.errors import DataError, ForeignModelWarning, ModelError
from sondage.models import _registry, as_model

pytestmark = [pytest.mark.usefixtures("one_thread"), QUIET]


@pytest.fixture(scope="session")
def adult(adult_in_pandas: Any) -> Any:
    return adult_in_pandas


# Where values are refused


def test_only_columns_that_are_filled_may_be_missing(adult: Any) -> None:
    columns, income = people(adult)
    estimator = make_pipeline(
        ColumnTransformer(
            [
                ("filled", SimpleImputer(), ["age"]),
                ("plain", StandardScaler(), ["hours-per-week"]),
                ("words", OneHotEncoder(handle_unknown="ignore"), ["workclass"]),
                ("known", OneHotEncoder(), ["race"]),
            ]
        ),
        LogisticRegression(),
    ).fit(columns, income)
    frame = columns.head(50).copy()
    frame.loc[3, ["age", "workclass"]] = np.nan
    model = same(estimator, frame)
    assert model.feature_names == ("age", "workclass", "race", "hours-per-week") or set(
        model.feature_names or ()
    ) == {"age", "workclass", "race", "hours-per-week"}
    for name, value, word in [
        ("hours-per-week", np.nan, "hours-per-week"),
        ("race", np.nan, "race"),
        ("race", "Martian", "Martian"),
    ]:
        wrong = frame.astype({name: object})
        wrong.loc[7, name] = value
        with pytest.raises(DataError, match=word):
            model.predict(wrong)


def test_columns_that_nothing_reads_are_not_asked_for(adult: Any) -> None:
    columns, income = people(adult)
    steps = ColumnTransformer([("numbers", SimpleImputer(), ["age"])], remainder="drop")
    model = same(make_pipeline(steps, Ridge()).fit(columns, income), columns)
    assert model.feature_names == ("age",)
    assert len(model.predict(columns[["age"]])) == len(columns)


def test_words_by_position() -> None:
    frame = mixed(0, 300)
    array = frame[["v", "x", "u"]].fillna({"x": 1.0}).to_numpy(dtype=object)
    estimator = make_pipeline(
        ColumnTransformer(
            [
                ("words", OneHotEncoder(handle_unknown="ignore"), [0, 2]),
                ("numbers", StandardScaler(), [1]),
            ]
        ),
        LogisticRegression(),
    ).fit(array, frame["y"] > 2)
    same(estimator, array)


def test_none_is_a_category_of_its_own() -> None:
    frame = mixed(0, 300)[["u", "v"]]
    frame = frame.astype(object).where(frame.notna(), None)
    estimator = make_pipeline(OneHotEncoder(), DecisionTreeClassifier())
    model = same(estimator.fit(frame, frame["u"] == "a"), frame)
    assert _registry.source(estimator).columns[1].levels == ("a", "b", "c", "d", "e", None)
    assert model.native


def test_an_imputer_of_nan_leaves_none() -> None:
    frame = mixed(0, 300)[["v"]].astype(object)
    frame = frame.where(frame.notna(), None)
    steps = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    labels = frame["v"].isna() | (frame["v"] == "b")
    same(make_pipeline(steps, DecisionTreeClassifier()).fit(frame, labels), frame)
    whole = make_pipeline(
        SimpleImputer(missing_values=None, strategy="most_frequent"), OneHotEncoder()
    )
    same(make_pipeline(whole, DecisionTreeClassifier()).fit(frame, labels), frame)


def test_bools_and_polars_frames() -> None:
    frame = mixed(0, 300)[["u", "x"]].assign(
        t=lambda own: own["x"] > 0, x=lambda o: o["x"].fillna(0)
    )
    given_frame = pl.from_pandas(frame)
    steps = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["u", "t"]), remainder="passthrough"
    )
    labels = (frame["x"] > 0.5).to_numpy()
    same(make_pipeline(steps, LogisticRegression()).fit(given_frame, labels), given_frame)


def test_a_logarithm_without_a_value_is_not_asked_of_the_library() -> None:
    values, labels = load_wine(return_X_y=True)
    estimator = make_pipeline(FunctionTransformer(np.log1p), RandomForestClassifier(10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        same(estimator.fit(values, labels), values)


# What has no form per column


class Doubled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any = None) -> "Doubled":
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return 2.0 * X


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (PCA(3), "PCA"),
        (PolynomialFeatures(2), "PolynomialFeatures"),
        (FunctionTransformer(np.sqrt), r"FunctionTransformer\(sqrt\)"),
        (SimpleImputer(missing_values=-9.0), "missing_values=-9.0"),
        (Doubled(), "Doubled"),
    ],
)
def test_the_library_evaluates_what_has_no_form_per_column(step: Any, reason: str) -> None:
    values, labels = load_wine(return_X_y=True)
    estimator = make_pipeline(StandardScaler(with_mean=False), step, LogisticRegression())
    estimator.fit(values, labels)
    with pytest.warns(ForeignModelWarning, match=reason):
        as_model(estimator)
    same(estimator, values, native=False)


def test_words_are_known_behind_a_step_without_form(adult: Any) -> None:
    columns, income = people(adult)
    estimator = make_pipeline(both(False), PCA(4), LogisticRegression()).fit(columns, income)
    same(estimator, hard_people(adult, 500), native=False)
    neighbours = make_pipeline(both(False), KNeighborsClassifier()).fit(columns, income)
    same(neighbours, hard_people(adult, 100), native=False)


def test_a_column_cannot_be_number_and_category(adult: Any) -> None:
    columns, income = people(adult)
    estimator = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["educational-num"]),
            (StandardScaler(), ["educational-num", "age"]),
        ),
        LogisticRegression(),
    ).fit(columns, income)
    with pytest.warns(ForeignModelWarning, match="'educational-num' is encoded as a category"):
        as_model(estimator)
    same(estimator, columns, native=False)


def test_a_pipeline_has_to_end_in_a_fitted_model() -> None:
    values = load_wine().data
    with pytest.raises(ModelError, match="not fitted"):
        as_model(make_pipeline(StandardScaler(), LogisticRegression()))
    with pytest.raises(ModelError, match="end in a model"):
        as_model(make_pipeline(StandardScaler(), MinMaxScaler()).fit(values))
    with pytest.raises(ModelError, match="models with one"):
        as_model(make_pipeline(StandardScaler(), Ridge()).fit(values, values[:, :2]))


def test_text_that_nothing_encodes_is_refused(adult: Any) -> None:
    columns, income = people(adult)
    upper = FunctionTransformer(lambda own: own["race"].str.len().to_frame())
    estimator = make_pipeline(upper, LogisticRegression()).fit(columns[["race"]], income)
    with pytest.raises(ModelError, match="does not predict on rows of plain numbers"):
        as_model(estimator)
