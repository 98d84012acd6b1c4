"""Asking: arguments, seeds, kernels, stopping early, and what the answer says."""

import json
import sys
import time
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from sondage.ask import Settings, ask, seed_key
from sondage.errors import DataError, QuestionError, SamplingError, SpaceError
from sondage.kernels import RandomWalk
from sondage.models import Model, as_model
from sondage.questions import fixed_label, near, prediction_risky, require
from sondage.space import Continuous, Fixed, Space

NAMES = ["a", "b", "c"]
X = load_wine().data[:, [0, 6, 9]]
Y = np.array(["red", "rose", "white"])[load_wine().target]
FRAME = pl.DataFrame(X, schema=NAMES)
SPACE = Space.from_frame(FRAME)
ESTIMATOR = RandomForestClassifier(10, max_depth=3, random_state=0).fit(FRAME.to_pandas(), Y)
forest = as_model(ESTIMATOR, name="forest")
value = as_model(RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, X[:, 0]), space=SPACE)
QUESTION = fixed_label(forest, "red")
SMALL = {"draws": 20, "chains": 3, "temperature": 0.2, "warmup": 20, "seed": 1}


def test_an_answer_holds_what_was_asked() -> None:
    answer = ask(QUESTION, SPACE, **SMALL | {"temperature": 5.0})
    assert answer.status == "complete"
    assert answer.draws.shape == (3, 20, 3)
    assert answer.energies.shape == answer.valid.shape == (3, 20)
    rows = pl.DataFrame(answer.draws.reshape(-1, 3), schema=NAMES)
    assert SPACE.contains(rows).all()
    np.testing.assert_allclose(QUESTION.evaluate(rows, SPACE), answer.energies.ravel())
    own = ESTIMATOR.predict(rows.to_pandas()) == "red"
    assert (answer.valid.ravel() == own).all()
    assert not own.all()
    assert answer.space == SPACE
    assert answer.question == QUESTION


def test_the_settings_say_what_ran_and_survive_json() -> None:
    settings = ask(QUESTION, SPACE, **SMALL | {"threads": 1, "max_seconds": 60}).settings
    assert (settings.draws, settings.chains, settings.temperature) == (20, 3, 0.2)
    assert (settings.warmup, settings.thin, settings.boundary) == (20, 1, "reflect")
    assert (settings.seed, settings.threads, settings.max_seconds) == (1, 1, 60.0)
    assert settings.kernel == "Cycle(Conditional(), RandomWalk(scale=0.5), repeats=(1, 4))"
    assert settings.kernel_requested == "auto"
    assert "exactly" in settings.kernel_reason
    assert {"sondage", "python", "numpy", "scikit-learn"} <= settings.versions.keys()
    assert settings.build["profile"] in ("release", "debug")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_refuse_incomplete_data() -> None:
    data = ask(QUESTION, SPACE, **SMALL).settings.to_dict()
    assert Settings.from_dict(data | {"of a later version": 1}).seed == 1
    with pytest.raises(DataError, match="lack draws"):
        Settings.from_dict({name: entry for name, entry in data.items() if name != "draws"})
    with pytest.raises(DataError, match="seed 'x' is not a whole number"):
        Settings.from_dict(data | {"seed": "x"})


class TestSeeds:
    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        first, second = (ask(QUESTION, SPACE, **SMALL) for _ in range(2))
        assert first.draws.tobytes() == second.draws.tobytes()
        other = ask(QUESTION, SPACE, **SMALL | {"seed": 2})
        assert first.draws.tobytes() != other.draws.tobytes()

    def test_the_entropy_kept_in_the_settings_repeats_the_answer(self) -> None:
        for seed in (None, np.random.SeedSequence(5).spawn(2)[1], np.random.SeedSequence([1, 2])):
            answer = ask(QUESTION, SPACE, **SMALL | {"seed": seed})
            again = ask(QUESTION, SPACE, **SMALL | {"seed": answer.settings.seed})
            assert answer.draws.tobytes() == again.draws.tobytes()

    def test_keys(self) -> None:
        words = np.random.SeedSequence(7).generate_state(8, np.uint32)
        assert seed_key(7) == (7, words.astype("<u4").tobytes())
        assert seed_key(np.int64(7)) == seed_key(7) == seed_key(np.random.SeedSequence(7))
        spawned = np.random.SeedSequence(7).spawn(3)
        keys = {seed_key(seed)[1] for seed in [7, 8, *spawned, None, None]}
        assert len(keys) == 7
        assert all(len(key) == 32 for key in keys)

    @pytest.mark.parametrize("seed", [-1, True, 1.5, "1"])
    def test_other_seeds_are_refused(self, seed: object) -> None:
        with pytest.raises(SamplingError, match=r"seed=.* whole number of at least 0"):
            ask(QUESTION, SPACE, seed=seed)


