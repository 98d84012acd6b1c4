"""Functions with a gradient of their own: the same chains as native models, and what can fail."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage.errors import ModelError, QuestionError, SamplingError
from sondage.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
SMALL: dict[str, Any] = {
    "draws": 40,
    "chains": 11,
    "warmup": 60,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}
native = sd.as_model(LogisticRegression(C=20).fit(X, Y), space=SPACE, name="line")
pair = sd.as_model(LogisticRegression(C=20).fit(X, Y == 1), space=SPACE, name="pair")
forest = sd.as_model(
    RandomForestClassifier(8, max_depth=4, random_state=0).fit(X, Y), space=SPACE, name="forest"
)
ROWS = np.random.default_rng(0).random((50, 2))

Vjp = Callable[[Any, Any], Any]


def vjp_of(model: Model, head: Any) -> Vjp:
    """A native model's own gradient, as a user's function."""
    graph, node = model._graph(), model._head(head)
    assert node is not None

    def vjp(rows: Any, cotangent: Any) -> Any:
        return graph.vjp(rows, node, np.array(cotangent).reshape(len(rows), -1))

    return vjp


def foreign(model: Model, output: Any = "score") -> Model:
    function = model.score if output == "score" else model.proba
    vjp = vjp_of(model, output)
    return sd.as_model(function, space=SPACE, output=output, name="mine", vjp=vjp)


def bowl(rows: Any) -> NDArray[np.float64]:
    return np.asarray(((rows - 0.4) ** 2).sum(axis=1))


def bowl_vjp(rows: Any, cotangent: Any) -> NDArray[np.float64]:
    assert cotangent.shape == (len(rows),)
    return np.asarray(2.0 * (rows - 0.4) * cotangent[:, None])


def bowl_model(vjp: Vjp | None = bowl_vjp, function: Any = bowl) -> Model:
    return sd.as_model(function, space=SPACE, output="value", vjp=vjp, name="bowl")


Ask = Callable[[Model], sd.Question]
QUESTIONS: dict[str, Ask] = {
    "cross entropy": lambda model: sd.fixed_label(model, 1),
    "near": lambda model: sd.fixed_label(model, 1) + 0.5 * sd.near([0.3, 0.8]),
    "squared": lambda model: sd.fixed_label(model, 1, loss="squared"),
    "hinge": lambda model: sd.fixed_label(model, 1, loss="hinge"),
    "entropy": lambda model: sd.prediction_risky(model, entropy=True),
    "required": lambda model: sd.fixed_label(model, 0) + sd.require(model, 1),
    "forest required": lambda model: sd.fixed_label(model, 0) + sd.require(forest, 1),
    "twice": lambda model: sd.fixed_label(model, 0) + sd.prediction_risky(model, entropy=True),
}
KERNELS: list[sd.Kernel] = [
    sd.MALA(),
    sd.MALA(0.02, precondition=False),
    sd.Barker(),
    sd.Mixture(sd.MALA(), sd.RandomWalk()),
]


class TestTheSameChains:
    """A function with a native model's numbers and slopes gives its chains, to the last bit."""

    @pytest.mark.parametrize("kernel", KERNELS, ids=repr)
    @pytest.mark.parametrize("question", QUESTIONS)
    def test_of_scores(self, question: str, kernel: sd.Kernel) -> None:
        options = SMALL | {"kernel": kernel}
        theirs, ours = (
            sd.ask(QUESTIONS[question](model), SPACE, **options)
            for model in (native, foreign(native))
        )
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        assert ours.energies.tobytes() == theirs.energies.tobytes()
        assert ours.statistics.kernels == theirs.statistics.kernels
        assert (ours.valid == theirs.valid).all()

    @pytest.mark.parametrize("boundary", ["reflect", "reject"])
    def test_of_a_margin(self, boundary: Any) -> None:
        def question(model: Model) -> sd.Question:
            return sd.prediction_risky(model) + sd.fixed_label(model, True)

        options = SMALL | {"kernel": sd.MALA(), "boundary": boundary, "threads": 2}
        theirs, ours = (sd.ask(question(m), SPACE, **options) for m in (pair, foreign(pair)))
        assert ours.draws.tobytes() == theirs.draws.tobytes()

    def test_of_probabilities(self) -> None:
        def question(model: Model) -> sd.Question:
            return sd.fixed_label(model, 1, loss="squared")

        options = SMALL | {"kernel": sd.MALA()}
        theirs, ours = (
            sd.ask(question(m), SPACE, **options) for m in (native, foreign(native, "proba"))
        )
        assert ours.draws.tobytes() == theirs.draws.tobytes()

    def test_auto_follows_the_gradient_and_says_why(self) -> None:
        settings = sd.ask(sd.fixed_label(foreign(native), 1), SPACE, **SMALL).settings
        assert settings.kernel == repr(sd.Mixture(sd.MALA(), sd.RandomWalk(), weights=[3, 1]))
        assert "one batched call of 'mine'" in settings.kernel_reason


