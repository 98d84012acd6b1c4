"""Refits of an estimator to resampled data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from sondage._numbers import whole
from sondage.ask import seed_key
from sondage.errors import DataError, ForeignModelWarning, MissingDependencyError, ModelError
from sondage.frames import to_narwhals
from sondage.models import Model, as_model, ensemble

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sondage.frames import FrameLike

__all__ = ["refit"]

#: Resamples that are drawn before one holds all classes.
_TRIES = 1000
#: Names of settings that seed an estimator's own randomness.
_SEEDS = ("random_state", "random_seed")


def refit(
    estimator: object,
    X: FrameLike,
    y: ArrayLike,
    n: int,
    seed: int | np.random.SeedSequence | None = None,
) -> Model:
    """Fit an estimator to bootstrap resamples of its data: a distribution for any kind of model.

    Parameters
    ----------
    estimator : scikit-learn, XGBoost, LightGBM or CatBoost estimator
        Fitted or not, a pipeline too; only its settings are used, and it is not changed.
    X : polars, pandas or pyarrow frame, or 2-D numpy array
        As `fit` takes it.
    y : array or column of shape (rows,)
    n : int
        Refits.
    seed : int or SeedSequence, optional
        The same seed gives the same resamples, and the first of them whatever `n`.

    Returns
    -------
    Model
        An ensemble of n models of equal weight, imported by `as_model`.

    Raises
    ------
    ModelError
        If the estimator cannot be cloned and fitted, or a fit of it fails; the library's exception
        is the cause.
    DataError
        If X and y differ in length, or a class is so rare that hardly any resample has it.

    Notes
    -----
    A resample draws as many rows as there are, with replacement (Efron 1979). One in which a class
    is missing is drawn again, so that all refits know the same classes: the law is the bootstrap's
    given that every class occurs. Each refit has seeds of its own, so the estimator's randomness is
    part of the distribution: every setting called ``random_state`` or ``random_seed``, also of the
    steps of a pipeline, is replaced by a number from `seed`.
    """
    n, kind = whole("n", n, 1), type(estimator).__name__
    if isinstance(estimator, Model) or not all(
        hasattr(estimator, name) for name in ("fit", "predict", "get_params", "set_params")
    ):
        raise ModelError(
            f"{kind} cannot be refitted; an estimator with fit, predict, "
            "get_params and set_params is needed, as scikit-learn's"
        )
    array = X if isinstance(X, np.ndarray) else np.empty(0)
    frame = None if isinstance(X, np.ndarray) else to_narwhals(X)
    rows = len(array if frame is None else frame)
    values = np.asarray(y)
    if values.ndim != 1 or len(values) != rows or rows == 0:
        raise DataError(
            f"X has {rows} rows and y the shape {values.shape}; a value for each row is needed"
        )
    clone, is_classifier = _tools()
    try:
        codes = _codes(values) if is_classifier(estimator) else None
        clone(estimator)
    except TypeError as error:
        raise ModelError(f"{kind} cannot be refitted: {error}") from error
    root = np.random.SeedSequence(seed_key(seed)[0])
    models = []
    for number in range(n):
        # Each by itself: adding refits changes none.
        rng = np.random.default_rng(np.random.SeedSequence(root.entropy, spawn_key=(number,)))
        chosen = _resample(rows, codes, rng)
        fresh = _seeded(clone(estimator), rng)
        given = array[chosen] if frame is None else frame[chosen].to_native()
        try:
            fresh.fit(given, values[chosen])
        except Exception as error:  # the user's estimator may raise anything
            raise ModelError(
                f"{kind} could not be fitted to resample {number}: {type(error).__name__}: {error}"
            ) from error
        with warnings.catch_warnings():
            if number:
                warnings.simplefilter("ignore", ForeignModelWarning)
            models.append(as_model(fresh, name=f"{kind} {number}"))
    return ensemble(models, name=f"{kind} refits")


def _resample(
    rows: int, codes: NDArray[np.int64] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    for _ in range(_TRIES):
        chosen = rng.integers(rows, size=rows)
        if codes is None or len(np.unique(codes[chosen])) == codes.max() + 1:
            return chosen
    assert codes is not None
    rare = int(np.bincount(codes).min())
    raise DataError(
        f"{_TRIES:,} resamples in a row lack a class of y, the rarest of which has {rare} of "
        f"{rows} rows; leave such classes out"
    )


def _tools() -> tuple[Any, Any]:
    try:
        from sklearn.base import clone, is_classifier
    except ImportError:
        raise MissingDependencyError(
            "refit clones estimators with scikit-learn: pip install scikit-learn"
        ) from None
    return clone, is_classifier


def _codes(values: NDArray[np.generic]) -> NDArray[np.int64]:
    number: dict[object, int] = {}
    codes = (number.setdefault(value, len(number)) for value in values.tolist())
    return np.fromiter(codes, np.int64, len(values))


def _seeded(estimator: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401
    seeds = {
        name: int(rng.integers(2**31 - 1))
        for name in sorted(estimator.get_params(deep=True))
        if name.rpartition("__")[2] in _SEEDS
    }
    return estimator.set_params(**seeds) if seeds else estimator
