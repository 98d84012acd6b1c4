"""Encoders, scalers and imputers give a model what the library's own steps give it."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pipelines import NUMBERS, QUIET, WORDS, both, hard_people, mixed, people, same
from sklearn.base import clone
from sklearn.compose import (
    ColumnTransformer,
    make_column_selector,
)
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from sondage.models import _registry
from sondage.models._pipeline_source import WrapperSource

pytestmark = [pytest.mark.usefixtures("one_thread"), QUIET]


@pytest.fixture(scope="session")
def adult(adult_in_pandas: Any) -> Any:
    return adult_in_pandas


VARIANTS: dict[str, Callable[[], Any]] = {
    "infrequent, first dropped": lambda: ColumnTransformer(
        [
            (
                "words",
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40, drop="first"),
                WORDS,
            ),
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), RobustScaler()), NUMBERS),
        ],
        transformer_weights={"numbers": 0.5},
    ),
    "few categories, binary ones dropped": lambda: ColumnTransformer(
        [
            (
                "words",
                OneHotEncoder(handle_unknown="ignore", max_categories=4, drop="if_binary"),
                make_column_selector(dtype_exclude="number"),
            )
        ],
        remainder=make_pipeline(SimpleImputer(strategy="constant", fill_value=1), MaxAbsScaler()),
    ),
    "codes with values of their own": lambda: ColumnTransformer(
        [
            (
                "words",
                OrdinalEncoder(
                    handle_unknown="use_encoded_value",
                    unknown_value=-1,
                    encoded_missing_value=-2,
                    min_frequency=30,
                ),
                WORDS,
            )
        ],
        remainder=SimpleImputer(strategy="mean", add_indicator=True),
    ),
    "missing words as a word": lambda: ColumnTransformer(
        [
            (
                "words",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="none"),
                    OneHotEncoder(handle_unknown="ignore"),
                ),
                WORDS,
            )
        ],
        remainder="drop",
    ),
    "targets of categories": lambda: ColumnTransformer(
        [("words", TargetEncoder(cv=3), WORDS), ("numbers", SimpleImputer(), NUMBERS)]
    ),
    "numbers as categories": lambda: ColumnTransformer(
        [
            ("codes", OneHotEncoder(handle_unknown="ignore"), ["educational-num", "capital-loss"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), slice(0, 2)),
        ]
    ),
    "nested and selected": lambda: Pipeline(
        [
            ("nothing", "passthrough"),
            ("columns", both(False)),
            ("none", None),
            ("vary", VarianceThreshold(0.01)),
            ("best", SelectKBest(k=15)),
            ("again", ColumnTransformer([("few", MinMaxScaler(clip=True), [0, 3, 7, 2])])),
        ]
    ),
    "scaled once more, sparse": lambda: make_pipeline(
        both(), StandardScaler(with_mean=False), RobustScaler(with_centering=False), MaxAbsScaler()
    ),
    "side by side": lambda: make_pipeline(
        ColumnTransformer([("numbers", SimpleImputer(), [True] * 6 + [False] * 8)]),
        FeatureUnion(
            [("a", StandardScaler()), ("b", MinMaxScaler()), ("c", "drop")],
            transformer_weights={"b": 3.0},
        ),
    ),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_encoders_mean_what_the_library_says(kind: str, adult: Any) -> None:
    columns, income = people(adult)
    frame = hard_people(adult, 3000)
    encoder = VARIANTS[kind]()
    for last in (LogisticRegression(), RandomForestClassifier(10, random_state=0)):
        same(make_pipeline(encoder, last).fit(columns, income), frame)


def test_sparse_columns_are_scaled_by_reciprocals(adult: Any) -> None:
    columns, income = people(adult)
    steps = make_pipeline(both(), StandardScaler(with_mean=False), MaxAbsScaler())
    estimator = make_pipeline(steps, LogisticRegression()).fit(columns, income)
    source = _registry.source(estimator)
    assert isinstance(source, WrapperSource)
    assert source.features is not None
    rows = rows_of(source, 0)
    expected = steps.transform(source.given(rows)).toarray()
    np.testing.assert_array_equal(source.features.encode(rows), expected)


SCALERS = st.sampled_from(
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-1, 2), clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False, quantile_range=(10, 90)),
        FunctionTransformer(),
        FunctionTransformer(np.log1p),
        SimpleImputer(),
        SimpleImputer(strategy="most_frequent", add_indicator=True),
        SimpleImputer(strategy="constant", fill_value=-0.5),
        VarianceThreshold(),
    ]
)
FILLS = st.sampled_from(
    [
        "passthrough",
        SimpleImputer(strategy="most_frequent"),
        SimpleImputer(strategy="constant", fill_value="b"),
        SimpleImputer(strategy="constant", fill_value="new"),
        make_pipeline(
            SimpleImputer(strategy="constant", fill_value="c"),
            SimpleImputer(missing_values="c", strategy="most_frequent"),
        ),
    ]
)
ENCODERS = st.one_of(
    st.builds(
        OneHotEncoder,
        drop=st.sampled_from([None, "first", "if_binary"]),
        handle_unknown=st.sampled_from(["ignore", "infrequent_if_exist"]),
        min_frequency=st.sampled_from([None, 0.15, 12]),
        max_categories=st.sampled_from([None, 2, 4]),
        sparse_output=st.booleans(),
    ),
    st.builds(
        OrdinalEncoder,
        handle_unknown=st.just("use_encoded_value"),
        unknown_value=st.sampled_from([-1, np.nan]),
        encoded_missing_value=st.sampled_from([-2, np.nan]),
        min_frequency=st.sampled_from([None, 12]),
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.lists(SCALERS, min_size=1, max_size=3),
    fill=FILLS,
    encoder=ENCODERS,
    threshold=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
@example(
    numbers=[MinMaxScaler((-1, 2), clip=True), FunctionTransformer(np.log1p)],
    fill="passthrough",
    encoder=OneHotEncoder(handle_unknown="ignore"),
    threshold=1.0,
    seed=0,
)
def test_features_equal_what_the_steps_give(
    numbers: list[Any], fill: Any, encoder: Any, threshold: float, seed: int
) -> None:
    steps = ColumnTransformer(
        [
            ("numbers", make_pipeline(*map(clone, numbers)), ["w", "x", "z", "y"]),
            (
                "words",
                Pipeline(
                    [("fill", fill if isinstance(fill, str) else clone(fill)), ("code", encoder)]
                ),
                ["u", "v"],
            ),
        ],
        sparse_threshold=threshold,
    )
    train = mixed(seed, 80)
    last = DummyClassifier()  # which takes whatever values there are
    estimator = Pipeline([("columns", steps), ("model", last)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(train, train["u"] == "a")
        except ValueError as error:
            if "infinity" in str(error):
                reject()  # a logarithm of -1 before a scaler
            raise
        source = _registry.source(estimator)
        assert isinstance(source, WrapperSource)
        rows = rows_of(source, seed)
        rows = rows[source.takes(rows)]
        given_rows = steps.transform(source.given(rows))
    assert source.features is not None
    assert source.features.sparse is hasattr(given_rows, "toarray")
    dense = given_rows.toarray() if hasattr(given_rows, "toarray") else given_rows
    np.testing.assert_array_equal(source.features.encode(rows), dense)


def rows_of(source: WrapperSource, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    columns = []
    for column in source.columns:
        if column.levels is None:
            own = rng.normal(size=200) * rng.choice([1.0, 10.0, 1e6])
        else:
            low = -1 if source.unknown and column.unknown else 0
            own = rng.integers(low, len(column.levels), 200).astype(np.float64)
        if source.missing and column.missing:
            own = np.where(rng.random(200) < 0.1, np.nan, own)
        columns.append(own)
    return np.column_stack(columns)
