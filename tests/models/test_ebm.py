"""InterpretML's explainable boosting machines."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from sondage.errors import ForeignModelWarning, ModelError, ModelParityError
from sondage.models import Model, _bins, as_model

glassbox = pytest.importorskip("interpret.glassbox")

WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
WORDS = np.array(["low", "middle", "high"])

Same = Callable[..., Model]
Made = tuple[object, Any]
pytestmark = pytest.mark.usefixtures("one_thread")


def fit(kind: str, X: object, y: object, **parameters: object) -> Any:
    standard = {"outer_bags": 1, "max_rounds": 25, "n_jobs": 1, "interactions": 0}
    with warnings.catch_warnings():
        # On few rows, unnamed categories, pairs of several classes.
        warnings.simplefilter("ignore")
        machine = getattr(glassbox, f"ExplainableBoosting{kind}")
        return machine(**{**standard, **parameters}).fit(X, y)


def mixed(n: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers and categories of every kind, some missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 4, n),
            "truth": rng.random(n) < 0.5,
            "word": rng.choice(["a", "b", "c d", "9"], n),
            "typed": pd.Categorical(rng.choice(["u", "v"], n)),
            "coded": pd.Categorical(rng.choice([10, 20, 35], n)),
            "same": 1.0,
        }
    )
    y = frame["number"] + frame["whole"] + (frame["word"] == "a") + rng.normal(size=n)
    frame.loc[rng.random(n) < 0.1, ["number", "word"]] = None
    frame.loc[rng.random(n) < 0.1, "coded"] = None
    return frame, y.to_numpy()


def of_mixed(kind: str, **parameters: object) -> Made:
    frame, y = mixed()
    return fit(kind, frame, y > 2.0 if kind == "Classifier" else y, **parameters), frame


def reordered() -> Made:
    machine = fit("Classifier", WINE, CULTIVAR)
    machine.reorder_classes([2, 0, 1])
    return machine, WINE


def without_terms() -> Made:
    machine = fit("Regressor", DIABETES[:, :2], PROGRESSION)
    machine.remove_terms([0, 1])
    return machine, DIABETES[:, :2]


def private() -> Made:
    from interpret.privacy import DPExplainableBoostingRegressor

    machine = DPExplainableBoostingRegressor(
        max_rounds=10,
        n_jobs=1,
        privacy_bounds=dict.fromkeys(range(10), (-0.2, 0.2)),
        privacy_target_min=0,
        privacy_target_max=400,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return machine.fit(DIABETES, PROGRESSION), DIABETES


MODELS: dict[str, Callable[[], Made]] = {
    "binary": lambda: (fit("Classifier", CANCER, MALIGNANT, interactions=5), CANCER),
    "three classes, words": lambda: (
        fit("Classifier", WINE, WORDS[CULTIVAR], interactions=3),
        WINE,
    ),
    "regression": lambda: (fit("Regressor", DIABETES, PROGRESSION, interactions=5), DIABETES),
    "counts": lambda: (
        fit("Regressor", DIABETES, PROGRESSION, objective="poisson_deviance"),
        DIABETES,
    ),
    "gamma": lambda: (
        fit("Regressor", DIABETES, PROGRESSION, objective="gamma_deviance", max_bins=6),
        DIABETES,
    ),
    "three features in a term": lambda: (
        fit(
            "Regressor",
            DIABETES[:, :4],
            PROGRESSION,
            interactions=[(0, 1), (1, 2, 3)],
            max_interaction_bins=6,
        ),
        DIABETES[:, :4],
    ),
    "mixed columns": lambda: of_mixed("Classifier", interactions=6),
    "mixed columns, regression": lambda: of_mixed("Regressor", interactions=[(3, 5), (0, 3)]),
    "numbers as categories": lambda: (
        fit(
            "Classifier",
            np.round(WINE[:, :4]),
            CULTIVAR,
            feature_types=["nominal", "ordinal", "continuous", "nominal"],
            interactions=2,
        ),
        np.round(WINE[:, :4]),
    ),
    "classes in another order": reordered,
    "no terms": without_terms,
    "constant columns": lambda: (
        fit("Regressor", np.zeros((50, 2)), np.arange(50.0)),
        np.zeros((4, 2)),
    ),
    "private": private,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_machines(make: Callable[[], Made], same_as_library: Same) -> None:
    machine, data = make()
    model = same_as_library(machine, data, at_cuts=6_000)
    own: Any = machine
    if model.classes is None:
        np.testing.assert_allclose(model.predict(data), own.predict(data), rtol=1e-14)
    else:
        assert (model.predict(data) == own.predict(data)).all()
        assert model.score(data).tobytes() == own.decision_function(data).tobytes()


def test_a_number_at_a_cut_is_in_the_bin_above() -> None:
    machine = fit("Regressor", DIABETES[:, :1], PROGRESSION)
    cuts = machine.bins_[0][0]
    rows = np.concatenate([np.nextafter(cuts, way) for way in (-np.inf, np.inf)] + [cuts])[:, None]
    terms = machine.eval_terms(rows)[:, 0] + machine.intercept_
    assert (as_model(machine).predict(rows) == terms).all()
    bins = machine.term_scores_[0][2:-1]
    assert (as_model(machine).predict(cuts[:, None]) == bins + machine.intercept_).all()


def test_levels_are_what_the_user_has() -> None:
    machine, frame = MODELS["mixed columns"]()
    model = as_model(machine)
    levels = {column.name: column.levels for column in model._source.columns}
    assert levels["word"] == ("9", "a", "b", "c d")
    assert levels["coded"] == (10, 20, 35)
    assert levels["number"] is levels["whole"] is levels["truth"] is None
    table = pl.from_pandas(frame)
    assert (model.predict(table) == machine.predict(frame)).all()
    unseen = table.with_columns(word=pl.lit("new"), number=pl.lit(None, dtype=pl.Float64))
    assert (model.predict(unseen) == machine.predict(unseen.to_pandas())).all()


def test_names() -> None:
    assert as_model(fit("Classifier", WINE, CULTIVAR)).feature_names is None
    frame, _ = mixed()
    assert as_model(MODELS["mixed columns"]()[0]).feature_names == tuple(frame.columns)


def test_fico(fico: tuple[pl.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, bad = fico
    sample = frame.head(2000)
    machine = fit("Classifier", sample.to_pandas(), bad[:2000], interactions=4, max_rounds=60)
    model = same_as_library(machine, sample, at_cuts=20_000)
    assert "27 trees" in model.describe()


def test_adult(adult: tuple[pl.DataFrame, np.ndarray], same_as_library: Same) -> None:
    frame, rich = adult
    sample = frame.head(2500)
    machine = fit("Classifier", sample.to_pandas(), rich[:2500], interactions=5, max_rounds=60)
    model = same_as_library(machine, sample, at_cuts=10_000)
    assert len(model._source.columns[1].levels or ()) > 5
    assert (model.predict(frame) == machine.predict(frame.to_pandas())).all()


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(["Classifier", "Regressor"]),
    parameters=st.fixed_dictionaries(
        {
            "max_bins": st.sampled_from([3, 5, 300]),
            "max_interaction_bins": st.sampled_from([3, 4, 32]),
            "interactions": st.sampled_from([0, 3, [(0, 3), (3, 5, 1)]]),
            "max_rounds": st.sampled_from([1, 5]),
            "min_samples_leaf": st.sampled_from([1, 10]),
            "cyclic_progress": st.booleans(),
            "random_state": st.integers(0, 100),
        }
    ),
    rows=st.sampled_from([12, 50, 200]),
    n_classes=st.integers(2, 4),
)
def test_any_parameters(
    same_as_library: Same, kind: str, parameters: dict[str, Any], rows: int, n_classes: int
) -> None:
    frame, y = mixed(rows, parameters["random_state"])
    target = np.arange(rows) % n_classes if kind == "Classifier" else y
    machine = fit(kind, frame, target, validation_size=0, **parameters)
    same_as_library(machine, frame, n=300, at_cuts=300)


@given(
    st.lists(st.floats(-1e3, 1e3), unique=True, max_size=40).map(sorted),
    st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=20),
)
def test_trees_over_cuts(cuts: list[float], others: list[float]) -> None:
    edges = np.array(cuts)
    x = np.array([*cuts, *np.nextafter(edges, -np.inf), *np.nextafter(edges, np.inf), *others])
    tree = _bins.cuts_tree(edges)
    expected = np.where(np.isnan(x), 0, 1 + np.searchsorted(edges, x, side="right"))
    assert (bins_of(tree, x) == expected).all()
    assert depth_of(tree) <= np.ceil(np.log2(len(cuts) + 1)) + 1


@given(st.lists(st.none() | st.integers(1, 6), max_size=12))
def test_trees_over_categories(numbers: list[int | None]) -> None:
    tree = _bins.categories_tree(numbers)
    codes = np.array([*range(-1, len(numbers) + 2), np.nan])
    known = dict(enumerate(numbers))
    expected = [-1 if known.get(int(c)) is None else known[int(c)] for c in codes[:-1]] + [0]
    assert bins_of(tree, codes).tolist() == expected


def bins_of(tree: _bins.BinTree, x: np.ndarray) -> np.ndarray:
    """Bins by walking down, row by row."""
    found = []
    for value in x:
        node = 0
        while tree.left[node] >= 0:
            if np.isnan(value):
                right = bool(tree.missing_right[node])
            elif node in tree.sets:
                right = value in tree.sets[node]
            else:
                right = value > tree.cut[node]
            node = int(tree.right[node] if right else tree.left[node])
        found.append(int(tree.bin[node, 0]))
    return np.array(found)


def depth_of(tree: _bins.BinTree, node: int = 0) -> int:
    if tree.left[node] < 0:
        return 0
    return 1 + max(depth_of(tree, int(side[node])) for side in (tree.left, tree.right))


def test_a_cut_on_the_wrong_side_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = fit("Regressor", DIABETES, PROGRESSION)
    cuts_tree = _bins.cuts_tree
    monkeypatch.setattr(
        "sondage.models.ebm.cuts_tree", lambda cuts: cuts_tree(np.nextafter(cuts, np.inf))
    )
    with pytest.raises(ModelParityError):
        as_model(machine)


def test_the_library_evaluates_one_against_the_rest() -> None:
    machine = fit("Classifier", WINE, CULTIVAR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine._ovrize()
    with pytest.warns(ForeignModelWarning, match="its link is 'vlogit'"):
        model = as_model(machine)
    assert (model.predict(WINE) == machine.predict(WINE)).all()


def test_refused() -> None:
    with pytest.raises(ModelError, match="ExplainableBoostingClassifier is not fitted"):
        as_model(glassbox.ExplainableBoostingClassifier())
    with pytest.raises(ModelError, match="one class"):
        as_model(fit("Classifier", WINE, np.zeros(len(WINE))))
