"""Counterfactuals of many rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sondage as sd


def people(n: int = 1500, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.lognormal(3.0, 0.5, n),
            "job": np.array(["clerk", "cook", "smith"])[rng.integers(0, 3, n)],
            "sex": np.array(["f", "m"])[rng.integers(0, 2, n)],
            "member": rng.random(n) < 0.5,
        }
    )


DATA = people()
LABELS = np.where(
    DATA["income"].to_numpy()
    + 4.0 * (DATA["job"] == "smith").to_numpy()
    + 2.0 * DATA["member"].to_numpy()
    - 0.05 * DATA["age"].to_numpy()
    > 22.0,
    "yes",
    "no",
)
FIXED = ["age", "sex"]
SPACE = sd.Space.from_frame(DATA, fixed=FIXED, reference=sd.reference.chow_liu(DATA))


def fitted(last: object) -> sd.Model:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job", "sex"]), remainder=StandardScaler()
    )
    return sd.as_model(make_pipeline(encoder, last).fit(DATA.to_pandas(), LABELS))


TREES = fitted(GradientBoostingClassifier(n_estimators=30, random_state=0))
LOGISTIC = fitted(LogisticRegression())
MODELS = pytest.mark.parametrize("model", [TREES, LOGISTIC], ids=["trees", "logistic"])
REFUSED = (TREES.predict(DATA) == "no") & (LOGISTIC.predict(DATA) == "no")
QUERIES = DATA.filter(pl.Series(REFUSED))[:25]


@MODELS
@pytest.mark.parametrize("frame", ["polars", "pandas"])
def test_every_row_is_valid_and_keeps_what_is_fixed(model: sd.Model, frame: str) -> None:
    queries = QUERIES.to_pandas() if frame == "pandas" else QUERIES
    found = sd.counterfactuals(model, queries, "yes", SPACE, n=4, seed=1)
    assert found.columns == ["query", "sample", *DATA.columns, "valid", "status", "reason"]
    assert dict(found.schema)["age"] == pl.Int64
    assert found["valid"].all()
    assert set(found["status"]) <= {"complete", "fewer"}
    assert found["query"].unique().to_list() == list(range(25))
    assert (model.predict(found) == "yes").all()
    assert SPACE.contains(found).all()
    asked = QUERIES[found["query"].to_list()]
    for name in FIXED:
        assert found[name].to_list() == asked[name].to_list()
    per_query = found.group_by("query").len()["len"]
    assert per_query.max() == 4
    short = found.filter(pl.col("status") == "fewer")
    assert short["reason"].is_not_null().all()
    assert found.filter(pl.col("status") == "complete")["reason"].is_null().all()
    assert found.select("query", *DATA.columns).is_unique().all()


@MODELS
def test_no_change_is_needless(model: sd.Model) -> None:
    found = sd.counterfactuals(model, QUERIES, "yes", SPACE, n=4, seed=1)
    asked = QUERIES[found["query"].to_list()]
    for name in ("income", "job", "member"):
        changed = (found[name] != asked[name]).to_numpy()
        undone = found.with_columns(asked[name])
        assert (model.predict(undone)[changed] == "no").all(), name


@MODELS
def test_an_answer_depends_on_seed_and_row_alone(model: sd.Model) -> None:
    ask = {"n": 3, "seed": 5}
    together = sd.counterfactuals(model, QUERIES, "yes", SPACE, **ask)
    threads = sd.counterfactuals(model, QUERIES, "yes", SPACE, **ask, threads=3)
    assert together.equals(threads)
    order = [7, 3, 24, 3]
    some = sd.counterfactuals(model, QUERIES[order], "yes", SPACE, **ask)
    for position, query in enumerate(order):
        mine = some.filter(pl.col("query") == position).drop("query")
        assert mine.equals(together.filter(pl.col("query") == query).drop("query"))
    other = sd.counterfactuals(model, QUERIES, "yes", SPACE, n=3, seed=6)
    assert not other.equals(together)


def test_bounds_around_the_query() -> None:
    # The other way round from what helps.
    space = sd.Space.from_frame(DATA, increase_only=["age"], decrease_only=["income"])
    found = sd.counterfactuals(TREES, DATA.filter(pl.Series(REFUSED)), "yes", space, n=3, seed=0)
    found = found.filter(pl.col("sample").is_not_null())
    asked = DATA.filter(pl.Series(REFUSED))[found["query"].to_list()]
    assert len(found) > 50
    assert (found["income"] <= asked["income"]).all()
    assert (found["age"] >= asked["age"]).all()


@MODELS
@pytest.mark.parametrize(
    "condition",
    [
        "job == 'cook' => income >= 25",
        lambda frame: (frame["job"] != "cook") | (frame["income"] >= 25),
    ],
    ids=["text", "function"],
)
def test_conditions_of_the_space_hold(model: sd.Model, condition: object) -> None:
    free = sd.Space.from_frame(DATA, fixed=FIXED)
    space = free.where(condition)  # type: ignore[arg-type]
    queries = QUERIES.filter(pl.col("job") == "cook")[:4]
    found = sd.counterfactuals(model, queries, "yes", space, n=3, seed=2)
    assert found["valid"].all()
    assert set(found["status"]) <= {"complete", "fewer"}
    assert space.contains(found).all()


def test_constraints_that_bind_are_named() -> None:
    space = SPACE.where("income > 40").where("income < 10")
    lost = sd.counterfactuals(TREES, QUERIES[:2], "yes", space, seed=0)
    assert lost["status"].to_list() == ["not_found"] * 2
    assert "breaks the constraint 'income" in lost["reason"][0]


def test_a_change_of_a_smooth_model_has_many_values() -> None:
    frame = DATA.select("income")
    model = sd.as_model(LogisticRegression().fit(frame.to_pandas(), LABELS))
    queries = frame.filter(pl.Series(model.predict(frame) == "no"))[:3]
    found = sd.counterfactuals(model, queries, "yes", sd.Space.from_frame(frame), n=8, seed=0)
    assert found["status"].to_list() == ["complete"] * 24


def test_weights_say_which_changes_cost() -> None:
    space = sd.Space.from_frame(DATA, fixed=FIXED)

    def share(**weights: float) -> float:
        found = sd.counterfactuals(TREES, QUERIES, "yes", space, seed=0, weights=weights)
        asked = QUERIES[found["query"].to_list()]
        return float((found["job"] != asked["job"]).mean())

    assert share(job=0.3) > share() > share(job=4.0)


def test_queries_without_an_answer_have_a_reason() -> None:
    yes = DATA.filter(pl.Series(TREES.predict(DATA) == "yes"))[:1]
    queries = pl.concat(
        [
            QUERIES[:1],
            yes,
            QUERIES[:1].with_columns(income=pl.lit(-1.0)),
            QUERIES[:1].with_columns(job=pl.lit("king")),
            QUERIES[:1].with_columns(income=pl.lit(None, dtype=pl.Float64)),
            QUERIES[:1].with_columns(sex=pl.lit("x")),
            QUERIES[1:2],
        ]
    )
    found = sd.counterfactuals(TREES, queries, "yes", SPACE, n=2, seed=1)
    status = {row["query"]: row for row in found.to_dicts()}
    assert [status[i]["status"] for i in range(5)] == [
        "complete",
        "already",
        "outside",
        "outside",
        "outside",
    ]
    assert "'income' is -1.0" in status[2]["reason"]
    assert "'king'; its levels are 'clerk'" in status[3]["reason"]
    assert "column 'income' is None" in status[4]["reason"]
    # The model knows what to do with another sex, and the space leaves it to the query.
    assert status[5]["status"] == "complete"
    assert status[5]["sex"] == "x"
    none = found.filter(pl.col("query").is_in([1, 2, 3, 4]))
    assert none["sample"].null_count() == none["income"].null_count() == 4
    assert not none["valid"].any()
    rest = sd.counterfactuals(TREES, QUERIES[:2], "yes", SPACE, n=2, seed=1)
    assert found.filter(pl.col("query") == 0).equals(rest.filter(pl.col("query") == 0))

    tight = sd.Space.from_frame(DATA, fixed=[*FIXED, "job", "member"], bounds={"income": (0, 8)})
    poor = QUERIES.filter(pl.col("income") < 8)[:2]
    lost = sd.counterfactuals(TREES, poor, "yes", tight, seed=0)
    assert lost["status"].to_list() == ["not_found"] * len(poor)
    assert "nearest reached a probability of" in lost["reason"][0]


def test_a_regression_answers_in_a_band() -> None:
    forest = RandomForestRegressor(20, max_depth=5, random_state=0)
    frame = DATA.select("age", "income").to_pandas()
    model = sd.as_model(forest.fit(frame, 2.0 * frame["income"] - frame["age"]))
    space = sd.Space.from_frame(frame)
    queries = frame[model.predict(frame) < 20.0][:10]
    found = sd.counterfactuals(model, queries, (20.0, 30.0), space, n=3, seed=0)
    assert found["valid"].all()
    assert ((model.predict(found) >= 20.0) & (model.predict(found) <= 30.0)).all()
    narrow = sd.Space.from_frame(frame, fixed=["age"], bounds={"income": (0.0, 10.0)})
    few = frame[(frame["income"] < 10.0)][:3]
    lost = sd.counterfactuals(model, few, (90.0, 95.0), narrow, n=3, seed=0)
    assert set(lost["status"]) == {"not_found"}
    assert "nearest reached the value" in lost["reason"][0]


def test_own_columns_give_way() -> None:
    frame = DATA.select("age", "income").rename({"age": "query", "income": "valid"})
    model = sd.as_model(LogisticRegression().fit(frame.to_pandas(), LABELS))
    queries = frame.filter(pl.Series(model.predict(frame) == "no"))[:2]
    space = sd.Space.from_frame(frame)
    found = sd.counterfactuals(model, queries, "yes", space, n=2, seed=0)
    assert found.columns == ["query_", "sample", "query", "valid", "valid_", "status", "reason"]


def test_fixed_columns_of_unknown_kinds_are_answered_apart() -> None:
    kinds = dict(SPACE.kinds)
    bare = sd.Space({**kinds, "age": sd.Fixed(), "sex": sd.Fixed()})
    found = sd.counterfactuals(TREES, QUERIES[:4], "yes", bare, n=2, seed=0)
    assert found["valid"].all()
    assert found["age"].to_list() == QUERIES[found["query"].to_list()]["age"].to_list()


def test_arguments_are_checked() -> None:
    ask = {"model": TREES, "rows": QUERIES, "target": "yes", "space": SPACE}
    for change, error, words in [
        ({"target": "maybe"}, sd.QuestionError, "'maybe'"),
        ({"model": 3}, sd.QuestionError, "sondage.Model"),
        ({"space": {}}, sd.SpaceError, "sondage.Space"),
        ({"n": 0}, sd.SamplingError, "n=0"),
        ({"near": -1}, sd.SamplingError, "near=-1"),
        ({"temperature": 0}, sd.SamplingError, "temperature=0"),
        ({"engine": "ray"}, sd.SamplingError, "engine='ray'"),
        ({"weights": {"wage": 1}}, sd.SpaceError, "'wage'"),
        ({"weights": {"age": 0}}, sd.SamplingError, "weights"),
        ({"rows": QUERIES.drop("job")}, sd.DataError, "'job'"),
        ({"seed": -1}, sd.SamplingError, "seed=-1"),
    ]:
        with pytest.raises(error, match=words):
            sd.counterfactuals(**{**ask, **change})
    none = sd.counterfactuals(TREES, QUERIES[:0], "yes", SPACE)
    assert none.columns == ["query", "sample", *DATA.columns, "valid", "status", "reason"]
    assert len(none) == 0
    late = sd.counterfactuals(TREES, QUERIES, "yes", SPACE, max_seconds=1e-9)
    assert set(late["status"]) == {"timed_out"}


def test_pandas_categories_come_back() -> None:
    frame = DATA.to_pandas()
    frame["job"] = pd.Categorical(frame["job"], categories=["smith", "cook", "clerk"])
    space = sd.Space.from_frame(frame, fixed=FIXED)
    found = sd.counterfactuals(TREES, frame[LABELS == "no"][:5], "yes", space, n=2, seed=0)
    assert found.schema["job"] == pl.Enum(["smith", "cook", "clerk"])


def test_models_of_other_libraries_are_answered_one_by_one() -> None:
    weights = np.array([-0.05, 1.0])

    def margin(rows: np.ndarray) -> np.ndarray:
        return rows @ weights - 20.0

    space = sd.Space.from_frame(DATA.select("age", "income"), fixed=["age"])
    with pytest.warns(sd.ForeignModelWarning):
        model = sd.as_model(margin, output="score", classes=["no", "yes"], space=space)
    numbers = DATA.select("age", "income")
    queries = numbers.filter(pl.Series(margin(numbers.to_numpy()) < -3.0))[:3]
    found = sd.counterfactuals(model, queries, "yes", space, n=3, seed=1)
    assert found["valid"].all()
    assert (margin(found.select("age", "income").to_numpy()) > 0.0).all()
    assert found["age"].to_list() == queries[found["query"].to_list()]["age"].to_list()
    again = sd.counterfactuals(model, queries[2:], "yes", space, n=3, seed=1)
    assert again.drop("query").equals(found.filter(pl.col("query") == 2).drop("query"))
    tight = sd.Space.from_frame(queries, fixed=["age"], bounds={"income": (0.0, 15.0)})
    lost = sd.counterfactuals(model, queries[:1], "yes", tight, n=3, seed=1)
    assert lost["status"].to_list() in (["not_found"], ["outside"])
    assert lost["reason"][0]
    both = sd.Space.from_frame(DATA.select("age", "income"))
    free = sd.counterfactuals(model, queries, "yes", both, n=3, seed=1, near=0.01)
    asked = queries[free["query"].to_list()]
    for name in ("age", "income"):
        changed = (free[name] != asked[name]).to_numpy()
        undone = free.with_columns(asked[name]).select("age", "income")
        assert (margin(undone.to_numpy())[changed] <= 0.0).all()
    stuck = sd.Space.from_frame(queries, fixed=["age", "income"])
    still = sd.counterfactuals(model, queries[:1], "yes", stuck, n=3, seed=1)
    assert still["status"].to_list() == ["not_found"]
    assert "every column is fixed" in still["reason"][0]


def test_ask_each_asks_a_question_for_every_row() -> None:
    def question(row: dict[str, object]) -> sd.Question:
        return sd.fixed_label(TREES, "yes") + 0.1 * sd.near(row, norm=1)

    settings = {"draws": 20, "chains": 2, "temperature": 0.5, "seed": 3}
    rows = pl.concat([QUERIES[:3], QUERIES[:1].with_columns(job=pl.lit("king"))])
    space = sd.Space.from_frame(DATA, fixed=FIXED, bounds={"income": (1.0, 200.0)})
    found = sd.ask_each(question, rows, space, **settings)
    assert found.columns[:1] + found.columns[-2:] == ["query", "status", "reason"]
    assert found.group_by("query", maintain_order=True).len()["len"].to_list() == [40, 40, 40, 40]
    assert found["age"].to_list() == rows[found["query"].to_list()]["age"].to_list()
    alone = sd.ask_each(question, rows[1:2], space, **settings)
    assert alone.drop("query").equals(found.filter(pl.col("query") == 1).drop("query"))
    beyond = sd.ask_each(
        question,
        rows[:1],
        sd.Space.from_frame(DATA, increase_only=["income"], bounds={"income": (500.0, 900.0)}),
        **settings,
    )
    assert beyond["status"].to_list() == ["outside"]
    assert "'income' cannot be" in beyond["reason"][0]
    nowhere = sd.ask_each(
        question, rows[:2], space.where("income > 40").where("income < 10"), **settings
    )
    assert nowhere["status"].to_list() == ["not_found"] * 2
    assert "none met both" in nowhere["reason"][0]
    with pytest.raises(sd.SamplingError, match="draws=0"):
        sd.ask_each(question, rows[:1], space, **{**settings, "draws": 0})
    with pytest.raises(sd.QuestionError, match="make_question returned int"):
        sd.ask_each(lambda _: 3, rows, space)  # type: ignore[arg-type,return-value]


def test_missing_values_are_kept_or_filled() -> None:
    boosting = pytest.importorskip("xgboost").XGBClassifier(n_estimators=20, max_depth=3)
    rng = np.random.default_rng(0)
    frame = DATA.select("age", "income").with_columns(
        age=pl.when(pl.Series(rng.random(len(DATA)) < 0.2)).then(None).otherwise("age").cast(float)
    )
    labels = (LABELS == "yes").astype(int)
    model = sd.as_model(boosting.fit(frame.to_pandas(), labels))
    space = sd.Space.from_frame(frame, missing="allow", bounds={"income": (5.0, 60.0)})
    refused = (model.predict(frame) == 0) & space.contains(frame)
    queries = frame.filter(pl.Series(refused))
    queries = pl.concat(
        [
            queries.filter(pl.col("age").is_null())[:1],
            queries.filter(pl.col("age").is_not_null())[:1],
        ]
    )
    found = sd.counterfactuals(model, queries, 1, space, n=3, seed=0)
    assert found["valid"].all()
    assert set(found["status"]) <= {"complete", "fewer"}
    assert space.contains(found).all()
    with pytest.raises(sd.SpaceError, match="missing"):
        space.where("age >= 30")