class TestGradients:
    @pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"forest required", "required"}))
    def test_are_the_native_ones(self, question: str) -> None:
        theirs, ours = (
            QUESTIONS[question](model).gradient(ROWS, SPACE) for model in (native, foreign(native))
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)

    def test_of_an_ensemble_of_both(self) -> None:
        both = [sd.ensemble([native, model], weights=[1, 2]) for model in (native, foreign(native))]
        theirs, ours = (sd.fixed_label(model, 1).gradient(ROWS, SPACE) for model in both)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)

    def test_through_the_probability_of_the_second_class(self) -> None:
        def second(rows: Any) -> Any:
            return pair.proba(rows)[:, 1]

        def vjp(rows: Any, cotangent: Any) -> Any:
            return vjp_of(pair, "proba")(rows, np.stack([0.0 * cotangent, cotangent], axis=1))

        mine = sd.as_model(second, space=SPACE, output="proba", vjp=vjp)
        theirs, ours = (
            sd.fixed_label(model, model.classes[1], loss="squared").gradient(ROWS, SPACE)  # type: ignore[index]
            for model in (pair, mine)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)

    def test_reads_its_columns_wherever_they_stand(self) -> None:
        wide = sd.Space({"x1": sd.Continuous(0, 1), "y": sd.Continuous(0, 1), **SPACE.kinds})
        rows = np.random.default_rng(1).random((9, 3))
        gradient = sd.fixed_label(bowl_model(), 0.0).gradient(rows, wide)
        given = rows[:, [2, 0]]
        slope = bowl(given)[:, None] * 2.0 * (given - 0.4)
        np.testing.assert_allclose(gradient[:, [2, 0]], slope, rtol=1e-14)
        assert (gradient[:, 1] == 0.0).all()

    def test_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        question = sd.fixed_label(bowl_model(), 0.0)
        whole = question.gradient(ROWS, SPACE)
        monkeypatch.setattr("sondage._evaluation._BATCH", 7)
        assert np.array_equal(question.gradient(ROWS, SPACE), whole)
        assert question.gradient(ROWS[:0], SPACE).shape == (0, 2)

    def test_only_where_there_is_one(self) -> None:
        plain = bowl_model(vjp=None)
        assert not plain.differentiable
        assert bowl_model().differentiable
        with pytest.raises(QuestionError, match="bowl has no gradient: its library gives outputs"):
            sd.fixed_label(plain, 0.0).gradient(ROWS, SPACE)

    def test_survives_pickling(self) -> None:
        model = pickle.loads(pickle.dumps(bowl_model()))
        question = sd.fixed_label(model, 0.0)
        assert np.array_equal(
            question.gradient(ROWS, SPACE), sd.fixed_label(bowl_model(), 0.0).gradient(ROWS, SPACE)
        )


