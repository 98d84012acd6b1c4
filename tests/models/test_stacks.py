"""Stacks: models of one form, evaluated together, give the mean of what they give one by one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

import sondage as sd
from sondage._core import Graph, Stack
from sondage.errors import DataError, ModelError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
WINE, CANCER = scale(WINE), scale(CANCER)

FITS: dict[str, Callable[[int], tuple[BaseEstimator, NDArray[np.float64], NDArray[Any]]]] = {
    "net": lambda i: (MLPClassifier((9, 5), max_iter=20, random_state=i), WINE, CULTIVAR),
    "logistic net of two classes": lambda i: (
        MLPClassifier(6, "logistic", max_iter=20, random_state=i),
        CANCER,
        BENIGN,
    ),
    "logistic": lambda i: (LogisticRegression(C=0.1 * (i + 1)), CANCER, BENIGN),
    "logistic of three classes": lambda i: (LogisticRegression(C=0.1 * (i + 1)), WINE, CULTIVAR),
    "line": lambda i: (Ridge(alpha=i + 1.0), WINE, CULTIVAR),
}


def graph_of(model: sd.Model) -> tuple[Graph, list[int]]:
    native = model._form_in_core()
    heads = native.heads
    nodes = [heads.score, heads.proba, heads.log_proba, heads.decision]
    return native.graph, [node for node in nodes if node is not None]


def stacked(models: list[sd.Model], shares: NDArray[np.float64]) -> tuple[Stack, list[int]]:
    graphs = [graph_of(model)[0] for model in models]
    return Stack(graphs, shares), graph_of(models[0])[1]


def mean(models: list[sd.Model], shares: NDArray[np.float64], rows: Any, node: int) -> Any:
    return sum(
        share * graph_of(model)[0].forward(rows, node)
        for model, share in zip(models, shares, strict=True)
    )


@pytest.mark.parametrize("name", FITS)
def test_a_stack_gives_the_mean_of_its_members(name: str) -> None:
    fits = [FITS[name](i) for i in range(5)]
    models = [sd.as_model(estimator.fit(X, y)) for estimator, X, y in fits]
    rows = np.ascontiguousarray(fits[0][1][:150])
    shares = np.array([0.3, 0.1, 0.2, 0.0, 0.4])
    stack, nodes = stacked(models, shares)
    assert len(stack) == 5
    for node in nodes:
        want = mean(models, shares, rows, node)
        np.testing.assert_allclose(stack.forward(rows, node), want, rtol=1e-12, atol=1e-12)
    again = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(again.forward(rows, node), stack.forward(rows, node))


@pytest.mark.parametrize("activation", ["ReLU", "Tanh", "GELU", "SiLU", "Sigmoid"])
def test_torch_nets_are_computed_in_their_own_precision(activation: str) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    layers = [
        nn.Sequential(nn.Linear(13, 20), getattr(nn, activation)(), nn.Linear(20, 3)).eval()
        for _ in range(3)
    ]
    models = [sd.as_model(layer, output="score") for layer in layers]
    shares = np.full(3, 1 / 3)
    stack, (score, *_) = stacked(models, shares)
    got = stack.forward(WINE, score)
    with torch.no_grad():
        inputs = torch.tensor(WINE, dtype=torch.float32)
        want = torch.stack([layer(inputs) for layer in layers]).double().mean(0).numpy()
    # Rounding of float32, theirs and ours, through two layers of outputs of size 1.
    np.testing.assert_allclose(got, want, atol=2e-6)
    exact = mean(models, shares, WINE, score)
    assert 0 < np.abs(got - exact).max() < 2e-6


def test_what_cannot_be_stacked_is_refused() -> None:
    shares = np.array([0.5, 0.5])
    nets = [
        graph_of(sd.as_model(MLPClassifier(n, max_iter=5).fit(WINE, CULTIVAR)))[0] for n in (4, 5)
    ]
    with pytest.raises(ModelError, match="cannot be stacked: operation 1 of member 1"):
        Stack(nets, shares)
    with pytest.raises(ModelError, match="1 shares for 2 models"):
        Stack([nets[0], nets[0]], shares[:1])
    with pytest.raises(ModelError, match=r"at least 0, not -0\.5"):
        Stack([nets[0], nets[0]], np.array([1.5, -0.5]))
    stack = Stack([nets[0], nets[0]], shares)
    with pytest.raises(ModelError, match="node 0 of stacked models"):
        stack.forward(WINE, 0)
    with pytest.raises(DataError, match="expected 13"):
        stack.forward(np.ascontiguousarray(WINE[:, :5]), 3)
