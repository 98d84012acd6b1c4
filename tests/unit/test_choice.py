"""Which kernel is chosen, and that kernels asked for run."""

from dataclasses import dataclass, replace

import polars as pl
import pytest
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier

from sondage._choice import choose_kernel, default_warmup
from sondage.ask import ask
from sondage.custom import custom
from sondage.errors import SamplingError
from sondage.kernels import (
    MALA,
    Barker,
    Conditional,
    Cycle,
    Independence,
    Kernel,
    Mixture,
    RandomWalk,
)
from sondage.models import as_model
from sondage.questions import fixed_label, near
from sondage.space import Continuous, Integer, Space

X = load_wine().data[:, [0, 6, 9]]
FRAME = pl.DataFrame(X, schema=["a", "b", "c"])
SPACE = Space.from_frame(FRAME)
QUESTION = fixed_label(
    as_model(
        RandomForestClassifier(10, max_depth=3, random_state=0).fit(
            FRAME.to_pandas(), load_wine().target
        )
    ),
    0,
)


@dataclass(frozen=True)
class Facts:
    """What the core knows of a question on a space."""

    stepwise: bool
    differentiable: bool
    sloped: bool = True
    averages: bool = False
    asks: bool = True
    continuous: bool = True
    mixed: bool = False
    drawn: tuple[int, ...] = ()
    evaluated: int = 0
    referenced: bool = False


class TestKernels:
    def test_auto_picks_by_what_the_question_allows(self) -> None:
        cycle = Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4])
        assert choose_kernel("auto", Facts(True, False))[0] == cycle
        assert choose_kernel("auto", Facts(True, True, asks=False))[0] == Conditional()
        # A requirement is flat, so that nothing in the question lacks a gradient.
        assert choose_kernel("auto", Facts(True, True))[0] == cycle
        smooth = Cycle(MALA(), RandomWalk(), repeats=[1, 6])
        assert choose_kernel("auto", Facts(False, True))[0] == smooth
        mixture = Mixture(MALA(), RandomWalk(), weights=[3, 1])
        assert choose_kernel("auto", Facts(False, True, averages=True))[0] == mixture
        assert choose_kernel("auto", Facts(False, True), ("net",))[0] == mixture
        assert choose_kernel("auto", Facts(False, False))[0] == RandomWalk()
        assert choose_kernel(RandomWalk(0.1), Facts(True, True)) == (RandomWalk(0.1), "asked for")
        with pytest.raises(SamplingError, match="kernel='gibbs' must be"):
            choose_kernel("gibbs", Facts(True, True))

    def test_auto_moves_integers_and_categories(self) -> None:
        both = Facts(False, True, mixed=True, drawn=(0, 1))
        every = Cycle(Conditional(), MALA(), RandomWalk(), repeats=[1, 1, 6])
        assert choose_kernel("auto", both)[0] == every
        walked = Cycle(Conditional(), RandomWalk(), repeats=[1, 4])
        assert choose_kernel("auto", replace(both, differentiable=False))[0] == walked
        assert choose_kernel("auto", replace(both, continuous=False))[0] == walked
        many = Cycle(Conditional(), MALA(), RandomWalk(), repeats=[1, 1, 16])
        assert choose_kernel("auto", replace(both, evaluated=130))[0] == many
        again = Cycle(Conditional(), MALA(), RandomWalk(), Independence(), repeats=[1, 1, 2, 65])
        assert choose_kernel("auto", replace(both, evaluated=130, referenced=True))[0] == again
        alone = replace(both, continuous=False, drawn=())
        assert choose_kernel("auto", alone)[0] == RandomWalk()
        mixture = Mixture(MALA(), RandomWalk(), weights=[1, 1])
        assert choose_kernel("auto", replace(both, drawn=()), ("net",))[0] == mixture
        assert choose_kernel("auto", replace(both, averages=True))[0] == mixture
        trees = Cycle(Conditional(), RandomWalk(0.5), repeats=[1, 4])
        assert choose_kernel("auto", replace(both, stepwise=True, differentiable=False))[0] == trees

    def test_auto_draws_rows_anew_from_a_reference(self) -> None:
        trees = Facts(True, False, referenced=True)
        again = Cycle(Conditional(), Independence(), repeats=[1, 10])
        assert choose_kernel("auto", trees)[0] == again
        assert default_warmup(again) == 200
        smooth = replace(trees, stepwise=False, differentiable=True)
        every = Cycle(MALA(), RandomWalk(), Independence(), repeats=[1, 2, 6])
        assert choose_kernel("auto", smooth)[0] == every
        mixture = Mixture(MALA(), RandomWalk(), Independence(), weights=[3, 1, 4])
        assert choose_kernel("auto", smooth, ("net",))[0] == mixture
        flat = replace(smooth, differentiable=False)
        both = Mixture(RandomWalk(), Independence(), weights=[1, 1])
        assert choose_kernel("auto", flat, ("net",))[0] == both

    def test_every_column_is_moved(self) -> None:
        space = Space({"x": Continuous(0, 1), "n": Integer(0, 9), "wide": Integer(0, 100_000)})
        rows = near({"x": 0.5, "n": 3, "wide": 7})
        with pytest.raises(SamplingError, match=r"MALA.* does not move column 'n', .*RandomWalk"):
            ask(rows, space, kernel=MALA())
        with pytest.raises(SamplingError, match=r"Barker.* does not move column 'n'"):
            ask(rows, space, kernel=Barker())
        model = custom(lambda rows: rows[:, 0] ** 2, name="square")
        with pytest.raises(SamplingError, match=r"Conditional\(\) needs more of a model"):
            ask(model + rows, space, kernel=Conditional())
        answer = ask(rows, space, draws=50, chains=1, seed=0)
        assert answer.settings.kernel == "Conditional()"

    def test_warmup_by_kernel(self) -> None:
        assert default_warmup(Conditional()) == 200
        assert default_warmup(Cycle(Conditional(), RandomWalk(0.5))) == 200
        assert default_warmup(RandomWalk()) == default_warmup(MALA()) == 1000
        assert default_warmup(Barker()) == 1000
        assert default_warmup(Mixture(Conditional(), RandomWalk())) == 1000
        assert ask(QUESTION, SPACE, draws=1, chains=1, seed=0).settings.warmup == 200
        assert ask(QUESTION, SPACE, draws=1, chains=1, seed=0, warmup=0).settings.warmup == 0

    @pytest.mark.parametrize(
        "kernel",
        [
            RandomWalk(0.1),
            MALA(drift="closed_form"),
            Independence(),
            Mixture(Conditional(), RandomWalk()),
        ],
    )
    def test_the_kernel_asked_for_runs(self, kernel: Kernel) -> None:
        answer = ask(
            QUESTION, SPACE, draws=20, chains=3, temperature=0.2, warmup=20, seed=1, kernel=kernel
        )
        assert answer.status == "complete"
        assert answer.settings.kernel == answer.settings.kernel_requested == repr(kernel)
