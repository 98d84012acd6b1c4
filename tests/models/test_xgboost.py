"""XGBoost: boosters and the scikit-learn classes."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from sondage._core import Graph
from sondage.errors import ModelError
from sondage.models import Model, as_model
from sondage.models._features import Features, RawColumn
from sondage.models._graph import GraphBuilder
from sondage.models._xgboost_trees import Parsed, below_cut, margin_of

xgb = pytest.importorskip("xgboost")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)

Same = Callable[..., Model]
Rows = NDArray[np.float64]


def holes(X: Rows, share: float = 0.2, value: float = np.nan) -> Rows:
    """Some entries of the rows missing."""
    return np.where(np.random.default_rng(0).random(X.shape) < share, value, X)


def trained(X: Rows, y: object, rounds: int = 30, **parameters: object) -> Any:
    given: dict[str, object] = {"max_depth": 4, "nthread": 1, "verbosity": 0, **parameters}
    return xgb.train(given, xgb.DMatrix(X, y), rounds)


def probing(model: Model, X: Rows, n: int = 10_000) -> Rows:
    """Rows of training, uniform ones around them, some of their entries missing."""
    rng = np.random.default_rng(1)
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    uniform = low + (rng.random((n, X.shape[1])) * 1.4 - 0.2) * (high - low)
    return np.concatenate([X, uniform, holes(uniform)])


def require_bits(model: Model, X: Rows) -> None:
    """The library's own score to the last bit."""
    native = model._native
    assert native is not None
    rows = probing(model, X)
    ours = native.values(rows, native.heads.score)
    theirs = model._source.score(rows)
    assert np.array_equal(ours.reshape(theirs.shape), theirs)


