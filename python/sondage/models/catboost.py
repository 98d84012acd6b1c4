"""Import CatBoost models on numeric columns.

The library rounds a row to float32, sends it right where it is above a border, and adds leaves in
double precision, tree after tree, then the bias; so raw values come out equal to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sondage._core import parse_catboost
from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models._adapter import Adapter, NotNative, Source
from sondage.models._core_source import CoreSource
from sondage.models._features import OPEN_LEVELS, Features, RawColumn
from sondage.models._graph import GraphBuilder, Heads
from sondage.models._sources import level_values, positions
from sondage.models._trees import Nodes, float32_cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ADAPTERS", "CatBoostFile"]

_CLASSES = ("Logloss", "CrossEntropy", "Focal", "MultiClass", "MultiClassOneVsAll")
# One probability for every label that a row may have.
_LABELS = ("MultiLogloss", "MultiCrossEntropy")
_EXPONENTIAL = ("Poisson", "Tweedie")
# Raw value of a probability that no number reaches; finite, as operations of a graph are.
_BEYOND = 1e300


@dataclass(frozen=True)
class CatBoostFile:
    """The bytes of a model in CatBoost's JSON format."""

    data: bytes
    path: str


@dataclass(frozen=True)
class CatBoostText:
    """The parts of a model's JSON; arrays as `_core.parse_catboost` gives them."""

    unsupported: str
    n_features: int
    n_outputs: int
    feature_names: list[str]
    missing_right: NDArray[np.bool_]
    scale: float
    bias: NDArray[np.float64]
    loss: str
    class_kind: str
    class_names: list[str]
    threshold: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    border: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaf_values: NDArray[np.float64]

    @classmethod
    def of(cls, obj: object) -> CatBoostText:
        """Read a file or an object.

        Raises
        ------
        ModelError
            If it is no whole model.
        NotNative
            If its columns are not all numeric.
        """
        if isinstance(obj, CatBoostFile):
            try:
                text = cls(**parse_catboost(obj.data))
            except ModelError as error:
                raise ModelError(f"{obj.path} is {error}") from None
        else:
            model: Any = obj
            categorical = _categorical(model)
            if categorical:
                columns = ", ".join(str(j) for j in categorical)
                raise NotNative(f"it has categorical columns ({columns})")
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.json"
                model.save_model(str(path), format="json")
                text = cls(**parse_catboost(path.read_bytes()))
        if text.unsupported:
            raise NotNative(f"it has {text.unsupported}")
        return text

    def nodes(self) -> Nodes:
        """Trees of `graph.trees`."""
        leaf = self.left < 0
        value = np.zeros((len(self.left), self.n_outputs))
        value[leaf] = self.leaf_values.reshape(-1, self.n_outputs)
        return Nodes.of(
            roots=self.roots,
            feature=self.feature,
            cut=np.where(leaf, 0.0, float32_cut(self.border)),
            left=self.left,
            right=self.right,
            value=value,
            missing_right=~leaf & self.missing_right[self.feature],
        )

    def classes(self) -> tuple[object, ...]:
        """Labels; 0, 1, … if the file has none."""
        if not self.class_names:
            return tuple(range(max(2, self.n_outputs)))
        if self.class_kind == "Integer":
            return tuple(int(float(name)) for name in self.class_names)
        if self.class_kind == "Float":
            return tuple(float(name) for name in self.class_names)
        if self.class_kind == "Boolean":
            return tuple(name == "1" for name in self.class_names)
        return tuple(self.class_names)


@dataclass(frozen=True)
class CatBoostSource(Source):
    """A fitted CatBoost object.

    Categorical columns are given as the values that the user's frame holds.
    """

    model: Any
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    #: What a regressor's value is; None for what its ``predict`` gives.
    value: Literal["RawFormulaVal", "Exponent"] | None = None
    categorical: tuple[int, ...] = ()
    unknown: bool = False
    tolerance: float = 1e-12

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        if self.classes is None:
            return self.score(rows)
        labels = self.model.predict(self._given(rows), prediction_type="Class")
        return positions(np.asarray(labels).reshape(-1), self.classes)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None for a regressor."""
        return None if self.classes is None else self._own(rows, "Probability")

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw values of a classifier, values of a regressor."""
        return self._own(rows, self.value if self.classes is None else "RawFormulaVal")

    def _own(self, rows: NDArray[np.float64], prediction_type: str | None) -> NDArray[np.float64]:
        options = {} if prediction_type is None else {"prediction_type": prediction_type}
        return np.asarray(self.model.predict(self._given(rows), **options), dtype=np.float64)

    def _given(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.object_]:
        if not self.categorical:
            return rows
        given = rows.astype(object)
        for j in self.categorical:
            given[:, j] = level_values(rows[:, j], self.columns[j].levels or ())
        return given


