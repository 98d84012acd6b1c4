"""Models that only their own library evaluates: questions about them, chains by batched calls."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError, SamplingError
from sondage.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
BINARY = (Y == 1).astype(int)
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
PAIR = LogisticRegression(C=20).fit(X, BINARY)
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


class TestTheSameChains:
    """A function that returns a native model's own numbers gives its chains, to the last bit."""

    @pytest.mark.parametrize(
        "kernel",
        [
            sd.RandomWalk(0.2),
            sd.RandomWalk(),
            sd.Mixture(sd.RandomWalk(0.05), sd.RandomWalk(0.5)),
            sd.Cycle(sd.RandomWalk(0.05), sd.RandomWalk(), repeats=[1, 2]),
        ],
    )
    @pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
    def test_from_probabilities(self, kernel: sd.Kernel, loss: Any) -> None:
        # Of a native line the cross entropy comes from logits, as of a function that gives them.
        output = "proba" if loss == "squared" else "score"
        call = native.proba if loss == "squared" else native.score
        mine = foreign(call, output)
        near = 0.5 * sd.near([0.3, 0.8])
        options = SMALL | {"kernel": kernel, "chains": 11}
        theirs = sd.ask(sd.fixed_label(native, 1, loss=loss) + near, SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss=loss) + near, SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        assert ours.energies.tobytes() == theirs.energies.tobytes()
        assert (ours.valid == theirs.valid).all()
        assert ours.statistics.steps == theirs.statistics.steps
        assert ours.statistics.kernels[0].acceptance == theirs.statistics.kernels[0].acceptance

    def test_from_a_forest(self) -> None:
        mine = foreign(forest.proba, "proba")
        options = SMALL | {"kernel": sd.RandomWalk(0.2)}
        theirs = sd.ask(sd.fixed_label(forest, 1, loss="squared"), SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss="squared"), SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        np.testing.assert_allclose(ours.energies, theirs.energies, atol=1e-12)

    def test_beside_a_native_forest(self) -> None:
        mine = foreign(native.proba, "proba")
        options = SMALL | {"kernel": sd.RandomWalk(0.2), "chains": 10}

        def question(model: Model) -> sd.Question:
            return (
                sd.fixed_label(forest, 0)
                + 2.0 * sd.fixed_label(model, 1, loss="squared")
                + sd.require(model, 0)
            )

        theirs, ours = (sd.ask(question(m), SPACE, **options) for m in (native, mine))
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        assert ours.energies.tobytes() == theirs.energies.tobytes()
        assert (native.predict(ours.draws.reshape(-1, 2)) == 0).all()

    def test_an_ensemble(self) -> None:
        mine = foreign(native.proba, "proba")

        def question(model: Model) -> sd.Question:
            both = sd.ensemble([model, forest], weights=[1, 2])
            return sd.fixed_label(both, 1, loss="squared") + sd.require(both, 1)

        options = SMALL | {"kernel": sd.RandomWalk(0.2)}
        theirs, ours = (sd.ask(question(m), SPACE, **options) for m in (native, mine))
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        np.testing.assert_allclose(ours.energies, theirs.energies, atol=1e-12)
        assert ours.valid.all()

    def test_an_ensemble_of_scores_that_do_not_add_up(self) -> None:
        # A margin beside two probabilities.
        members = [sd.as_model(model.fit(X, BINARY), space=SPACE) for model in (PAIR, GaussianNB())]
        both = sd.ensemble(members)
        p = np.mean([model.proba(ROWS)[:, 1] for model in members], axis=0)
        expected = np.where(p > 0.5, 0.0, np.inf)
        assert np.array_equal(sd.require(both, 1).evaluate(ROWS, SPACE), expected)
        assert sd.ask(sd.fixed_label(both, 1), SPACE, **SMALL).status == "complete"
        with pytest.raises(ModelError, match="different shapes"):
            both.score(ROWS)

    def test_threads_change_nothing_and_the_seed_everything(self) -> None:
        question = sd.fixed_label(foreign(native.proba, "proba"), 1)
        options = SMALL | {"chains": 19}
        one = sd.ask(question, SPACE, **options | {"threads": 1})
        many = sd.ask(question, SPACE, **options | {"threads": 3})
        other = sd.ask(question, SPACE, **options | {"seed": 2})
        assert one.draws.tobytes() == many.draws.tobytes()
        assert one.draws.tobytes() != other.draws.tobytes()

    def test_given_starts(self) -> None:
        mine = foreign(native.proba, "proba")
        start = ROWS[:3]
        options = SMALL | {"kernel": sd.RandomWalk(0.2), "start": start}
        theirs = sd.ask(sd.fixed_label(native, 1, loss="squared"), SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss="squared"), SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        with pytest.raises(SamplingError, match=r"row . of start has no finite G"):
            sd.ask(sd.require(mine, 1) + sd.require(mine, 2), SPACE, **options)


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "naive Bayes": lambda: GaussianNB().fit(X, Y),
    "neighbours": lambda: KNeighborsClassifier(7).fit(X, Y),
    "Gaussian process": lambda: GaussianProcessClassifier(optimizer=None).fit(X[::3], Y[::3]),
    "principal components": lambda: make_pipeline(PCA(2), LogisticRegression()).fit(X, BINARY),
    "pairs of classes": lambda: make_pipeline(
        PCA(2), SVC(decision_function_shape="ovo", random_state=0)
    ).fit(X, Y),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_sampled(name: str) -> None:
    estimator = ESTIMATORS[name]()
    with pytest.warns(ForeignModelWarning, match="is evaluated by scikit-learn"):
        model = sd.as_model(estimator, space=SPACE)
    assert not model.native
    question = sd.fixed_label(model, 1) + sd.require(model, 1)
    answer = sd.ask(question, SPACE, **SMALL)
    assert answer.status == "complete"
    assert answer.valid.all()
    flat = answer.draws.reshape(-1, 2)
    assert (estimator.predict(flat) == 1).all()
    np.testing.assert_allclose(question.evaluate(flat, SPACE), answer.energies.ravel())
    for loss in ("squared", "hinge"):
        if loss == "hinge" or model.has_proba:
            soft = sd.ask(sd.fixed_label(model, 1, loss=loss), SPACE, **SMALL)
            assert soft.status == "complete"


