"""torch modules that are left to torch, and those that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nets import normal, outputs

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.usefixtures("seeded")


class Residual(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return x + torch.tanh(self.inner(x))


class Fixed(nn.Module):  # type: ignore[misc, name-defined]
    """Gives the same whatever it is shown; reads four columns."""

    def __init__(self, given: Callable[[Any], Any]) -> None:
        super().__init__()
        self.width = nn.Linear(4, 1)
        self.given = given

    def forward(self, x: Any) -> Any:
        return self.given(x)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.Sequential(Residual(), nn.Linear(4, 2)), "Residual"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 2)), "Softplus"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), "LayerNorm"),
        (lambda: nn.Sequential(nn.Linear(4, 4)).bfloat16(), "parameters of torch.bfloat16"),
        (lambda: Residual(), "Residual"),
    ],
)
def test_other_modules_are_torchs(make: Callable[[], Any], reason: str) -> None:
    module = make().eval()
    with pytest.warns(ForeignModelWarning, match=reason):
        model = sd.as_model(module, output="score")
    assert not model.native
    rows = normal(40_000, 4)  # more than one batch
    assert np.array_equal(model.score(rows), outputs(module, rows))
    assert np.array_equal(model.predict(rows), np.argmax(outputs(module, rows), axis=1))
    assert np.allclose(model.proba(rows).sum(axis=1), 1.0)


@pytest.mark.parametrize("how", ["hook", "hook before", "forward"])
def test_hooks_are_torchs(how: str) -> None:
    module = nn.Sequential(nn.Linear(4, 2))
    if how == "hook":
        module[0].register_forward_hook(lambda layer, given, out: out + 1.0)
    elif how == "hook before":
        module.register_forward_pre_hook(lambda layer, given: given[0] + 1.0)
    else:
        module[0].forward = lambda x: x[:, :2] + 1.0
    with pytest.warns(ForeignModelWarning, match="hooks"):
        model = sd.as_model(module, output="score")
    assert np.array_equal(model.score(normal(9, 4)), outputs(module, normal(9, 4)))


def test_parametrized_layers_are_torchs() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    module = nn.Sequential(nn.Linear(4, 4), normed).eval()
    with pytest.warns(ForeignModelWarning, match="Linear"):
        model = sd.as_model(module, output="score")
    assert np.array_equal(model.score(normal(9, 4)), outputs(module, normal(9, 4)))


def test_labels_are_torchs() -> None:
    module = Fixed(lambda x: (x[:, 0] > 0).long() + (x[:, 1] > 0).long()).eval()
    with pytest.warns(ForeignModelWarning, match="labels"):
        model = sd.as_model(module, output="label", classes=["a", "b", "c"])
    rows = np.array([[1.0, 1.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0]])
    assert model.predict(rows).tolist() == ["c", "b", "a"]
    with pytest.raises(ModelError, match="no class probabilities"):
        model.proba(rows)
    with pytest.warns(ForeignModelWarning, match="labels"):
        model = sd.as_model(module, output="label", classes=["a", "b"])
    with pytest.raises(ModelError, match=r"gives 2\.0"):
        model.predict(rows)


def test_what_is_no_probability_is_refused_when_called() -> None:
    with pytest.warns(ForeignModelWarning):
        model = sd.as_model(Fixed(lambda x: x[:, :2]).eval(), output="proba")
    with pytest.raises(ModelError, match="add up to 1"):
        model.proba(normal(9, 4))


@pytest.mark.parametrize(
    ("layers", "output", "reason"),
    [
        ([nn.Linear(4, 3)], None, "give output='score'"),
        ([nn.Linear(4, 1)], None, "give output='score'"),
        ([nn.Linear(4, 3), nn.Sigmoid()], None, "give output='score'"),
        ([nn.Linear(4, 3)], "logits", "output='logits' is not allowed"),
        ([nn.Linear(4, 3)], "value", "3 outputs"),
        ([nn.Linear(4, 3)], "label", "3 outputs"),
        ([nn.Linear(4, 3)], "proba", "ends in Linear"),
        ([nn.Linear(4, 3), nn.Sigmoid()], "proba", "ends in Sigmoid with 3 outputs"),
        ([nn.Linear(4, 3), nn.LogSoftmax(1)], "proba", "ends in LogSoftmax"),
        ([nn.Linear(4, 3), nn.Softmax(1)], "score", "ends in Softmax"),
        ([nn.Linear(4, 1), nn.Sigmoid()], "score", "ends in Sigmoid"),
        ([nn.Linear(4, 3), nn.Softmax(0)], None, "row by row"),
        ([nn.Linear(4, 3), nn.Softmax()], None, "row by row"),
        ([nn.Linear(4, 3), nn.Linear(4, 3)], "score", "could not be called"),
        ([nn.Linear(4, 1)], "label", "needs classes="),
        ([nn.LazyLinear(3)], "score", "not initialised"),
        ([nn.Bilinear(4, 4, 1)], "value", "how many columns"),
        ([nn.Softmax(1)], None, "how many columns"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:Implicit dimension")
def test_refusals(layers: list[Any], output: str | None, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        sd.as_model(nn.Sequential(*layers).eval(), output=output)


def test_classes_must_fit() -> None:
    module = nn.Sequential(nn.Linear(4, 3))
    with pytest.raises(ModelError, match="3 classes apart"):
        sd.as_model(module, output="score", classes=["a", "b"])
    with pytest.raises(ModelError, match="regressor"):
        sd.as_model(nn.Sequential(nn.Linear(4, 1)), output="value", classes=["a", "b"])


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), nn.BatchNorm1d(4), Residual()], ids=["dropout", "norm", "own"]
)
def test_training_mode_is_refused(layer: Any) -> None:
    module = nn.Sequential(nn.Linear(4, 4), layer, nn.Linear(4, 2)).train()
    with pytest.raises(ModelError, match=rf"{type(layer).__name__}.*call its eval\(\) first"):
        sd.as_model(module, output="score")
    module.eval()
    layer.train()
    with pytest.raises(ModelError, match="training mode"):
        sd.as_model(module, output="score")


def test_batch_statistics_are_refused() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval()
    with pytest.raises(ModelError, match="other rows"):
        sd.as_model(module, output="score")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: x[:, None, :], r"\(1, 1, 4\)"),
        (lambda x: torch.cat([x, x]), "2 outputs for 1 rows"),
    ],
)
def test_outputs_of_another_shape_are_refused(given: Callable[[Any], Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        sd.as_model(Fixed(given).eval(), output="score")
