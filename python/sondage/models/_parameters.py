"""The fitted parameters of a native model as one vector, and the model with others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sondage._core import Graph
from sondage.errors import ModelError
from sondage.models._adapter import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.models._features import RawColumn
    from sondage.models._model import Model, Native

__all__ = ["CoreSource", "Parameters", "Slot"]

#: Operations whose numbers were fitted too, but are no parameters that could be moved a little.
_OTHERS = {"trees": "trees", "kernel": "support vectors", "foreign": "models of other libraries"}


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one array of an operation lies in the vector.

    Attributes
    ----------
    node : int
    entry : int
        Of the operation's tuple: 2 for weights and scales, 3 for biases and shifts.
    start, stop : int
    shape : tuple of int
    single : bool
        Whether its numbers are of float32.
    """

    node: int
    entry: int
    start: int
    stop: int
    shape: tuple[int, ...]
    single: bool

    def of(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the array of a vector (parameters,), or of several (n, parameters)."""
        return vectors[..., self.start : self.stop].reshape(*vectors.shape[:-1], *self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """Weights and biases of a native model's linear layers, and scales and shifts of others.

    Attributes
    ----------
    model : Model
    operations : list of tuple
        Of its graph.
    slots : tuple of Slot
        Layer after layer, weights (outputs, inputs) row by row before biases.
    values : ndarray of shape (parameters,)
        What training found.
    """

    model: Model
    operations: list[tuple[Any, ...]]
    slots: tuple[Slot, ...]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, model: Model) -> Parameters:
        """Find the parameters of a model.

        Raises
        ------
        ModelError
            If it has none that could be moved, or some that could not.
        """
        native = model._native
        if native is None:
            raise ModelError(
                f"{model.name} is evaluated by its own library, whose parameters are not known; "
                "linear models, dense nets and torch modules have some: use posterior.refit"
            )
        operations = native.graph.operations
        others = [_OTHERS[kind] for kind, *_ in operations if kind in _OTHERS]
        if others or not native.fitted:
            has = f"consists of {others[0]}" if others else "has no weights that were fitted"
            raise ModelError(
                f"{model.name} {has}; linear models, dense nets and torch modules have parameters "
                "that can be moved: use posterior.refit"
            )
        slots: list[Slot] = []
        size = 0
        for layer in native.fitted:
            for entry in (2, 3) if layer.biased else (2,):
                shape = operations[layer.node][entry].shape
                stop = size + int(np.prod(shape))
                slots.append(Slot(layer.node, entry, size, stop, shape, layer.single))
                size = stop
        values = np.concatenate([operations[slot.node][slot.entry].ravel() for slot in slots])
        return cls(model, operations, tuple(slots), values)

    @property
    def single(self) -> bool:
        """Whether all of them are of float32."""
        return all(slot.single for slot in self.slots)

    def names(self) -> list[str]:
        """Name every parameter: of a single layer by what it reads, else by layer and position."""
        layers = list(dict.fromkeys(slot.node for slot in self.slots))
        return [
            f"{'weight' if slot.entry == 2 else 'bias'}{layers.index(slot.node)}"
            f"[{','.join(map(str, index))}]"
            for slot in self.slots
            for index in np.ndindex(slot.shape)
        ]

    def rounded(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vectors with those of float32 rounded to it."""
        out = np.array(vectors, dtype=np.float64)
        for slot in self.slots:
            if slot.single:
                part = out[..., slot.start : slot.stop]
                part[...] = part.astype(np.float32)
        return out

    def model_with(self, vector: NDArray[np.float64]) -> Model:
        """Return the model with these parameters; the core is all that evaluates it."""
        native = self.model._native
        assert native is not None
        operations = list(self.operations)
        for slot in self.slots:
            operation = list(operations[slot.node])
            operation[slot.entry] = np.ascontiguousarray(slot.of(vector))
            operations[slot.node] = tuple(operation)
        moved = replace(native, graph=Graph(native.graph.n_columns, operations))
        digest = hashlib.blake2b(self.model.fingerprint.encode(), digest_size=16)
        digest.update(vector.tobytes())
        return replace(
            self.model,
            fingerprint=digest.hexdigest(),
            _native=moved,
            _source=CoreSource.of(self.model, moved),
        )


@dataclass(frozen=True)
class CoreSource(Source):
    """A model that no library holds: the core evaluates it, also where draws are confirmed."""

    native: Native
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    unknown: bool

    @classmethod
    def of(cls, model: Model, native: Native) -> CoreSource:
        """Take from a model what is not its parameters."""
        source = model._source
        return cls(
            native,
            source.library,
            source.kind,
            source.classes,
            source.columns,
            source.missing,
            source.unknown,
        )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes` or values; see `Source`."""
        if self.classes is None:
            return self.score(rows)
        assert self.native.heads.decision is not None
        decision = self.native.values(rows, self.native.heads.decision)
        return np.asarray(np.argmax(decision, axis=1), dtype=np.int64)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities, or None."""
        node = self.native.heads.proba
        return None if node is None else self.native.values(rows, node)

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self.native.heads.proba is not None

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score in the library's own shape."""
        scores = self.native.values(rows, self.native.heads.score)
        return scores[:, 0] if scores.shape[1] == 1 else scores
