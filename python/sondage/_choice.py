"""Which kernel a question and its space call for, and how long it warms up."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sondage.errors import SamplingError
from sondage.frames import listed
from sondage.kernels import (
    MALA,
    Barker,
    Conditional,
    Cycle,
    Independence,
    Kernel,
    Mixture,
    RandomWalk,
    Tempered,
)

if TYPE_CHECKING:
    from sondage import _core
    from sondage.kernels import Mover
    from sondage.space import Space

__all__ = ["choose_kernel", "default_warmup", "require_moved"]

_KERNELS = (RandomWalk, MALA, Barker, Conditional, Independence, Mixture, Cycle)


def choose_kernel(
    kernel: object, energy: _core.Energy, outside: tuple[str, ...] = ()
) -> tuple[Kernel, str]:
    """Return the kernel to use, and why; `outside` names the models that the core leaves out."""
    if isinstance(kernel, Tempered):
        inner, reason = choose_kernel(kernel.kernel, energy, outside)
        return Tempered(cast("Mover | Mixture | Cycle", inner), kernel.temperatures), reason
    if isinstance(kernel, _KERNELS):
        return kernel, "asked for"
    if kernel != "auto":
        raise SamplingError(
            f"kernel={kernel!r} must be 'auto', RandomWalk, MALA, Barker, Conditional, "
            "Independence, Mixture, Cycle or Tempered"
        )
    if energy.stepwise:
        return _for_steps(energy)
    slope = energy.differentiable and energy.sloped and energy.continuous
    once = bool(outside) or energy.averages
    why = []
    # Kernels, how often each moves in a cycle, and its weight where a step is one of them.
    parts: list[tuple[Kernel, int, float]] = []
    if energy.drawn and not once:
        parts.append((Conditional(), 1, 1))
        why.append(
            "integer and categorical columns of few values are drawn exactly, by evaluating the "
            "question at every value"
        )
    if slope:
        # Integers and categories move by walks alone.
        parts.append((MALA(), 1, 1 if energy.mixed else 3))
        why.append("the question has a gradient, which finds the way inside a region")
    # A sweep costs an evaluation at each value; steps worth a part of it cost little beside it.
    beside = energy.evaluated if not once else 0
    walks = max(6 if slope else 4, beside // 8) if not energy.referenced else 2
    parts.append((RandomWalk(), walks, 1))
    if slope:
        why.append("joint steps of any length carry chains between regions that lie apart")
    elif energy.drawn and not once:
        why.append(
            "joint steps of any length move the rest, and carry chains between regions that lie "
            "apart"
        )
    else:
        why.append("the question has neither exact conditional draws nor a gradient")
    if energy.referenced:
        parts.append((Independence(), max(6, beside // 2), sum(weight for *_, weight in parts)))
        why.append(f"{_REDRAWN}, as often as not")
    if len(parts) == 1 and outside:
        why.append(
            f"the own library of {listed(outside)} gives outputs in one batched call a step for "
            "all chains"
        )
    elif once and len(parts) > 1:
        why.append(_one_call(outside))
    return _together(parts, mixed=once), "; ".join(why)


_REDRAWN = "rows are drawn anew from the reference, in part or whole"


def _for_steps(energy: _core.Energy) -> tuple[Kernel, str]:
    """Return the kernel for questions that have exact conditional draws of all columns."""
    if not energy.asks:
        return Conditional(), (
            "the question asks no model, so its columns are independent and each is drawn exactly"
        )
    drawn = (
        "every model in the question is constant between thresholds, so each column is drawn "
        "exactly given the others, without step size or rejection"
    )
    if energy.referenced:
        return Cycle(Conditional(), Independence(), repeats=[1, 10]), (
            f"{drawn}; after each such sweep {_REDRAWN}, which is cheap beside it and carries "
            "chains between regions that differ in several columns at once"
        )
    return Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4]), (
        f"{drawn}; four long joint steps after each such sweep, cheap beside it, carry chains "
        "between regions that differ in several columns at once"
    )


def _one_call(outside: tuple[str, ...]) -> str:
    if outside:
        return (
            f"a step is one of these: one batched call of {listed(outside)} for all chains, and "
            "one back where it takes the gradient"
        )
    return "a step is one of these, so one pass over all members"


def _together(parts: list[tuple[Kernel, int, float]], *, mixed: bool) -> Kernel:
    kernels = [cast("Mover", kernel) for kernel, *_ in parts]
    if len(kernels) == 1:
        return kernels[0]
    if mixed:
        return Mixture(*kernels, weights=[weight for *_, weight in parts])
    return Cycle(*kernels, repeats=[repeat for _, repeat, _ in parts])


def default_warmup(kernel: Kernel) -> int:
    """Return the steps of warm-up: 200 where all draw exactly and none adapts, else 1000."""
    moved = kernel.kernel if isinstance(kernel, Tempered) else kernel
    parts = moved.kernels if isinstance(moved, Cycle) else (moved,)
    walks = [part for part in parts if part != Conditional()]
    fixed = all(
        isinstance(walk, Independence) or (isinstance(walk, RandomWalk) and walk.scale is not None)
        for walk in walks
    )
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
        f"{kernel!r} does not move column {name!r}, which is {space.kinds[name]!r}: MALA and "
        "Barker move continuous columns that are never missing, Conditional those that it can draw "
        "exactly, RandomWalk and Independence all; combine them, as in "
        "Cycle(MALA(), RandomWalk())"
    )
