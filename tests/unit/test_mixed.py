"""Integer, categorical, fixed and continuous columns sampled together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest

import sondage as sd

SPACE = sd.Space(
    {
        "x": sd.Continuous(-2.0, 2.0),
        "n": sd.Integer(-3, 4),
        "job": sd.Categorical(["b", "a", "c"]),
        "sex": sd.Fixed("f"),
        "rate": sd.Fixed(0.1),
    }
)
ROW = {"x": 0.5, "n": 1, "job": "a", "sex": "f", "rate": 0.1}


def ask(question: sd.Question, space: sd.Space, **changes: object) -> sd.Answer:
    settings = {"draws": 500, "chains": 4, "seed": 3, "progress": False} | changes
    return sd.ask(question, space, **settings)


def test_near_counts_a_category_that_differs_once() -> None:
    frame = pl.DataFrame([ROW, ROW | {"job": "b"}, ROW | {"x": 1.0, "n": -3, "job": "c"}])
    for norm, far in ((1, 0.5 + 4 + 2), (2, 0.25 + 16 + 2)):
        question = sd.near(ROW, weights={"job": 2.0}, norm=norm)
        assert question.evaluate(frame, SPACE).tolist() == pytest.approx([0.0, 2.0, far])
    unknown = sd.near(ROW | {"job": "elsewhere", "sex": "m"})
    assert unknown.evaluate(frame[:2], SPACE).tolist() == [2.0, 2.0]
    assert "1 for a category that differs" in unknown.describe()
    assert "category" not in sd.near({"x": 1.0}).describe()


def test_near_says_which_value_it_needs() -> None:
    frame = pl.DataFrame([ROW])
    for row, message in (
        ({"x": 0.0, "n": 1}, "no value for 'job'; every free column"),
        (ROW | {"job": None}, "has None for column 'job'; a level is needed"),
        (ROW | {"n": "one"}, "has 'one' for column 'n'; a number is needed"),
        ([0.0] * 5, "array of numbers, and column 'job' is Categorical.*give a mapping"),
    ):
        with pytest.raises(sd.QuestionError, match=message):
            sd.near(row).evaluate(frame, SPACE)
    grades = sd.Space({"grade": sd.Categorical([3, 1])})
    levels = pl.DataFrame({"grade": [3, 1]})
    assert sd.near([1.0]).evaluate(levels, grades).tolist() == [1.0, 0.0]


def test_frames_are_evaluated_outside_the_bounds_but_with_known_levels_only() -> None:
    frame = pl.DataFrame([ROW | {"n": 99, "x": 7.0}])
    assert sd.near(ROW, norm=1).evaluate(frame, SPACE).tolist() == [104.5]
    with pytest.raises(sd.DataError, match=r"'job' .* is 'z' in row 0; its levels are 'b', 'a'"):
        sd.near(ROW).evaluate(pl.DataFrame([ROW | {"job": "z"}]), SPACE)


def test_functions_are_given_positions_of_levels() -> None:
    question = sd.custom(lambda rows: rows @ [1.0, 10.0, 100.0, 1000.0, 0.0], name="mix")
    frame = pl.DataFrame([ROW, ROW | {"job": "c"}])
    assert question.evaluate(frame, SPACE).tolist() == pytest.approx([110.5, 210.5])


def test_callables_are_given_levels() -> None:
    def score(frame: pd.DataFrame) -> np.ndarray:
        assert set(frame["sex"]) == {"f"}
        return np.where(frame["job"] == "c", 2.0, 0.5) + frame["x"] + frame["n"]

    with pytest.warns(sd.ForeignModelWarning):
        model = sd.as_model(score, space=SPACE, output="value")
    for space in (SPACE, sd.Space(dict(SPACE.kinds) | {"job": sd.Categorical(["a", "c"])})):
        frame = pl.DataFrame([ROW, ROW | {"job": "c"}])
        values = sd.fixed_label(model, 2.0).evaluate(frame, space)
        assert values.tolist() == pytest.approx([0.0, 0.5 * 1.5**2])


def test_gradients_are_in_continuous_columns() -> None:
    line = np.arange(-2.0, 2.0, 0.5)[:, None]
    with pytest.raises(
        sd.QuestionError, match=r"'n' is Integer.*in which there is no gradient: fix"
    ):
        sd.near(ROW).gradient(line, SPACE)
    fixed = SPACE.fix({"n": 1, "job": "a"})
    np.testing.assert_allclose(sd.near(ROW).gradient(line, fixed), 2 * (line - 0.5))


@pytest.mark.parametrize("kernel", ["auto", sd.RandomWalk(), sd.Conditional()])
def test_every_draw_is_a_row_of_the_space(kernel: str | sd.Kernel) -> None:
    answer = ask(sd.near(ROW, weights={"job": 0.7}), SPACE, kernel=kernel)
    frame = answer.frame
    assert frame.schema == {
        "x": pl.Float64,
        "n": pl.Int64,
        "job": pl.String,
        "sex": pl.String,
        "rate": pl.Float64,
        "chain": pl.Int64,
        "draw": pl.Int64,
        "energy": pl.Float64,
        "valid": pl.Boolean,
    }
    assert SPACE.contains(frame).all()
    assert frame["sex"].unique().to_list() == ["f"]
    assert frame["rate"].unique().to_list() == [0.1]
    np.testing.assert_allclose(answer.question.evaluate(frame, SPACE), frame["energy"], atol=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ["auto", sd.RandomWalk(), sd.Conditional()])
def test_independent_columns_follow_their_laws(kernel: str | sd.Kernel) -> None:
    answer = ask(sd.near(ROW, weights={"n": 0.3, "job": 0.7}), SPACE, kernel=kernel, draws=4000)
    whole = np.arange(-3, 5)
    law_n = np.exp(-0.3 * (whole - 1.0) ** 2)
    law_job = np.exp(-0.7 * np.array([1.0, 0.0, 1.0]))
    for column, law, levels in (("n", law_n, whole.tolist()), ("job", law_job, ["b", "a", "c"])):
        law = law / law.sum()
        shares = [float((answer.frame[column] == level).mean()) for level in levels]
        row = answer.summary().filter(pl.col("column") == column)
        error = np.sqrt(law * (1.0 - law) / (0.5 * row["ess_bulk"][0]))
        np.testing.assert_array_less(np.abs(np.array(shares) - law), 4.5 * error)


@pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_dtypes_order_and_fixed_values_come_back(
    convert: Callable[[pl.DataFrame], object],
) -> None:
    data = pl.DataFrame(
        {
            "small": pl.Series([1, 7, 3], dtype=pl.Int32),
            "flag": [True, False, True],
            "single": pl.Series([0.1, 0.7, 0.3], dtype=pl.Float32),
            "name": ["k", "l", "k"],
            "price": [1.0, 2.0, 2.0],
            "one": pl.Series([5, 5, 5], dtype=pl.Int16),
        }
    )
    space = sd.Space.from_frame(convert(data)).fix({"single": 0.30000001192092896, "name": "l"})
    question = sd.near({"small": 2, "flag": True, "price": 1.5})
    answer = ask(question, space, start=None)
    rows = answer.frame.select(data.columns)
    assert rows.schema == data.schema
    assert space.contains(rows).all()
    assert rows["single"].unique().to_list() == [0.30000001192092896]
    assert answer.to_pandas()[data.columns].dtypes.equals(data.to_pandas().dtypes)
    assert answer.valid.all()


def test_pandas_categories_come_back() -> None:
    data = pd.DataFrame(
        {"job": pd.Categorical(["u", "v"], categories=["w", "v", "u"]), "x": [0, 1.0]}
    )
    answer = ask(sd.near({"job": "u", "x": 0.5}), sd.Space.from_frame(data))
    back = answer.to_pandas()
    assert back["job"].dtype == data["job"].dtype
    assert set(back["job"]) == {"u", "v"}


def test_float32_draws_are_what_the_frame_holds() -> None:
    data = pl.DataFrame({"x": pl.Series([0.1, 0.7], dtype=pl.Float32), "n": [1, 2]})
    space = sd.Space.from_frame(data)
    answer = ask(sd.near({"x": 0.5, "n": 1}), space)
    assert answer.frame["x"].dtype == pl.Float32
    assert (
        answer.frame["x"].cast(pl.Float64).to_numpy().tolist()
        == answer.draws[:, :, 0].ravel().tolist()
    )
    assert space.contains(answer.frame).all()


def test_answers_of_mixed_columns_are_saved_and_read(tmp_path) -> None:
    answer = ask(sd.near(ROW), SPACE)
    back = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    assert back.space == SPACE
    assert back.frame.equals(answer.frame)
    assert back.draws.tobytes() == answer.draws.tobytes()


def test_starts_are_rows_of_the_space() -> None:
    start = pl.DataFrame([ROW, ROW | {"job": "c"}])
    sd.ask(sd.near(ROW), SPACE, start=start, chains=2, draws=10, seed=0, progress=False)
    for row, message in (
        (ROW | {"job": "z"}, "start cannot be used: column 'job' of start is 'z' in row 0"),
        (ROW | {"sex": "m"}, "is 'm' in row 0; the space fixes it at 'f'"),
        (
            ROW | {"n": 0.5},
            "row 0 of start lies outside the space: column 'n' is 0.5.*whole number",
        ),
        (ROW | {"n": 5}, r"row 0 of start lies outside the space: column 'n' is 5.0"),
    ):
        with pytest.raises(sd.SamplingError, match=message):
            sd.ask(sd.near(ROW), SPACE, start=pl.DataFrame([row]), chains=1, progress=False)


def test_answers_through_maps_are_about_continuous_columns() -> None:
    for name, space in (("n", SPACE.fix({"job": "a"})), ("job", SPACE.fix({"n": 1}))):
        with pytest.raises(
            sd.SpaceError, match=f"column '{name}' is .*; a variational answer needs"
        ):
            sd.variational(sd.near(ROW), space)
        decoder = (np.eye(5), 0.0)
        with pytest.raises(sd.SpaceError, match=f"column '{name}' is .*; a pullback needs cont"):
            sd.ask(sd.pullback(sd.near(ROW), decoder), space)
    latent, line = sd.Space({"z": sd.Integer(0, 3)}), sd.Space({"x": sd.Continuous(0, 1)})
    with pytest.raises(sd.SpaceError, match=r"column 'z' is Integer.*; a pullback needs cont"):
        sd.ask(sd.pullback(sd.near([0.0]), ([[1.0]], 0.0), latent), line)
