"""Questions through torch decoders: convolutions that give images, and the papers' own VAE."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sondage as sd
from sondage.errors import ModelError, QuestionError, SamplingError
from sondage.models import Model

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

PAPER = Path(__file__).parents[3] / "shared" / "data" / "paper_models"
VAE = PAPER / "vae_MNIST_B128_N10000eta0.001momentum0.9.npz"
NET = PAPER / "mlp_512-128-32-10_MNIST_B256_N5000.npz"
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 5,
    "warmup": 30,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}


class Apart(nn.Module):  # type: ignore[misc,name-defined]
    """Keeps a module from being read natively; counts its passes."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.passes = 0

    def forward(self, x: Any) -> Any:
        self.passes += 1
        return self.inner(x)


def square(n: int, lower: float, upper: float, name: str) -> sd.Space:
    return sd.Space({f"{name}{j}": sd.Continuous(lower, upper) for j in range(n)})


PIXELS, LATENT = square(16, 0.0, 1.0, "p"), square(3, -2.0, 2.0, "z")


def images() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 8),
        nn.Unflatten(1, (2, 2, 2)),
        nn.ConvTranspose2d(2, 1, 2, stride=2),
        nn.Sigmoid(),
    ).eval()


def classifier(*, native: bool) -> Model:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    return sd.as_model(net if native else Apart(net).eval(), output="score", space=PIXELS)


@pytest.mark.parametrize("native", [True, False])
def test_images_are_rows(native: bool) -> None:
    decoder, model = Apart(images()).eval(), classifier(native=native)
    question = sd.pullback(sd.fixed_label(model, 1), decoder, LATENT) + 0.1 * sd.near([0.0] * 3)
    z = np.random.default_rng(0).uniform(-2.0, 2.0, (20, 3))
    with torch.no_grad():
        data = decoder(torch.tensor(z, dtype=torch.float32)).flatten(1).double().numpy()
    assert data.shape == (20, 16)
    inside = sd.fixed_label(model, 1).evaluate(data, PIXELS) + 0.1 * (z**2).sum(axis=1)
    np.testing.assert_allclose(question.evaluate(z, PIXELS), inside, atol=1e-12)
    step = 1e-2
    slopes = np.stack(
        [
            (question.evaluate(z + step * e, PIXELS) - question.evaluate(z - step * e, PIXELS))
            / (2 * step)
            for e in np.eye(3)
        ],
        axis=1,
    )
    # float32, and differences of it.
    np.testing.assert_allclose(question.gradient(z, PIXELS), slopes, atol=1e-3)
    answer = sd.ask(question, PIXELS, **SMALL | {"kernel": sd.MALA()})
    assert answer.draws.shape == (5, 30, 16)
    assert answer.latents is not None
    with torch.no_grad():
        flat = torch.tensor(answer.latents.reshape(-1, 3), dtype=torch.float32)
        again = decoder(flat).flatten(1).double().numpy()
    assert np.array_equal(answer.draws.reshape(-1, 16), again)


def test_one_pass_a_step() -> None:
    decoder = Apart(images()).eval()
    question = sd.pullback(
        sd.fixed_label(classifier(native=False), 1) + sd.fixed_label(classifier(native=True), 2),
        decoder,
        LATENT,
    )
    decoder.passes = 0
    sd.ask(question, PIXELS, **SMALL | {"kernel": sd.MALA()})
    # 60 steps; and to place it, to find starts and the first step size, and to decode the draws.
    assert 60 <= decoder.passes < 100


def test_what_is_wrong_with_a_decoder_is_said() -> None:
    question = sd.fixed_label(classifier(native=True), 1)
    trained = nn.Sequential(images(), nn.Dropout(0.5)).train()
    with pytest.raises((QuestionError, ModelError), match="training mode"):
        sd.ask(sd.pullback(question, trained, LATENT), PIXELS, **SMALL)
    with pytest.raises(QuestionError, match="could not decode a row of 4 latent columns"):
        sd.ask(sd.pullback(question, images(), square(4, -1.0, 1.0, "z")), PIXELS, **SMALL)
    small = square(9, 0.0, 1.0, "q")
    with pytest.raises(QuestionError, match=r"\(1, 9\) is needed"):
        sd.ask(sd.pullback(sd.near([0.0] * 9), images(), LATENT), small, **SMALL)


