"""An answer whose draws are those of a fitted law, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, get_args

import numpy as np

from sondage._text import plural
from sondage.answer import Answer
from sondage.cautions import (
    Severity,
    Warning,  # noqa: A004
    count_warnings,
    status_warnings,
)
from sondage.convergence import available
from sondage.diagnostics import Diagnostics, Verdict
from sondage.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Family", "FitDiagnostics", "VariationalAnswer", "pareto_khat"]

Family: TypeAlias = Literal["full", "mean_field"]

#: Largest k̂ with which importance weights would mend the difference (Vehtari et al. 2024).
KHAT_GOOD = 0.7
#: Draws below which k̂ says nothing, and a range of log ratios that is nothing but rounding.
_LEAST_DRAWS, _EQUAL = 100, 1e-6


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VariationalAnswer(Answer):
    """Independent draws of the Gaussian family's member nearest to ``p(x) ∝ exp(−G(x)/τ)``.

    Made by `sondage.variational`. The draws follow the fitted law, not p; there is one "chain".

    Parameters
    ----------
    family : {"full", "mean_field"}
    steps : int
        How many the fit was allowed.
    columns : tuple of str
        What the law is of: the free columns of the space, or of the latent rows of a pullback.
    mean : ndarray of shape (columns,)
        Of the fitted law, in the columns' units.
    covariance : ndarray of shape (columns, columns)
    elbo : ndarray
        −E[G] + τH of the law before and after each step of the fit, in the unit of G, the
        expectation over the fixed sample that the fit uses. It rises, but where a fit begins anew
        with other columns curved. Its last value is a lower bound of τ log ∫ exp(−G/τ), but for
        that sample's error.
    converged : bool
        Whether further steps would have changed nothing.
    curved : tuple of str
        Columns that are normal on the logistic scale between their bounds; the others are normal
        as they are.
    khat : float or None
        Pareto k̂ of the importance ratios p/q of the draws (Yao et al. 2018): how heavy the tail of
        what the fit misses is. Below 0.7 the fit is close. None where arviz-stats is not installed
        or the draws are fewer than 100.
    """

    family: Family
    steps: int
    columns: tuple[str, ...]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    elbo: NDArray[np.float64]
    converged: bool
    curved: tuple[str, ...]
    khat: float | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.family not in get_args(Family):
            raise DataError(f"family {self.family!r} must be one of {get_args(Family)}")
        d = len(self.columns)
        for name, shape in (("mean", (d,)), ("covariance", (d, d)), ("elbo", None)):
            array = np.asarray(getattr(self, name), dtype=np.float64).view()
            if shape is not None and array.shape != shape:
                raise DataError(f"{name} has shape {array.shape}; {shape} is needed")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """How near the fitted law is to what was asked for: numbers, and warnings with a remedy."""
        return _diagnose(self)

    def _call(self) -> tuple[str, dict[str, str]]:
        return "variational", {
            "family": repr(self.family),
            "temperature": repr(self.settings.temperature),
            "steps": repr(self.steps),
            "draws": repr(self.settings.draws),
            "seed": repr(self.settings.seed),
        }

    def to_json(self) -> dict[str, object]:
        """Return what an `Answer` does not have, as plain data."""
        return {
            "family": self.family,
            "steps": self.steps,
            "columns": list(self.columns),
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
            "elbo": self.elbo.tolist(),
            "converged": self.converged,
            "curved": list(self.curved),
            "khat": self.khat,
        }


def from_json(answer: Answer, data: Mapping[str, object]) -> VariationalAnswer:
    """Return the answer with what `VariationalAnswer.to_json` gave.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the data is of another shape.
    """
    khat = data["khat"]
    return VariationalAnswer(
        draws=answer.draws,
        energies=answer.energies,
        valid=answer.valid,
        space=answer.space,
        question=answer.question,
        settings=answer.settings,
        status=answer.status,
        statistics=answer.statistics,
        latents=answer.latents,
        family=cast("Family", data["family"]),
        steps=int(cast("int", data["steps"])),
        columns=_names(data["columns"]),
        mean=np.array(data["mean"], dtype=np.float64),
        covariance=np.array(data["covariance"], dtype=np.float64),
        elbo=np.array(data["elbo"], dtype=np.float64),
        converged=bool(data["converged"]),
        curved=_names(data["curved"]),
        khat=None if khat is None else float(cast("float", khat)),
    )


def _names(values: object) -> tuple[str, ...]:
    return tuple(str(name) for name in cast("list[object]", values))


@dataclass(frozen=True, slots=True, repr=False)
class FitDiagnostics(Diagnostics):
    """How near a fitted law is to the density that was asked for.

    Parameters
    ----------
    khat : float or None
        See `VariationalAnswer`.
    """

    khat: float | None = None

    @property
    def verdict(self) -> Verdict:
        """The judgement the warnings add up to; never "trustworthy": a fit is not the density."""
        if any(warning.severity == "serious" for warning in self.warnings):
            return "not trustworthy"
        return "not assessed" if self.khat is None else "with care"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.verdict == "not assessed":
            return "Not assessed: how near the fitted law is to the density could not be computed."
        # Not super(): a class with slots is made twice, and it means the first.
        return super(FitDiagnostics, self).sentence


def _diagnose(answer: VariationalAnswer) -> FitDiagnostics:
    n = answer.energies.size
    share_valid = float(answer.valid.mean())
    found = [
        *status_warnings(answer),
        *_fit_warnings(answer),
        *count_warnings(answer, share_valid),
    ]
    order: dict[Severity, int] = {"serious": 0, "caution": 1, "note": 2}
    return FitDiagnostics(
        rhat_max=None,
        ess_min=float(n),
        ess_tail_min=float(n),
        steps_per_second=None,
        acceptance=None,
        nonfinite=sum(answer.statistics.nonfinite),
        share_valid=share_valid,
        exact=False,
        unique_share=1.0,
        warnings=tuple(sorted(found, key=lambda warning: order[warning.severity])),
        khat=answer.khat,
    )


def _fit_warnings(answer: VariationalAnswer) -> list[Warning]:
    """Say how far the fitted law is from the density, and whether the fit came to an end."""
    remedy = "For draws of the density itself ask with kernel=MALA()."
    khat, limit = answer.khat, khat_limit(answer.energies.size)
    if khat is None:
        text = "The draws are those of a fitted Gaussian law, which may be far from the density."
        found = [Warning(text, remedy)]
    elif khat < limit:
        text = (
            "The draws are independent ones of a fitted Gaussian law, close to the stated density "
            f"but not of it (Pareto k̂ of the importance ratios is {khat:.2f}; below {limit:.2f} "
            "is close)."
        )
        found = [Warning(text, remedy)]
    else:
        text = (
            "The fitted Gaussian law is far from the stated density: Pareto k̂ of the importance "
            f"ratios is {khat:.2f} (below {limit:.2f} is close)."
        )
        found = [Warning(text, remedy, "serious")]
    if not answer.converged:
        after = plural(answer.steps, "step")
        found.append(Warning(f"The fit had not converged after {after}.", "Raise steps."))
    return found


def khat_limit(n: int) -> float:
    """Largest k̂ of n draws with which importance weights are of use (Vehtari et al. 2024)."""
    return float(min(1.0 - 1.0 / np.log10(n), KHAT_GOOD))


def pareto_khat(log_ratios: NDArray[np.float64]) -> float | None:
    """Shape of the tail of importance ratios, 0 where they hardly differ.

    Parameters
    ----------
    log_ratios : ndarray of shape (draws,)
        log p/q, up to a constant.

    Returns
    -------
    float or None
        None where arviz-stats is not installed or the draws are fewer than 100.
    """
    # A ratio of zero, where G is infinite, is in nobody's tail.
    log_ratios = log_ratios[np.isfinite(log_ratios)]
    if len(log_ratios) < _LEAST_DRAWS or not available():
        return None
    if np.ptp(log_ratios) < _EQUAL:
        return 0.0
    stats = cast("_ArrayStats", import_module("arviz_stats.base").array_stats)
    _, khat = stats.psislw(-log_ratios)
    return max(float(khat), 0.0)


class _ArrayStats(Protocol):
    def psislw(
        self, ary: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
