"""Measures of counterfactuals: by hand, beside plain definitions, and at the edges."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pipelines import one_hot_tree
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd

ABOUT_VALID = ["l0", "l1", "l2", "gower", "sparsity", "redundancy", "diversity", "lof", "ynn"]


GRID = pl.DataFrame({"age": [20, 40, 60]}).join(
    pl.DataFrame({"income": [0.0, 40.0, 60.0, 100.0]}).join(
        pl.DataFrame({"job": ["a", "b", "c"]}).join(pl.DataFrame({"sex": ["f", "m"]}), how="cross"),
        how="cross",
    ),
    how="cross",
)
#: Rich, or of job c.
RULE = sd.as_model(
    one_hot_tree(
        GRID.to_pandas(), ((GRID["income"] > 50) | (GRID["job"] == "c")).to_numpy().astype(int)
    )
)
SPACE = sd.Space(
    {
        "age": sd.Integer(18, 60),
        "income": sd.Continuous(0, 100),
        "job": sd.Categorical(["a", "b", "c"]),
        "sex": sd.Fixed(),
    }
)
QUERIES = pl.DataFrame(
    {
        "age": [30, 40, 50],
        "income": [20.0, 30.0, 10.0],
        "job": ["a", "b", "a"],
        "sex": ["f", "m", "f"],
    }
)
SAMPLES = pl.DataFrame(
    {
        "query": [0, 0, 1, 1, 2],
        "sample": [0, 1, 0, 1, None],
        "age": [30, 40, 40, 61, None],
        "income": [60.0, 70.0, 30.0, 30.0, None],
        "job": ["a", "c", "c", "b", None],
        "sex": ["f", "f", "f", "m", None],
        "valid": [False, True, True, True, None],
        "status": ["complete"] * 4 + ["unreachable"],
    }
)


def evaluate(samples: Any = SAMPLES, **changes: Any) -> dict[str, Any]:
    arguments = {"queries": QUERIES, "model": RULE, "space": SPACE, "reference": GRID, **changes}
    return sd.metrics.evaluate(samples=samples, **arguments).row(0, named=True)


@pytest.mark.parametrize("target", [None, 1])
def test_an_example_by_hand(target: object) -> None:
    found = evaluate(target=target)
    # Ranges: age 40, income 100. Valid: 0.4; 0.25 + 0.5 + 1; 1 + 1. Not valid: the fourth.
    assert found["validity"] == 3 / 4
    assert found["coverage"] == 2 / 3
    assert found["l0"] == (1 + 3 + 2) / 3
    assert found["l1"] == pytest.approx((0.4 + 1.75 + 2) / 3)
    assert found["l2"] == pytest.approx((0.4 + sqrt(0.25**2 + 0.5**2 + 1) + sqrt(2)) / 3)
    assert found["gower"] == pytest.approx((0.4 + 1.75 + 2) / 3 / 4)
    assert found["sparsity"] == pytest.approx(1 - 2 / 4)
    # The second can lose its age, its income or its job; the third its sex.
    assert found["redundancy"] == (0 + 3 + 1) / 3
    # One query has two valid samples: 10 years, 10 of income, another job.
    assert found["diversity"] == pytest.approx((0.25 + 0.1 + 1) / 4)
    # The third changes a fixed column, the fourth leaves the bounds.
    assert found["violations"] == 2


@pytest.mark.parametrize("convert", [pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_every_kind_of_frame_gives_the_same(convert: Callable[[pl.DataFrame], Any]) -> None:
    found = evaluate(convert(SAMPLES), queries=convert(QUERIES), reference=convert(GRID))
    assert found == evaluate()


def test_the_order_of_samples_and_columns_does_not_matter() -> None:
    turned = SAMPLES.select(reversed(SAMPLES.columns)).reverse()
    assert evaluate(turned) == pytest.approx(evaluate(), rel=1e-12)


def without_types(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(schema=frame.columns)


@pytest.mark.parametrize(
    "empty",
    [
        SAMPLES[4:],
        SAMPLES[4:].with_columns(sample=float("nan")),
        SAMPLES[4:].to_pandas(),
        SAMPLES[:0],
        without_types(SAMPLES),
    ],
)
def test_no_samples_at_all(empty: Any) -> None:
    none = evaluate(empty)
    assert none["validity"] is None
    assert none["coverage"] == 0.0
    assert none["violations"] == 0
    assert [none[name] for name in ABOUT_VALID] == [None] * 9


def test_samples_that_miss_the_target() -> None:
    missed = evaluate(SAMPLES[3:4])
    assert missed["validity"] == 0.0
    assert missed["coverage"] == 0.0
    assert missed["violations"] == 1
    assert [missed[name] for name in ABOUT_VALID] == [None] * 9
    schema = sd.metrics.evaluate(QUERIES, SAMPLES[4:], RULE, SPACE, GRID).schema
    assert schema == {name: pl.Int64 if name == "violations" else pl.Float64 for name in schema}
    assert schema == sd.metrics.evaluate(QUERIES, SAMPLES, RULE, SPACE, GRID).schema


def test_a_single_sample_has_no_diversity() -> None:
    one = evaluate(SAMPLES[:1])
    assert one["validity"] == 1.0
    assert one["coverage"] == 1 / 3
    assert one["diversity"] is None
    assert one["l0"] == 1.0


def test_a_sample_equal_to_its_query_is_no_change() -> None:
    same = QUERIES[:1].with_columns(query=0, sample=0)
    found = evaluate(same, target=0)
    assert (found["validity"], found["l0"], found["l1"], found["redundancy"]) == (1, 0, 0, 0)
    assert found["sparsity"] == 1.0
    assert evaluate(same)["validity"] == 0.0


def test_categories_that_are_numbers_keep_their_levels_through_floats() -> None:
    rows = pd.DataFrame({"x": np.linspace(0, 1, 30), "code": [1, 2, 3] * 10})
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows, rows["x"] > 0.5))
    space = sd.Space.from_frame(rows, categorical=["code"])
    samples = pd.DataFrame({"query": [0, 0], "sample": [0, 1], "x": 0.9, "code": [1.0, 3.0]})
    found = sd.metrics.evaluate(rows[:1], samples, model, space, rows).row(0, named=True)
    assert found["l0"] == 1.5
    assert found["l1"] == pytest.approx((0.9 + 1.9) / 2)
    assert found["violations"] == 0


def test_categories_may_mix_text_and_numbers() -> None:
    kinds = pd.Series([1, "a", 2.5] * 10, dtype=object)
    rows = pd.DataFrame({"x": np.linspace(0, 1, 30), "kind": kinds})
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows[["x"]], rows["x"] > 0.5))
    space = sd.Space({"x": sd.Continuous(0, 1), "kind": sd.Categorical([1, "a", 2.5])})
    samples = rows[20:23].assign(query=0, sample=[0, 1, 2])
    found = sd.metrics.evaluate(rows[:1], samples, model, space, rows).row(0, named=True)
    assert found["l0"] == pytest.approx((2 + 1 + 2) / 3)
    assert found["violations"] == 0
    wrong = samples.assign(kind=["1", "b", 2.5])
    found = sd.metrics.evaluate(rows[:1], wrong, model, space, rows).row(0, named=True)
    assert found["l0"] == 2.0
    assert found["violations"] == 2


def test_missing_values_are_a_level_of_their_own() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((80, 2))
    rows[::4, 1] = np.nan
    labels = np.isnan(rows[:, 1])
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows, labels))
    space = sd.Space({"x0": sd.Continuous(0, 1), "x1": sd.Continuous(0, 1)})
    queries = pl.DataFrame({"x0": [0.5, 0.5], "x1": [0.5, float("nan")]})
    samples = pl.DataFrame(
        {"query": [0, 1, 1], "sample": [0, 0, 1], "x0": [0.5, 0.9, 0.5], "x1": [None, None, 0.25]}
    )
    arguments = (queries, samples, model, space, rows)
    found = sd.metrics.evaluate(*arguments, target=True).row(0, named=True)
    width = np.ptp(rows[:, 0])
    # Missing where the query is not: changed, by 1. Missing like the query: unchanged.
    assert found["validity"] == 2 / 3
    assert found["l0"] == 1.0
    assert found["l1"] == pytest.approx((1 + 0.4 / width) / 2)
    # Neighbours of a missing value are rows that miss it.
    assert found["ynn"] == 1.0
    assert found["lof"] < 2.0
    # The space allows no missing value.
    assert found["violations"] == 2
    other = sd.metrics.evaluate(*arguments, target=False).row(0, named=True)
    assert other["l1"] == 1.0


def test_numbers_of_a_column_with_one_value_in_the_reference() -> None:
    rows = np.random.default_rng(0).random((40, 2))
    rows[:, 1] = 7.0
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows, rows[:, 0] > 0.5))
    space = sd.Space({"x0": sd.Continuous(0, 1), "x1": sd.Continuous(0, 100)})
    samples = pl.DataFrame({"query": [0], "sample": [0], "x0": [0.9], "x1": [90.0]})
    queries = np.array([[0.2, 7.0]])
    found = sd.metrics.evaluate(queries, samples, model, space, rows).row(0, named=True)
    assert found["l1"] == pytest.approx(0.7 / np.ptp(rows[:, 0]) + 1)
    at_seven = samples.with_columns(x1=7.0)
    near = sd.metrics.evaluate(queries, at_seven, model, space, rows).row(0, named=True)
    assert found["lof"] > 2 * near["lof"]


def test_outliers_have_a_large_factor_and_foreign_neighbours() -> None:
    rows = np.random.default_rng(0).random((300, 2))
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows, rows[:, 0] > 0.5))
    space = sd.Space({"x0": sd.Continuous(-9, 9), "x1": sd.Continuous(-9, 9)})
    queries = np.array([[0.2, 0.5]])

    def at(x0: float) -> dict[str, Any]:
        samples = pl.DataFrame({"query": [0], "sample": [0], "x0": [x0], "x1": [0.5]})
        return sd.metrics.evaluate(queries, samples, model, space, rows).row(0, named=True)

    inside, edge, far = at(0.8), at(0.51), at(9.0)
    assert inside["lof"] == pytest.approx(1.0, abs=0.15)
    assert far["lof"] > 5.0
    assert inside["ynn"] == far["ynn"] == 1.0
    assert 0.0 < edge["ynn"] < 1.0


def test_columns_of_the_user_named_like_ours_keep_their_names() -> None:
    rows = pd.DataFrame(np.random.default_rng(0).random((30, 2)), columns=["query", "sample"])
    model = sd.as_model(DecisionTreeClassifier(max_depth=1).fit(rows, rows["query"] > 0.5))
    space = sd.Space({"query": sd.Continuous(0, 1), "sample": sd.Continuous(0, 1)})
    asked = pd.DataFrame({"query": [0.1], "sample": [0.3]})
    samples = pl.DataFrame({"query_": [0], "sample_": [0], "query": [0.9], "sample": [0.3]})
    found = sd.metrics.evaluate(asked, samples, model, space, rows).row(0, named=True)
    assert (found["validity"], found["l0"]) == (1.0, 1.0)


def test_regressors_have_a_band_as_target() -> None:
    rows = np.random.default_rng(0).random((50, 2))
    model = sd.as_model(LinearRegression().fit(rows, 10 * rows[:, 0]))
    space = sd.Space({"x0": sd.Continuous(0, 1), "x1": sd.Continuous(0, 1)})
    samples = pl.DataFrame({"query": [0, 0], "sample": [0, 1], "x0": [0.7, 0.4], "x1": [0.5, 0.5]})
    arguments = (np.array([[0.1, 0.5]]), samples, model, space, rows)
    found = sd.metrics.evaluate(*arguments, target=(6, float("inf"))).row(0, named=True)
    assert found["validity"] == 0.5
    assert found["l1"] == pytest.approx(0.6 / np.ptp(rows[:, 0]))
    for target in (None, 7.0):
        with pytest.raises(sd.QuestionError, match=r"must be a band \(lower, upper\)"):
            sd.metrics.evaluate(*arguments, target=target)


def test_violations_are_of_the_space_around_each_query() -> None:
    space = sd.Space(dict(SPACE.kinds), increase_only=["age"])
    samples = SAMPLES[:1]
    assert evaluate(samples, space=space)["violations"] == 0
    older = QUERIES.with_columns(age=pl.Series([31, 40, 50]))
    assert evaluate(samples, space=space, queries=older)["violations"] == 1
    outside = QUERIES.with_columns(age=pl.Series([70, 40, 50]))
    assert evaluate(samples, space=space, queries=outside)["violations"] == 1
    unknown = samples.with_columns(job=pl.lit("d"))
    assert evaluate(unknown)["violations"] == 1


BAD: dict[str, tuple[dict[str, Any], type[sd.SondageError], str]] = {
    "reference lacks a column": (
        {"reference": GRID.drop("job")},
        sd.DataError,
        "reference: the frame has no column 'job'",
    ),
    "samples lack query": (
        {"samples": SAMPLES.drop("query")},
        sd.DataError,
        "samples: the frame has no column 'query'",
    ),
    "samples lack a column": (
        {"samples": SAMPLES.drop("sex")},
        sd.DataError,
        "samples: the frame has no column 'sex'",
    ),
    "queries lack a column": (
        {"queries": QUERIES.drop("age")},
        sd.DataError,
        "queries: the frame has no column 'age'",
    ),
    "no queries": ({"queries": QUERIES[:0]}, sd.DataError, "queries has no rows"),
    "samples are an array": (
        {"samples": np.zeros((2, 6))},
        sd.DataError,
        "samples is an array; a frame",
    ),
    "no such query": (
        {"samples": SAMPLES.with_columns(query=pl.Series([0, 0, 3, 1, 2]))},
        sd.DataError,
        "column 'query' of samples is 3 in row 2; queries has 3 rows, so it must be from 0 to 2",
    ),
    "a query before the first": (
        {"samples": SAMPLES.with_columns(query=pl.Series([-1, 0, 1, 1, 2]))},
        sd.DataError,
        "is -1 in row 0",
    ),
    "no query": (
        {"samples": SAMPLES.with_columns(query=pl.Series([0, None, 1, 1, 2]))},
        sd.DataError,
        "is None in row 1",
    ),
    "queries by name": (
        {"samples": SAMPLES.with_columns(query=pl.Series(list("aabbc")))},
        sd.DataError,
        "column 'query' of samples is String; positions are needed",
    ),
    "a small reference": (
        {"reference": GRID[:20]},
        sd.DataError,
        "reference has 20 rows; .* needs at least 21",
    ),
    "text for numbers": (
        {"samples": SAMPLES.with_columns(income=pl.lit("much"))},
        sd.DataError,
        "column 'income' of samples is String; numbers are needed",
    ),
    "infinite": (
        {"queries": QUERIES.with_columns(income=pl.Series([1.0, float("inf"), 2.0]))},
        sd.DataError,
        "column 'income' of queries is inf in row 1",
    ),
    "no such label": ({"target": "rich"}, sd.QuestionError, "has no class 'rich'"),
    "no model": ({"model": "tree"}, sd.QuestionError, r"a sondage\.Model is needed, not str"),
    "no space": ({"space": ["age"]}, sd.SpaceError, r"must be a sondage\.Space, not list"),
    "a space without a column of the model": (
        {"space": sd.Space({"age": sd.Integer(18, 60)})},
        sd.ModelError,
        "reads columns that the space does not have",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_say_what_is_wrong(name: str) -> None:
    changes, error, message = BAD[name]
    with pytest.raises(error, match=message):
        evaluate(**changes)


def test_a_value_that_the_model_does_not_take_is_named() -> None:
    rows = np.random.default_rng(0).random((30, 2))
    model = sd.as_model(LogisticRegression().fit(rows, rows[:, 0] > 0.5))
    space = sd.Space({"x0": sd.Continuous(0, 1), "x1": sd.Continuous(0, 1)})
    samples = pl.DataFrame({"query": [0], "sample": [0], "x0": [0.9], "x1": [float("nan")]})
    with pytest.raises(sd.DataError, match=r"samples: column .* is nan in row 0"):
        sd.metrics.evaluate(rows[:1], samples, model, space, rows)
    bad = np.where(np.arange(30)[:, None] == 4, np.nan, rows)
    with pytest.raises(sd.DataError, match=r"queries: column .* is nan in row 4"):
        sd.metrics.evaluate(bad, samples, model, space, rows)


def test_scikit_learn_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.neighbors", None)
    with pytest.raises(sd.MissingDependencyError, match="pip install scikit-learn"):
        evaluate()
