"""Every question end to end on native and foreign models, and on pairs of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression

import sondage as sd
from sondage.models import Model

xgboost = pytest.importorskip("xgboost")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(0)
X = RNG.uniform(-2.0, 2.0, (300, 3))
VALUE = X[:, 0] - X[:, 1] ** 2 + np.sin(2.0 * X[:, 2])
TWO, THREE = (VALUE > -1.0).astype(int), np.digitize(VALUE, [-1.8, -0.2])
SPACE = sd.Space({f"x{j}": sd.Continuous(-2.0, 2.0) for j in range(3)})


class Net(torch.nn.Module):
    """A net whose layers sondage does not read: torch evaluates it."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = torch.nn.Linear(3, 8), torch.nn.Linear(8, width)

    def forward(self, rows: Any) -> Any:
        return self.last(torch.tanh(2.0 * self.first(rows)))


def net(width: int, output: str, seed: int = 0) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sd.ForeignModelWarning)
        module = Net(width, seed).double().eval()
        model = sd.as_model(module, output=output, space=SPACE, name=f"net{seed}")
    assert not model.native
    return model


def native(estimator: Any, target: Any, part: int = 0) -> Model:
    model = sd.as_model(estimator.fit(X[part:], target[part:]), space=SPACE)
    assert model.native
    return model


def trees(**options: Any) -> Any:
    return xgboost.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1, **options)


def value_trees() -> Any:
    return xgboost.XGBRegressor(n_estimators=8, max_depth=3, n_jobs=1)


MAKERS = {
    "two": {
        "logistic": lambda part: native(LogisticRegression(), TWO, part),
        "xgboost": lambda part: native(trees(), TWO, part),
        "torch": lambda part: net(1, "score", part),
    },
    "three": {
        "logistic": lambda part: native(LogisticRegression(), THREE, part),
        "xgboost": lambda part: native(trees(), THREE, part),
        "torch": lambda part: net(3, "score", part),
    },
    "value": {
        "linear": lambda part: native(LinearRegression(), VALUE, part),
        "xgboost": lambda part: native(value_trees(), VALUE, part),
        "torch": lambda part: net(1, "value", part),
    },
}
POSTERIORS = {
    (kind, name): sd.ensemble([make(10 * part) for part in range(3)], name=name)
    for kind, makers in MAKERS.items()
    for name, make in makers.items()
}
MODELS = {key: posterior.members[0][1] for key, posterior in POSTERIORS.items()}


def of_one_model(kind: str, name: str) -> Iterator[sd.Question]:
    model, posterior = MODELS[kind, name], POSTERIORS[kind, name]
    for asked in (model, posterior):
        if kind == "value":
            yield sd.fixed_label(asked, 0.3)
            yield sd.fixed_label(asked, (-0.2, 0.1), scale=0.5)
            yield sd.require(asked, (-10.0, 0.5))
            continue
        yield sd.fixed_label(asked, 1)
        yield sd.fixed_label(asked, 0, loss="hinge")
        yield sd.fixed_label(asked, 1, loss="squared", scale=0.5)
        yield sd.prediction_risky(asked, entropy=True)
        yield sd.require(asked, 1)
        if kind == "two":
            yield sd.prediction_risky(asked, level=0.3)
            yield sd.prediction_risky(asked, level=0.3, r=1, output="score")
    yield sd.parameter_sensitive(model, posterior, sigma=None if kind == "two" else 0.5)


def of_two_models(kind: str, a: str, b: str) -> Iterator[sd.Question]:
    sigma = None if kind == "two" else 0.5
    first, second = MODELS[kind, a], MODELS[kind, b]
    yield sd.model_contrasting(first, second, sigma=sigma)
    yield sd.parameter_sensitive(second, POSTERIORS[kind, a], sigma=sigma)
    if kind != "value":
        yield sd.model_contrasting(first, second, labels=(0, 1))
    yield sd.model_contrasting(POSTERIORS[kind, a], POSTERIORS[kind, b], sigma=sigma)


QUESTIONS = {
    f"{kind}, {a} {b}": list(of_one_model(kind, a) if a == b else of_two_models(kind, a, b))
    for kind, makers in MAKERS.items()
    for a in makers
    for b in makers
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_is_answered(name: str) -> None:
    for part in QUESTIONS[name]:
        question = part + 0.1 * sd.near(np.zeros(3))
        answer = sd.ask(
            question,
            SPACE,
            draws=15,
            chains=4,
            warmup=15,
            temperature=0.3,
            seed=1,
            progress=False,
        )
        assert answer.status == "complete"
        rows = answer.draws.reshape(-1, 3)
        np.testing.assert_allclose(
            question.evaluate(rows, SPACE), answer.energies.reshape(-1), rtol=1e-9, atol=1e-9
        )
        if part.describe().find("must predict") >= 0:
            assert answer.valid.all()


def slopes(question: sd.Question, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Central differences, and whether G is smooth there."""
    h, middle = 1e-5, question.evaluate(rows, SPACE)
    out, smooth = np.empty_like(rows), np.empty(rows.shape, dtype=bool)
    for j in range(rows.shape[1]):
        step = np.zeros(rows.shape[1])
        step[j] = h
        right, left = question.evaluate(rows + step, SPACE), question.evaluate(rows - step, SPACE)
        with np.errstate(invalid="ignore"):
            out[:, j] = (right - left) / (2.0 * h)
            smooth[:, j] = np.abs(right + left - 2.0 * middle) < 1e-3 * h
    return out, smooth


@pytest.mark.parametrize("name", QUESTIONS)
def test_gradients(name: str) -> None:
    rows = np.random.default_rng(1).uniform(-1.9, 1.9, (40, 3))
    for part in QUESTIONS[name]:
        question = 2.0 * part + 0.1 * sd.near(np.zeros(3))
        sloping = [model for _, term in question.terms for model in term.sloping]
        if not all(model.differentiable for model in sloping):
            with pytest.raises(sd.QuestionError, match="gradient"):
                question.gradient(rows, SPACE)
            continue
        want, smooth = slopes(question, rows)
        assert smooth.any()
        got = question.gradient(rows, SPACE)
        np.testing.assert_allclose(got[smooth], want[smooth], rtol=1e-5, atol=1e-6)
