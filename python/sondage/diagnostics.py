"""Whether an answer can be trusted: numbers, and warnings with a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sondage._text import count, percent
from sondage._text import rhat as rhat_text
from sondage.cautions import (
    Severity,
    Warning,  # noqa: A004
    acceptance_warnings,
    convergence_warnings,
    count_warnings,
    exactness_warnings,
    largest,
    smallest,
    status_warnings,
    stuck_warnings,
    swap_warnings,
)
from sondage.run_statistics import KernelStatistics, RunStatistics, acceptance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.answer import Answer

__all__ = [
    "Diagnostics",
    "KernelStatistics",
    "RunStatistics",
    "Severity",
    "Verdict",
    "Warning",
    "diagnose",
]

Verdict: TypeAlias = Literal["trustworthy", "with care", "not trustworthy", "not assessed"]


@dataclass(frozen=True, slots=True, repr=False)
class Diagnostics:
    """Whether an answer can be trusted, in numbers and in words.

    Parameters
    ----------
    rhat_max : float or None
        Largest R-hat over the free columns and G; None where it cannot be computed.
    ess_min, ess_tail_min : float or None
        Smallest effective sample size (bulk; tail) over the free columns and G.
    steps_per_second : float or None
        Steps of all chains together per second of wall-clock time, warm-up included.
    acceptance : float or None
        Share of accepted proposals after warm-up over all kernels that reject, weighted by their
        steps; None if no kernel rejects.
    nonfinite : int
        How often the model returned NaN or infinity.
    share_valid : float or None
        Share of draws that the user's own model confirms; None without draws.
    exact : bool
        Whether the kernels leave the stated density exactly invariant.
    unique_share : float or None
        Distinct rows over rows; None without draws.
    warnings : tuple of Warning
        The most serious first.
    swap_rate : float or None
        Of a run at several temperatures, the share of accepted exchanges between the two
        neighbouring ones that accept the fewest.
    """

    rhat_max: float | None
    ess_min: float | None
    ess_tail_min: float | None
    steps_per_second: float | None
    acceptance: float | None
    nonfinite: int
    share_valid: float | None
    exact: bool
    unique_share: float | None
    warnings: tuple[Warning, ...]
    swap_rate: float | None = None

    @property
    def verdict(self) -> Verdict:
        """The judgement the warnings add up to."""
        severities = {warning.severity for warning in self.warnings}
        if "serious" in severities:
            return "not trustworthy"
        if self.rhat_max is None or self.ess_min is None:
            return "not assessed"
        return "with care" if "caution" in severities else "trustworthy"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.verdict == "trustworthy":
            return (
                f"Trustworthy: the chains agree (R-hat at most {rhat_text(self.rhat_max)}) and "
                f"every column is worth at least {count(self.ess_min)} independent draws."
            )
        if self.verdict == "not assessed":
            return "Not assessed: whether the chains agree could not be computed."
        first = next(w for w in self.warnings if w.severity != "note")
        lead = "Not trustworthy" if self.verdict == "not trustworthy" else "Usable with care"
        return f"{lead}: {first.text[0].lower()}{first.text[1:]}"

    def __repr__(self) -> str:
        lines = [self.sentence]
        values = {
            "R-hat max": rhat_text(self.rhat_max),
            "ESS min": count(self.ess_min),
            "ESS tail min": count(self.ess_tail_min),
            "acceptance": percent(self.acceptance),
            "valid": percent(self.share_valid),
            "distinct rows": percent(self.unique_share),
            "steps/s": count(self.steps_per_second),
            "non-finite": count(self.nonfinite),
            "exact": "yes" if self.exact else "no",
        }
        if self.swap_rate is not None:
            values["exchanges"] = percent(self.swap_rate)
        lines.append(" · ".join(f"{name} {value}" for name, value in values.items()))
        lines += [f"{warning.severity}: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def diagnose(answer: Answer) -> Diagnostics:
    """Judge an answer from its draws and its run statistics.

    Parameters
    ----------
    answer : Answer

    Returns
    -------
    Diagnostics
    """
    chains, draws, _ = answer.draws.shape
    names = [*answer.space.free, "G"]
    measured = answer._convergence
    moving = [answer.space.columns.index(name) for name in answer.space.free] + [-1]
    rhat, ess, tail = (
        values[moving] for values in (measured.rhat, measured.ess_bulk, measured.ess_tail)
    )
    statistics = answer.statistics
    rates = None if statistics.tempering is None else statistics.tempering.swap_rates
    share_valid = float(answer.valid.mean()) if chains * draws else None
    found = [
        *status_warnings(answer),
        *exactness_warnings(answer),
        *stuck_warnings(answer),
        *convergence_warnings(answer, names, rhat, ess, tail),
        *swap_warnings(answer),
        *count_warnings(answer, share_valid),
    ]
    if any(warning.severity != "note" for warning in found):
        found += acceptance_warnings(statistics, answer.settings.kernel)
    order: dict[Severity, int] = {"serious": 0, "caution": 1, "note": 2}
    seconds = statistics.seconds_warmup + statistics.seconds_sampling
    return Diagnostics(
        rhat_max=largest(rhat),
        ess_min=smallest(ess),
        ess_tail_min=smallest(tail),
        steps_per_second=sum(statistics.steps) / seconds if seconds > 0 else None,
        acceptance=acceptance(statistics.kernels),
        nonfinite=sum(statistics.nonfinite),
        share_valid=share_valid,
        exact=statistics.exact,
        unique_share=_unique_share(answer.draws),
        warnings=tuple(sorted(found, key=lambda warning: order[warning.severity])),
        swap_rate=None if rates is None else smallest(np.array(rates)),
    )


def _unique_share(draws: NDArray[np.float64]) -> float | None:
    chains, n, width = draws.shape
    if chains * n == 0 or width == 0:
        return None
    rows = np.ascontiguousarray(draws + 0.0).reshape(chains * n, width)
    distinct = int(np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * width)))).size)
    return float(distinct / (chains * n))
