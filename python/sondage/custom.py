"""Questions of the user's own making: functions of rows, and losses of the outputs of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sondage._arguments import require_model, require_proba
from sondage._terms import Custom, OutputLoss
from sondage._terms.custom import called
from sondage.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from sondage._question import Question
    from sondage.models import Model

__all__ = ["custom", "term"]

OUTPUTS = ("proba", "score", "value")


def custom(
    function: Callable[[NDArray[np.float64]], Any],
    gradient: Callable[[NDArray[np.float64]], Any] | None = None,
    *,
    name: str | None = None,
) -> Question:
    """Ask for rows where a function of the row itself is small.

    Parameters
    ----------
    function : callable
        From rows, a float64 array (rows, columns) of all columns of the space in its order, to a
        number for each, (rows,). A level of a categorical column is its position in the column's
        levels, a missing number NaN. A NaN or an infinity counts as a rejection, and is reported.
    gradient : callable, optional
        From rows to the slopes of the function in each column, (rows, columns). Without one the
        question has no gradient.
    name : str, optional
        How descriptions and errors call it; default: the function's own name.

    Raises
    ------
    QuestionError
        If an argument is not callable, or the name is empty.

    Notes
    -----
    Two such questions are equal if they hold the same functions.

    >>> def far_out(rows):
    ...     return (rows**2).sum(axis=1)
    >>> custom(far_out)
    custom(far_out)
    >>> custom(far_out).describe()
    'Find rows where the function far_out is small (penalty: its value).'
    """
    _require_callable("function", function)
    if gradient is not None:
        _require_callable("gradient", gradient)
    return Custom(function, gradient, _name(name, function))


def term(
    models: Model | list[Model] | tuple[Model, ...],
    loss: Callable[..., Any],
    *,
    gradient: Callable[..., Any] | None = None,
    output: Literal["proba", "score", "value"] | None = None,
    name: str | None = None,
) -> Question:
    """Ask for rows where a loss of the outputs of models is small.

    Parameters
    ----------
    models : Model, or list or tuple of Model
        Of an ensemble, the question is the mean of the loss over its members (of every combination
        of members, where several are ensembles).
    loss : callable
        From the outputs of each model, float64 arrays (rows, width), to a number for each row,
        (rows,): ``loss(a)`` of one model, ``loss(a, b)`` of two.
    gradient : callable, optional
        From the same outputs to the slopes of the loss in them, an array of the shape of each: one
        array for one model, a tuple for several. Without one the question has no gradient.
    output : {"proba", "score", "value"}, optional
        Probabilities (rows, classes); scores, (rows, 1) where they are one number; or values
        (rows, 1) of regressors. None: probabilities where a model has any, else scores.
    name : str, optional
        How descriptions and errors call the loss; default: its own name.

    Raises
    ------
    QuestionError
        If an argument is not callable, or a model has no such output.

    Notes
    -----
    Two such questions are equal if they hold equal models and the same functions.
    """
    asked = tuple(models) if isinstance(models, list | tuple) else (models,)
    if not asked:
        raise QuestionError("term needs at least one model")
    _require_callable("loss", loss)
    if gradient is not None:
        _require_callable("gradient", gradient)
    if output is not None and output not in OUTPUTS:
        raise QuestionError(f"output={output!r} must be one of {', '.join(map(repr, OUTPUTS))}")
    for model in asked:
        require_model(model)
        if output == "proba":
            require_proba(model, "output='proba'", "use output='score'")
        if output == "value" and model.classes is not None:
            raise QuestionError(
                f"output='value' is for regressors; {model.name} is a classifier: use "
                "output='proba' or 'score'"
            )
    return OutputLoss(asked, loss, gradient, output, _name(name, loss))


def _require_callable(what: str, function: object) -> None:
    if not callable(function):
        raise QuestionError(f"{what} is {type(function).__name__}; a callable is needed")


def _name(name: object, function: object) -> str:
    if name is None:
        return called(function)
    if not isinstance(name, str) or not name.strip():
        raise QuestionError(f"name={name!r} must be a non-empty string")
    return name
