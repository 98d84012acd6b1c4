"""The support matrix is what the adapters say, and what they say holds."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sondage.errors import ForeignModelWarning
from sondage.models import _registry, as_model
from sondage.models._adapter import Adapter
from sondage.models.support import BEGIN, END, main, support_matrix, with_matrix

ADAPTERS = {f"{adapter.family}: {adapter.classes[0]}": adapter for adapter in _registry.adapters()}

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
VALUES = np.exp(0.3 * X[:, 0]) + 0.1 * X[:, 1] ** 2
CODES = np.column_stack([RNG.integers(0, 4, 120), X[:, 1:]])
HOLES = np.where(RNG.random(X.shape) < 0.1, np.nan, X)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small fits and many other tests: more threads would only get in each other's way."""
    with threadpool_limits(1):
        yield


def test_the_matrix_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    printed = capsys.readouterr().out
    assert printed == support_matrix()
    lines = printed.splitlines()
    assert len(lines) == len(ADAPTERS) + 3
    assert len({line.count(" | ") for line in lines}) == 1
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old{END}\nafter\n")
    main([str(page)])
    assert page.read_text() == f"before\n{BEGIN}\n\n{printed}\n{END}\nafter\n"
    with pytest.raises(ValueError, match="has no"):
        with_matrix(f"{END} {BEGIN}")


def test_the_matrix_needs_no_model_library() -> None:
    code = (
        "import sys; from sondage.models.support import support_matrix; support_matrix(); "
        "print([name for name in ('sklearn', 'xgboost', 'lightgbm', 'catboost', 'interpret', "
        "'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    words = np.array(["a", "b", "c", "d"], dtype=object)[CODES[:, 0].astype(int)]
    return pandas.DataFrame({"w": words, "x": X[:, 1], "y": X[:, 2]})


def coded(last: Any, labels: Any = LABELS) -> Any:
    """A pipeline of words and numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    steps = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["w"]), (SimpleImputer(), ["x", "y"])
    )
    return make_pipeline(steps, last)


def sklearn_models(name: str) -> list[Any]:
    """Fitted models of one of scikit-learn's classes, that show all that is claimed of it."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
    from sklearn.utils import all_estimators

    kind = dict(all_estimators())[name]
    stump = DecisionTreeClassifier(max_depth=2)
    line = LogisticRegression()
    if name in ("GridSearchCV",):
        made = [kind(coded(inner), {}, cv=2) for inner in (stump, line)]
    elif name in ("VotingClassifier", "StackingClassifier"):
        more = (
            {"voting": "soft"} if name == "VotingClassifier" else {"final_estimator": line, "cv": 2}
        )
        made = [kind([("one", coded(inner))], **more) for inner in (stump, line)]
    elif name == "Pipeline":
        made = [coded(inner) for inner in (stump, line)]
    elif name == "FrozenEstimator":
        return [kind(coded(inner).fit(frame(), LABELS)) for inner in (stump, line)]
    elif name == "TransformedTargetRegressor":
        inner = (DecisionTreeRegressor(max_depth=2), Ridge())
        return [kind(coded(one)).fit(frame(), VALUES) for one in inner]
    elif name in ("FixedThresholdClassifier", "CalibratedClassifierCV"):
        made = [kind(coded(inner)) for inner in (stump, line)]
    elif name == "BaggingClassifier":
        holes = [kind(inner, n_estimators=2).fit(HOLES, LABELS) for inner in (stump,)]
        boosted = dict(all_estimators())["HistGradientBoostingClassifier"]
        codes = kind(boosted(max_iter=2, categorical_features=[0]), n_estimators=2)
        return [*holes, kind(line, n_estimators=2).fit(X, LABELS), codes.fit(CODES, LABELS)]
    elif name == "AdaBoostClassifier":
        boosted = dict(all_estimators())["HistGradientBoostingClassifier"]
        codes = kind(boosted(max_iter=2, categorical_features=[0]), n_estimators=2)
        return [kind(n_estimators=2).fit(X, LABELS), codes.fit(CODES, LABELS)]
    elif name.startswith("HistGradientBoosting"):
        return [kind(max_iter=3, categorical_features=[0]).fit(CODES, LABELS)]
    elif name.startswith(("DecisionTree", "ExtraTree")):
        return [kind(max_depth=3).fit(HOLES, LABELS)]
    elif name in ("IsolationForest", "OneClassSVM"):
        return [kind().fit(X)]
    else:
        small = {"max_iter": 20} if name.startswith("MLP") else {}
        classifies = hasattr(kind, "predict_proba") or "decision_function" in dir(kind)
        return [kind(**small).fit(X, LABELS if classifies else VALUES)]
    return [model.fit(frame(), LABELS) for model in made]


def xgboost_models(_: str) -> list[Any]:
    xgboost = pytest.importorskip("xgboost")
    return [
        xgboost.XGBClassifier(n_estimators=2, n_jobs=1, enable_categorical=True).fit(
            words(), LABELS
        )
    ]


def lightgbm_models(_: str) -> list[Any]:
    lightgbm = pytest.importorskip("lightgbm")
    machine = lightgbm.LGBMClassifier(
        n_estimators=3, n_jobs=1, verbose=-1, min_data_per_group=1, min_child_samples=5
    )
    return [machine.fit(words(), LABELS)]


def catboost_models(_: str) -> list[Any]:
    catboost = pytest.importorskip("catboost")
    machine = catboost.CatBoostClassifier(
        iterations=3, depth=2, thread_count=1, verbose=False, allow_writing_files=False
    )
    return [machine.fit(X, LABELS)]


def interpret_models(_: str) -> list[Any]:
    glassbox = pytest.importorskip("interpret.glassbox")
    machine = glassbox.ExplainableBoostingClassifier(
        max_rounds=5, interactions=0, outer_bags=1, n_jobs=1
    )
    return [machine.fit(frame(), LABELS)]


def torch_models(name: str) -> list[Any]:
    torch = pytest.importorskip("torch")
    if name == "Sequential":
        return [
            torch.nn.Sequential(
                torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
            ).eval()
        ]
    return []


def words() -> Any:
    return frame().assign(w=lambda own: own["w"].astype("category"))


MODELS: dict[str, Callable[[str], list[Any]]] = {
    "sklearn": sklearn_models,
    "xgboost": xgboost_models,
    "lightgbm": lightgbm_models,
    "catboost": catboost_models,
    "interpret": interpret_models,
    "torch": torch_models,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("which", ADAPTERS)
def test_what_an_adapter_claims_holds(which: str) -> None:
    adapter: Adapter = ADAPTERS[which]
    shown = {"gradient": False, "slices": False, "missing": False, "categorical": False}
    root, _, name = adapter.classes[0].partition(".")
    if root == "xgboost":
        name = "XGBClassifier"
    found = MODELS[root](name)
    if not found:
        pytest.skip(f"{adapter.classes[0]} is shown by its own tests")
    for estimator in found:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ForeignModelWarning)
            output = "score" if root == "torch" else None
            model = as_model(estimator, output=output)
        native, source = model._native, model._source
        assert native is not None
        heads = native.heads
        node = heads.score if heads.log_proba is None else heads.log_proba
        shown["gradient"] |= model.differentiable
        shown["slices"] |= native.graph.stepwise(node)
        shown["missing"] |= source.missing
        shown["categorical"] |= any(column.levels is not None for column in source.columns)
    assert shown == {key: getattr(adapter, key) for key in shown}