BOOSTERS: dict[str, Callable[[], tuple[Any, Rows]]] = {
    "logistic": lambda: (trained(CANCER, MALIGNANT, 60, objective="binary:logistic"), CANCER),
    "logistic, base score": lambda: (
        trained(CANCER, MALIGNANT, objective="binary:logistic", base_score=0.137),
        CANCER,
    ),
    "logits": lambda: (trained(CANCER, MALIGNANT, objective="binary:logitraw"), CANCER),
    "hinge": lambda: (trained(CANCER, MALIGNANT, objective="binary:hinge"), CANCER),
    "softprob": lambda: (
        trained(WINE, CULTIVAR, objective="multi:softprob", num_class=3),
        WINE,
    ),
    "softmax, a class without rows": lambda: (
        trained(WINE, CULTIVAR, 10, objective="multi:softmax", num_class=4, base_score=0.5),
        WINE,
    ),
    "regression": lambda: (trained(DIABETES, PROGRESSION, 80), DIABETES),
    "dart": lambda: (
        trained(CANCER, MALIGNANT, booster="dart", rate_drop=0.3, objective="binary:logistic"),
        CANCER,
    ),
    "dart, classes": lambda: (
        trained(
            WINE, CULTIVAR, 15, booster="dart", one_drop=1, objective="multi:softprob", num_class=3
        ),
        WINE,
    ),
    "forest": lambda: (
        trained(DIABETES, PROGRESSION, 2, num_parallel_tree=20, subsample=0.5, eta=0.5),
        DIABETES,
    ),
    "forest, classes": lambda: (
        trained(
            WINE,
            CULTIVAR,
            3,
            num_parallel_tree=4,
            subsample=0.5,
            objective="multi:softprob",
            num_class=3,
        ),
        WINE,
    ),
    "missing": lambda: (trained(holes(DIABETES), PROGRESSION), holes(DIABETES)),
    "exact": lambda: (
        trained(holes(DIABETES), PROGRESSION, tree_method="exact", gamma=500.0),
        holes(DIABETES),
    ),
    "leaf by leaf": lambda: (
        trained(DIABETES, PROGRESSION, max_depth=0, max_leaves=20, grow_policy="lossguide"),
        DIABETES,
    ),
    "sums of opposite leaves": lambda: (
        trained(DIABETES, PROGRESSION * 1e6, 40, eta=1.9),
        DIABETES,
    ),
    "infinitesimal and huge": lambda: (
        trained(DIABETES * 10.0 ** np.arange(-40, 10, 5), PROGRESSION, tree_method="exact"),
        DIABETES * 10.0 ** np.arange(-40, 10, 5),
    ),
    "ranking": lambda: (
        trained(DIABETES, PROGRESSION // 70, 20, objective="rank:pairwise"),
        DIABETES,
    ),
}


@pytest.mark.parametrize("kind", BOOSTERS)
def test_a_booster_is_read(kind: str, same_as_library: Same) -> None:
    booster, rows = BOOSTERS[kind]()
    model = same_as_library(booster, rows, within=3e-7)
    require_bits(model, rows)


IDENTITY = ("squarederror", "squaredlogerror", "absoluteerror", "pseudohubererror", "quantileerror")
LINKED = (
    "reg:logistic",
    "count:poisson",
    "reg:gamma",
    "reg:tweedie",
    "survival:cox",
    "survival:aft",
)


@pytest.mark.parametrize("objective", [f"reg:{name}" for name in IDENTITY])
@pytest.mark.parametrize("base", [None, 0.7])
def test_values_of_a_regressor_are_its_margins(
    objective: str, base: float | None, same_as_library: Same
) -> None:
    extra: dict[str, object] = {"quantile_alpha": 0.3} if objective == "reg:quantileerror" else {}
    booster = trained(DIABETES, PROGRESSION, objective=objective, base_score=base, **extra)
    model = same_as_library(booster, DIABETES, n=2_000)
    require_bits(model, DIABETES)
    assert model.classes is None
    with pytest.raises(ModelError, match="regressor"):
        model.proba(DIABETES)


@pytest.mark.parametrize("objective", LINKED)
@pytest.mark.parametrize("base", [None, 0.7])
def test_values_of_a_regressor_go_through_its_link(
    objective: str, base: float | None, same_as_library: Same
) -> None:
    target = MALIGNANT if objective == "reg:logistic" else PROGRESSION
    rows = CANCER if objective == "reg:logistic" else DIABETES
    data = xgb.DMatrix(rows, target)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", target)
        data.set_float_info("label_upper_bound", target)
    given = {"objective": objective, "max_depth": 4, "nthread": 1, "base_score": base}
    booster = xgb.train(given, data, 30)
    model = same_as_library(booster, rows, n=2_000, within=3e-7)
    theirs = booster.predict(xgb.DMatrix(rows))
    assert np.abs(model.predict(rows) / theirs - 1.0).max() < 3e-7
    # Its margins, before the link, are the library's to the last bit.
    parsed = Parsed.of(bytes(booster.save_raw("ubj")))
    nodes, group, start = margin_of(
        parsed, best=False, in_place=False, missing=np.nan, sparse=False
    )
    graph = GraphBuilder(rows.shape[1])
    node = graph.trees(
        nodes,
        Features.of([RawColumn()] * rows.shape[1]),
        n_outputs=1,
        first_output=group,
        base=start,
        precision="float32",
    )
    own = Graph(graph.n_columns, graph.operations).forward(rows, node)[:, 0]
    assert np.array_equal(own, booster.predict(xgb.DMatrix(rows), output_margin=True))


ESTIMATORS: dict[str, Callable[[], tuple[Any, Rows]]] = {
    "classifier": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=40).fit(CANCER, MALIGNANT),
        CANCER,
    ),
    "classes": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=15).fit(holes(WINE), CULTIVAR),
        holes(WINE),
    ),
    "softmax": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=10, objective="multi:softmax").fit(WINE, CULTIVAR),
        WINE,
    ),
    "two classes, softprob": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=10, objective="multi:softprob", num_class=2).fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "hinge": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=10, objective="binary:hinge").fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    # Its labels are those of margins above 0.5.
    "logits": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=10, objective="binary:logitraw").fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "regressor": lambda: (
        xgb.XGBRegressor(n_jobs=1, n_estimators=40).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "probabilities as values": lambda: (
        xgb.XGBRegressor(n_jobs=1, n_estimators=20, objective="binary:logistic").fit(
            CANCER, MALIGNANT
        ),
        CANCER,
    ),
    "forest": lambda: (xgb.XGBRFClassifier(n_jobs=1, n_estimators=20).fit(WINE, CULTIVAR), WINE),
    "forest of values": lambda: (
        xgb.XGBRFRegressor(n_jobs=1, n_estimators=20).fit(DIABETES, PROGRESSION),
        DIABETES,
    ),
    "ranker": lambda: (
        xgb.XGBRanker(n_jobs=1, n_estimators=10).fit(
            DIABETES, PROGRESSION // 70, qid=np.repeat(np.arange(17), 26)
        ),
        DIABETES,
    ),
    # Without a DMatrix, dart's leaves are rounded another time.
    "dart": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=15, booster="dart", rate_drop=0.4).fit(
            WINE, CULTIVAR
        ),
        WINE,
    ),
    "dart, values": lambda: (
        xgb.XGBRegressor(n_jobs=1, n_estimators=25, booster="dart", rate_drop=0.4).fit(
            DIABETES, PROGRESSION
        ),
        DIABETES,
    ),
    "one class only": lambda: (
        xgb.XGBClassifier(n_jobs=1, n_estimators=3, base_score=0.5).fit(
            CANCER, np.zeros(len(CANCER))
        ),
        CANCER,
    ),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_is_read(kind: str, same_as_library: Same) -> None:
    estimator, rows = ESTIMATORS[kind]()
    model = same_as_library(estimator, rows, within=3e-7)
    if kind != "probabilities as values":
        require_bits(model, rows)
    if model.classes is not None and not kind.startswith("two classes"):
        assert np.array_equal(model.predict(rows), estimator.predict(rows))
    assert pickle.loads(pickle.dumps(model)) == model


