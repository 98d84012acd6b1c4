"""Functions that give JAX arrays: their gradients are JAX's own."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import sondage as sd
from sondage.errors import ForeignModelWarning
from sondage.models import Model

jax = pytest.importorskip("jax")

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

SPACE = sd.Space({"a": sd.Continuous(-1.0, 1.0), "b": sd.Continuous(-1.0, 1.0)})
ROWS = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 2))
WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]])
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 5,
    "warmup": 30,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}


def logits(rows: Any) -> Any:
    return jax.numpy.tanh(rows @ WEIGHTS)


def margin(rows: Any) -> Any:
    return jax.numpy.sin(rows[:, 0] * rows[:, 1])


def one_column(rows: Any) -> Any:
    return margin(rows)[:, None]


def branching(rows: Any) -> Any:
    # Values decide: JAX can neither compile it nor follow it with tracers.
    return margin(rows) if float(rows.sum()) > 1e9 else 2.0 * margin(rows)


def through_numpy(rows: Any) -> Any:
    return jax.numpy.asarray(np.tanh(np.asarray(rows) @ WEIGHTS))


def model(function: Any, output: str = "score") -> Model:
    return sd.as_model(function, space=SPACE, output=output, name="mine")


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (logits, "score"),
        (margin, "score"),
        (one_column, "score"),
        (margin, "value"),
        (one_column, "value"),
    ],
)
def test_have_gradients(function: Any, output: str) -> None:
    found = model(function, output)
    assert found.differentiable
    assert found.library == f"jax {jax.__version__}"
    question = sd.fixed_label(found, 0.5 if output == "value" else 1)
    step = 1e-2
    slopes = np.stack(
        [
            (
                question.evaluate(ROWS + step * shift, SPACE)
                - question.evaluate(ROWS - step * shift, SPACE)
            )
            / (2 * step)
            for shift in np.eye(2)
        ],
        axis=1,
    )
    # float32, and differences of it.
    np.testing.assert_allclose(question.gradient(ROWS, SPACE), slopes, atol=2e-3)


def test_are_sampled_by_mala() -> None:
    answer = sd.ask(sd.fixed_label(model(logits), 1), SPACE, **SMALL)
    assert "MALA" in answer.settings.kernel
    assert answer.settings.versions["jax"] == jax.__version__


@pytest.mark.parametrize("function", [through_numpy, branching])
def test_what_jax_cannot_follow_is_sampled_by_a_walk(function: Any) -> None:
    found = model(function)
    assert not found.differentiable
    assert sd.ask(sd.fixed_label(found, 1), SPACE, **SMALL).status == "complete"


def test_say_so() -> None:
    with pytest.warns(ForeignModelWarning, match="is evaluated by jax"):
        model(logits)


def test_survive_pickling() -> None:
    found = model(logits)
    gradient = sd.fixed_label(found, 1).gradient(ROWS, SPACE)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(sd.fixed_label(again, 1).gradient(ROWS, SPACE), gradient)


def test_decode() -> None:
    question = sd.fixed_label(model(logits), 1)
    latent = sd.Space({"z": sd.Continuous(-1.0, 1.0)})

    def curve(rows: Any) -> Any:
        return jax.numpy.stack([jax.numpy.sin(rows[:, 0]), rows[:, 0] ** 2], axis=1)

    pulled = sd.pullback(question, curve, latent)
    z = np.linspace(-0.9, 0.9, 7)[:, None]
    slopes = (pulled.evaluate(z + 0.01, SPACE) - pulled.evaluate(z - 0.01, SPACE)) / 0.02
    np.testing.assert_allclose(pulled.gradient(z, SPACE)[:, 0], slopes, atol=2e-3)
    assert "MALA" in sd.ask(pulled, SPACE, **SMALL).settings.kernel
