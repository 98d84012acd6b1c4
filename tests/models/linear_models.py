"""Data for the tests of linear models, and the comparison with the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.preprocessing import scale

import sondage as sd
from sondage.errors import ModelError

Data = tuple[NDArray[np.float64], NDArray[Any]]


def wine() -> Data:
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def cancer() -> Data:
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), np.array(["malignant", "benign"])[y]


def diabetes() -> Data:
    return load_diabetes(return_X_y=True)


def blocks(X: NDArray[np.float64], n: int = 10_000) -> list[NDArray[np.float64]]:
    """Rows as in training, uniform beyond their box, far away, and barely off float32's grid."""
    rng = np.random.default_rng(7)
    lower, spread = X.min(axis=0), np.ptp(X, axis=0)
    near = X[rng.integers(len(X), size=500)]
    narrow = near.astype(np.float32).astype(np.float64)
    return [
        X[:11_000],
        lower - spread + 3.0 * spread * rng.random((n, X.shape[1])),
        near * rng.choice([-1e6, 1e6, 1e12], size=(500, 1)),
        np.nextafter(narrow, np.where(rng.random(narrow.shape) < 0.5, -np.inf, np.inf)),
    ]


def assert_same(estimator: Any, rows: NDArray[np.float64], tolerance: float = 1e-12) -> None:
    """Labels are equal, numbers equal up to a share of their size over the rows."""
    with np.errstate(over="ignore"):  # of an exponential link, at the library
        model = sd.as_model(estimator)
        theirs = estimator.predict(rows)
    assert model.native
    if not hasattr(estimator, "classes_"):
        close(model.predict(rows), theirs, tolerance)
        close(model.score(rows), theirs, tolerance)
        return
    close(model.score(rows), estimator.decision_function(rows), tolerance)
    assert model.predict(rows).tolist() == theirs.tolist()
    if not hasattr(estimator, "predict_proba"):
        with pytest.raises(ModelError, match="no class probabilities"):
            model.proba(rows)
        return
    proba = estimator.predict_proba(rows)
    # A difference of logits is one of the same size in the logarithm of a probability.
    size = max(1.0, float(np.max(np.abs(estimator.decision_function(rows)))))
    np.testing.assert_allclose(model.proba(rows), proba, rtol=0, atol=min(1e-6, tolerance * size))
    assert model._native is not None
    log_proba = model._native.heads.log_proba
    if log_proba is not None:
        logs = model._native.values(rows, log_proba)
        np.testing.assert_allclose(np.exp(logs), model.proba(rows), rtol=1e-12 * size, atol=1e-300)
        assert np.isfinite(logs).all()


def close(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> None:
    assert ours.shape == theirs.shape
    atol = tolerance * float(np.max(np.abs(theirs[np.isfinite(theirs)])))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
