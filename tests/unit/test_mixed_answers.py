"""What is read off answers of mixed columns: summary, choice of rows, other libraries' forms."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import sondage as sd
from sondage.convergence import convergence, levels_convergence

SPACE = sd.Space(
    {
        "x": sd.Continuous(0.0, 10.0),
        "n": sd.Integer(1, 6),
        "job": sd.Categorical(["b", "a", "c"]),
        "member": sd.Categorical([False, True]),
        "sex": sd.Fixed("f"),
    }
)


@pytest.fixture
def mixed(make_answer: Callable[..., sd.Answer]) -> sd.Answer:
    rng = np.random.default_rng(2)
    shape = (4, 200)
    values = np.stack(
        [
            rng.uniform(0, 10, shape),
            rng.integers(1, 7, shape),
            rng.integers(0, 3, shape),
            rng.integers(0, 2, shape),
            np.zeros(shape),
        ],
        axis=2,
    ).astype(float)
    return make_answer(SPACE, values=values)


def test_the_summary_has_no_mean_of_levels(mixed: sd.Answer) -> None:
    summary = mixed.summary()
    named = summary.filter(pl.col("column").is_in(["job", "member", "sex"]))
    empty = ["mean", "sd", "q05", "q50", "q95", "mcse"]
    assert named.select(empty).null_count().row(0) == (3,) * 6
    assert named["rhat"].null_count() == named["ess_bulk"].null_count() == 1
    numbers = summary.filter(pl.col("column").is_in(["x", "n", "G"]))
    assert numbers.null_count().sum_horizontal().item() == 0
    assert numbers["q50"][1] in (3.0, 3.5, 4.0)


def test_levels_are_as_convergent_as_the_worst_of_them() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (4, 300)).astype(float)
    codes[0, :200] = np.where(codes[0, :200] == 2.0, 1.0, codes[0, :200])
    measured = levels_convergence(codes)
    each = convergence((codes[:, :, None] == np.arange(3)).astype(float))
    assert measured.rhat.tolist() == [each.rhat.max()]
    assert measured.rhat[0] > 1.01 > each.rhat.min()
    assert measured.ess_bulk.tolist() == [each.ess_bulk.min()]
    assert measured.ess_tail.tolist() == [each.ess_tail.min()]
    assert np.isnan(measured.mcse).all()
    relabelled = levels_convergence(np.array([2.0, 0.0, 1.0])[codes.astype(int)])
    assert relabelled.rhat == measured.rhat
    still = levels_convergence(np.ones((4, 300)))
    assert np.isnan(still.rhat).all()
    assert np.isnan(still.ess_bulk).all()


def test_diverse_rows_differ_in_levels_whatever_their_positions(
    make_answer: Callable[..., sd.Answer],
) -> None:
    space = sd.Space({"x": sd.Continuous(0, 1), "job": sd.Categorical(list("abcdef"))})
    values = np.array([[[0.5, 0.0], [0.5, 1.0], [0.6, 5.0], [0.5, 5.0]]])
    answer = make_answer(space, chains=1, draws=4, values=values)
    lowest = int(np.argmin(answer.energies))
    chosen = answer.diverse(3)
    assert sorted(chosen["job"]) == ["a", "b", "f"]
    assert chosen["draw"][0] == lowest


def test_other_libraries_get_levels(mixed: sd.Answer) -> None:
    frame = mixed.to_pandas()
    assert frame["job"].tolist() == mixed.frame["job"].to_list()
    assert frame["member"].dtype == bool
    pytest.importorskip("arviz_base")
    tree = mixed.to_arviz()
    assert json.loads(tree.attrs["levels"]) == {"job": ["b", "a", "c"], "member": [False, True]}
    assert tree.posterior["x"].sel(column="job").dtype == np.float64


def test_saved_answers_keep_levels_and_dtypes(
    tmp_path, make_answer: Callable[..., sd.Answer], mixed: sd.Answer
) -> None:
    back = sd.load_answer(mixed.save(tmp_path / "a.parquet"))
    assert back.space == SPACE
    assert back.frame.equals(mixed.frame)
    assert back.draws.tobytes() == mixed.draws.tobytes()
    data = pl.DataFrame(
        {
            "job": pl.Series(["u", "v"], dtype=pl.Enum(["w", "v", "u"])),
            "single": pl.Series([0.0, 0.7], dtype=pl.Float32),
            "small": pl.Series([0, 1], dtype=pl.UInt8),
        }
    )
    values = np.zeros((2, 3, 3))
    values[1] = [1.0, 0.5, 1.0]
    typed = make_answer(sd.Space.from_frame(data), chains=2, draws=3, values=values)
    back = sd.load_answer(typed.save(tmp_path / "b.parquet"))
    assert back.frame.schema == typed.frame.schema
    assert back.frame.select(data.columns).schema == data.schema
    assert back.space.fix({"single": 0.5})._dtypes == typed.space.fix({"single": 0.5})._dtypes


def test_saved_rows_with_another_level_are_refused(tmp_path, mixed: sd.Answer) -> None:
    path = mixed.save(tmp_path / "a.parquet")
    metadata = pl.read_parquet_metadata(path)
    changed = pl.read_parquet(path).with_columns(job=pl.lit("z"))
    changed.write_parquet(path, metadata={"sondage": metadata["sondage"]})
    with pytest.raises(sd.DataError, match=r"its parts do not fit together.*'job'.*'z'"):
        sd.load_answer(path)
