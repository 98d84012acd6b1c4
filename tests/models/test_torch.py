"""torch modules: dense layers in the core, nothing changed."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import normal, outputs
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

import sondage as sd
from sondage.errors import ForeignModelWarning

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.usefixtures("seeded")

ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "ReLU": nn.ReLU,
    "in place": lambda: nn.ReLU(inplace=True),
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "GELU": nn.GELU,
    "GELU, tanh": lambda: nn.GELU("tanh"),
    "SiLU": nn.SiLU,
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "Softmax": lambda: nn.Softmax(dim=-1),
    "LogSoftmax": lambda: nn.LogSoftmax(dim=1),
}
DTYPES = [torch.float32, torch.float64]
# Of outputs of size 1: rounding of float32 through a few layers, of float64.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def net(activation: Callable[[], Any], dtype: Any, n_outputs: int = 3) -> Any:
    return (
        nn.Sequential(
            nn.Linear(5, 16),
            activation(),
            nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.5), nn.Identity(), activation()),
            nn.Flatten(),
            nn.Linear(16, n_outputs),
        )
        .to(dtype)
        .eval()
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scores_are_torchs(activation: str, dtype: Any) -> None:
    module = net(ACTIVATIONS[activation], dtype)
    model = sd.as_model(module, output="score")
    assert model.native
    assert model.differentiable
    rows = normal(10_000, 5)
    # Further out float32 loses the sums of the first layer, which the next one may bend.
    for size in (1.0, 10.0) if dtype == torch.float32 else (1.0, 1e3, 1e6):
        theirs = outputs(module, size * rows)
        largest = float(np.max(np.abs(theirs)))
        ours = model.score(size * rows)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * largest)
        best = np.sort(theirs, axis=1)
        clear = best[:, -1] - best[:, -2] > 2.0 * TOLERANCE[dtype] * largest
        assert clear.mean() > 0.8
        assert (model.predict(size * rows) == np.argmax(theirs, axis=1))[clear].all()
    shares = torch.softmax(torch.tensor(outputs(module, rows)), dim=1).numpy()
    np.testing.assert_allclose(model.proba(rows), shares, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm(dtype: Any) -> None:
    norms = [nn.BatchNorm1d(16), nn.BatchNorm1d(16, affine=False, eps=0.1)]
    for norm in norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3.0)
    nn.init.normal_(norms[0].weight)
    nn.init.normal_(norms[0].bias)
    layers = [nn.BatchNorm1d(5), nn.Linear(5, 16), norms[0], nn.ReLU(), nn.Linear(16, 16)]
    module = nn.Sequential(*layers, norms[1], nn.Linear(16, 1)).to(dtype).eval()
    model = sd.as_model(module, output="value")
    assert model.native
    rows = normal(10_000, 5)
    theirs = outputs(module, rows)[:, 0]
    np.testing.assert_allclose(model.predict(rows), theirs, rtol=0, atol=10 * TOLERANCE[dtype])
    assert np.array_equal(model.score(rows), model.predict(rows))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_gives_probabilities(dtype: Any) -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.Softmax(dim=1)).to(dtype)
    model = sd.as_model(module, classes=["a", "b", "c"])
    rows = normal(10_000, 5)
    theirs = outputs(module, rows)
    np.testing.assert_allclose(model.proba(rows), theirs, rtol=0, atol=TOLERANCE[dtype])
    assert np.array_equal(model.score(rows), model.proba(rows))
    best = np.sort(theirs, axis=1)
    clear = best[:, -1] - best[:, -2] > 2.0 * TOLERANCE[dtype]
    labels = np.array(["a", "b", "c"])[np.argmax(theirs, axis=1)]
    assert (model.predict(rows) == labels)[clear].all()
    assert model.classes == ("a", "b", "c")


def test_log_softmax_gives_scores() -> None:
    module = nn.Sequential(nn.Linear(5, 3), nn.LogSoftmax(dim=1)).double()
    model = sd.as_model(module)
    rows = normal(1000, 5)
    np.testing.assert_allclose(model.score(rows), outputs(module, rows), rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.proba(rows), np.exp(outputs(module, rows)), atol=1e-14)
    assert model._native is not None
    assert model._native.heads.log_proba is not None
    logs = model._native.values(1e4 * rows, model._native.heads.log_proba)
    assert np.isfinite(logs).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_gives_the_probability_of_the_second_class(dtype: Any) -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()).to(dtype)
    model = sd.as_model(module)
    rows = normal(10_000, 5)
    second = outputs(module, rows)[:, 0]
    assert model.proba(rows).shape == (10_000, 2)
    np.testing.assert_allclose(model.proba(rows)[:, 1], second, rtol=0, atol=TOLERANCE[dtype])
    clear = np.abs(second - 0.5) > TOLERANCE[dtype]
    assert (model.predict(rows) == (second > 0.5))[clear].all()
    assert model.classes == (0, 1)
    assert model._native is not None
    assert model._native.heads.log_proba is not None
    assert np.isfinite(model._native.values(1e4 * rows, model._native.heads.log_proba)).all()


def test_margin_of_two_classes() -> None:
    module = nn.Sequential(nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        module[0].weight[:] = torch.tensor([[1.0, -1.0]])
    model = sd.as_model(module, output="score", classes=["no", "yes"])
    rows = np.array([[1.0, 1.0], [1.0, np.nextafter(1.0, 0.0)], [1.0, np.nextafter(1.0, 2.0)]])
    assert model.score(rows).tolist() == outputs(module, rows)[:, 0].tolist()
    assert model.predict(rows).tolist() == ["no", "yes", "no"]


def test_a_layer_used_twice_counts_twice() -> None:
    shared = nn.Linear(3, 3).double()
    module = nn.Sequential(shared, nn.Tanh(), shared)
    rows = normal(100, 3)
    model = sd.as_model(module, output="score")
    np.testing.assert_allclose(model.score(rows), outputs(module, rows), atol=1e-14)


def test_single_layers() -> None:
    module = nn.Linear(3, 2).double()
    rows = normal(100, 3)
    model = sd.as_model(module, output="score")
    assert model.native
    np.testing.assert_allclose(model.score(rows), outputs(module, rows), atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_trained_net(dtype: Any) -> None:
    data, target = load_wine(return_X_y=True)
    X = scale(data)
    module = nn.Sequential(nn.Linear(13, 20), nn.GELU(), nn.Dropout(0.1), nn.Linear(20, 3))
    module = module.to(dtype)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(
            module(torch.tensor(X, dtype=dtype)), torch.tensor(target)
        )
        loss.backward()
        optimizer.step()
    module.eval()
    model = sd.as_model(module, output="score")
    rows = np.concatenate([X, 3.0 * normal(10_000, 13)])
    theirs = outputs(module, rows)
    largest = float(np.max(np.abs(theirs)))
    np.testing.assert_allclose(model.score(rows), theirs, rtol=0, atol=TOLERANCE[dtype] * largest)
    assert model.predict(X).tolist() == np.argmax(theirs[: len(X)], axis=1).tolist()


def test_nothing_is_changed() -> None:
    # A first layer in place would write into its input.
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3), nn.Tanh()).double()
    before = deepcopy(module.state_dict())
    rows = normal(50, 4)
    kept = rows.copy()
    for part in (module, nn.Sequential(module, nn.Softsign())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ForeignModelWarning)
            model = sd.as_model(part.train() if part is module else part.eval(), output="score")
        model.score(rows)
        model._user_predict(rows)
        assert module.training == (part is module)
    assert np.array_equal(rows, kept)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_models_survive_pickling() -> None:
    model = sd.as_model(net(nn.Tanh, torch.float64), output="score")
    again = pickle.loads(pickle.dumps(model))
    rows = normal(20, 5)
    assert again == model
    assert np.array_equal(again.score(rows), model.score(rows))
    assert np.array_equal(again._user_predict(rows), model._user_predict(rows))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    widths=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    names=st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=4, max_size=4),
    bias=st.booleans(),
    double=st.booleans(),
)
def test_any_small_net(
    seed: int, widths: list[int], names: list[str], bias: bool, double: bool
) -> None:
    torch.manual_seed(seed)
    layers: list[Any] = []
    for d, n, name in zip(widths, widths[1:], names, strict=False):
        layers += [nn.Linear(d, n, bias=bias), ACTIVATIONS[name]()]
    dtype = torch.float64 if double else torch.float32
    module = nn.Sequential(*layers[:-1]).to(dtype).eval()
    model = sd.as_model(module, output="value" if widths[-1] == 1 else "score")
    rows = normal(200, widths[0], seed)
    theirs = outputs(module, rows).reshape(model.score(rows).shape)
    largest = max(1.0, float(np.max(np.abs(theirs))))
    np.testing.assert_allclose(model.score(rows), theirs, rtol=0, atol=TOLERANCE[dtype] * largest)
