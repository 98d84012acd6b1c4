"""scikit-learn trees and forests: the import predicts what the library predicts."""

import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from forests import CANCER, CULTIVAR, DIABETES, ESTIMATORS, HOLES, WINE
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
)
from sklearn.tree._tree import Tree

from sondage.errors import DataError, ModelError, ModelParityError
from sondage.models import as_model
from sondage.models._trees import float32_cut


@pytest.fixture(scope="module", params=ESTIMATORS)
def fitted(request: pytest.FixtureRequest) -> BaseEstimator:
    return ESTIMATORS[request.param]()


def trees(estimator: BaseEstimator) -> list[Tree]:
    return [member.tree_ for member in getattr(estimator, "estimators_", [estimator])]


def threshold_rows(
    estimator: BaseEstimator, data: NDArray[np.float64], rng: np.random.Generator, most: int = 400
) -> NDArray[np.float64]:
    """Rows of data with one feature moved to a threshold or a neighbour of it."""
    rows = []
    # A split of the missing from the rest has threshold inf.
    splits = [
        (t, node)
        for t in trees(estimator)
        for node in np.flatnonzero((t.children_left >= 0) & np.isfinite(t.threshold))
    ]
    chosen = rng.permutation(len(splits))[:most]
    for tree, node in (splits[i] for i in chosen):
        threshold, feature = tree.threshold[node], tree.feature[node]
        narrow = np.float32(threshold)
        for value in (
            threshold,
            np.nextafter(threshold, np.inf),
            np.nextafter(threshold, -np.inf),
            np.float64(narrow),
            np.float64(np.nextafter(narrow, np.float32(np.inf))),
            np.float64(np.nextafter(narrow, np.float32(-np.inf))),
        ):
            row = data[rng.integers(len(data))].copy()
            row[feature] = value
            rows.append(row)
    return np.array(rows).reshape(-1, data.shape[1])


def outputs(estimator: BaseEstimator, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    return estimator.predict(rows)[:, None]


def data_of(estimator: BaseEstimator) -> NDArray[np.float64]:
    known = {13: WINE, 30: CANCER, 10: DIABETES, 2: np.zeros((4, 2))}
    return known[estimator.n_features_in_]


def test_parity_on_random_rows_and_at_thresholds(fitted: BaseEstimator) -> None:
    model = as_model(fitted)
    data = data_of(fitted)
    rng = np.random.default_rng(11)
    spread = np.ptp(data, axis=0)
    random = data.min(0) - 0.1 * spread + rng.random((10_000, data.shape[1])) * 1.2 * spread
    holes = random[:3000].copy()
    holes[rng.random(holes.shape) < 0.3] = np.nan
    rows = np.concatenate([random, threshold_rows(fitted, data, rng), holes, 1e30 * data, -data])
    theirs = outputs(fitted, rows)
    ours = model.proba(rows) if model.kind == "classifier" else model.score(rows)[:, None]
    assert ours.tobytes() == theirs.tobytes()
    assert (model.predict(rows) == fitted.predict(rows)).all()
    assert (model._user_predict(rows) == fitted.predict(rows)).all()
    assert model.native
    assert not model.differentiable


def test_the_fast_path_equals_the_reference_to_the_last_bit(fitted: BaseEstimator) -> None:
    native = as_model(fitted)._native
    assert native is not None
    (kind, trees), data = native.graph.operations[native.heads.score], data_of(fitted)
    assert kind == "trees"
    rng = np.random.default_rng(12)
    rows = np.concatenate(
        [data[rng.integers(len(data), size=999)], threshold_rows(fitted, data, rng)]
    )
    for fast, plain in (
        (trees.forward, trees.forward_reference),
        (trees.predict, trees.predict_reference),
    ):
        expected = plain(rows)
        assert fast(rows).tobytes() == expected.tobytes()
        assert fast(rows[:1]).tobytes() == expected[:1].tobytes()
        assert fast(rows[:0]).shape == (0, expected.shape[1])


def test_models_pickle_and_stay_equal(fitted: BaseEstimator) -> None:
    model = as_model(fitted)
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    assert hash(again) == hash(model)
    rows = np.ascontiguousarray(data_of(fitted)[:4])
    assert again.score(rows).tobytes() == model.score(rows).tobytes()


F32 = np.finfo(np.float32)
THRESHOLDS = st.one_of(
    st.floats(allow_nan=False, width=64),
    st.floats(allow_nan=False, width=32),
    st.floats(-1.0, 1.0),
    st.floats(-1e-44, 1e-44),
)


@given(THRESHOLDS, st.lists(st.floats(allow_nan=False), max_size=20))
@example(0.0, [])
@example(-0.0, [])
@example(float(F32.max), [])
@example(-float(F32.max), [])
@example(float(F32.smallest_subnormal), [])
@example(-float(F32.smallest_subnormal), [])
@example(float(F32.max) * (1 + 2.0**-25), [])
@example(-float(F32.max) * (1 + 2.0**-25), [])
@example(float("inf"), [])
@example(float("-inf"), [])
def test_a_float64_cut_divides_as_rounding_to_float32_does(
    threshold: float, others: list[float]
) -> None:
    cut = float32_cut(np.array([threshold]))[0]
    near = [threshold, cut, 0.0, -0.0, 1.0, -1.0]
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.float32(threshold)
        for step in (np.float32(np.inf), np.float32(-np.inf)):
            wide = np.float64(np.nextafter(narrow, step))
            near += [wide, 0.5 * np.float64(narrow) + 0.5 * wide]
        near += [2.0**128, -(2.0**128), 2.0**128 * (1 - 2.0**-25), -(2.0**128) * (1 - 2.0**-25)]
        near += [np.nextafter(x, way) for x in near for way in (np.inf, -np.inf)]
        x = np.array(near + others)
        assert ((x.astype(np.float32) <= np.float64(threshold)) == (x <= cut)).all()


def test_a_cut_is_the_largest_float64_that_goes_left() -> None:
    rng = np.random.default_rng(0)
    threshold = rng.normal(size=20_000) * 10.0 ** rng.integers(-46, 38, size=20_000)
    cut = float32_cut(threshold)
    with np.errstate(over="ignore", under="ignore"):
        assert (cut.astype(np.float32) <= threshold).all()
        assert (np.nextafter(cut, np.inf).astype(np.float32) > threshold).all()


def test_a_wrong_import_names_the_first_row_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sondage.models.sklearn_trees.float32_cut", lambda threshold: threshold + 0.05
    )
    with pytest.raises(ModelParityError, match=r"first in row \d+ of \d+: \["):
        as_model(ESTIMATORS["wine forest"]())


