"""scikit-learn trees and forests: the import predicts what the library predicts."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.tree._tree import Tree

from sondage.errors import DataError, ModelError, ModelParityError, QuestionError
from sondage.models import Model, as_model
from sondage.models._trees import float32_cut
from sondage.space import Continuous, Space

WINE = MinMaxScaler().fit_transform(load_wine().data)
CULTIVAR = load_wine().target
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.2] = np.nan

ESTIMATORS = {
    "wine forest": lambda: RandomForestClassifier(
        100, max_depth=3, min_samples_leaf=10, min_samples_split=40, random_state=641
    ).fit(WINE, CULTIVAR),
    "500 deep trees": lambda: RandomForestClassifier(500, random_state=0).fit(CANCER, MALIGNANT),
    "regression forest": lambda: RandomForestRegressor(50, random_state=1).fit(
        DIABETES, PROGRESSION
    ),
    "extra trees": lambda: ExtraTreesClassifier(50, random_state=2).fit(WINE, CULTIVAR),
    "extra trees, regression": lambda: ExtraTreesRegressor(30, max_depth=6, random_state=3).fit(
        DIABETES, PROGRESSION
    ),
    "tree": lambda: DecisionTreeClassifier(random_state=4).fit(CANCER, MALIGNANT),
    "regression tree": lambda: DecisionTreeRegressor(random_state=5).fit(DIABETES, PROGRESSION),
    "extra tree, words as labels": lambda: ExtraTreeClassifier(max_depth=5, random_state=6).fit(
        WINE, np.array(["low", "middle", "high"])[CULTIVAR]
    ),
    "extra tree, regression": lambda: ExtraTreeRegressor(max_depth=5, random_state=7).fit(
        DIABETES, PROGRESSION
    ),
    "weighted classes": lambda: RandomForestClassifier(
        20, class_weight="balanced_subsample", max_leaf_nodes=12, random_state=8
    ).fit(WINE, CULTIVAR),
    "missing values": lambda: RandomForestClassifier(30, random_state=9).fit(HOLES, CULTIVAR),
    "missing values, random splits": lambda: ExtraTreesClassifier(20, random_state=9).fit(
        HOLES, CULTIVAR
    ),
    "monotonic": lambda: RandomForestClassifier(
        20, monotonic_cst=[1, -1, 0] * 10, random_state=9
    ).fit(CANCER, MALIGNANT),
    "one class": lambda: RandomForestClassifier(5).fit(WINE, np.full(len(WINE), 7)),
    "a stump that never splits": lambda: DecisionTreeClassifier(max_depth=1).fit(
        np.zeros((4, 2)), [0, 1, 1, 1]
    ),
}


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


class TestNames:
    frame = pl.DataFrame(WINE, schema=[f"c{j}" for j in range(13)])

    @pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas])
    def test_a_model_fitted_with_names_reads_columns_by_name(
        self, convert: Callable[[pl.DataFrame], object]
    ) -> None:
        forest = RandomForestClassifier(10, random_state=0).fit(convert(self.frame), CULTIVAR)
        model = as_model(forest)
        assert model.feature_names == tuple(self.frame.columns)
        shuffled = self.frame.select(reversed(self.frame.columns)).with_columns(extra=pl.lit("x"))
        assert (model.proba(shuffled) == model.proba(WINE)).all()
        assert (model._user_predict(shuffled) == forest.predict(convert(self.frame))).all()
        with pytest.raises(DataError, match="no column 'c3'"):
            model.proba(self.frame.drop("c3"))

    def test_a_model_without_names_takes_those_of_the_space(self) -> None:
        tree = DecisionTreeClassifier().fit(WINE, CULTIVAR)
        assert as_model(tree).feature_names is None
        space = Space.from_frame(self.frame)
        assert as_model(tree, space=space).feature_names == tuple(self.frame.columns)

    def test_the_space_must_have_the_columns(self) -> None:
        space = Space({"c0": Continuous(0, 1), "other": Continuous(0, 1)})
        forest = DecisionTreeClassifier().fit(self.frame.select("c0", "c1").to_pandas(), CULTIVAR)
        with pytest.raises(ModelError, match=r"does not have: 'c1'; .* beyond .* 'other'"):
            as_model(forest, space=space)
        with pytest.raises(ModelError, match="reads 13 columns by position; the space has 2"):
            as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR), space=space)


class TestLabels:
    def test_labels_are_found_by_value(self) -> None:
        model = as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR))
        assert model.classes == (0, 1, 2)
        for label in (1, 1.0, np.int64(1), np.float32(1)):
            assert model.label_index(label) == 1
        for label in (3, "1", None, [1], (0, 1)):
            with pytest.raises(QuestionError, match="its classes: 0, 1, 2"):
                model.label_index(label)

    def test_words_and_truth_values(self) -> None:
        words = as_model(DecisionTreeClassifier().fit(WINE, np.array(["a", "b", "c"])[CULTIVAR]))
        assert words.classes == ("a", "b", "c")
        assert words.label_index(np.str_("b")) == 1
        truth = as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR == 1))
        assert truth.classes == (False, True)
        assert truth.label_index(np.bool_(True)) == truth.label_index(1) == 1
        assert truth.predict(WINE).dtype == np.bool_

    def test_classes_can_be_renamed(self) -> None:
        forest = ESTIMATORS["wine forest"]()
        model = as_model(forest, classes=["class_0", "class_1", "class_2"])
        assert model.label_index("class_1") == 1
        expected = [f"class_{label}" for label in forest.predict(WINE)]
        assert model.predict(WINE).tolist() == model._user_predict(WINE).tolist() == expected
        for classes in (["a", "b"], ["a", "a", "b"]):
            with pytest.raises(ModelError, match="3 different ones are needed"):
                as_model(forest, classes=classes)
        with pytest.raises(ModelError, match="must be a sequence"):
            as_model(forest, classes="abc")


def test_a_model_says_what_it_is() -> None:
    model = as_model(ESTIMATORS["wine forest"]())
    assert model.name == "random_forest_classifier"
    assert model.library == f"scikit-learn {sklearn.__version__}"
    assert (model.kind, model.native, model.differentiable) == ("classifier", True, False)
    assert "100 trees" in model.describe()
    assert "3 classes" in model.describe()
    regressor = as_model(ESTIMATORS["regression tree"](), name="progression")
    assert regressor.describe().startswith("progression: a regressor from scikit-learn")
    assert regressor.classes is None
    assert regressor.predict(DIABETES).shape == (len(DIABETES),)
    with pytest.raises(ModelError, match="progression is a regressor"):
        regressor.proba(DIABETES)
    assert as_model(model) is model
    assert isinstance(model, Model)


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (DecisionTreeClassifier, "DecisionTreeClassifier is not fitted"),
        (RandomForestRegressor, "RandomForestRegressor is not fitted"),
        (
            lambda: DecisionTreeRegressor().fit(DIABETES, np.c_[PROGRESSION, PROGRESSION]),
            "has 2 outputs",
        ),
        (
            lambda: RandomForestClassifier(2).fit(WINE, np.c_[CULTIVAR, CULTIVAR]),
            "has 2 outputs",
        ),
        (lambda: StandardScaler().fit(WINE), "StandardScaler is not supported"),
        (lambda: None, "NoneType is not supported"),
    ],
)
def test_other_models_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        as_model(make())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": "proba"}, "output='proba' is for callables"),
        ({"name": ""}, "name='' must be a non-empty string"),
        ({"name": 3}, "name=3 must be"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR), **arguments)


def test_regressors_have_no_classes_to_rename() -> None:
    with pytest.raises(ModelError, match="is a regressor"):
        as_model(ESTIMATORS["regression tree"](), classes=["a"])
