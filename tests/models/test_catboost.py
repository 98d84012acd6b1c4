"""CatBoost models give here what they give there, to the last bit of their raw values."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine

import sondage as sd
from sondage.errors import DataError, ForeignModelWarning, ModelError
from sondage.models.catboost import CatBoostFile

cb = pytest.importorskip("catboost")
pd = pytest.importorskip("pandas")

DATA = Path(__file__).parent.parent / "data" / "catboost"
TABULAR = Path(__file__).parents[2] / "../shared/data/tabular"
QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}


def fit(X: object, y: np.ndarray, *, kind: str = "CatBoostClassifier", **params: object) -> object:
    own = {"iterations": 12, "depth": 4, **QUIET, **params}
    return getattr(cb, kind)(**own).fit(X, y)


def rows(X: np.ndarray, model: object, n: int = 10_000, seed: int = 0) -> np.ndarray:
    """Training-like, uniform, far out and missing; then at borders and beside them."""
    generator = np.random.default_rng(seed)
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    near = X[generator.integers(len(X), size=n // 2)] * generator.choice(
        [1.0, 1.0 + 1e-7, 0.5], size=(n // 2, X.shape[1])
    )
    wide = low + generator.uniform(-0.2, 1.2, size=(n // 2, X.shape[1])) * (high - low)
    out = np.concatenate([near, wide])
    special = np.array([np.nan, 0.0, -0.0, 3e38, -3e38, 1e-45, 1e-300])
    odd = generator.random(out.shape) < 0.1
    out[odd] = generator.choice(special, size=odd.sum())
    blocks = [out]
    for feature, borders in model.get_borders().items():  # type: ignore[attr-defined]
        for border in borders[:40]:
            narrow = np.float32(border)
            with np.errstate(over="ignore"):
                beside = [np.nextafter(narrow, np.float32(s * np.inf)) for s in (1, -1)]
            middles = [(float(narrow) + float(other)) / 2.0 for other in beside]
            values = [float(narrow), *map(float, beside)]
            for middle in middles:
                values += [middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)]
            values = [value for value in values if abs(value) <= np.finfo(np.float32).max]
            block = np.repeat(out[generator.integers(n, size=1)], len(values), axis=0)
            block[:, feature] = values
            blocks.append(block)
    return np.concatenate(blocks)


def assert_same(own: object, X: object, *, model: sd.Model | None = None) -> sd.Model:
    model = sd.as_model(own) if model is None else model
    assert model.native
    if model.classes is None:
        p = own.predict(X)  # type: ignore[attr-defined]
        same = np.array_equal(p, cb.CatBoost.predict(own, X, prediction_type="RawFormulaVal"))
        np.testing.assert_allclose(model.score(X), p, rtol=0.0 if same else 1e-14, atol=0.0)
        return model
    raw = own.predict(X, prediction_type="RawFormulaVal")  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model.score(X), raw)
    p = own.predict(X, prediction_type="Probability")  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.proba(X), p, rtol=1e-12, atol=5e-16)
    labels = own.predict(X, prediction_type="Class")  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model.predict(X), np.ravel(labels))
    return model


def holes(X: np.ndarray, seed: int = 0) -> np.ndarray:
    X = X.astype(np.float64, copy=True)
    X[np.random.default_rng(seed).random(X.shape) < 0.1] = np.nan
    return X


def regression(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(3).normal(size=(n, 4))
    return X, np.abs(2.0 * X[:, 0] + X[:, 1]) + 0.1


@pytest.mark.parametrize("grow_policy", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("loss_function", ["MultiClass", "MultiClassOneVsAll"])
def test_wine(loss_function: str, nan_mode: str, grow_policy: str) -> None:
    X, y = load_wine(return_X_y=True)
    X = holes(X)
    own = fit(X, y * 2, loss_function=loss_function, nan_mode=nan_mode, grow_policy=grow_policy)
    assert assert_same(own, rows(X, own)).classes == (0, 2, 4)


@pytest.mark.parametrize("nan_mode", ["Min", "Max", "Forbidden"])
def test_breast_cancer(nan_mode: str) -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    frame = X if nan_mode == "Forbidden" else X.mask(np.random.default_rng(0).random(X.shape) < 0.1)
    own = fit(frame, np.where(y == 1, "benign", "malignant"), nan_mode=nan_mode, depth=6)
    model = assert_same(own, pd.DataFrame(rows(frame.to_numpy(), own), columns=X.columns))
    assert model.classes == ("benign", "malignant")
    assert model.feature_names == tuple(X.columns)


def test_fico() -> None:
    path = TABULAR / "FICO_dataset.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    frame = pd.read_csv(path)
    y = (frame.pop("RiskPerformance") == "Good").to_numpy(dtype=int)
    own = fit(frame, y, iterations=40, depth=6)
    X = frame.to_numpy(dtype=np.float64)
    assert_same(own, pd.DataFrame(np.concatenate([X, rows(X, own)]), columns=frame.columns))


@pytest.mark.parametrize(
    "loss_function",
    [
        "RMSE",
        "MAE",
        "Quantile:alpha=0.3",
        "MAPE",
        "Poisson",
        "Tweedie:variance_power=1.5",
        "LogLinQuantile",
        "Huber:delta=1",
        "Cox",
    ],
)
def test_regression_losses(loss_function: str) -> None:
    X, y = regression()
    own = fit(X, y, kind="CatBoostRegressor", loss_function=loss_function)
    assert_same(own, rows(X, own, 2000))


def test_ranker_and_base_class() -> None:
    X, y = regression()
    grades = np.digitize(y, [1.0, 2.0])
    ranker = cb.CatBoostRanker(iterations=5, loss_function="YetiRank", **QUIET)
    ranker.fit(X, grades, group_id=np.arange(len(X)) // 20)
    assert assert_same(ranker, X).kind == "regressor"
    poisson = cb.CatBoost({"iterations": 5, "loss_function": "Poisson", **QUIET}).fit(X, y)
    assert_same(poisson, X)  # the base class predicts raw values
    logloss = cb.CatBoost({"iterations": 5, "loss_function": "Logloss", **QUIET}).fit(X, grades > 0)
    assert assert_same(logloss, X).classes == (False, True)
    assert_same(cb.sum_models([logloss, logloss], weights=[0.5, 0.3]), X)


@pytest.mark.parametrize("labels", [(False, True), ("a", "b"), (1.5, 2.5), (3, 7)])
def test_labels_of_any_kind(labels: tuple[object, object], tmp_path: Path) -> None:
    X, y = regression()
    own = fit(X, np.array(labels)[(y > 1.0).astype(int)])
    assert assert_same(own, X).classes == labels
    own.save_model(str(tmp_path / "model.json"), format="json")  # type: ignore[attr-defined]
    from_file = sd.as_model(tmp_path / "model.json")
    assert from_file.classes == labels
    assert_same(own, X, model=from_file)


@pytest.mark.parametrize("threshold", [0.3, 0.0, 1.0, 0.9])
def test_probability_threshold(threshold: float) -> None:
    X, y = regression()
    own = fit(X, y > 1.0)
    own.set_probability_threshold(threshold)  # type: ignore[attr-defined]
    assert_same(own, X)


def test_scale_and_bias() -> None:
    X, y = regression()
    own = fit(X, y, kind="CatBoostRegressor")
    own.set_scale_and_bias(0.3, 0.7)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(sd.as_model(own).score(X), own.predict(X))  # type: ignore[attr-defined]


def test_columns_that_are_ignored_keep_their_place() -> None:
    X, y = regression()
    own = fit(pd.DataFrame(X, columns=["a", "b b", "c", "d"]), y > 1.0, ignored_features=[0, 2])
    test = pd.DataFrame(rows(X, own, 1000), columns=["a", "b b", "c", "d"])
    assert assert_same(own, test).n_features == 4


@pytest.mark.parametrize("name", ["symmetric", "lossguide", "depthwise", "classes"])
def test_files_need_no_catboost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / f"{name}.json"
    known = sd.as_model(path)
    with monkeypatch.context() as patched:
        patched.setattr("sondage.models.catboost.find_spec", lambda name: None)
        alone = sd.as_model(path)
    assert alone.library == "catboost file"
    assert (alone.classes, alone.feature_names) == (known.classes, known.feature_names)
    X = holes(np.random.default_rng(0).normal(size=(2000, known.n_features)))
    np.testing.assert_allclose(alone._source.score(X), known._source.score(X), rtol=1e-14)
    if alone.classes is not None:
        np.testing.assert_array_equal(alone._source.predict(X), known._source.predict(X))


@pytest.mark.parametrize("levels", [[0, 1, 2, 3, 4], ["a", "b", "c", "d", "e"]])
def test_what_catboost_evaluates(levels: list[object]) -> None:
    X, y = regression()
    kind = [levels[i % 5] for i in range(len(X))]
    frame = pd.DataFrame({"x": np.where(X[:, 0] > 1.0, np.nan, X[:, 0]), "kind": kind})
    own = fit(frame, y > 1.0, cat_features=["kind"])
    with pytest.warns(ForeignModelWarning, match=r"categorical columns \(1\)"):
        model = sd.as_model(own)
    assert not model.native
    for rows in (frame, frame[::-1], frame.assign(kind=levels[3])):
        want = own.predict_proba(rows)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(model.proba(rows), want)
    with pytest.raises(DataError, match="column 'kind' of the frame is None in row 0"):
        model.proba(frame.assign(kind=None))


def test_what_is_refused() -> None:
    X, y = regression()
    with pytest.raises(ModelError, match="not fitted"):
        sd.as_model(cb.CatBoostClassifier())
    two = np.stack([y, X[:, 0]], axis=1)
    for own in (
        fit(X, two, kind="CatBoostRegressor", loss_function="MultiRMSE"),
        fit(X, y, kind="CatBoostRegressor", loss_function="RMSEWithUncertainty"),
        fit(X, (two > 0.5).astype(int), loss_function="MultiLogloss"),
    ):
        with pytest.raises(ModelError, match="2 outputs a row"):
            sd.as_model(own)
    texts = pd.DataFrame({"x": X[:, 0], "said": ["one two", "three", "two one"] * 100})
    with pytest.raises(ModelError, match=r"reads text columns \(1\)"):
        sd.as_model(fit(texts, y > 1.0, text_features=["said"]))
    with pytest.raises(ModelError, match="categorical"):
        sd.as_model(DATA / "categories.json")


def test_a_file_must_be_whole() -> None:
    data = (DATA / "lossguide.json").read_bytes().rstrip()
    for length in range(0, len(data), 37):
        with pytest.raises(ModelError, match=r"cut\.json is not a readable"):
            sd.as_model(CatBoostFile(data[:length], "cut.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["splits"].pop(), "leaf values in a tree of"),
        (lambda tree: tree["leaf_values"].pop(), "leaf values in a tree of"),
        (lambda tree: tree["leaf_values"].__setitem__(0, float("nan")), "finite"),
        (lambda tree: tree["splits"][0].__setitem__("float_feature_index", 99), "feature 99 of 3"),
        (lambda tree: tree["splits"][0].__setitem__("split_type", "OnlineCtr"), "OnlineCtr"),
        (lambda tree: tree["splits"][0].__setitem__("border", "x"), "border"),
    ],
)
def test_a_wrong_file_is_refused(change: object, message: str) -> None:
    document = json.loads((DATA / "symmetric.json").read_text())
    change(document["oblivious_trees"][0])  # type: ignore[operator]
    with pytest.raises(ModelError, match=message):
        sd.as_model(CatBoostFile(json.dumps(document).encode(), "wrong.json"))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_hyper_parameters(data: st.DataObject) -> None:
    draw = data.draw
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n = draw(st.integers(20, 150), label="rows")
    X = generator.normal(size=(n, 4)).round(draw(st.integers(0, 4), label="digits"))
    X[generator.random(X.shape) < draw(st.sampled_from([0.0, 0.2]), label="missing")] = np.nan
    if draw(st.booleans(), label="constant"):
        X[:, 1] = 7.0
    score = np.nan_to_num(X[:, 0]) + generator.normal(size=n)
    loss = draw(st.sampled_from(["Logloss", "MultiClass", "MultiClassOneVsAll", "RMSE"]))
    params: dict[str, object] = {
        "loss_function": loss,
        "iterations": draw(st.sampled_from([1, 7])),
        "depth": draw(st.integers(1, 6)),
        "grow_policy": draw(st.sampled_from(["SymmetricTree", "Depthwise", "Lossguide"])),
        "nan_mode": draw(st.sampled_from(["Min", "Max"])),
        "border_count": draw(st.sampled_from([1, 3, 254])),
        "learning_rate": draw(st.sampled_from([0.01, 1.0])),
        "l2_leaf_reg": draw(st.sampled_from([0.0, 3.0])),
    }
    if params["grow_policy"] != "SymmetricTree":
        params["min_data_in_leaf"] = draw(st.sampled_from([1, 10, 1000]))
    if loss == "RMSE":
        own = fit(X, score, kind="CatBoostRegressor", **params)
    else:
        cuts = [0.0] if loss == "Logloss" else [-0.5, 0.5]
        y = np.digitize(score, cuts)
        y[: len(cuts) + 1] = np.arange(len(cuts) + 1)
        own = fit(X, y, **params)
    assert_same(own, rows(X, own, 400))


def test_two_thousand_tiny_trees() -> None:
    X, y = regression(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = fit(X, y, kind="CatBoostRegressor", iterations=2000, depth=1, learning_rate=0.01)
    assert own.tree_count_ == 2000  # type: ignore[attr-defined]
    assert_same(own, rows(X, own, 500))
