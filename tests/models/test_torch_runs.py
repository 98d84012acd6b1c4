"""Chains on torch modules: one pass forward and one back a step, and no module is changed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sondage as sd
from sondage.errors import ModelError, QuestionError, SamplingError
from sondage.models import Model, _torch_call

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

SPACE = sd.Space({f"x{j}": sd.Continuous(-2.0, 2.0) for j in range(4)})
ROWS = np.random.default_rng(0).uniform(-2.0, 2.0, (40, 4))
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 5,
    "warmup": 30,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}
DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


class Apart(nn.Module):  # type: ignore[misc,name-defined]
    """Keeps a module from being read natively; counts its passes."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.forward_rows: list[int] = []
        self.backward_rows: list[int] = []

    def forward(self, x: Any) -> Any:
        self.forward_rows.append(len(x))
        if x.requires_grad:
            x.register_hook(lambda slope: self.backward_rows.append(len(slope)))
        return self.inner(x)


def layers(n_outputs: int = 3, dtype: Any = torch.float32) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, n_outputs)
    ).to(dtype)


def apart(inner: Any, output: str = "score", **options: Any) -> Model:
    module = inner if isinstance(inner, Apart) else Apart(inner).eval()
    return sd.as_model(module, output=output, space=SPACE, name="net", **options)


def slope(question: sd.Question, rows: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Central differences."""
    out = np.empty_like(rows)
    for j in range(rows.shape[1]):
        shift = step * np.eye(rows.shape[1])[j]
        above, below = (question.evaluate(rows + sign * shift, SPACE) for sign in (1, -1))
        out[:, j] = (above - below) / (2 * step)
    return out


class Attention(nn.Module):  # type: ignore[misc,name-defined]
    """Columns as tokens, one projection for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Linear(1, 8)
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        tokens = self.token(x.unsqueeze(2))
        mixed, _ = self.heads(tokens, tokens, tokens)
        return self.out(mixed.mean(dim=1))


MODULES: dict[str, Callable[[], Any]] = {
    "layers": layers,
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 4, 2), nn.Softplus(), nn.Flatten(), nn.Linear(4, 3)
    ),
    "attention": Attention,
    "batch norm": lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)),
    "in place": lambda: nn.Sequential(nn.SiLU(inplace=True), nn.Linear(4, 3), nn.Softsign()),
    "frozen": lambda: layers().requires_grad_(False),
    "no parameters": lambda: nn.Softmin(dim=1),
}


