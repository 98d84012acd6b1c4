"""What an adapter for a kind of model must say, and how one is found."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sondage.models._features import Features, RawColumn
    from sondage.models._graph import GraphBuilder, Heads
    from sondage.space import Space

__all__ = ["Adapter", "Gives", "NotNative", "Source", "Vjp"]

#: An output that a model's own library gives; a decision is 1 for the label that it predicts.
Gives: TypeAlias = Literal["score", "proba", "log_proba", "decision"]
#: The Jacobian's product with a cotangent of the outputs, (rows, outputs) → (rows, columns).
Vjp: TypeAlias = "Callable[[NDArray[np.float64]], NDArray[np.float64]]"


class NotNative(Exception):  # noqa: N818 - a finding, not a failure
    """The core cannot evaluate a model; the message says which feature stands in the way."""


class Source(ABC):
    """The user's model as its own library evaluates it: what an import is checked against.

    Rows are raw rows (see `_features`): float64 (rows, len(columns)), categories as positions in
    the column's levels, -1 for an unknown one, NaN where missing. A source is picklable.

    Attributes
    ----------
    library : str
        Name and version, "xgboost 3.2.0".
    kind : {"classifier", "regressor"}
    classes : tuple or None
        The library's own labels, in the order of its probabilities.
    columns : tuple of RawColumn
        With names if the model was fitted with names.
    missing : bool
        Whether rows may hold NaN.
    unknown : bool
        Whether categories may be ones that were never seen.
    tolerance : float
        Largest difference of an output to the library's own, relative to the outputs' size: more
        than rounding, less than any error of reading.
    differentiable : bool
        Whether `with_vjp` gives the gradients of a score and of probabilities.
    """

    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    unknown: bool = False
    tolerance: float = 1e-6
    differentiable: bool = False

    def takes(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows the library evaluates at all, shape (rows,)."""
        return np.ones(len(rows), dtype=np.bool_)

    @abstractmethod
    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes` (int64) or values (float64), shape (rows,)."""

    @abstractmethod
    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None for models without."""

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self.classes is not None

    @abstractmethod
    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the margin or decision function in the library's own shape; a regressor's values.

        Where the library has no margin (forests), the probabilities.
        """

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what the score of a classifier is, where its own library evaluates it.

        Logits (probabilities follow from them, and the label is that of the largest or of the
        sign), the probabilities themselves, votes for labels, or something else.
        """
        return "score"

    def label_is(self) -> Literal["proba", "decision"]:
        """Say whether the label is that of the largest probability, or `predict`'s own."""
        return "decision"

    def score_width(self) -> int:
        """Numbers that `score` gives a row, from a call with two rows of zeros."""
        if self.classes is None:
            return 1
        usual = 1 if len(self.classes) == 2 else len(self.classes)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                given = np.asarray(self.score(np.zeros((2, len(self.columns)))))
        except Exception:  # noqa: BLE001 - rows of zeros may be nothing that the user's model takes
            return usual
        return int(given.shape[1]) if given.ndim == 2 else 1

    def log_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Logarithms of the probabilities, where the library computes them itself."""
        return None

    def has_log_proba(self) -> bool:
        """Whether it does."""
        return False

    def with_vjp(self, rows: NDArray[np.float64], gives: Gives) -> tuple[NDArray[np.float64], Vjp]:
        """Return outputs, and what takes their cotangent (rows, outputs) back to the rows."""
        raise NotImplementedError

    def slack(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bound the rounding of a row's outputs beyond a share of their own size, (rows,).

        For models whose outputs are what large terms leave when they cancel; inf where a vote hangs
        on it.
        """
        return np.zeros(len(rows))


@dataclass(frozen=True, slots=True)
class Adapter:
    """How models of some classes are read.

    Parameters
    ----------
    family : str
        Heading of its rows in the support matrix, "XGBoost".
    classes : tuple of str
        "xgboost.XGBClassifier": root package and class name; subclasses are found too.
    source : callable
        From the object; raises `ModelError` if it is not fitted or can never be imported.
    build : callable
        Adds the model's operations to a graph, reading the given features; raises `NotNative`.
        Wrappers (pipelines, voting) call `registry.build` for what is inside them.
    gradient, slices, missing, categorical : bool
        Whether the native import has a gradient, exact conditional slices, takes missing values,
        takes categories (of its own, without an encoder).
    note : str
        For the support matrix: what is evaluated by the library itself, or not at all.
    with_output : callable, optional
        For models that do not say themselves what they give: the adapter for the ``output=``,
        ``classes=`` and ``space=`` of `as_model`.
    """

    family: str
    classes: tuple[str, ...]
    source: Callable[[object], Source]
    build: Callable[[object, GraphBuilder, Features], Heads]
    gradient: bool
    slices: bool
    missing: bool = False
    categorical: bool = False
    note: str = ""
    with_output: Callable[[str | None, Sequence[object] | None, Space | None], Adapter] | None = (
        None
    )