def test_a_decoder_that_fails_later_is_the_cause() -> None:
    class Fragile(Apart):
        def forward(self, x: Any) -> Any:
            if self.passes > 60:
                raise ArithmeticError("no more")
            return super().forward(x)

    question = sd.pullback(
        sd.fixed_label(classifier(native=True), 1), Fragile(images()).eval(), LATENT
    )
    with pytest.raises(SamplingError, match="ArithmeticError: no more") as failure:
        sd.ask(question, PIXELS, **SMALL | {"draws": 500, "kernel": sd.MALA()})
    assert isinstance(failure.value.__cause__, ArithmeticError)
    assert failure.value.answer is not None
    assert failure.value.answer.status == "failed"


class Digits(nn.Module):  # type: ignore[misc,name-defined]
    """The decoder of the papers' VAE: ten latents to 28 × 28 pixels."""

    def __init__(self, arrays: Any) -> None:
        super().__init__()

        def array(name: str) -> Any:
            return torch.tensor(arrays[f"params/decoder/{name}"])

        def up(name: str, n_in: int, n_out: int) -> Any:
            layer = nn.ConvTranspose2d(n_in, n_out, 3, stride=2)
            # There the kernel is not mirrored, and the channels come last.
            kernel = array(f"{name}/kernel").flip(0, 1).permute(2, 3, 0, 1).contiguous()
            layer.weight.data, layer.bias.data = kernel, array(f"{name}/bias")
            return layer

        self.dense = nn.Linear(10, 3136)
        self.dense.weight.data = array("fc/kernel").T.contiguous()
        self.dense.bias.data = array("fc/bias")
        self.first, self.second = up("deconv1", 64, 64), up("deconv2", 64, 32)
        self.last = nn.Conv2d(32, 1, 3, padding=1)
        self.last.weight.data = array("final_layer/kernel").permute(3, 2, 0, 1).contiguous()
        self.last.bias.data = array("final_layer/bias")

    def forward(self, z: Any) -> Any:
        x = torch.relu(self.dense(z)).unflatten(1, (7, 7, 64)).permute(0, 3, 1, 2)
        x = torch.relu(self.first(x)[:, :, :14, :14])
        x = torch.relu(self.second(x)[:, :, :28, :28])
        return torch.sigmoid(self.last(x))


@cache
def digits() -> Any:
    return Digits(np.load(VAE)).eval()


@cache
def reader() -> Model:
    arrays = np.load(NET)
    layers: list[Any] = []
    for k in range(4):
        kernel = arrays[f"params/Dense_{k}/kernel"]
        layer = nn.Linear(*kernel.shape)
        layer.weight.data = torch.tensor(kernel.T.copy())
        layer.bias.data = torch.tensor(arrays[f"params/Dense_{k}/bias"])
        layers += [layer, nn.ReLU()]
    module = nn.Sequential(*layers[:-1]).eval()
    return sd.as_model(module, output="score", space=square(784, 0.0, 1.0, "p"), name="reader")


@pytest.mark.skipif(not VAE.exists(), reason="the papers' models are not beside the checkout")
class TestDigits:
    def rows(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        with torch.no_grad():
            return digits()(torch.tensor(z, dtype=torch.float32)).flatten(1).double().numpy()

    @pytest.mark.parametrize("digit", [3, 7])
    def test_required_ones_are_read_as_such(self, digit: int) -> None:
        space, latent = square(784, 0.0, 1.0, "p"), square(10, -4.0, 4.0, "z")
        question = sd.pullback(
            sd.fixed_label(reader(), digit) + sd.require(reader(), digit), digits(), latent
        ) + 0.5 * sd.near([0.0] * 10)
        answer = sd.ask(question, space, **SMALL | {"chains": 4, "kernel": sd.MALA()})
        assert answer.status == "complete"
        assert answer.valid.all()
        assert answer.latents is not None
        assert answer.draws.shape == (4, 30, 784)
        flat = answer.latents.reshape(-1, 10)
        np.testing.assert_allclose(answer.draws.reshape(-1, 784), self.rows(flat), atol=1e-6)
        assert (reader().predict(answer.draws.reshape(-1, 784)) == digit).all()
        # Chains move, and the images are images: ink on a few of the pixels.
        assert (answer.latents.std(axis=1).max(axis=1) > 0).all()
        assert 0.03 < float((answer.draws > 0.5).mean()) < 0.3

    def test_most_of_what_a_lower_temperature_draws_is_valid(self) -> None:
        space, latent = square(784, 0.0, 1.0, "p"), square(10, -4.0, 4.0, "z")
        question = sd.pullback(sd.fixed_label(reader(), 3), digits(), latent)
        options = SMALL | {"chains": 8, "warmup": 150, "temperature": 0.1}
        assert sd.ask(question, space, **options).valid.mean() > 0.9
