"""Pipelines and wrappers, read in the user's raw columns, predict what the library predicts."""

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from sondage.errors import DataError, ForeignModelWarning, ModelError
from sondage.models import Model, _pipeline_source, _registry, as_model
from sondage.models._features import Features
from sondage.models._graph import GraphBuilder
from sondage.models._pathways import reading
from sondage.models._pipeline_source import WrapperSource

pd = pytest.importorskip("pandas")

DATA = Path(__file__).parents[3] / "shared" / "data" / "tabular"
NUMBERS = ["age", "fnlwgt", "educational-num", "capital-gain", "capital-loss", "hours-per-week"]
WORDS = [
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "gender",
    "native-country",
]

pytestmark = pytest.mark.filterwarnings(
    "ignore:Found unknown categories",
    "ignore:Skipping features without any observed",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small fits and many other tests: more threads would only get in each other's way."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def adult() -> Any:
    path = DATA / "adult.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path, na_values="?", nrows=2000)


@pytest.fixture(scope="session")
def fico() -> Any:
    path = DATA / "FICO_dataset.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path, nrows=2000)


def people(adult: Any) -> tuple[Any, NDArray[np.int64]]:
    return adult[NUMBERS + WORDS], (adult["income"] == ">50K").astype(np.int64).to_numpy()


def hard_people(adult: Any, n: int = 10_000) -> Any:
    """Adult's rows with values beyond the range, large ones, missing ones and unknown words."""
    rng = np.random.default_rng(1)
    frame = adult[NUMBERS + WORDS].sample(n, replace=True, random_state=1).reset_index(drop=True)
    for name in NUMBERS:
        low, high = adult[name].min(), adult[name].max()
        values = frame[name].to_numpy(dtype=np.float64, copy=True)
        values = np.where(rng.random(n) < 0.3, rng.uniform(low - 5, 1.3 * high + 1, n), values)
        values = np.where(rng.random(n) < 0.02, rng.choice([-1e6, 1e6, 1e9], n), values)
        frame[name] = np.where(rng.random(n) < 0.1, np.nan, values)
    for name in WORDS:
        words = frame[name].astype(object).to_numpy(copy=True)
        words[rng.random(n) < 0.1] = np.nan
        words[rng.random(n) < 0.05] = "Martian"
        frame[name] = words
    return frame


def at_cuts(estimator: Any, frame: Any, n: int = 2000) -> Any:
    """Rows with one number at a cut of the trees, in raw columns, or a float64 beside it."""
    source = _registry.source(estimator)
    graph = GraphBuilder(len(source.columns))
    _registry.build(estimator, graph, Features.of(source.columns))
    rng = np.random.default_rng(2)
    frame = frame.sample(n, replace=True, random_state=2).reset_index(drop=True)
    values = {name: frame[name].to_numpy(dtype=np.float64, copy=True) for name in NUMBERS}
    for i in range(n):
        nodes = graph.trees_added[rng.integers(len(graph.trees_added))]
        inner = np.flatnonzero((nodes.left >= 0) & (nodes.set_index < 0) & np.isfinite(nodes.cut))
        node = rng.choice(inner)
        name = source.columns[nodes.feature[node]].name
        cut = nodes.cut[node]
        if name in values:
            values[name][i] = np.nextafter(cut, rng.choice([-np.inf, cut, np.inf]))
    return frame.assign(**values)


def same(
    estimator: Any,
    frame: Any,
    *,
    native: bool = True,
    close: float = 1e-12,
    tiny: float = 1e-14,
) -> Model:
    """Import a model and require the library's labels and numbers on a frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if native else "ignore", ForeignModelWarning)
        model = as_model(estimator)
    assert model.native is native
    predicted = np.asarray(estimator.predict(frame))
    if model.kind == "regressor":
        np.testing.assert_allclose(model.predict(frame), predicted, rtol=close)
        return model
    np.testing.assert_array_equal(model.predict(frame), predicted)
    if hasattr(estimator, "predict_proba"):
        expected = estimator.predict_proba(frame)
        np.testing.assert_allclose(model.proba(frame), expected, rtol=close, atol=tiny)
    if hasattr(estimator, "decision_function"):
        expected = estimator.decision_function(frame)
        scale = max(1e-300, float(np.median(np.abs(expected))))
        np.testing.assert_allclose(model.score(frame), expected, rtol=close, atol=close * scale)
    return model


def both(sparse: bool = True, **encoder: Any) -> ColumnTransformer:
    """Return the usual first step for Adult."""
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, **encoder)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("words", make_pipeline(SimpleImputer(strategy="most_frequent"), words), WORDS),
        ]
    )


MODELS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: make_pipeline(both(), LogisticRegression()),
    "linear machine": lambda: make_pipeline(both(False), LinearSVC()),
    "support vectors": lambda: make_pipeline(both(), SVC()),
    "net": lambda: make_pipeline(both(), MLPClassifier((16,), max_iter=15, random_state=0)),
    "forest": lambda: make_pipeline(both(), RandomForestClassifier(20, random_state=0)),
    "boosting": lambda: make_pipeline(both(), GradientBoostingClassifier(n_estimators=20)),
    "histogram boosting": lambda: make_pipeline(
        both(False), HistGradientBoostingClassifier(max_iter=20)
    ),
}
TREES = ("forest", "boosting", "histogram boosting")


@pytest.mark.parametrize("kind", MODELS)
def test_raw_columns_of_adult(kind: str, adult: Any) -> None:
    columns, income = people(adult)
    estimator = MODELS[kind]().fit(columns, income)
    frame = hard_people(adult)
    model = same(estimator, frame, close=1e-10)
    assert model.feature_names == tuple(NUMBERS + WORDS)
    if kind in TREES:
        beside = at_cuts(estimator, frame)
        np.testing.assert_array_equal(model.predict(beside), estimator.predict(beside))
        np.testing.assert_allclose(
            model.proba(beside), estimator.predict_proba(beside), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("sparse", [True, False])
def test_xgboost_takes_zeros_of_a_sparse_matrix_as_missing(sparse: bool, adult: Any) -> None:
    xgboost = pytest.importorskip("xgboost")
    columns, income = people(adult)
    # Least values become exact zeros, as every word's absence does.
    encoder = both(sparse)
    encoder.set_params(numbers=make_pipeline(SimpleImputer(), MinMaxScaler()))
    estimator = make_pipeline(
        encoder, xgboost.XGBClassifier(n_estimators=40, max_depth=5, n_jobs=1)
    )
    estimator.fit(columns, income)
    frame = hard_people(adult)
    for name in NUMBERS:
        frame.loc[frame.sample(frac=0.1, random_state=0).index, name] = adult[name].min()
    # Its probabilities are float32, and that of the first class is a difference of them.
    model = same(estimator, frame, close=1e-6, tiny=1e-7)
    beside = at_cuts(estimator, frame)
    np.testing.assert_array_equal(model.predict(beside), estimator.predict(beside))
    margin = estimator.predict(beside, output_margin=True)
    np.testing.assert_array_equal(model.score(beside).astype(np.float32), margin)


def test_lightgbm_behind_a_sparse_encoder(adult: Any) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    columns, income = people(adult)
    machine = lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1)
    estimator = make_pipeline(both(), machine).fit(columns, income)
    if _registry.find(machine) is None:
        pytest.skip("LightGBM is not read natively")
    frame = hard_people(adult, 4000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        same(estimator, frame, close=1e-9)


def test_codes_of_words_as_native_categories(adult: Any) -> None:
    columns, income = people(adult)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    estimator = make_pipeline(
        make_column_transformer((codes, make_column_selector(dtype_exclude="number"))),
        HistGradientBoostingClassifier(max_iter=20, categorical_features=list(range(8))),
    )
    model = same(estimator.fit(columns[WORDS], income), hard_people(adult)[WORDS])
    assert model.feature_names == tuple(WORDS)


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


def mixed(seed: int, n: int) -> Any:
    rng = np.random.default_rng(seed)
    words = np.array(["a", "b", "c", "d", "e", np.nan], dtype=object)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n) * 10,
            "y": rng.integers(0, 5, n).astype(float),
            "z": np.full(n, 3.0),
            "w": rng.exponential(size=n),
            "v": pd.Series(rng.choice(words, n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]), dtype=object),
            "u": pd.Series(rng.choice(words[:5], n), dtype=object),
        }
    )
    for name in "xyw":
        frame.loc[rng.random(n) < 0.1, name] = np.nan
    return frame


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


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_scaled_numbers(load: Callable[..., Any]) -> None:
    values, labels = load(return_X_y=True)
    rng = np.random.default_rng(0)
    low, high = values.min(axis=0), values.max(axis=0)
    wide = low + (high - low) * rng.uniform(-0.5, 1.5, size=(3000, values.shape[1]))
    rows = np.concatenate([values, wide])
    for scaler in (StandardScaler(), MinMaxScaler(clip=True), RobustScaler(), MaxAbsScaler()):
        for last in (
            LogisticRegression(),
            SVC(),
            MLPClassifier((5,), max_iter=20, random_state=0),
            RandomForestClassifier(10, random_state=0),
            SGDClassifier(),
        ):
            same(make_pipeline(scaler, last).fit(values, labels), rows, close=1e-9)


def test_fico(fico: Any) -> None:
    columns, good = fico.drop(columns="RiskPerformance"), fico["RiskPerformance"] == "Good"
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    same(estimator.fit(columns, good), columns)
    logs = make_pipeline(
        FunctionTransformer(),
        MinMaxScaler(),
        FunctionTransformer(np.log1p),
        HistGradientBoostingClassifier(max_iter=20),
    )
    same(logs.fit(columns, good), columns)


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


# Wrappers


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


def few(*names: str) -> ColumnTransformer:
    """Read a few of Adult's columns."""
    words = [name for name in names if name in WORDS]
    numbers = [name for name in names if name in NUMBERS]
    return ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        ]
    )


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


