"""scikit-learn's multi-layer perceptrons: the core gives what the library gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Data = tuple[NDArray[np.float64], NDArray[Any]]

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


def wine() -> Data:
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def cancer() -> Data:
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), np.array(["malignant", "benign"])[y]


def fico() -> Data:
    name = Path("shared/data/tabular/FICO_dataset.csv")
    path = next((p / name for p in Path(__file__).resolve().parents if (p / name).exists()), None)
    if path is None:
        pytest.skip("FICO_dataset.csv is not here")
    frame = pl.read_csv(path)
    X = np.ascontiguousarray(frame[:, 1:].to_numpy(), dtype=np.float64)
    return scale(X), frame["RiskPerformance"].to_numpy()


def blocks(X: NDArray[np.float64], n: int = 10_000) -> list[NDArray[np.float64]]:
    """Rows as in training, uniform beyond their box, and far away."""
    rng = np.random.default_rng(7)
    lower, spread = X.min(axis=0), np.ptp(X, axis=0)
    return [
        X,
        lower - spread + 3.0 * spread * rng.random((n, X.shape[1])),
        X[rng.integers(len(X), size=500)] * rng.choice([-1e3, 1e6, 1e12], size=(500, 1)),
    ]


def assert_same(estimator: Any, rows: NDArray[np.float64]) -> None:
    with np.errstate(over="ignore"):  # of an exponential output, at the library
        model = sd.as_model(estimator)
        theirs = estimator.predict(rows)
    assert model.native
    assert model.differentiable
    if not hasattr(estimator, "classes_"):
        scale = float(np.max(np.abs(theirs[np.isfinite(theirs)])))
        np.testing.assert_allclose(model.predict(rows), theirs, rtol=1e-9, atol=1e-13 * scale)
        assert np.array_equal(model.score(rows), model.predict(rows))
        return
    assert model.predict(rows).tolist() == theirs.tolist()
    # Far away logits are large, and so is their rounding.
    size = max(1.0, float(np.max(np.abs(rows))))
    proba = estimator.predict_proba(rows)
    np.testing.assert_allclose(model.proba(rows), proba, rtol=0, atol=min(1e-6, 1e-12 * size))
    assert np.array_equal(model.score(rows), model.proba(rows))
    assert model._native is not None
    assert model._native.heads.log_proba is not None
    logs = model._native.values(rows, model._native.heads.log_proba)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs), model.proba(rows), rtol=0, atol=1e-10)


@pytest.mark.parametrize("data", [wine, cancer, fico])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_classifiers_are_the_librarys(data: Callable[[], Data], activation: str) -> None:
    X, y = data()
    estimator = MLPClassifier((17, 9), activation, max_iter=15, random_state=0)
    estimator.fit(X[:500], y[:500])
    for rows in blocks(X, 10_000 if data is fico else 1000):
        assert_same(estimator, rows)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressors_are_the_librarys(activation: str, loss: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    estimator = MLPRegressor(loss, (17, 9), activation, max_iter=15, random_state=0)
    estimator.fit(scale(X), y / 100.0)
    assert estimator.out_activation_ == ("exp" if loss == "poisson" else "identity")
    for rows in blocks(scale(X))[: 2 if loss == "poisson" else 3]:
        assert_same(estimator, rows)


@pytest.mark.parametrize("layers", [(), (1,), (100,), (5, 4, 3, 2)])
@pytest.mark.parametrize("data", [wine, cancer])
def test_any_number_of_layers(data: Callable[[], Data], layers: tuple[int, ...]) -> None:
    X, y = data()
    estimator = MLPClassifier(layers, max_iter=5, random_state=0).fit(X, y)
    assert len(estimator.coefs_) == len(layers) + 1
    for rows in blocks(X, 500):
        assert_same(estimator, rows)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_float32(kind: Callable[..., Any]) -> None:
    X, y = wine()
    estimator = kind(max_iter=5, random_state=0).fit(X.astype(np.float32), y)
    assert estimator.coefs_[0].dtype == np.float32
    for rows in blocks(X, 500):
        assert_same(estimator, rows)


def test_the_rounded_probability_decides_between_two_classes() -> None:
    X, y = cancer()
    estimator = MLPClassifier((), max_iter=1, random_state=0).fit(X[:, :1], y)
    estimator.coefs_[0][:], estimator.intercepts_[0][:] = 1.0, 0.0
    rows = np.array([[-1e-3], [-1e-17], [0.0], [1e-17], [1e-16], [1e-15], [1e-3]])
    model = sd.as_model(estimator)
    assert model.predict(rows).tolist() == estimator.predict(rows).tolist()
    assert model.predict(rows).tolist() == ["benign"] * 5 + ["malignant"] * 2


def test_ties_between_three_classes_are_the_first() -> None:
    X, y = wine()
    estimator = MLPClassifier((), max_iter=1, random_state=0).fit(X[:, :1], y)
    estimator.coefs_[0][:], estimator.intercepts_[0][:] = [[-1.0, 1.0, 1.0]], 0.0
    rows = np.array([[0.0], [1.0], [-1.0]])
    assert estimator.predict(rows).tolist() == [0, 1, 0]
    assert sd.as_model(estimator).predict(rows).tolist() == [0, 1, 0]


def test_refusals() -> None:
    X, y = wine()
    for kind in (MLPClassifier, MLPRegressor):
        with pytest.raises(ModelError, match="not fitted"):
            sd.as_model(kind())
    with pytest.raises(ModelError, match="3 labels to a row"):
        sd.as_model(MLPClassifier(max_iter=1).fit(X, np.eye(3)[y]))
    with pytest.raises(ModelError, match="2 outputs"):
        sd.as_model(MLPRegressor(max_iter=1).fit(X, np.stack([y, y], axis=1)))
    with pytest.raises(ModelError, match="one class, 1"):
        sd.as_model(MLPClassifier(max_iter=1).fit(X, np.ones(len(y), dtype=np.int64)))


def test_unknown_functions_are_the_librarys() -> None:
    X, y = wine()
    estimator = MLPRegressor(max_iter=1).fit(X, y)
    estimator.out_activation_ = "tanh"
    with pytest.warns(ForeignModelWarning, match="out_activation_='tanh'"):
        model = sd.as_model(estimator)
    assert np.array_equal(model.predict(X), estimator.predict(X))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(0, 4).filter(lambda n: n != 1),
    n_features=st.integers(1, 4),
    layers=st.lists(st.integers(1, 9), max_size=3),
    activation=st.sampled_from(ACTIVATIONS),
    solver=st.sampled_from(["lbfgs", "sgd", "adam"]),
    constant=st.booleans(),
    narrow=st.booleans(),
)
def test_any_small_net(
    seed: int,
    n_classes: int,
    n_features: int,
    layers: list[int],
    activation: str,
    solver: str,
    constant: bool,
    narrow: bool,
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 30))
    X = rng.normal(size=(n, n_features))
    if constant:
        X[:, 0] = 2.0
    kind = MLPClassifier if n_classes else MLPRegressor
    y = rng.permutation(np.arange(n) % n_classes) if n_classes else rng.normal(size=n)
    estimator = kind(
        hidden_layer_sizes=layers, activation=activation, solver=solver, max_iter=10
    ).set_params(random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X.astype(np.float32) if narrow else X, y)
    assert_same(estimator, np.concatenate([X, 3.0 * X]))
