"""Checkpoints: runs that go on to the same bytes, files that are refused, disks that are full."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage._checkpoint import Keeper
from sondage.errors import SamplingError, StartError
from sondage.models import Model
from sondage.persistence import fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

ASK = sys.modules["sondage.ask"]
NAMES = ["x0", "x1", "x2"]
X = MinMaxScaler().fit_transform(load_wine().data[:, [0, 6, 9]])
Y = load_wine().target == 1
SPACE = sd.Space({name: sd.Continuous(0.0, 1.0) for name in NAMES})
FRAME = pl.DataFrame(X, schema=NAMES)


def forest_of(seed: int, name: str = "forest") -> Model:
    trees = RandomForestClassifier(8, max_depth=4, random_state=seed).fit(X, Y)
    return sd.as_model(trees, space=SPACE, name=name)


forest = forest_of(0)
LINE = LogisticRegression(C=20).fit(X, Y)
smooth = sd.as_model(LINE, space=SPACE, name="line")
nets = sd.ensemble(
    [
        sd.as_model(
            MLPClassifier((4,), solver="lbfgs", random_state=seed, max_iter=2000).fit(X, Y),
            space=SPACE,
            name="net",
        )
        for seed in range(3)
    ]
)


def call(rows: Any) -> NDArray[np.float64]:
    return np.asarray(LINE.decision_function(np.asarray(rows)))


def with_slopes(rows: Any) -> tuple[NDArray[np.float64], Callable[[Any], NDArray[np.float64]]]:
    rows = np.asarray(rows)
    return LINE.decision_function(rows), lambda cotangents: np.outer(cotangents, LINE.coef_[0])


def foreign(**options: Any) -> Model:
    return sd.as_model(call, space=SPACE, output="score", name="mine", **options)


QUESTION = sd.fixed_label(forest, True) + 0.3 * sd.near([0.2, 0.5, 0.7])
SMALL: dict[str, Any] = {
    "draws": 40,
    "chains": 5,
    "warmup": 64,
    "thin": 2,
    "temperature": 0.3,
    "seed": 3,
    "progress": False,
}
LONG = SMALL | {"draws": 10**6}
TEMPERED = {"temperature": None, "kernel": sd.Tempered(sd.Conditional(), (0.3, 0.7, 2.0))}
WALK = sd.RandomWalk()
SMOOTH = sd.fixed_label(smooth, True)

RUNS: dict[str, tuple[Callable[[], sd.Question], dict[str, Any]]] = {
    "conditional and walks": (lambda: QUESTION, {}),
    "random walk": (lambda: QUESTION, {"kernel": WALK, "threads": 2}),
    "walks of one length": (lambda: QUESTION, {"kernel": sd.RandomWalk(0.2), "boundary": "reject"}),
    "independence": (lambda: QUESTION, {"kernel": sd.Independence()}),
    "gradient": (lambda: SMOOTH, {"kernel": sd.MALA()}),
    "signs of a gradient": (lambda: SMOOTH, {"kernel": sd.Barker()}),
    "gradient and walks": (lambda: SMOOTH, {}),
    "closed form": (lambda: QUESTION, {"kernel": sd.MALA(drift="closed_form")}),
    "smoothed": (lambda: QUESTION, {"kernel": sd.MALA(drift=sd.Smoothed(noise="frozen"))}),
    "given starts": (lambda: QUESTION, {"start": FRAME[:5], "kernel": WALK}),
    "no warm-up": (lambda: QUESTION, {"warmup": 0}),
    "means": (lambda: sd.fixed_label(nets, True), {}),
    "mixture": (
        lambda: QUESTION,
        {"kernel": sd.Mixture(sd.Conditional(), WALK, weights=[1, 3])},
    ),
    "tempered": (lambda: QUESTION, TEMPERED),
    "temperatures": (lambda: QUESTION, {"temperature": [1.0, 0.3]}),
    "foreign": (lambda: sd.fixed_label(foreign(), True), {}),
    "foreign, tempered": (
        lambda: sd.fixed_label(foreign(), True),
        {"temperature": None, "kernel": sd.Tempered(WALK, (0.3, 0.7, 2.0))},
    ),
    "foreign with a condition": (
        lambda: sd.fixed_label(foreign(), True) + sd.require(foreign(), True),
        {"kernel": WALK},
    ),
}


class StoppedError(Exception):
    """What ends a run where a test wants it to."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ckpt"