class TestAnyModule:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("name", MODULES)
    def test_has_a_gradient(self, name: str, dtype: Any) -> None:
        torch.manual_seed(0)
        model = apart(MODULES[name]().to(dtype))
        assert model.differentiable
        question = sd.fixed_label(model, 1) + sd.require(model, 1)
        finite = np.isfinite(question.evaluate(ROWS, SPACE))
        rows = ROWS[finite] if finite.any() else ROWS
        question = sd.fixed_label(model, 1)
        rounding = torch.finfo(dtype).eps
        if name == "no parameters":
            rounding = torch.finfo(torch.float32).eps
        step = rounding ** (1 / 3)
        ours = question.gradient(rows, SPACE)
        # Half a step squared times the third derivative, and rounding divided by the step.
        np.testing.assert_allclose(ours, slope(question, rows, step), atol=200 * step**2)

    @pytest.mark.parametrize("name", MODULES)
    def test_has_the_gradient_of_torchs_public_function(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch.manual_seed(0)
        question = sd.fixed_label(apart(MODULES[name]()), 1)
        ours = question.gradient(ROWS, SPACE)
        assert _torch_call._engine_runs()
        monkeypatch.setattr(_torch_call, "_engine_runs", lambda: False)
        assert question.gradient(ROWS, SPACE).tobytes() == ours.tobytes()

    @pytest.mark.parametrize("name", MODULES)
    def test_is_not_changed(self, name: str) -> None:
        torch.manual_seed(0)
        module = MODULES[name]().eval()
        state = deepcopy(module.state_dict())
        flags = [parameter.requires_grad for parameter in module.parameters()]
        model = apart(module)
        answer = sd.ask(sd.fixed_label(model, 1), SPACE, **SMALL)
        assert "MALA" in answer.settings.kernel
        assert all(torch.equal(tensor, state[key]) for key, tensor in module.state_dict().items())
        assert [parameter.requires_grad for parameter in module.parameters()] == flags
        assert all(parameter.grad is None for parameter in module.parameters())
        assert not module.training

    def test_one_pass_forward_and_one_back_a_step(self) -> None:
        module = Apart(layers(2)).eval()
        model = apart(module)
        question = (
            sd.fixed_label(model, 1)
            + sd.require(model, 1)
            + sd.prediction_risky(model)
            + sd.term(model, lambda z: z[:, 0], output="score", gradient=first)
        )
        module.forward_rows.clear()
        module.backward_rows.clear()
        sd.ask(question, SPACE, kernel=sd.MALA(), **SMALL)
        # Draws are confirmed in one more pass, and starts take a few without gradients.
        assert module.forward_rows[-1] == 150
        assert module.backward_rows == [5] * len(module.backward_rows)
        # 60 steps, and a few to find the first step size from.
        assert 60 <= len(module.backward_rows) < 80
        assert len(module.forward_rows) - len(module.backward_rows) < 20

    def test_no_graph_is_kept_where_no_gradient_is_wanted(self) -> None:
        module = Apart(layers(2)).eval()
        model = apart(module)
        module.backward_rows.clear()
        seen: list[bool] = []
        module.register_forward_hook(lambda layer, given, out: seen.append(out.requires_grad))
        options = SMALL | {"kernel": sd.RandomWalk()}
        sd.ask(sd.fixed_label(model, 1), SPACE, **options)
        sd.fixed_label(model, 1).evaluate(ROWS, SPACE)
        assert not any(seen)

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_within_modes_without_gradients(self, mode: Any) -> None:
        question = sd.fixed_label(apart(layers()), 1)
        expected = question.gradient(ROWS, SPACE)
        with mode():
            assert np.array_equal(question.gradient(ROWS, SPACE), expected)

    def test_survives_pickling(self) -> None:
        model = apart(layers())
        again = pickle.loads(pickle.dumps(model))
        question = sd.fixed_label(model, 1)
        assert np.array_equal(
            sd.fixed_label(again, 1).gradient(ROWS, SPACE), question.gradient(ROWS, SPACE)
        )

    def test_shares_of_two_classes(self) -> None:
        model = apart(nn.Sequential(layers(1), nn.Sigmoid(), nn.Identity()), "proba")
        question = sd.fixed_label(model, 1, loss="squared")
        np.testing.assert_allclose(
            question.gradient(ROWS, SPACE), slope(question, ROWS, 5e-3), atol=1e-3
        )


def first(outputs: Any) -> Any:
    return np.eye(outputs.shape[1])[0] * np.ones_like(outputs)


class TestWithoutGradient:
    @pytest.mark.parametrize(
        "forward",
        [
            lambda x: x.detach()[:, :3],
            lambda x: torch.as_tensor(x.detach().numpy()[:, :3]),
            lambda x: torch.nn.functional.one_hot(x[:, :3].argmax(dim=1), 3).float(),
        ],
        ids=["detached", "through numpy", "votes"],
    )
    def test_a_walk_samples_it(self, forward: Callable[[Any], Any]) -> None:
        class Flat(nn.Module):  # type: ignore[misc,name-defined]
            def forward(self, x: Any) -> Any:
                return forward(x)

        model = sd.as_model(Flat().eval(), output="score", space=SPACE)
        assert not model.differentiable
        answer = sd.ask(sd.fixed_label(model, 1), SPACE, **SMALL)
        assert answer.settings.kernel.startswith("RandomWalk")
        with pytest.raises(QuestionError, match="no gradient"):
            sd.fixed_label(model, 1).gradient(ROWS, SPACE)

    def test_labels_have_none(self) -> None:
        class Labels(nn.Module):  # type: ignore[misc,name-defined]
            def forward(self, x: Any) -> Any:
                return (x[:, 0] > 0).float() * x.sum() ** 0

        model = sd.as_model(Labels().eval(), output="label", classes=["a", "b"], space=SPACE)
        assert not model.differentiable
        assert sd.ask(sd.require(model, "b"), SPACE, **SMALL).valid.all()


class TestNative:
    """A module that the core reads, evaluated by torch instead."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_gives_the_same_numbers(self, dtype: Any) -> None:
        inner = layers(3, dtype).eval()
        native = sd.as_model(inner, output="score", space=SPACE)
        assert native.native
        for loss in ("cross_entropy", "squared"):
            ours, theirs = (
                sd.fixed_label(model, 1, loss=loss) + 0.3 * sd.near([0.0] * 4)
                for model in (native, apart(inner))
            )
            for what in ("evaluate", "gradient"):
                np.testing.assert_allclose(
                    getattr(ours, what)(ROWS, SPACE),
                    getattr(theirs, what)(ROWS, SPACE),
                    rtol=0,
                    atol=10 * TOLERANCE[dtype],
                )

    def test_has_the_same_law(self) -> None:
        inner = layers().eval()
        options: dict[str, Any] = {
            "draws": 1500,
            "chains": 16,
            "temperature": 0.3,
            "kernel": sd.MALA(),
            "progress": False,
        }
        native = sd.as_model(inner, output="score", space=SPACE)
        one = sd.ask(sd.fixed_label(native, 1), SPACE, **options, seed=1).summary()
        other = sd.ask(sd.fixed_label(apart(inner), 1), SPACE, **options, seed=2).summary()
        error = np.hypot(one["mcse"].to_numpy(), other["mcse"].to_numpy())
        assert (np.abs(one["mean"].to_numpy() - other["mean"].to_numpy()) < 4 * error).all()

    @pytest.mark.parametrize("seed", [1, 2])
    def test_gives_the_same_chains_in_float64_for_a_while(self, seed: int) -> None:
        inner = layers(3, torch.float64).eval()
        native = sd.as_model(inner, output="score", space=SPACE)
        options = SMALL | {"kernel": sd.MALA(0.01), "warmup": 0, "draws": 10, "seed": seed}
        ours, theirs = (
            sd.ask(sd.fixed_label(model, 1), SPACE, **options) for model in (native, apart(inner))
        )
        np.testing.assert_allclose(ours.draws, theirs.draws, atol=1e-9)


class Breaking(nn.Module):  # type: ignore[misc,name-defined]
    """Does something in a pass, the first one being number 1."""

    def __init__(self, at: int, what: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)
        self.at, self.what, self.passes = at, what, 0

    def forward(self, x: Any) -> Any:
        self.passes += 1
        out = self.drop(self.inner(x))
        if self.passes < self.at:
            return out
        return self.what(self, out)


def raised(module: Any, out: Any) -> Any:
    raise ArithmeticError("no more")


def trained(module: Any, out: Any) -> Any:
    module.train()
    return out


def moved(module: Any, out: Any) -> Any:
    module.to("meta")
    return out


def half_moved(module: Any, out: Any) -> Any:
    module.drop = nn.Linear(3, 3, device="meta")
    return out


class TestFailures:
    @pytest.mark.parametrize(
        ("what", "cause", "message"),
        [
            (raised, ArithmeticError, "ArithmeticError: no more"),
            (trained, ModelError, r"Breaking is in training mode.*call its eval\(\) first"),
            (moved, ModelError, "Breaking is on the device 'meta', which holds no numbers"),
            (half_moved, ModelError, r"parameters on several devices \(cpu, meta\)"),
            (lambda module, out: out[:, :2], ModelError, r"shape \(5, 2\); \(5, 3\) was expected"),
            (lambda module, out: out[1:], ModelError, "gives 4 outputs for 5 rows"),
            (lambda module, out: out[None], ModelError, r"gives \(1, 5, 3\); a tensor"),
            (lambda module, out: out.tolist(), ModelError, "gives <class 'list'>"),
            (lambda module, out: out.detach(), RuntimeError, "does not require grad"),
        ],
    )
    def test_after_500_passes(
        self, what: Callable[[Any, Any], Any], cause: type[Exception], message: str
    ) -> None:
        torch.manual_seed(0)
        model = sd.as_model(Breaking(500, what).eval(), output="score", space=SPACE, name="net")
        options = SMALL | {"draws": 2000, "kernel": sd.MALA()}
        with pytest.raises(SamplingError, match=f"net could not evaluate.*{message}") as failure:
            sd.ask(sd.fixed_label(model, 1), SPACE, **options)
        assert isinstance(failure.value.__cause__, cause)
        answer = failure.value.answer
        assert answer is not None
        assert answer.status == "failed"
        n = answer.draws.shape[1]
        assert 400 < n < 500
        assert np.isfinite(answer.draws).all()
        torch.manual_seed(0)
        sound = Breaking(10**9, raised).eval()
        model = sd.as_model(sound, output="score", space=SPACE, name="net")
        whole = sd.ask(sd.fixed_label(model, 1), SPACE, **options | {"draws": 600})
        assert answer.draws.tobytes() == whole.draws[:, :n].tobytes()

    def test_nan_slopes_are_counted(self) -> None:
        class Root(nn.Module):  # type: ignore[misc,name-defined]
            def forward(self, x: Any) -> Any:
                # The value is finite everywhere, the slope of the root of a product is not.
                return torch.where(x[:, 0] < 0, x[:, 0], (0.0 * x[:, 1]).abs().sqrt()).sum() * 0 + (
                    x**2
                ).sum(dim=1)

        model = sd.as_model(Root().eval(), output="value", space=SPACE)
        answer = sd.ask(sd.fixed_label(model, 1.0), SPACE, **SMALL | {"kernel": sd.MALA()})
        assert sum(answer.statistics.nonfinite_drift) > 0
        assert np.isfinite(answer.energies).all()

    def test_meta_is_refused_at_import(self) -> None:
        with pytest.raises(ModelError, match="on the device 'meta'"):
            sd.as_model(Apart(layers().to("meta")).eval(), output="score", space=SPACE)

    def test_the_space_says_how_many_columns_a_module_reads(self) -> None:
        with pytest.raises(ModelError, match="give space="):
            sd.as_model(MODULES["convolution"]().eval(), output="score")
        narrow = sd.Space({"a": sd.Continuous(0, 1), "b": sd.Continuous(0, 1)})
        with pytest.raises(ModelError, match=r"could not be called on a tensor of shape \(1, 2\)"):
            sd.as_model(MODULES["convolution"]().eval(), output="score", space=narrow)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_on_a_gpu() -> None:
    host, device = apart(layers()), apart(layers().to("cuda"))
    ours, theirs = (sd.fixed_label(model, 1) for model in (host, device))
    np.testing.assert_allclose(ours.gradient(ROWS, SPACE), theirs.gradient(ROWS, SPACE), atol=1e-4)
    assert sd.ask(theirs, SPACE, **SMALL).status == "complete"
