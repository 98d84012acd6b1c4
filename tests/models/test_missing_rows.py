"""Models with a rule for missing values on spaces that have such: shares, validity, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import sondage as sd

N = 600
LEVELS = ["p", "q", "r"]


def training() -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Rows of which one in five or four misses each value, and labels that hang on that."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "n": rng.integers(0, 5, N).astype(float),
            "x": rng.random(N),
            "c": pd.Categorical(rng.choice(LEVELS, N), categories=LEVELS),
        }
    )
    for name, share in (("n", 0.2), ("x", 0.25), ("c", 0.2)):
        frame.loc[rng.random(N) < share, name] = np.nan
    labels = (frame["n"].fillna(9) > 2) ^ (frame["x"].fillna(0.9) > 0.5) ^ (frame["c"] == "q")
    return frame, labels.to_numpy()


FRAME, LABELS = training()


def fitted(name: str) -> tuple[Any, pd.DataFrame]:
    """Return a model, and its training rows as it takes them."""
    numbers, words = FRAME[["n", "x"]], FRAME.astype({"c": object})
    encoder = (OneHotEncoder(), ["c"])
    model, rows = {
        "xgboost": (
            xgb.XGBClassifier(n_estimators=20, max_depth=3, enable_categorical=True),
            FRAME,
        ),
        "xgboost, large trees": (
            xgb.XGBClassifier(
                n_estimators=3, max_depth=9, min_child_weight=0.0, enable_categorical=True
            ),
            FRAME,
        ),
        "lightgbm": (lgb.LGBMClassifier(n_estimators=20, num_leaves=8, verbose=-1), FRAME),
        "hist": (
            HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype"),
            FRAME,
        ),
        "forest": (RandomForestClassifier(10, max_depth=4, random_state=0), numbers),
        "imputed": (
            make_pipeline(
                make_column_transformer(encoder, (SimpleImputer(), ["n", "x"])),
                LogisticRegression(),
            ),
            words,
        ),
        "called": (make_pipeline(SimpleImputer(), KNeighborsClassifier(40)), numbers),
    }[name]
    return model.fit(rows, LABELS), rows


def imported(model: object, rows: pd.DataFrame) -> sd.Model:
    if isinstance(model, KNeighborsClassifier) or "kneighbors" in str(getattr(model, "steps", "")):
        with pytest.warns(sd.ForeignModelWarning):
            return sd.as_model(model, check=rows)
    return sd.as_model(model)


def exact_shares(question: sd.Question, space: sd.Space, temperature: float) -> dict[str, float]:
    """Share of missing values in each column, from G on a grid that is fine in x."""
    values, masses = [], []
    fine = 800
    for name in space.columns:
        kind = space.kinds[name]
        if isinstance(kind, sd.Categorical):
            values.append(np.arange(len(kind.levels), dtype=np.float64))
            masses.append(np.ones(len(kind.levels)))
            continue
        assert isinstance(kind, sd.Integer | sd.Continuous)
        assert kind.missing is not None
        if isinstance(kind, sd.Integer):
            numbers = np.arange(kind.lower, kind.upper + 1, dtype=np.float64)
        else:
            numbers = kind.lower + (kind.upper - kind.lower) * (np.arange(fine) + 0.5) / fine
        values.append(np.append(numbers, np.nan))
        own = np.full(len(numbers), (1.0 - kind.missing) / len(numbers))
        masses.append(np.append(own, kind.missing))
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*values, indexing="ij")], axis=1)
    weight = np.prod([axis.ravel() for axis in np.meshgrid(*masses, indexing="ij")], axis=0)
    frame = {}
    for j, name in enumerate(space.columns):
        kind = space.kinds[name]
        own = grid[:, j]
        frame[name] = (
            pl.Series([kind.levels[int(k)] for k in own], dtype=pl.Enum(LEVELS))
            if isinstance(kind, sd.Categorical)
            else pl.Series(own)
        )
    weight *= np.exp(-question.evaluate(pl.DataFrame(frame), space) / temperature)
    shares = {}
    for j, name in enumerate(space.columns):
        kind = space.kinds[name]
        last = len(kind.levels) - 1.0 if isinstance(kind, sd.Categorical) else np.nan
        missing = np.isnan(grid[:, j]) | (grid[:, j] == last)
        shares[name] = float(weight[missing].sum() / weight.sum())
    return shares


def as_the_model_takes(answer: sd.Answer, rows: pd.DataFrame) -> pd.DataFrame:
    frame = answer.to_pandas()[list(rows.columns)]
    if "c" in frame and rows["c"].dtype == object:
        frame["c"] = frame["c"].astype(object).where(frame["c"].notna(), np.nan)
    return frame


MODELS = ["xgboost", "xgboost, large trees", "lightgbm", "hist", "forest", "imputed", "called"]


@pytest.mark.parametrize(
    ("name", "kernel"),
    [(name, "auto") for name in MODELS]
    + [(name, sd.RandomWalk()) for name in ("xgboost", "imputed")]
    + [("lightgbm", sd.Independence())]
    + [("xgboost", sd.Conditional()), ("xgboost, large trees", sd.Conditional())],
)
def test_values_are_missing_as_often_as_the_law_says(name: str, kernel: Any) -> None:
    model, rows = fitted(name)
    space = sd.Space.from_frame(rows, integer=["n"], missing="allow")
    held = imported(model, rows)
    query = {"n": None, "x": 0.25, "c": "q"}
    weights = {column: {"n": 0.02, "x": 0.5, "c": 0.2}[column] for column in rows}
    question = sd.fixed_label(held, True) + sd.near(query, weights=weights)
    settings: dict[str, Any] = {"draws": 1500, "chains": 16, "seed": 3, "thin": 5}
    if name == "called":
        settings |= {"draws": 250, "chains": 32, "thin": 6, "warmup": 300}
    answer = sd.ask(question, space, kernel=kernel, temperature=0.8, progress=False, **settings)
    exact = exact_shares(question, space, 0.8)
    assert all(0.03 < share < 0.97 for share in exact.values())
    for column, share in exact.items():
        missing = answer.frame[column].is_null().to_numpy().reshape(answer.energies.shape)
        means = missing.mean(axis=1)
        error = means.std(ddof=1) / np.sqrt(len(means))
        assert abs(means.mean() - share) < 4.5 * error + 1e-3, (column, share, means.mean())
    # The rows that come back are what the library says they are.
    predicted = np.asarray(model.predict(as_the_model_takes(answer, rows))).astype(bool)
    assert (answer.frame["valid"].to_numpy() == predicted).all()
    assert space.contains(answer.frame).all()


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "hist"])
def test_required_rows_are_valid_and_their_file_is_bit_equal(name: str, tmp_path: Path) -> None:
    model, rows = fitted(name)
    space = sd.Space.from_frame(rows, integer=["n"], missing="allow")
    question = sd.require(sd.as_model(model), True) + sd.near({"n": None, "x": None, "c": None})
    answer = sd.ask(question, space, draws=300, chains=4, seed=1, progress=False)
    assert answer.frame["valid"].all()
    assert model.predict(as_the_model_takes(answer, rows)).astype(bool).all()
    assert min(answer.frame.select(rows.columns).null_count().row(0)) > 0
    again = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    assert again.frame.equals(answer.frame)
    assert again.draws.tobytes() == answer.draws.tobytes()
    alone = sd.ask(question, space, draws=300, chains=1, seed=1, progress=False, threads=1)
    assert alone.draws[0].tobytes() == answer.draws[0].tobytes()


def test_energies_are_those_of_the_library_where_values_are_missing() -> None:
    for name in ("xgboost", "xgboost, large trees", "lightgbm", "hist"):
        model, rows = fitted(name)
        space = sd.Space.from_frame(rows, integer=["n"], missing="allow")
        answer = sd.ask(
            sd.fixed_label(sd.as_model(model), True), space, draws=200, seed=2, progress=False
        )
        proba = model.predict_proba(as_the_model_takes(answer, rows))[:, 1]
        assert answer.energies.ravel() == pytest.approx(-np.log(proba), rel=1e-5, abs=1e-6)


def test_a_fixed_value_is_missing_for_the_model_too() -> None:
    model, rows = fitted("lightgbm")
    space = sd.Space.from_frame(rows, integer=["n"], missing="allow").fix({"n": None, "c": None})
    held = sd.as_model(model)
    answer = sd.ask(sd.fixed_label(held, True), space, draws=100, seed=2, progress=False)
    assert answer.frame.select("n", "c").null_count().row(0) == (answer.energies.size,) * 2
    proba = model.predict_proba(as_the_model_takes(answer, rows).astype(rows.dtypes.to_dict()))
    assert answer.energies.ravel() == pytest.approx(-np.log(proba[:, 1]), rel=1e-9)


def test_levels_that_are_numbers_may_be_missing() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"k": rng.choice([3.0, 7.0, np.nan], 300), "x": rng.random(300)})
    labels = frame["k"].isna() ^ (frame["x"] > 0.5)
    model = xgb.XGBClassifier(n_estimators=10, max_depth=2).fit(frame, labels)
    space = sd.Space.from_frame(frame, categorical=["k"], missing="allow")
    assert space.kinds["k"] == sd.Categorical([3.0, 7.0, None])
    answer = sd.ask(sd.require(sd.as_model(model), True), space, draws=200, seed=5, progress=False)
    assert answer.frame["valid"].all()
    assert model.predict(answer.to_pandas()[["k", "x"]]).all()
    assert set(answer.frame["k"].unique()) == {3.0, 7.0, None}


def test_trees_too_large_for_bit_vectors_read_what_is_looked_up() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.random(3000),
            "z": rng.random(3000),
            "k": pd.Categorical(rng.choice(LEVELS, 3000)),
        }
    )
    labels = frame["x"] + frame["z"] + rng.random(3000) + (frame["k"] == "q") > 1.8
    model = xgb.XGBClassifier(n_estimators=3, max_depth=9, enable_categorical=True)
    held = sd.as_model(model.fit(frame, labels))
    space = sd.Space(
        {"x": sd.Continuous(0, 1), "z": sd.Continuous(0, 1), "k": sd.Categorical(["r", "p"])}
    )
    question = sd.fixed_label(held, 1)
    answer = sd.ask(
        question, space, kernel=sd.Conditional(), draws=50, chains=8, seed=1, progress=False
    )
    assert answer.energies.ravel().tolist() == question.evaluate(answer.frame, space).tolist()


def test_a_category_with_a_level_for_missing_numbers_is_declared_as_such() -> None:
    rows = FRAME[["n"]]
    pipeline = make_pipeline(OneHotEncoder(), LogisticRegression())
    held = sd.as_model(pipeline.fit(rows, LABELS))
    whole = sd.Space.from_frame(rows, integer=["n"], missing="allow")
    with pytest.raises(sd.ModelError, match="'n' as a category with a level for missing values"):
        sd.ask(sd.require(held, True), whole, progress=False)
    space = sd.Space.from_frame(rows, categorical=["n"], missing="allow")
    answer = sd.ask(sd.fixed_label(held, True), space, draws=200, seed=5, progress=False)
    predicted = pipeline.predict(answer.to_pandas()[["n"]])
    assert (predicted == answer.frame["valid"].to_numpy()).all()
    assert answer.frame["n"].null_count() > 0


def test_a_number_may_be_missing_beside_a_category_that_may_not() -> None:
    rows = FRAME.assign(c=FRAME["c"].astype(object).fillna("p"))
    encoder = make_column_transformer((OneHotEncoder(), ["c"]), ("passthrough", ["n", "x"]))
    pipeline = make_pipeline(encoder, DecisionTreeClassifier(max_depth=4, random_state=0))
    held = sd.as_model(pipeline.fit(rows, LABELS))
    space = sd.Space.from_frame(rows, integer=["n"], missing="allow")
    answer = sd.ask(sd.require(held, True), space, draws=200, seed=5, progress=False)
    assert pipeline.predict(answer.to_pandas()[["n", "x", "c"]]).all()
    assert answer.frame["n"].null_count() > 0
    assert answer.frame["x"].null_count() > 0
    with pytest.raises(sd.DataError, match="'c'"):
        held.predict(rows.assign(c=None))
