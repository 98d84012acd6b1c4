"""Columns whose values may be missing: spaces, rows of them, and what is read off answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage._encoding import decode, encode
from sondage._lookups import Lookups
from sondage._text import percent
from sondage.columns import missing_weight
from sondage.convergence import missing_convergence
from sondage.report import content

FRAME = pl.DataFrame(
    {
        "age": pl.Series([20, None, 60, 40], dtype=pl.Int16),
        "rate": pl.Series([0.5, float("nan"), None, 2.5], dtype=pl.Float32),
        "job": pl.Series(["b", "a", None, "b"], dtype=pl.Enum(["b", "a"])),
        "member": pl.Series([True, False, None, None]),
        "gone": pl.Series([None] * 4, dtype=pl.Float64),
        "once": pl.Series([3, 3, None, 3]),
        "full": [1.0, 2.0, 3.0, 4.0],
    }
)
KINDS = {
    "age": sd.Integer(20, 60, missing=0.25),
    "rate": sd.Continuous(0.5, 2.5, missing=0.5),
    "job": sd.Categorical(["a", "b", None]),
    "member": sd.Categorical([False, True, None]),
    "gone": sd.Fixed(None, missing=True),
    "once": sd.Categorical([3, None]),
    "full": sd.Continuous(1.0, 4.0),
}


@pytest.fixture
def space() -> sd.Space:
    return sd.Space.from_frame(FRAME, missing="allow")


@pytest.mark.parametrize("given", [FRAME, FRAME.to_pandas(), FRAME.to_arrow()])
def test_missing_values_are_read_off_a_frame(given: Any) -> None:
    space = sd.Space.from_frame(given, missing="allow")
    assert dict(space.kinds) == KINDS | {"age": space.kinds["age"], "once": space.kinds["once"]}
    if isinstance(given, pd.DataFrame):  # its whole numbers have become floats
        space = sd.Space.from_frame(given, integer=["age"], missing="allow")
    assert space.kinds["age"] == KINDS["age"]
    assert space.contains(given).all()


def test_a_nullable_frame_of_pandas_is_read_alike() -> None:
    given = FRAME.select("age", "rate", "member").to_pandas().convert_dtypes()
    space = sd.Space.from_frame(given, missing="allow")
    assert [space.kinds[name] for name in ("age", "member")] == [KINDS["age"], KINDS["member"]]
    assert space.contains(given).all()
    assert np.isnan(encode(given, space)[:, 0]).tolist() == [False, True, False, False]


def test_without_leave_missing_values_are_refused_with_the_way_out() -> None:
    with pytest.raises(sd.DataError, match=r"'age': the value in row 1 is None.*missing=\"allow\""):
        sd.Space.from_frame(FRAME)
    infinite = pl.DataFrame({"x": [1.0, float("inf"), None]})
    with pytest.raises(sd.DataError, match=r"row 1 is inf.*drop or fill these rows$"):
        sd.Space.from_frame(infinite, missing="allow")
    with pytest.raises(sd.SpaceError, match="'gone': it holds missing values only"):
        sd.Space.from_frame(FRAME, missing="allow", bounds={"gone": (0, 1)})


def test_a_complete_frame_gives_the_same_space_either_way() -> None:
    frame = FRAME.select("full")
    assert sd.Space.from_frame(frame, missing="allow") == sd.Space.from_frame(frame)


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan"), "0.5", True])
def test_a_share_lies_between_0_and_1(share: Any) -> None:
    for kind in (sd.Continuous, sd.Integer):
        with pytest.raises(sd.SpaceError, match="share between 0 and 1"):
            kind(0, 1, missing=share)
    assert sd.Integer(0, 1, missing=0) == sd.Integer(0, 1)


def test_kinds_say_in_code_what_they_are() -> None:
    for kind in (*KINDS.values(), sd.Fixed(missing=True)):
        assert eval(f"sd.{kind!r}") == kind  # noqa: S307 - our own words
    assert repr(KINDS["age"]) == "Integer(lower=20, upper=60, missing=0.25)"
    assert repr(sd.Fixed(missing=True)) == "Fixed(missing=True)"
    assert sd.Fixed(3, missing=True) == sd.Fixed(3)
    with pytest.raises(sd.SpaceError, match="must be True or False"):
        sd.Fixed(3, missing=0.2)  # type: ignore[arg-type]


def test_a_missing_value_weighs_its_share() -> None:
    assert missing_weight(sd.Continuous(0.0, 3.0, missing=0.25)) == pytest.approx(1.0)
    assert missing_weight(sd.Integer(0, 3, missing=0.2)) == pytest.approx(1.0)
    assert missing_weight(sd.Integer(0, 3)) == missing_weight(sd.Categorical(["a", None])) == 0.0


def test_contains_accepts_missing_values_where_they_may_be(space: sd.Space) -> None:
    rows = FRAME[[0] * len(space.columns)]
    missing = pl.DataFrame(
        [
            pl.Series(name, [None if i == j else v for i, v in enumerate(rows[name])], dtype)
            for j, (name, dtype) in enumerate(rows.schema.items())
        ]
    )
    assert space.contains(missing).tolist() == [name != "full" for name in space.columns]
    assert space.contains(FRAME[:1].with_columns(age=None)).all()
    filled = FRAME.with_columns(gone=0.0)
    assert not space.contains(filled).any()


def test_rows_go_in_and_come_back(space: sd.Space) -> None:
    rows = encode(FRAME, space)
    assert rows[:, 2].tolist() == [1.0, 0.0, 2.0, 1.0]
    assert np.isnan(rows[:, :2]).tolist() == [[False] * 2, [True] * 2, [False, True], [False] * 2]
    assert not np.isnan(rows[:, 2:]).any()
    back = decode(rows, space)
    assert back.schema == FRAME.schema
    assert back.equals(FRAME.with_columns(pl.col("rate").fill_nan(None)))
    with pytest.raises(sd.DataError, match="column 'full' of the frame is nan in row 2"):
        encode(FRAME.with_columns(full=pl.Series([1.0, 2.0, None, 4.0])), space)


def test_what_is_fixed_may_be_missing(space: sd.Space) -> None:
    fixed = space.fix({"age": None, "job": float("nan"), "rate": 1.0})
    assert fixed.kinds["age"] == fixed.kinds["job"] == sd.Fixed(None, missing=True)
    assert fixed.kinds["rate"] == sd.Fixed(1.0)
    assert decode(np.zeros((1, 7)), fixed).schema == FRAME.schema
    with pytest.raises(sd.SpaceError, match="column 'full' cannot be None"):
        space.fix({"full": None})


def test_the_space_around_a_query_keeps_whether_its_value_is_missing() -> None:
    space = sd.Space.from_frame(
        FRAME, missing="allow", fixed=["job", "full"], increase_only=["age"], decrease_only=["rate"]
    )
    assert space.kinds["job"] == sd.Fixed(missing=True)
    query = FRAME.row(0, named=True)
    around = space.around(query | {"age": None, "job": None})
    assert around.kinds["age"] == around.kinds["job"] == sd.Fixed(None, missing=True)
    around = space.around(query | {"rate": 2.0})
    assert around.kinds["age"] == sd.Integer(20, 60)
    assert around.kinds["rate"] == sd.Continuous(0.5, 2.0)
    assert around.kinds["job"] == sd.Fixed("b")
    with pytest.raises(sd.SpaceError, match="must not be None"):
        space.around(query | {"full": None})


def test_near_counts_a_missing_value_as_the_width_away() -> None:
    space = sd.Space(
        {
            "n": sd.Integer(0, 6, missing=0.1),
            "x": sd.Continuous(0.0, 5.0, missing=0.2),
            "c": sd.Categorical(["a", None]),
        }
    )
    frame = pl.DataFrame({"n": [None, 2, 6], "x": [1.0, None, None], "c": ["a", None, "a"]})
    weights = {"n": 2.0, "x": 1.0, "c": 10.0}
    near = sd.near({"n": None, "x": 4.0, "c": None}, weights=weights)
    assert near.evaluate(frame, space).tolist() == [9 + 10, 72 + 25, 72 + 25 + 10]
    near = sd.near({"n": 1, "x": float("nan"), "c": "a"}, weights=weights, norm=1)
    assert near.evaluate(frame, space).tolist() == [12 + 5, 2 + 10, 10]
    assert near == sd.near({"n": 1, "x": None, "c": "a"}, weights=weights, norm=1)
    assert "x = missing" in near.describe()
    complete = sd.Space({"n": sd.Integer(0, 6)})
    with pytest.raises(sd.QuestionError, match="None for column 'n'; a number is needed: no value"):
        sd.ask(sd.near({"n": None}), complete, progress=False)


def test_lookups_know_no_value_of_a_missing_one() -> None:
    lookups = Lookups(1)
    lookups.column(0, 2.0, np.array([7.0, 9.0]))
    rows = lookups.appended(np.array([[3.0], [np.nan]]))
    assert rows[0].tolist() == [3.0, 9.0]
    assert np.isnan(rows[1]).all()


def test_models_without_a_rule_say_so() -> None:
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"a": rng.random(50), "b": rng.random(50)})
    linear = sd.as_model(LogisticRegression().fit(rows.to_pandas(), rows["a"] > 0.5))
    space = sd.Space({"a": sd.Continuous(0, 1, missing=0.1), "b": sd.Continuous(0, 1)})
    message = "no rule for a missing value, which the space allows in column 'a'.*impute.*forbid"
    with pytest.raises(sd.ModelError, match=message):
        sd.ask(sd.fixed_label(linear, 1), space, progress=False)
    with pytest.raises(sd.ModelError, match=message):
        sd.fixed_label(linear, 1).evaluate(rows, space.fix({"a": None}))
    with pytest.warns(sd.ForeignModelWarning):
        function = sd.as_model(
            lambda x: np.asarray(x)[:, 0],
            output="value",
            space=sd.Space({"a": sd.Continuous(0, 1)}),
        )
    with pytest.raises(sd.ModelError, match=message):
        sd.ask(sd.fixed_label(function, 0.5), space, progress=False)


def test_a_model_that_does_not_read_the_column_has_nothing_to_refuse() -> None:
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"b": rng.random(50)}).to_pandas()
    model = sd.as_model(LogisticRegression().fit(rows, rows["b"] > 0.5))
    space = sd.Space({"a": sd.Continuous(0, 1, missing=0.5), "b": sd.Continuous(0, 1)})
    answer = sd.ask(sd.fixed_label(model, True), space, draws=500, seed=2, progress=False)
    # Chains that are independent: the share of each is worth some hundred draws.
    shares = np.isnan(answer.draws[:, :, 0]).mean(axis=1)
    assert abs(shares.mean() - 0.5) < 4.5 * shares.std(ddof=1) / np.sqrt(len(shares))


def test_kernels_that_cannot_leap_are_told_of() -> None:
    space = sd.Space({"a": sd.Continuous(0, 1, missing=0.5), "b": sd.Continuous(0, 1)})
    question = sd.near({"a": 0.2, "b": 0.3})
    with pytest.raises(sd.SamplingError, match="'a'"):
        sd.ask(question, space, kernel=sd.MALA(), progress=False)
    with pytest.raises(sd.SpaceError, match="none of them missing"):
        sd.variational(question, space)


def test_starts_may_miss_values() -> None:
    space = sd.Space({"a": sd.Integer(0, 3, missing=0.5), "b": sd.Continuous(0, 1)})
    start = pl.DataFrame({"a": [None, 2], "b": [0.5, 0.5]})
    settings: dict[str, Any] = {"chains": 2, "draws": 20, "warmup": 0, "progress": False}
    answer = sd.ask(sd.near({"a": 1, "b": 0.2}), space, start=start, **settings)
    assert answer.frame.height == 40
    with pytest.raises(sd.SamplingError, match="column 'b' of start is nan in row 1"):
        sd.ask(
            sd.near({"a": 1, "b": 0.2}),
            space,
            start=start.with_columns(b=pl.Series([0.5, None])),
            **settings,
        )


@pytest.fixture
def holed(make_answer: Callable[..., sd.Answer]) -> sd.Answer:
    space = sd.Space(
        {
            "x": sd.Continuous(0.0, 10.0, missing=0.3),
            "n": sd.Integer(1, 6, missing=0.1),
            "job": sd.Categorical(["a", "b", None]),
            "sex": sd.Fixed(None, missing=True),
        }
    )
    rng = np.random.default_rng(5)
    shape = (4, 200)
    values = np.stack(
        [
            np.where(rng.random(shape) < 0.3, np.nan, rng.uniform(0, 10, shape)),
            np.where(rng.random(shape) < 0.6, np.nan, rng.integers(1, 7, shape)),
            rng.integers(0, 3, shape),
            np.zeros(shape),
        ],
        axis=2,
    )
    return make_answer(space, values=values)


def test_the_summary_is_about_values_that_are_there(holed: sd.Answer) -> None:
    summary = holed.summary()
    x, n = (values[~np.isnan(values)] for values in holed.draws[:, :, :2].reshape(-1, 2).T)
    for row, present in ((0, x), (1, n)):
        assert summary["mean"][row] == pytest.approx(present.mean())
        assert summary["sd"][row] == pytest.approx(present.std(ddof=1))
        assert summary["q95"][row] == pytest.approx(np.quantile(present, 0.95))
        assert summary["missing"][row] == pytest.approx(1 - len(present) / 800)
        assert summary["mcse"][row] == pytest.approx(
            present.std(ddof=1) / np.sqrt(len(present)), rel=0.2
        )
    assert summary["missing"][2] == np.mean(holed.draws[:, :, 2] == 2)
    assert summary["missing"][3] == 1.0
    assert summary["missing"][4] is None
    assert summary.columns[-2:] == ["mcse", "missing"]
    assert holed.diagnostics.verdict == "trustworthy"
    assert "missing" in content.summary(holed).header


def test_chains_that_disagree_about_missing_values_are_found() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 400))
    settled = missing_convergence(np.where(rng.random((4, 400)) < 0.5, np.nan, values))
    assert settled.rhat[0] < 1.01
    values[0, rng.random(400) < 0.9] = np.nan
    assert missing_convergence(values).rhat[0] > 1.5
    apart = np.where(rng.random((4, 400)) < 0.5, np.nan, rng.normal(size=(4, 400)))
    apart[0] += 3.0
    assert missing_convergence(apart).rhat[0] > 1.1
    gone = missing_convergence(np.full((2, 50), np.nan))
    assert np.isnan([gone.rhat[0], gone.ess_bulk[0], gone.mcse[0]]).all()


def test_a_chain_that_never_moves_is_found_where_its_value_is_missing(
    make_answer: Callable[..., sd.Answer],
) -> None:
    space = sd.Space({"x": sd.Continuous(0, 1, missing=0.5), "y": sd.Continuous(0, 1)})
    values = np.random.default_rng(0).random((4, 200, 2))
    values[1] = [np.nan, 0.25]
    told = str(make_answer(space, values=values).diagnostics)
    assert "Chain 1 never moved" in told


def test_rows_far_apart_miss_values_and_do_not(holed: sd.Answer) -> None:
    rows = holed.diverse(3)
    assert rows["x"].null_count() in (1, 2)
    assert rows["n"].null_count() in (1, 2)


def test_figures_have_room_for_missing_values(holed: sd.Answer, tmp_path: Path) -> None:
    reference = pl.DataFrame({"x": [1.0, None, 3.0], "n": [1, 2, None], "job": ["a", None, "b"]})
    for figure in (holed.plot.marginals(), holed.plot.marginals(reference)):
        shown = [text.get_text() for axes in figure.axes for text in axes.texts]
        bars = [
            label.get_text()
            for axes in figure.axes
            for beside in axes.child_axes
            for label in beside.get_xticklabels()
        ]
        shares = np.isnan(holed.draws[:, :, :2]).mean(axis=(0, 1))
        assert bars == [f"missing {percent(share)}" for share in shares]
        assert "missing" in shown
    holed.plot.trace()
    assert len(holed.plot.scatter("x", "n").axes) == 2
    page = holed.report(tmp_path / "answer.html", reference).read_text()
    assert "or missing (30 %)" in page


def test_a_column_may_have_no_value_at_all(
    make_answer: Callable[..., sd.Answer], tmp_path: Path
) -> None:
    space = sd.Space({"x": sd.Continuous(0, 1, missing=0.5), "y": sd.Continuous(0, 1)})
    values = np.random.default_rng(0).random((4, 200, 2))
    values[:, :, 0] = np.nan
    answer = make_answer(space, values=values)
    row = answer.summary().row(0, named=True)
    assert row.pop("column") == "x"
    assert row.pop("missing") == 1.0
    assert set(row.values()) == {None}
    answer.report(tmp_path / "answer.html")
    answer.plot.scatter("x", "y")
    assert answer.diverse(2)["x"].null_count() == 2


def test_an_array_may_hold_nan() -> None:
    rows = np.array([[0.0, 1.0], [np.nan, 2.0], [3.0, 4.0], [1.0, 2.0]])
    space = sd.Space.from_frame(rows, missing="allow", names=["a", "b"])
    assert space.kinds["a"] == sd.Continuous(0.0, 3.0, missing=0.25)
    assert space.contains(rows).all()
    near = sd.near(pl.DataFrame({"a": [None], "b": [2.0]}, {"a": pl.Float64, "b": pl.Float64}))
    assert near.evaluate(rows, space).tolist() == [10.0, 0.0, 13.0, 9.0]


def test_an_answer_survives_its_file(holed: sd.Answer, tmp_path: Path) -> None:
    again = sd.load_answer(holed.save(tmp_path / "answer.parquet"))
    assert again.draws.tobytes() == holed.draws.tobytes()
    assert again.space == holed.space
    assert again.frame.equals(holed.frame)
    assert holed.to_pandas()["job"].isna().sum() == holed.frame["job"].null_count() > 0


def test_a_reference_knows_of_no_missing_values() -> None:
    complete = FRAME.select("age", "full").drop_nulls()
    reference = sd.reference.chow_liu(complete)
    holed = sd.Space.from_frame(FRAME.select("age", "full"), missing="allow")
    with pytest.raises(sd.SpaceError, match="'age' of the reference: its values may be missing"):
        reference.on(holed)
    with pytest.raises(sd.SpaceError, match="its values may be missing"):
        sd.Space.from_frame(FRAME.select("age", "full"), missing="allow", reference=reference)
    with pytest.raises(sd.DataError, match=r"row 1 is None.*fill these rows$"):
        sd.reference.chow_liu(FRAME.select("age", "full"))


def test_metrics_take_rows_with_missing_values() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"a": rng.random(200), "b": rng.random(200)})
    rows.loc[rng.random(200) < 0.3, "a"] = np.nan
    wanted = rows["a"].isna() | (rows["a"] > 0.8)
    model = sd.as_model(DecisionTreeClassifier(max_depth=3).fit(rows, wanted))
    space = sd.Space.from_frame(rows, missing="allow")
    queries = pd.DataFrame({"a": [0.2, 0.3], "b": [0.5, 0.5]})
    samples = pl.DataFrame({"query": [0, 1], "sample": [0, 0], "a": [None, 0.9], "b": [0.5, 0.5]})
    found = sd.metrics.evaluate(queries, samples, model, space, rows, target=True)
    assert found["validity"].item() == 1.0
    assert found["l0"].item() == 1.0
    assert found["violations"].item() == 0
    closed = sd.Space.from_frame(rows.dropna())
    assert sd.metrics.evaluate(queries, samples, model, closed, rows)["violations"].item() == 1
