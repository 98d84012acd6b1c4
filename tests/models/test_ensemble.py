"""Ensembles: predictions are means of the members', questions are means of theirs."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import sondage as sd
from sondage.models import Model

X, Y = load_breast_cancer(return_X_y=True)
X = ((X - X.mean(0)) / X.std(0))[:, :5]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
SPACE = sd.Space.from_frame(X)


def fits(kind: Any, n: int = 3, **arguments: Any) -> list[Any]:
    return [kind(**arguments).fit(X[i::n], Y[i::n]) for i in range(n)]


def models(kind: Any, n: int = 3, **arguments: Any) -> list[Model]:
    return [sd.as_model(fit) for fit in fits(kind, n, **arguments)]


KINDS: list[tuple[Any, dict[str, Any]]] = [
    (LogisticRegression, {"C": 0.3}),
    (DecisionTreeClassifier, {"max_depth": 4, "random_state": 0}),
    (GradientBoostingClassifier, {"n_estimators": 7, "random_state": 0}),
]


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_probabilities_are_the_weighted_means(kind: Any, arguments: dict[str, Any]) -> None:
    members = models(kind, **arguments)
    weights = [1.0, 2.0, 5.0]
    together = sd.ensemble(members, weights)
    want = np.average(
        [fit.predict_proba(X) for fit in fits(kind, **arguments)], axis=0, weights=weights
    )
    np.testing.assert_allclose(together.proba(X), want, atol=1e-14)
    assert (together.predict(X) == want.argmax(axis=1)).all()
    assert (together._user_predict(X) == want.argmax(axis=1)).all()
    assert together.native
    assert together.differentiable == members[0].differentiable
    assert "an ensemble of 3 models" in together.describe()
    assert pickle.loads(pickle.dumps(together)) == together


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_a_question_is_the_mean_of_the_members_questions(
    kind: Any, arguments: dict[str, Any]
) -> None:
    members = models(kind, **arguments)
    weights = np.array([1.0, 2.0, 5.0]) / 8.0
    together = sd.ensemble(members, list(weights))
    for ask in (
        lambda model: sd.fixed_label(model, 1, loss="squared"),
        lambda model: sd.fixed_label(model, 0, loss="hinge"),
        lambda model: sd.prediction_risky(model, entropy=True),
        lambda model: sd.prediction_risky(model, level=0.3),
    ):
        want = sum(w * ask(m).evaluate(X, SPACE) for w, m in zip(weights, members, strict=True))
        np.testing.assert_allclose(ask(together).evaluate(X, SPACE), want, rtol=1e-12, atol=1e-13)


def test_a_requirement_is_about_the_mean() -> None:
    together = sd.ensemble(models(LogisticRegression))
    broken = np.isposinf(sd.require(together, 1).evaluate(X, SPACE))
    assert (broken == (together.predict(X) != 1)).all()
    question = sd.require(together, 0) + 0.5 * sd.near(X[0])
    answer = sd.ask(question, SPACE, draws=50, chains=4, warmup=100, seed=1, progress=False)
    assert answer.frame["valid"].all()


def test_regressors_and_members_without_probabilities() -> None:
    ridge = Ridge().fit(DIABETES, PROGRESS)
    tree = DecisionTreeRegressor(max_depth=3).fit(DIABETES, PROGRESS)
    value = sd.ensemble([sd.as_model(ridge), sd.as_model(tree)], [1, 3])
    want = (ridge.predict(DIABETES) + 3 * tree.predict(DIABETES)) / 4
    np.testing.assert_allclose(value.predict(DIABETES), want, rtol=1e-12)
    np.testing.assert_allclose(value.score(DIABETES), want, rtol=1e-12)

    machines = fits(SVC)
    votes = sd.ensemble([sd.as_model(machine) for machine in machines])
    assert not votes.has_proba
    majority = np.sum([machine.predict(X) for machine in machines], axis=0) >= 2
    assert (votes.predict(X) == majority).all()
    assert (votes._user_predict(X) == majority).all()


def test_members_of_members_are_members() -> None:
    a, b, c = models(LogisticRegression)
    nested = sd.ensemble([sd.ensemble([a, b], [1, 3]), c], [1, 1])
    assert [round(share, 12) for share, _ in nested.members] == [0.125, 0.375, 0.5]
    flat = sd.ensemble([a, b, c], [1, 3, 4])
    np.testing.assert_allclose(nested.proba(X), flat.proba(X), atol=1e-15)
    question, same = sd.fixed_label(nested, 1), sd.fixed_label(flat, 1)
    np.testing.assert_allclose(question.evaluate(X, SPACE), same.evaluate(X, SPACE), rtol=1e-12)


def test_models_that_only_their_library_evaluates() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sd.ForeignModelWarning)
        bayes = sd.as_model(GaussianNB().fit(X, Y))
    line = sd.as_model(LogisticRegression().fit(X, Y))
    mixed = sd.ensemble([bayes, line])
    assert not mixed.native
    np.testing.assert_allclose(mixed.proba(X), (bayes.proba(X) + line.proba(X)) / 2, atol=1e-14)


def test_one_graph_of_all_members_is_made_when_something_needs_it() -> None:
    line = sd.as_model(LogisticRegression().fit(X, Y))
    members = [model for _, model in sd.posterior.gaussian(line, 0.3, 10_000, seed=0).members]
    together = sd.ensemble(members)
    assert together.native
    assert "an ensemble of 10,000 models" in together.describe()
    rows = X[:8]
    want = np.mean([member.proba(rows) for member in members], axis=0)
    np.testing.assert_allclose(together.proba(rows), want, rtol=1e-9)
    assert (together.predict(rows) == want.argmax(axis=1)).all()
    question = sd.fixed_label(together, 1)
    want = np.mean([-np.log(member.proba(rows)[:, 1]) for member in members], axis=0)
    np.testing.assert_allclose(question.evaluate(rows, SPACE), want, rtol=1e-9)
    assert together._members is not None
    assert together._members.stack is not None
    assert "together" not in vars(together._members)
    assert pickle.loads(pickle.dumps(together)) == together
    few = sd.ensemble(members[:3])
    sd.require(few, 1).evaluate(rows, SPACE)
    assert few._members is not None
    assert "together" in vars(few._members)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["one form", "two forms", "trees"])
def test_members_that_cannot_be_stacked_are_asked_one_by_one(kind: str) -> None:
    members = models(LogisticRegression)
    if kind == "two forms":
        members[1:] = [sd.as_model(fit) for fit in fits(MLPClassifier, 2, alpha=1.0, max_iter=3)]
    if kind == "trees":
        members = models(DecisionTreeClassifier, max_depth=3)
    together = sd.ensemble(members, [1.0, 2.0, 5.0])
    assert together._members is not None
    assert (together._members.stack is not None) == (kind == "one form")
    for model in (members[0], together):
        want = sum(
            share * sd.model_contrasting(member, model).evaluate(X, SPACE)
            for share, member in together.members
        )
        got = sd.parameter_sensitive(model, together).evaluate(X, SPACE)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    if kind == "two forms":
        with pytest.raises(sd.ModelError, match="different shapes"):
            together.score(X)


def test_members_read_the_columns_that_the_ensemble_is_given() -> None:
    unnamed = sd.ensemble(models(LogisticRegression))
    named = sd.as_model(unnamed, space=SPACE)
    wide = sd.Space({"more": sd.Continuous(0, 1), **SPACE.kinds})
    rows = np.column_stack([np.zeros(len(X)), X])
    for ask in (lambda model: sd.fixed_label(model, 1), lambda model: sd.require(model, 1)):
        want = ask(unnamed).evaluate(X, SPACE)
        np.testing.assert_array_equal(ask(named).evaluate(rows, wide), want)


def test_models_that_do_not_agree_are_refused() -> None:
    line = sd.as_model(LogisticRegression().fit(X, Y))
    other = sd.as_model(LogisticRegression().fit(X[:, :3], Y))
    words = sd.as_model(LogisticRegression().fit(X, np.array(["a", "b"])[Y]))
    ridge = sd.as_model(Ridge().fit(X, Y))
    cases: list[tuple[Any, Any, str]] = [
        ([], None, "needs a list of models"),
        ([line, "model"], None, "needs a list of models"),
        ([line, other], None, "n_features 3 and logistic_regression 5"),
        ([line, words], None, "must agree"),
        ([line, ridge], None, "kind 'regressor'"),
        ([line, line], [1.0], "1 weights"),
        ([line, line], [1.0, -1.0], "weight -1.0 of an ensemble must be a number above zero"),
        ([line, line], [1.0, float("nan")], "weight nan"),
        ([line, line], [1.0, float("inf")], "2 weights"),
    ]
    for members, weights, message in cases:
        with pytest.raises(sd.ModelError, match=message):
            sd.ensemble(members, weights)
