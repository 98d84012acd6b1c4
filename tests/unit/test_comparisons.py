"""Questions that compare models: the formulas, what they refuse, what makes a draw valid."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

import sondage as sd
from sondage._checks import Disagree, Predicts
from sondage.models import Model

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
TWO = np.array(["no", "yes"])[(Y == 1).astype(int)]
PROGRESS = load_diabetes().target[: len(X)]
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
ROWS = np.random.default_rng(0).random((300, 2))


def model(estimator: Any, target: Any = TWO, name: str | None = None, part: int = 0) -> Model:
    return imported(estimator.fit(X[part:], target[part:]), name=name)


def imported(fitted: Any, **options: Any) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sd.ForeignModelWarning)
        return sd.as_model(fitted, space=SPACE, **options)


def forest(part: int = 0) -> RandomForestClassifier:
    return RandomForestClassifier(7, max_depth=3, random_state=part)


line = model(LogisticRegression(C=20), name="line")
trees = model(forest(), name="trees")
bayes = model(GaussianNB(), name="bayes")
machine = model(SVC(), name="machine")
ridge = model(RidgeClassifier(), name="ridge")
three = model(LogisticRegression(C=20), Y, name="three")
trees3 = model(forest(), Y, name="trees3")
bayes3 = model(GaussianNB(), Y, name="bayes3")
machine3 = model(SVC(decision_function_shape="ovr"), Y, name="machine3")
slope = model(LinearRegression(), PROGRESS, name="slope")
steps = model(RandomForestRegressor(5, max_depth=3, random_state=0), PROGRESS, name="steps")
LINES = [model(LogisticRegression(C=20), part=9 * part) for part in range(3)]
SHARES = np.array([0.25, 0.25, 0.5])
lines = sd.ensemble(LINES, list(SHARES), name="lines")
forests = sd.ensemble([model(forest(part), part=9 * part) for part in range(3)], name="forests")
mixed = sd.ensemble([line, bayes, trees], name="mixed")
machines = sd.ensemble([machine, ridge], name="machines")
THREES = [model(LogisticRegression(C=20), Y, part=9 * part) for part in range(3)]
threes = sd.ensemble(THREES, list(SHARES), name="threes")
SLOPES = [model(LinearRegression(), PROGRESS, part=9 * part) for part in range(3)]
slopes = sd.ensemble(SLOPES, list(SHARES), name="slopes")
labels = imported(
    lambda rows: np.where(rows[:, 0] > 0.4, "yes", "no"),
    output="label",
    classes=["no", "yes"],
    name="labels",
)
#: The same as `line` and `three`, with their classes in other orders.
turned = imported(
    lambda rows: -line._source.score(rows),
    output="score",
    classes=["yes", "no"],
    name="turned",
)
rolled = imported(
    lambda rows: three._source.score(rows)[:, [2, 0, 1]],
    output="score",
    classes=[2, 0, 1],
    name="rolled",
)


def evaluate(question: sd.Question, rows: Any = ROWS) -> NDArray[np.float64]:
    return question.evaluate(rows, SPACE)


def minus_log(one: Model, wanted: Any) -> NDArray[np.float64]:
    """Return -log p of the wanted labels, one for each row."""
    assert one.classes is not None
    index = [one.classes.index(label) for label in wanted]
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(one.proba(ROWS)[np.arange(len(ROWS)), index]))


def other(one: Model) -> NDArray[np.str_]:
    return np.where(one.predict(ROWS) == "yes", "no", "yes")


@pytest.mark.parametrize("b", [line, trees, bayes, machine, labels, lines, forests, turned])
@pytest.mark.parametrize("a", [line, trees, bayes, turned])
def test_of_two_classes_the_first_gives_the_label_that_the_second_does_not(
    a: Model, b: Model
) -> None:
    want = minus_log(a, other(b))
    np.testing.assert_allclose(evaluate(sd.model_contrasting(a, b)), want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("a", [machine, ridge])
@pytest.mark.parametrize("b", [line, trees, bayes, turned])
def test_a_margin_has_the_hinge_of_the_other_label(a: Model, b: Model) -> None:
    sign = np.where(b.predict(ROWS) == "yes", -1.0, 1.0)
    want = np.maximum(0.0, 1.0 - sign * a.score(ROWS))
    np.testing.assert_allclose(evaluate(sd.model_contrasting(a, b)), want, rtol=1e-9, atol=1e-12)


def test_votes_have_the_hinge_of_the_other_label() -> None:
    want = np.where(labels.predict(ROWS) == line.predict(ROWS), 2.0, 0.0)
    assert np.array_equal(evaluate(sd.model_contrasting(labels, line)), want)


def test_logarithms_are_never_floored() -> None:
    def far(rows: Any) -> Any:
        return 1e4 * (rows[:, 0] - 0.5)

    question = sd.model_contrasting(*(imported(far, output="score") for _ in range(2)))
    want = np.logaddexp(0.0, np.abs(far(ROWS)))
    np.testing.assert_allclose(evaluate(question), want, rtol=1e-9)


@pytest.mark.parametrize("b", [three, trees3, bayes3, threes, rolled])
@pytest.mark.parametrize("a", [three, trees3, bayes3, rolled])
def test_of_more_classes_likeness_is_that_of_probabilities(a: Model, b: Model) -> None:
    own = a.proba(ROWS)[:, np.argsort(np.array(a.classes))]
    others = b.proba(ROWS)[:, np.argsort(np.array(b.classes))]
    want = np.exp(-((own - others) ** 2).sum(axis=1) / 0.3**2)
    question = sd.model_contrasting(a, b, sigma=0.3)
    np.testing.assert_allclose(evaluate(question), want, rtol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(slope, steps), (steps, slope), (slope, slopes)])
def test_of_values_likeness_is_that_of_values(a: Model, b: Model) -> None:
    want = np.exp(-((a.predict(ROWS) - b.predict(ROWS)) ** 2) / 20.0**2)
    np.testing.assert_allclose(evaluate(sd.model_contrasting(a, b, sigma=20.0)), want, rtol=1e-9)


def test_a_pair_of_labels() -> None:
    n = len(ROWS)
    pair = sd.model_contrasting(three, trees3, labels=(1, 2))
    want = minus_log(three, [1] * n) + minus_log(trees3, [2] * n)
    np.testing.assert_allclose(evaluate(pair), want, rtol=1e-9)
    # Each model has its own labels, and its own loss.
    pair = sd.model_contrasting(line, machine3, labels=("yes", 0))
    z = machine3.score(ROWS)
    lead = z[:, 0] - np.maximum(z[:, 1], z[:, 2])
    want = minus_log(line, ["yes"] * n) + np.maximum(0.0, 1.0 - lead)
    np.testing.assert_allclose(evaluate(pair), want, rtol=1e-9)
    same = sd.fixed_label(lines, "yes") + sd.fixed_label(trees, "no")
    pair = sd.model_contrasting(lines, trees, labels=("yes", "no"))
    assert np.array_equal(evaluate(pair), evaluate(same))


def test_of_a_first_ensemble_the_question_is_the_mean() -> None:
    for posterior in (lines, forests, mixed, machines):
        shares, members = zip(*posterior.members, strict=True)
        for one in (line, trees, bayes, machine, lines):
            want = sum(
                share * evaluate(sd.model_contrasting(member, one))
                for share, member in zip(shares, members, strict=True)
            )
            got = evaluate(sd.model_contrasting(posterior, one))
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
            sensitive = sd.parameter_sensitive(one, posterior)
            assert np.array_equal(evaluate(sensitive), got)


@pytest.mark.parametrize(
    ("one", "posterior", "members", "sigma", "outputs"),
    [
        (three, threes, THREES, 0.2, lambda one: one.proba(ROWS)),
        (trees3, threes, THREES, 0.2, lambda one: one.proba(ROWS)),
        (threes, threes, THREES, 0.2, lambda one: one.proba(ROWS)),
        (slope, slopes, SLOPES, 5.0, lambda one: one.predict(ROWS)[:, None]),
        (steps, slopes, SLOPES, 5.0, lambda one: one.predict(ROWS)[:, None]),
    ],
)
def test_the_mean_likeness_of_a_posterior(
    one: Model,
    posterior: Model,
    members: list[Model],
    sigma: float,
    outputs: Callable[[Model], NDArray[np.float64]],
) -> None:
    want = np.zeros(len(ROWS))
    for share, member in zip(SHARES, members, strict=True):
        distance = ((outputs(member) - outputs(one)) ** 2).sum(axis=1)
        want += share * np.exp(-distance / sigma**2)
    question = sd.parameter_sensitive(one, posterior, sigma=sigma)
    np.testing.assert_allclose(evaluate(question), want, rtol=1e-9)


def test_what_makes_a_draw_valid() -> None:
    assert sd.model_contrasting(line, trees)._checks() == [Disagree(line, trees)]
    assert sd.model_contrasting(three, trees3, sigma=1)._checks() == [Disagree(three, trees3)]
    assert sd.model_contrasting(slope, steps, sigma=1)._checks() == []
    assert sd.parameter_sensitive(line, lines)._checks() == []
    assert (-1 * sd.model_contrasting(line, trees))._checks() == []
    pair = sd.model_contrasting(line, three, labels=("yes", 2))
    assert pair._checks() == [Predicts(line, "yes"), Predicts(three, 2)]


@pytest.mark.parametrize(("a", "b"), [(line, trees), (trees, labels), (turned, lines)])
def test_valid_rows_are_those_with_two_labels(a: Model, b: Model) -> None:
    question = sd.model_contrasting(a, b) + sd.model_contrasting(b, a)
    answer = sd.ask(
        question,
        SPACE,
        draws=60,
        chains=4,
        warmup=50,
        temperature=1.0,
        kernel=sd.RandomWalk(0.2),
        seed=1,
        progress=False,
    )
    rows = answer.draws.reshape(-1, 2)
    differ = a._user_predict(rows) != b._user_predict(rows)
    assert (answer.frame["valid"].to_numpy() == differ).all()
    assert 0.0 < differ.mean() < 1.0


class Counted:
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.rows = function, list[int]()

    def __call__(self, rows: Any) -> Any:
        self.rows.append(len(rows))
        return self.function(rows)


def test_each_model_confirms_the_draws_in_one_call() -> None:
    from sondage._recheck import recheck

    count = Counted(lambda rows: rows[:, 0] - 0.5)
    counted = imported(count, output="score", classes=["no", "yes"])
    question = (
        sd.model_contrasting(counted, line)
        + sd.model_contrasting(trees, counted)
        + sd.fixed_label(counted, "yes")
    )
    count.rows.clear()
    valid = np.zeros((3, 100), dtype=np.bool_)
    recheck([(question, SPACE, ROWS.reshape(3, 100, 2))], valid)
    assert count.rows == [300]
    yes = ROWS[:, 0] > 0.5
    want = yes & (line.predict(ROWS) == "no") & (trees.predict(ROWS) == "no")
    assert np.array_equal(valid.reshape(-1), want)
    assert want.any()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: sd.model_contrasting(line, slope), "line is a classifier and slope a regressor"),
        (lambda: sd.model_contrasting(line, three), r"line has the classes 'no', 'yes' and three"),
        (lambda: sd.parameter_sensitive(three, lines), "models to be compared must have the same"),
        (lambda: sd.parameter_sensitive(lines, line), "posterior=line is a single model"),
        (
            lambda: sd.model_contrasting(line, trees, sigma=1),
            "sigma=1 has no meaning for models of",
        ),
        (lambda: sd.parameter_sensitive(line, lines, sigma=1), "sigma=1 has no meaning for models"),
        (lambda: sd.model_contrasting(three, trees3), "sigma is needed to compare the probabilit"),
        (lambda: sd.model_contrasting(slope, steps), "sigma is needed to compare the values of"),
        (lambda: sd.parameter_sensitive(slope, slopes), "sigma is needed to compare the values of"),
        (lambda: sd.model_contrasting(slope, steps, sigma=0), "sigma=0.0 must be above zero"),
        (
            lambda: sd.model_contrasting(slope, steps, sigma="1"),
            "sigma='1' must be a finite number",
        ),
        (
            lambda: sd.model_contrasting(three, machine3, sigma=1),
            r"machine3 has none: model_contrasting compares a pair of labels",
        ),
        (lambda: sd.model_contrasting(line, trees, labels=("no", "maybe")), "no class 'maybe'"),
        (lambda: sd.model_contrasting(line, trees, labels="no"), "labels='no' must be two labels"),
        (lambda: sd.model_contrasting(line, trees, labels=("no",)), "must be two labels"),
        (
            lambda: sd.model_contrasting(line, trees, labels=("no", "yes"), sigma=1.0),
            "sigma=1.0 has no meaning with labels=",
        ),
        (lambda: sd.model_contrasting(slope, steps, labels=(1, 2)), "slope is a regressor and has"),
        (lambda: sd.model_contrasting(line, "trees"), "a sondage.Model is needed, not str"),
        (lambda: sd.parameter_sensitive(line, LINES), "a sondage.Model is needed, not list"),
    ],
)
def test_impossible_comparisons_are_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(sd.QuestionError, match=message):
        ask()


def test_description() -> None:
    assert sd.model_contrasting(trees, line).describe() == (
        "Find rows where trees and line disagree about the label (penalty: minus the logarithm of "
        "the probability that trees gives to the label that line does not predict)."
    )
    assert sd.model_contrasting(three, machine3, labels=(0, 2)).describe() == (
        "Find rows where three predicts 0 and machine3 predicts 2 (penalty: minus the logarithm of "
        "its probability plus by how much its score falls short of leading by 1)."
    )
    assert sd.model_contrasting(slope, steps, sigma=20).describe() == (
        "Find rows where slope and steps give values that are far apart (penalty: how alike the "
        "values are, exp(−d²/σ²) of their distance d with σ = 20: 1 where they are equal, next to "
        "0 beyond 2σ)."
    )
    assert (2 * sd.parameter_sensitive(line, lines)).describe() == (
        "Find rows where the label that line gives would change had its parameters come out as in "
        "lines (3 models) (penalty: minus the logarithm of the probability that they give to the "
        "label that line does not predict, on average over them; weight 2)."
    )