class TestValid:
    def test_true_where_nothing_is_verified(self) -> None:
        for question in (
            prediction_risky(forest, entropy=True),
            near(X[0]),
            fixed_label(value, 13),
        ):
            assert ask(question, SPACE, **SMALL).valid.all()

    def test_bands_and_several_models(self) -> None:
        question = (
            require(value, (12.5, 13.5)) + require(forest, "red") + fixed_label(forest, "red")
        )
        answer = ask(question, SPACE, **SMALL)
        assert answer.valid.all()
        wrong = fixed_label(forest, "red") + 50 * fixed_label(forest, "white")
        assert not ask(wrong, SPACE, **SMALL).valid.any()

    def test_each_estimator_is_called_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        own = ESTIMATOR.predict
        monkeypatch.setattr(
            ESTIMATOR, "predict", lambda rows: calls.append(len(rows)) or own(rows), raising=False
        )
        ask(require(forest, "red") + fixed_label(forest, "red"), SPACE, **SMALL)
        assert calls == [60]


def test_fixed_columns_stay() -> None:
    answer = ask(QUESTION, SPACE.fix({"b": 2.25}), **SMALL)
    assert (answer.draws[:, :, 1] == 2.25).all()
    assert np.unique(answer.draws[:, :, 0]).size > 1


class TestStopping:
    LONG: ClassVar[dict[str, Any]] = {
        "draws": 10**6,
        "chains": 2,
        "warmup": 0,
        "thin": 200,
        "seed": 0,
    }

    def test_max_seconds(self) -> None:
        began = time.monotonic()
        answer = ask(QUESTION, SPACE, **self.LONG, max_seconds=0.5)
        assert time.monotonic() - began < 5
        assert answer.status == "timed_out"
        assert 0 < answer.draws.shape[1] < 10**6

    def test_an_answer_without_draws_is_still_one(self) -> None:
        answer = ask(QUESTION, SPACE, draws=5, chains=2, seed=0, max_seconds=1e-9)
        assert answer.status == "timed_out"
        assert answer.draws.shape == (2, 0, 3)
        assert answer.energies.shape == answer.valid.shape == (2, 0)
        assert answer.frame.height == 0
        assert answer.summary().height == 4
        assert repr(answer)

    @pytest.mark.usefixtures("ctrl_c_soon")
    @pytest.mark.parametrize("on_interrupt", ["raise", "return"])
    def test_control_c_ends_within_a_second(self, on_interrupt: str) -> None:
        arguments = self.LONG | {"max_seconds": 20}
        began = time.monotonic()
        if on_interrupt == "raise":
            with pytest.raises(KeyboardInterrupt):
                ask(QUESTION, SPACE, **arguments, on_interrupt="raise")
        else:
            answer = ask(QUESTION, SPACE, **arguments, on_interrupt="return")
            assert answer.status == "interrupted"
            assert np.isfinite(answer.draws).all()
        assert time.monotonic() - began < 1.3


class FailingRun:
    """A run whose model fails after two kept draws."""

    def __init__(self, *_: object, **__: object) -> None:
        self.asked = 0

    def advance(self, seconds: float) -> bool:
        assert 0 < seconds <= 0.05
        self.asked += 1
        if self.asked == 2:
            raise SamplingError("the model gave NaN 1000 times in chain 0")
        return False

    def progress(self) -> tuple[int, int, int]:
        return 2, 40, 20

    def finish(self) -> dict[str, Any]:
        none = np.full(3, np.nan)
        counts = np.full(3, 22)
        kernel = {"name": "conditional", "acceptance": none, "step": none, "steps": counts}
        return {
            "draws": np.tile(X[0], (3, 2, 1)),
            "energies": np.zeros((3, 2)),
            "nonfinite": counts,
            "nonfinite_drift": counts,
            "seconds_warmup": 0.1,
            "seconds_sampling": 0.1,
            "steps": counts,
            "kernels": [kernel],
            "exact": True,
        }


def test_a_failed_run_leaves_its_answer_with_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[ask.__module__], "Run", FailingRun)
    with pytest.raises(SamplingError, match="NaN 1000 times") as caught:
        ask(QUESTION, SPACE, **SMALL)
    answer = caught.value.answer
    assert answer is not None
    assert answer.status == "failed"
    assert answer.draws.shape == (3, 2, 3)
    assert answer.statistics.nonfinite == (22, 22, 22)


