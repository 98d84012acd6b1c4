"""Tree densities learned from data: cells, trees, tables, draws."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.sparse.csgraph import minimum_spanning_tree

import sondage as sd
from sondage.reference._tree import Counts, edge_gains, pair_counts, smoothed, spanning_tree

RNG = np.random.default_rng(0)


def mixed(n: int = 3000, seed: int = 1) -> pl.DataFrame:
    """Four columns in a chain: city → age → income, and a count that depends on nothing."""
    rng = np.random.default_rng(seed)
    city = rng.integers(0, 3, n)
    age = 20 + 15 * city + rng.integers(0, 25, n)
    income = np.where(rng.random(n) < 0.2, 0.0, np.exp(0.05 * age + rng.normal(size=n)).round(2))
    return pl.DataFrame(
        {
            "income": income,
            "city": np.array(["Bern", "Genf", "Zug"])[city],
            "age": age,
            "pets": rng.poisson(0.7, n),
        }
    )


def counts_of(rows: np.ndarray) -> Counts:
    return Counts.of(rows.tolist())


def test_bins_hold_about_the_same_number_of_rows_and_end_between_values() -> None:
    values = RNG.normal(size=6400)
    bins = sd.reference.chow_liu(values[:, np.newaxis], bins=64).cells["x0"]
    assert set(bins.rows) == {100}
    assert (bins.edges[0], bins.edges[-1]) == (values.min(), values.max())
    assert not set(bins.edges[1:-1]) & set(values)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_values_that_many_rows_share_have_cells_of_their_own(dtype) -> None:
    # Codes, then nothing, then values from 10 on.
    values = np.concatenate([np.repeat([-9, -7], 200), np.tile(np.arange(10, 210), 8)])
    bins = sd.reference.chow_liu(pl.DataFrame({"a": values.astype(dtype)}), bins=8).cells["a"]
    first = -9.5 if dtype is np.int64 else -9.0
    assert bins.edges[:5] == (first, -8.5, -7.5, -6.5, 9.5)
    assert bins.rows[:4] == (200, 0, 200, 0)
    assert sum(bins.rows) == len(values)
    assert len(bins) == 4 + round(1600 / (2000 / 8))


def test_a_repeated_value_among_reals_has_a_narrow_cell() -> None:
    values = np.concatenate([np.zeros(300), RNG.normal(size=700)])
    bins = sd.reference.chow_liu(values[:, np.newaxis], bins=16).cells["x0"]
    own = int(np.searchsorted(bins.cuts(), 0.0))
    half = 0.5 * max(np.diff(np.unique(values)).min(), 1e-6 * np.ptp(values))
    np.testing.assert_allclose(bins.edges[own : own + 2], [-half, half])
    assert bins.rows[own - 1 : own + 2] == (0, 300, 0)


def test_real_numbers_need_a_twentieth_of_the_rows_and_ten_for_their_own_cell() -> None:
    for often, n, narrow in ((49, 1000, False), (50, 1000, True), (9, 60, False), (10, 60, True)):
        values = np.concatenate([np.full(often, 0.5), RNG.random(n - often)])
        bins = sd.reference.chow_liu(values[:, np.newaxis], bins=4).cells["x0"]
        assert (often in bins.rows) == narrow


def test_no_cell_is_narrower_than_the_rounding_of_the_data() -> None:
    values = np.round(0.5 * RNG.normal(size=4000), 1)
    assert (np.unique(values, return_counts=True)[1] >= 200).any()
    bins = sd.reference.chow_liu(values[:, np.newaxis], bins=32).cells["x0"]
    assert bins.measures()[1:-1].min() == pytest.approx(0.1)
    assert bins.measures()[[0, -1]].min() > 0.05 - 1e-9


def test_few_whole_numbers_have_a_cell_each_and_gaps_are_empty() -> None:
    bins = sd.reference.chow_liu(pl.DataFrame({"a": [1, 1, 2, 5, 5, 5]}), bins=4).cells["a"]
    assert bins.edges == (0.5, 1.5, 2.5, 4.5, 5.5)
    assert bins.rows == (2, 1, 0, 3)
    assert bins.measures().tolist() == [1.0, 1.0, 2.0, 1.0]


def test_more_rows_get_more_bins() -> None:
    def noisy(n: int) -> sd.reference.TreeDensity:
        x = np.random.default_rng(2).normal(size=n)
        return sd.reference.chow_liu(
            np.column_stack([x, x + 0.3 * np.random.default_rng(3).normal(size=n)])
        )

    few, many = noisy(60), noisy(6000)
    assert len(few.cells["x0"]) < len(many.cells["x0"])


def test_gains_are_those_of_leaving_each_row_out() -> None:
    positions = [RNG.integers(0, 3, 40), RNG.integers(0, 4, 40)]
    positions[1][:25] = positions[0][:25]
    sizes = (3, 4)
    alone = [counts_of(np.bincount(p, minlength=k)) for p, k in zip(positions, sizes, strict=True)]
    gains, strengths = edge_gains(positions, alone)
    for parent, child in ((0, 1), (1, 0)):
        total, by_itself = 0.0, 0.0
        for row in range(40):
            left = [np.delete(p, row) for p in positions]
            shares = counts_of(np.bincount(left[child], minlength=sizes[child])).shares
            pairs = pair_counts(left[parent], left[child], sizes[parent], sizes[child])
            table = smoothed(pairs, shares, strengths[parent, child])
            total += np.log(table[positions[parent][row], positions[child][row]])
            by_itself += np.log(shares[positions[child][row]])
        assert gains[parent, child] == pytest.approx(total - by_itself, abs=1e-9)
        assert alone[child].left_out() == pytest.approx(by_itself, abs=1e-9)


def test_the_tree_is_the_heaviest() -> None:
    for width in (2, 5, 9):
        weights = RNG.random((width, width))
        weights = weights + weights.T
        parents = spanning_tree(weights)
        assert parents[0] == -1
        own = sum(weights[parent, j] for j, parent in enumerate(parents) if parent >= 0)
        best = -minimum_spanning_tree(-np.triu(weights, 1)).sum()
        assert own == pytest.approx(best)


def test_columns_without_a_gain_stand_alone() -> None:
    weights = np.array([[0, -1, 2, -1], [-1, 0, -3, 0], [2, -3, 0, -1], [-1, 0, -1, 0]])
    assert spanning_tree(weights.astype(float)) == [-1, -1, 0, -1]


def test_a_known_tree_is_found_with_its_conditionals() -> None:
    rng, n = np.random.default_rng(5), 20_000
    a = rng.integers(0, 2, n)
    given_a = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    b = (rng.random(n)[:, np.newaxis] > given_a[a].cumsum(axis=1)).sum(axis=1)
    c = np.where(rng.random(n) < 0.8, b, rng.integers(0, 3, n))
    d = np.where(rng.random(n) < 0.6, a, rng.integers(0, 2, n))
    e = rng.integers(0, 4, n)
    frame = pl.DataFrame({"d": d, "c": c, "e": e, "b": b, "a": a})
    found = sd.reference.chow_liu(frame)
    edges = {frozenset(pair) for pair in found.parent.items() if pair[1] is not None}
    assert edges == {frozenset("ad"), frozenset("ab"), frozenset("bc")}
    assert found.parent["d"] is None
    assert found.parent["e"] is None
    assert found.parent["b"] == "a"
    se = np.sqrt(given_a * (1 - given_a) / np.bincount(a)[:, np.newaxis])
    assert (np.abs(np.exp(found.log_tables["b"]) - given_a) < 5 * se).all()


def test_densities_are_shares_over_measures() -> None:
    frame = pl.DataFrame({"a": ["u"] * 6 + ["v"] * 2, "b": [0, 0, 0, 10, 10, 10, 0, 0]})
    found = sd.reference.chow_liu(frame, bins=3)
    a = np.array([6.5, 2.5]) / 9.0
    b = np.array([5.5, 0.5, 3.5]) / 9.5
    if found.parent["b"] is None:
        table = np.array([b, b])
    else:
        pairs = np.array([[3.0, 0.0, 3.0], [2.0, 0.0, 0.0]])
        tables = [smoothed(pairs, b, strength) for strength in 2.0 ** np.arange(-2, 11)]
        table = min(tables, key=lambda t: abs(np.log(t[0, 0]) - found.log_tables["b"][0, 0]))
    rows = pl.DataFrame({"a": ["u", "u", "v", "v"], "b": [0, 5, 9, 10]})
    wanted = np.log(a[[0, 0, 1, 1]] * table[[0, 0, 1, 1], [0, 1, 1, 2]] / [1.0, 9.0, 9.0, 1.0])
    np.testing.assert_allclose(found.log_density(rows), wanted, rtol=1e-12)


def test_outside_is_minus_infinity() -> None:
    found = sd.reference.chow_liu(mixed())
    inside = mixed(1, seed=9).row(0, named=True)
    changes = [{}, {"city": "Rom"}, {"city": None}, {"age": 19}, {"income": -0.01}, {"pets": None}]
    frame = pl.DataFrame([inside | change for change in changes])
    values = found.log_density(frame.with_columns(other=1))
    assert np.isfinite(values[0])
    assert (values[1:] == -np.inf).all()
    half = frame[:1].with_columns(age=pl.col("age") + 0.5)
    assert found.log_density(half)[0] == -np.inf


def test_values_that_cannot_be_levels_are_outside() -> None:
    found = sd.reference.chow_liu(mixed(300))
    lists = mixed(2).with_columns(city=pl.Series([["Bern"], ["Zug"]]))
    assert (found.log_density(lists) == -np.inf).all()


def test_draws_have_the_density() -> None:
    found = sd.reference.chow_liu(mixed(400), bins=4)
    draws = found.sample(40_000, seed=3)
    assert draws.schema == mixed(1).schema
    cells = list(found.cells.values())
    codes = [found.cells[name].positions(_narwhals(draws, name)) for name in found.columns]
    shape = [len(each) for each in cells]
    counts = np.bincount(np.ravel_multi_index(codes, shape), minlength=np.prod(shape))
    # The probability of a joint cell is the density at any of its draws times its measure.
    volume = np.prod([c.measures()[code] for c, code in zip(cells, codes, strict=True)], axis=0)
    probability = np.zeros(np.prod(shape))
    probability[np.ravel_multi_index(codes, shape)] = np.exp(found.log_density(draws)) * volume
    often = probability * len(draws) >= 10
    expected = np.append(probability[often], 1 - probability[often].sum()) * len(draws)
    observed = np.append(counts[often], counts[~often].sum())
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert often.sum() > 20
    assert statistic < stats.chi2.ppf(1 - 1e-4, often.sum())


def test_draws_are_uniform_inside_a_cell() -> None:
    found = sd.reference.chow_liu(mixed(), bins=4)
    draws = found.sample(20_000, seed=4)
    edges = found.cells["income"].edges
    own = draws["income"].filter(draws["income"].is_between(*edges[-2:], closed="right"))
    assert stats.kstest(own, stats.uniform(edges[-2], edges[-1] - edges[-2]).cdf).pvalue > 1e-4
    age = found.cells["age"]
    low, high = (round(edge + 0.5) for edge in age.edges[-2:])
    seen = np.bincount(draws["age"].filter(draws["age"] >= low) - low, minlength=high - low)
    assert len(seen) == high - low > 3
    assert stats.chisquare(seen).pvalue > 1e-4


def test_the_seed_decides() -> None:
    found = sd.reference.chow_liu(mixed(300))
    assert found.sample(50, seed=1).equals(found.sample(50, np.random.SeedSequence(1)))
    assert not found.sample(50, seed=1).equals(found.sample(50, seed=2))
    with pytest.raises(sd.SamplingError, match="seed=-1"):
        found.sample(5, seed=-1)
    with pytest.raises(sd.SamplingError, match="n=0"):
        found.sample(0)


def _narwhals(frame: pl.DataFrame, name: str):
    import narwhals as nw

    return nw.from_native(frame, eager_only=True).get_column(name)


def test_arrays_for_the_core_add_up_to_the_density() -> None:
    found = sd.reference.chow_liu(mixed())
    arrays, rows = found._arrays(), found.sample(200, seed=5)
    levels = found.cells["city"].levels
    coded = rows.with_columns(city=pl.Series([float(levels.index(v)) for v in rows["city"]]))
    matrix = coded.to_numpy().astype(np.float64)
    cell = np.column_stack(
        [(matrix[:, j, np.newaxis] > cuts).sum(axis=1) for j, cuts in enumerate(arrays.cuts)]
    )
    total = np.zeros(len(rows))
    for j, parent in enumerate(arrays.parent):
        total += arrays.log_table[j][cell[:, parent] if parent >= 0 else 0, cell[:, j]]
    np.testing.assert_allclose(total, found.log_density(rows), rtol=1e-12)
    assert all(table.flags.c_contiguous for table in arrays.log_table)


def test_it_is_a_value() -> None:
    frame = mixed(300)
    found, same = sd.reference.chow_liu(frame), sd.reference.chow_liu(frame.to_pandas())
    assert found == same
    assert hash(found) == hash(same)
    assert pickle.loads(pickle.dumps(found)) == found
    assert found != sd.reference.chow_liu(frame[1:])
    assert found != sd.reference.chow_liu(frame, bins=2)
    assert found != "reference"
    with pytest.raises(ValueError, match="read-only"):
        found._log_shares[0][0, 0] = 0.0
    with pytest.raises(TypeError):
        found.parent["age"] = "city"


def test_it_says_what_it_is() -> None:
    found = sd.reference.chow_liu(mixed())
    cells = sum(len(each) for each in found.cells.values())
    assert repr(found) == (f"<Tree density of 4 columns, learned from 3,000 rows: {cells:,} cells>")
    words = found.describe().splitlines()
    assert words[2].split() == ["column", "values", "cells", "depends", "on", "information"]
    age = next(line for line in words if line.startswith("age"))
    assert "integer 20 to 74" in age
    city = next(line for line in words if line.startswith("city"))
    assert "3 levels: 'Bern', 'Genf', 'Zug'" in city
    # Ages of neighbouring cities overlap by ten years of 25.
    assert found.parent["age"] == "city"
    assert float(age.split()[-1]) == pytest.approx(np.log(3) - 8 / 15 * np.log(2), abs=0.03)


def test_columns_of_one_value() -> None:
    frame = pl.DataFrame({"a": [1.5] * 9, "b": [3] * 9, "c": ["u"] * 9, "d": list(range(9))})
    found = sd.reference.chow_liu(frame, bins=2)
    assert set(found.parent.values()) == {None}
    assert found.sample(3, seed=0).drop("d").equals(frame[:3].drop("d"))
    first = found.cells["d"].rows[0]
    wanted = np.repeat(
        [(first + 0.5) / 10 / first, (9.5 - first) / 10 / (9 - first)], [first, 9 - first]
    )
    np.testing.assert_allclose(found.log_density(frame), np.log(wanted), rtol=1e-12)
    assert found.log_density(frame.with_columns(a=2.0)).max() == -np.inf


@pytest.mark.parametrize(
    ("frame", "options", "error", "words"),
    [
        (pl.DataFrame({"a": [1.0]}), {}, sd.DataError, "1 rows and 1 columns"),
        (pl.DataFrame(), {}, sd.DataError, "0 rows"),
        (pl.DataFrame({"a": [1.0, None]}), {}, sd.DataError, "column 'a'.*row 1.*missing"),
        (pl.DataFrame({"a": ["u", None]}), {}, sd.DataError, "column 'a'.*row 1"),
        (pl.DataFrame({"a": [1, 2]}), {"bins": 1}, sd.SamplingError, "bins=1"),
        (pl.DataFrame({"a": [1, 2]}), {"integer": ["b"]}, sd.SpaceError, "unknown column 'b'"),
        (pl.DataFrame({"a": [1, 2]}), {"integer": "a"}, sd.SpaceError, "integer='a'"),
        (pl.DataFrame({"a": ["u", "v"]}), {"integer": ["a"]}, sd.SpaceError, "cannot be integer"),
        (pl.DataFrame({"a": [0.5, 1]}), {"integer": ["a"]}, sd.SpaceError, "holds 0.5"),
        (
            pl.DataFrame({"a": [1, 2]}),
            {"integer": ["a"], "categorical": ["a"]},
            sd.SpaceError,
            "'a' is named in integer and categorical",
        ),
        (pl.DataFrame({"a": [1, 2]}), {"names": ["b"]}, sd.SpaceError, "names is for numpy"),
        ([[1.0]], {}, sd.DataError, "is needed, not"),
        (pl.DataFrame({"a": [1, -(2**52)]}), {}, sd.DataError, "'a': it holds -4503599627370496"),
    ],
)
def test_bad_input_is_refused(frame, options, error, words) -> None:
    with pytest.raises(error, match=words):
        sd.reference.chow_liu(frame, **options)


def test_levels_of_several_types_are_refused() -> None:
    import pandas as pd

    with pytest.raises(sd.DataError, match=r"column 'a'.*strings, numbers or booleans"):
        sd.reference.chow_liu(pd.DataFrame({"a": ["u", 1, "v"]}))


def test_levels_may_be_whole_and_other_numbers() -> None:
    import pandas as pd

    found = sd.reference.chow_liu(pd.DataFrame({"a": pd.Series([1, 2.5] * 3, dtype=object)}))
    space = sd.Space({"a": sd.Categorical([1, 2.5])})
    assert set(found.on(space).sample(50, seed=0)["a"]) == {1.0, 2.5}


def test_rows_must_have_the_columns() -> None:
    found = sd.reference.chow_liu(mixed(100))
    with pytest.raises(sd.DataError, match="no column 'age'"):
        found.log_density(mixed(5).drop("age"))
    with pytest.raises(sd.DataError, match="column 'age' is String"):
        found.log_density(mixed(5).with_columns(age=pl.lit("old")))


def test_kinds_are_said_by_name() -> None:
    frame = pl.DataFrame({"a": [0.0, 1.0, 2.0] * 5, "b": [1, 2, 3] * 5, "c": [1, 2, 3] * 5})
    found = sd.reference.chow_liu(frame, integer=["a"], continuous=["b"], categorical=["c"])
    assert found.cells["a"].integer
    assert not found.cells["b"].integer
    assert found.cells["c"].levels == (1, 2, 3)
    array = sd.reference.chow_liu(frame.to_numpy(), names=["a", "b", "c"], categorical=["c"])
    assert array.columns == ["a", "b", "c"]
