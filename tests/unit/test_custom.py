"""Terms that are functions of the user: of rows, and of the outputs of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage.errors import QuestionError, SamplingError

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

Floats = NDArray[np.float64]

RNG = np.random.default_rng(0)
X = RNG.uniform(-1.0, 1.0, (300, 2))
LABEL = (X[:, 0] + X[:, 1] ** 2 > 0.2).astype(int)
LINE = sd.as_model(LogisticRegression(C=5).fit(X, LABEL), name="line")
VALUE = sd.as_model(LinearRegression().fit(X, X[:, 0] - X[:, 1]), name="value")
TREE = sd.as_model(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, LABEL), name="tree")
SPACE = sd.Space({"x0": sd.Continuous(-1.0, 1.0), "x1": sd.Continuous(-1.0, 1.0)})
ROWS = RNG.uniform(-1.0, 1.0, (60, 2))
SMALL: dict[str, Any] = {
    "draws": 50,
    "chains": 4,
    "temperature": 0.2,
    "warmup": 100,
    "seed": 3,
    "progress": False,
}


def ring(rows: Floats) -> Floats:
    return np.asarray(((rows**2).sum(axis=1) - 0.5) ** 2)


def ring_slope(rows: Floats) -> Floats:
    return np.asarray(4.0 * ((rows**2).sum(axis=1, keepdims=True) - 0.5) * rows)


def gap(a: Floats, b: Floats) -> Floats:
    return np.asarray((a[:, 1] - b[:, 1]) ** 2)


def gap_slopes(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    slopes = np.zeros_like(a)
    slopes[:, 1] = 2.0 * (a[:, 1] - b[:, 1])
    return slopes, -slopes


def test_custom_is_its_function() -> None:
    question = sd.custom(ring, ring_slope)
    np.testing.assert_array_equal(question.evaluate(ROWS, SPACE), ring(ROWS))
    np.testing.assert_allclose(question.gradient(ROWS, SPACE), ring_slope(ROWS), rtol=1e-12)
    both = 2.0 * question + sd.near([0.1, 0.2])
    want = 2.0 * ring(ROWS) + ((ROWS - [0.1, 0.2]) ** 2).sum(axis=1)
    np.testing.assert_allclose(both.evaluate(ROWS, SPACE), want)
    answer = sd.ask(both, SPACE, **SMALL)
    assert "MALA" in answer.settings.kernel
    rows = answer.draws.reshape(-1, 2)
    np.testing.assert_allclose(answer.energies.reshape(-1), both.evaluate(rows, SPACE))
    assert answer.valid.all()


def test_without_gradient_there_is_a_walk() -> None:
    answer = sd.ask(sd.custom(ring), SPACE, **SMALL)
    assert answer.settings.kernel == repr(sd.RandomWalk())
    with pytest.raises(QuestionError, match="ring"):
        sd.custom(ring).gradient(ROWS, SPACE)


def test_functions_make_a_question_what_it_is() -> None:
    assert sd.custom(ring) == sd.custom(ring)
    assert sd.custom(ring) != sd.custom(ring, ring_slope)
    assert sd.custom(ring) != sd.custom(lambda rows: ring(rows))
    assert repr(sd.custom(ring, ring_slope)) == "custom(ring, gradient=ring_slope)"
    assert "far_out" in sd.custom(ring, name="far_out").describe()


def test_a_term_is_a_loss_of_outputs() -> None:
    question = sd.term([LINE, TREE], gap)
    want = gap(LINE.proba(ROWS), TREE.proba(ROWS))
    np.testing.assert_allclose(question.evaluate(ROWS, SPACE), want, rtol=1e-12)
    value = sd.term(VALUE, lambda y: np.abs(y[:, 0]))
    np.testing.assert_allclose(value.evaluate(ROWS, SPACE), np.abs(VALUE.score(ROWS)))
    score = sd.term(LINE, lambda z: z[:, 0], output="score")
    np.testing.assert_allclose(score.evaluate(ROWS, SPACE), LINE.score(ROWS), rtol=1e-12)


def test_its_gradient_goes_through_the_models() -> None:
    other = sd.as_model(LogisticRegression(C=0.1).fit(X, LABEL), name="other")
    question = sd.term([LINE, other], gap, gradient=gap_slopes)
    slopes = question.gradient(ROWS, SPACE)
    for k in range(2):
        h = np.zeros(2)
        h[k] = 1e-5
        want = (question.evaluate(ROWS + h, SPACE) - question.evaluate(ROWS - h, SPACE)) / 2e-5
        np.testing.assert_allclose(slopes[:, k], want, atol=1e-9)
    assert sd.ask(question, SPACE, **SMALL).status == "complete"


def test_models_of_other_libraries_take_part() -> None:
    bayes = sd.as_model(GaussianNB().fit(X, LABEL), name="bayes")
    question = sd.term([LINE, bayes], gap) + sd.require(TREE, 1)
    finite = TREE.predict(ROWS) == 1
    want = np.where(finite, gap(LINE.proba(ROWS), bayes.proba(ROWS)), np.inf)
    np.testing.assert_allclose(question.evaluate(ROWS, SPACE), want, rtol=1e-12)
    assert sd.ask(question, SPACE, **SMALL).valid.all()


def test_of_an_ensemble_it_is_the_mean_over_members() -> None:
    members = [
        sd.as_model(LogisticRegression(C=c).fit(X, LABEL), name=f"c{i}")
        for i, c in enumerate((0.1, 1.0, 9.0))
    ]
    together = sd.ensemble(members, weights=[1, 2, 1])
    question = sd.term(together, lambda p: p[:, 1] ** 2)
    want = np.average([m.proba(ROWS)[:, 1] ** 2 for m in members], axis=0, weights=[1, 2, 1])
    np.testing.assert_allclose(question.evaluate(ROWS, SPACE), want, rtol=1e-12)


def test_what_is_not_finite_is_rejected_and_counted() -> None:
    def half(rows: Floats) -> Floats:
        return np.asarray(np.where(rows[:, 0] > 0.0, 0.0, np.nan))

    answer = sd.ask(sd.custom(half), SPACE, **SMALL)
    assert (answer.draws[:, :, 0] > 0.0).all()
    assert sum(answer.statistics.nonfinite) > 0


def test_what_it_raises_is_the_cause() -> None:
    calls = 0

    def tired(rows: Floats) -> Floats:
        nonlocal calls
        calls += 1
        if calls == 130:
            raise ZeroDivisionError("tired")
        return ring(rows)

    with pytest.raises(SamplingError, match="tired") as caught:
        sd.ask(sd.custom(tired), SPACE, **SMALL)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.answer is not None
    assert caught.value.answer.status == "failed"
    assert 0 < caught.value.answer.draws.shape[1] < 50


@pytest.mark.parametrize(
    "function", [lambda rows: rows, lambda rows: rows[:-1, 0], lambda rows: "x"]
)
def test_another_shape_is_refused(function: Any) -> None:
    with pytest.raises(SamplingError, match="rows"):
        sd.ask(sd.custom(function), SPACE, **SMALL)


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(QuestionError, match="a callable is needed"):
        sd.custom(3)  # type: ignore[arg-type]
    with pytest.raises(QuestionError, match="at least one model"):
        sd.term([], gap)
    with pytest.raises(QuestionError, match="output='value' is for regressors"):
        sd.term(LINE, gap, output="value")
    with pytest.raises(QuestionError, match="name="):
        sd.custom(ring, name="")
