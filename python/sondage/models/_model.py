"""A trained model as the sampler sees it: a graph in the core beside the user's own model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage._core import Evaluator
from sondage._probes import Placed, Probe
from sondage.errors import InternalError, ModelError, QuestionError
from sondage.frames import listed, plain
from sondage.models._calls import Foreign
from sondage.models._on_space import table_of
from sondage.models._rows import is_ready, raw_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage._core import Graph
    from sondage._lookups import Lookups
    from sondage.answer import Answer
    from sondage.frames import FrameLike
    from sondage.models._adapter import Source
    from sondage.models._calls import Call
    from sondage.models._graph import Fitted, Head, Heads
    from sondage.models._members import Members
    from sondage.space import Space

__all__ = ["Model", "Native"]


@dataclass(frozen=True, slots=True)
class Native:
    """A model in the core: a graph, which of its nodes are the outputs, and which were fitted."""

    graph: Graph
    heads: Heads
    fitted: tuple[Fitted, ...] = ()

    def values(self, rows: NDArray[np.float64], node: int) -> NDArray[np.float64]:
        """Values of a node, (rows, width)."""
        return self.graph.forward(rows, node)


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A fitted model, imported by `as_model`.

    Models are equal if they have the same name, classes and features and compute the same
    (`fingerprint`), whichever object they came from.

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
        Whether the core evaluates it; else its own library does, in batched calls.
    differentiable : bool
        Whether it has a gradient in its input.
    fingerprint : str
        Digest of what the model computes.
    answer : Answer or None
        Of an ensemble from `posterior.langevin`: the draws of the parameters that its members have,
        and their diagnostics.
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
    _native: Native | None = field(compare=False)
    _source: Source = field(compare=False)
    _members: Members | None = field(default=None, compare=False)
    #: Of a model that its own library evaluates: what the sampler sees of it.
    _foreign: Foreign | None = field(default=None, compare=False)
    answer: Answer | None = field(default=None, compare=False)
    _numeric: bool = field(init=False, compare=False)
    #: Outputs of arrays that are raw rows as they are, by the core alone; None: it has no say.
    _proba: Evaluator | None = field(init=False, compare=False)
    _score: Evaluator | None = field(init=False, compare=False)
    _decision: Evaluator | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        numeric = all(column.levels is None for column in self._source.columns)
        object.__setattr__(self, "_numeric", numeric)
        for head in ("proba", "score", "decision"):
            object.__setattr__(self, f"_{head}", self._evaluator(head))

    @property
    def members(self) -> tuple[tuple[float, Model], ...]:
        """Weights and models of an ensemble, weights adding up to 1; else the model itself."""
        return ((1.0, self),) if self._members is None else self._members.pairs

    @property
    def has_proba(self) -> bool:
        """Whether it has class probabilities."""
        if self._members is not None:
            return self._members.have_proba
        if self._native is not None:
            return self._native.heads.proba is not None
        return self.classes is not None and self._source.has_proba()

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
            For a regressor, and for a classifier without probabilities.
        DataError
            If the frame lacks a column or holds a value that the model does not take: an infinite
            one, a missing one or an unknown category where its library refuses them.
        """
        if self._proba is not None and (ready := self._proba.forward(frame)) is not None:
            return ready
        if self.classes is None:
            raise ModelError(f"{self.name} is a regressor; it has no class probabilities")
        if not self.has_proba:
            raise ModelError(
                f"{self.name} has no class probabilities: its library gives labels and scores only"
            )
        rows = self._rows(frame)
        if not self.native:
            proba = self._source.proba(rows) if len(rows) else None
            return np.empty((0, len(self.classes))) if proba is None else proba
        return self._values(rows, "proba")

    def score(self, frame: FrameLike) -> NDArray[np.float64]:
        """Scores as the library gives them.

        The margin or decision function, (rows,) for two classes; the probabilities of models that
        have no other score, (rows, classes); the value of a regressor, (rows,). Parameters and
        errors are those of `proba`.
        """
        scores = None if self._score is None else self._score.forward(frame)
        if scores is None:
            rows = self._rows(frame)
            if not self.native:
                return self._source.score(rows) if len(rows) else np.empty(0)
            scores = self._values(rows, "score")
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, frame: FrameLike) -> NDArray[np.generic]:
        """Give the library's own label or value, shape (rows,); parameters as in `proba`."""
        if self.classes is None and self._native is not None:
            return self.score(frame)
        decision = None if self._decision is None else self._decision.forward(frame)
        if decision is None:
            rows = self._rows(frame)
            if not self.native:
                return self._labelled(self._source.predict(rows) if len(rows) else np.empty(0))
            if self.classes is None:
                return self._values(rows, "score")[:, 0]
            decision = self._values(rows, "decision")
        return self._labelled(np.argmax(decision, axis=1))

    def _evaluator(self, head: Literal["score", "proba", "decision"]) -> Evaluator | None:
        """Of a model whose rows are numbers; an ensemble sums over its members."""
        if self._native is None or not self._numeric:
            return None
        node = self._head(head)
        if node is None:
            return None
        source = self._source
        missing = source.missing and all(column.missing for column in source.columns)
        return Evaluator(self._native.graph, node, missing)

    def _values(
        self, rows: NDArray[np.float64], head: Literal["score", "proba", "decision"]
    ) -> NDArray[np.float64]:
        """Give outputs of the core, (rows, width)."""
        if self._members is not None and head == "decision" and self.has_proba:
            head = "proba"
        if self._members is not None and head != "decision":
            return self._members.mean(rows, head)
        node = self._head(head)
        if node is None:
            raise ModelError(f"{self.name} has no {head}")
        return self._graph().forward(rows, node)

    def describe(self) -> str:
        """Say in a sentence what the model is.

        Returns
        -------
        str
        """
        reads = f"reads {self.n_features} columns"
        if self.feature_names is not None:
            reads += f" ({listed(self.feature_names)})"
        predicts = (
            "predicts a number"
            if self.classes is None
            else f"tells {len(self.classes)} classes apart ({listed(self.classes)})"
        )
        return f"{self.name}: a {self.kind} from {self.library}{self._form()}; {reads}; {predicts}."

    def _form(self) -> str:
        if self._members is not None:
            return f", an ensemble of {len(self.members):,} models"
        if self._native is None:
            return ", evaluated by its own library"
        n = self._native.graph.n_trees
        if n == 0:
            return ""
        trees = "1 tree" if n == 1 else f"{n} trees"
        return f", {trees} of at most {self._native.graph.n_leaves_max} leaves"

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

    def _columns_on(self, space: Space, first: int, lookups: Lookups) -> NDArray[np.int64]:
        """Columns of a row that the model reads: `columns_in`, and lookups where those differ.

        The space's columns begin at column `first` of the row.
        """
        columns = self.columns_in(space) + first
        kinds, source = list(space.kinds.items()), self._source
        for j, column in enumerate(source.columns):
            name, kind = kinds[columns[j] - first]
            try:
                table = table_of(
                    column,
                    kind,
                    source.unknown and column.unknown,
                    name,
                    missing=source.missing and column.missing,
                )
            except ModelError as error:
                raise ModelError(f"{self.name} {error}") from None
            if table is not None:
                columns[j] = lookups.column(int(columns[j]), *table)
        return columns

    def with_feature_names(self, names: Sequence[str]) -> Model:
        """Return the model with names for the columns it read by position."""
        if len(names) != self.n_features:
            raise ModelError(
                f"{self.name} reads {self.n_features} columns; {len(names)} names were given"
            )
        members = None if self._members is None else self._members.with_feature_names(names)
        return replace(self, feature_names=tuple(names), _members=members)

    def _graph(self) -> Graph:
        """Return the model in the core, for the sampler."""
        return self._form_in_core().graph

    def _head(self, head: Head) -> int | None:
        """Node of the graph that gives an output; None if the model has no such output."""
        node = getattr(self._form_in_core().heads, head)
        return node if node is None else int(node)

    def _form_in_core(self) -> Native | Foreign:
        if self._members is not None:
            return self._members.together
        form = self._native if self._native is not None else self._foreign
        if form is None:
            raise InternalError(f"{self.name} has no form in the core; please report it")
        return form

    def _calls(self) -> tuple[Call, ...]:
        """Return what nodes of the graph get from the user's model, if its library evaluates it."""
        form = self._form_in_core()
        return form.calls if isinstance(form, Foreign) else ()

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:
        """Return the model on the columns of a space, which begin at column `first` of the row."""
        columns = self._columns_on(space, first, lookups)
        probes = {call.node: Probe(self.name, call, columns) for call in self._calls()}
        return Placed(self._graph(), columns, probes)

    def _width(self, head: Head) -> int:
        """Numbers a row that an output has; 0 without it."""
        node = self._head(head)
        return 0 if node is None else self._graph().width(node)

    def _rows(self, frame: FrameLike, what: str = "the frame") -> NDArray[np.float64]:
        """Encode a frame as raw rows of the model."""
        if self._numeric and isinstance(frame, np.ndarray) and is_ready(frame, self.n_features):
            return frame
        source = self._source
        return raw_rows(
            frame,
            source.columns,
            self.feature_names,
            missing=source.missing,
            unknown=source.unknown,
            what=what,
        )

    def _user_predict(self, frame: FrameLike) -> NDArray[np.generic]:
        """Predict with the user's own model, in one batched call: labels or values (rows,)."""
        rows = self._rows(frame)
        return self._labelled(self._source.predict(rows) if len(rows) else np.empty(0))

    def _labelled(self, predicted: NDArray[np.generic]) -> NDArray[np.generic]:
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