def stopping(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """End the next run, as if it were killed, once it has written so many checkpoints."""
    write = Keeper.write
    written = []

    def own(self: Keeper) -> None:
        write(self)
        written.append(self)
        if len(written) > after:
            raise StoppedError

    monkeypatch.setattr(Keeper, "write", own)
    monkeypatch.setattr("sondage._checkpoint._APART", 0.0)
    monkeypatch.setattr("sondage._checkpoint._SHARE", np.inf)
    monkeypatch.setattr(ASK, "_SLICE_SECONDS", 1e-9)


def broken_off(
    monkeypatch: pytest.MonkeyPatch, path: Path, question: sd.Question, after: int, **arguments: Any
) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, after)
        with pytest.raises(StoppedError):
            sd.ask(question, SPACE, checkpoint=path, **arguments)
    assert path.exists()


def counts(answer: sd.Answer) -> dict[str, Any]:
    statistics = answer.statistics.to_dict()
    assert statistics.pop("seconds_warmup") is not None
    assert statistics.pop("seconds_sampling") is not None
    return {name: repr(entry) for name, entry in statistics.items()}


def same(first: Any, second: Any) -> None:
    if isinstance(first, tuple):
        for one, other in zip(first, second, strict=True):
            same(one, other)
        return
    assert first.status == second.status == "complete"
    assert fingerprint(first) == fingerprint(second)
    assert counts(first) == counts(second)
    assert first.settings.seed == second.settings.seed


