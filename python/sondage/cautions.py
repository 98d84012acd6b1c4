"""The rules by which an answer is warned about, each warning with a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sondage._text import count, percent, plural, round_up
from sondage._text import rhat as rhat_text
from sondage.convergence import MIN_DRAWS, available
from sondage.run_statistics import RunStatistics, acceptance
from sondage.tempering import LEAST_RATE, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.answer import Answer

RHAT_GOOD = 1.01
RHAT_BAD = 1.05
ESS_PER_CHAIN = 100
MIN_CHAINS = 4

# Share of accepted proposals outside which a kernel wastes its steps: (too low, too high).
# Optima: 0.23 to 0.44 for a random walk, 0.57 for MALA (Roberts and Rosenthal 2001), 0.40 for
# Barker steps (Vogrinc, Livingstone and Zanella 2023).
ACCEPTANCE = {"walk": (0.08, 0.75), "mala": (0.2, 0.95), "barker": (0.12, 0.9)}

Severity: TypeAlias = Literal["serious", "caution", "note"]


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001  (read as sondage.diagnostics.Warning)
    """Something about an answer that its reader must know, and what to do about it.

    Parameters
    ----------
    text : str
        What is the matter.
    remedy : str
        What to do.
    severity : {"serious", "caution", "note"}
        Serious: do not rely on the answer. Caution: rely on it with the remedy in mind.
        Note: nothing is wrong with the sample itself.
    """

    text: str
    remedy: str
    severity: Severity = "caution"

    def __str__(self) -> str:
        return f"{self.text} → {self.remedy}"


def status_warnings(answer: Answer) -> list[Warning]:
    """Say that the run did not complete."""
    _, draws, _ = answer.draws.shape
    asked = answer.settings.draws
    texts: dict[str, tuple[str, str, Severity]] = {
        "interrupted": (
            f"The run was interrupted with {draws:,} of {asked:,} draws a chain.",
            "Ask again with the same seed for the whole answer.",
            "caution",
        ),
        "timed_out": (
            f"The time limit ended the run with {draws:,} of {asked:,} draws a chain.",
            "Raise max_seconds, or ask for fewer draws.",
            "caution",
        ),
        "failed": (
            f"The run failed with {draws:,} of {asked:,} draws a chain.",
            "Mend the cause, which the error named, and ask again.",
            "serious",
        ),
    }
    if answer.status == "interrupted" and draws == asked:
        texts["interrupted"] = (
            "The run was interrupted while the model confirmed its draws; those it had not come "
            "to are marked as not valid.",
            "Pass the rows of answer.frame to the model, or ask again with the same seed.",
            "caution",
        )
    found = [Warning(*texts[answer.status])] if answer.status in texts else []
    if draws == 0:
        found.append(
            Warning("The answer holds no draws.", "Allow the run to pass its warm-up.", "serious")
        )
    return found


def exactness_warnings(answer: Answer) -> list[Warning]:
    """Say that the draws do not follow the stated density."""
    if answer.statistics.exact:
        return []
    if answer.settings.boundary == "clip":
        return [
            Warning(
                "The clip boundary does not keep the stated density: draws pile up at the bounds.",
                'Use boundary="reflect"; clip is there to reproduce published results.',
                "serious",
            )
        ]
    return [
        Warning(
            "The kernel does not keep the stated density exactly "
            "(a drift with fresh noise is not corrected for).",
            'Use noise="shared" or noise="frozen", or another kernel.',
            "serious",
        )
    ]


def stuck_warnings(answer: Answer) -> list[Warning]:
    """Name chains that never moved."""
    chains, draws, _ = answer.draws.shape
    if draws < MIN_DRAWS or not answer.space.free:
        return []
    stuck = [
        chain
        for chain in range(chains)
        if np.array_equal(
            answer.draws[chain],
            np.broadcast_to(answer.draws[chain, :1], answer.draws[chain].shape),
            equal_nan=True,
        )
    ]
    if not stuck:
        return []
    shown = ", ".join(str(chain) for chain in stuck[:8]) + (", …" if len(stuck) > 8 else "")
    word = "Chain" if len(stuck) == 1 else "Chains"
    return [
        Warning(
            f"{word} {shown} never moved.",
            "Raise temperature or warmup, leave the kernel's scale to adaptation, or use another "
            "kernel; a requirement may leave too little room.",
            "serious",
        )
    ]


def convergence_warnings(
    answer: Answer,
    names: Sequence[str],
    rhat: NDArray[np.float64],
    ess: NDArray[np.float64],
    tail: NDArray[np.float64],
) -> list[Warning]:
    """Say that chains disagree, or are worth too few independent draws."""
    chains, draws, _ = answer.draws.shape
    if draws == 0:
        return []
    if not available():
        return [
            Warning(
                "R-hat and effective sample sizes were not computed: arviz-stats is not installed.",
                "pip install 'sondage[arviz]'",
            )
        ]
    if draws < MIN_DRAWS:
        return [
            Warning(
                f"{plural(draws, 'draw')} a chain are too few to tell whether the chains agree.",
                f"Ask for draws={ESS_PER_CHAIN} or more.",
                "serious",
            )
        ]
    found = []
    if chains < MIN_CHAINS:
        blind = "it cannot be seen" if chains == 1 else "it is hard to see"
        found.append(
            Warning(
                f"With {plural(chains, 'chain')}, {blind} whether chains agree.",
                f"Use chains={MIN_CHAINS} or more.",
            )
        )
    worst, wanted = largest(rhat), ESS_PER_CHAIN * chains
    disagree = worst is not None and worst > RHAT_GOOD
    sizes = [(smallest(values), kind, values) for kind, values in (("bulk", ess), ("tails", tail))]
    short = next((size for size in sizes if size[0] is not None and size[0] < wanted), None)
    enough = round_up(max(4 * draws, ESS_PER_CHAIN)) if disagree else draws
    if short is not None and short[0] is not None:
        enough = max(enough, round_up(1.1 * draws * wanted / max(short[0], 1.0)))
    more = f"Ask for draws={enough:,} a chain ({enough - draws:,} more)"
    if worst is not None and disagree:
        bad = worst > RHAT_BAD
        found.append(
            Warning(
                f"The chains {'disagree' if bad else 'do not quite agree yet'}: R-hat is "
                f"{rhat_text(worst)} for {names[int(np.nanargmax(rhat))]} "
                f"(at most {RHAT_GOOD} is wanted).",
                f"{more} and look at plot.trace(); if it stays, the answer has parts that the "
                f"chains cannot cross between: {_across(answer)}.",
                "serious" if bad else "caution",
            )
        )
    if short is not None:
        least, kind, values = short
        found.append(
            Warning(
                f"The draws are worth only {count(least)} independent ones in the {kind} of "
                f"{names[int(np.nanargmin(values))]} ({count(wanted)} are wanted).",
                f"{more}.",
            )
        )
    return found


def _across(answer: Answer) -> str:
    """Say what carries chains across."""
    if answer.statistics.tempering is None:
        return f"exchange rows with higher temperatures, kernel={suggestion(answer)}"
    return "add temperatures above the highest, where they can"


def swap_warnings(answer: Answer) -> list[Warning]:
    """Say that rows do not pass from one temperature to the next."""
    found = answer.statistics.tempering
    if found is None or answer.draws.shape[1] < MIN_DRAWS:
        return []
    rates = found.swap_rates
    at = int(np.argmin(rates))
    low, high = found.temperatures[at : at + 2]
    enough = max(found.wanted, len(rates) + 2)
    more = (
        f"Use {enough} temperatures or more from {found.temperatures[0]:g} to "
        f"{found.temperatures[-1]:g}"
    )
    if rates[at] < LEAST_RATE:
        return [
            Warning(
                f"Rows hardly pass between temperatures: of the exchanges between τ = "
                f"{low:g} and {high:g}, {percent(rates[at])} are accepted.",
                f"{more}.",
            )
        ]
    if not any(found.round_trips):
        return [
            Warning(
                "No row has gone from the lowest temperature to the highest and back, so the "
                "higher ones have hardly helped.",
                f"Ask for more draws a chain, or lengthen warmup. {more} if it stays.",
            )
        ]
    return []


def count_warnings(answer: Answer, share_valid: float | None) -> list[Warning]:
    """Say that the model failed on rows, or does not confirm what was asked."""
    found = []
    nonfinite = sum(answer.statistics.nonfinite)
    if nonfinite:
        total = max(sum(answer.statistics.steps), 1)
        found.append(
            Warning(
                f"The model returned NaN or infinity {nonfinite:,} times "
                f"({percent(min(nonfinite / total, 1.0))} of the steps); "
                "each counted as a rejection.",
                "Look at the model where it does so, or narrow the space.",
            )
        )
    flat = sum(answer.statistics.nonfinite_drift)
    if flat:
        found.append(
            Warning(
                f"The gradient of the question was NaN or infinite {flat:,} times; the drift "
                "counted as 0 there, which costs speed and no exactness.",
                "Look at the gradient of the model where it is so, or use RandomWalk.",
                "note",
            )
        )
    if share_valid is not None and share_valid < 1.0:
        found.append(
            Warning(
                f"The model itself confirms the asked outcome for {percent(share_valid)} "
                "of the draws.",
                "Filter on the column valid, lower temperature, or add sd.require(...).",
                "note",
            )
        )
    return found


def acceptance_warnings(statistics: RunStatistics, described: str) -> list[Warning]:
    """Name kernels that accept too few or too many proposals."""
    found = []
    for kernel in statistics.kernels:
        share = acceptance([kernel])
        limits = next(
            (pair for key, pair in ACCEPTANCE.items() if key in kernel.name.lower()), None
        )
        if share is None or limits is None or limits[0] <= share <= limits[1]:
            continue
        low = share < limits[0]
        found.append(
            Warning(
                f"{kernel.name} accepts {percent(share)} of its proposals, "
                f"{'too few' if low else 'so its steps are short'}.",
                f"Leave its scale or step to adaptation and lengthen warmup, "
                f"or give a {'smaller' if low else 'larger'} one than in {described}.",
            )
        )
    return found


def largest(values: NDArray[np.float64]) -> float | None:
    """Largest of the values that are not NaN; None if there is none."""
    present = values[~np.isnan(values)]
    return float(present.max()) if present.size else None


def smallest(values: NDArray[np.float64]) -> float | None:
    """Smallest of the values that are not NaN; None if there is none."""
    present = values[~np.isnan(values)]
    return float(present.min()) if present.size else None
