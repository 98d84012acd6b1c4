"""Answers on spaces with conditions on several columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import sondage as sd


def models() -> list[sd.Model]:
    rng = np.random.default_rng(3)
    table = rng.uniform(0, 1, (300, 4))
    label = table[:, 0] + table[:, 1] * table[:, 2] > 0.7
    frame = pd.DataFrame(table, columns=["p", "q", "r", "n"])
    return [
        sd.as_model(GradientBoostingClassifier(n_estimators=20, random_state=0).fit(frame, label)),
        sd.as_model(LogisticRegression().fit(frame, label)),
    ]


FOUR = sd.Space(
    {
        "p": sd.Continuous(0.0, 1.0),
        "q": sd.Continuous(0.0, 1.0),
        "r": sd.Continuous(0.0, 1.0),
        "n": sd.Integer(0, 3),
    }
)


@pytest.mark.parametrize("which", [0, 1])
def test_every_row_of_every_kernel_is_in_the_space(which: int) -> None:
    model = models()[which]
    space = FOUR.where("p <= q <= r + 0.1").where("n > 1 => p * q < 0.3").where("n != 2")
    question = sd.fixed_label(model, True) + sd.require(model, True)
    kernels = ["auto", sd.RandomWalk(), sd.Cycle(sd.Conditional(), sd.RandomWalk(0.3))]
    kernels.append(sd.MALA(drift=sd.Smoothed()) if which == 0 else sd.MALA())
    kernels += [sd.Barker()] * which
    for kernel in kernels:
        if isinstance(kernel, sd.MALA | sd.Barker):
            kernel = sd.Cycle(kernel, sd.RandomWalk())
        answer = sd.ask(question, space, draws=200, chains=4, kernel=kernel, seed=4, progress=False)
        assert space.contains(answer.frame).all()
        assert answer.frame["valid"].all()
        assert answer.frame["n"].n_unique() == 3 or kernel != "auto"


def test_constraints_tie_columns_together() -> None:
    near = sd.near({"p": 0.5, "q": 0.5, "r": 0.5, "n": 1})
    alone = sd.ask(near, FOUR.where("p < 0.3"), draws=50, seed=1, progress=False)
    tied = sd.ask(near, FOUR.where("p < q"), draws=50, seed=1, progress=False)
    assert alone.settings.kernel == "Conditional()"
    assert tied.settings.kernel.startswith("Cycle(Conditional(), RandomWalk(")


def test_means_on_a_triangle() -> None:
    """Uniform on p <= q: means 1/3 and 2/3, and a function says the same as the text."""
    flat = sd.near(dict.fromkeys("pqrn", 0), weights={"p": 0, "q": 0, "r": 0, "n": 1})
    for condition in ("p <= q", lambda frame: frame["p"] <= frame["q"]):
        answer = sd.ask(flat, FOUR.where(condition), draws=2000, chains=8, seed=6, progress=False)
        summary = answer.summary()
        for name, mean in (("p", 1 / 3), ("q", 2 / 3), ("r", 1 / 2)):
            row = summary.filter(pl.col("column") == name)
            assert abs(row["mean"].item() - mean) < 4.5 * row["mcse"].item()


def test_float32_columns_stay_inside() -> None:
    data = pl.DataFrame({"p": [0.0, 1.0], "q": [0.0, 1.0]}, schema=dict.fromkeys("pq", pl.Float32))
    space = sd.Space.from_frame(data).where("0.5 - 1e-6 <= p - q*q <= 0.5 + 1e-6")
    answer = sd.ask(
        sd.near({"p": 0.6, "q": 0.3}), space, draws=500, chains=8, seed=3, progress=False
    )
    assert answer.frame.schema["p"] == pl.Float32
    assert space.contains(answer.frame).all()


def test_starts_given_and_found() -> None:
    near = sd.near({"p": 0.5, "q": 0.5, "r": 0.5, "n": 1})
    space = FOUR.where("p < q")
    with pytest.raises(sd.SamplingError, match="row 1 of start breaks the constraint 'p < q'"):
        sd.ask(near, space, chains=2, start=np.array([[0.1, 0.2, 0, 0], [0.3, 0.2, 0, 0]]))
    own = FOUR.where(lambda frame: frame["p"] < frame["q"], name="less")
    with pytest.raises(sd.SamplingError, match="row 1 of start breaks the constraint 'less'"):
        sd.ask(near, own, chains=2, start=np.array([[0.1, 0.2, 0, 0], [0.3, 0.2, 0, 0]]))
    shares = FOUR.where("0.999 <= p + q + r <= 1.001")
    answer = sd.ask(near, shares, draws=20, chains=8, seed=1, progress=False)
    assert shares.contains(answer.frame).all()


def test_an_unreachable_region_names_what_binds() -> None:
    near = sd.near({"p": 0.5, "q": 0.5, "r": 0.5, "n": 1})
    space = FOUR.where("n < 3").where("p + q < 0.3").where("q + p > 0.4")
    with pytest.raises(sd.SamplingError, match=r'none met both "p \+ q < 0.3" and "q \+ p > 0.4"'):
        sd.ask(near, space, seed=1, progress=False)
    with pytest.raises(sd.SpaceError, match="no row of the space meets the constraint 'p < q'"):
        sd.ask(near, FOUR.where("p < q").fix({"p": 0.9, "q": 0.2}), seed=1, progress=False)


def test_pullbacks_keep_both_spaces() -> None:
    latent = sd.Space({"u": sd.Continuous(-1, 1), "v": sd.Continuous(-1, 1)}).where("u < v")
    data = sd.Space({"x": sd.Continuous(-2, 2), "y": sd.Continuous(-2, 2)})
    question = sd.pullback(sd.near([0.5, 0.5]), ([[1.0, 0.0], [0.5, 1.0]], 0.0), latent=latent)
    for second in ("y < 0.6", lambda frame: frame["y"] < 0.6):
        space = data.where("x + y > 0.2").where(second)
        answer = sd.ask(question, space, draws=200, seed=1, progress=False)
        assert space.contains(answer.frame).all()
        assert answer.latents is not None
        assert (answer.latents[..., 0] < answer.latents[..., 1]).all()
    with pytest.raises(sd.SamplingError, match=r'Decoded rows must meet "x - x\*x > 0.3"'):
        sd.ask(question, data.where("x - x*x > 0.3"), draws=5, seed=1, progress=False)


def test_g_is_that_of_the_question_alone() -> None:
    near = sd.near(dict.fromkeys("pqrn", 0), weights={"p": 1, "q": 0, "r": 0, "n": 0})
    frame = pl.DataFrame({"p": [0.5], "q": [0.1], "r": [0.1], "n": [1]})
    assert near.evaluate(frame, FOUR.where("p < q")).tolist() == [0.25]


def test_variational_answers_refuse() -> None:
    space = sd.Space({"p": sd.Continuous(0, 1), "q": sd.Continuous(0, 1)}).where("p < q")
    with pytest.raises(sd.SpaceError, match=r"'p < q'.*use ask"):
        sd.variational(sd.near([0.1, 0.5]), space)


def test_reports_and_files_know_them(tmp_path: Path) -> None:
    near = sd.near({"p": 0.5, "q": 0.5, "r": 0.5, "n": 1})
    space = FOUR.where("p < q").where(lambda frame: frame["r"] > 0.2, name="high")
    answer = sd.ask(near, space, draws=50, seed=1, progress=False)
    page = answer.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "p &lt; q" in page
    assert "the function high" in page
    assert ".where(" in page
    loaded = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    assert repr(loaded.space).endswith(".where('p < q').where(high)")
    with pytest.raises(sd.SpaceError, match="'high' is a function, which was not saved"):
        loaded.space.contains(loaded.frame)
    told = sd.ask(near, FOUR.where("p < q"), draws=50, seed=1, progress=False)
    again = sd.load_answer(told.save(tmp_path / "answer.parquet"))
    assert again.space == told.space
    assert again.space.contains(told.frame).all()


def test_metrics_count_broken_constraints() -> None:
    model = models()[1]
    reference = pl.DataFrame(
        np.random.default_rng(0).uniform(0, 1, (100, 3)), schema=["p", "q", "r"]
    ).with_columns(n=pl.lit(1))
    query = pl.DataFrame({"p": [0.1], "q": [0.2], "r": [0.1], "n": [1]})
    samples = pl.DataFrame(
        {
            "query": [0, 0],
            "sample": [0, 1],
            "p": [0.9, 0.4],
            "q": [0.8, 0.9],
            "r": [0.9, 0.9],
            "n": [1, 1],
        }
    )
    for space, broken in ((FOUR, 0), (FOUR.where("p <= q"), 1)):
        found = sd.metrics.evaluate(query, samples, model, space, reference=reference, target=True)
        assert found["violations"].item() in (broken, broken / 2)


def test_sums_that_are_nearly_fixed_are_sampled() -> None:
    """Shares of a whole: each is uniform on the simplex, mean 1/3 and variance 1/18."""
    flat = sd.near(dict.fromkeys("pqrn", 0), weights={"p": 0, "q": 0, "r": 0, "n": 1})
    space = FOUR.where("0.999 <= p + q + r <= 1.001")
    answer = sd.ask(flat, space, draws=2000, chains=8, seed=2, progress=False)
    summary = answer.summary().head(3)
    assert (np.abs(summary["mean"] - 1 / 3) < 4.5 * summary["mcse"]).all()
    assert summary["mcse"].max() < 0.01
    whole = sd.Space({name: sd.Integer(0, 6) for name in "abc"}).where("a + b + c == 6")
    answer = sd.ask(
        sd.near([2, 2, 2], weights=[0, 0, 0]), whole, draws=4000, chains=8, seed=3, progress=False
    )
    counts = answer.frame.group_by("a", "b", "c").len()
    assert counts.height == 28
    assert counts["len"].min() > 0.75 * answer.frame.height / 28


def test_a_chain_does_not_depend_on_threads_or_other_chains() -> None:
    space = FOUR.where("0.99 <= p + q + r <= 1.01").where("n > 1 => p * q < 0.1")
    for model in models():
        question = sd.fixed_label(model, True)
        few, many = (
            sd.ask(question, space, draws=50, chains=n, threads=t, seed=1, progress=False)
            for n, t in ((8, 1), (19, 2))
        )
        assert np.array_equal(few.draws, many.draws[:8])
