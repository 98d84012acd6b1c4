"""What makes a draw valid: conditions on what the user's own models predict of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sondage.models import Model

__all__ = ["Band", "Check", "Disagree", "Predicted", "Predicts"]

Band: TypeAlias = tuple[float, float]

#: Labels or values that a model predicts of all rows, each model asked once.
Predicted: TypeAlias = "Callable[[Model], NDArray[np.generic]]"


class Check(Protocol):
    """A condition on rows."""

    def holds(self, predicted: Predicted) -> NDArray[np.bool_]:
        """Whether each row fulfils it."""


@dataclass(frozen=True, slots=True)
class Predicts:
    """The model predicts a label, or a value in a band."""

    model: Model
    wanted: object | Band

    def holds(self, predicted: Predicted) -> NDArray[np.bool_]:
        """Whether each row fulfils it."""
        found = predicted(self.model)
        if self.model.classes is not None:
            return np.asarray(found == self.wanted, dtype=np.bool_)
        lower, upper = cast("Band", self.wanted)
        values = found.astype(np.float64)
        return (values >= lower) & (values <= upper)


@dataclass(frozen=True, slots=True)
class Disagree:
    """Two classifiers with the same labels predict different ones."""

    a: Model
    b: Model

    def holds(self, predicted: Predicted) -> NDArray[np.bool_]:
        """Whether each row fulfils it."""
        return np.asarray(predicted(self.a) != predicted(self.b), dtype=np.bool_)
