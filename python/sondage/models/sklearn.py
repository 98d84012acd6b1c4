"""Import scikit-learn trees and forests.

scikit-learn rounds its input to float32 and sends a row left where ``x <= threshold``; a forest's
output is the mean over its trees of the leaf's class fractions or value.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import sklearn
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.utils.validation import check_is_fitted

from sondage._core import TreeEnsemble
from sondage.errors import ModelError
from sondage.models._model import Model, check_classes, check_name, check_rows
from sondage.models._trees import Nodes, float32_cut, parity_rows, require_parity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.frames import FrameLike

__all__ = ["import_estimator"]

CLASSIFIERS = (
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    RandomForestClassifier,
    ExtraTreesClassifier,
)
REGRESSORS = (
    DecisionTreeRegressor,
    ExtraTreeRegressor,
    RandomForestRegressor,
    ExtraTreesRegressor,
)


def import_estimator(
    estimator: object,
    *,
    output: str | None = None,
    classes: Sequence[object] | None = None,
    name: str | None = None,
    check: FrameLike | None = None,
) -> Model:
    """Import a fitted tree or forest; parameters, errors and notes are those of `as_model`."""
    from sondage.models._import import not_supported

    is_classifier = isinstance(estimator, CLASSIFIERS)
    if not is_classifier and not isinstance(estimator, REGRESSORS):
        raise ModelError(not_supported(estimator))
    if output is not None:
        raise ModelError(
            f"output={output!r} is for callables, which are not supported yet; leave it out"
        )
    kind = type(estimator).__name__
    name = _snake_case(kind) if name is None else check_name(name)
    fitted = cast("DecisionTreeClassifier", estimator)
    try:
        check_is_fitted(fitted)
    except NotFittedError:
        raise ModelError(f"{kind} is not fitted; call its fit(X, y) first") from None
    if fitted.n_outputs_ != 1:
        raise ModelError(f"{kind} has {fitted.n_outputs_} outputs; models with one are supported")
    if not is_classifier and classes is not None:
        raise ModelError(f"classes was given, but {kind} is a regressor")
    labels = check_classes(classes, fitted.classes_) if is_classifier else None

    nodes, threshold = _read_nodes(fitted, is_classifier)
    n_features = int(fitted.n_features_in_)
    n_outputs = nodes.value.shape[1]
    trees = TreeEnsemble(
        n_features=n_features,
        n_outputs=n_outputs,
        roots=nodes.roots,
        feature=nodes.feature,
        cut=nodes.cut,
        left=nodes.left,
        right=nodes.right,
        value=nodes.value,
        first_output=np.zeros(len(nodes.roots), dtype=np.int64),
        base=np.zeros(n_outputs),
        divisor=float(len(nodes.roots)),
    )
    names = getattr(fitted, "feature_names_in_", None)
    model = Model(
        name=name,
        kind="classifier" if is_classifier else "regressor",
        library=f"scikit-learn {sklearn.__version__}",
        classes=labels,
        n_features=n_features,
        feature_names=None if names is None else tuple(str(column) for column in names),
        native=True,
        differentiable=False,
        fingerprint=_fingerprint(nodes),
        _core=trees,
        _estimator=fitted,
        _own_predict=own_predict,
    )
    rows = parity_rows(nodes, threshold, n_features)
    if check is not None:
        given = check_rows(check, model.feature_names, n_features)
        rows = np.ascontiguousarray(np.concatenate([given, rows]))
    require_parity(
        name,
        model.library,
        rows,
        trees.forward(rows),
        own_outputs(fitted, rows),
        labels=is_classifier,
    )
    return model


def own_outputs(estimator: object, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (rows, classes) or value (rows, 1) by the estimator itself."""
    given = _as_fitted(estimator, rows)
    if isinstance(estimator, CLASSIFIERS):
        return np.asarray(estimator.predict_proba(given), dtype=np.float64)
    values = cast("DecisionTreeRegressor", estimator).predict(given)
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def own_predict(estimator: object, rows: NDArray[np.float64]) -> NDArray[np.generic]:
    """Class numbers, or values, by the estimator's own ``predict``, shape (rows,)."""
    predicted = np.asarray(
        cast("DecisionTreeClassifier", estimator).predict(_as_fitted(estimator, rows))
    )
    if not isinstance(estimator, CLASSIFIERS):
        return predicted.astype(np.float64)
    return np.searchsorted(estimator.classes_, predicted)


def _as_fitted(estimator: object, rows: NDArray[np.float64]) -> NDArray[np.float64] | pl.DataFrame:
    """Rows as the estimator was fitted: with names if it has them."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return rows
    return pl.DataFrame({str(name): rows[:, j] for j, name in enumerate(names)})


def _read_nodes(estimator: object, is_classifier: bool) -> tuple[Nodes, NDArray[np.float64]]:
    members: list[DecisionTreeClassifier] = getattr(estimator, "estimators_", [estimator])
    trees = [member.tree_ for member in members]
    counts = np.array([tree.node_count for tree in trees], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)

    def joined(field: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(tree, field) for tree in trees]).astype(np.float64)

    def numbers(field: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(tree, field) for tree in trees]).astype(np.int64)

    offset = np.repeat(roots, counts)
    left, right = numbers("children_left"), numbers("children_right")
    leaf = left < 0
    threshold = joined("threshold")
    value = joined("value")[:, 0, :]
    if is_classifier:
        value = _fractions(value)
    nodes = Nodes(
        roots=roots,
        feature=np.where(leaf, 0, numbers("feature")),
        cut=np.where(leaf, 0.0, float32_cut(threshold)),
        left=np.where(leaf, -1, left + offset),
        right=np.where(leaf, -1, right + offset),
        value=np.ascontiguousarray(value),
    )
    return nodes, threshold


def _fractions(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Class fractions; older versions of the library store class counts."""
    total = value.sum(axis=1, keepdims=True)
    counts = np.abs(total - 1.0) > 1e-9
    return np.where(counts & (total > 0.0), value / np.where(total > 0.0, total, 1.0), value)


def _fingerprint(nodes: Nodes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (nodes.roots, nodes.feature, nodes.cut, nodes.left, nodes.right, nodes.value):
        digest.update(str((array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