def test_without_pandas_rows_are_given_as_polars(
    adult: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, income = people(adult)
    given_frame = pl.from_pandas(columns[["race", "age"]])
    estimator = make_pipeline(few("race", "age"), LogisticRegression()).fit(given_frame, income)
    source = _registry.source(estimator)
    rows = np.array([[0.0, 30.0], [1.0, np.nan], [-1.0, 50.0], [np.nan, 20.0]])
    expected = source.score(rows)
    monkeypatch.setattr(_pipeline_source, "find_spec", lambda _: None)
    assert isinstance(source, WrapperSource)
    assert isinstance(source.given(rows), pl.DataFrame)
    np.testing.assert_array_equal(source.score(rows), expected)


def test_sources_and_models_are_pickled(adult: Any) -> None:
    columns, income = people(adult)
    estimator = make_pipeline(both(), LogisticRegression()).fit(columns, income)
    source = _registry.source(estimator)
    again = pickle.loads(pickle.dumps(source))
    rows = np.zeros((3, len(source.columns)))
    np.testing.assert_array_equal(again.score(rows), source.score(rows))


def test_features_of_a_nested_pipeline_follow_the_outer_one() -> None:
    values, labels = load_wine(return_X_y=True)
    inner = make_pipeline(MinMaxScaler(), LogisticRegression())
    outer = make_pipeline(StandardScaler(), inner).fit(values, labels)
    source = _registry.source(outer)
    features = reading(inner, reading(outer, Features.of(source.columns)))
    assert [step.kind for step in features.features[0].steps] == ["sub", "div", "mul", "add"]  # type: ignore[union-attr]
    same(outer, values)
