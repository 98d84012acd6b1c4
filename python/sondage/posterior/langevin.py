"""Samples of a model's parameters by exact Langevin steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sondage._numbers import positive, whole
from sondage.ask import ask, seed_key
from sondage.columns import Continuous
from sondage.custom import custom
from sondage.errors import DataError, ModelError, SamplingError
from sondage.frames import listed, plain
from sondage.kernels import MALA
from sondage.models import Model, ensemble
from sondage.models._parameters import Parameters
from sondage.models._torch_parameters import TorchParameters, losses
from sondage.posterior._losses import GraphLoss, Target
from sondage.run_statistics import acceptance
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from sondage.frames import FrameLike

__all__ = ["langevin"]

Floats: TypeAlias = "NDArray[np.float64]"

#: Chains that run side by side: as many as the core advances in lockstep.
_CHAINS = 8
#: Half-width of the box around the fitted parameters, in units of the largest of them.
_FAR = 1e6
#: Steps of a chain after which it must have moved.
_TRIALS = 20


def langevin(
    model: Model,
    X: FrameLike,
    y: ArrayLike,
    *,
    temperature: float,
    draws: int,
    thin: int = 1,
    step: float,
    seed: int | np.random.SeedSequence | None = None,
) -> Model:
    """Draw models from q*(θ) ∝ exp(−F(θ)/τ) by Metropolis-adjusted Langevin steps.

    The law is MATH's equation 2, the steps are those of its section 3.1.
    F is the mean training loss without regulariser: −log p of the labels for a classifier,
    ½ (value − target)² for a regressor.

    Parameters
    ----------
    model : Model
        A linear model, a dense net, a pipeline that ends in one, or any torch module that gives
        logits or values. Chains start at its parameters.
    X : frame or array
        Training rows, as the model reads them.
    y : array or column of shape (rows,)
        Labels among the model's classes, or values.
    temperature : float
        τ, in the unit of F.
    draws : int
        Models, of all chains together.
    thin : int
        Steps for each model that is kept.
    step : float
        The step size η, fixed.
    seed : int or SeedSequence, optional
        The same seed gives the same models.

    Returns
    -------
    Model
        An ensemble of as many models of equal weight. Its `answer` holds the draws of the
        parameters with their diagnostics: acceptance, R-hat and effective sample sizes.

    Raises
    ------
    ModelError
        If the model has no parameters that could be moved, no logits, or an operation behind them
        without a gradient.
    DataError
        If X and y differ in length, or a label is none of the model's.
    SamplingError
        For an argument that is not allowed, or a step so long that no proposal is accepted.

    Notes
    -----
    Up to eight chains run side by side; as many steps as are kept are made before them and thrown
    away, on the way from the fitted parameters to the law. The parameter space is a box of a
    million times the largest parameter around them. Parameters are those of the last model of a
    pipeline; what comes before it stays as it was fitted. The acceptance uses all rows in every
    step: the law is exact, not that of a stochastic gradient.
    """
    if not isinstance(model, Model):
        raise ModelError(f"a sondage.Model is needed, not {type(model).__name__}; see as_model")
    if model._members is not None:
        raise ModelError(f"{model.name} is an ensemble; give one of its members")
    draws, thin = whole("draws", draws, 1), whole("thin", thin, 1)
    temperature, step = positive("temperature", temperature), positive("step", step)
    rows, target = _data(model, X, y)
    loss: Callable[[Floats], tuple[Floats, Floats]]
    found: Parameters | TorchParameters
    in_torch = TorchParameters.of(model)
    if in_torch is not None:
        _require_logits(model, in_torch)
        found, loss = in_torch, losses(in_torch, rows, target)
    else:
        found = Parameters.of(model)
        loss = GraphLoss.of(found, rows, target)
    both = _Remembered(loss)
    chains = min(_CHAINS, draws)
    kept = math.ceil(draws / chains)
    reach = _FAR * max(1.0, float(np.abs(found.values).max()))
    space = Space(
        {
            name: Continuous(float(value) - reach, float(value) + reach)
            for name, value in zip(found.names(), found.values, strict=True)
        }
    )
    answer = ask(
        custom(both.value, both.slope, name="mean_training_loss"),
        space,
        draws=kept,
        chains=chains,
        temperature=temperature,
        kernel=MALA(step, precondition=False),
        warmup=kept * thin,
        start=np.tile(found.values, (chains, 1)),
        seed=seed_key(seed)[0],
        thin=thin,
        boundary="reject",
        progress=False,
    )
    if acceptance(answer.statistics.kernels) == 0.0 and kept * thin >= _TRIALS:
        raise SamplingError(
            f"none of {chains * kept * thin:,} proposals was accepted: step={step} is too long at "
            f"temperature={temperature}; try a tenth of it"
        )
    # Draw after draw of all chains: the first models are of each.
    vectors = found.rounded(answer.draws.swapaxes(0, 1).reshape(-1, len(found.values))[:draws])
    together = ensemble(
        [found.model_with(vector) for vector in vectors], name=f"{model.name}_langevin"
    )
    return replace(together, answer=answer)


def _data(model: Model, X: FrameLike, y: ArrayLike) -> tuple[Floats, Target]:
    rows = model._rows(X, "X")
    given = np.asarray(y)
    if given.ndim != 1 or len(given) != len(rows) or len(rows) == 0:
        raise DataError(
            f"X has {len(rows)} rows and y the shape {given.shape}; a value for each row is needed"
        )
    if model.classes is not None:
        number = {label: index for index, label in enumerate(model.classes)}
        labels = [plain(label) for label in given]
        unknown = [label for label in labels if label not in number]
        if unknown:
            raise DataError(
                f"y holds {unknown[0]!r}, and the classes of {model.name} are "
                f"{listed(model.classes)}"
            )
        return rows, np.array([number[label] for label in labels], dtype=np.int64)
    try:
        values = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y must hold numbers for the regressor {model.name}") from error
    if not np.isfinite(values).all():
        position = int(np.argmin(np.isfinite(values)))
        raise DataError(f"y holds {values[position]} in row {position}; finite values are needed")
    return rows, values


def _require_logits(model: Model, found: TorchParameters) -> None:
    if model.classes is not None and found.source.output != "score":
        raise ModelError(
            f"{model.name} gives {found.source.output!r}, and langevin needs logits: import a "
            "module without its last Softmax or Sigmoid, with output='score'"
        )


@dataclass(slots=True)
class _Remembered:
    """A loss and its gradient, computed together and remembered for the rows last asked about."""

    loss: Callable[[Floats], tuple[Floats, Floats]]
    rows: Floats | None = field(default=None, init=False)
    found: tuple[Floats, Floats] | None = field(default=None, init=False)

    def _at(self, rows: Floats) -> tuple[Floats, Floats]:
        if self.found is None or self.rows is None or not np.array_equal(self.rows, rows):
            self.rows, self.found = rows.copy(), self.loss(rows)
        return self.found

    def value(self, rows: Floats) -> Floats:
        """Return the loss of each row of parameters."""
        return self._at(rows)[0]

    def slope(self, rows: Floats) -> Floats:
        """Return its gradient."""
        return self._at(rows)[1]
