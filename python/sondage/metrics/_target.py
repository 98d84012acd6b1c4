"""What samples should be predicted as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage._arguments import band
from sondage._checks import Predicts
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.models import Model

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A label, a band of values, or any label but the query's own.

    Attributes
    ----------
    wanted : Predicts or None
        None: any other label.
    own : ndarray of shape (queries,)
        What the model predicts of the queries.
    """

    wanted: Predicts | None
    own: NDArray[np.generic]

    @staticmethod
    def checked(model: Model, target: object) -> Predicts | None:
        """Refuse what the model cannot predict."""
        if model.classes is not None:
            if target is None:
                return None
            return Predicts(model, model.classes[model.label_index(target)])
        if not isinstance(target, tuple | list):
            raise QuestionError(
                f"target={target!r} must be a band (lower, upper): {model.name} is a regressor"
            )
        return Predicts(model, band(model, target))

    def met(self, predicted: NDArray[np.generic], query: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each prediction whether it is what is asked for its query, both (rows,)."""
        if self.wanted is None:
            return np.asarray(predicted != self.own[query], dtype=np.bool_)
        return self.wanted.holds(lambda _: predicted)
