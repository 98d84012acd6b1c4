"""Tree densities on a space: normalised over it, and what lies beyond the data."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import sondage as sd
from sondage.reference import TreeDensity


def learned(n: int = 500, seed: int = 0) -> TreeDensity:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, n)
    return sd.reference.chow_liu(
        pl.DataFrame(
            {
                "real": np.where(rng.random(n) < 0.2, 1.0, a + rng.normal(size=n)),
                "level": np.array(["u", "v", "w"])[a],
                "whole": 2 * a + rng.poisson(1.0, n),
            }
        ),
        bins=5,
    )


FOUND = learned()
REAL, WHOLE = FOUND.cells["real"], FOUND.cells["whole"]
LOWEST, HIGHEST = REAL.edges[0], REAL.edges[-1]
LAST = round(WHOLE.edges[-1] - 0.5)


def full() -> dict[str, sd.space.Column]:
    return {
        "whole": sd.Integer(0, LAST),
        "real": sd.Continuous(LOWEST, HIGHEST),
        "level": sd.Categorical(["w", "u", "v"]),
    }


def grid(space: sd.Space, edges: tuple[float, ...] = REAL.edges) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows that stand for all of a space, and the measure of each: pieces between `edges`."""
    frame = pl.DataFrame({"measure": [1.0]})
    for name, kind in space.kinds.items():
        measures = None
        if isinstance(kind, sd.Fixed):
            values = [kind.value]
        elif isinstance(kind, sd.Categorical):
            values = list(kind.levels)
        elif isinstance(kind, sd.Integer):
            values = list(range(kind.lower, kind.upper + 1))
        else:
            inner = [edge for edge in edges if kind.lower < edge < kind.upper]
            ends = np.array([kind.lower, *inner, kind.upper])
            values, measures = (0.5 * (ends[1:] + ends[:-1])).tolist(), np.diff(ends)
        own = pl.DataFrame(
            {name: values, "own": np.ones(len(values)) if measures is None else measures}
        )
        frame = frame.join(own, how="cross").with_columns(pl.col("measure") * pl.col("own"))
        frame = frame.drop("own")
    return frame.drop("measure"), frame["measure"].to_numpy()


def integral(density: TreeDensity, space: sd.Space) -> float:
    rows, measures = grid(space)
    return float(np.exp(density.log_density(rows)) @ measures)


def test_on_the_space_of_its_own_data_it_is_the_same() -> None:
    space = sd.Space(full())
    own = FOUND.on(space)
    rows, _ = grid(space)
    assert own.columns == space.columns == ["whole", "real", "level"]
    assert own.cells["level"].levels == ("w", "u", "v")
    assert {*own.parent.items()} == {*FOUND.parent.items()}
    np.testing.assert_allclose(own.log_density(rows), FOUND.log_density(rows), rtol=1e-12)
    assert integral(FOUND, space) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"whole": sd.Integer(2, 4)},
        {"real": sd.Continuous(0.31, 0.96)},
        {"real": sd.Continuous(REAL.edges[2], REAL.edges[3])},
        {"level": sd.Categorical(["v", "u"])},
        {"level": sd.Fixed("w")},
        {"whole": sd.Fixed(3)},
        {"real": sd.Fixed(0.5)},
        {"whole": sd.Integer(1, 3), "real": sd.Continuous(-0.5, 2.0), "level": sd.Fixed("v")},
        {"whole": sd.Fixed(1), "real": sd.Fixed(2.0)},
    ],
)
def test_inside_the_data_it_is_the_density_over_its_integral(change) -> None:
    space = sd.Space(full() | change)
    own, (rows, measures) = FOUND.on(space), grid(space)
    before = FOUND.log_density(rows)
    wanted = before - np.log(np.exp(before) @ measures)
    np.testing.assert_allclose(own.log_density(rows), wanted, rtol=1e-11, atol=1e-11)
    assert integral(own, space) == pytest.approx(1.0, abs=1e-12)
    draws = own.sample(300, seed=1)
    assert space.contains(draws).all()
    assert np.isfinite(own.log_density(draws)).all()


def test_rows_outside_the_space_have_no_density() -> None:
    own = FOUND.on(sd.Space(full() | {"level": sd.Fixed("w"), "whole": sd.Integer(2, 4)}))
    rows = pl.DataFrame({"whole": [2, 1, 2], "real": [1.0, 1.0, 1.0], "level": ["w", "w", "u"]})
    assert np.isfinite(own.log_density(rows)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"whole": sd.Integer(-5, LAST + 10)},
        {"real": sd.Continuous(LOWEST - 2.0, HIGHEST)},
        {"real": sd.Continuous(LOWEST, HIGHEST + 3.0)},
        {"real": sd.Continuous(HIGHEST + 1.0, HIGHEST + 3.0)},
        {"level": sd.Categorical(["x", "v", "y", "w"])},
        {"level": sd.Fixed("x")},
        {"whole": sd.Fixed(LAST + 7), "real": sd.Continuous(LOWEST - 1.0, 0.5)},
    ],
)
def test_it_is_positive_beyond_the_data_and_integrates_to_one(change) -> None:
    space = sd.Space(full() | change)
    own = FOUND.on(space)
    rows, measures = grid(space)
    values = own.log_density(rows)
    assert np.isfinite(values).all()
    assert np.exp(values) @ measures == pytest.approx(1.0, abs=1e-9)
    assert space.contains(own.sample(300, seed=1)).all()


