"""Gradients through the graph: against central differences and against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM

import sondage as sd
from sondage._core import Graph
from sondage.models._features import Chain, Features, RawColumn, Step
from sondage.models._graph import GraphBuilder, Heads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
WINE, CANCER, DIABETES = scale(WINE), scale(CANCER), scale(DIABETES)

CLASSIFIERS: dict[str, Callable[[], BaseEstimator]] = {
    "logistic": LogisticRegression,
    "margins": lambda: LinearSVC(random_state=0),
    "discriminant": LinearDiscriminantAnalysis,
    "one against the rest": lambda: SGDClassifier(loss="log_loss", alpha=0.1, random_state=0),
    "modified huber": lambda: SGDClassifier(loss="modified_huber", alpha=1.0, random_state=0),
    "rbf": lambda: SVC(decision_function_shape="ovo"),
    "poly": lambda: SVC(kernel="poly", coef0=1.0, decision_function_shape="ovo"),
    "sigmoid": lambda: SVC(kernel="sigmoid", gamma=0.05, decision_function_shape="ovo"),
    "linear": lambda: SVC(kernel="linear", decision_function_shape="ovo"),
    **{
        f"net, {name}": lambda name=name: MLPClassifier((11, 7), name, max_iter=9, random_state=0)
        for name in ("identity", "logistic", "tanh", "relu")
    },
}
REGRESSORS: dict[str, Callable[[], BaseEstimator]] = {
    "ridge": Ridge,
    "log link": PoissonRegressor,
    "identity link": lambda: TweedieRegressor(power=0),
    "rbf": lambda: SVR(C=100.0),
    "no power": lambda: SVR(kernel="poly", degree=0),
    "first power": lambda: SVR(kernel="poly", degree=1),
    "fourth power": lambda: SVR(kernel="poly", degree=4, coef0=0.3, gamma=0.1),
    "outliers": lambda: OneClassSVM(gamma=0.05),
    "net, tanh": lambda: MLPRegressor("squared_error", (11, 7), "tanh", max_iter=9, random_state=0),
    "net, exponential": lambda: MLPRegressor("poisson", (5,), max_iter=9, random_state=0),
}


def central_differences(
    graph: Graph, rows: NDArray[np.float64], node: int, cotangent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gradient of the cotangent times the node, column by column."""
    out = np.empty_like(rows)
    for j in range(rows.shape[1]):
        h = np.zeros(rows.shape[1])
        h[j] = 1e-6
        difference = graph.forward(rows + h, node) - graph.forward(rows - h, node)
        out[:, j] = (cotangent * difference).sum(axis=1) / 2e-6
    return out


def assert_gradient(graph: Graph, rows: NDArray[np.float64], node: int) -> None:
    """Agree to 1e-5 of the largest gradient, which is not 0."""
    rng = np.random.default_rng(1)
    cotangent = rng.normal(size=(len(rows), graph.width(node)))
    ours = graph.vjp(rows, node, cotangent)
    theirs = central_differences(graph, rows, node, cotangent)
    assert ours.shape == rows.shape
    largest = float(np.abs(theirs).max())
    assert largest > 0.0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * largest)


def native(model: sd.Model) -> tuple[Graph, Heads]:
    assert model._native is not None
    return model._native.graph, model._native.heads


def assert_heads(model: sd.Model, rows: NDArray[np.float64]) -> None:
    graph, heads = native(model)
    for node in (heads.score, heads.proba, heads.log_proba):
        if node is not None:
            assert graph.differentiable(node)
            assert_gradient(graph, rows, node)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("data", [(WINE, CULTIVAR), (CANCER, BENIGN)], ids=["wine", "cancer"])
def test_classifiers(name: str, data: tuple[NDArray[np.float64], NDArray[Any]]) -> None:
    X, y = data
    model = sd.as_model(CLASSIFIERS[name]().fit(X, y))
    assert model.differentiable
    rng = np.random.default_rng(0)
    assert_heads(model, X[rng.integers(len(X), size=40)] + 0.3 * rng.normal(size=(40, X.shape[1])))


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name: str) -> None:
    estimator = REGRESSORS[name]()
    outliers = isinstance(estimator, OneClassSVM)
    y = None if outliers else PROGRESSION / 100.0
    graph, heads = native(sd.as_model(estimator.fit(DIABETES, y)))
    rows = np.random.default_rng(0).normal(size=(40, DIABETES.shape[1]))
    if name == "no power":
        assert not graph.vjp(rows, heads.score, np.ones((40, 1))).any()
        return
    assert_gradient(graph, rows, heads.score)


