"""Model files whose library is not installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sondage._core import Graph
from sondage.errors import ModelError
from sondage.models import _registry
from sondage.models._adapter import NotNative, Source
from sondage.models._features import Features
from sondage.models._graph import GraphBuilder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sondage.models._features import RawColumn

__all__ = ["CoreSource"]


@dataclass(frozen=True)
class CoreSource(Source):
    """The core itself: there is nothing to check it by.

    Attributes
    ----------
    file : object
        Something that the registry has an adapter for.
    """

    file: object
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool = True
    unknown: bool = False
    tolerance: float = 1e-6

    def require_native(self, what: str) -> CoreSource:
        """Return the source itself.

        Raises
        ------
        ModelError
            If the core cannot evaluate the file either; `what` names it and the library.
        """
        try:
            _registry.build(self.file, GraphBuilder(len(self.columns)), Features.of(self.columns))
        except NotNative as reason:
            raise ModelError(
                f"{what} is not installed, and only it evaluates this: {reason}"
            ) from None
        return self

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Positions in `classes`, or values, shape (rows,)."""
        decision = self._head("decision", rows)
        return self.score(rows) if decision is None else decision.argmax(axis=1)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Class probabilities (rows, classes); None for a regressor."""
        return self._head("proba", rows)

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self._node("proba")[1] is not None

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Margins of a classifier; values of a regressor."""
        score = self._head("score", rows)
        assert score is not None
        return score[:, 0] if score.shape[1] == 1 else score

    def _head(
        self, head: Literal["score", "proba", "decision"], rows: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        builder, node = self._node(head)
        if node is None:
            return None
        return Graph(builder.n_columns, builder.operations).forward(rows, node)

    def _node(self, head: Literal["score", "proba", "decision"]) -> tuple[GraphBuilder, int | None]:
        builder = GraphBuilder(len(self.columns))
        heads = _registry.build(self.file, builder, Features.of(self.columns))
        return builder, getattr(heads, head)
