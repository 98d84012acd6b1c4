"""What the readers of scikit-learn's linear models, kernel machines and nets have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelError
from sondage.models._foreign import library_of
from sondage.models._sources import EstimatorSource

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from sklearn.base import BaseEstimator

__all__ = ["as_matrix", "as_vector", "estimator_source", "is_single", "refuse_targets"]


def estimator_source(estimator: BaseEstimator) -> EstimatorSource:
    """Return a fitted estimator without missing values as scikit-learn evaluates it.

    Raises
    ------
    ModelError
        If it is not fitted, or is a classifier of fewer than two classes.
    """
    source = EstimatorSource.of(estimator, library=library_of(estimator))
    if source.classes is not None and len(source.classes) < 2:
        raise ModelError(
            f"{type(estimator).__name__} was fitted on one class, {source.classes[0]!r}; two are "
            "needed"
        )
    return source


def refuse_targets(estimator: object, n: int) -> None:
    """Refuse a model of several targets."""
    if n != 1:
        raise ModelError(
            f"{type(estimator).__name__} has {n} targets; models with one are supported"
        )


def as_matrix(values: object) -> NDArray[np.float64]:
    """Return coefficients, dense or sparse, as a matrix; one row if they are a vector."""
    dense = values.toarray() if hasattr(values, "toarray") else values  # scipy's sparse ones
    return np.atleast_2d(np.asarray(dense, dtype=np.float64))


def as_vector(values: ArrayLike) -> NDArray[np.float64]:
    """Return intercepts, one or one per row of coefficients, as a vector."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


def is_single(values: object) -> bool:
    """Whether coefficients are of float32."""
    return getattr(values, "dtype", None) == np.float32
