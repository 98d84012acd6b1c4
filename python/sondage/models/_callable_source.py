"""Functions as models: any callable from rows to numbers, with or without gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard, cast

import numpy as np

from sondage.columns import Categorical, Continuous, Fixed, Integer, has_levels, levels_of
from sondage.errors import ModelError
from sondage.frames import listed, plain
from sondage.models._adapter import Source
from sondage.models._calls import of_pair
from sondage.models._features import RawColumn
from sondage.models._jax import traced
from sondage.models._sources import decode_rows, positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sondage.columns import Column
    from sondage.models._adapter import Gives, Vjp
    from sondage.models._jax import Traced
    from sondage.space import Space

__all__ = ["CallableSource", "Output", "WithVjp"]

Output: TypeAlias = Literal["score", "proba", "value", "label"]


@dataclass(frozen=True, slots=True)
class WithVjp:
    """A function and the user's own vjp of it: (rows, cotangent of the outputs) → gradient."""

    function: Callable[[object], Any]
    vjp: Callable[[Any, Any], Any]

    def __call__(self, rows: NDArray[np.float64]) -> tuple[Any, Callable[[Any], Any]]:
        """Return outputs, and what takes a cotangent of their shape back to the rows."""
        return self.function(rows), lambda cotangent: self.vjp(rows, cotangent)


@dataclass(frozen=True)
class CallableSource(Source):
    """A function of rows: a 2-D array, or a frame where some column has levels.

    Attributes
    ----------
    width : int
        Numbers of a score.
    slopes : callable or None
        The function with its gradient.
    """

    function: Callable[[object], Any]
    output: Output
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    library: str = "Python"
    width: int = 1
    slopes: WithVjp | Traced | None = None
    differentiable: bool = False

    @classmethod
    def of(
        cls,
        function: Callable[[object], Any],
        space: Space,
        output: Output,
        classes: Sequence[object] | None,
        vjp: Callable[[Any, Any], Any] | None = None,
    ) -> CallableSource:
        """Read the columns off the space, and the number of classes off one call.

        Raises
        ------
        ModelError
            If the function gives something else than `output`, or cannot have such a `vjp`.
        """
        columns = tuple(
            RawColumn(name, tuple(levels_of(kind)) if _named(kind) else None)
            for name, kind in space.kinds.items()
        )
        numeric = all(column.levels is None for column in columns)
        if vjp is not None:
            _require_vjp(vjp, output, columns)
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
        slopes: WithVjp | Traced | None = None
        library = "Python"
        if vjp is not None:
            slopes = WithVjp(function, vjp)
        elif numeric and output != "label":
            slopes = traced(function, _middle(space))
            library = "Python" if slopes is None else slopes.library
        return cls(
            function,
            output,
            "regressor" if labels is None else "classifier",
            labels,
            columns,
            missing=False,
            library=library,
            width=width,
            slopes=slopes,
            differentiable=slopes is not None,
        )

    def call(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        """Call the function once for all rows and check the shape of what it gives."""
        plain_columns = all(column.levels is None for column in self.columns)
        given = rows if plain_columns else decode_rows(rows, self.columns)
        return self._checked(np.asarray(self.function(given)), rows)

    def with_vjp(self, rows: NDArray[np.float64], gives: Gives) -> tuple[NDArray[np.float64], Vjp]:
        """Return outputs and what takes their cotangent back to the rows; see `Source`."""
        assert self.slopes is not None
        given, back = self.slopes(rows)
        out = np.asarray(given)
        shape, d = out.shape, rows.shape
        out = self._checked(out, rows).astype(np.float64)

        def vjp(cotangent: NDArray[np.float64]) -> NDArray[np.float64]:
            gradient = np.asarray(back(cotangent.reshape(shape)), dtype=np.float64)
            if gradient.shape != d:
                raise ModelError(f"its vjp gave shape {gradient.shape}; {d} is needed")
            return gradient

        if gives != "proba" or out.ndim == 2:
            return out, vjp
        return np.stack([1.0 - out, out], axis=1), of_pair(vjp)

    def _checked(self, out: NDArray[Any], rows: NDArray[np.float64]) -> NDArray[Any]:
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


def _require_vjp(vjp: object, output: Output, columns: tuple[RawColumn, ...]) -> None:
    if not callable(vjp):
        raise ModelError(f"vjp={vjp!r} must be a callable (rows, cotangent) -> gradient")
    if output == "label":
        raise ModelError("labels have no gradient: vjp= has no meaning with output='label'")
    named = [column.name for column in columns if column.levels is not None]
    if named:
        raise ModelError(f"vjp= needs columns of numbers; the space has levels in {listed(named)}")


def _named(kind: Column) -> TypeGuard[Categorical | Fixed]:
    return has_levels(kind) and not (isinstance(kind, Fixed) and kind.at_query)


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