class TestResuming:
    @pytest.mark.parametrize("name", RUNS)
    def test_runs_go_on_to_the_same_bytes(
        self, name: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make, changes = RUNS[name]
        question, arguments = make(), SMALL | changes
        whole = sd.ask(question, SPACE, **arguments)
        for after in (0, 5, 40):
            broken_off(monkeypatch, path, question, after, **arguments)
            if after == 5:
                # Broken off once more before it goes on to its end.
                broken_off(monkeypatch, path, question, 9, **arguments)
            same(whole, sd.ask(question, SPACE, checkpoint=path, **arguments))
            assert list(path.parent.iterdir()) == [], "removed once the answer is made"

    def test_a_decoder_with_its_volume(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        question = sd.pullback(QUESTION, sd.decoders.BoxSigmoid(SPACE))
        whole = sd.ask(question, SPACE, **SMALL)
        broken_off(monkeypatch, path, question, 30, **SMALL)
        same(whole, sd.ask(question, SPACE, checkpoint=path, **SMALL))

    @pytest.mark.parametrize("kernel", ["auto", TEMPERED["kernel"]])
    def test_a_space_with_a_reference_and_a_condition(
        self, kernel: Any, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        space = sd.Space.from_frame(FRAME, reference=sd.reference.chow_liu(FRAME))
        space = space.where("x0 + x1 <= 1.5")
        arguments = SMALL | {"kernel": kernel}
        whole = sd.ask(QUESTION, space, **arguments)
        with monkeypatch.context() as patch:
            stopping(patch, 30)
            with pytest.raises(StoppedError):
                sd.ask(QUESTION, space, checkpoint=path, **arguments)
        same(whole, sd.ask(QUESTION, space, checkpoint=path, **arguments))

    def test_fresh_entropy_and_threads_are_those_of_the_beginning(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = SMALL | {"seed": None}
        broken_off(monkeypatch, path, QUESTION, 20, **arguments | {"threads": 2})
        answer = sd.ask(QUESTION, SPACE, checkpoint=path, **arguments | {"threads": 1})
        assert answer.settings.threads == 2
        same(answer, sd.ask(QUESTION, SPACE, **SMALL | {"seed": answer.settings.seed}))

    def test_time_limits_add_up(self, path: Path) -> None:
        first = sd.ask(QUESTION, SPACE, checkpoint=path, max_seconds=0.2, **LONG)
        second = sd.ask(QUESTION, SPACE, checkpoint=path, max_seconds=0.2, **LONG)
        assert first.status == second.status == "timed_out"
        n, more = first.draws.shape[1], second.draws.shape[1]
        assert 0 < n < more
        assert first.draws.tobytes() == second.draws[:, :n].tobytes()
        assert path.exists()

    @pytest.mark.parametrize("on_interrupt", ["raise", "return"])
    def test_control_c(self, on_interrupt: Any, path: Path) -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            sd.ask(QUESTION, SPACE, checkpoint=path, on_interrupt=on_interrupt, **LONG)
        except KeyboardInterrupt:
            assert on_interrupt == "raise"
        assert sd.ask(QUESTION, SPACE, checkpoint=path, max_seconds=1e-9, **LONG).draws.shape[1]

    def test_a_model_that_fails(self, path: Path) -> None:
        calls = []

        def failing(rows: Any) -> NDArray[np.float64]:
            calls.append(len(rows))
            if len(calls) == 90:
                raise MemoryError("too much")
            return call(rows)

        question = sd.fixed_label(
            sd.as_model(failing, space=SPACE, output="score", name="mine"), True
        )
        calls.clear()
        whole = sd.ask(sd.fixed_label(foreign(), True), SPACE, **SMALL)
        with pytest.raises(SamplingError, match="too much") as caught:
            sd.ask(question, SPACE, checkpoint=path, **SMALL)
        assert caught.value.answer is not None
        assert caught.value.answer.status == "failed"
        resumed = sd.ask(question, SPACE, checkpoint=path, **SMALL)
        same(whole, resumed)

    def test_draws_that_models_have_yet_to_confirm_are_kept(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sondage._checkpoint._APART", 0.0)
        whole = sd.ask(QUESTION, SPACE, **SMALL)
        with monkeypatch.context() as patch:
            patch.setattr(ASK, "recheck", lambda *_: (_ for _ in ()).throw(StoppedError))
            with pytest.raises(StoppedError):
                sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        with monkeypatch.context() as patch:
            patch.setattr(ASK, "_SLICE_SECONDS", 1e-9)
            same(whole, sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL))

    def test_short_runs_write_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Keeper, "write", lambda _: pytest.fail("written"))
        same(sd.ask(QUESTION, SPACE, **SMALL), sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL))

    def test_checkpoints_are_apart(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [0.0]
        written = []

        def replace(_: Keeper, state: bytes) -> None:
            written.append(clock[0])
            clock[0] += 0.3
            assert state

        monkeypatch.setattr("sondage._checkpoint.time.monotonic", lambda: clock[0])
        monkeypatch.setattr(Keeper, "_replace", replace)

        class Run:
            def save(self) -> bytes:
                return b"state"

        keeper = Keeper(Run(), path, b"{}", exists=False)  # type: ignore[arg-type]
        for _ in range(200):
            keeper()
            clock[0] += 0.05
        assert np.allclose(np.diff(written), 3.3, atol=0.06), "a tenth of the time is spent writing"


class TestRefusing:
    @pytest.fixture
    def whole(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
        broken_off(monkeypatch, path, QUESTION, 20, **SMALL)
        return path.read_bytes()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"draws": 41}, "draws is 40 there and 41 here"),
            ({"chains": 4}, "chains is 5 there and 4 here"),
            ({"thin": 1}, "thin is 2 there and 1 here"),
            ({"warmup": 63}, "warmup is 64 there and 63 here"),
            ({"temperature": 0.4}, r"temperature is 0.3 there and 0.4 here"),
            ({"temperature": [0.3, 0.4]}, r"temperature is 0.3 there and \[0.3, 0.4\] here"),
            ({"seed": 4}, "seed is 3 there and 4 here"),
            ({"kernel": WALK}, "kernel is Cycle.* there and RandomWalk.* here"),
            ({"boundary": "reject"}, "boundary is reflect there and reject here"),
            ({"start": FRAME[:5]}, "the rows of start are others"),
            ({"draws": 41, "thin": 1}, "draws is 40 there and 41 here; thin is 2 there"),
        ],
    )
    def test_other_settings(
        self, changes: dict[str, Any], message: str, path: Path, whole: bytes
    ) -> None:
        with pytest.raises(SamplingError, match=f"run.ckpt is of another run: .*{message}"):
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL | changes)
        assert path.read_bytes() == whole

    def test_other_questions_models_and_spaces(self, path: Path, whole: bytes) -> None:
        near = 0.3 * sd.near([0.2, 0.5, 0.7])
        wide = sd.Space({name: sd.Continuous(0.0, 2.0) for name in NAMES})
        for question, space, message in [
            (sd.fixed_label(forest, False) + near, SPACE, "question is .* there and .* here"),
            (sd.fixed_label(forest_of(1), True) + near, SPACE, "the parameters of 'forest' are"),
            (sd.fixed_label(forest_of(0, "b"), True) + near, SPACE, "the models are others"),
            (QUESTION, wide, "the space is another one"),
            (QUESTION, SPACE.where("x0 < x1"), "the space is another one"),
        ]:
            with pytest.raises(SamplingError, match=message):
                sd.ask(question, space, checkpoint=path, **SMALL)
        assert path.read_bytes() == whole

    def test_the_same_question_of_the_same_model_made_anew_is_no_other(
        self, path: Path, whole: bytes
    ) -> None:
        assert whole
        question = sd.fixed_label(forest_of(0), True) + 0.3 * sd.near([0.2, 0.5, 0.7])
        same(sd.ask(QUESTION, SPACE, **SMALL), sd.ask(question, SPACE, checkpoint=path, **SMALL))

    def test_other_versions(
        self, path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line, _, rest = whole.partition(b"\n")
        path.write_bytes(line[:-1] + b"2\n" + rest)
        with pytest.raises(SamplingError, match="has version '2' of the format"):
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        path.write_bytes(whole)
        monkeypatch.setattr("sondage._checkpoint.build_info", lambda: {"version": "9.9"})
        with pytest.raises(SamplingError, match=r"the version of sondage is .* there and 9.9 here"):
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)

    @pytest.mark.parametrize("data", [b"", b"PAR1", b"sondage checkpoint 1\n", bytes(10_000)])
    def test_files_of_another_kind(self, data: bytes, path: Path) -> None:
        path.write_bytes(data)
        with pytest.raises(SamplingError, match=r"run\.ckpt (is|was|has).*left as it is"):
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        assert path.read_bytes() == data

    def test_a_state_that_the_core_does_not_know(self, path: Path, whole: bytes) -> None:
        data = whole[:-40]
        data += hashlib.sha256(data).digest()
        path.write_bytes(data)
        with pytest.raises(SamplingError, match=r"cannot be resumed here: .*it ends early"):
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        assert path.read_bytes() == data

    def test_a_thousand_corrupted_files(self, path: Path, whole: bytes) -> None:
        rng = np.random.default_rng(7)
        corrupted = []
        for _ in range(500):
            data = bytearray(whole)
            for at in rng.integers(len(whole), size=rng.integers(1, 4)):
                data[at] ^= 1 << int(rng.integers(8))
            corrupted.append(bytes(data))
        corrupted += [whole[: int(n)] for n in rng.integers(len(whole), size=400)]
        corrupted += [whole + rng.bytes(n) for n in range(1, 51)]
        corrupted += [
            whole[:at] + rng.bytes(20) + whole[at + 20 :]
            for at in rng.integers(len(whole) - 20, size=50)
        ]
        for data in corrupted:
            if data == whole:
                continue
            path.write_bytes(data)
            with pytest.raises(SamplingError, match=r"run\.ckpt"):
                sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
            assert path.read_bytes() == data

    def test_paths_that_cannot_be(self, tmp_path: Path) -> None:
        for given, message in [
            (tmp_path, "this is a folder"),
            ("", "this is a folder"),
            (tmp_path / "none" / "run.ckpt", "the folder .* does not exist"),
            (3, "checkpoint=3 must be the path of a file"),
        ]:
            with pytest.raises(SamplingError, match=message):
                sd.ask(QUESTION, SPACE, checkpoint=given, **SMALL)  # type: ignore[call-overload]

    def test_a_question_without_a_start_writes_nothing(self, path: Path) -> None:
        with pytest.raises(StartError):
            sd.ask(sd.require(forest, True) + sd.require(forest, False), SPACE, checkpoint=path)
        mine = foreign()
        with pytest.raises(StartError):
            sd.ask(sd.require(mine, True) + sd.require(mine, False), SPACE, checkpoint=path)
        assert not path.exists()

    def test_ask_each_keeps_none(self, path: Path) -> None:
        with pytest.raises(SamplingError, match="ask_each makes many short runs"):
            sd.ask_each(sd.near, FRAME[:2], SPACE, checkpoint=path)


