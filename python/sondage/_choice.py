"""Which kernel a question and its space call for, and how long it warms up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sondage.errors import SamplingError
from sondage.frames import listed
from sondage.kernels import MALA, Conditional, Cycle, Kernel, Mixture, RandomWalk

if TYPE_CHECKING:
    from sondage import _core
    from sondage.space import Space

__all__ = ["choose_kernel", "default_warmup", "require_moved"]

_KERNELS = (RandomWalk, MALA, Conditional, Mixture, Cycle)


def choose_kernel(
    kernel: object, energy: _core.Energy, outside: tuple[str, ...] = ()
) -> tuple[Kernel, str]:
    """Return the kernel to use, and why; `outside` names the models that the core leaves out."""
    if isinstance(kernel, _KERNELS):
        return kernel, "asked for"
    if kernel != "auto":
        raise SamplingError(
            f"kernel={kernel!r} must be 'auto', RandomWalk, MALA, Conditional, Mixture or Cycle"
        )
    if energy.stepwise and not energy.asks:
        return Conditional(), (
            "the question asks no model, so its columns are independent and each is drawn exactly"
        )
    if energy.stepwise:
        return Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4]), (
            "every model in the question is constant between thresholds, so each column is drawn "
            "exactly given the others, without step size or rejection; four long joint steps after "
            "each such sweep, cheap beside it, carry chains between regions that differ in several "
            "columns at once"
        )
    slope = energy.differentiable and energy.sloped and energy.continuous
    if outside and not slope:
        return RandomWalk(), (
            "the question has no gradient; the own library of "
            f"{listed(outside)} gives outputs in one batched call a step for all chains"
        )
    if not slope and not energy.drawn:
        return RandomWalk(), "the question has neither exact conditional draws nor a gradient"
    draws = (
        "integer and categorical columns of few values are drawn exactly, by evaluating the "
        "question at every value"
    )
    if not slope:
        return Cycle(Conditional(), RandomWalk(), repeats=[1, 4]), (
            f"{draws}; joint steps of any length move the rest, and carry chains between regions "
            "that lie apart"
        )
    why = (
        "the question has a gradient, which finds the way inside a region; joint steps of any "
        "length carry chains between regions that lie apart"
    )
    if outside or energy.averages:
        # Integers and categories move by walks alone.
        weights = [1, 1] if energy.mixed else [3, 1]
        if outside:
            why += (
                f"; a step is one of the two: one batched call of {listed(outside)} for all "
                "chains, and one back where it takes the gradient"
            )
        else:
            why += "; a step is one of the two, so one pass over all members"
        return Mixture(MALA(), RandomWalk(), weights=weights), why
    if energy.drawn:
        return Cycle(Conditional(), MALA(), RandomWalk(), repeats=[1, 1, 6]), f"{why}; {draws}"
    return Cycle(MALA(), RandomWalk(), repeats=[1, 6]), f"{why}, and cost little beside it"


def default_warmup(kernel: Kernel) -> int:
    """Return the steps of warm-up: 200 where all draw exactly and none adapts, else 1000."""
    parts = kernel.kernels if isinstance(kernel, Cycle) else (kernel,)
    walks = [part for part in parts if part != Conditional()]
    fixed = all(isinstance(walk, RandomWalk) and walk.scale is not None for walk in walks)
    return 200 if fixed and len(walks) < len(parts) else 1000


def require_moved(kernel: Kernel, energy: _core.Energy, space: Space) -> None:
    """Refuse a kernel that leaves a column where it is.

    Raises
    ------
    SamplingError
        Names the first such column.
    """
    core = kernel._core()
    left = energy.left_by(core)
    if left is None:
        return
    name = space.columns[left]
    raise SamplingError(
        f"{kernel!r} does not move column {name!r}, which is {space.kinds[name]!r}: MALA moves "
        "continuous columns that are never missing, Conditional those that it can draw exactly, "
        "RandomWalk all; combine them, as in Cycle(MALA(), RandomWalk())"
    )
