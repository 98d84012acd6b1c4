"""The one door for models: find the adapter for what the user has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sondage.errors import ModelError
from sondage.models._model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage.frames import FrameLike
    from sondage.space import Space

__all__ = ["as_model"]

SUPPORTED = (
    "scikit-learn's DecisionTree, ExtraTree, RandomForest and ExtraTrees classifiers and regressors"
)


def as_model(
    obj: object,
    *,
    space: Space | None = None,
    output: str | None = None,
    classes: Sequence[object] | None = None,
    name: str | None = None,
    check: FrameLike | None = None,
) -> Model:
    """Import a fitted model and prove that it predicts what its own library predicts.

    Parameters
    ----------
    obj : estimator
        A fitted scikit-learn DecisionTree, ExtraTree, RandomForest or ExtraTrees classifier or
        regressor with one output. A `Model` is returned as it is.
    space : Space, optional
        Names the columns, by position, for a model that was fitted without names; a model with
        names must find each of them in the space.
    output : str, optional
        For callables, which are not supported yet; leave it out.
    classes : sequence, optional
        Other names for the classes, in the order of the estimator's ``classes_``.
    name : str, optional
        How reports and descriptions call the model; default: its class name in snake case.
    check : frame, optional
        Rows to compare predictions on, beside the automatic ones.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If the model is not supported, not fitted, has several outputs, or reads columns that the
        space does not have.
    ModelParityError
        If the imported model predicts differently; names the first row that does.

    Notes
    -----
    The automatic rows are uniform over the range of the thresholds and, for a sample of the
    splits, at the threshold and its neighbours in float32 and float64. Rows with missing values
    are refused everywhere (`DataError`), also for models that were fitted on such rows.
    """
    if isinstance(obj, Model):
        if not all(given is None for given in (output, classes, name)):
            raise ModelError("a Model is already imported; pass the estimator to import it anew")
        model = obj
    elif "sklearn" in sys.modules:
        from sondage.models.sklearn import import_estimator

        model = import_estimator(obj, output=output, classes=classes, name=name, check=check)
    else:
        raise ModelError(not_supported(obj))
    if space is None:
        return model
    if model.feature_names is None and len(space.columns) == model.n_features:
        return model.with_feature_names(space.columns)
    model.columns_in(space)
    return model


def not_supported(obj: object) -> str:
    """Say that `obj` is no supported model, and what is one."""
    kind = type(obj)
    return (
        f"{kind.__module__}.{kind.__qualname__} is not supported; this version imports {SUPPORTED}"
    )
