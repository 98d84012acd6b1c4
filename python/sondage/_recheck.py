"""Ask the user's own models whether draws are what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._encoding import decode
from sondage.errors import SamplingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from sondage._question import Part
    from sondage.models import Model

__all__ = ["recheck"]

_BATCH = 2**17


def recheck(parts: Sequence[Part], confirmed: NDArray[np.bool_]) -> None:
    """Mark the draws for which the user's own models predict what is asked.

    Each model predicts all draws in one batched call, or in batches of 131,072 rows.

    Parameters
    ----------
    parts : sequence
        Questions, each with a space and rows of it, (chains, draws, columns): a draw must be what
        all of them ask.
    confirmed : ndarray of bool, shape (chains, draws), C-contiguous
        All False; what was confirmed before an exception stays.

    Raises
    ------
    SamplingError
        If a model fails; the user's exception is its cause.
    """
    asked = [
        (question._checks(), space, rows.reshape(-1, rows.shape[-1]))
        for question, space, rows in parts
    ]
    marks = confirmed.reshape(-1)
    if not any(checks for checks, _, _ in asked):
        marks[:] = True
        return
    for first in range(0, len(marks), _BATCH):
        valid = np.ones(len(marks[first : first + _BATCH]), dtype=np.bool_)
        for checks, space, rows in asked:
            if not checks:
                continue
            predicted = Predictions(decode(rows[first : first + _BATCH], space))
            for check in checks:
                valid &= check.holds(predicted)
        marks[first : first + _BATCH] = valid


class Predictions:
    """What the user's own models predict of a frame; each is called when it is first asked."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._known: dict[int, NDArray[np.generic]] = {}

    def __call__(self, model: Model) -> NDArray[np.generic]:
        """Labels or values (rows,)."""
        if id(model) not in self._known:
            try:
                self._known[id(model)] = model._user_predict(self._frame)
            except Exception as error:  # the user's model may raise anything
                raise SamplingError(
                    f"{model.name} could not predict the draws, so that valid is not known: "
                    f"{type(error).__name__}: {error}"
                ) from error
        return self._known[id(model)]
