"""XGBoost: boosters, its scikit-learn classes, and model files."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from sondage.errors import ModelError
from sondage.models._adapter import Adapter, NotNative, Source
from sondage.models._core_source import CoreSource
from sondage.models._graph import GraphBuilder, Heads
from sondage.models._xgboost_source import XGBoostSource
from sondage.models._xgboost_trees import LOG, LOGIT, Parsed, margin_of

if TYPE_CHECKING:
    from sondage.models._features import Features

__all__ = ["ADAPTERS", "XGBoostFile"]

IDENTITY = (
    "reg:squarederror",
    "reg:linear",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
)
MULTI = ("multi:softprob", "multi:softmax")
BINARY = ("binary:logistic", "binary:logitraw", "binary:hinge")

# The largest margin whose logistic in float32 is not above 0.5: 1 + e^-z still rounds to 2.
_HALF = 3.0 * 2.0**-25


@dataclass(frozen=True)
class XGBoostFile:
    """The bytes of a model file; all its trees count, as in a Booster."""

    data: bytes
    path: str


@dataclass(frozen=True)
class Model:
    """A model of XGBoost, and how its library uses it.

    Attributes
    ----------
    parsed : Parsed
    estimator : object or None
        The scikit-learn class; None for a Booster or a file.
    kind : {"classifier", "regressor"}
    missing : float
        The value that stands for a missing one, beside NaN.
    """

    parsed: Parsed
    estimator: Any
    kind: Literal["classifier", "regressor"]
    missing: float

    @classmethod
    def of(cls, obj: object) -> Model:
        """Read an object.

        Raises
        ------
        ModelError
            If it is not fitted, has several outputs, or its bytes cannot be read.
        """
        if isinstance(obj, XGBoostFile):
            parsed, estimator = _parse(obj.data, obj.path), None
        else:
            estimator = obj if hasattr(obj, "get_booster") else None
            parsed = _parse(_raw(obj), type(obj).__name__)
        name = obj.path if isinstance(obj, XGBoostFile) else type(obj).__name__
        if parsed.several_targets:
            raise ModelError(f"{name} has several outputs; models with one are supported")
        objective = parsed.objective
        if estimator is None:
            classifier = objective in BINARY or objective in MULTI
        else:
            classifier = hasattr(estimator, "predict_proba")
        if not classifier and parsed.n_outputs > 1:
            raise ModelError(
                f"{name} has {parsed.n_outputs} outputs (objective {objective}); regressors with "
                "one are supported"
            )
        missing = np.nan if estimator is None else getattr(estimator, "missing", None)
        return cls(
            parsed=parsed,
            estimator=estimator,
            kind="classifier" if classifier else "regressor",
            missing=np.nan if missing is None else float(missing),
        )

    @property
    def classes(self) -> tuple[object, ...] | None:
        """0, 1, …: XGBoost has no other labels."""
        if self.kind == "regressor":
            return None
        return tuple(range(max(2, self.parsed.n_outputs)))

    def level(self) -> float:
        """Largest margin of a binary model that is labelled 0.

        Raises
        ------
        NotNative
            If the objective has no labels.
        """
        objective = self.parsed.objective
        if objective == "binary:hinge":
            return 0.0
        if objective == "binary:logitraw":
            # The scikit-learn class takes this margin for a probability when it labels.
            return 0.0 if self.estimator is None else 0.5
        if objective in LOGIT:
            return _HALF
        raise NotNative(f"a classifier with the objective {objective}")

    def has_proba(self) -> bool:
        """Whether the margins are logits; the scikit-learn class says no for raw ones."""
        objective = self.parsed.objective
        if objective == "binary:logitraw":
            return self.estimator is None
        return objective in LOGIT or objective in MULTI


def _raw(obj: object) -> bytes:
    booster = cast("Any", obj)
    if hasattr(obj, "get_booster"):
        from sklearn.exceptions import NotFittedError

        try:
            booster = booster.get_booster()
        except NotFittedError:
            raise ModelError(
                f"{type(obj).__name__} is not fitted; call its fit(X, y) first"
            ) from None
    return bytes(booster.save_raw("ubj"))


def _parse(data: bytes, name: str) -> Parsed:
    try:
        return Parsed.of(data)
    except ModelError as error:
        raise ModelError(f"{name} is {error}") from None


def _source(obj: object) -> Source:
    model = Model.of(obj)
    if isinstance(obj, XGBoostFile):
        if find_spec("xgboost") is None:
            core = CoreSource(
                file=obj,
                library=f"xgboost file, version {model.parsed.version}",
                kind=model.kind,
                classes=model.classes,
                columns=model.parsed.columns,
            )
            return core.require_native(f"{obj.path}: xgboost")
        booster = _loaded(obj)
    else:
        booster = obj if model.estimator is None else model.estimator.get_booster()
    return XGBoostSource(
        booster=booster,
        estimator=model.estimator,
        objective=model.parsed.objective,
        feature_types=model.parsed.feature_types,
        library=f"xgboost {_version()}",
        kind=model.kind,
        classes=model.classes,
        columns=model.parsed.columns,
        logits=model.kind == "classifier" and model.has_proba(),
        # A softmax in float32 is off by the rounding of margins some tens apart.
        tolerance=5e-6 if model.parsed.n_outputs > 1 else 1e-6,
    )


def _version() -> str:
    for package in ("xgboost", "xgboost-cpu"):
        try:
            return version(package)
        except ModuleNotFoundError:
            continue
    return "of unknown version"


def _loaded(file: XGBoostFile) -> object:
    from xgboost import Booster
    from xgboost.core import XGBoostError

    try:
        with warnings.catch_warnings():
            # That a later version will not read it any more is no news here.
            warnings.simplefilter("ignore", UserWarning)
            return Booster(model_file=bytearray(file.data))
    except XGBoostError as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"xgboost {_version()} cannot load {file.path}: {reason}") from error


def _build(obj: object, graph: GraphBuilder, features: Features) -> Heads:
    model = Model.of(obj)
    parsed, objective = model.parsed, model.parsed.objective
    if len(features) != parsed.n_features:
        raise ModelError(
            f"{type(obj).__name__} reads {parsed.n_features} columns; it is given {len(features)}"
        )
    estimator = model.estimator is not None
    nodes, group, base = margin_of(
        parsed, best=estimator, in_place=estimator, missing=model.missing, sparse=features.sparse
    )
    margin = graph.trees(
        nodes,
        features,
        n_outputs=parsed.n_outputs,
        first_output=group,
        base=base,
        precision="float32",
    )
    if model.kind == "regressor":
        return Heads(score=_value(graph, margin, objective))
    if objective in MULTI:
        # Labels are those of probabilities in float32, in which near margins are equal.
        softmax = objective == "multi:softmax"
        return Heads(
            score=margin,
            proba=graph.softmax(margin),
            log_proba=graph.log_softmax(margin),
            decision=margin if softmax else graph.softmax32(margin),
        )
    decision = graph.signed_pair(graph.affine(margin, shift=-model.level()))
    if not model.has_proba():
        return Heads(score=margin, decision=decision)
    return Heads(
        score=margin,
        proba=graph.logistic_pair(margin),
        log_proba=graph.log_logistic_pair(margin),
        decision=decision,
    )


def _value(graph: GraphBuilder, margin: int, objective: str) -> int:
    """Add what a regressor predicts."""
    if objective in LOG:
        return graph.activation(margin, "exp")
    if objective in LOGIT:
        return graph.activation(margin, "logistic")
    if objective in IDENTITY or objective == "binary:logitraw":
        return margin
    raise NotNative(f"a regressor with the objective {objective}")


ADAPTERS: tuple[Adapter, ...] = (
    Adapter(
        family="XGBoost",
        classes=(
            "xgboost.Booster",
            "xgboost.XGBClassifier",
            "xgboost.XGBRegressor",
            "xgboost.XGBRFClassifier",
            "xgboost.XGBRFRegressor",
            "xgboost.XGBRanker",
            "xgboost.XGBModel",
            "sondage.XGBoostFile",
        ),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        categorical=True,
        note=(
            "also from .json and .ubj files; gblinear and multi_output_tree are evaluated by "
            "XGBoost, several targets are refused; pandas categories from XGBoost 3.1 on, codes "
            "before"
        ),
    ),
)