class TestFailures:
    @pytest.mark.parametrize(
        ("vjp", "message"),
        [
            (
                lambda rows, cotangent: rows[:, 0],
                r"vjp gave shape \(11,\); \(11, 2\) is needed",
            ),
            (lambda rows, cotangent: 1 / 0, "ZeroDivisionError: division by zero"),
            (lambda rows, cotangent: [["a", "b"]] * len(rows), "ValueError"),
            (lambda rows: rows, "TypeError"),
        ],
    )
    def test_of_the_vjp_leave_the_answer_so_far(self, vjp: Vjp, message: str) -> None:
        calls = 0

        def fragile(rows: Any, cotangent: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls < 150:
                return bowl_vjp(rows, cotangent)
            return vjp(rows, cotangent)

        question = sd.fixed_label(bowl_model(fragile), (0.1, 0.2))
        options = SMALL | {"draws": 500, "kernel": sd.MALA()}
        with pytest.raises(
            SamplingError, match=rf"bowl could not evaluate the gradient of 11 rows: .*{message}"
        ) as failure:
            sd.ask(question, SPACE, **options)
        assert failure.value.__cause__ is not None
        answer = failure.value.answer
        assert answer is not None
        assert answer.status == "failed"
        whole = sd.ask(sd.fixed_label(bowl_model(), (0.1, 0.2)), SPACE, **options)
        n = answer.draws.shape[1]
        assert 80 < n < 100
        assert answer.draws.tobytes() == whole.draws[:, :n].tobytes()

    def test_nan_slopes_cost_speed_and_nothing_else(self) -> None:
        def holed(rows: Any, cotangent: Any) -> Any:
            gradient = bowl_vjp(rows, cotangent)
            return np.where(rows[:, :1] < 0.3, np.nan, gradient)

        options: dict[str, Any] = {
            "draws": 3000,
            "chains": 8,
            "temperature": 0.05,
            "kernel": sd.MALA(),
            "seed": 3,
            "progress": False,
        }
        # exp(-G/τ) is a product over both columns.
        answer = sd.ask(sd.term(bowl_model(holed), value, gradient=ones), SPACE, **options)
        assert sum(answer.statistics.nonfinite_drift) > 100
        assert sum(answer.statistics.nonfinite) == 0
        grid = np.linspace(0.0, 1.0, 20_001)
        weight = np.exp(-((grid - 0.4) ** 2) / options["temperature"])
        mean = float((grid * weight).sum() / weight.sum())
        for row in answer.summary()[:2].to_dicts():
            assert abs(row["mean"] - mean) < 4 * row["mcse"]
        said = [str(warning) for warning in answer.diagnostics.warnings]
        assert any("gradient of the question was NaN or infinite" in text for text in said)

    def test_finite_slopes_are_not_counted(self) -> None:
        answer = sd.ask(sd.fixed_label(bowl_model(), 0.0), SPACE, **SMALL)
        assert answer.statistics.nonfinite_drift == (0,) * 11
        assert not any("NaN" in str(warning) for warning in answer.diagnostics.warnings)

    @pytest.mark.parametrize(
        ("given", "options", "message"),
        [
            (bowl, {"vjp": 3, "output": "value"}, "vjp=3 must be a callable"),
            (bowl, {"vjp": bowl_vjp, "output": "label", "classes": [0, 1]}, "labels have no"),
            (LogisticRegression(), {"vjp": bowl_vjp}, "vjp= is for callables"),
            (native, {"vjp": bowl_vjp}, "already imported"),
        ],
    )
    def test_what_has_no_vjp(self, given: Any, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ModelError, match=message):
            sd.as_model(given, space=SPACE, **options)

    def test_levels_have_no_vjp(self) -> None:
        space = sd.Space({"a": sd.Categorical(["x", "y"]), "b": sd.Continuous(0, 1)})
        with pytest.raises(ModelError, match="has levels in 'a'"):
            sd.as_model(
                lambda frame: np.zeros(len(frame)), space=space, output="value", vjp=bowl_vjp
            )


def value(outputs: Any) -> Any:
    return outputs[:, 0]


def ones(outputs: Any) -> Any:
    return np.ones_like(outputs)
