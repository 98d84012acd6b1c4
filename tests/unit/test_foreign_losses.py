"""G of models that only their own library evaluates, against what they say themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 3,
    "warmup": 20,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}
LINE = LogisticRegression(C=20).fit(X, Y)
PAIR = LogisticRegression(C=20).fit(X, Y == 1)
ROWS = np.random.default_rng(0).random((200, 2))


def foreign(function: Callable[[Any], Any], output: str, **options: Any) -> Model:
    return sd.as_model(function, space=SPACE, output=output, name="mine", **options)


def values(rows: Any) -> NDArray[np.float64]:
    return np.asarray(rows[:, 0] + 2.0 * rows[:, 1])


def test_losses_of_margins() -> None:
    mine = foreign(PAIR.decision_function, "score", classes=["no", "yes"])
    z = PAIR.decision_function(ROWS)
    assert np.array_equal(mine.predict(ROWS) == "yes", z > 0)
    for question, expected in (
        (sd.fixed_label(mine, "yes"), np.logaddexp(0.0, -z)),
        (sd.fixed_label(mine, "no"), np.logaddexp(0.0, z)),
        (sd.fixed_label(mine, "yes", loss="hinge"), np.maximum(0.0, 1.0 - z)),
        (sd.fixed_label(mine, "yes", loss="squared"), (1 / (1 + np.exp(z))) ** 2),
        (sd.prediction_risky(mine, output="score", level=0.5), (z - 0.5) ** 2),
        (sd.require(mine, "yes"), np.where(z > 0, 0.0, np.inf)),
    ):
        np.testing.assert_allclose(question.evaluate(ROWS, SPACE), expected, rtol=1e-12)
    far = foreign(lambda rows: 1e4 * PAIR.decision_function(rows), "score")
    assert np.isfinite(sd.fixed_label(far, 1).evaluate(ROWS, SPACE)).all()


def test_losses_of_scores_of_three_classes() -> None:
    mine = foreign(LINE.decision_function, "score")
    theirs = sd.as_model(LINE, space=SPACE)
    for ask in (
        lambda model: sd.fixed_label(model, 2),
        lambda model: sd.fixed_label(model, 2, loss="hinge"),
        lambda model: sd.prediction_risky(model, entropy=True),
        lambda model: sd.require(model, 0),
    ):
        expected = ask(theirs).evaluate(ROWS, SPACE)
        np.testing.assert_allclose(ask(mine).evaluate(ROWS, SPACE), expected, rtol=1e-9)


def test_losses_of_probabilities() -> None:
    p = PAIR.predict_proba(ROWS)[:, 1]
    one = foreign(lambda rows: PAIR.predict_proba(rows)[:, 1], "proba")
    both = foreign(PAIR.predict_proba, "proba")
    for mine in (one, both):
        for question, expected in (
            (sd.fixed_label(mine, 1), -np.log(p)),
            (sd.prediction_risky(mine, level=0.3), (p - 0.3) ** 2),
            (sd.require(mine, 1), np.where(p > 0.5, 0.0, np.inf)),
        ):
            np.testing.assert_allclose(question.evaluate(ROWS, SPACE), expected, rtol=1e-12)


def test_losses_of_values() -> None:
    mine = foreign(values, "value")
    v = values(ROWS)
    np.testing.assert_allclose(
        sd.fixed_label(mine, 1.5, scale=0.1).evaluate(ROWS, SPACE), 0.5 * ((v - 1.5) / 0.1) ** 2
    )
    expected = np.where((v >= 1.0) & (v <= 2.0), 0.0, np.inf)
    assert np.array_equal(sd.require(mine, (1.0, 2.0)).evaluate(ROWS, SPACE), expected)


def test_losses_of_labels() -> None:
    mine = foreign(LINE.predict, "label", classes=[0, 1, 2])
    own = LINE.predict(ROWS)
    expected = np.where(own == 1, 0.0, np.inf)
    assert np.array_equal(sd.require(mine, 1).evaluate(ROWS, SPACE), expected)
    expected = np.where(own == 1, 0.0, 2.0)
    assert np.array_equal(sd.fixed_label(mine, 1).evaluate(ROWS, SPACE), expected)


def test_losses_of_no_rows() -> None:
    question = sd.fixed_label(foreign(values, "value"), 1.0)
    assert question.evaluate(np.empty((0, 2)), SPACE).shape == (0,)


def test_losses_of_columns_by_name() -> None:
    frame = pl.DataFrame(X, schema=["b", "a"])
    model = sd.as_model(GaussianNB().fit(frame.to_pandas(), Y))
    space = sd.Space({"a": sd.Continuous(0, 1), "c": sd.Continuous(0, 1), "b": sd.Continuous(0, 1)})
    rows = np.random.default_rng(1).random((50, 3))
    own = GaussianNB().fit(X, Y).predict_log_proba(rows[:, [2, 0]])[:, 1]
    g = sd.fixed_label(model, 1).evaluate(rows, space)
    np.testing.assert_allclose(g, -own, rtol=1e-12)
    answer = sd.ask(sd.fixed_label(model, 1), space, **SMALL)
    assert answer.status == "complete"


def test_logarithms_do_not_underflow() -> None:
    narrow = GaussianNB(var_smoothing=0.0).fit(1e-3 * X, Y)
    model = sd.as_model(narrow, space=SPACE)
    assert (model.proba(ROWS)[:, 2] == 0.0).any()
    g = sd.fixed_label(model, 2).evaluate(ROWS, SPACE)
    assert np.isfinite(g).all()
    assert sd.ask(sd.fixed_label(model, 2), SPACE, **SMALL).status == "complete"
