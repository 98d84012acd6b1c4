"""Kernels: frozen, comparable, and strict about their parameters."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from sondage import _core
from sondage.ask import ask
from sondage.errors import SamplingError
from sondage.kernels import MALA, Barker, Conditional, Cycle, Kernel, Mixture, RandomWalk, Smoothed
from sondage.questions import near
from sondage.space import Continuous, Space

KERNELS = [
    RandomWalk(),
    RandomWalk(0.1),
    MALA(),
    MALA(step=0.01, drift="closed_form", precondition=False),
    MALA(drift=Smoothed(0.05, 4, "frozen")),
    Barker(),
    Barker(0.01),
    Conditional(),
    Mixture(Conditional(), RandomWalk(), weights=[2, 1]),
    Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4]),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_kernels_are_values(kernel: Kernel) -> None:
    assert eval(repr(kernel)) == kernel  # noqa: S307
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    assert hash(kernel) == hash(eval(repr(kernel)))  # noqa: S307
    assert sum(other == kernel for other in KERNELS) == 1
    assert isinstance(kernel._core(), _core.Kernel)


def test_numbers_of_numpy_become_plain_ones() -> None:
    assert repr(RandomWalk(np.float64(0.5))) == "RandomWalk(scale=0.5)"
    assert repr(Smoothed(directions=np.int64(3))) == (
        "Smoothed(sigma=None, directions=3, noise='shared')"
    )


def test_mixture_weights_are_shares() -> None:
    assert Mixture(Conditional(), RandomWalk()).weights == (0.5, 0.5)
    assert Mixture(Conditional(), RandomWalk(), weights=(3, 1)).weights == (0.75, 0.25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomWalk(0.0), r"RandomWalk\(scale=…\) is 0.0; a finite number above zero"),
        (lambda: RandomWalk(float("nan")), "is nan"),
        (lambda: RandomWalk(True), "is True"),
        (lambda: MALA(step=-1), r"MALA\(step=…\) is -1"),
        (lambda: MALA(drift="closed form"), "'gradient', 'closed_form' or sondage.Smoothed"),
        (lambda: MALA(precondition=1), "precondition=1"),
        (lambda: Barker(step=0), r"Barker\(step=…\) is 0"),
        (lambda: Smoothed(sigma=float("inf")), "sigma=…. is inf"),
        (lambda: Smoothed(directions=0), "directions=0"),
        (lambda: Smoothed(directions=2.5), "directions=2.5"),
        (lambda: Smoothed(noise="new"), "'shared', 'frozen', 'fresh'"),
        (lambda: Mixture(Conditional()), "at least two kernels"),
        (lambda: Cycle(Conditional()), "Cycle needs at least two kernels"),
        (lambda: Cycle(Conditional(), RandomWalk(), repeats=[1]), "2 kernels and 1 repeats"),
        (lambda: Cycle(Conditional(), RandomWalk(), repeats=[1, 0]), "holds 0"),
        (lambda: Mixture(Conditional(), "walk"), "Mixture holds 'walk'"),
        (lambda: Mixture(Conditional(), RandomWalk(), weights=[1]), "2 kernels and 1 weights"),
        (lambda: Mixture(Conditional(), RandomWalk(), weights=[1, 0]), "weights=…. is 0"),
    ],
)
def test_impossible_parameters_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        make()


def test_barker_moves_where_the_gradient_is_too_steep_for_the_step() -> None:
    space = Space({"wide": Continuous(0.0, 1.0), "narrow": Continuous(0.0, 1.0)})
    # Standard deviations of 0.7, cut by the space, and 0.007; those of a step are 0.03.
    question = near([0.5, 0.5], weights=[1.0, 1e4])

    def moved(kernel: Kernel) -> float:
        answer = ask(question, space, kernel=kernel, draws=2_000, warmup=100, seed=1)
        assert answer.statistics.exact
        return float((np.diff(answer.draws[..., 0], axis=1) != 0.0).mean())

    assert moved(Barker(0.0005)) > 0.3
    assert moved(MALA(0.0005)) < 0.02
