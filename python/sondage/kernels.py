"""The kernels: how a chain moves. Each leaves the answer's density exactly invariant, or says so.

Formulas: MATH section 3. ``scale`` and ``step`` that are given stay fixed; ``None`` is adapted in
warm-up and then frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from sondage import _core as core
from sondage.errors import SamplingError
from sondage.frames import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MALA",
    "Barker",
    "Conditional",
    "Cycle",
    "Independence",
    "Kernel",
    "Mixture",
    "RandomWalk",
    "Smoothed",
    "Tempered",
]

NOISES = ("shared", "frozen", "fresh")
DRIFTS = ("gradient", "closed_form")
MOST_TEMPERATURES = 255  # of one run


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """Gaussian random-walk Metropolis on all free columns at once (MATH 3.2).

    Where conditions of the space (`Space.where`) tie columns together, half of the steps move two
    columns so that a linear expression of a condition keeps its value.
    Where values may be missing, a quarter of the steps lead from a number of one of these columns
    to a missing value or back to any number, with the exact acceptance; the others leave it.

    Parameters
    ----------
    scale : float, optional
        Standard deviation of a step as a fraction of each column's width. None: adapted in
        warm-up, then frozen.

    Raises
    ------
    SamplingError
        If the scale is not a finite number above zero.
    """

    scale: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _positive("RandomWalk(scale=…)", self.scale))

    def _core(self) -> core.Kernel:
        return core.Kernel.random_walk(self.scale)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """A drift for functions without a gradient: that of the Gaussian-smoothed energy (MATH 4).

    Estimated from antithetic pairs of evaluations.

    Parameters
    ----------
    sigma : float, optional
        Width of the smoothing as a fraction of each column's width. None: adapted in warm-up.
    directions : int
        Pairs of evaluations per estimate.
    noise : {"shared", "frozen", "fresh"}
        Whether the directions are drawn anew in each step and shared by the forward and the reverse
        move, drawn once for the run, or drawn anew for each (the papers' rule, which is not exact).

    Raises
    ------
    SamplingError
        For a value that is not allowed.
    """

    sigma: float | None = None
    directions: int = 8
    noise: Literal["shared", "frozen", "fresh"] = "shared"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", _positive("Smoothed(sigma=…)", self.sigma))
        directions = plain(self.directions)
        if isinstance(directions, bool) or not isinstance(directions, int) or directions < 1:
            raise SamplingError(
                f"Smoothed(directions={directions!r}) must be a whole number of at least 1"
            )
        object.__setattr__(self, "directions", directions)
        if self.noise not in NOISES:
            raise SamplingError(f"Smoothed(noise={self.noise!r}) must be one of {_either(NOISES)}")

    def _core(self) -> core.Drift:
        return core.Drift.smoothed(self.sigma, self.directions, self.noise)


@dataclass(frozen=True, slots=True)
class MALA:
    """Metropolis-adjusted Langevin steps of continuous columns that are never missing (MATH 3.1).

    Parameters
    ----------
    step : float, optional
        The step size η. None: adapted in warm-up, then frozen.
    drift : {"gradient", "closed_form"} or Smoothed
        The gradient of the energy, the closed-form gradient of a smoothed tree ensemble, or an
        estimate of the smoothed gradient. The acceptance uses the true energy with each.
    precondition : bool
        Scale each column by its spread in warm-up.

    Raises
    ------
    SamplingError
        For a value that is not allowed.
    """

    step: float | None = None
    drift: Literal["gradient", "closed_form"] | Smoothed = "gradient"
    precondition: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _positive("MALA(step=…)", self.step))
        if not isinstance(self.drift, Smoothed) and self.drift not in DRIFTS:
            raise SamplingError(
                f"MALA(drift={self.drift!r}) must be one of {_either(DRIFTS)} or sondage.Smoothed()"
            )
        if not isinstance(self.precondition, bool):
            raise SamplingError(f"MALA(precondition={self.precondition!r}) must be True or False")

    def _core(self) -> core.Kernel:
        if isinstance(self.drift, Smoothed):
            drift = self.drift._core()
        elif self.drift == "closed_form":
            drift = core.Drift.closed_form(None)
        else:
            drift = core.Drift.gradient()
        return core.Kernel.mala(self.step, drift, self.precondition)


@dataclass(frozen=True, slots=True)
class Barker:
    """Steps whose signs follow the gradient (MATH 3.6).

    They move continuous columns that are never missing. The length of a step is drawn without
    regard to the gradient, so it stays sensible where the gradient is much steeper at some points,
    or in some columns, than in warm-up; `MALA` gets further where it varies little. Each column is
    scaled by its spread in warm-up. Exact with the boundaries "reflect" and "reject".

    Parameters
    ----------
    step : float, optional
        The step size η, as in `MALA`: at temperature τ the standard deviation of a step is
        sqrt(2 η τ) times each column's width. None: adapted in warm-up, then frozen.

    Raises
    ------
    SamplingError
        If the step is not a finite number above zero.
    """

    step: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _positive("Barker(step=…)", self.step))

    def _core(self) -> core.Kernel:
        return core.Kernel.barker(self.step)


@dataclass(frozen=True, slots=True)
class Conditional:
    """Exact draws of one column given the others, each free column once a step (MATH 3.5).

    For questions about trees, whose energy is a step function of each column: no step size and no
    rejection. Conditions of the space that are not linear in a continuous column cost repeated
    draws (MATH 5).
    """

    def _core(self) -> core.Kernel:
        return core.Kernel.conditional()


@dataclass(frozen=True, slots=True)
class Independence:
    """Draws from the base measure, accepted by the question alone (an independence sampler).

    In each step one column, chosen at random, is drawn given all others; on a space with a
    reference together with the columns that depend on it, so that a step can change a whole row.
    One evaluation a step, for any model and any kind of column.
    """

    def _core(self) -> core.Kernel:
        return core.Kernel.independence()


#: A kernel that moves chains by itself.
Mover: TypeAlias = RandomWalk | MALA | Barker | Conditional | Independence


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Mixture:
    """In each step one of several kernels, chosen at random.

    Parameters
    ----------
    *kernels : RandomWalk, MALA, Barker, Conditional or Independence
        At least two.
    weights : sequence of float, optional
        Shares of the steps, above zero; normalised to sum to one. None: equal shares.

    Raises
    ------
    SamplingError
        For fewer than two kernels, something that is no kernel, or weights that do not fit.

    >>> Mixture(Conditional(), RandomWalk(0.1), weights=[3, 1])
    Mixture(Conditional(), RandomWalk(scale=0.1), weights=(0.75, 0.25))
    """

    kernels: tuple[Mover, ...]
    weights: tuple[float, ...]

    def __init__(self, *kernels: Mover, weights: Sequence[float] | None = None) -> None:
        _members("Mixture", kernels)
        given = [1.0] * len(kernels) if weights is None else [plain(weight) for weight in weights]
        if len(given) != len(kernels):
            raise SamplingError(f"Mixture has {len(kernels)} kernels and {len(given)} weights")
        numbers = [cast("float", _positive("Mixture(weights=…)", w, none=False)) for w in given]
        total = math.fsum(numbers)
        object.__setattr__(self, "kernels", tuple(kernels))
        object.__setattr__(self, "weights", tuple(number / total for number in numbers))

    def __repr__(self) -> str:
        return f"Mixture({', '.join(map(repr, self.kernels))}, weights={self.weights!r})"

    def _core(self) -> core.Kernel:
        return core.Kernel.mixture([kernel._core() for kernel in self.kernels], list(self.weights))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Cycle:
    """In each step all of several kernels, one after the other.

    Parameters
    ----------
    *kernels : RandomWalk, MALA, Barker, Conditional or Independence
        At least two, in the order in which they move the chain.
    repeats : sequence of int, optional
        How often each moves in one step, at least once. None: once.

    Raises
    ------
    SamplingError
        For fewer than two kernels, something that is no kernel, or repeats that do not fit.

    >>> Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4])
    Cycle(Conditional(), RandomWalk(scale=0.5), repeats=(1, 4))
    """

    kernels: tuple[Mover, ...]
    repeats: tuple[int, ...]

    def __init__(self, *kernels: Mover, repeats: Sequence[int] | None = None) -> None:
        _members("Cycle", kernels)
        given = [1] * len(kernels) if repeats is None else [plain(number) for number in repeats]
        if len(given) != len(kernels):
            raise SamplingError(f"Cycle has {len(kernels)} kernels and {len(given)} repeats")
        for number in given:
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 10_000:
                raise SamplingError(
                    f"Cycle(repeats=…) holds {number!r}; whole numbers from 1 to 10000 are needed"
                )
        object.__setattr__(self, "kernels", tuple(kernels))
        object.__setattr__(self, "repeats", tuple(given))

    def __repr__(self) -> str:
        return f"Cycle({', '.join(map(repr, self.kernels))}, repeats={self.repeats!r})"

    def _core(self) -> core.Kernel:
        return core.Kernel.cycle([kernel._core() for kernel in self.kernels], list(self.repeats))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Tempered:
    """Replica exchange: chains at several temperatures that exchange their rows (MATH 3.7).

    Each chain of the answer has one more at every higher temperature, where barriers between
    regions are low. After each step of the inner kernel neighbours in temperature exchange their
    rows, with the probability that leaves each temperature's density exactly invariant; so rows
    that crossed a barrier come down. A step costs one step of the inner kernel for each
    temperature. Before the chains start, a pilot of the length of the warm-up moves the
    temperatures between the two ends to where neighbours exchange equally often (not with a
    warm-up below 16 steps); then they are frozen.

    Parameters
    ----------
    kernel : kernel or "auto"
        How each chain moves: any kernel but another `Tempered`; "auto" chooses as `ask` does.
    temperatures : sequence of float
        At least two, in the unit of G, ascending. The lowest is the answer's; both ends stay.

    Raises
    ------
    SamplingError
        For something that is no kernel, and for temperatures that are not finite, above zero and
        ascending.

    >>> Tempered("auto", [0.1, 0.3, 1.0])
    Tempered('auto', [0.1, 0.3, 1.0])
    """

    kernel: Mover | Mixture | Cycle | Literal["auto"]
    temperatures: tuple[float, ...]

    def __init__(
        self,
        kernel: Mover | Mixture | Cycle | Literal["auto"],
        temperatures: Sequence[float] | NDArray[np.float64],
    ) -> None:
        if kernel != "auto" and not isinstance(kernel, Mover | Mixture | Cycle):
            raise SamplingError(
                f"Tempered takes {kernel!r}; 'auto', RandomWalk, MALA, Barker, Conditional, "
                "Independence, Mixture or Cycle is needed"
            )
        try:
            given = list(temperatures)
        except TypeError:
            raise SamplingError(
                f"Tempered(temperatures={temperatures!r}) must be a sequence of numbers"
            ) from None
        what = "a temperature of Tempered"
        ladder = [cast("float", _positive(what, value, none=False)) for value in given]
        if not 2 <= len(ladder) <= MOST_TEMPERATURES:
            raise SamplingError(
                f"Tempered has {len(ladder)} temperatures; 2 to {MOST_TEMPERATURES} are needed, "
                "the lowest first"
            )
        for low, high in pairwise(ladder):
            if low >= high:
                raise SamplingError(
                    f"Tempered(temperatures={ladder}) must ascend: {high} follows {low}"
                )
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "temperatures", tuple(ladder))

    def __repr__(self) -> str:
        return f"Tempered({self.kernel!r}, {list(self.temperatures)!r})"

    def _core(self) -> core.Kernel:
        if self.kernel == "auto":
            raise SamplingError("Tempered('auto', …) has no kernel before a question has")
        return self.kernel._core()


Kernel: TypeAlias = Mover | Mixture | Cycle | Tempered


def _members(name: str, kernels: tuple[object, ...]) -> None:
    if len(kernels) < 2:
        raise SamplingError(f"{name} needs at least two kernels: {name}(kernel_1, kernel_2)")
    for kernel in kernels:
        if not isinstance(kernel, Mover):
            raise SamplingError(
                f"{name} holds {kernel!r}; its members are RandomWalk, MALA, Barker, Conditional "
                "or Independence"
            )


def _positive(what: str, value: object, *, none: bool = True) -> float | None:
    value = plain(value)
    if value is None and none:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise SamplingError(f"{what} is {value!r}; a finite number above zero is needed")
    return float(value)


def _either(options: tuple[str, ...]) -> str:
    return ", ".join(repr(option) for option in options)
