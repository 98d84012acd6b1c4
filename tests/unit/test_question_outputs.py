"""Which output of a model a question is about: margins, scores, logits, probabilities."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import sondage as sd

X = StandardScaler().fit_transform(load_wine().data)[:, :6]
LABEL = load_wine().target
SPACE = sd.Space.from_frame(X)
TWO = (LABEL == 1).astype(int)


def evaluate(question: sd.Question, rows: Any = X) -> Any:
    return question.evaluate(rows, SPACE)


def test_margins_have_the_hinge_of_their_wanted_sign() -> None:
    machine = SVC().fit(X, TWO)
    model = sd.as_model(machine)
    z = machine.decision_function(X)
    for label, sign in ((1, 1.0), (0, -1.0)):
        question = sd.fixed_label(model, label)
        np.testing.assert_allclose(evaluate(question), np.maximum(0.0, 1.0 - sign * z), atol=1e-12)
        assert "hinge" in repr(question)
        assert "score" in question.describe()
    risky = sd.prediction_risky(model, level=0.25, r=1, output="score")
    np.testing.assert_allclose(evaluate(risky), np.abs(z - 0.25), atol=1e-12)
    assert "a score near 0.25" in risky.describe()
    for ask in (
        lambda: sd.fixed_label(model, 1, loss="squared"),
        lambda: sd.prediction_risky(model),
        lambda: sd.prediction_risky(model, entropy=True),
    ):
        with pytest.raises(sd.QuestionError, match="needs probabilities, and svc has none"):
            ask()


def test_with_a_score_for_each_class_the_hinge_is_about_the_lead() -> None:
    ridge = RidgeClassifier().fit(X, LABEL)
    z = ridge.decision_function(X)
    lead = z[:, 2] - np.maximum(z[:, 0], z[:, 1])
    question = sd.fixed_label(sd.as_model(ridge), 2)
    np.testing.assert_allclose(evaluate(question), np.maximum(0.0, 1.0 - lead), atol=1e-12)


@pytest.mark.parametrize("labels", [TWO, LABEL], ids=["two classes", "three"])
@pytest.mark.parametrize(
    "make", [LogisticRegression, lambda: GradientBoostingClassifier(n_estimators=20)]
)
def test_minus_log_p_comes_from_logits(make: Any, labels: Any) -> None:
    fitted = make().fit(X, labels)
    model = sd.as_model(fitted)
    question = sd.fixed_label(model, 1)
    np.testing.assert_allclose(
        evaluate(question), -np.log(fitted.predict_proba(X)[:, 1]), rtol=1e-9
    )


def test_minus_log_p_stays_finite_where_p_is_rounded_to_zero() -> None:
    line = LogisticRegression(C=1e4).fit(X, TWO)
    rows = X * 1e3
    far = evaluate(sd.fixed_label(sd.as_model(line), 1), rows)
    z = line.decision_function(rows)
    assert z.min() < -1e3
    np.testing.assert_allclose(far, np.logaddexp(0.0, -z), rtol=1e-12)


def test_gradients_without_a_space_are_in_the_models_own_columns() -> None:
    line = LogisticRegression().fit(X, TWO)
    gradient = sd.fixed_label(sd.as_model(line), 1).gradient(X)
    want = -(1.0 - line.predict_proba(X)[:, 1:]) * line.coef_
    np.testing.assert_allclose(gradient, want, rtol=1e-9, atol=1e-12)
    two = sd.fixed_label(sd.as_model(line), 1) + sd.fixed_label(sd.as_model(line), 0)
    with pytest.raises(sd.QuestionError, match="needs space= for a question about 2 models"):
        two.gradient(X)


def test_models_of_categories_say_what_they_cannot_read() -> None:
    frame = pl.DataFrame({"a": X[:, 0], "kind": np.array(["u", "v"])[TWO]})
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    pipeline = make_pipeline(encoder, LogisticRegression()).fit(frame.to_pandas(), LABEL == 2)
    model = sd.as_model(pipeline)
    assert (model.predict(frame) == pipeline.predict(frame.to_pandas())).all()
    for kind, message in (
        (sd.Fixed(0.0), r"pipeline does not know 0.0 in column 'kind', .*its levels are 'u', 'v'"),
        (sd.Categorical(["u", "w"]), "does not know 'w' in column 'kind', which the space allows"),
        (
            sd.Continuous(0, 1),
            r"column 'kind' as a category \('u', 'v'\), .*Continuous.*declare",
        ),
        (sd.Integer(0, 4096), "more than 4,096 values: declare it Categorical, or narrow it"),
    ):
        space = sd.Space({"a": sd.Continuous(-3, 3), "kind": kind})
        with pytest.raises(sd.ModelError, match=message):
            sd.fixed_label(model, True)._on(space)
    numeric = sd.as_model(LogisticRegression().fit(X[:, :1], TWO)).with_feature_names(["kind"])
    for kind in (sd.Categorical(["u", "v"]), sd.Fixed("u")):
        with pytest.raises(sd.ModelError, match="reads column 'kind' as a number, and the space's"):
            sd.fixed_label(numeric, 1)._on(sd.Space({"kind": kind}))


def test_numeric_codes_that_trees_split_by_sets_are_walked() -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.integers(0, 6, 400), rng.random(400)]).astype(float)
    wanted = np.isin(rows[:, 0], [1, 4]) ^ (rows[:, 1] > 0.7)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_cat_to_onehot": 1},
        xgboost.DMatrix(rows, wanted, feature_types=["c", "q"], enable_categorical=True),
        5,
    )
    model = sd.as_model(booster)
    space = sd.Space({"x0": sd.Continuous(0, 6), "x1": sd.Continuous(0, 1)})
    answer = sd.ask(
        sd.require(model, 1), space, draws=200, chains=4, seed=1, warmup=100, progress=False
    )
    assert answer.settings.kernel.startswith("RandomWalk")
    assert answer.frame["valid"].all()
    fixed = space.fix({"x0": 4.0})
    exact = sd.ask(sd.require(model, 1), fixed, draws=50, chains=2, seed=1, progress=False)
    assert "Conditional" in exact.settings.kernel
    assert exact.frame["valid"].all()
