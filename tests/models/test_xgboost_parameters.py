"""XGBoost: any hyper-parameters."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from sondage.errors import ForeignModelWarning
from sondage.models import Model, as_model

xgb = pytest.importorskip("xgboost")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)

Same = Callable[..., Model]
Rows = NDArray[np.float64]


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, object], Rows, Rows, int, str]:
    """Hyper-parameters, rows, targets, rounds, and which kind of target."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, d = draw(st.integers(2, 40)), draw(st.integers(1, 5))
    rows = np.round(rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, d), 2)
    rows[:, rng.random(d) < draw(st.sampled_from([0.0, 0.5]))] = 1.5
    rows[rng.random((n, d)) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    kind = draw(st.sampled_from(["binary", "classes", "value"]))
    given: dict[str, object] = {
        "nthread": 1,
        "verbosity": 0,
        "max_depth": draw(st.integers(1, 6)),
        "tree_method": draw(st.sampled_from(["exact", "hist", "approx"])),
        "booster": draw(st.sampled_from(["gbtree", "gbtree", "dart"])),
        "num_parallel_tree": draw(st.integers(1, 3)),
        "subsample": draw(st.sampled_from([1.0, 0.5])),
        "eta": draw(st.sampled_from([0.05, 0.3, 1.0])),
        "min_child_weight": draw(st.sampled_from([0.0, 1.0, 1e6])),
        "seed": 0,
    }
    if given["booster"] == "dart":
        given["rate_drop"] = draw(st.sampled_from([0.0, 0.3, 0.9]))
        given["normalize_type"] = draw(st.sampled_from(["tree", "forest"]))
    base = draw(st.sampled_from([None, 0.1, 0.5, 0.9]))
    if base is not None:
        given["base_score"] = base
    target: Rows
    if kind == "binary":
        objectives = ["binary:logistic", "binary:logitraw", "binary:hinge"]
        target = (rng.random(n) < draw(st.sampled_from([0.0, 0.5, 1.0]))).astype(float)
    elif kind == "classes":
        objectives = ["multi:softprob", "multi:softmax"]
        given["num_class"] = 4
        target = rng.integers(0, 3, n).astype(float)
    else:
        objectives = ["reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:tweedie"]
        target = np.round(rng.gamma(1.0, 5.0, n), 1)
    given["objective"] = draw(st.sampled_from(objectives))
    return given, rows, target, draw(st.integers(0, 6)), kind


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_any_hyper_parameters(problem: tuple[dict[str, object], Rows, Rows, int, str]) -> None:
    given_, rows, target, rounds, kind = problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = xgb.train(given_, xgb.DMatrix(rows, target), rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForeignModelWarning)
        model = as_model(booster)
    if not model.native:
        # Or all targets are 0 or 1: the base score is at an end, whose logit is not finite.
        assert rounds == 0 or len(np.unique(target)) == 1
        return
    probe = np.concatenate([rows, rows * 1.01, np.full((1, rows.shape[1]), np.nan)])
    data = xgb.DMatrix(probe)
    theirs = booster.predict(data, output_margin=kind != "value").astype(np.float64)
    score = model.score(probe)
    if given_["objective"] in ("count:poisson", "reg:tweedie"):
        assert np.abs(score / theirs - 1.0).max() < 3e-7
    else:
        assert np.array_equal(score, theirs)
    if given_["objective"] in ("binary:logistic", "multi:softprob"):
        value = booster.predict(data)
        labels = value.argmax(axis=1) if value.ndim == 2 else value > 0.5
        assert np.array_equal(model.predict(probe), labels.astype(np.int64))


@pytest.mark.parametrize(("booster", "rounds"), [("gbtree", 2_000), ("dart", 200)])
def test_thousands_of_trees(booster: str, rounds: int) -> None:
    given_ = {"booster": booster, "max_depth": 1, "nthread": 1, "eta": 0.02}
    own = xgb.train(given_, xgb.DMatrix(DIABETES[:60], PROGRESSION[:60]), rounds)
    model = as_model(own)
    theirs = own.predict(xgb.DMatrix(DIABETES), output_margin=True)
    assert np.array_equal(model.score(DIABETES), theirs)
