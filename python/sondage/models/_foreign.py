"""Models that only their own library can evaluate: any callable, any object with ``predict``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from sondage.columns import Categorical, Continuous, Integer
from sondage.errors import ModelError
from sondage.frames import listed, plain
from sondage.models._adapter import Source
from sondage.models._features import RawColumn
from sondage.models._sources import EstimatorSource, decode_rows, positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sondage.space import Space

__all__ = ["OUTPUTS", "foreign_source", "library_of"]

Output: TypeAlias = Literal["score", "proba", "value", "label"]
OUTPUTS: tuple[Output, ...] = ("score", "proba", "value", "label")


def foreign_source(
    obj: object,
    *,
    space: Space | None,
    output: str | None,
    classes: Sequence[object] | None,
) -> Source:
    """Return the source of an object without adapter.

    Raises
    ------
    ModelError
        If it is neither callable nor fitted with ``predict``, or says too little about itself.
    """
    if hasattr(obj, "predict") and hasattr(obj, "n_features_in_"):
        if output is not None:
            raise ModelError(f"output={output!r} is for callables; leave it out")
        return EstimatorSource.of(obj, library=library_of(obj))
    if hasattr(obj, "predict") or isinstance(obj, type) or not callable(obj):
        raise ModelError(not_supported(obj))
    for given in OUTPUTS:
        if output == given:
            if space is None:
                raise ModelError("a callable needs space=, which names the columns it reads")
            return CallableSource.of(obj, space, given, classes)
    raise ModelError(
        f"output={output!r} must say what the callable gives: one of {listed(OUTPUTS)}"
    )


def not_supported(obj: object) -> str:
    """Say that `obj` is no supported model, and what is one."""
    kind = type(obj)
    return (
        f"{kind.__module__}.{kind.__qualname__} is not supported: a fitted model with predict and "
        "n_features_in_, a model file, or a callable is needed; docs/models.md lists the models "
        "that are read natively"
    )


def library_of(obj: object) -> str:
    """Name and version of the package that an object's class comes from."""
    root = type(obj).__module__.partition(".")[0]
    name = {"sklearn": "scikit-learn"}.get(root, root)
    if root in ("__main__", "builtins"):
        return "Python"
    version = getattr(import_module(root), "__version__", None)
    return f"{name} {version}" if isinstance(version, str) else name


@dataclass(frozen=True)
class CallableSource(Source):
    """A function of rows: a 2-D array, or a frame where some column has levels."""

    function: Callable[[object], Any]
    output: Output
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    library: str = "Python"
    #: Numbers of a score.
    width: int = 1

    @classmethod
    def of(
        cls,
        function: Callable[[object], Any],
        space: Space,
        output: Output,
        classes: Sequence[object] | None,
    ) -> CallableSource:
        """Read the columns off the space, and the number of classes off one call."""
        columns = tuple(
            RawColumn(name, tuple(kind.levels) if isinstance(kind, Categorical) else None)
            for name, kind in space.kinds.items()
        )
        labels: tuple[object, ...] | None = None
        width = 1
        if output != "value":
            if classes is None and output == "label":
                raise ModelError("a callable that gives labels needs classes=, the labels it gives")
            if classes is not None:
                labels = tuple(plain(label) for label in classes)
            if labels is None or output == "score":
                probe = cls(function, output, "classifier", labels, columns, missing=False)
                given = probe.call(_middle(space))
                width = given.shape[1] if given.ndim == 2 else 1
                labels = tuple(range(max(2, width))) if labels is None else labels
        kind: Literal["classifier", "regressor"] = "regressor" if labels is None else "classifier"
        return cls(function, output, kind, labels, columns, missing=False, width=width)

    def call(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        """Call the function once for all rows and check the shape of what it gives."""
        plain_columns = all(column.levels is None for column in self.columns)
        given = rows if plain_columns else decode_rows(rows, self.columns)
        out = np.asarray(self.function(given))
        if out.ndim == 2 and out.shape[1] == 1:
            out = out[:, 0]
        wide = out.ndim == 2 and self.output in ("score", "proba")
        if not (out.ndim == 1 or wide) or len(out) != len(rows):
            raise ModelError(
                f"the callable gave shape {out.shape} for {len(rows)} rows; with "
                f"output={self.output!r} it must be (rows,)"
                f"{' or (rows, classes)' if self.output in ('score', 'proba') else ''}"
            )
        if wide and self.classes is not None and out.shape[1] != len(self.classes):
            raise ModelError(
                f"the callable gave {out.shape[1]} columns; its classes are {listed(self.classes)}"
            )
        if out.ndim == 1 and self.output in ("score", "proba") and len(self.classes or "ab") != 2:
            raise ModelError(
                f"the callable gave one number a row, which tells two classes apart; its classes "
                f"are {listed(self.classes or ())}"
            )
        return out

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        if self.output == "label" and self.classes is not None:
            return positions(self.call(rows), self.classes)
        out = self.call(rows).astype(np.float64)
        if self.output == "value":
            return out
        if out.ndim == 2:
            return np.asarray(np.argmax(out, axis=1), dtype=np.int64)
        return np.asarray(out > (0.0 if self.output == "score" else 0.5), dtype=np.int64)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Probabilities, from logits where the function gives scores."""
        if not self.has_proba():
            return None
        out = self.call(rows).astype(np.float64)
        if self.output == "proba":
            return out if out.ndim == 2 else np.stack([1.0 - out, out], axis=1)
        if out.ndim == 1:
            out = np.stack([np.zeros_like(out), out], axis=1)
        weights = np.exp(out - out.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        kinds = {"score": "logits", "proba": "proba", "label": "decision"}
        return cast(
            "Literal['logits', 'score', 'proba', 'decision']", kinds.get(self.output, "score")
        )

    def label_is(self) -> Literal["proba", "decision"]:
        """Say where the label comes from: labels are their own, others the largest."""
        return "proba" if self.output == "proba" else "decision"

    def score_width(self) -> int:
        """Numbers that `score` gives a row."""
        return self.width

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self.output in ("score", "proba")

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the function gives; votes where it gives labels."""
        if self.output == "label" and self.classes is not None:
            return np.eye(len(self.classes))[self.predict(rows).astype(np.int64)]
        return self.call(rows).astype(np.float64)


def _middle(space: Space) -> NDArray[np.float64]:
    """One row of the space."""
    row = []
    for kind in space.kinds.values():
        if isinstance(kind, Categorical):
            row.append(0.0)
        elif isinstance(kind, Continuous | Integer):
            middle = 0.5 * kind.lower + 0.5 * kind.upper
            row.append(float(np.floor(middle) if isinstance(kind, Integer) else middle))
        else:
            value = kind.value
            row.append(float(value) if isinstance(value, int | float) else 0.0)
    return np.array([row])
