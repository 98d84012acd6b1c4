"""Gaussian noise on all parameters of a model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sondage._numbers import whole
from sondage.ask import seed_key
from sondage.errors import ModelError, SamplingError
from sondage.frames import plain
from sondage.models import Model, ensemble
from sondage.models._parameters import Parameters
from sondage.models._torch_parameters import TorchParameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gaussian"]


def gaussian(
    model: Model, scale: float, n: int, seed: int | np.random.SeedSequence | None = None
) -> Model:
    """Draw models around a trained one: N(0, scale²) noise on each of its parameters.

    Parameters
    ----------
    model : Model
        A linear model, a dense net, a pipeline that ends in one, or any torch module.
    scale : float
        Standard deviation of the noise, the same for every parameter and in its own unit; at least
        zero.
    n : int
        Models.
    seed : int or SeedSequence, optional
        The same seed gives the same models, and the first of them whatever `n`.

    Returns
    -------
    Model
        An ensemble of n models of equal weight; the model itself is not among them.

    Raises
    ------
    ModelError
        If the model has no such parameters, as trees, or is an ensemble already.
    SamplingError
        For an argument that is not allowed.

    Notes
    -----
    Parameters are weights and intercepts, and the scales and shifts that BatchNorm learned; of a
    torch module all of its `parameters()`. What a pipeline does before the model (scalers,
    encoders), what it does after it (calibration), and running statistics stay as they are. An
    intercept that was not fitted gets no noise. Parameters of float32 stay of float32.
    """
    if not isinstance(model, Model):
        raise ModelError(f"a sondage.Model is needed, not {type(model).__name__}; see as_model")
    if model._members is not None:
        raise ModelError(f"{model.name} is an ensemble already; give one of its members")
    sd, n = _scale(scale), whole("n", n, 1)
    rng = np.random.default_rng(np.random.SeedSequence(seed_key(seed)[0]))
    found = TorchParameters.of(model) or Parameters.of(model)
    return ensemble(
        [found.model_with(_moved(found, sd, rng)) for _ in range(n)],
        name=f"{model.name}_with_noise",
    )


def _moved(
    found: Parameters | TorchParameters, scale: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    size = len(found.values)
    if found.single:
        noise = rng.standard_normal(size, dtype=np.float32)
        moved = found.values.astype(np.float32) + np.float32(scale) * noise
        return moved.astype(np.float64)
    return found.rounded(found.values + scale * rng.standard_normal(size))


def _scale(value: object) -> float:
    scale = plain(value)
    if (
        isinstance(scale, bool)
        or not isinstance(scale, int | float)
        or not math.isfinite(scale)
        or scale < 0.0
    ):
        raise SamplingError(f"scale={value!r} must be a finite number of at least zero")
    return float(scale)
