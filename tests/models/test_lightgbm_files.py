"""LightGBM model files: read without the library, and told what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sondage as sd
from sondage.errors import ModelError
from sondage.models._files import open_model
from sondage.models.lightgbm import LightGbmFile

lgb = pytest.importorskip("lightgbm")
pytest.importorskip("pandas")

DATA = Path(__file__).parent.parent / "data" / "lightgbm"
ZERO = float(np.float32(1e-35))


@pytest.mark.parametrize("name", ["categories", "forest", "short", "stump", "zeros"])
def test_files_need_no_lightgbm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / f"{name}.txt"
    known = sd.as_model(path)
    with monkeypatch.context() as patched:
        patched.setattr("sondage.models.lightgbm.find_spec", lambda name: None)
        alone = sd.as_model(path)
        with pytest.raises(ModelError, match="only it evaluates this: its leaves are linear"):
            sd.as_model(DATA / "linear.txt")
    assert alone.library == "lightgbm file"
    assert (alone.classes, alone.feature_names) == (known.classes, known.feature_names)
    levels = [column.levels for column in known._source.columns]
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(2000, len(levels))) * 3.0
    for j, own in enumerate(levels):
        if own is not None:
            raw[:, j] = generator.integers(-1, len(own), 2000)
    np.testing.assert_allclose(alone._source.score(raw), known._source.score(raw), rtol=1e-14)
    if alone.classes is not None:
        np.testing.assert_array_equal(alone._source.score(raw), known._source.score(raw))
        np.testing.assert_array_equal(alone._source.predict(raw), known._source.predict(raw))


def cut_text() -> str:
    return (DATA / "categories.txt").read_text()


def test_a_file_must_be_whole() -> None:
    text = cut_text()
    trees, parameters = text.index("end of trees"), text.index("parameters:")
    end = text.index("end of parameters")
    for length in [*range(0, trees, 41), *range(parameters + 12, end, 61)]:
        with pytest.raises(ModelError, match=r"cut\.txt is not a readable"):
            sd.as_model(LightGbmFile(text[:length].encode(), "cut.txt"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version=v4", "version=v5", "v5"),
        ("version=v4", "", "names no version"),
        ("tree\n", "forest\n", "first line"),
        ("left_child=", "left_child=9 ", "numbers in left_child"),
        ("num_leaves=", "num_leaves=9999999", "numbers in leaf_value"),
        ("max_feature_idx=", "max_feature_idx=9999999", "max_feature_idx"),
        ("leaf_value=", "leaf_value=nan ", "numbers in leaf_value|no number"),
        ("pandas_categorical:[", "pandas_categorical:[[", "pandas_categorical"),
        ("pandas_categorical:[", "pandas_categorical:" + "[" * 100_000, "pandas_categorical"),
        ("tree_sizes=", "tree_sizes=1 ", "tree_sizes"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=7", "whole number of iterations"),
    ],
)
def test_a_wrong_file_is_refused(old: str, new: str, message: str) -> None:
    text = cut_text()
    assert old in text
    with pytest.raises(ModelError, match=message):
        sd.as_model(LightGbmFile(text.replace(old, new, 1).encode(), "wrong.txt"))


@pytest.mark.parametrize("threshold", ["0", "-0", "5e-36", "-5e-36", "1e-320", "-1e-320"])
def test_thresholds_next_to_zero(threshold: str) -> None:
    # NaN is zero, goes right, goes left.
    asked = {
        "threshold": f"{threshold} {threshold} {threshold}",
        "split_feature": "0 1 2",
        "decision_type": "2 8 10",
    }
    lines = (DATA / "short.txt").read_text().splitlines()[:-1]
    keys = [line.partition("=")[0] for line in lines]
    text = "\n".join(
        f"{key}={asked[key]}" if key in asked else line
        for key, line in zip(keys, lines, strict=True)
    )
    booster = lgb.Booster(model_str=text)
    near = [0.0, -0.0, 1e-36, -1e-36, 6e-36, -6e-36, ZERO, -ZERO, 1e-34, -1e-34, 5e-324, np.nan]
    X = np.array([(x, y, z) for x in near for y in near for z in near])
    model = sd.as_model(LightGbmFile(text.encode(), "zero.txt"))
    np.testing.assert_array_equal(model.score(X), booster.predict(X, raw_score=True))


def test_uses_the_trees_that_predict_uses(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    X = generator.normal(size=(300, 4))
    y = np.abs(2.0 * X[:, 0] + X[:, 1])
    fitted = lgb.LGBMRegressor(n_estimators=200, learning_rate=0.5, n_jobs=1, verbose=-1)
    stop = lgb.early_stopping(3, verbose=False)
    fitted.fit(X[:150], y[:150], eval_X=X[150:], eval_y=y[150:], callbacks=[stop])
    np.testing.assert_array_equal(sd.as_model(fitted).predict(X), fitted.predict(X))
    training = lgb.Dataset(X[:150], y[:150])
    booster = lgb.train(
        {"learning_rate": 0.5, "verbose": -1, "num_threads": 1},
        training,
        200,
        valid_sets=[lgb.Dataset(X[150:], y[150:], reference=training)],
        callbacks=[stop],
        keep_training_booster=True,
    )
    assert 0 < booster.best_iteration < booster.current_iteration()
    model = sd.as_model(booster)
    np.testing.assert_array_equal(model.predict(X), booster.predict(X))
    booster.save_model(tmp_path / "all.txt", num_iteration=-1)
    every = sd.as_model(tmp_path / "all.txt")
    np.testing.assert_array_equal(every.predict(X), booster.predict(X, num_iteration=-1))
    assert np.any(every.predict(X) != model.predict(X))
    booster.save_model(tmp_path / "best.txt")
    np.testing.assert_array_equal(
        sd.as_model(str(tmp_path / "best.txt")).predict(X), model.predict(X)
    )


def test_suffix_and_first_line_make_a_model_file(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("trees are nice\n")
    with pytest.raises(ModelError, match="not what its suffix says"):
        sd.as_model(other)
    assert isinstance(open_model(DATA / "categories.txt"), LightGbmFile)
