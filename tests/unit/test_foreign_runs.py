"""Runs on models that only their own library evaluates: which calls, failures, early ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage.errors import ModelError, SamplingError
from sondage.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 3,
    "warmup": 20,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}
LINE = LogisticRegression(C=20).fit(X, Y)
PAIR = LogisticRegression(C=20).fit(X, Y == 1)
native = sd.as_model(LINE, space=SPACE, name="line")
forest = sd.as_model(
    RandomForestClassifier(8, max_depth=4, random_state=0).fit(X, Y), space=SPACE, name="forest"
)
ROWS = np.random.default_rng(0).random((200, 2))

Function = Callable[[Any], Any]


def foreign(function: Function, output: str, **options: Any) -> Model:
    return sd.as_model(function, space=SPACE, output=output, name="mine", **options)


def values(rows: Any) -> NDArray[np.float64]:
    return np.asarray(rows[:, 0] + 2.0 * rows[:, 1])


class Counted:
    """A function that knows how often it was called, and on how many rows."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.rows: list[int] = []

    def __call__(self, rows: Any) -> Any:
        self.rows.append(len(rows))
        return self.function(rows)


class TestCalls:
    def test_one_call_a_step_for_all_chains(self) -> None:
        call = Counted(PAIR.decision_function)
        mine = foreign(call, "score")
        question = sd.fixed_label(mine, 1) + sd.prediction_risky(mine) + sd.require(mine, 1)
        call.rows.clear()
        answer = sd.ask(question, SPACE, **SMALL | {"chains": 20, "draws": 10, "thin": 3})
        assert answer.status == "complete"
        # Starts, 50 steps, and the draws once more for `valid`.
        assert call.rows[-1] == 200
        assert call.rows[:-1].count(20) >= 50
        assert len(call.rows) < 70

    def test_a_member_is_called_once_for_itself_and_for_its_ensemble(self) -> None:
        call = Counted(native.proba)
        mine = foreign(call, "proba")
        both = sd.ensemble([mine, forest])
        call.rows.clear()
        (sd.fixed_label(both, 1) + sd.require(both, 1)).evaluate(ROWS, SPACE)
        assert call.rows == [len(ROWS)]

    def test_what_no_term_needs_is_not_computed(self) -> None:
        class Picky(GaussianNB):  # type: ignore[misc]
            def predict_proba(self, X: Any) -> Any:
                raise AssertionError(X)

        model = sd.as_model(Picky().fit(X, Y), space=SPACE)
        assert sd.ask(sd.require(model, 1), SPACE, **SMALL).valid.all()


class TestKernels:
    def test_auto_is_the_random_walk_and_says_why(self) -> None:
        settings = sd.ask(sd.fixed_label(foreign(values, "value"), 1.0), SPACE, **SMALL).settings
        assert settings.kernel == "RandomWalk(scale=None)"
        assert "the own library of 'mine'" in settings.kernel_reason
        assert "" not in settings.versions

    @pytest.mark.parametrize(
        "kernel",
        [
            sd.Conditional(),
            sd.MALA(drift="gradient"),
            sd.Barker(),
            sd.MALA(drift="closed_form"),
            sd.MALA(drift=sd.Smoothed()),
            sd.Mixture(sd.RandomWalk(), sd.Conditional()),
            sd.Cycle(sd.Conditional(), sd.RandomWalk(0.5)),
        ],
    )
    def test_others_are_refused(self, kernel: sd.Kernel) -> None:
        question = sd.fixed_label(forest, 1) + sd.require(foreign(native.proba, "proba"), 1)
        with pytest.raises(SamplingError, match=r"evaluated by its own library.*RandomWalk"):
            sd.ask(question, SPACE, **SMALL | {"kernel": kernel})