@pytest.mark.parametrize(
    "regressor", [KNeighborsRegressor(5), GaussianProcessRegressor(alpha=0.1, optimizer=None)]
)
def test_regressors_are_sampled(regressor: Any) -> None:
    model = sd.as_model(regressor.fit(X, X[:, 0] + X[:, 1]), space=SPACE)
    answer = sd.ask(sd.require(model, (0.9, 1.1)), SPACE, **SMALL)
    own = regressor.predict(answer.draws.reshape(-1, 2))
    assert ((own >= 0.9) & (own <= 1.1)).all()
    assert answer.valid.all()


def test_a_torch_module_that_is_no_sequence() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.inner(x) + x.sum(dim=1, keepdim=True)

    torch.manual_seed(0)
    net = Net().double().eval()
    model = sd.as_model(net, output="score", space=SPACE)
    assert not model.native
    with torch.no_grad():
        logs = torch.log_softmax(net(torch.as_tensor(ROWS)), dim=1)[:, 1].numpy()
    question = sd.fixed_label(model, 1)
    np.testing.assert_allclose(question.evaluate(ROWS, SPACE), -logs, rtol=1e-9)
    assert sd.ask(question, SPACE, **SMALL).status == "complete"


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
        options = SMALL | {"draws": 1000, "on_interrupt": on_interrupt}
        if on_interrupt == "raise":
            with pytest.raises(KeyboardInterrupt):
                sd.ask(question, SPACE, **options)
            return
        answer = sd.ask(question, SPACE, **options)
        assert answer.status == "interrupted"
        assert answer.draws.shape == (3, 38, 2)


def test_a_foreign_model_survives_pickling() -> None:
    model = sd.as_model(GaussianNB().fit(X, Y), space=SPACE)
    again = pickle.loads(pickle.dumps(model))
    first, second = (sd.ask(sd.fixed_label(m, 1), SPACE, **SMALL) for m in (model, again))
    assert first.draws.tobytes() == second.draws.tobytes()


def test_an_import_is_quiet_about_rows_it_tries() -> None:
    class Loud(GaussianNB):  # type: ignore[misc]
        def decision_function(self, X: Any) -> Any:
            warnings.warn("zeros", stacklevel=2)
            if (X == 0).all():
                raise ValueError("zeros")
            return self.predict_log_proba(X)

    model = sd.as_model(Loud().fit(X, Y), space=SPACE)
    assert model._width("score") == 3
