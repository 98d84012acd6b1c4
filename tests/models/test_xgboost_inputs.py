"""XGBoost: missing values, categories, sparse rows, and what is refused."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from sondage._core import Graph
from sondage.errors import DataError, ForeignModelWarning, ModelError
from sondage.models import Model, _registry, as_model
from sondage.models._adapter import NotNative
from sondage.models._features import Chain, Features, RawColumn
from sondage.models._graph import GraphBuilder

xgb = pytest.importorskip("xgboost")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)

Same = Callable[..., Model]
Rows = NDArray[np.float64]


def holes(X: Rows, share: float = 0.2, value: float = np.nan) -> Rows:
    """Some entries of the rows missing."""
    return np.where(np.random.default_rng(0).random(X.shape) < share, value, X)


def trained(X: Rows, y: object, rounds: int = 30, **parameters: object) -> Any:
    given: dict[str, object] = {"max_depth": 4, "nthread": 1, "verbosity": 0, **parameters}
    return xgb.train(given, xgb.DMatrix(X, y), rounds)


@pytest.mark.parametrize("missing", [0.0, -0.0, -999.0, 1.0, 2.5, -1e-45, 1e300, np.inf])
def test_another_value_may_stand_for_a_missing_one(missing: float, same_as_library: Same) -> None:
    scaled = np.round((CANCER - CANCER.mean(axis=0)) / CANCER.std(axis=0) * 2.0) / 2.0
    narrow = np.float32(missing if abs(missing) < 1e38 else 0.0)
    rows = holes(scaled, 0.15, missing) if abs(missing) < 1e38 else scaled
    estimator = xgb.XGBClassifier(n_estimators=20, missing=missing, n_jobs=1).fit(rows, MALIGNANT)
    model = same_as_library(estimator, rows, n=2_000, within=3e-7)
    near = [narrow, *(np.nextafter(narrow, np.float32(far)) for far in (-np.inf, np.inf))]
    ends = [0.5 * (float(a) + float(b)) for a in near for b in near]
    values = [*map(float, near), *ends, *np.nextafter(ends, -np.inf), *np.nextafter(ends, np.inf)]
    probe = np.tile(rows[:200], (len(values), 1))
    for j in range(0, rows.shape[1], 2):
        probe[:, j] = np.repeat(values, 200)
    native = model._native
    assert native is not None
    ours = native.values(probe, native.heads.score)[:, 0]
    assert np.array_equal(ours, estimator.predict(probe, output_margin=True))


def test_the_names_of_a_frame_are_the_models() -> None:
    frame = pd.DataFrame(WINE, columns=[f"c{j}" for j in range(WINE.shape[1])])
    estimator = xgb.XGBClassifier(n_estimators=5, n_jobs=1).fit(frame, CULTIVAR)
    model = as_model(estimator)
    assert model.feature_names == tuple(frame.columns)
    shuffled = pl.DataFrame(WINE, schema=list(frame.columns)).select(reversed(frame.columns))
    assert np.array_equal(model.predict(shuffled), estimator.predict(frame))
    assert model.library == f"xgboost {xgb.__version__}"
    assert model.classes == (0, 1, 2)


def categorical(frame: pl.DataFrame) -> pd.DataFrame:
    """The frame in pandas, its texts as categories."""
    out = frame.to_pandas()
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if dtype == pl.String:
            out[name] = pd.Categorical(out[name].astype(object))
    return out


CATEGORICAL: dict[str, Mapping[str, object]] = {
    "partitions": {"max_cat_to_onehot": 1},
    "one against the rest": {"max_cat_to_onehot": 100},
    "both, dart": {"booster": "dart", "rate_drop": 0.2},
    "approx": {"tree_method": "approx"},
}


@pytest.mark.parametrize("kind", CATEGORICAL)
def test_categories_of_adult(
    kind: str, adult: tuple[pl.DataFrame, NDArray[np.int64]], same_as_library: Same
) -> None:
    frame, rich = categorical(adult[0][:6_000]), adult[1][:6_000]
    frame.loc[::7, "occupation"] = None
    estimator = xgb.XGBClassifier(
        n_estimators=25, enable_categorical=True, n_jobs=1, **CATEGORICAL[kind]
    ).fit(frame, rich)
    model = same_as_library(estimator, frame, n=5_000, within=3e-7)
    native = model._native
    assert native is not None
    assert any(operation[0] == "trees" for operation in native.graph.operations)
    assert np.array_equal(model.score(frame), estimator.predict(frame, output_margin=True))
    assert np.array_equal(model.predict(frame), estimator.predict(frame))
    # Another order of the categories, which the library brings back by name.
    other = frame.copy()
    other["workclass"] = other["workclass"].cat.reorder_categories(
        list(reversed(other["workclass"].cat.categories))
    )
    assert np.array_equal(model.score(other), estimator.predict(other, output_margin=True))
    booster = estimator.get_booster()
    data = xgb.DMatrix(frame, enable_categorical=True)
    assert np.array_equal(as_model(booster).score(frame), booster.predict(data, output_margin=True))
    unseen = frame[:1].astype({"workclass": object})
    unseen["workclass"] = "Astronaut"
    with pytest.raises(DataError, match="Astronaut"):
        model.score(unseen)


def test_numbers_as_categories() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "year": pd.Categorical(rng.choice([1999, 2004, 2010, -5], 300)),
            "weight": rng.normal(size=300),
        }
    )
    target = (frame["year"].isin([1999, -5]) ^ (frame["weight"] > 0.0)).astype(int)
    estimator = xgb.XGBClassifier(
        n_estimators=10, enable_categorical=True, max_cat_to_onehot=2, n_jobs=1
    ).fit(frame, target)
    model = as_model(estimator)
    assert [column.levels for column in model._source.columns] == [(-5, 1999, 2004, 2010), None]
    assert np.array_equal(model.score(frame), estimator.predict(frame, output_margin=True))


def test_names_of_categories_that_xgboost_stores_cut_are_refused() -> None:
    frame = pd.DataFrame({"town": pd.Categorical(["Zürich", "Bern"] * 20), "x": np.arange(40.0)})
    estimator = xgb.XGBClassifier(n_estimators=2, enable_categorical=True, n_jobs=1)
    estimator.fit(frame, np.arange(40) % 2)
    with pytest.raises(ModelError, match="outside ASCII"):
        as_model(estimator)


def test_codes_as_categories(same_as_library: Same) -> None:
    """Without a frame the model knows codes only; those that are in no set go left."""
    rng = np.random.default_rng(0)
    codes = np.column_stack(
        [rng.integers(0, 9, 400), rng.normal(size=400), rng.integers(0, 3, 400)]
    )
    target = np.isin(codes[:, 0], [1, 4, 5]) ^ (codes[:, 1] > 0.0)
    data = xgb.DMatrix(codes, target, feature_types=["c", "q", "c"], enable_categorical=True)
    given = {"objective": "binary:logistic", "max_cat_to_onehot": 4, "nthread": 1}
    booster = xgb.train(given, data, 10)
    model = as_model(booster)
    assert all(column.levels is None for column in model._source.columns)
    rows = codes[np.arange(4_000) % 400].copy()
    strange = [-1.0, 9.0, 77.0, 1e6, 2.0**24, 2.0**31, 3e9, 2.5, -3.0, np.nan]
    rows[:, 0] = rng.choice([*range(9), *strange], len(rows))
    probe = xgb.DMatrix(rows, feature_types=["c", "q", "c"], enable_categorical=True)
    assert np.array_equal(model.score(rows), booster.predict(probe, output_margin=True))


def test_a_sparse_row_has_its_zeros_missing() -> None:
    """As behind a one-hot encoder in a pipeline, which gives the model a sparse matrix."""
    rows = np.where(
        np.random.default_rng(0).random(CANCER.shape) < 0.4, 0.0, CANCER - CANCER.mean()
    )
    estimator = xgb.XGBClassifier(n_estimators=20, n_jobs=1)
    estimator.fit(sparse.csr_matrix(rows), MALIGNANT)
    for told, matrix in ((True, sparse.csr_matrix(rows)), (False, rows)):
        features = Features(
            tuple(RawColumn() for _ in rows.T), tuple(Chain(j) for j in range(rows.shape[1])), told
        )
        graph = GraphBuilder(rows.shape[1])
        heads = _registry.build(estimator, graph, features)
        ours = Graph(graph.n_columns, graph.operations).forward(rows, heads.score)[:, 0]
        assert np.array_equal(ours, estimator.predict(matrix, output_margin=True))


def foreign(reason: str) -> Any:
    return pytest.warns(ForeignModelWarning, match=reason)


def test_what_the_core_cannot_do_is_done_by_xgboost() -> None:
    linear = xgb.XGBRegressor(booster="gblinear", n_estimators=3, n_jobs=1).fit(
        DIABETES, PROGRESSION
    )
    with foreign("gblinear"):
        model = as_model(linear)
    assert np.array_equal(model.predict(DIABETES), linear.predict(DIABETES))
    vectors = trained(
        WINE,
        CULTIVAR,
        2,
        objective="multi:softprob",
        num_class=3,
        multi_strategy="multi_output_tree",
    )
    with foreign("multi_output_tree"):
        model = as_model(vectors)
    assert np.array_equal(model.proba(WINE), vectors.predict(xgb.DMatrix(WINE)))
    bare = trained(CANCER, MALIGNANT, 0, objective="binary:logistic")
    with foreign("no trees"):
        model = as_model(bare)
    assert np.array_equal(
        model.score(CANCER), bare.predict(xgb.DMatrix(CANCER), output_margin=True)
    )
    odd = xgb.XGBClassifier(n_estimators=3, objective="reg:squarederror", n_jobs=1)
    odd.fit(CANCER, MALIGNANT)
    with foreign("a classifier with the objective reg:squarederror"):
        model = as_model(odd)
    assert np.array_equal(model.predict(CANCER), odd.predict(CANCER))


def test_what_can_never_be_imported_is_refused() -> None:
    with pytest.raises(ModelError, match="XGBRegressor is not fitted"):
        as_model(xgb.XGBRegressor())
    two = np.column_stack([PROGRESSION, -PROGRESSION])
    with pytest.raises(ModelError, match="several outputs"):
        as_model(xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(DIABETES, two))
    quantiles = trained(
        DIABETES, PROGRESSION, 2, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]
    )
    with pytest.raises(ModelError, match="several outputs"):
        as_model(quantiles)
    labels = np.column_stack([MALIGNANT, 1 - MALIGNANT])
    with pytest.raises(ModelError, match="several outputs"):
        as_model(xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(CANCER, labels))
    classes = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(WINE, CULTIVAR)
    with pytest.raises(ModelError, match="reads 13 columns; it is given 3"):
        _registry.build(classes, GraphBuilder(3), Features.of([RawColumn()] * 3))


def test_missing_values_and_categories_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, 5, 200), rng.normal(size=200)])
    estimator = xgb.XGBClassifier(
        n_estimators=3, missing=0.0, feature_types=["c", "q"], enable_categorical=True, n_jobs=1
    ).fit(codes, (codes[:, 0] > 2) ^ (codes[:, 1] > 0))
    with foreign("missing=0.0"):
        as_model(estimator)
    data = xgb.XGBClassifier(n_estimators=3, missing=7.0, n_jobs=1).fit(CANCER, MALIGNANT)
    features = Features(
        tuple(RawColumn() for _ in CANCER.T), tuple(Chain(j) for j in range(CANCER.shape[1])), True
    )
    with pytest.raises(NotNative, match=r"missing=7\.0 with a sparse matrix"):
        _registry.build(data, GraphBuilder(CANCER.shape[1]), features)
