"""A trained model as the sampler sees it: arrays in the core beside the user's own estimator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage.errors import DataError, ModelError, QuestionError
from sondage.frames import listed, plain, to_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sondage._core import TreeEnsemble
    from sondage.frames import FrameLike
    from sondage.space import Space

__all__ = ["Model"]


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A fitted model, imported by `as_model`.

    Models are equal if they have the same name, classes and features and the same arrays
    (`fingerprint`), whichever estimator object they came from.

    Attributes
    ----------
    name : str
    kind : {"classifier", "regressor"}
    library : str
        Name and version of the library that the model was imported from.
    classes : tuple or None
        Class labels in the order of the probabilities; None for regression.
    n_features : int
    feature_names : tuple of str, or None
        Names of the columns that the model reads; None if it reads them by position.
    native : bool
        Whether the core evaluates it.
    differentiable : bool
        Whether it has a gradient in its input.
    fingerprint : str
        Digest of the model's arrays.
    """

    name: str
    kind: Literal["classifier", "regressor"]
    library: str = field(compare=False)
    classes: tuple[object, ...] | None
    n_features: int
    feature_names: tuple[str, ...] | None
    native: bool
    differentiable: bool
    fingerprint: str
    _core: TreeEnsemble = field(compare=False)
    _estimator: object = field(compare=False)
    _own_predict: Callable[[object, NDArray[np.float64]], NDArray[np.generic]] = field(
        compare=False
    )

    def proba(self, frame: FrameLike) -> NDArray[np.float64]:
        """Class probabilities.

        Parameters
        ----------
        frame : polars, pandas or pyarrow frame, or 2-D numpy array
            Columns by name where the model has names, else by position; others are ignored.

        Returns
        -------
        ndarray of float64, shape (rows, classes)

        Raises
        ------
        ModelError
            For a regressor.
        DataError
            If the frame lacks a column or holds a missing or infinite value.
        """
        if self.classes is None:
            raise ModelError(f"{self.name} is a regressor; it has no class probabilities")
        return self._core.forward(self._matrix(frame))

    def score(self, frame: FrameLike) -> NDArray[np.float64]:
        """Scores: for tree classifiers the probabilities (rows, classes), else the value (rows,).

        Parameters and errors are those of `proba`.
        """
        outputs = self._core.forward(self._matrix(frame))
        return outputs if self.classes is not None else outputs[:, 0]

    def predict(self, frame: FrameLike) -> NDArray[np.generic]:
        """Class labels, or values for a regressor, shape (rows,); parameters as in `proba`."""
        scores = self.score(frame)
        if self.classes is None:
            return scores
        labels: NDArray[np.generic] = as_labels(self.classes)[np.argmax(scores, axis=1)]
        return labels

    def describe(self) -> str:
        """Say in a sentence what the model is.

        Returns
        -------
        str
        """
        trees = "1 tree" if self._core.n_trees == 1 else f"{self._core.n_trees} trees"
        reads = f"reads {self.n_features} columns"
        if self.feature_names is not None:
            reads += f" ({', '.join(self.feature_names)})"
        predicts = (
            "predicts a number"
            if self.classes is None
            else f"tells {len(self.classes)} classes apart ({listed(self.classes)})"
        )
        return (
            f"{self.name}: a {self.kind} from {self.library}, {trees} of at most "
            f"{self._core.n_leaves_max} leaves; {reads}; {predicts}."
        )

    def label_index(self, label: object) -> int:
        """Position of a class label in `classes`.

        Raises
        ------
        QuestionError
            If the model is a regressor or has no such class; names the classes.
        """
        if self.classes is None:
            raise QuestionError(f"{self.name} is a regressor; it has no label {label!r}")
        label = plain(label)
        for index, known in enumerate(self.classes):
            if type(label) is type(known) and label == known:
                return index
        if isinstance(label, bool | int | float | str):
            for index, known in enumerate(self.classes):
                if label == known:
                    return index
        raise QuestionError(
            f"{self.name} has no class {label!r}; its classes: {listed(self.classes)}"
        )

    def columns_in(self, space: Space) -> NDArray[np.int64]:
        """Position in the space of every column that the model reads.

        Raises
        ------
        ModelError
            If the space lacks a named feature, or, for a model without names, has another number
            of columns.
        """
        columns = space.columns
        if self.feature_names is None:
            if len(columns) != self.n_features:
                raise ModelError(
                    f"{self.name} reads {self.n_features} columns by position; the space has "
                    f"{len(columns)}: {listed(columns)}"
                )
            return np.arange(self.n_features, dtype=np.int64)
        missing = [name for name in self.feature_names if name not in columns]
        if missing:
            extra = [name for name in columns if name not in self.feature_names]
            unnamed = columns == [f"x{j}" for j in range(len(columns))]
            hint = "; give an array's columns their names with from_frame(array, names=[...])"
            raise ModelError(
                f"{self.name} reads columns that the space does not have: {listed(missing)}; the "
                f"space has, beyond those the model reads: {listed(extra) if extra else 'none'}"
                f"{hint if unnamed else ''}"
            )
        position = {name: index for index, name in enumerate(columns)}
        return np.array([position[name] for name in self.feature_names], dtype=np.int64)

    def with_feature_names(self, names: Sequence[str]) -> Model:
        """Return the model with names for the columns it read by position."""
        if len(names) != self.n_features:
            raise ModelError(
                f"{self.name} reads {self.n_features} columns; {len(names)} names were given"
            )
        return replace(self, feature_names=tuple(names))

    def _matrix(self, frame: FrameLike) -> NDArray[np.float64]:
        return to_matrix(frame, self.feature_names, self.n_features)

    def _user_predict(self, frame: FrameLike) -> NDArray[np.generic]:
        """Predict with the user's own estimator, in one batched call: labels or values (rows,)."""
        rows = self._matrix(frame)
        if len(rows) == 0:
            return np.empty(0) if self.classes is None else as_labels(self.classes)[:0]
        predicted = self._own_predict(self._estimator, rows)
        if self.classes is None:
            return predicted
        return as_labels(self.classes)[predicted.astype(np.intp)]

    def __repr__(self) -> str:
        return f"<Model {self.describe()}>"


def as_labels(classes: Sequence[object]) -> NDArray[np.generic]:
    """Class labels as an array, of dtype object where they are of several kinds."""
    kinds = {type(label) for label in classes}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return np.array(classes)
    labels = np.empty(len(classes), dtype=object)
    labels[:] = list(classes)
    return labels


def check_name(name: object) -> str:
    """Return a model's name, or say what one must be."""
    if not isinstance(name, str) or not name.strip():
        raise ModelError(f"name={name!r} must be a non-empty string")
    return name


def check_classes(given: Sequence[object] | None, own: Sequence[object]) -> tuple[object, ...]:
    """Return the class labels to use: the model's own, or the user's names for them."""
    if given is None:
        return tuple(plain(label) for label in own)
    if isinstance(given, str):
        raise ModelError(f"classes={given!r} must be a sequence of labels")
    labels = tuple(plain(label) for label in given)
    if len(labels) != len(own) or len(set(labels)) != len(labels):
        raise ModelError(
            f"classes has {len(labels)} labels ({listed(labels)}); {len(own)} different ones are "
            f"needed, one for each of {listed([plain(label) for label in own])}"
        )
    return labels


def check_rows(frame: FrameLike, names: Sequence[str] | None, n: int) -> NDArray[np.float64]:
    """Rows to compare predictions on; a frame without the model's columns is a ModelError."""
    try:
        return to_matrix(frame, names, n, what="check")
    except DataError as error:
        raise ModelError(str(error)) from error