def test_sums_of_one_vs_rest_scores() -> None:
    # Votes are flat, so that the gradient is that of the sums within a region of equal votes.
    model = sd.as_model(SVC(gamma=0.05).fit(WINE, CULTIVAR))
    graph, heads = native(model)
    assert_gradient(graph, WINE[:40] + 0.1, heads.score)


def test_through_an_encoder() -> None:
    builder = GraphBuilder(2)
    columns = (RawColumn(), RawColumn())
    chain = Chain(0, (Step("sub", 1.0), Step("div", 4.0), Step("log1p")))
    x = builder.encode(Features(columns, (chain, Chain(1), Chain(0), chain)))
    node = builder.activation(builder.linear(x, np.arange(12.0).reshape(3, 4) / 9.0), "tanh")
    rows = np.random.default_rng(0).uniform(0.5, 3.0, size=(40, 2))
    assert_gradient(Graph(2, builder.operations), rows, node)


ACTIVATIONS = [
    "relu",
    "tanh",
    "logistic",
    "softplus",
    "gelu",
    "gelu_tanh",
    "silu",
    "exp",
    "expm1",
    "log1p",
    "signed_square",
    "exp2_neg",
]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: Any) -> None:
    builder = GraphBuilder(1)
    node = builder.activation(builder.row, name)
    lower = -0.9 if name == "log1p" else -4.0
    rows = np.linspace(lower, 4.0, 1001)[:, None] + 1e-4
    assert_gradient(Graph(1, builder.operations), rows, node)


def test_saturated_probabilities_keep_their_gradient() -> None:
    builder = GraphBuilder(1)
    pair, two = builder.log_logistic_pair(0), builder.linear(0, [[1.0], [-1.0]])
    logs = builder.log_softmax(two)
    graph = Graph(1, builder.operations)
    rows = np.array([[-800.0], [-40.0], [40.0], [800.0]])
    first = np.tile([[1.0, 0.0]], (4, 1))
    # ln p of the class that has none left: minus its margin, and slope 1.
    assert graph.vjp(rows, pair, first)[2:, 0] == pytest.approx([-1.0, -1.0])
    assert graph.vjp(rows, logs, first)[:2, 0] == pytest.approx([2.0, 2.0])


def torch_activations() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    return {
        "ReLU": nn.ReLU(),
        "Tanh": nn.Tanh(),
        "Sigmoid": nn.Sigmoid(),
        "GELU": nn.GELU(),
        "GELU, tanh": nn.GELU("tanh"),
        "SiLU": nn.SiLU(),
        "LeakyReLU": nn.LeakyReLU(0.2),
        "Softmax": nn.Softmax(dim=1),
        "LogSoftmax": nn.LogSoftmax(dim=1),
    }


TORCH = ["ReLU", "Tanh", "Sigmoid", "GELU", "GELU, tanh", "SiLU", "LeakyReLU", "Softmax"]
TORCH += ["LogSoftmax"]


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", TORCH)
def test_torchs_own_gradient(name: str, double: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    layer = torch_activations()[name]
    module = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), layer, nn.Linear(16, 8), layer)
    module.append(nn.Linear(8, 3))
    module[1].running_mean.normal_()
    module = module.to(torch.float64 if double else torch.float32).eval()
    graph, heads = native(sd.as_model(module, output="score"))
    rows = np.random.default_rng(0).normal(size=(1000, 5))
    cotangent = np.random.default_rng(1).normal(size=(1000, 3))
    given = {
        heads.score: lambda z: z,
        heads.proba: lambda z: torch.softmax(z, dim=1),
        heads.log_proba: lambda z: torch.log_softmax(z, dim=1),
    }
    dtype = torch.float64 if double else torch.float32
    for node, head in given.items():
        assert node is not None
        x = torch.tensor(rows, dtype=dtype, requires_grad=True)
        (head(module(x)) * torch.tensor(cotangent, dtype=dtype)).sum().backward()
        assert x.grad is not None
        theirs = x.grad.double().numpy()
        largest = float(np.abs(theirs).max())
        atol = (1e-12 if double else 1e-5) * largest
        np.testing.assert_allclose(graph.vjp(rows, node, cotangent), theirs, rtol=0, atol=atol)


def test_torchs_own_gradient_of_a_margin() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    module = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 1), nn.Sigmoid()).double()
    graph, heads = native(sd.as_model(module))
    assert heads.proba is not None
    rows = np.random.default_rng(0).normal(size=(1000, 5))
    x = torch.tensor(rows, requires_grad=True)
    module(x).sum().backward()
    second = np.tile([[0.0, 1.0]], (1000, 1))
    np.testing.assert_allclose(
        graph.vjp(rows, heads.proba, second), x.grad.numpy(), rtol=0, atol=1e-14
    )