def _categorical(model: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Return the categorical columns.

    Raises
    ------
    ModelError
        If there are columns that a row of numbers and categories cannot hold.
    """
    for kind in ("text", "embedding"):
        found = getattr(model, f"get_{kind}_feature_indices")()
        if len(found):
            columns = ", ".join(str(j) for j in found)
            raise ModelError(
                f"{type(model).__name__} reads {kind} columns ({columns}); numbers and categories "
                "are supported"
            )
    return tuple(int(j) for j in model.get_cat_feature_indices())


def _named(names: list[str], categorical: tuple[int, ...] = ()) -> tuple[RawColumn, ...]:
    """Return the columns; models do not tell the levels of categorical ones."""
    made_up = all(name in ("", str(j)) for j, name in enumerate(names))
    return tuple(
        RawColumn(
            None if made_up else name,
            OPEN_LEVELS if j in categorical else None,
            missing=j not in categorical,
        )
        for j, name in enumerate(names)
    )


def _source(obj: object) -> Source:
    if isinstance(obj, CatBoostFile):
        return _file_source(obj)
    model: Any = obj
    if not model.is_fitted():
        raise ModelError(f"{type(obj).__name__} is not fitted; call its fit(X, y) first")
    categorical = _categorical(model)
    classes = _classes(obj, None if categorical else CatBoostText.of(obj))
    return CatBoostSource(
        model=model,
        library=f"catboost {version('catboost')}",
        kind="regressor" if classes is None else "classifier",
        classes=classes,
        columns=_named([str(name) for name in model.feature_names_], categorical),
        missing=True,
        categorical=categorical,
        unknown=bool(categorical),
    )


def _file_source(file: CatBoostFile) -> Source:
    try:
        text = CatBoostText.of(file)
    except NotNative as reason:
        raise ModelError(
            f"{file.path} cannot be evaluated: {reason}; load it with catboost and pass the model"
        ) from None
    classes = _classes(file, text)
    kind: Literal["classifier", "regressor"] = "regressor" if classes is None else "classifier"
    columns = _named(text.feature_names)
    if find_spec("catboost") is None:
        core = CoreSource(file, "catboost file", kind, classes, columns)
        return core.require_native(f"{file.path}: catboost")
    from catboost import CatBoost, CatBoostError

    model = CatBoost()
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            path.write_bytes(file.data)
            model.load_model(str(path), format="json")
    except CatBoostError as error:
        raise ModelError(f"catboost cannot load {file.path}: {error}") from error
    return CatBoostSource(
        model=model,
        library=f"catboost {version('catboost')}",
        kind=kind,
        classes=classes,
        columns=columns,
        missing=True,
        value="Exponent" if text.loss in _EXPONENTIAL else "RawFormulaVal",
    )


def _classes(obj: object, text: CatBoostText | None) -> tuple[object, ...] | None:
    """Return the labels of a classifier; None for what predicts a number.

    Raises
    ------
    ModelError
        If the model has several outputs.
    """
    model: Any = obj
    classes: tuple[object, ...] | None = None
    if isinstance(obj, CatBoostFile):
        name = obj.path
        if text is not None and text.loss in _CLASSES:
            classes = text.classes()
    else:
        name = type(obj).__name__
        # The base class predicts whatever its loss is about.
        labels = tuple(plain(label) for label in model.classes_)
        if labels and (hasattr(obj, "predict_proba") or name == "CatBoost"):
            classes = labels
    if text is not None:
        width = text.n_outputs
    else:
        _, bias = model.get_scale_and_bias()
        width = len(bias) if isinstance(bias, list) else 1
    if (classes is None and width > 1) or (text is not None and text.loss in _LABELS):
        raise ModelError(f"{name} has {width} outputs a row; models with one are supported")
    if classes is not None and len(classes) != max(2, width):
        raise ModelError(f"{name} has {len(classes)} classes and {width} outputs a row")
    return classes


def _build(obj: object, graph: GraphBuilder, features: Features) -> Heads:
    text = CatBoostText.of(obj)
    if len(features) != text.n_features:
        raise ModelError(
            f"{type(obj).__name__} reads {text.n_features} columns; it is given {len(features)}"
        )
    plainly = text.scale == 1.0
    z = graph.trees(
        text.nodes(),
        features,
        n_outputs=text.n_outputs,
        base=text.bias if plainly else 0.0,
        base_last=True,
    )
    z = z if plainly else graph.affine(z, text.scale, text.bias)
    classes = _classes(obj, text)
    if classes is None:
        return Heads(score=graph.activation(z, "exp") if _exponential(obj, text) else z)
    if text.n_outputs == 1:
        above = graph.affine(z, shift=-_logit(text.threshold)) if text.threshold != 0.5 else z
        return Heads(
            score=z,
            proba=graph.complement(graph.activation(z, "logistic")),
            log_proba=graph.log_logistic_pair(z),
            decision=graph.signed_pair(above),
        )
    if text.loss == "MultiClassOneVsAll":
        lost = graph.activation(graph.affine(z, -1.0), "softplus")
        return Heads(z, graph.activation(z, "logistic"), graph.affine(lost, -1.0), z)
    if text.loss == "MultiClass":
        return Heads(z, graph.softmax(z), graph.log_softmax(z), z)
    raise NotNative(f"a classifier with the loss {text.loss}")


def _exponential(obj: object, text: CatBoostText) -> bool:
    """Whether a regressor predicts e to the power of its raw value: most classes never do."""
    if isinstance(obj, CatBoostFile):
        return text.loss in _EXPONENTIAL
    from catboost import CatBoost

    model: Any = obj
    row = np.zeros((1, text.n_features))
    raw = CatBoost.predict(model, row, prediction_type="RawFormulaVal")
    return not np.array_equal(model.predict(row), raw)


def _logit(p: float) -> float:
    if p in (0.0, 1.0):
        return math.copysign(_BEYOND, p - 0.5)
    return -math.log(1.0 / p - 1.0)


ADAPTERS: tuple[Adapter, ...] = (
    Adapter(
        family="CatBoost",
        classes=(
            "catboost.CatBoost",
            "catboost.CatBoostClassifier",
            "catboost.CatBoostRegressor",
            "catboost.CatBoostRanker",
            "sondage.CatBoostFile",
        ),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        note=(
            "also from its JSON export; models with categorical columns (given as whole numbers) "
            "are evaluated by CatBoost, text and embeddings refused"
        ),
    ),
)