def test_comparing_in_float64_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sondage.models.sklearn_trees.float32_cut", lambda threshold: threshold)
    with pytest.raises(ModelParityError):
        as_model(ESTIMATORS["wine forest"]())


def test_rows_given_to_check_are_compared() -> None:
    forest = ESTIMATORS["wine forest"]()
    assert as_model(forest, check=WINE) == as_model(forest)
    with pytest.raises(ModelError, match="check has 2 columns; 13 are needed"):
        as_model(forest, check=WINE[:, :2])


def test_missing_values_are_taken_where_the_library_takes_them() -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(WINE, CULTIVAR)
    assert (as_model(tree).predict(HOLES) == tree.predict(HOLES)).all()
    frame = pl.DataFrame(HOLES, schema=[f"c{j}" for j in range(13)]).fill_nan(None)
    assert (as_model(tree).predict(frame) == tree.predict(HOLES)).all()
    without = ExtraTreeClassifier(splitter="best", random_state=0).fit(WINE, CULTIVAR)
    with pytest.raises(DataError, match="column number 3 of the frame is nan in row 0"):
        as_model(without).proba(np.where(np.arange(13) == 3, np.nan, WINE))


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(
        [
            DecisionTreeClassifier,
            DecisionTreeRegressor,
            ExtraTreeClassifier,
            RandomForestClassifier,
            RandomForestRegressor,
            ExtraTreesClassifier,
            ExtraTreesRegressor,
        ]
    ),
    parameters=st.fixed_dictionaries(
        {
            "max_depth": st.sampled_from([1, 2, 6, None]),
            "min_samples_leaf": st.sampled_from([1, 5, 60]),
            "max_features": st.sampled_from([1, None]),
            "ccp_alpha": st.sampled_from([0.0, 0.02]),
            "random_state": st.integers(0, 1000),
        }
    ),
    n_trees=st.sampled_from([1, 3, 11]),
    rows=st.sampled_from([5, 40, 120]),
    shape=st.sampled_from(["real", "whole", "constant", "missing"]),
)
def test_any_parameters_give_the_library_s_predictions(
    kind: type[BaseEstimator],
    parameters: dict[str, Any],
    n_trees: int,
    rows: int,
    shape: str,
) -> None:
    rng = np.random.default_rng(parameters["random_state"])
    X = rng.normal(size=(rows, 4))
    if shape == "whole":
        X = np.round(X)
    elif shape == "constant":
        X[:, 1:] = 3.0
    elif shape == "missing":
        X[rng.random(X.shape) < 0.3] = np.nan
    y = rng.integers(0, 3, rows)
    estimator = kind(**parameters)
    if "n_estimators" in estimator.get_params():
        estimator.set_params(n_estimators=n_trees)
    estimator.fit(X, y)
    model = as_model(estimator)
    test = np.concatenate(
        [X, 3.0 * rng.normal(size=(200, 4)), threshold_rows(estimator, X, rng, 20)]
    )
    assert (model.predict(test) == estimator.predict(test)).all()
    ours = model.proba(test) if model.classes is not None else model.score(test)[:, None]
    assert ours.tobytes() == outputs(estimator, test).tobytes()


def test_two_thousand_trees() -> None:
    forest = ExtraTreesClassifier(2000, max_depth=2, random_state=0).fit(WINE, CULTIVAR)
    model = as_model(forest)
    assert model.proba(WINE).tobytes() == forest.predict_proba(WINE).tobytes()
