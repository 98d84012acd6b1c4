"""Pipelines, read in the user's raw columns, predict what the library predicts."""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pipelines import NUMBERS, QUIET, WORDS, both, few, hard_people, people, same
from sklearn.compose import (
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

from sondage.models import _pipeline_source, _registry
from sondage.models._features import Features
from sondage.models._graph import GraphBuilder
from sondage.models._pathways import reading
from sondage.models._pipeline_source import WrapperSource

pd = pytest.importorskip("pandas")

DATA = Path(__file__).parents[3] / "shared" / "data" / "tabular"

pytestmark = [pytest.mark.usefixtures("one_thread"), QUIET]


@pytest.fixture(scope="session")
def adult(adult_in_pandas: Any) -> Any:
    return adult_in_pandas


@pytest.fixture(scope="session")
def fico() -> Any:
    path = DATA / "FICO_dataset.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path, nrows=2000)


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