class TestFullDisks:
    def test_the_answer_so_far_comes_with_the_error(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken_off(monkeypatch, path, QUESTION, 100, **SMALL)
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("sondage._checkpoint._APART", 0.0)
            patch.setattr(ASK, "_SLICE_SECONDS", 1e-9)
            patch.setattr("sondage._checkpoint.os.fsync", full)
            with pytest.raises(
                SamplingError, match=r"run\.ckpt cannot be written: No space"
            ) as caught:
                sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        answer = caught.value.answer
        assert answer is not None
        assert answer.status == "failed"
        assert answer.draws.shape[1] > 0
        assert list(path.parent.iterdir()) == [path]
        assert path.read_bytes() == before, "the last one stays"
        whole = sd.ask(QUESTION, SPACE, **SMALL)
        n = answer.draws.shape[1]
        assert answer.draws.tobytes() == whole.draws[:, :n].tobytes()
        same(whole, sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL))

    @pytest.mark.parametrize("name", ["conditional and walks", "foreign"])
    def test_a_file_that_may_not_grow(
        self, name: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource = pytest.importorskip("resource")
        monkeypatch.setattr("sondage._checkpoint._APART", 0.0)
        monkeypatch.setattr(ASK, "_SLICE_SECONDS", 1e-9)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(SamplingError, match=r"run\.ckpt cannot be written") as caught:
                sd.ask(RUNS[name][0](), SPACE, checkpoint=path, **SMALL)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.answer is not None
        assert list(path.parent.iterdir()) == []

    def test_a_run_that_was_stopped_says_so_first(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sondage._checkpoint.os.fsync", full)
        monkeypatch.setattr(ASK, "_advance", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt) as caught:
            sd.ask(QUESTION, SPACE, checkpoint=path, **SMALL)
        assert "cannot be written: No space" in caught.value.__notes__[0]


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
