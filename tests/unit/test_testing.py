"""Targets whose answers are known, and the checks that compare with them."""

import math

import numpy as np
import polars as pl
import pytest

import sondage as sd
from sondage import testing


def answered(target: testing.Target, **settings: object) -> pl.DataFrame:
    answer = sd.ask(
        target.question, target.space, temperature=target.temperature, seed=1, **settings
    )
    return testing.check(answer, target)


@pytest.mark.parametrize(
    "target",
    [
        testing.normal([0.0, 3.0], [[1.0, 0.8], [0.8, 2.0]]),
        testing.truncated_normal(0.9, 0.3, 0.0, 1.0),
        testing.steps([-1.0, 0.0, 0.5, 2.0], [0.0, 2.0, 0.5]),
    ],
    ids=["normal", "truncated", "steps"],
)
def test_answers_agree_with_targets(target: testing.Target) -> None:
    found = answered(target, draws=2000)
    assert found.height == 5 * len(target.cdf)
    assert found["z"].abs().max() < 4.0  # type: ignore[operator]
    assert found.columns == ["column", "x", "exact", "share", "mcse", "z"]


def test_a_wrong_answer_is_noticed() -> None:
    known = testing.truncated_normal(0.9, 0.3, 0.0, 1.0)
    other = testing.truncated_normal(0.9, 0.25, 0.0, 1.0)
    wrong = testing.Target(other.question, known.space, known.cdf)
    assert answered(wrong, draws=2000)["z"].abs().max() > 6.0  # type: ignore[operator]


def test_integers_and_points_that_are_never_passed() -> None:
    space = sd.Space({"n": sd.Integer(0, 9)})
    weights = np.exp(-0.5 * (np.arange(10) - 3.0) ** 2)
    below = np.cumsum(weights) / weights.sum()
    target = testing.Target(
        sd.near({"n": 3}, weights={"n": 0.5}),
        space,
        {"n": lambda n: float(below[math.floor(n)]) if n >= 0 else 0.0},
    )
    found = answered(target, draws=500)
    assert found["z"].abs().max() < 4.0  # type: ignore[operator]
    assert (found["x"] == found["x"].round()).all()
    # A distribution that has nothing where all draws are.
    never = testing.Target(
        sd.near({"n": 3}, weights={"n": 9.0}), space, {"n": lambda n: float(n >= 0)}
    )
    assert answered(never, draws=500)["z"].abs().max() > 6.0  # type: ignore[operator]


def test_gradients() -> None:
    space = sd.Space({"a": sd.Continuous(0.0, 2.0), "b": sd.Continuous(-1.0, 1.0)})

    def energy(rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(rows[:, 0]) * rows[:, 1])

    def slope(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(rows[:, 0]) * rows[:, 1], np.sin(rows[:, 0])], axis=1)

    right = testing.check_gradient(sd.custom(energy, slope, name="wave"), space)
    assert right["error"].max() < 1e-6  # type: ignore[operator]

    def wrong(rows: np.ndarray) -> np.ndarray:
        return slope(rows) * [1.0, 1.01]

    found = testing.check_gradient(sd.custom(energy, wrong, name="wave"), space)
    assert found["error"][0] < 1e-6
    assert 5e-3 < found["error"][1] < 2e-2
    worst = found.row(1, named=True)
    assert worst["slope"] == pytest.approx(1.01 * worst["difference"], rel=1e-4)


def test_bad_input() -> None:
    target = testing.truncated_normal(0.9, 0.3, 0.0, 1.0)
    answer = sd.ask(target.question, target.space, draws=10, seed=1, temperature=2.0)
    with pytest.raises(sd.SamplingError, match=r"temperature of the answer is 2\.0, not the"):
        testing.check(answer, target)
    with pytest.raises(sd.QuestionError, match="cdf names 'y'; the columns are 'x'"):
        testing.Target(target.question, target.space, {"y": float})
    words = sd.Space({"c": sd.Categorical(["a", "b"])})
    with pytest.raises(sd.QuestionError, match="'c', and only continuous and integer"):
        testing.Target(target.question, words, {"c": float})
    with pytest.raises(sd.QuestionError, match="positive definite"):
        testing.normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(sd.QuestionError, match="do not fit"):
        testing.normal([0.0], [[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(sd.QuestionError, match="3 edges must ascend, and have 2 energies"):
        testing.steps([0.0, 1.0, 1.0], [0.0, 1.0])
    with pytest.raises(sd.QuestionError, match="free continuous columns"):
        testing.check_gradient(target.question, sd.Space({"x": sd.Integer(0, 3)}))
