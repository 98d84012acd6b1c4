"""InterpretML's explainable boosting machines.

Such a model adds to an intercept, in order and in float64, one entry of a table per term; a term
looks at the bins of one, two or more features. A table is a tree here, as `_bins` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

import numpy as np

from sondage.errors import ModelError
from sondage.frames import plain
from sondage.models._adapter import Adapter, NotNative, Source
from sondage.models._bins import categories_tree, cuts_tree, join
from sondage.models._categories import with_codes
from sondage.models._features import RawColumn
from sondage.models._graph import Heads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS"]

# Cuts of a number, or the bin of every category, from 1 on.
Bins: TypeAlias = "NDArray[np.float64] | Mapping[str, int]"


class _Machine(Protocol):
    feature_names_in_: Sequence[str]
    feature_types_in_: Sequence[str]
    bins_: Sequence[Sequence[Bins]]
    term_features_: Sequence[tuple[int, ...]]
    term_scores_: Sequence[NDArray[np.float64]]
    intercept_: NDArray[np.float64] | float
    link_: str
    classes_: NDArray[np.generic]

    def predict(self, X: object) -> NDArray[np.generic]: ...
    def predict_proba(self, X: object) -> NDArray[np.float64]: ...
    def decision_function(self, X: object) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class EbmSource(Source):
    """The machine itself; rows are given to it as columns by name.

    Attributes
    ----------
    texts : tuple
        For every column the library's own text for each level; None for numbers.
    """

    machine: _Machine
    names: tuple[str, ...]
    texts: tuple[tuple[str, ...] | None, ...]
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool = True
    unknown: bool = True

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values."""
        predicted = self.machine.predict(self._frame(rows))
        if self.classes is None:
            return predicted.astype(np.float64)
        own = np.asarray(self.machine.classes_)
        position: NDArray[np.int64] = np.argmax(predicted[:, None] == own[None, :], axis=1)
        return position

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Probabilities of the classes."""
        if self.classes is None:
            return None
        return np.asarray(self.machine.predict_proba(self._frame(rows)), dtype=np.float64)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the terms before the link, or a regressor's value."""
        if self.classes is None:
            return np.asarray(self.predict(rows), dtype=np.float64)
        return np.asarray(self.machine.decision_function(self._frame(rows)), dtype=np.float64)

    def _frame(self, rows: NDArray[np.float64]) -> dict[str, NDArray[np.generic]]:
        frame: dict[str, NDArray[np.generic]] = {}
        for j, (name, texts) in enumerate(zip(self.names, self.texts, strict=True)):
            column = np.ascontiguousarray(rows[:, j])
            if texts is None:
                frame[name] = column
                continue
            # A text that is no category stands for every unknown level.
            unknown = "?" * (1 + max(map(len, texts), default=0))
            words = np.array([*texts, unknown, None], dtype=object)
            position = np.where(np.isnan(column), len(texts) + 1, column)
            known = (position >= 0) & (position == np.floor(position))
            frame[name] = words[np.where(known, position, len(texts)).astype(np.int64)]
        return frame


def _levels(machine: _Machine, feature: int) -> dict[object, str] | None:
    """Categories as users have them, with the library's text for each.

    The library turns whatever it is given into text; where all of that is numbers, numbers it was.
    """
    if machine.feature_types_in_[feature] == "continuous":
        return None
    bins = cast("Sequence[Mapping[str, int]]", machine.bins_[feature])
    texts = list(dict.fromkeys(text for level in bins for text in level))
    numbers = [_number(text) for text in texts]
    if all(number is not None for number in numbers):
        return dict(zip(numbers, texts, strict=True))
    return {text: text for text in texts}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if number.is_integer():
        number = int(number)
    return number if str(number) == text else None


def _source(obj: object) -> Source:
    kind = type(obj).__name__
    if not getattr(obj, "has_fitted_", False):
        raise ModelError(f"{kind} is not fitted; call its fit(X, y) first")
    machine = cast("_Machine", obj)
    classes = getattr(machine, "classes_", None)
    if classes is not None and len(classes) < 2:
        raise ModelError(f"{kind} was fitted on one class only")
    names = tuple(str(name) for name in machine.feature_names_in_)
    levels = [_levels(machine, j) for j in range(len(names))]
    # What the library calls columns that have no names.
    unnamed = names == tuple(f"feature_{k:04}" for k in range(len(names)))
    return EbmSource(
        machine=machine,
        names=names,
        texts=tuple(None if own is None else tuple(own.values()) for own in levels),
        library=f"interpret {import_module('interpret').__version__}",
        kind="regressor" if classes is None else "classifier",
        classes=None if classes is None else tuple(plain(label) for label in classes),
        columns=tuple(
            RawColumn(None if unnamed else name, None if own is None else tuple(own))
            for name, own in zip(names, levels, strict=True)
        ),
    )


def _build(obj: object, graph: GraphBuilder, features: Features) -> Heads:
    machine = cast("_Machine", obj)
    every = range(len(machine.feature_names_in_))
    levels = {j: own for j in every if (own := _levels(machine, j)) is not None}
    coded = with_codes(
        features, {j: {level: k for k, level in enumerate(own)} for j, own in levels.items()}
    )
    terms = []
    for term in machine.term_features_:
        trees = []
        for j in term:
            # Features may have coarser bins in terms of more of them.
            bins = machine.bins_[j][min(len(term), len(machine.bins_[j])) - 1]
            if j in levels:
                number = cast("Mapping[str, int]", bins).get
                grown = categories_tree([number(text) for text in levels[j].values()])
            else:
                grown = cuts_tree(cast("NDArray[np.float64]", bins))
            trees.append(grown.reading(j))
        terms.append(trees)
    intercept = np.atleast_1d(np.asarray(machine.intercept_, dtype=np.float64))
    z = graph.trees(
        join(terms, machine.term_scores_, len(intercept)),
        coded,
        n_outputs=len(intercept),
        base=intercept,
    )
    link = machine.link_
    if link == "identity":
        return Heads(score=z)
    if link == "log":
        return Heads(score=graph.activation(z, "exp"))
    if link == "logit":
        return Heads(
            score=z,
            proba=graph.logistic_pair(z),
            log_proba=graph.log_logistic_pair(z),
            decision=graph.signed_pair(z),
        )
    if link == "mlogit":
        return Heads(z, graph.softmax(z), graph.log_softmax(z), decision=z)
    raise NotNative(f"its link is {link!r}")


ADAPTERS = (
    Adapter(
        family="InterpretML EBM",
        classes=tuple(
            f"interpret.{prefix}ExplainableBoosting{task}"
            for prefix in ("", "DP")
            for task in ("Classifier", "Regressor")
        ),
        source=_source,
        build=_build,
        gradient=False,
        slices=True,
        missing=True,
        categorical=True,
        note="evaluated by interpret: one-vs-rest links",
    ),
)