def test_beyond_m_rows_lies_one_in_m_and_one() -> None:
    space = sd.Space(full() | {"whole": sd.Integer(-5, LAST + 10)})
    own, (rows, measures) = FOUND.on(space), grid(space)
    mass = np.exp(own.log_density(rows)) * measures
    whole = rows["whole"].to_numpy()
    first, last = WHOLE.edges[1], WHOLE.edges[-2]
    for beyond, outer, m in (
        (whole < 0, whole < first, WHOLE.rows[0]),
        (whole > LAST, whole > last, WHOLE.rows[-1]),
    ):
        assert mass[beyond].sum() / mass[outer].sum() == pytest.approx(1.0 / (m + 1))
    assert own.cells["whole"].rows[0] == own.cells["whole"].rows[-1] == 0


def test_the_smallest_value_stays_in_its_cell() -> None:
    own = FOUND.on(sd.Space(full() | {"real": sd.Continuous(LOWEST - 2.0, HIGHEST + 2.0)}))
    rows = pl.DataFrame({"real": [LOWEST, HIGHEST], "level": ["u", "w"], "whole": [1, 5]})
    change = own.log_density(rows) - FOUND.log_density(rows)
    wanted = np.log1p(-1.0 / (np.array([REAL.rows[0], REAL.rows[-1]]) + 1))
    np.testing.assert_allclose(change, wanted, rtol=1e-9)


def test_unknown_levels_have_one_row_together() -> None:
    space = sd.Space(full() | {"level": sd.Categorical(["u", "v", "w", "x", "y"])})
    own, (rows, measures) = FOUND.on(space), grid(space)
    mass = pl.DataFrame({"level": rows["level"], "mass": np.exp(own.log_density(rows)) * measures})
    of = {level: part["mass"].sum() for (level,), part in mass.group_by("level")}
    assert of["x"] == pytest.approx(0.5 / 501)
    assert of["y"] == pytest.approx(0.5 / 501)
    # Under an unknown level its child is as it is by itself.
    assert (own.parent["level"], own.parent["whole"]) == ("real", "level")
    table = np.exp(own.log_tables["whole"])
    shares = np.array([of[level] for level in "uvw"]) / (500 / 501)
    np.testing.assert_allclose(table[3], shares @ table[:3], rtol=1e-9)
    np.testing.assert_array_equal(table[3], table[4])


def test_it_can_be_taken_again() -> None:
    wide = sd.Space(full() | {"whole": sd.Integer(-5, LAST + 10)})
    wider = sd.Space(full() | {"whole": sd.Integer(-9, LAST + 12)})
    narrow = wide.fix({"level": "v"})
    again = FOUND.on(wide).on(narrow)
    rows, _ = grid(narrow)
    np.testing.assert_allclose(
        again.log_density(rows), FOUND.on(narrow).log_density(rows), rtol=1e-11
    )
    assert integral(FOUND.on(wide).on(wider), wider) == pytest.approx(1.0)


def test_a_column_of_one_value_is_uniform_between_bounds() -> None:
    frame = pl.DataFrame({"a": [2.0] * 6, "b": [1] * 6, "c": ["u"] * 6})
    found = sd.reference.chow_liu(frame)
    space = sd.Space(
        {"c": sd.Categorical(["u", "v"]), "a": sd.Continuous(0, 4), "b": sd.Integer(0, 4)}
    )
    rows = pl.DataFrame({"a": [0.0, 3.0], "b": [4, 1], "c": ["u", "v"]})
    wanted = np.log(np.array([6 / 7, 1 / 7]) / 4 / 5)
    np.testing.assert_allclose(found.on(space).log_density(rows), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"more": sd.Continuous(0, 1)}, "other columns: the space has 'more' besides"),
        ({"real": None}, "the space lacks 'real'"),
        ({"real": sd.Integer(0, 3)}, "column 'real' of the reference: it is continuous"),
        ({"whole": sd.Continuous(0, 3)}, "column 'whole' .*integer 0 to .*name the kind"),
        ({"whole": sd.Categorical([0, 1])}, "'whole'.*name it in categorical="),
        ({"level": sd.Continuous(0, 1)}, "'level'.*3 levels: 'u', 'v', 'w'"),
        ({"level": sd.Categorical(["x", "y"])}, "none of the space's levels 'x', 'y'"),
        ({"level": sd.Categorical(["u", 1])}, "'level'.*all of one of these"),
        ({"whole": sd.Fixed("u")}, "'whole'.*fixes it at 'u'"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(change, words) -> None:
    kinds = {name: kind for name, kind in (full() | change).items() if kind is not None}
    with pytest.raises(sd.SpaceError, match=words):
        FOUND.on(sd.Space(kinds))