def test_early_stopping_counts_for_the_estimator_and_not_for_the_booster(
    same_as_library: Same,
) -> None:
    estimator = xgb.XGBClassifier(
        n_estimators=80, early_stopping_rounds=5, learning_rate=0.9, n_jobs=1
    )
    estimator.fit(
        CANCER[:300], MALIGNANT[:300], eval_set=[(CANCER[300:], MALIGNANT[300:])], verbose=0
    )
    booster = estimator.get_booster()
    rounds = booster.num_boosted_rounds()
    assert estimator.best_iteration + 1 < rounds
    stopped = same_as_library(estimator, CANCER, n=1_000, within=3e-7)
    whole = same_as_library(booster, CANCER, n=1_000, within=3e-7)
    assert stopped._native is not None
    assert whole._native is not None
    assert stopped._native.graph.n_trees == estimator.best_iteration + 1
    assert whole._native.graph.n_trees == rounds
    assert not np.array_equal(stopped.score(CANCER), whole.score(CANCER))


def test_a_label_at_the_middle_is_the_librarys() -> None:
    """Margins so near to 0 that their probability rounds to a half are labelled 0."""
    margins = np.concatenate([[0.0, -1e-8], np.linspace(8.8e-8, 9.1e-8, 14)]).astype(np.float32)
    base = trained(CANCER, MALIGNANT, 1, objective="binary:logistic", base_score=0.5, max_depth=1)
    told = json.loads(base.save_raw("json"))
    tree = told["learner"]["gradient_booster"]["model"]["trees"][0]
    assert tree["left_children"] == [1, -1, -1]
    disagreed = []
    for margin in margins:
        tree["split_conditions"][1:] = [float(margin)] * 2
        booster = xgb.Booster(model_file=bytearray(json.dumps(told).encode()))
        label = int(booster.predict(xgb.DMatrix(CANCER[:1]))[0] > 0.5)
        model = as_model(booster)
        assert model.score(CANCER[:1])[0] == margin
        assert model.predict(CANCER[:1])[0] == label
        disagreed.append(label != (margin > 0.0))
    assert any(disagreed)


def test_labels_of_classes_have_the_ties_of_float32() -> None:
    """Margins that differ by a few roundings: probabilities are equal, or differ, as XGBoost's."""
    own = trained(WINE, CULTIVAR, 1, objective="multi:softprob", num_class=3, max_depth=1)
    told = json.loads(own.save_raw("json"))
    told["learner"]["learner_model_param"]["base_score"] = "[0E0,0E0,0E0]"
    trees = told["learner"]["gradient_booster"]["model"]["trees"]
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(24):
        middle = np.float32(rng.choice([0.003, 0.06, 0.7, 3.0]) * rng.normal())
        for tree in trees:
            leaf = middle
            for _ in range(rng.integers(0, 4)):
                leaf = np.nextafter(leaf, np.float32(np.inf))
            tree["split_conditions"][1:] = [float(leaf)] * (len(tree["left_children"]) - 1)
        booster = xgb.Booster(model_file=bytearray(json.dumps(told).encode()))
        model = as_model(booster)
        label = booster.predict(xgb.DMatrix(WINE[:1])).argmax(axis=1)
        assert np.array_equal(model.predict(WINE[:1]), label)
        moved += int(label[0] != model.score(WINE[:1]).argmax())
    assert moved > 2


def test_cuts_are_where_float32_changes_sides() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    threshold = np.concatenate([bits[np.isfinite(bits)], [0.0, -0.0, 1e-45, -1e-45]]).astype(
        np.float32
    )
    cut = below_cut(threshold)
    with np.errstate(over="ignore"):
        assert (cut.astype(np.float32) < threshold).all()
        above = np.nextafter(cut, np.inf).astype(np.float32)
    assert not (above < threshold).any()


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror"])
def test_fico(
    objective: str, fico: tuple[pl.DataFrame, NDArray[np.int64]], same_as_library: Same
) -> None:
    frame, bad = fico
    booster = trained(
        frame.to_numpy().astype(float), bad, 60, objective=objective, max_depth=6, missing=-9
    )
    rows = frame.to_numpy().astype(float)
    require_bits(same_as_library(booster, rows, within=3e-7), rows)
