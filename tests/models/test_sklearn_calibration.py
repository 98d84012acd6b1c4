"""Calibrated classifiers: calibrators and the mean over folds, as the library computes them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from sondage.errors import ForeignModelWarning, ModelError
from sondage.models import Model, as_model

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small fits and many other tests: more threads would only get in each other's way."""
    with threadpool_limits(1):
        yield


def around(values: NDArray[np.float64], n: int = 5000) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    low, high = values.min(axis=0), values.max(axis=0)
    wide = low + (high - low) * rng.uniform(-0.5, 1.5, size=(n, values.shape[1]))
    close = values[rng.integers(len(values), size=n)] + 0.1 * values.std(axis=0) * rng.normal(
        size=(n, values.shape[1])
    )
    return np.concatenate([values, wide, close, 100.0 * wide[:50]])


def same(estimator: Any, rows: NDArray[np.float64], close: float = 1e-9) -> Model:
    model = as_model(estimator)
    assert model.native
    expected = estimator.predict_proba(rows)
    np.testing.assert_allclose(model.proba(rows), expected, rtol=close, atol=1e-12)
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-12
    labels = estimator.predict(rows)
    np.testing.assert_array_equal(model.predict(rows)[clear], labels[clear])
    np.testing.assert_array_equal(
        np.argmax(expected, axis=1), np.searchsorted(estimator.classes_, labels)
    )
    return model


INNER: dict[str, Any] = {
    "decision function": make_pipeline(StandardScaler(), LinearSVC()),
    "logits": make_pipeline(StandardScaler(), LogisticRegression()),
    "kernel": make_pipeline(StandardScaler(), SVC()),
    "votes": RandomForestClassifier(10, max_depth=4, random_state=0),
    "margins": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "net": make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=30, random_state=0)),
}


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("kind", INNER)
def test_every_calibrator(kind: str, method: str) -> None:
    for values, labels in ((CANCER, BENIGN), (WINE, CULTIVAR)):
        for ensemble in (True, False):
            estimator = CalibratedClassifierCV(
                INNER[kind], method=method, cv=3, ensemble=ensemble
            ).fit(values, labels)
            same(estimator, around(values, 1500))


def test_ten_thousand_rows_of_words_as_labels() -> None:
    names = np.array(["barolo", "grignolino", "barbera"])[CULTIVAR]
    estimator = CalibratedClassifierCV(INNER["votes"], method="isotonic", cv=4).fit(WINE, names)
    model = same(estimator, around(WINE))
    assert model.classes == ("barbera", "barolo", "grignolino")


def test_a_frozen_model_has_one_calibrator() -> None:
    inner = INNER["logits"].fit(CANCER[:300], BENIGN[:300])
    estimator = CalibratedClassifierCV(FrozenEstimator(inner)).fit(CANCER[300:], BENIGN[300:])
    assert len(estimator.calibrated_classifiers_) == 1
    same(estimator, around(CANCER, 1000))


class Splits:
    """The first fold lacks a class in training."""

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        everything = np.arange(len(y))
        yield np.flatnonzero(y != 1), everything
        yield everything[::2], everything[1::2]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 2


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_fold_without_one_of_the_classes(method: str) -> None:
    four = np.where((CULTIVAR == 2) & (np.arange(len(CULTIVAR)) % 2 == 0), 3, CULTIVAR)
    for labels in (four, CULTIVAR):
        for inner in (DecisionTreeClassifier(max_depth=3), INNER["logits"]):
            estimator = CalibratedClassifierCV(inner, method=method, cv=Splits())
            same(estimator.fit(WINE, labels), around(WINE, 1000))


@settings(max_examples=25, deadline=None)
@given(
    depth=st.integers(1, 4),
    trees=st.integers(1, 5),
    method=st.sampled_from(["sigmoid", "isotonic", "temperature"]),
    ensemble=st.booleans(),
    n_classes=st.integers(2, 4),
    seed=st.integers(0, 1000),
)
def test_any_forest(
    depth: int, trees: int, method: str, ensemble: bool, n_classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(90, 3))
    values[:, 2] = 1.0
    labels = np.concatenate([np.arange(n_classes).repeat(5), rng.integers(n_classes, size=90)])[:90]
    inner = RandomForestClassifier(trees, max_depth=depth, random_state=seed)
    estimator = CalibratedClassifierCV(inner, method=method, cv=2, ensemble=ensemble)
    same(estimator.fit(values, labels), around(values, 200))


def test_steep_steps_after_float32_are_left_to_the_library() -> None:
    xgboost = pytest.importorskip("xgboost")
    inner = xgboost.XGBClassifier(n_estimators=5, n_jobs=1)
    sigmoid = CalibratedClassifierCV(inner, cv=2).fit(CANCER, BENIGN)
    rows = around(CANCER, 500)
    model = as_model(sigmoid)
    assert model.native
    np.testing.assert_allclose(model.proba(rows), sigmoid.predict_proba(rows), rtol=1e-6)
    isotonic = CalibratedClassifierCV(inner, cv=2, method="isotonic").fit(CANCER, BENIGN)
    with pytest.warns(ForeignModelWarning, match="float32 scores of XGBClassifier"):
        model = as_model(isotonic)
    np.testing.assert_array_equal(model.proba(rows), isotonic.predict_proba(rows))


def test_a_calibrated_model_that_has_no_native_form() -> None:
    estimator = CalibratedClassifierCV(GaussianNB(), cv=2).fit(WINE, CULTIVAR)
    with pytest.warns(ForeignModelWarning, match="GaussianNB"):
        model = as_model(estimator)
    np.testing.assert_array_equal(model.proba(WINE), estimator.predict_proba(WINE))
    with pytest.raises(ModelError, match="not fitted"):
        as_model(CalibratedClassifierCV(GaussianNB()))