class TestFailures:
    def test_nan_is_a_rejection_and_counted(self) -> None:
        def holed(rows: Any) -> Any:
            return np.where(rows[:, 0] < 0.5, np.nan, values(rows))

        answer = sd.ask(sd.fixed_label(foreign(holed, "value"), 1.0), SPACE, **SMALL)
        assert (answer.draws[:, :, 0] >= 0.5).all()
        assert np.isfinite(answer.energies).all()
        assert sum(answer.statistics.nonfinite) > 10

    def test_minus_infinity_is_no_energy(self) -> None:
        def holed(rows: Any) -> Any:
            return np.where(rows[:, 0] < 0.5, -np.inf, values(rows))

        question = -1.0 * sd.fixed_label(foreign(holed, "value"), 1.0)
        answer = sd.ask(question, SPACE, **SMALL)
        assert (answer.draws[:, :, 0] >= 0.5).all()

    def test_a_model_that_raises_gives_the_answer_so_far(self) -> None:
        calls = 0

        def fragile(rows: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 50:
                raise ZeroDivisionError("no more")
            return values(rows)

        question = sd.fixed_label(foreign(fragile, "value"), (0.5, 1.5))
        # Where JAX is loaded, the import calls once to see whether it gives JAX's arrays.
        calls = 0
        with pytest.raises(
            SamplingError, match="mine could not evaluate 3 rows: ZeroDivisionError: no more"
        ) as failure:
            sd.ask(question, SPACE, **SMALL | {"draws": 1000})
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
        answer = failure.value.answer
        assert answer is not None
        assert answer.status == "failed"
        # A call for the starts, 48 steps, 20 of them warm-up.
        assert answer.draws.shape == (3, 28, 2)
        whole = sd.ask(sd.fixed_label(foreign(values, "value"), (0.5, 1.5)), SPACE, **SMALL)
        assert answer.draws.tobytes() == whole.draws[:, :28].tobytes()
        assert answer.valid.all() == whole.valid[:, :28].all()

    @pytest.mark.parametrize(
        ("output", "first", "then", "message"),
        [
            ("value", lambda rows: values(rows), lambda rows: rows, "it must be .rows,."),
            ("value", lambda rows: values(rows), lambda rows: values(rows)[1:], "for 3 rows"),
            ("score", LINE.decision_function, lambda rows: rows, "2 columns; its classes"),
            ("proba", LINE.predict_proba, lambda rows: values(rows), "tells two classes apart"),
            ("value", values, lambda _: None, "gave shape"),
            ("value", values, lambda rows: np.array(["a"] * len(rows)), "ValueError"),
        ],
    )
    def test_outputs_of_another_shape(
        self, output: str, first: Function, then: Function, message: str
    ) -> None:
        changing = Counted(lambda rows: (first if len(changing.rows) < 30 else then)(rows))
        mine = foreign(changing, output)
        target: Any = (1.0, 2.0) if output == "value" else 1
        with pytest.raises(SamplingError, match=f"mine could not evaluate.*{message}") as failure:
            sd.ask(sd.fixed_label(mine, target), SPACE, **SMALL)
        assert failure.value.__cause__ is not None
        answer = failure.value.answer
        assert answer is not None
        assert answer.draws.shape[1] > 0

    def test_scores_that_lose_a_column(self) -> None:
        both = np.stack([np.zeros(len(ROWS)), values(ROWS)], axis=1)
        wide = foreign(lambda rows: both[: len(rows)], "score")
        both = both[:, 1:]
        with pytest.raises(ModelError, match=r"its score of 200 rows has shape \(200, 1\)"):
            sd.fixed_label(wide, 1).evaluate(ROWS, SPACE)

    def test_a_model_that_fails_outside_of_a_run(self) -> None:
        def broken(_: Any) -> Any:
            raise OSError("gone")

        mine = foreign(broken, "value")
        with pytest.raises(
            ModelError, match="mine could not evaluate 200 rows: OSError: gone"
        ) as e:
            sd.fixed_label(mine, 1.0).evaluate(ROWS, SPACE)
        assert isinstance(e.value.__cause__, OSError)
        with pytest.raises(SamplingError, match="start cannot be used: mine could not evaluate"):
            sd.ask(sd.fixed_label(mine, 1.0), SPACE, **SMALL | {"start": ROWS[:3]})

    def test_a_question_without_answer(self) -> None:
        call = Counted(values)
        question = sd.require(foreign(call, "value"), (7.0, 8.0))
        call.rows.clear()
        with pytest.raises(SamplingError, match="tried 1000 uniform rows of the space\\. A"):
            sd.ask(question, SPACE, **SMALL)
        assert len(call.rows) == 1000

    def test_wrong_callables_are_refused_at_import(self) -> None:
        with pytest.raises(ModelError, match="one number a row, which tells two classes apart"):
            foreign(values, "score", classes=["a", "b", "c"])
        with pytest.raises(ModelError, match="the callable gave 3 columns"):
            foreign(LINE.decision_function, "score", classes=["a", "b"])


class TestStopping:
    def test_max_seconds(self) -> None:
        def slow(rows: Any) -> Any:
            time.sleep(0.01)
            return values(rows)

        question = sd.fixed_label(foreign(slow, "value"), 1.0)
        answer = sd.ask(question, SPACE, **SMALL | {"draws": 10_000, "max_seconds": 0.6})
        assert answer.status == "timed_out"
        assert 0 < answer.draws.shape[1] < 10_000
        statistics = answer.statistics
        assert statistics.seconds_warmup > 0.0
        assert statistics.seconds_sampling > 0.0
        short = sd.ask(question, SPACE, **SMALL | {"draws": 10_000, "max_seconds": 0.02})
        assert short.status == "timed_out"
        assert short.draws.shape == (3, 0, 2)

    @pytest.mark.parametrize("on_interrupt", ["return", "raise"])
    def test_ctrl_c(self, on_interrupt: Any) -> None:
        def pressed(rows: Any) -> Any:
            if len(call.rows) == 60:
                raise KeyboardInterrupt
            return values(rows)

        call = Counted(pressed)
        question = sd.fixed_label(foreign(call, "value"), 1.0)
        call.rows.clear()
        options = SMALL | {"draws": 1000, "on_interrupt": on_interrupt}
        if on_interrupt == "raise":
            with pytest.raises(KeyboardInterrupt):
                sd.ask(question, SPACE, **options)
            return
        answer = sd.ask(question, SPACE, **options)
        assert answer.status == "interrupted"
        assert answer.draws.shape == (3, 38, 2)
