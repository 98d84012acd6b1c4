"""How much of a space: quick estimates against exact probabilities; the spread is statistical."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import polars as pl
import pytest
from leaves import volumes
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd

NAMES = ["u", "v", "w"]
UNIT = sd.Space({name: sd.Continuous(0.0, 1.0) for name in NAMES})
ROWS = np.random.default_rng(3).uniform(size=(400, 3))
FITTED = DecisionTreeClassifier(random_state=0).fit(
    pl.DataFrame(ROWS, NAMES).to_pandas(),
    np.where(ROWS[:, 0] > 0.7, "b", np.where(ROWS[:, 1] > 0.2, "a", "c")),
)
TREE = sd.as_model(FITTED)
LOGISTIC = LogisticRegression().fit(
    pl.DataFrame(ROWS, NAMES).to_pandas(), ROWS @ [1.0, 2.0, 3.0] > 3.0
)
LINEAR = sd.as_model(LOGISTIC)
WEIGHTS = LOGISTIC.coef_[0]


def off(found: sd.Measure, p: float) -> float:
    """How many standard errors an estimate is from the truth."""
    return (found.log_p - math.log(p)) / found.log_se


def half_space(w: NDArray[np.float64], t: float) -> float:
    """Share of the unit cube where w·x ≥ t, all w above 0: by its corners."""
    n, left = len(w), float(np.sum(w)) - t
    corners = (
        (-1) ** len(chosen) * max(left - sum(chosen), 0.0) ** n
        for k in range(n + 1)
        for chosen in itertools.combinations(w.tolist(), k)
    )
    return sum(corners) / (math.factorial(n) * float(np.prod(w)))


def threshold(p: float) -> float:
    """Where w·x is exceeded with this probability."""
    low, high = 0.0, float(WEIGHTS.sum())
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if half_space(WEIGHTS, middle) > p else (low, middle)
    return low


def volume_of(label: str) -> float:
    """Share of the unit cube in leaves that predict a label."""
    predicted = FITTED.classes_[FITTED.tree_.value[:, 0].argmax(axis=1)]
    return sum(share for node, share in volumes(FITTED.tree_) if predicted[node] == label)


def test_what_is_not_rare_is_counted() -> None:
    found = sd.measure(sd.require(TREE, "b"), UNIT, seed=1)
    assert found.status == "complete"
    assert found.levels == 0
    assert found.log_se <= 0.1
    assert abs(off(found, volume_of("b"))) < 4.0
    assert found.interval[0] < found.p < found.interval[1]
    assert found.examples.columns == NAMES
    assert 1 <= len(found.examples) <= 100
    assert (FITTED.predict(found.examples.to_pandas()) == "b").all()


def rare() -> tuple[sd.Question, float, float]:
    """A half-space of probability 1e-7, as a question with its level."""
    score = threshold(1e-7) + float(LOGISTIC.intercept_[0])
    return sd.fixed_label(LINEAR, True), float(np.logaddexp(0.0, -score)), 1e-7


def test_what_is_rare_is_reached() -> None:
    question, c, p = rare()
    found = sd.measure(question, UNIT, at_most=c, seed=2)
    assert found.status == "complete"
    assert found.levels > 5
    assert found.log_se <= 0.1
    assert abs(off(found, p)) < 4.0
    assert (question.evaluate(found.examples, UNIT) <= c).all()
    assert len(found.examples) == 100


def test_threads_do_not_matter_and_seeds_do() -> None:
    question, c, _ = rare()
    one = sd.measure(question, UNIT, at_most=c, seed=3, threads=1)
    two = sd.measure(question, UNIT, at_most=c, seed=3, threads=2)
    other = sd.measure(question, UNIT, at_most=c, seed=4, threads=2)
    assert (one.log_p, one.log_se, one.calls) == (two.log_p, two.log_se, two.calls)
    assert one.examples.equals(two.examples)
    assert one.log_p != other.log_p


def test_a_function_of_python_is_measured_as_well() -> None:
    question = sd.custom(lambda rows: -(rows @ WEIGHTS), name="slope")
    found = sd.measure(question, UNIT, at_most=-threshold(1e-6), seed=5, relative_error=0.2)
    assert found.status == "complete"
    assert found.levels > 0
    assert abs(off(found, 1e-6)) < 4.0


def test_a_guide_need_not_have_the_event_among_its_level_sets() -> None:
    # The event is a thin slab across the direction in which the guide leads, to one end of it.
    score = sd.custom(lambda rows: np.where(np.abs(rows[:, 1] - 0.5) < 5e-4, 0.0, np.inf))
    narrow = sd.custom(lambda rows: np.where(rows[:, 0] + rows[:, 2] > 1.97, 0.0, np.inf))
    guide = sd.near({"u": 1.0, "v": 0.4, "w": 1.0})
    p = 1e-3 * 0.03**2 / 2.0
    found = sd.measure(score + narrow, UNIT, at_most=0.5, guide=guide, seed=6, relative_error=0.2)
    assert found.status == "complete"
    assert found.levels > 0
    assert abs(off(found, p)) < 4.0


MIXED = sd.Space(
    {
        "k": sd.Integer(0, 9),
        "c": sd.Categorical(["x", "y", "z"]),
        "m": sd.Integer(1, 6, missing=0.25),
    }
)


def table(space: sd.Space) -> pl.DataFrame:
    """All rows of the mixed space, with what they weigh."""
    rows = [
        (k, c, m, 0.25 if m is None else 0.75 / 6)
        for k, c, m in itertools.product(range(10), "xyz", [None, 1, 2, 3, 4, 5, 6])
    ]
    frame = pl.DataFrame(rows, ["k", "c", "m", "weight"], orient="row")
    return frame.filter(pl.Series(space.contains(frame)))


@pytest.mark.parametrize("condition", [None, "c == 'x' => k <= 3", "k <= 6"])
def test_tables_of_whole_numbers_levels_and_missing_values(condition: str | None) -> None:
    space = MIXED if condition is None else MIXED.where(condition)
    question = sd.near({"k": 8, "c": "y", "m": None}, norm=1)
    rows = table(space)
    hits = rows.filter(pl.Series(question.evaluate(rows, space) <= 1.0))
    p = hits["weight"].sum() / rows["weight"].sum()
    found = sd.measure(question, space, at_most=1.0, seed=7, relative_error=0.02)
    if p == 0.0:
        assert found.p == 0.0
        assert found.status == "not_seen"
        return
    assert abs(off(found, p)) < 4.0
    assert found.log_se <= 0.02


def test_conditions_that_are_functions() -> None:
    space = UNIT.where(lambda frame: frame["u"] + frame["v"] < 0.5)
    question = sd.near({"u": 0.0, "v": 0.0, "w": 0.0}, weights={"w": 0.0})
    found = sd.measure(question, space, at_most=0.01, seed=8, relative_error=0.05)
    assert abs(off(found, math.pi * 0.01 / 4.0 / 0.125)) < 4.0


def test_an_impossible_event_has_a_bound() -> None:
    space = UNIT.fix({"u": 0.9})
    found = sd.measure(sd.require(TREE, "a"), space, seed=9, max_seconds=5.0)
    assert found.p == 0.0
    assert found.log_p == -math.inf
    assert found.log_se == math.inf
    assert found.interval[0] == 0.0 < found.interval[1] < 1e-4
    assert found.status in ("not_seen", "needs_guide", "timed_out")
    assert len(found.examples) == 0
    assert "never seen" in repr(found)


def test_a_level_below_all_values_is_not_reached() -> None:
    question = sd.custom(lambda rows: rows[:, 0] ** 2 + 0.5)
    found = sd.measure(question, UNIT, at_most=0.4, seed=13)
    assert found.status == "not_seen"
    assert found.p == 0.0
    assert found.interval[1] < 1e-5


def test_a_reference_is_the_base_measure() -> None:
    frame = pl.DataFrame({"a": ["p"] * 30 + ["q"] * 10, "b": ["p"] * 28 + ["q"] * 12})
    space = sd.Space.from_frame(frame, reference=sd.reference.chow_liu(frame))
    assert space.reference is not None
    row = {"a": "q", "b": "p"}
    p = float(np.exp(space.reference.log_density(pl.DataFrame([row])))[0])
    found = sd.measure(sd.near(row), space, at_most=0.5, seed=14, relative_error=0.02)
    assert abs(off(found, p)) < 4.0


@pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")
def test_a_rare_requirement_without_a_guide_says_so() -> None:
    def corner(rows: NDArray[np.float64]) -> NDArray[np.int64]:
        return (rows.min(axis=1) > 0.999).astype(np.int64)

    model = sd.as_model(corner, space=UNIT, output="label", classes=[0, 1], name="corner")
    found = sd.measure(sd.require(model, 1), UNIT, seed=10)
    assert found.status == "needs_guide"
    assert found.p == 0.0
    assert 1e-9 < found.interval[1] < 1e-5
    guide = sd.near([1.0, 1.0, 1.0])
    led = sd.measure(sd.require(model, 1), UNIT, guide=guide, seed=10, relative_error=0.2)
    assert led.status == "complete"
    assert abs(off(led, 1e-9)) < 4.0


def test_time_is_up() -> None:
    question, c, _ = rare()
    found = sd.measure(question, UNIT, at_most=c, seed=11, max_seconds=1e-9)
    assert found.status == "timed_out"
    assert found.p == 0.0
    assert 0.0 < found.interval[1] < 1.0
    assert found.calls > 0


def test_what_is_certain() -> None:
    found = sd.measure(sd.near([0.0, 0.0, 0.0]), UNIT, at_most=3.0, seed=12)
    assert found.p == 1.0
    assert found.log_se == 0.0
    assert found.status == "complete"
    assert 0.99 < found.interval[0] < found.interval[1] == 1.0


def test_it_can_be_read_and_pickled() -> None:
    found = sd.Measure(math.log(0.0081), 0.08, (0.0069, 0.0095), 3, 41_000, "complete", ROWS_FRAME)
    text = "Measure(p = 0.0081, 95 % 0.0069 to 0.0095, 3 levels, 41,000 rows evaluated, complete)"
    assert repr(found) == text
    again = pickle.loads(pickle.dumps(found))
    assert repr(again) == text
    assert again.examples.equals(found.examples)
    one = sd.Measure(math.log(0.9973), 1e-4, (0.9971, 0.9975), 0, 1000, "complete", ROWS_FRAME)
    assert "p = 0.9973, 95 % 0.9971 to 0.9975, 1,000 rows" in repr(one)


ROWS_FRAME = pl.DataFrame(ROWS[:2], NAMES)
LABEL = sd.fixed_label(TREE, "a")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, sd.QuestionError, "at_most"),
        ({"at_most": math.nan}, sd.QuestionError, "at_most"),
        ({"at_most": math.inf}, sd.QuestionError, "at_most"),
        ({"at_most": "low"}, sd.QuestionError, "at_most"),
        ({"at_most": 1.0, "relative_error": 0.0}, sd.SamplingError, "relative_error"),
        ({"at_most": 1.0, "relative_error": 1.0}, sd.SamplingError, "relative_error"),
        ({"at_most": 1.0, "relative_error": math.nan}, sd.SamplingError, "relative_error"),
        ({"at_most": 1.0, "threads": 0}, sd.SamplingError, "threads"),
        ({"at_most": 1.0, "seed": -1}, sd.SamplingError, "seed"),
        ({"at_most": 1.0, "max_seconds": 0.0}, sd.SamplingError, "max_seconds"),
        ({"at_most": 1.0, "progress": "yes"}, sd.SamplingError, "progress"),
        ({"at_most": 1.0, "guide": 3.0}, sd.QuestionError, "guide"),
        (
            {"at_most": 1.0, "guide": sd.custom(lambda rows: np.full(len(rows), np.inf))},
            sd.QuestionError,
            "guide",
        ),
        (
            {"at_most": 1.0, "guide": sd.pullback(LABEL, (np.eye(3), np.zeros(3)))},
            sd.QuestionError,
            "pullback",
        ),
    ],
)
def test_bad_input(arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sd.measure(LABEL, UNIT, **arguments)  # type: ignore[arg-type]


def test_bad_questions_and_spaces() -> None:
    with pytest.raises(sd.QuestionError, match="question is int"):
        sd.measure(3, UNIT, at_most=1.0)  # type: ignore[arg-type]
    with pytest.raises(sd.SpaceError, match="space is dict"):
        sd.measure(LABEL, {}, at_most=1.0)  # type: ignore[arg-type]
    with pytest.raises(sd.SpaceError, match="fixed"):
        sd.measure(LABEL, UNIT.fix({"u": 0.1, "v": 0.1, "w": 0.1}), at_most=1.0)
    with pytest.raises(sd.QuestionError, match="pullback"):
        sd.measure(sd.pullback(LABEL, (np.eye(3), np.zeros(3))), UNIT, at_most=1.0)

    def fails(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raise ZeroDivisionError("no")

    with pytest.raises(sd.SamplingError, match="fails") as caught:
        sd.measure(sd.custom(fails), UNIT, at_most=1.0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
