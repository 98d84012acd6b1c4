"""Random small frames and spaces: densities against sums over every row there is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import sondage as sd
from sondage.reference import TreeDensity

LEVELS = ["p", "q", "r", "s"]


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Two to four columns of any kind and 2 to 60 rows, with ties and with dependence."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(2, 60))
    hidden = rng.integers(0, 3, n)
    columns = {}
    for j, kind in enumerate(
        draw(
            st.lists(
                st.sampled_from(["real", "tied", "whole", "wide", "level"]), min_size=2, max_size=4
            )
        )
    ):
        columns[f"c{j}"] = {
            "real": lambda: hidden + rng.normal(size=n),
            "tied": lambda: np.round(hidden * rng.random(n), 1),
            "whole": lambda: hidden * rng.integers(0, 3, n),
            "wide": lambda: hidden * 7 + rng.integers(-20, 20, n),
            "level": lambda: np.array(LEVELS)[np.minimum(hidden + rng.integers(0, 2, n), 3)],
        }[kind]()
    return pl.DataFrame(columns)


@st.composite
def kinds_within(draw: st.DrawFn, values: pl.Series, *, inside: bool) -> sd.space.Column:
    """Return a kind for a column; `inside` the data's range and levels, or anywhere."""
    found = sorted(values.unique().to_list())
    if len(found) == 1 or draw(st.integers(0, 4)) == 0:
        return sd.Fixed(draw(st.sampled_from(found)))
    if values.dtype == pl.String:
        pool = found if inside else LEVELS
        some = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=4, unique=True))
        return (
            sd.Categorical([*some[1:], some[0]])
            if set(some) & set(found)
            else sd.Categorical(LEVELS)
        )
    low, high = found[0], found[-1]
    reach = 0 if inside else max(1, math.ceil(high - low))
    if values.dtype == pl.Int64:
        ends = draw(
            st.lists(st.integers(low - reach, high + reach), min_size=2, max_size=2, unique=True)
        )
        return sd.Integer(min(ends), max(ends))
    shares = st.floats(0.0, 1.0) if inside else st.floats(-1.0, 2.0)
    ends = sorted(low + (high - low) * share for share in draw(st.tuples(shares, shares)))
    ends = [max(low, ends[0]), min(high, ends[1])] if inside else ends
    return sd.Continuous(low, high) if ends[1] - ends[0] < 1e-3 else sd.Continuous(*ends)


def everything(space: sd.Space, *densities: TreeDensity) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows that stand for the pieces of a space on which densities are constant, and measures."""
    columns = []
    for name, kind in space.kinds.items():
        if isinstance(kind, sd.Fixed):
            columns.append([(kind.value, 1.0)])
        elif isinstance(kind, sd.Categorical):
            columns.append([(level, 1.0) for level in kind.levels])
        elif isinstance(kind, sd.Integer):
            columns.append([(value, 1.0) for value in range(kind.lower, kind.upper + 1)])
        else:
            edges = {edge for density in densities for edge in density.cells[name].edges}
            inner = sorted(edge for edge in edges if kind.lower < edge < kind.upper)
            ends = [kind.lower, *inner, kind.upper]
            # Nearest to the upper end, so that pieces of one unit in the last place are found.
            columns.append([(b, b - a) for a, b in itertools.pairwise(ends)])
    rows, measures = [], []
    for row in itertools.product(*columns):
        rows.append([value for value, _ in row])
        measures.append(math.prod(measure for _, measure in row))
    return pl.DataFrame(rows, schema=space.columns, orient="row"), np.array(measures)


def small(space: sd.Space, density: TreeDensity) -> bool:
    size = 1
    for name, kind in space.kinds.items():
        if isinstance(kind, sd.Categorical):
            size *= len(kind.levels)
        elif isinstance(kind, sd.Integer):
            size *= kind.upper - kind.lower + 1
        elif isinstance(kind, sd.Continuous):
            size *= len(density.cells[name]) + 2
    return size < 20_000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_on_a_space_inside_the_data_it_is_the_density_over_its_sum(data: st.DataObject) -> None:
    frame = data.draw(frames())
    found = sd.reference.chow_liu(frame, bins=data.draw(st.integers(2, 6)))
    kinds = {s.name: data.draw(kinds_within(s, inside=True)) for s in frame}
    space = sd.Space({name: kinds[name] for name in data.draw(st.permutations(frame.columns))})
    if not small(space, found):
        return
    own = found.on(space)
    rows, measures = everything(space, found, own)
    before = found.log_density(rows)
    wanted = before - np.log(np.exp(before) @ measures)
    np.testing.assert_allclose(own.log_density(rows), wanted, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_on_any_space_it_is_a_density(data: st.DataObject) -> None:
    frame = data.draw(frames())
    found = sd.reference.chow_liu(frame, bins=data.draw(st.none() | st.integers(2, 6)))
    kinds = {s.name: data.draw(kinds_within(s, inside=False)) for s in frame}
    space = sd.Space({name: kinds[name] for name in data.draw(st.permutations(frame.columns))})
    if not small(space, found):
        return
    own = found.on(space)
    rows, measures = everything(space, own)
    values = own.log_density(rows)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(np.exp(values) @ measures, 1.0, rtol=1e-9)
    draws = own.sample(50, seed=data.draw(st.integers(0, 99)))
    assert space.contains(draws).all()
    assert np.isfinite(own.log_density(draws)).all()
    for log_table, parent in zip(own._arrays().log_table, own._arrays().parent, strict=True):
        assert len(log_table) == (len(own._arrays().cuts[parent]) + 1 if parent >= 0 else 1)


@settings(max_examples=60, deadline=None)
@given(frames(), st.none() | st.integers(2, 80))
def test_every_row_learned_from_has_a_density(frame: pl.DataFrame, bins: int | None) -> None:
    found = sd.reference.chow_liu(frame, bins=bins)
    assert np.isfinite(found.log_density(frame)).all()
    for name, cells in found.cells.items():
        assert sum(cells.rows) == len(frame)
        assert (cells.measures() > 0).all()
        positions = cells.positions(sd.frames.to_narwhals(frame, [name]).get_column(name))
        assert (np.bincount(positions, minlength=len(cells)) == cells.rows).all()
