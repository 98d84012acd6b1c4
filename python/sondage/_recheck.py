"""Ask the user's own models whether draws are what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from sondage.errors import SamplingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.questions import Question
    from sondage.space import Space

__all__ = ["recheck"]

_BATCH = 2**17


def recheck(
    question: Question,
    space: Space,
    draws: NDArray[np.float64],
    confirmed: NDArray[np.bool_],
) -> None:
    """Mark the draws for which the user's own models predict what is asked.

    Each model predicts all draws in one batched call, or in batches of 131,072 rows.

    Parameters
    ----------
    question : Question
    space : Space
    draws : ndarray of shape (chains, draws, columns)
    confirmed : ndarray of bool, shape (chains, draws), C-contiguous
        All False; what was confirmed before an exception stays.

    Raises
    ------
    SamplingError
        If a model fails; the user's exception is its cause.
    """
    checks = question._checks()
    if not checks:
        confirmed[:] = True
        return
    rows = draws.reshape(-1, draws.shape[-1])
    marks = confirmed.reshape(-1)
    for first in range(0, len(rows), _BATCH):
        batch = rows[first : first + _BATCH]
        frame = pl.DataFrame({name: batch[:, j] for j, name in enumerate(space.columns)})
        valid = np.ones(len(batch), dtype=np.bool_)
        predictions: dict[int, NDArray[np.generic]] = {}
        for model, wanted in checks:
            if id(model) not in predictions:
                try:
                    predictions[id(model)] = model._user_predict(frame)
                except Exception as error:  # the user's model may raise anything
                    raise SamplingError(
                        f"{model.name} could not predict the draws, so that valid is not known: "
                        f"{type(error).__name__}: {error}"
                    ) from error
            predicted = predictions[id(model)]
            if model.classes is None:
                lower, upper = cast("tuple[float, float]", wanted)
                values = predicted.astype(np.float64)
                valid &= (values >= lower) & (values <= upper)
            else:
                valid &= np.asarray(predicted == wanted, dtype=np.bool_)
        marks[first : first + _BATCH] = valid
