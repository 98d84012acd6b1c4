"""Distributions over parameters: noise, refits, and exact Langevin steps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import sondage as sd
from sondage.errors import DataError, ModelError, SamplingError
from sondage.models._parameters import Parameters
from sondage.posterior._losses import GraphLoss

CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
CANCER = CANCER[:, :6] / CANCER[:, :6].max(axis=0)
WINE, CULTIVAR = load_wine(return_X_y=True)
WINE = WINE[:, :5] / WINE[:, :5].max(axis=0)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
DIABETES, PROGRESS = 10 * DIABETES[:, :4], (PROGRESS - 152.0) / 77.0

MODELS: dict[str, tuple[Any, NDArray[np.float64], NDArray[Any]]] = {
    "linear": (LinearRegression(), DIABETES, PROGRESS),
    "logistic": (LogisticRegression(), CANCER, MALIGNANT),
    "softmax": (LogisticRegression(), WINE, CULTIVAR),
    "net": (MLPClassifier((7, 4), activation="tanh", max_iter=60), WINE, CULTIVAR),
    "binary net": (MLPClassifier((5,), max_iter=60), CANCER, MALIGNANT),
    "net of values": (
        MLPRegressor(hidden_layer_sizes=(6,), activation="logistic", max_iter=60),
        DIABETES,
        PROGRESS,
    ),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), CANCER, MALIGNANT),
}


def fitted(name: str) -> tuple[Any, sd.Model, NDArray[np.float64], NDArray[Any]]:
    estimator, X, y = MODELS[name]
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    estimator.fit(X, y)
    return estimator, sd.as_model(estimator, name="model"), X, y


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class TestGaussian:
    @pytest.mark.parametrize("name", MODELS)
    def test_moves_every_parameter_by_its_own_noise(self, name: str) -> None:
        _, model, X, _ = fitted(name)
        posterior = sd.posterior.gaussian(model, 0.1, 400, seed=1)
        own = Parameters.of(model).values
        moved = np.array([Parameters.of(member).values for _, member in posterior.members])
        noise = (moved - own) / 0.1
        assert noise.shape == (400, len(own))
        # Means of 400 standard normal numbers.
        assert np.abs(noise.mean(axis=0)).max() < 5 / np.sqrt(400)
        assert np.abs((noise**2).mean(axis=0) - 1).max() < 5 * np.sqrt(2 / 400)
        assert np.abs(np.corrcoef(noise.T) - np.eye(len(own))).max() < 6 / np.sqrt(400)
        assert len({member.fingerprint for _, member in posterior.members}) == 400
        still = sd.posterior.gaussian(model, 0.0, 2, seed=1)
        np.testing.assert_allclose(still.score(X), model.score(X), rtol=1e-12, atol=1e-12)

    def test_seeds_and_prefixes(self) -> None:
        _, model, X, _ = fitted("logistic")
        few = sd.posterior.gaussian(model, 0.1, 3, seed=5).members
        many = sd.posterior.gaussian(model, 0.1, 6, seed=5).members
        assert [m.fingerprint for _, m in few] == [m.fingerprint for _, m in many[:3]]
        other = sd.posterior.gaussian(model, 0.1, 3, seed=6).members
        assert few[0][1].fingerprint != other[0][1].fingerprint
        assert model.score(X).tobytes() == fitted("logistic")[1].score(X).tobytes()

    def test_trees_have_none(self) -> None:
        forest = sd.as_model(RandomForestClassifier(3).fit(WINE, CULTIVAR))
        with pytest.raises(ModelError, match=r"posterior\.refit"):
            sd.posterior.gaussian(forest, 0.1, 3)

    @pytest.mark.parametrize(("scale", "n"), [(-0.1, 3), (float("nan"), 3), ("a", 3), (0.1, 0)])
    def test_other_arguments_are_refused(self, scale: Any, n: Any) -> None:
        with pytest.raises(SamplingError, match=r"(scale|n)="):
            sd.posterior.gaussian(fitted("logistic")[1], scale, n)


class TestRefit:
    def test_is_fitted_to_resamples(self) -> None:
        tree = DecisionTreeRegressor(max_depth=3)
        posterior = sd.posterior.refit(tree, DIABETES, PROGRESS, 5, seed=2)
        assert len(posterior.members) == 5
        assert not hasattr(tree, "tree_")
        scores = np.array([member.score(DIABETES) for _, member in posterior.members])
        np.testing.assert_allclose(posterior.score(DIABETES), scores.mean(axis=0), rtol=1e-12)
        assert scores.std(axis=0).max() > 0.0
        again = sd.posterior.refit(tree, DIABETES, PROGRESS, 2, seed=2)
        assert again.score(DIABETES).tobytes() == (0.5 * scores[0] + 0.5 * scores[1]).tobytes()

    def test_every_class_is_in_every_resample(self) -> None:
        rare = np.r_[np.flatnonzero(CULTIVAR != 2), np.flatnonzero(CULTIVAR == 2)[:2]]
        forest = RandomForestClassifier(2, max_depth=2)
        posterior = sd.posterior.refit(forest, WINE[rare], CULTIVAR[rare], 12, seed=0)
        assert all(member.classes == (0, 1, 2) for _, member in posterior.members)

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(DataError, match="178 rows"):
            sd.posterior.refit(LogisticRegression(), WINE, CULTIVAR[:-1], 2)


class TestTrainingLoss:
    @pytest.mark.parametrize("name", MODELS)
    def test_is_the_mean_over_rows_with_its_gradient(self, name: str) -> None:
        estimator, model, X, y = fitted(name)
        found = Parameters.of(model)
        codes = y if model.classes is None else np.searchsorted(model.classes, y)
        loss = GraphLoss.of(found, X, codes)
        rng = np.random.default_rng(0)
        vectors = found.values + 0.1 * rng.normal(size=(4, len(found.values)))
        vectors[0] = found.values
        values, slopes = loss(vectors)
        if model.classes is None:
            own = 0.5 * ((estimator.predict(X) - y) ** 2).mean()
        else:
            own = -np.log(estimator.predict_proba(X)[np.arange(len(y)), codes]).mean()
        assert values[0] == pytest.approx(own, rel=1e-9)
        for k in rng.integers(len(found.values), size=8):
            h = np.zeros_like(found.values)
            h[k] = 1e-5
            difference = (loss(vectors + h)[0] - loss(vectors - h)[0]) / 2e-5
            np.testing.assert_allclose(slopes[:, k], difference, rtol=1e-5, atol=1e-8)


OPTIONS: dict[str, Any] = {"temperature": 0.01, "draws": 12, "thin": 3, "step": 0.02}


class TestLangevin:
    @pytest.mark.parametrize("name", MODELS)
    def test_gives_models_with_a_record_of_the_chains(self, name: str) -> None:
        _, model, X, y = fitted(name)
        posterior = sd.posterior.langevin(model, X, y, seed=4, **OPTIONS)
        assert len(posterior.members) == 12
        answer = posterior.answer
        assert answer is not None
        assert answer.status == "complete"
        assert answer.statistics.exact
        assert answer.draws.shape == (8, 2, len(Parameters.of(model).values))
        first = [Parameters.of(member).values for _, member in posterior.members[:8]]
        np.testing.assert_array_equal(first, answer.draws[:, 0])
        again = sd.posterior.langevin(model, X, y, seed=4, **OPTIONS)
        assert again.fingerprint == posterior.fingerprint
        assert again == posterior

    def test_draws_from_the_law_of_least_squares(self) -> None:
        # The posterior of ½ (·)² is N(θ̂, τ (DᵀD/N)⁻¹).
        _, model, X, y = fitted("linear")
        posterior = sd.posterior.langevin(
            model, X, y, temperature=0.1, draws=8000, thin=5, step=0.5, seed=1
        )
        answer = posterior.answer
        assert answer is not None
        D = np.column_stack([X, np.ones(len(X))])
        covariance = 0.1 * np.linalg.inv(D.T @ D / len(D))
        effective = answer.summary()["ess_bulk"][:-1].to_numpy().min()
        assert effective > 1000
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        mean = np.linalg.lstsq(D, y, rcond=None)[0]
        white = (answer.draws.reshape(-1, len(mean)) - mean) @ whiten.T
        assert np.abs(white.mean(axis=0)).max() < 5 / np.sqrt(effective)
        bound = 5 * np.sqrt(2 / effective)
        assert np.abs(np.cov(white.T) - np.eye(len(mean))).max() < bound
        # Twice the temperature would be seen.
        assert np.abs(np.cov(white.T) / 2 - np.eye(len(mean))).max() > 2 * bound

    def test_what_does_not_fit_is_refused(self) -> None:
        _, model, X, y = fitted("logistic")
        with pytest.raises(DataError, match="y holds 7"):
            sd.posterior.langevin(model, X, np.full(len(X), 7), **OPTIONS)
        with pytest.raises(DataError, match="569 rows"):
            sd.posterior.langevin(model, X, y[1:], **OPTIONS)
        with pytest.raises(SamplingError, match="step="):
            sd.posterior.langevin(model, X, y, **(OPTIONS | {"step": 0.0}))
        with pytest.raises(SamplingError, match=r"step=1000000\.0 is too long"):
            sd.posterior.langevin(model, X, y, **(OPTIONS | {"step": 1e6, "thin": 10}))
        forest = sd.as_model(RandomForestClassifier(3).fit(WINE, CULTIVAR))
        with pytest.raises(ModelError, match=r"posterior\.refit"):
            sd.posterior.langevin(forest, WINE, CULTIVAR, **OPTIONS)


class TestTorch:
    @pytest.fixture
    def net(self) -> Any:
        torch = pytest.importorskip("torch")
        nn = torch.nn
        torch.manual_seed(0)

        class Skip(nn.Module):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 3)

            def forward(self, x: Any) -> Any:
                return self.b(x + torch.tanh(self.a(x)))

        return Skip().double().eval()

    @pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")
    def test_moves_copies_of_a_module(self, net: Any) -> None:
        before = {name: value.clone() for name, value in net.state_dict().items()}
        model = sd.as_model(net, output="score", classes=[0, 1, 2], name="skip")
        assert not model.native
        noisy = sd.posterior.gaussian(model, 0.1, 3, seed=0)
        drawn = sd.posterior.langevin(
            model, WINE, CULTIVAR, temperature=0.05, draws=4, thin=4, step=0.05, seed=0
        )
        for posterior in (noisy, drawn):
            scores = [member.score(WINE) for _, member in posterior.members]
            assert np.abs(scores[0] - scores[1]).max() > 1e-3
            np.testing.assert_allclose(posterior.proba(WINE).sum(axis=1), 1.0)
        for name, value in net.state_dict().items():
            assert value.equal(before[name])
        assert all(parameter.grad is None for parameter in net.parameters())

    @pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")
    def test_the_loss_is_torchs_own(self, net: Any) -> None:
        import torch

        from sondage.models._torch_parameters import TorchParameters, losses

        model = sd.as_model(net, output="score", classes=[0, 1, 2], name="skip")
        found = TorchParameters.of(model)
        assert found is not None
        values, slopes = losses(found, WINE, CULTIVAR)(np.stack([found.values, found.values + 0.1]))
        loss = torch.nn.functional.cross_entropy(net(torch.tensor(WINE)), torch.tensor(CULTIVAR))
        gradient = torch.autograd.grad(loss, list(net.parameters()))
        assert values[0] == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(
            slopes[0], np.concatenate([g.numpy().ravel() for g in gradient]), atol=1e-12
        )
        assert values[1] != values[0]

    @pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")
    def test_a_tied_parameter_moves_wherever_it_is_used(self) -> None:
        torch = pytest.importorskip("torch")
        nn = torch.nn
        shared = nn.Linear(5, 5)
        net = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(5, 3)).double().eval()
        model = sd.as_model(net, output="score")
        assert model.native
        assert len(np.unique([id(p) for p in net.parameters()])) == 4
        (_, moved), *_ = sd.posterior.gaussian(model, 0.1, 2, seed=0).members
        copied = moved._source.call.module  # type: ignore[attr-defined]
        assert copied[0] is copied[2]
        assert np.abs(moved.score(WINE) - model.score(WINE)).max() > 1e-3
        with torch.no_grad():
            np.testing.assert_allclose(moved.score(WINE), copied(torch.tensor(WINE)).numpy())

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_losses_of_native_layers_are_torchs_own(self, precision: str) -> None:
        torch = pytest.importorskip("torch")
        nn, dtype = torch.nn, getattr(torch, precision)
        torch.manual_seed(1)
        net = nn.Sequential(
            nn.Linear(5, 6, bias=False),
            nn.BatchNorm1d(6),
            nn.GELU(),
            nn.Linear(6, 6),
            nn.LeakyReLU(0.1),
            nn.Linear(6, 6),
            nn.SiLU(),
            nn.BatchNorm1d(6, affine=False),
            nn.GELU(approximate="tanh"),
            nn.Linear(6, 3),
        )
        net = net.to(dtype)
        net(torch.tensor(5 * WINE, dtype=dtype))  # so that the running statistics are some
        with torch.no_grad():
            net[1].weight.copy_(torch.linspace(0.5, 2.0, 6))
            net[1].bias.copy_(torch.linspace(-1.0, 1.0, 6))
        net = net.eval()
        model = sd.as_model(net, output="score")
        assert model.native
        found = Parameters.of(model)
        # BatchNorm's scales and shifts are parameters, its running statistics are none.
        own = np.concatenate([p.detach().double().numpy().ravel() for p in net.parameters()])
        np.testing.assert_array_equal(found.values, own)
        values, slopes = GraphLoss.of(found, WINE, CULTIVAR)(found.values[np.newaxis])
        exact = copy.deepcopy(net).double()
        loss = nn.functional.cross_entropy(exact(torch.tensor(WINE)), torch.tensor(CULTIVAR))
        gradient = torch.autograd.grad(loss, list(exact.parameters()))
        assert values[0] == pytest.approx(loss.item(), rel=1e-12)
        want = np.concatenate([g.numpy().ravel() for g in gradient])
        np.testing.assert_allclose(slopes[0], want, rtol=1e-9, atol=1e-13)
        (_, moved), *_ = sd.posterior.gaussian(model, 0.1, 2, seed=0).members
        changed = Parameters.of(moved).values
        assert (changed != own).all()
        rounded = changed.astype(precision).astype(np.float64)
        np.testing.assert_array_equal(changed, rounded)

    def test_rows_come_in_blocks(self, net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from sondage.models import _torch_parameters
        from sondage.models._torch_parameters import TorchParameters, losses

        with pytest.warns(sd.ForeignModelWarning):
            model = sd.as_model(net, output="score", classes=[0, 1, 2])
        found = TorchParameters.of(model)
        assert found is not None
        vectors = np.stack([found.values, found.values + 0.1])
        whole = losses(found, WINE, CULTIVAR)(vectors)
        monkeypatch.setattr(_torch_parameters, "_ROWS", 100)
        for parts, all_at_once in zip(losses(found, WINE, CULTIVAR)(vectors), whole, strict=True):
            np.testing.assert_allclose(parts, all_at_once, rtol=1e-12, atol=1e-15)
