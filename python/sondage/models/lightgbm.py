"""Import LightGBM models.

The library sends a row left where ``x <= threshold`` in double precision and adds the trees' leaves
in double precision, one tree after another, so margins come out equal to the last bit. Scores of
random forests are sums, as the library's raw scores are; their probabilities and values are of the
mean.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models._adapter import Adapter, NotNative, Source
from sondage.models._core_source import CoreSource
from sondage.models._features import UNKNOWN, Features, RawColumn, Table
from sondage.models._graph import GraphBuilder, Heads
from sondage.models._lightgbm_text import LightGbmText
from sondage.models._sources import positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ADAPTERS", "LightGbmFile"]

_SQUARED = {"regression", "regression_l1", "fair", "quantile", "mape"}
_EXPONENTIAL = {"poisson", "gamma", "tweedie"}
_IDENTITY = {"huber", "lambdarank", "rank_xendcg", "custom"}
_CLASSES = {"binary", "multiclass", "multiclassova"}


@dataclass(frozen=True)
class LightGbmFile:
    """The bytes of a model file; all its trees count."""

    data: bytes
    path: str


@dataclass(frozen=True)
class LightGbmSource(Source):
    """A Booster or one of the scikit-learn classes."""

    model: Any
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool = True
    unknown: bool = True
    tolerance: float = 1e-12

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Labels of the estimator, or the class of largest probability; values of a regressor."""
        if self.classes is None:
            return self._own(rows)
        if hasattr(self.model, "predict_proba"):
            return positions(np.asarray(self._call(self.model.predict, rows)), self.classes)
        chosen: NDArray[np.int64] = self._both(rows).argmax(axis=1)
        return chosen

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities; None for a regressor."""
        if self.classes is None:
            return None
        if hasattr(self.model, "predict_proba"):
            return np.asarray(self._call(self.model.predict_proba, rows), dtype=np.float64)
        return self._both(rows)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw scores of a classifier, values of a regressor."""
        return self._own(rows) if self.classes is None else self._own(rows, raw_score=True)

    def _both(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        p = self._own(rows)
        return np.stack([1.0 - p, p], axis=1) if p.ndim == 1 else p

    def _own(self, rows: NDArray[np.float64], **options: bool) -> NDArray[np.float64]:
        return np.asarray(self._call(self.model.predict, rows, **options), dtype=np.float64)

    def _call(self, method: Any, rows: NDArray[np.float64], **options: bool) -> object:  # noqa: ANN401
        with warnings.catch_warnings():
            # The library's own "names" of columns that had none, and names given as an array.
            warnings.filterwarnings("ignore", message=".*feature names")
            return method(self._given(rows), **options)

    def _given(self, rows: NDArray[np.float64]) -> object:
        """Rows as a pandas frame where the model has categories, else as an array."""
        if all(column.levels is None for column in self.columns):
            return rows
        if find_spec("pandas") is None:
            raise ModelError("a LightGBM model with pandas categories needs pandas; install it")
        import pandas as pd

        frame = {}
        for j, column in enumerate(self.columns):
            name = column.name or f"Column_{j}"
            if column.levels is None:
                frame[name] = rows[:, j]
                continue
            known = (rows[:, j] >= 0) & (rows[:, j] < len(column.levels))
            codes = np.where(known, rows[:, j], -1.0).astype(np.int64)
            frame[name] = pd.Categorical.from_codes(codes, categories=list(column.levels))
        return pd.DataFrame(frame)


def _columns(text: LightGbmText) -> tuple[RawColumn, ...]:
    names, levels = text.names, text.levels()
    return tuple(
        RawColumn(None if names is None else names[j], levels[j]) for j in range(text.n_features)
    )


def _source(obj: object) -> Source:
    text = _text(obj)
    classes = _classes(obj, text)
    kind: Literal["classifier", "regressor"] = "regressor" if classes is None else "classifier"
    columns = _columns(text)
    model = obj
    if isinstance(obj, LightGbmFile):
        if find_spec("lightgbm") is None:
            core = CoreSource(obj, "lightgbm file", kind, classes, columns, unknown=True)
            return core.require_native(f"{obj.path}: lightgbm")
        model = _loaded(obj)
    return LightGbmSource(model, f"lightgbm {version('lightgbm')}", kind, classes, columns)


def _loaded(file: LightGbmFile) -> object:
    from lightgbm import Booster
    from lightgbm.basic import LightGBMError

    try:
        return Booster(model_str=file.data.decode())
    except LightGBMError as error:
        raise ModelError(f"lightgbm cannot load {file.path}: {error}") from error


def _text(obj: object) -> LightGbmText:
    """Read the trees that the object's own ``predict`` uses: up to its best iteration, or all."""
    if isinstance(obj, LightGbmFile):
        try:
            return LightGbmText.of(obj.data)
        except ModelError as error:
            raise ModelError(f"{obj.path} is {error}") from None
    booster: Any = obj
    kind = type(obj).__name__
    if not hasattr(obj, "model_to_string"):
        if getattr(obj, "_Booster", None) is None:
            raise ModelError(f"{kind} is not fitted; call its fit(X, y) first")
        booster = booster.booster_
    if booster.num_trees() == 0:
        raise ModelError(f"{kind} has no trees; train it first")
    return LightGbmText.of(booster.model_to_string().encode())


def _classes(obj: object, text: LightGbmText) -> tuple[object, ...] | None:
    """Return the labels of a classifier; None for what predicts a number."""
    name, _ = text.objective_parts()
    k = text.trees_per_iteration
    kind = type(obj).__name__
    estimator: Any = obj
    if hasattr(obj, "predict_proba"):
        if callable(estimator.objective_):
            if k == 1:
                return None
            raise ModelError(
                f"{kind} was fitted with an objective of one's own and predicts {k} raw scores a "
                "row; wrap it in a function that gives labels or probabilities"
            )
        classes = tuple(plain(label) for label in estimator.classes_)
        if len(classes) != max(k, 2):
            raise ModelError(f"{kind} has {len(classes)} class but gives {max(k, 2)} probabilities")
        return classes
    sklearn_regressor = hasattr(obj, "booster_") and hasattr(obj, "score")
    if name in _CLASSES and not sklearn_regressor:
        return tuple(range(max(k, 2)))
    if k > 1:
        raise ModelError(f"{kind} with objective {name} has {k} outputs; one is supported")
    return None


def _build(obj: object, graph: GraphBuilder, features: Features) -> Heads:
    if getattr(obj, "pred_early_stop", False):
        raise NotNative("pred_early_stop ends its sums of trees early")
    text = _text(obj)
    if len(features) != text.n_features:
        raise ModelError(
            f"{type(obj).__name__} reads {text.n_features} columns; it is given {len(features)}"
        )
    if text.linear:
        raise NotNative("its leaves are linear functions (linear_tree)")
    k, n = text.trees_per_iteration, text.iterations
    classes = _classes(obj, text)
    mean = text.average and classes is None
    z = graph.trees(
        text.nodes(),
        _as_missing(text, features),
        n_outputs=k,
        first_output=np.arange(len(text.roots)) % k,
        divisor=float(n) if mean else 1.0,
    )
    inner = graph.affine(z, 1.0 / n) if text.average and not mean else z
    name, options = text.objective_parts()
    sigmoid = _sigmoid(obj, text)
    if classes is None:
        return Heads(score=_value(graph, inner, name, options, sigmoid))
    if name == "multiclass":
        proba = graph.softmax(inner)
        return Heads(z, proba, graph.log_softmax(inner), proba)
    if name in ("binary", "cross_entropy"):
        inner = graph.affine(inner, sigmoid) if sigmoid != 1.0 else inner
        proba = graph.complement(graph.activation(inner, "logistic"))
        return Heads(z, proba, graph.log_logistic_pair(inner), proba)
    if name == "multiclassova":
        inner = graph.affine(inner, sigmoid) if sigmoid != 1.0 else inner
        proba = graph.activation(inner, "logistic")
        lost = graph.activation(graph.affine(inner, -1.0), "softplus")
        return Heads(z, proba, graph.affine(lost, -1.0), proba)
    # The estimator takes whatever such an objective gives as the probability of the second class.
    proba = graph.complement(_value(graph, inner, name, options, sigmoid))
    return Heads(z, proba, None, proba)


def _value(graph: GraphBuilder, z: int, name: str, options: dict[str, str], sigmoid: float) -> int:
    """Predicted value of an objective, from the margin."""
    if name in _SQUARED:
        return graph.activation(z, "signed_square") if "sqrt" in options else z
    if name in _IDENTITY:
        return z
    if name in _EXPONENTIAL:
        return graph.activation(z, "exp")
    if name == "cross_entropy_lambda":
        return graph.activation(z, "softplus")
    if name in ("binary", "cross_entropy"):
        return graph.activation(graph.affine(z, sigmoid) if sigmoid != 1.0 else z, "logistic")
    raise NotNative(f"its objective is {name}")


def _as_missing(text: LightGbmText, features: Features) -> Features:
    """Take unknown levels as missing, as the library does with pandas categories."""
    own = tuple(
        replace(feature, unknown=np.nan)
        if levels is not None and isinstance(feature, Table) and feature.unknown == UNKNOWN
        else feature
        for levels, feature in zip(text.levels(), features.features, strict=True)
    )
    return replace(features, features=own)


def _sigmoid(obj: object, text: LightGbmText) -> float:
    """Return the slope of the logistic function.

    The text has it with six digits. A model in the process that trained it uses all of them, one
    that was loaded only those six: its own predictions tell which.
    """
    _, options = text.objective_parts()
    written = float(options.get("sigmoid", "1"))
    booster: Any = getattr(obj, "booster_", obj)
    given = getattr(booster, "params", {}).get("sigmoid", written)
    if given == written or not isinstance(given, float) or f"{given:.6g}" != f"{written:.6g}":
        return written
    source = LightGbmSource(booster, "", "regressor", None, _columns(text))
    rows = np.random.default_rng(0).normal(size=(64, text.n_features))
    raw = source._own(rows, raw_score=True) / (text.iterations if text.average else 1)
    p = source._own(rows)
    with np.errstate(over="ignore"):
        off = [np.abs(1.0 / (1.0 + np.exp(-slope * raw)) - p).max() for slope in (written, given)]
    return given if off[1] < off[0] else written


ADAPTERS: tuple[Adapter, ...] = (
    Adapter(
        family="LightGBM",
        classes=(
            "lightgbm.Booster",
            "lightgbm.LGBMClassifier",
            "lightgbm.LGBMRegressor",
            "lightgbm.LGBMRanker",
            "lightgbm.LGBMModel",
            "sondage.LightGbmFile",
        ),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        categorical=True,
        note=(
            "also from .txt files; linear trees and pred_early_stop are evaluated by LightGBM; "
            "with an objective of one's own, the raw score"
        ),
    ),
)
