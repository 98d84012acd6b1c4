"""Rows and first steps for the tests of pipelines, and the comparison with the library."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from sondage.errors import ForeignModelWarning
from sondage.models import Model, as_model

pd = pytest.importorskip("pandas")

QUIET = pytest.mark.filterwarnings(
    "ignore:Found unknown categories",
    "ignore:Skipping features without any observed",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


def one_hot_tree(frame: Any, labels: object, **settings: Any) -> Any:
    """Fit a decision tree on numbers and one-hot categories."""
    texts = list(frame.select_dtypes(exclude="number").columns)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), texts), remainder="passthrough"
    )
    return make_pipeline(encode, DecisionTreeClassifier(random_state=0, **settings)).fit(
        frame, labels
    )


NUMBERS = ["age", "fnlwgt", "educational-num", "capital-gain", "capital-loss", "hours-per-week"]
WORDS = [
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "gender",
    "native-country",
]


def people(adult: Any) -> tuple[Any, NDArray[np.int64]]:
    return adult[NUMBERS + WORDS], (adult["income"] == ">50K").astype(np.int64).to_numpy()


def hard_people(adult: Any, n: int = 10_000) -> Any:
    """Adult's rows with values beyond the range, large ones, missing ones and unknown words."""
    rng = np.random.default_rng(1)
    frame = adult[NUMBERS + WORDS].sample(n, replace=True, random_state=1).reset_index(drop=True)
    for name in NUMBERS:
        low, high = adult[name].min(), adult[name].max()
        values = frame[name].to_numpy(dtype=np.float64, copy=True)
        values = np.where(rng.random(n) < 0.3, rng.uniform(low - 5, 1.3 * high + 1, n), values)
        values = np.where(rng.random(n) < 0.02, rng.choice([-1e6, 1e6, 1e9], n), values)
        frame[name] = np.where(rng.random(n) < 0.1, np.nan, values)
    for name in WORDS:
        words = frame[name].astype(object).to_numpy(copy=True)
        words[rng.random(n) < 0.1] = np.nan
        words[rng.random(n) < 0.05] = "Martian"
        frame[name] = words
    return frame


def same(
    estimator: Any,
    frame: Any,
    *,
    native: bool = True,
    close: float = 1e-12,
    tiny: float = 1e-14,
) -> Model:
    """Import a model and require the library's labels and numbers on a frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if native else "ignore", ForeignModelWarning)
        model = as_model(estimator)
    assert model.native is native
    predicted = np.asarray(estimator.predict(frame))
    if model.kind == "regressor":
        np.testing.assert_allclose(model.predict(frame), predicted, rtol=close)
        return model
    np.testing.assert_array_equal(model.predict(frame), predicted)
    if hasattr(estimator, "predict_proba"):
        expected = estimator.predict_proba(frame)
        np.testing.assert_allclose(model.proba(frame), expected, rtol=close, atol=tiny)
    if hasattr(estimator, "decision_function"):
        expected = estimator.decision_function(frame)
        scale = max(1e-300, float(np.median(np.abs(expected))))
        np.testing.assert_allclose(model.score(frame), expected, rtol=close, atol=close * scale)
    return model


def both(sparse: bool = True, **encoder: Any) -> ColumnTransformer:
    """Return the usual first step for Adult."""
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, **encoder)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("words", make_pipeline(SimpleImputer(strategy="most_frequent"), words), WORDS),
        ]
    )


def mixed(seed: int, n: int) -> Any:
    rng = np.random.default_rng(seed)
    words = np.array(["a", "b", "c", "d", "e", np.nan], dtype=object)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n) * 10,
            "y": rng.integers(0, 5, n).astype(float),
            "z": np.full(n, 3.0),
            "w": rng.exponential(size=n),
            "v": pd.Series(rng.choice(words, n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]), dtype=object),
            "u": pd.Series(rng.choice(words[:5], n), dtype=object),
        }
    )
    for name in "xyw":
        frame.loc[rng.random(n) < 0.1, name] = np.nan
    return frame


def few(*names: str) -> ColumnTransformer:
    """Read a few of Adult's columns."""
    words = [name for name in names if name in WORDS]
    numbers = [name for name in names if name in NUMBERS]
    return ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        ]
    )
