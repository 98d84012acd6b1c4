"""What an answer says about itself."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

from sondage.answer import Answer
from sondage.errors import DataError, MissingDependencyError
from sondage.models import as_model
from sondage.selection import spread
from sondage.space import Continuous, Fixed, Space

SUMMARY = ["column", "mean", "sd", "q05", "q50", "q95", "rhat", "ess_bulk", "ess_tail", "mcse"]


def test_frame_holds_every_draw_in_chain_order(answer: Answer) -> None:
    frame = answer.frame
    assert frame.columns == ["age", "income", "children", "chain", "draw", "energy", "valid"]
    assert frame.height == 800
    row = frame.row(205, named=True)
    assert (row["chain"], row["draw"]) == (1, 5)
    assert row["income"] == answer.draws[1, 5, 1]
    assert row["energy"] == answer.energies[1, 5]
    assert frame.schema["chain"] == pl.Int64
    assert frame.schema["valid"] == pl.Boolean


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(2, pl.Int64), (2.5, pl.Float64), (True, pl.Boolean), (np.float32(1), None)],
)
def test_fixed_columns_keep_their_own_type(make_answer, value, dtype) -> None:
    held = make_answer({"x": Continuous(0, 1), "k": Fixed(value)}).frame["k"]
    assert held.dtype == (dtype or pl.Float64)
    assert held.unique().to_list() == [value]


def test_a_users_column_keeps_its_name_and_ours_gets_an_underscore(make_answer) -> None:
    names = ["chain", "draw", "energy", "valid", "valid_"]
    frame = make_answer({name: Continuous(5, 6) for name in names}).frame
    assert frame.columns == [*names, "chain_", "draw_", "energy_", "valid__"]
    assert frame["chain"].is_between(5, 6).all()
    assert frame["chain_"].unique().sort().to_list() == [0, 1, 2, 3]


def test_changing_a_frame_does_not_change_the_answer(answer: Answer) -> None:
    frame = answer.frame
    frame[0, "age"] = 0.0
    assert answer.frame[0, "age"] == answer.draws[0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        answer.draws[0, 0, 0] = 0.0


def test_summary_has_a_row_per_column_and_one_for_g(answer: Answer) -> None:
    summary = answer.summary()
    assert summary.columns == SUMMARY
    assert summary["column"].to_list() == ["age", "income", "children", "G"]
    age = summary.row(0, named=True)
    assert age["mean"] == pytest.approx(answer.draws[:, :, 0].mean())
    assert age["sd"] == pytest.approx(answer.draws[:, :, 0].std(ddof=1))
    assert age["q05"] < age["q50"] < age["q95"]
    assert age["rhat"] == pytest.approx(1.0, abs=0.02)
    assert 400 < age["ess_bulk"] < 1200
    assert age["mcse"] == pytest.approx(age["sd"] / np.sqrt(800), rel=0.3)
    fixed = summary.row(2, named=True)
    assert (fixed["mean"], fixed["sd"], fixed["q50"]) == (2.0, 0.0, 2.0)
    assert fixed["rhat"] is fixed["ess_bulk"] is fixed["ess_tail"] is fixed["mcse"] is None
    assert summary.row(3, named=True)["mean"] == pytest.approx(answer.energies.mean())


def test_summary_does_not_depend_on_units(make_answer) -> None:
    numbers = ["rhat", "ess_bulk", "ess_tail"]
    large, tiny = (make_answer({"x": Continuous(0, width)}) for width in (1e6, 1e-20))
    for name in numbers:
        assert large.summary()[0, name] == pytest.approx(tiny.summary()[0, name], rel=1e-3)


@pytest.mark.parametrize("draws", [0, 1, 3])
def test_too_few_draws_give_nulls_and_no_crash(make_answer, draws) -> None:
    short = make_answer(draws=draws)
    assert short.frame.height == 4 * draws
    assert short.summary()["rhat"].null_count() == 4
    assert short.summary()["mean"].null_count() == (4 if draws == 0 else 0)
    assert "not trustworthy" in repr(short).lower()
    assert short._repr_html_()


def test_one_chain_has_sizes_but_no_rhat(make_answer) -> None:
    alone = make_answer(chains=1)
    assert alone.summary()["rhat"].null_count() == 4
    assert alone.summary()["ess_bulk"].null_count() == 1


def test_without_arviz_the_columns_are_null_and_a_warning_says_what_to_install(
    make_answer, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "arviz_stats", None)
    poor = make_answer()
    assert poor.summary()["rhat"].null_count() == 4
    assert poor.summary()["mean"].null_count() == 0
    assert any("pip install 'sondage[arviz]'" in w.remedy for w in poor.diagnostics.warnings)


def test_outputs_of_a_classifier(answer: Answer) -> None:
    data = answer.frame.select("age", "income", "children")
    labels = np.where(data["age"] > 40, "old", "young")
    forest = RandomForestClassifier(5, max_depth=2, random_state=0).fit(data.to_numpy(), labels)
    outputs = answer.outputs(as_model(forest))
    assert outputs.columns == ["p[old]", "p[young]", "label"]
    assert outputs.height == 800
    np.testing.assert_array_equal(outputs["label"].to_list(), forest.predict(data.to_numpy()))
    np.testing.assert_allclose(
        outputs.select("p[old]", "p[young]").to_numpy(),
        forest.predict_proba(data.to_numpy()),
        atol=1e-12,
    )


def test_outputs_of_a_regressor(answer: Answer) -> None:
    rows = answer.draws.reshape(-1, 3)
    tree = DecisionTreeRegressor(max_depth=3, random_state=0).fit(rows, rows[:, 0])
    outputs = answer.outputs(tree)
    assert outputs.columns == ["value"]
    np.testing.assert_allclose(outputs["value"].to_numpy(), tree.predict(rows))


def test_thin_keeps_every_nth_draw_and_says_so(answer: Answer) -> None:
    thinned = answer.thin(3)
    np.testing.assert_array_equal(thinned.draws, answer.draws[:, 2::3])
    np.testing.assert_array_equal(thinned.energies, answer.energies[:, 2::3])
    np.testing.assert_array_equal(thinned.valid, answer.valid[:, 2::3])
    assert (thinned.settings.draws, thinned.settings.thin) == (66, 3)
    assert thinned.draws.shape[1] == 66
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(DataError, match="positive whole number"):
            answer.thin(wrong)


def test_diverse_rows_lie_far_apart_and_are_always_the_same(answer: Answer) -> None:
    chosen = answer.diverse(6)
    assert chosen.columns == answer.frame.columns
    assert chosen.equals(answer.diverse(6))
    assert chosen[0, "energy"] == answer.energies.min()
    scale = np.array([72.0, 1e5])

    def closest(rows: pl.DataFrame) -> float:
        x = rows.select("age", "income").to_numpy() / scale
        gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
        return float(gaps[np.triu_indices(len(x), 1)].min())

    assert closest(chosen) > 5 * closest(answer.frame.head(6))
    with pytest.raises(DataError, match="801"):
        answer.diverse(801)


def test_diverse_takes_invalid_rows_last(make_answer) -> None:
    valid = np.zeros((4, 200), dtype=bool)
    valid[2, :3] = True
    chosen = make_answer(valid=valid).diverse(5)
    assert chosen["valid"].to_list() == [True, True, True, False, False]


def test_spread_maximises_the_smallest_distance_step_by_step() -> None:
    rng = np.random.default_rng(3)
    rows, energies = rng.normal(size=(40, 3)), rng.normal(size=40)
    chosen = spread(rows, np.zeros((40, 0)), energies, np.ones(40, dtype=bool), 7)
    assert chosen[0] == energies.argmin()
    for i in range(1, 7):
        gaps = np.linalg.norm(rows[:, None] - rows[chosen[:i]][None], axis=2).min(axis=1)
        assert gaps[chosen[i]] == pytest.approx(gaps.max())
    assert len(set(chosen)) == 7


def test_to_pandas_has_the_frame(answer: Answer) -> None:
    table = answer.to_pandas()
    assert list(table.columns) == answer.frame.columns
    np.testing.assert_array_equal(table["income"], answer.frame["income"])
    assert table["valid"].dtype == bool


def test_to_arviz_holds_draws_energy_and_attributes(make_answer) -> None:
    answer = make_answer({"a/b": Continuous(0, 1), "k": Fixed(2), "c": Continuous(0, 1)})
    tree = answer.to_arviz()
    x = tree["posterior"]["x"]
    assert x.dims == ("chain", "draw", "column")
    assert x["column"].values.tolist() == ["a/b", "c"]
    np.testing.assert_array_equal(x.values, answer.draws[:, :, [0, 2]])
    np.testing.assert_array_equal(tree["sample_stats"]["energy"].values, answer.energies)
    np.testing.assert_allclose(tree["sample_stats"]["lp"].values, -answer.energies / 0.05)
    assert tree.attrs["inference_library"] == "sondage"
    assert tree.attrs["seed"] == "7"


@pytest.mark.parametrize(
    ("module", "method", "hint"),
    [("arviz_base", "to_arviz", "sondage\\[arviz\\]"), ("pandas", "to_pandas", "install pandas")],
)
def test_missing_packages_are_named(answer: Answer, monkeypatch, module, method, hint) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=hint):
        getattr(answer, method)()


def test_repr_fits_a_screen(make_answer) -> None:
    wide = make_answer({f"column_{i}": Continuous(0, 1) for i in range(60)})
    lines = repr(wide).splitlines()
    assert len(lines) < 35
    assert max(map(len, lines)) < 200
    assert "complete" in lines[0]
    assert "4 chains × 200 draws" in lines[0]
    assert "45 more columns" in repr(wide)
    assert any(line.startswith("G ") for line in lines)


def test_the_verdict_is_said_once(make_answer) -> None:
    answer = make_answer(chains=3)
    (warning,) = (w for w in answer.diagnostics.warnings if "With 3 chains" in w.text)
    for shown in (repr(answer), answer._repr_html_()):
        assert shown.count("ith 3 chains") == 1
        assert shown.count(warning.remedy) == 1


def test_html_escapes_names_and_words(make_answer) -> None:
    class Hostile:
        def describe(self) -> str:
            return "<script>alert(1)</script>"

    shown = make_answer({"<b>&x": Continuous(0, 1)}, question=Hostile())._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "&lt;b&gt;&amp;x" in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"draws": np.zeros((2, 3, 4))}, "draws have shape"),
        ({"energies": np.zeros((2, 3))}, "energies have shape"),
        ({"valid": np.zeros((4, 199), dtype=bool)}, "valid have shape"),
        ({"status": "done"}, "status 'done'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(answer: Answer, changes, words) -> None:
    parts = {name: getattr(answer, name) for name in answer.__dataclass_fields__} | changes
    with pytest.raises(DataError, match=words):
        Answer(**parts)


def test_an_answer_pickles(answer: Answer) -> None:
    again = pickle.loads(pickle.dumps(answer))
    np.testing.assert_array_equal(again.draws, answer.draws)
    assert again.space == answer.space == Space(dict(answer.space.kinds))