class TestConfirmation:
    """What happens while the user's own models confirm the draws."""

    def test_all_draws_go_in_one_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = self.predicting(monkeypatch, [])
        ask(QUESTION + require(forest, "red"), SPACE, **SMALL)
        assert rows == [60]

    def test_many_draws_go_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = ask(QUESTION, SPACE, **SMALL | {"temperature": 5.0})
        monkeypatch.setattr("sondage._recheck._BATCH", 7)
        rows = self.predicting(monkeypatch, [])
        batched = ask(QUESTION, SPACE, **SMALL | {"temperature": 5.0})
        assert rows == [7] * 8 + [4]
        assert (batched.valid == whole.valid).all()

    def test_a_failing_model_leaves_the_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.predicting(monkeypatch, [MemoryError("too much")])
        with pytest.raises(SamplingError, match=r"forest could not .*: MemoryError: too") as caught:
            ask(QUESTION, SPACE, **SMALL)
        assert isinstance(caught.value.__cause__, MemoryError)
        answer = caught.value.answer
        assert answer is not None
        assert (answer.status, answer.draws.shape) == ("failed", (3, 20, 3))
        assert not answer.valid.any()

    def test_control_c(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sondage._recheck._BATCH", 20)
        self.predicting(monkeypatch, [None, KeyboardInterrupt()])
        answer = ask(require(forest, "red"), SPACE, **SMALL, on_interrupt="return")
        assert answer.status == "interrupted"
        assert answer.valid.all(axis=1).tolist() == [True, False, False]
        self.predicting(monkeypatch, [KeyboardInterrupt()])
        with pytest.raises(KeyboardInterrupt):
            ask(QUESTION, SPACE, **SMALL)

    @staticmethod
    def predicting(
        monkeypatch: pytest.MonkeyPatch, events: list[BaseException | None]
    ) -> list[int]:
        """Count the rows of every call of the user's model, and raise what each call is told."""
        rows: list[int] = []
        predict = Model._user_predict

        def counted(model: Model, frame: pl.DataFrame) -> np.ndarray:
            rows.append(frame.height)
            event = events[len(rows) - 1] if len(rows) <= len(events) else None
            if event is not None:
                raise event
            return predict(model, frame)

        monkeypatch.setattr(Model, "_user_predict", counted)
        return rows


class TestStart:
    def test_chains_start_where_they_are_told(self) -> None:
        start = FRAME.head(3)
        for given in (start, start.to_pandas(), start.to_numpy()):
            ask(QUESTION, SPACE, **SMALL | {"start": given})

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            (FRAME.head(2), "start has 2 rows; 3 are needed"),
            (FRAME.head(3).drop("b"), "start cannot be used: .* no column 'b'"),
            (X[:3] + 100, r"row 0 of start lies .* 'a' is 114.23 and must be in \[11.03, 14"),
            (X[:3] * [1, 1, np.nan], "column 'c' of start is nan"),
            (X[:3, :2], "start has 2 columns; 3 are needed"),
        ],
    )
    def test_unfit_starts_are_refused(self, start: object, message: str) -> None:
        with pytest.raises(SamplingError, match=message):
            ask(QUESTION, SPACE, **SMALL | {"start": start})

    def test_a_start_must_have_finite_energy(self) -> None:
        white = FRAME.filter(forest.predict(FRAME) == "white").head(3)
        with pytest.raises(SamplingError, match="row 0 of start has no finite G"):
            ask(require(forest, "red"), SPACE, **SMALL | {"start": white})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": 0}, "draws=0 must be a whole number of at least 1"),
        ({"draws": 1.5}, "draws=1.5"),
        ({"draws": True}, "draws=True"),
        ({"chains": 0}, "chains=0"),
        ({"thin": 0}, "thin=0"),
        ({"warmup": -1}, "warmup=-1 must be a whole number of at least 0"),
        ({"temperature": 0}, "temperature=0 must be a finite number above zero"),
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": "hot"}, "temperature='hot'"),
        ({"threads": 0}, "threads=0"),
        ({"max_seconds": 0}, "max_seconds=0"),
        ({"boundary": "wrap"}, "boundary='wrap' must be one of 'reflect', 'reject', 'clip'"),
        ({"on_interrupt": "stop"}, "on_interrupt='stop'"),
        ({"progress": "yes"}, "progress='yes'"),
        ({"kernel": "gibbs"}, "kernel='gibbs'"),
        ({"kernel": RandomWalk}, "kernel=.*RandomWalk"),
        ({"checkpoint": 3}, "checkpoint=3 must be the path of a file"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        ask(QUESTION, SPACE, **arguments)


def test_what_is_asked_must_be_a_question_about_a_space() -> None:
    with pytest.raises(QuestionError, match="question is Model"):
        ask(forest, SPACE)
    with pytest.raises(SpaceError, match="space is DataFrame"):
        ask(QUESTION, FRAME)
    with pytest.raises(SpaceError, match="every column of the space is fixed"):
        ask(QUESTION, Space({name: Fixed(1.0) for name in NAMES}))


def test_a_question_without_models_can_be_asked() -> None:
    space = Space({"x": Continuous(0, 1)})
    answer = ask(near([0.5]), space, draws=50, chains=2, temperature=0.01, seed=0)
    assert abs(answer.draws.mean() - 0.5) < 0.2


def test_a_single_tree_with_zero_probabilities_can_be_asked() -> None:
    tree = as_model(DecisionTreeClassifier(random_state=0).fit(FRAME.to_pandas(), Y))
    answer = ask(fixed_label(tree, "red"), SPACE, **SMALL)
    assert answer.valid.all()
