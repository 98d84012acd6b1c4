"""Questions through decoders: latents are sampled, rows of data answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage.errors import QuestionError, SamplingError, SpaceError

RNG = np.random.default_rng(0)
X = RNG.uniform(-1.0, 1.0, (200, 3))
LABEL = (X[:, 0] + X[:, 1] * X[:, 2] > 0.0).astype(int)
LINE = sd.as_model(LogisticRegression(C=9).fit(X, LABEL), name="line")
TREE = sd.as_model(DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, LABEL), name="tree")
SPACE = sd.Space({name: sd.Continuous(-1.0, 1.0) for name in ("x0", "x1", "x2")})
LATENT = sd.Space({"u": sd.Continuous(-1.0, 1.0), "v": sd.Continuous(-1.0, 1.0)})
MATRIX = np.array([[0.4, 0.2], [0.1, -0.5], [0.3, 0.3]])
SHIFT = np.array([0.1, 0.0, -0.1])
SMALL: dict[str, Any] = {
    "draws": 40,
    "chains": 4,
    "temperature": 0.3,
    "warmup": 100,
    "seed": 3,
    "progress": False,
}


def affine(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(z @ MATRIX.T + SHIFT)


def affine_vjp(z: NDArray[np.float64], cotangent: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cotangent @ MATRIX)


def module(dtype: str) -> Any:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(2, 3).to(getattr(torch, dtype))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(MATRIX))
        layer.bias.copy_(torch.tensor(SHIFT))
    return torch.nn.Sequential(layer).eval()


QUESTION = sd.fixed_label(LINE, 1) + sd.require(TREE, 1) + 0.2 * sd.near([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "decoder",
    [
        sd.decoders.Affine(MATRIX, SHIFT),
        sd.decoders.Affine(MATRIX),
        sd.decoders.BoxSigmoid(SPACE, jacobian=False),
        sd.decoders.Embedding({"x1": 0.25}),
        sd.decoders.Function(affine),
        sd.decoders.Function(affine, affine_vjp),
    ],
    ids=lambda decoder: type(decoder).__name__,
)
def test_a_pullback_is_the_expression_that_it_prints(decoder: sd.decoders.Decoder) -> None:
    names = {name: getattr(sd, name) for name in sd.__all__}
    names |= {"line": LINE, "tree": TREE, "affine": affine, "affine_vjp": affine_vjp}
    for question in (
        sd.pullback(sd.fixed_label(LINE, 1), decoder),
        2.0 * sd.pullback(QUESTION, decoder, LATENT) + 0.5 * sd.near([0.0, 0.0]),
    ):
        assert eval(repr(question), dict(names)) == question  # noqa: S307


def test_description() -> None:
    assert sd.pullback(sd.fixed_label(LINE, 1), (MATRIX, SHIFT)).describe() == (
        "Find latent rows that, decoded by an affine map, are rows where line predicts 1 (penalty: "
        "minus the logarithm of its probability)."
    )
    both = sd.pullback(sd.require(LINE, 1) + sd.require(TREE, 1), affine) + sd.near([0.0, 0.5])
    assert both.describe() == (
        "Find latent rows that, decoded by the function affine, are rows where, all together: (1) "
        "line must predict 1; (2) tree must predict 1. Of the latent rows themselves it is asked "
        "that the row stays near (0, 0.5) (penalty: the sum of squared differences)."
    )


@pytest.mark.parametrize("decoder", ["pair", "function", "module"])
def test_the_energy_is_that_of_the_decoded_rows(decoder: str) -> None:
    maps: dict[str, Any] = {
        "pair": lambda: (MATRIX, SHIFT),
        "function": lambda: affine,
        "module": lambda: module("float64"),
    }
    pulled = sd.pullback(QUESTION, maps[decoder](), LATENT)
    z = RNG.uniform(-1.0, 1.0, (50, 2))
    want = QUESTION.evaluate(affine(z), SPACE)
    np.testing.assert_allclose(pulled.evaluate(z, SPACE), want, rtol=1e-12)
    answer = sd.ask(pulled, SPACE, **SMALL)
    assert answer.space == SPACE
    assert answer.latents is not None
    assert answer.latents.shape == (4, 40, 2)
    np.testing.assert_allclose(
        answer.draws.reshape(-1, 3), affine(answer.latents.reshape(-1, 2)), rtol=1e-12
    )
    np.testing.assert_allclose(
        answer.energies.reshape(-1), QUESTION.evaluate(answer.draws.reshape(-1, 3), SPACE)
    )
    assert answer.frame.columns[:3] == ["x0", "x1", "x2"]
    predicted = TREE.predict(answer.draws.reshape(-1, 3))
    assert (predicted == 1).all()
    own = (LINE.predict(answer.draws.reshape(-1, 3)) == 1) & (predicted == 1)
    np.testing.assert_array_equal(answer.valid.reshape(-1), own)


def test_other_libraries_make_the_native_chains() -> None:
    smooth = sd.fixed_label(LINE, 1) + 0.2 * sd.near([0.1, 0.2, 0.3])
    options = SMALL | {"kernel": sd.MALA(0.1)}

    class Slopes:
        """A function with the method that takes cotangents back."""

        def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
            return affine(z)

    native = sd.ask(sd.pullback(smooth, (MATRIX, SHIFT), LATENT), SPACE, **options)
    theirs = sd.ask(
        sd.pullback(smooth, sd.decoders.Function(Slopes(), affine_vjp), LATENT), SPACE, **options
    )
    np.testing.assert_allclose(native.latents, theirs.latents, rtol=1e-9)


@pytest.mark.parametrize(
    "decoder",
    [
        sd.decoders.Affine(MATRIX, SHIFT),
        sd.decoders.BoxSigmoid(SPACE),
        sd.decoders.BoxSigmoid(SPACE, jacobian=False),
        sd.decoders.Embedding({"x1": 0.25}),
    ],
    ids=repr,
)
def test_gradients_are_those_of_the_energy(decoder: sd.decoders.Decoder) -> None:
    pulled = sd.pullback(sd.fixed_label(LINE, 1) + sd.near([0.1, 0.2, 0.3]), decoder)
    n = {"Affine": 2, "BoxSigmoid": 3, "Embedding": 2}[type(decoder).__name__]
    z = RNG.uniform(-0.9, 0.9, (20, n))
    slopes = pulled.gradient(z, SPACE)
    for k in range(n):
        h = np.zeros(n)
        h[k] = 1e-5
        want = (pulled.evaluate(z + h, SPACE) - pulled.evaluate(z - h, SPACE)) / 2e-5
        np.testing.assert_allclose(slopes[:, k], want, rtol=1e-6, atol=1e-8)


def test_rows_outside_of_the_space_are_never_answers() -> None:
    narrow = sd.Space(
        {"x0": sd.Continuous(0.0, 0.2), "x1": SPACE.kinds["x1"], "x2": SPACE.kinds["x2"]}
    )
    pulled = sd.pullback(sd.near([0.1, 0.2, 0.3]), (MATRIX, SHIFT), LATENT)
    z = RNG.uniform(-1.0, 1.0, (200, 2))
    outside = (affine(z)[:, 0] < 0.0) | (affine(z)[:, 0] > 0.2)
    assert 0 < outside.sum() < 200
    np.testing.assert_array_equal(np.isinf(pulled.evaluate(z, narrow)), outside)
    answer = sd.ask(pulled, narrow, **SMALL)
    assert narrow.contains(answer.frame).all()


def test_embedded_columns_keep_their_values() -> None:
    answer = sd.ask(
        sd.pullback(sd.fixed_label(LINE, 1), sd.decoders.Embedding({"x1": 0.25})), SPACE, **SMALL
    )
    assert (answer.draws[:, :, 1] == 0.25).all()
    assert answer.latents is not None
    np.testing.assert_array_equal(answer.latents, answer.draws[:, :, [0, 2]])


def test_terms_beside_are_about_latents() -> None:
    inside = sd.pullback(sd.near([0.0, 0.0, 0.0]), (MATRIX, SHIFT), LATENT)
    both = inside + 0.5 * sd.near([0.3, -0.3])
    z = RNG.uniform(-1.0, 1.0, (10, 2))
    want = (affine(z) ** 2).sum(axis=1) + 0.5 * ((z - [0.3, -0.3]) ** 2).sum(axis=1)
    np.testing.assert_allclose(both.evaluate(z, SPACE), want)
    assert "latent" in both.describe()


def test_latents_are_saved(tmp_path: Path) -> None:
    answer = sd.ask(sd.pullback(sd.fixed_label(LINE, 1), (MATRIX, SHIFT), LATENT), SPACE, **SMALL)
    again = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    np.testing.assert_array_equal(again.latents, answer.latents)
    np.testing.assert_array_equal(again.draws, answer.draws)
    assert answer.thin(2).latents.shape == (4, 20, 2)  # type: ignore[union-attr]
    direct = sd.ask(sd.fixed_label(LINE, 1), SPACE, **SMALL)
    assert direct.latents is None


@pytest.mark.parametrize("decoder", [(MATRIX, SHIFT), affine], ids=["the core's", "Python's"])
def test_a_run_without_draws_has_an_answer(decoder: Any, tmp_path: Path) -> None:
    question = sd.pullback(sd.fixed_label(LINE, 1) + sd.require(TREE, 1), decoder, LATENT)
    answer = sd.ask(question, SPACE, **SMALL | {"warmup": 10**6, "max_seconds": 0.05})
    assert answer.status == "timed_out"
    assert answer.latents is not None
    assert answer.draws.shape == (4, 0, 3)
    assert answer.latents.shape == (4, 0, 2)
    again = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    assert again.latents is not None
    assert again.latents.shape == (4, 0, 2)


def test_a_decoder_that_fails_in_warm_up_leaves_an_answer() -> None:
    calls = 0

    def fragile(z: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise ArithmeticError("no more")
        return affine(z)

    question = sd.pullback(sd.fixed_label(LINE, 1), fragile, LATENT)
    with pytest.raises(SamplingError, match="ArithmeticError: no more") as failure:
        sd.ask(question, SPACE, **SMALL)
    assert isinstance(failure.value.__cause__, ArithmeticError)
    assert failure.value.answer is not None
    assert failure.value.answer.draws.shape == (4, 0, 3)


def test_what_does_not_fit_is_refused() -> None:
    question = sd.fixed_label(LINE, 1)
    with pytest.raises(QuestionError, match="decoder is str"):
        sd.pullback(question, "x", LATENT)  # type: ignore[arg-type]
    with pytest.raises(QuestionError, match="gives 3 columns; the space has 2"):
        sd.ask(sd.pullback(question, (MATRIX, SHIFT), LATENT), LATENT, **SMALL)
    with pytest.raises(QuestionError, match="pullback already"):
        sd.pullback(sd.pullback(question, (MATRIX, SHIFT)), (MATRIX, SHIFT))
    with pytest.raises((QuestionError, SpaceError), match="latent"):
        sd.ask(sd.pullback(question, affine), SPACE, **SMALL)
    with pytest.raises(QuestionError, match=r"shape \(10, 1\)|\(1, 1\)"):
        sd.ask(sd.pullback(question, lambda z: z[:, :1], LATENT), SPACE, **SMALL)
