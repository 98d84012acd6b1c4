"""LightGBM models give here what they give there, to the last bit of their margins."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")

TABULAR = Path(__file__).parents[2] / "../shared/data/tabular"
ZERO = float(np.float32(1e-35))
QUIET = {"verbose": -1, "num_threads": 1}


def rows(X: np.ndarray, model: object, n: int = 10_000, seed: int = 0) -> np.ndarray:
    """Training-like, uniform, far out, at zero and missing; then at thresholds and beside them."""
    generator = np.random.default_rng(seed)
    seen = np.nan_to_num(X)
    low, high = seen.min(axis=0), seen.max(axis=0)
    near = X[generator.integers(len(X), size=n // 2)] * generator.choice(
        [1.0, 1.001, 0.5], size=(n // 2, X.shape[1])
    )
    wide = low + generator.uniform(-0.2, 1.2, size=(n // 2, X.shape[1])) * (high - low)
    out = np.concatenate([near, wide])
    special = np.array([np.nan, 0.0, -0.0, 1e300, -1e300, ZERO, -ZERO, 1e-36, -1e-36, 2e-35])
    odd = generator.random(out.shape) < 0.1
    out[odd] = generator.choice(special, size=odd.sum())
    dump = model.dump_model()["tree_info"]  # type: ignore[attr-defined]
    splits = [split for tree in dump for split in thresholds(tree["tree_structure"])]
    blocks = [out]
    for feature, threshold in splits[:: max(1, len(splits) // 300)]:
        narrow = np.float32(threshold)
        values = [
            threshold,
            np.nextafter(threshold, np.inf),
            np.nextafter(threshold, -np.inf),
            float(np.nextafter(narrow, np.float32(np.inf))),
            float(np.nextafter(narrow, np.float32(-np.inf))),
        ]
        block = np.repeat(out[generator.integers(n, size=1)], len(values), axis=0)
        block[:, feature] = values
        blocks.append(block)
    return np.concatenate(blocks)


def thresholds(node: dict) -> list[tuple[int, float]]:
    if "left_child" not in node:
        return []
    below = thresholds(node["left_child"]) + thresholds(node["right_child"])
    if node["decision_type"] != "<=" or abs(float(node["threshold"])) >= 1e300:
        return below
    return [(node["split_feature"], float(node["threshold"])), *below]


def train(params: dict, X: object, y: np.ndarray, n: int = 10, **dataset: object) -> object:
    return lgb.train({**QUIET, **params}, lgb.Dataset(X, y, **dataset), n)


def assert_same(booster: object, X: object, *, model: sd.Model | None = None) -> sd.Model:
    """Compare with a Booster on a frame or an array."""
    model = sd.as_model(booster) if model is None else model
    assert model.native
    p = booster.predict(X)  # type: ignore[attr-defined]
    if model.classes is None:
        # The library's raw scores of a random forest are sums.
        same = np.array_equal(p, booster.predict(X, raw_score=True))  # type: ignore[attr-defined]
        forest = "average_output" in booster.model_to_string()[:500]  # type: ignore[attr-defined]
        rtol = 0.0 if same or forest else 1e-14
        np.testing.assert_allclose(model.score(X), p, rtol=rtol, atol=0.0)
        np.testing.assert_array_equal(model.predict(X), model.score(X))
        return model
    raw = booster.predict(X, raw_score=True)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model.score(X), raw)
    both = np.stack([1.0 - p, p], axis=1) if p.ndim == 1 else p
    np.testing.assert_allclose(model.proba(X), both, rtol=1e-12, atol=3e-16)
    np.testing.assert_array_equal(model.predict(X), both.argmax(axis=1))
    return model


def holes(X: np.ndarray, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    X = X.astype(np.float64, copy=True)
    X[generator.random(X.shape) < 0.08] = np.nan
    X[generator.random(X.shape) < 0.08] = 0.0
    return X


def regression(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    X = generator.normal(size=(n, 4))
    return holes(X), np.abs(2.0 * X[:, 0] + X[:, 1]) + 0.1


@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_wine(objective: str, boosting: str) -> None:
    X, y = load_wine(return_X_y=True)
    X = holes(X)
    params = {"objective": objective, "num_class": 3, "boosting": boosting}
    booster = train({**params, "bagging_freq": 1, "bagging_fraction": 0.7}, X, y)
    assert_same(booster, rows(X, booster))


def test_breast_cancer_estimator() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    fitted = lgb.LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1)
    fitted.fit(X.rename(columns=str.title), np.where(y == 1, "benign", "malignant"))
    model = sd.as_model(fitted)
    assert model.classes == ("benign", "malignant")
    assert model.feature_names is not None
    assert model.feature_names[0] == "Mean_Radius"  # what the library makes of "Mean Radius"
    test = rows(X.to_numpy(), fitted.booster_)
    frame = pd.DataFrame(test, columns=list(model.feature_names))
    np.testing.assert_array_equal(model.predict(frame), fitted.predict(frame))
    np.testing.assert_array_equal(model.score(frame), fitted.predict(frame, raw_score=True))
    np.testing.assert_allclose(
        model.proba(frame), fitted.predict_proba(frame), rtol=1e-12, atol=3e-16
    )


@pytest.mark.parametrize("extra", [{}, {"zero_as_missing": True}, {"use_missing": False}])
def test_fico(extra: dict) -> None:
    path = TABULAR / "FICO_dataset.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    frame = pd.read_csv(path)
    y = (frame.pop("RiskPerformance") == "Good").to_numpy(dtype=float)
    X = frame.to_numpy(dtype=np.float64)
    booster = train({"objective": "binary", **extra}, frame, y, 40)
    test = np.concatenate([X, rows(X, booster)])
    assert_same(booster, pd.DataFrame(test, columns=frame.columns))


@pytest.fixture(scope="module")
def adult() -> tuple[object, np.ndarray]:
    path = TABULAR / "adult.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    frame = pd.read_csv(path).sample(12_000, random_state=0)
    y = (frame.pop("income") == ">50K").to_numpy(dtype=float)
    for name in frame.columns:
        if frame[name].dtype.kind not in "if":
            frame[name] = frame[name].astype("category")
    return frame.rename(columns=lambda name: name.replace("-", "_")), y


def test_adult_with_native_categories(adult: tuple[object, np.ndarray]) -> None:
    frame, y = adult
    fitted = lgb.LGBMClassifier(n_estimators=60, num_leaves=64, n_jobs=1, verbose=-1)
    fitted.fit(frame[:6000], y[:6000])
    model = sd.as_model(fitted)
    assert model.native
    test = frame.copy()
    test["age"] = test["age"].astype(float).where(np.arange(len(test)) % 7 > 0)
    test["education"] = test["education"].astype(str).where(np.arange(len(test)) % 5 > 0, "new")
    test["education"] = test["education"].astype("category")
    test.loc[test.index[::11], "occupation"] = np.nan
    np.testing.assert_array_equal(model.score(test), fitted.predict(test, raw_score=True))
    np.testing.assert_array_equal(model.predict(test), fitted.predict(test))
    assert {"new"} <= set(test["education"])


def test_ordered_categories_are_numbers_and_unseen_ones_missing() -> None:
    generator = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "x": generator.normal(size=n),
            "size": pd.Categorical(
                generator.choice(["S", "M", "L"], n), categories=["S", "M", "L"], ordered=True
            ),
            "kind": pd.Categorical(generator.choice(["a", "b", "c"], n)),
            "same": pd.Categorical(["q"] * n),
            "count": generator.integers(0, 9, n),
        }
    )
    frame.loc[::9, "size"] = np.nan
    y = (frame["x"] + (frame["kind"] == "b") - (frame["size"] == "S") > 0).to_numpy(float)
    booster = train({"objective": "binary", "min_data_per_group": 5}, frame, y)
    model = assert_same(booster, frame)
    assert {
        split[0]
        for tree in booster.dump_model()["tree_info"]
        for split in thresholds(tree["tree_structure"])
    } >= {1}
    for name in ("size", "kind"):
        test = frame.copy()
        test[name] = pd.Categorical(["never seen"] * n)
        assert_same(booster, test, model=model)


def test_columns_of_levels_must_follow_from_the_model() -> None:
    generator = np.random.default_rng(0)
    size = pd.Categorical.from_codes(generator.integers(0, 3, 300), ["S", "M", "L"], ordered=True)
    frame = pd.DataFrame({"size": size, "other": generator.integers(0, 3, 300)})
    booster = train({"objective": "regression"}, frame, size.codes + frame["other"].to_numpy())
    with pytest.raises(ModelError, match="does not follow from the model which columns"):
        sd.as_model(booster)


def test_categories_given_as_numbers() -> None:
    generator = np.random.default_rng(1)
    X = np.stack([generator.integers(0, 70, 600), generator.normal(size=600)], axis=1)
    y = np.isin(X[:, 0] % 7, [1, 3, 4]) + 0.1 * X[:, 1]
    booster = train({"min_data_per_group": 1, "cat_smooth": 1}, X, y, categorical_feature=[0])
    test = np.concatenate([X] * 8)
    test[:, 0] = generator.choice(
        [*range(70), 200.0, -1.0, -0.5, 3.9, np.nan, 1e12, 2.0**31, 2.0**32 + 1, -1e12, 31.0, 32.0],
        size=len(test),
    )
    assert_same(booster, test)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "quantile",
        "mape",
        "poisson",
        "gamma",
        "tweedie",
        "cross_entropy",
        "cross_entropy_lambda",
    ],
)
def test_regression_objectives(objective: str, root: bool) -> None:
    X, y = regression()
    if objective.startswith("cross"):
        y = np.clip(y / 5.0, 0.0, 1.0)
    booster = train({"objective": objective, "reg_sqrt": root}, X, y)
    model = assert_same(booster, rows(X, booster, 2000))
    assert model.kind == "regressor"


@pytest.mark.parametrize("boosting", ["dart", "rf"])
def test_other_boosting_of_a_regression(boosting: str) -> None:
    X, y = regression()
    params = {"boosting": boosting, "bagging_freq": 1, "bagging_fraction": 0.7}
    booster = train(params, X, y)
    assert_same(booster, rows(X, booster, 2000))


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_ranker(objective: str) -> None:
    X, y = regression()
    fitted = lgb.LGBMRanker(objective=objective, n_estimators=5, n_jobs=1, verbose=-1)
    fitted.fit(X, np.digitize(y, [1, 2]), group=[30] * 10)
    np.testing.assert_array_equal(sd.as_model(fitted).score(X), fitted.predict(X))


def test_own_objective_gives_raw_scores() -> None:
    X, y = regression()

    def half_square(y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return z - y, np.ones_like(y)

    fitted = lgb.LGBMRegressor(objective=half_square, n_estimators=5, n_jobs=1, verbose=-1)
    fitted.fit(X, y)
    np.testing.assert_array_equal(sd.as_model(fitted).predict(X), fitted.predict(X))
    fitted = lgb.LGBMClassifier(objective=half_square, n_estimators=5, n_jobs=1, verbose=-1)
    fitted.fit(X, y > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(sd.as_model(fitted).predict(X), fitted.predict(X))


@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_all_digits_of_sigmoid_count_until_the_model_is_saved(boosting: str) -> None:
    X, y = regression()
    params = {"objective": "binary", "sigmoid": 1.23456789, "boosting": boosting, **QUIET}
    booster = lgb.train(
        {**params, "bagging_freq": 1, "bagging_fraction": 0.7},
        lgb.Dataset(X, (y > 1) * 1.0),
        5,
        keep_training_booster=True,
    )
    loaded = pickle.loads(pickle.dumps(booster))
    assert np.abs(loaded.predict(X) - booster.predict(X)).max() > 1e-9
    assert_same(booster, X)
    assert_same(loaded, X)


def test_what_is_refused() -> None:
    X, y = regression()
    with pytest.raises(ModelError, match="LGBMClassifier is not fitted"):
        sd.as_model(lgb.LGBMClassifier())
    with pytest.raises(ModelError, match="has no trees"):
        sd.as_model(lgb.Booster(dict(QUIET), lgb.Dataset(X, y)))
    one_class = lgb.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(X, np.zeros(len(X)))
    with pytest.raises(ModelError, match="1 class but gives 2"):
        sd.as_model(one_class)
    several = lgb.LGBMRegressor(
        objective="multiclass", num_class=3, n_estimators=2, n_jobs=1, verbose=-1
    )
    several.fit(X, np.digitize(y, [1, 2]))
    with pytest.raises(ModelError, match="3 outputs"):
        sd.as_model(several)


@pytest.mark.parametrize("options", [{"linear_tree": True}, {"pred_early_stop": True}])
def test_what_the_library_evaluates(options: dict) -> None:
    X, y = regression()
    fitted = lgb.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1, **options).fit(X, y > 1)
    with pytest.warns(ForeignModelWarning, match="linear|early"):
        model = sd.as_model(fitted)
    assert not model.native
    np.testing.assert_array_equal(model.predict(X), fitted.predict(X))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_hyper_parameters(data: st.DataObject) -> None:
    draw = data.draw
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n = draw(st.integers(30, 200), label="rows")
    X = generator.normal(size=(n, 4)).round(draw(st.integers(0, 4), label="digits"))
    X[generator.random(X.shape) < draw(st.sampled_from([0.0, 0.2]), label="missing")] = np.nan
    X[generator.random(X.shape) < draw(st.sampled_from([0.0, 0.3]), label="zeros")] = 0.0
    if draw(st.booleans(), label="constant"):
        X[:, 1] = 7.0
    score = np.nan_to_num(X[:, 0]) + generator.normal(size=n)
    objective = draw(st.sampled_from(["binary", "multiclass", "multiclassova", "regression"]))
    params: dict[str, object] = {
        "objective": objective,
        "num_leaves": draw(st.sampled_from([2, 3, 8, 63])),
        "min_data_in_leaf": draw(st.sampled_from([1, 5, 20, 1000])),
        "max_bin": draw(st.sampled_from([2, 3, 16, 255])),
        "boosting": draw(st.sampled_from(["gbdt", "dart", "rf"])),
        "zero_as_missing": draw(st.booleans()),
        "use_missing": draw(st.booleans()),
        "min_data_in_bin": 1,
        "learning_rate": draw(st.sampled_from([0.01, 0.3, 1.0])),
        "bagging_freq": 1,
        "bagging_fraction": 0.8,
        "extra_trees": draw(st.booleans()),
    }
    y = score
    if objective == "binary":
        y = (score > 0) * 1.0
    elif objective.startswith("multi"):
        params["num_class"] = draw(st.integers(3, 5))
        y = np.digitize(score, [-0.5, 0.5]).astype(float)
    if draw(st.booleans(), label="categorical"):
        X[:, 2] = generator.integers(0, 40, n)
        booster = train(
            {**params, "min_data_per_group": 1, "cat_smooth": 1.0},
            X,
            y,
            draw(st.sampled_from([1, 6])),
            categorical_feature=[2],
        )
    else:
        booster = train(params, X, y, draw(st.sampled_from([1, 6])))
    assert_same(booster, rows(X, booster, 400))


def test_two_thousand_tiny_trees() -> None:
    X, y = regression(60)
    booster = train({"num_leaves": 2, "min_data_in_leaf": 1, "learning_rate": 0.01}, X, y, 2000)
    assert booster.num_trees() == 2000
    assert_same(booster, rows(X, booster, 500))
