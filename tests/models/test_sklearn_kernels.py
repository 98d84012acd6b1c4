"""scikit-learn's support vector machines: the core gives what libsvm gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.preprocessing import scale
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError

# The parameter `probability` is deprecated, which libsvm's own probabilities are not.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*probability:FutureWarning"
)

Data = tuple[NDArray[np.float64], NDArray[Any]]

KERNELS: dict[str, dict[str, Any]] = {
    "rbf": {"kernel": "rbf"},
    "poly": {"kernel": "poly", "coef0": 0.5, "degree": 2},
    "odd poly": {"kernel": "poly", "degree": 3, "gamma": 0.1},
    "constant": {"kernel": "poly", "degree": 0},
    "sigmoid": {"kernel": "sigmoid", "gamma": 0.02, "coef0": -0.1},
    "linear": {"kernel": "linear"},
}
SHAPES: dict[str, dict[str, Any]] = {
    "ovr": {},
    "ovo": {"decision_function_shape": "ovo"},
    "break_ties": {"break_ties": True},
    "probability": {"probability": True, "random_state": 0},
}


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


def blocks(X: NDArray[np.float64], n: int) -> list[NDArray[np.float64]]:
    """Rows as in training, uniform beyond their box, and far away."""
    rng = np.random.default_rng(7)
    lower, spread = X.min(axis=0), np.ptp(X, axis=0)
    return [
        X[: 2 * n],
        lower - 0.5 * spread + 2.0 * spread * rng.random((n, X.shape[1])),
        X[rng.integers(len(X), size=200)] * rng.choice([-1e3, 1e6, 1e9], size=(200, 1)),
    ]


def assert_same(estimator: Any, rows: NDArray[np.float64], tolerance: float = 1e-10) -> None:
    """Labels are equal, numbers equal up to a share of their size over the rows."""
    model = sd.as_model(estimator)
    assert model.native
    slack = model._source.slack(rows)
    rows = rows[np.isfinite(slack)]
    atol = float(slack[np.isfinite(slack)].max(initial=0.0))
    if not hasattr(estimator, "decision_function"):
        close(model.predict(rows), estimator.predict(rows), tolerance, atol)
        return
    if len(rows) == 0:
        return
    close(model.score(rows), estimator.decision_function(rows), tolerance, atol)
    assert model.predict(rows).tolist() == estimator.predict(rows).tolist()
    if hasattr(estimator, "predict_proba"):
        close(model.proba(rows), estimator.predict_proba(rows), 1e-9)
    else:
        with pytest.raises(ModelError, match="no class probabilities"):
            model.proba(rows)


def close(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float, atol: float = 0.0) -> None:
    assert ours.shape == theirs.shape
    atol += tolerance * float(np.max(np.abs(theirs)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("data", [wine, cancer])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_classifiers_are_the_librarys(data: Callable[[], Data], kernel: str, shape: str) -> None:
    X, y = data()
    n = 1000 if shape == "probability" else 3000
    estimator = SVC(**KERNELS[kernel], **SHAPES[shape]).fit(X, y)
    for rows in blocks(X, n):
        assert_same(estimator, rows)


@pytest.mark.parametrize(
    ("kind", "kernel"),
    # libsvm finds no finite solution for NuSVC where the kernel is constant.
    [(SVC, name) for name in KERNELS] + [(NuSVC, name) for name in KERNELS if name != "constant"],
)
def test_ten_thousand_credit_files(kernel: str, kind: Callable[..., BaseEstimator]) -> None:
    X, y = fico()
    options = {"nu": 0.3} if kind is NuSVC else {}
    estimator = kind(**KERNELS[kernel], **options).fit(X[:300], y[:300])
    for rows in blocks(X, 6000):
        hanging = np.isinf(sd.as_model(estimator)._source.slack(rows))
        assert not hanging.any() or kernel == "constant"
        assert_same(estimator, rows)


def test_probabilities_of_ten_thousand_credit_files() -> None:
    X, y = fico()
    estimator = SVC(probability=True, random_state=0).fit(X[:300], y[:300])
    for rows in blocks(X, 6000):
        assert_same(estimator, rows)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", [SVR, NuSVR, OneClassSVM])
def test_regressors_and_outliers(kernel: str, kind: Callable[..., BaseEstimator]) -> None:
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    estimator = kind(**KERNELS[kernel])
    estimator.fit(X) if kind is OneClassSVM else estimator.fit(X, y)
    for rows in blocks(X, 10_000 if kernel == "rbf" else 2000):
        assert_same(estimator, rows)


def test_outliers_have_two_classes() -> None:
    X, _ = wine()
    estimator = OneClassSVM(nu=0.2).fit(X)
    model = sd.as_model(estimator)
    assert model.classes == (-1, 1)
    assert model.kind == "classifier"
    assert set(model.predict(X).tolist()) == {-1, 1}
    assert model.score(X).ndim == 1


def test_regressor_without_vectors() -> None:
    X, y = load_diabetes(return_X_y=True)
    estimator = SVR(epsilon=1e9).fit(X, y)
    assert len(estimator.support_vectors_) == 0
    assert_same(estimator, X)


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_models_of_sparse_rows(options: dict[str, Any]) -> None:
    X, y = wine()
    estimator = SVC(**options).fit(csr_array(X), y)
    assert_same(estimator, X)


@pytest.mark.parametrize("weights", ["balanced", {0: 5.0, 1: 0.1, 2: 1.0}])
def test_weighted_classes(weights: object) -> None:
    X, y = wine()
    assert_same(SVC(class_weight=weights).fit(X, y), X)


def test_float32_rows() -> None:
    X, y = wine()
    assert_same(SVC().fit(X.astype(np.float32), y), X)


@pytest.mark.parametrize("shape", ["ovr", "ovo", "break_ties"])
def test_ties_of_three_classes(shape: str) -> None:
    X, y = wine()
    estimator = SVC(kernel="poly", **SHAPES[shape]).fit(X, y)
    # Without constants every decision at the origin is exactly 0: libsvm then votes for the second
    # class of each pair, and the sums of 'ovr' count a vote for the first.
    estimator._intercept_[:] = 0.0
    rows = np.zeros((1, X.shape[1]))
    assert estimator._decision_function(rows).tolist() == [[0.0, 0.0, 0.0]]
    model = sd.as_model(estimator)
    assert model.predict(rows).tolist() == estimator.predict(rows).tolist()
    assert model.predict(rows).tolist() == [0 if shape == "break_ties" else 2]
    assert np.array_equal(model.score(rows), estimator.decision_function(rows))


def test_tie_of_two_classes_is_the_second() -> None:
    X, y = cancer()
    estimator = SVC(kernel="poly").fit(X, y)
    estimator._intercept_[:] = 0.0
    rows = np.zeros((1, X.shape[1]))
    assert estimator.decision_function(rows).tolist() == [0.0]
    assert estimator.predict(rows).tolist() == ["malignant"]
    assert sd.as_model(estimator).predict(rows).tolist() == ["malignant"]


def test_votes_and_sums_disagree() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 4
    rows = 2.0 * rng.normal(size=(10_000, 2))
    votes, sums = SVC(C=10.0).fit(X, y), SVC(C=10.0, break_ties=True).fit(X, y)
    assert (votes.predict(rows) != sums.predict(rows)).sum() > 10
    assert_same(votes, rows)
    assert_same(sums, rows)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_hinge_of_one_vs_one_scores(n_classes: int) -> None:
    # Three classes have as many pairs: their decisions must not be taken for classes'.
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % n_classes
    ovr = SVC().fit(X, y)
    space = sd.Space({"x0": sd.Continuous(-9.0, 9.0), "x1": sd.Continuous(-9.0, 9.0)})
    for shape in ("ovr", "ovo"):
        model = sd.as_model(SVC(decision_function_shape=shape).fit(X, y), space=space)
        for label in range(n_classes):
            scores = ovr.decision_function(X)
            lead = scores[:, label] - np.delete(scores, label, axis=1).max(axis=1)
            ours = sd.fixed_label(model, label, loss="hinge").evaluate(X, space)
            np.testing.assert_allclose(ours, np.maximum(0.0, 1.0 - lead), rtol=0, atol=1e-9)


def test_settings_count_as_they_are_at_import() -> None:
    X, y = wine()
    estimator = SVC(probability=True, random_state=0).fit(X, y)
    estimator.set_params(probability=False, decision_function_shape="ovo")
    assert_same(estimator, X)
    model = sd.as_model(SVC().fit(X, y).set_params(probability=True))
    with pytest.raises(ModelError, match="no class probabilities"):
        model.proba(X)


@pytest.mark.parametrize("kind", [SVC, SVR])
def test_other_kernels_are_the_librarys(kind: Callable[..., BaseEstimator]) -> None:
    X, y = wine()
    with pytest.warns(ForeignModelWarning, match="kernel=precomputed"):
        model = sd.as_model(kind(kernel="precomputed").fit(X @ X.T, y))
    assert not model.native
    estimator = kind(kernel=lambda a, b: a @ b.T).fit(X, y)
    with pytest.warns(ForeignModelWarning, match="kernel=a function"):
        model = sd.as_model(estimator)
    assert np.array_equal(model.predict(X), estimator.predict(X))


def test_refusals() -> None:
    X, y = wine()
    for kind in (SVC, NuSVC, SVR, NuSVR, OneClassSVM):
        with pytest.raises(ModelError, match="not fitted"):
            sd.as_model(kind())
    with pytest.raises(ModelError, match="not fitted"):
        sd.as_model(SVC(kernel=lambda a, b: a @ b.T))
    estimator = SVC(break_ties=True, decision_function_shape="ovo").fit(X, y)
    with pytest.raises(ModelError, match="break_ties=True"):
        sd.as_model(estimator)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(2, 5),
    n_features=st.integers(1, 4),
    kernel=st.sampled_from(sorted(KERNELS)),
    shape=st.sampled_from(["ovr", "ovo", "break_ties"]),
    gamma=st.sampled_from(["scale", "auto", 0.0, 0.1, 100.0]),
    C=st.sampled_from([1e-3, 1.0, 1e3]),
    constant=st.booleans(),
    narrow=st.booleans(),
)
def test_any_small_classifier(
    seed: int,
    n_classes: int,
    n_features: int,
    kernel: str,
    shape: str,
    gamma: float | str,
    C: float,
    constant: bool,
    narrow: bool,
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2 * n_classes, 30))
    X = rng.normal(size=(n, n_features))
    if constant:
        X[:, 0] = 2.0
    y = rng.permutation(np.arange(n) % n_classes)
    options = {**KERNELS[kernel], **SHAPES[shape], "gamma": gamma, "C": C, "max_iter": 1000}
    estimator = SVC(**options).fit(X.astype(np.float32) if narrow else X, y)
    assert_same(estimator, np.concatenate([X, 3.0 * X]), 1e-9)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=st.sampled_from(sorted(KERNELS)),
    epsilon=st.sampled_from([0.0, 0.1, 10.0]),
    C=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_small_regressor(seed: int, kernel: str, epsilon: float, C: float) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 20)), int(rng.integers(1, 4))
    X, y = rng.normal(size=(n, d)), rng.normal(size=n)
    estimator = SVR(**KERNELS[kernel], epsilon=epsilon, C=C, max_iter=1000).fit(X, y)
    assert_same(estimator, np.concatenate([X, 3.0 * X]), 1e-9)
