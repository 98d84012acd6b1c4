"""Probabilities against exact ones over many seeds: no bias, and errors as large as stated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from leaves import volumes
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import sondage as sd

pytestmark = pytest.mark.statistical

SEEDS = 20
#: Of the spread of 20 estimates, in units of the error that each states: 5 in 10,000 on each side
#: of (0.5, 1.55) if that is right.
FACTOR = 1.55


def judge(p: float, run: Callable[[int], sd.Measure], *, least: float = 1.0 / FACTOR) -> None:
    """Compare 20 estimates and their errors with the truth."""
    found = [run(seed) for seed in range(SEEDS)]
    assert {own.status for own in found} == {"complete"}
    logs = np.array([own.log_p for own in found])
    errors = np.array([own.log_se for own in found])
    off = (logs - math.log(p)) / errors
    assert errors.max() <= 0.15
    assert np.abs(off).max() < 4.0, off
    assert abs(off.mean()) * math.sqrt(SEEDS) < 4.0, off
    ratio = logs.std(ddof=1) / np.sqrt(np.mean(errors**2))
    assert least < ratio < FACTOR, ratio
    inside = [own.interval[0] <= p <= own.interval[1] for own in found]
    assert sum(inside) >= 15


def unit(n: int) -> sd.Space:
    return sd.Space({f"x{j}": sd.Continuous(0.0, 1.0) for j in range(n)})


@pytest.mark.parametrize("leaves", [1, 40])
def test_leaf_volumes_of_a_tree(leaves: int) -> None:
    rng = np.random.default_rng(5)
    rows = rng.uniform(size=(3000, 4)) ** 2
    fitted = DecisionTreeRegressor(max_leaf_nodes=300, random_state=0).fit(
        rows, np.prod(1.0 - rows, axis=1)
    )
    # The highest values, in a corner where the rows are dense and leaves small.
    value = fitted.tree_.value.ravel()
    found = sorted(volumes(fitted.tree_), key=lambda leaf: -value[leaf[0]])[:leaves]
    p, lowest = sum(share for _, share in found), float(value[found[-1][0]])
    question = sd.require(sd.as_model(fitted), (lowest, math.inf))
    judge(p, lambda seed: sd.measure(question, unit(4), seed=seed))


def half_space(w: NDArray[np.float64], t: float) -> float:
    """Share of the unit cube where w·x ≥ t, all w above 0: by its corners."""
    n, left = len(w), float(np.sum(w)) - t
    corners = (
        (-1) ** len(chosen) * max(left - sum(chosen), 0.0) ** n
        for k in range(n + 1)
        for chosen in itertools.combinations(w.tolist(), k)
    )
    return sum(corners) / (math.factorial(n) * float(np.prod(w)))


@pytest.mark.parametrize("by", ["level", "requirement"])
def test_a_half_space(by: str) -> None:
    rng = np.random.default_rng(6)
    rows = rng.uniform(size=(500, 4))
    model = LogisticRegression(C=10).fit(rows, rows @ [1.0, 2.0, 3.0, 0.5] > 3.2)
    w, b = model.coef_[0], float(model.intercept_[0])
    if by == "level":
        t = 0.97 * float(w.sum())
        question = sd.fixed_label(sd.as_model(model), True)
        level = float(np.logaddexp(0.0, -(t + b)))
        judge(half_space(w, t), lambda s: sd.measure(question, unit(4), at_most=level, seed=s))
        return
    model.intercept_ = np.array([-0.96 * w.sum()])
    question = sd.require(sd.as_model(model), True)
    p = half_space(w, 0.96 * float(w.sum()))
    judge(p, lambda seed: sd.measure(question, unit(4), seed=seed))


def test_a_ball_in_twenty_dimensions() -> None:
    d, p = 20, 1e-9
    space = sd.Space({f"x{j}": sd.Continuous(-1.0, 1.0) for j in range(d)})
    log = math.log(p) + d * math.log(2.0) + math.lgamma(d / 2 + 1) - d / 2 * math.log(math.pi)
    level = math.exp(2.0 * log / d)
    judge(p, lambda seed: sd.measure(sd.near([0.0] * d), space, at_most=level, seed=seed))


def reference_space() -> sd.Space:
    rng = np.random.default_rng(7)
    n = 4000
    a = rng.choice(["p", "q", "r"], n, p=[0.9, 0.08, 0.02])
    b = np.where(rng.uniform(size=n) < 0.9, a, rng.choice(["p", "q", "r"], n))
    c = np.where(rng.uniform(size=n) < 0.8, b, rng.choice(["p", "q", "r"], n))
    number = rng.normal(size=n) + 2.0 * (c == "r")
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "number": number})
    return sd.Space.from_frame(frame, reference=sd.reference.chow_liu(frame))


def test_a_categorical_event_of_a_reference() -> None:
    space = reference_space()
    assert space.reference is not None
    # A row is in the event if all levels are as given, and the number in the last of its cells.
    grid = pl.DataFrame(
        {"a": ["q"], "b": ["r"], "c": ["p"], "number": [space.kinds["number"].upper]}
    )
    question = sd.near(grid, norm=1, weights={"number": 0.0})
    kinds = space.kinds["number"]
    numbers = np.linspace(kinds.lower, kinds.upper, 200_001)
    middles = (numbers[1:] + numbers[:-1]) / 2.0
    rows = grid.select("a", "b", "c").join(pl.DataFrame({"number": middles}), how="cross")
    density = np.exp(space.reference.log_density(rows))
    p = float(density.mean() * (kinds.upper - kinds.lower))
    judge(p, lambda seed: sd.measure(question, space, at_most=0.5, seed=seed))


def test_a_rare_mixture_of_kinds() -> None:
    space = sd.Space(
        {f"k{j}": sd.Integer(0, 9) for j in range(4)}
        | {f"c{j}": sd.Categorical(["x", "y", "z"]) for j in range(4)}
        | {"m": sd.Integer(1, 6, missing=0.25)}
    ).where("k0 <= k1")
    row = {f"k{j}": 9 for j in range(4)} | {f"c{j}": "z" for j in range(4)} | {"m": None}
    question = sd.near(row, norm=1)
    # Distances of the parts and what they weigh, added up one after another.
    pair = [(9 - a + 9 - b, 1.0) for a in range(10) for b in range(10) if a <= b]
    parts = [
        pair,
        [(k, 1.0) for k in range(10)],
        [(k, 1.0) for k in range(10)],
        *[[(0, 1.0), (1, 2.0)]] * 4,
        [(0, 0.25), (5, 0.75)],
    ]
    law = {0: 1.0}
    for part in parts:
        total = sum(weight for _, weight in part)
        after: dict[int, float] = {}
        for (far, weight), (more, share) in itertools.product(law.items(), part):
            after[far + more] = after.get(far + more, 0.0) + weight * share / total
        law = after
    p = sum(weight for far, weight in law.items() if far <= 1)
    judge(p, lambda seed: sd.measure(question, space, at_most=1.0, seed=seed))


def test_a_requirement_that_is_no_level_of_its_guide() -> None:
    rng = np.random.default_rng(8)
    rows = rng.uniform(size=(500, 3))
    first = LogisticRegression(C=10).fit(rows, rows @ [1.0, 1.0, 1.0] > 1.5)
    w = first.coef_[0]
    first.intercept_ = np.array([-0.97 * w.sum()])
    guide = sd.near({"x0": 1.0, "x1": 1.0, "x2": 0.8}, norm=1)
    question = sd.require(sd.as_model(first), True)
    p = half_space(w, 0.97 * float(w.sum()))
    judge(p, lambda seed: sd.measure(question, unit(3), guide=guide, seed=seed))


@pytest.mark.parametrize("corner", [0.0, 0.475])
def test_a_box_that_is_led_to_by_distance(corner: float) -> None:
    # The sets on the way are unions of a ball, cut off at the bounds, and the box.
    def inside(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(((rows >= corner) & (rows <= corner + 0.05)).all(axis=1), 0.0, 1.0)

    def distance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        middle = corner + (0.0 if corner == 0.0 else 0.025)
        return ((rows - middle) ** 2).sum(axis=1)

    question, guide = sd.custom(inside), sd.custom(distance)
    judge(0.05**4, lambda seed: sd.measure(question, unit(4), at_most=0.5, guide=guide, seed=seed))
