"""Checkpoints: runs that go on to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from resumable import (
    ASK,
    FRAME,
    LONG,
    QUESTION,
    RUNS,
    SMALL,
    SPACE,
    TEMPERED,
    StoppedError,
    broken_off,
    call,
    foreign,
    same,
    stopping,
)

import sondage as sd
from sondage._checkpoint import Keeper
from sondage.errors import SamplingError

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ckpt"


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

    @pytest.mark.usefixtures("ctrl_c_soon")
    @pytest.mark.parametrize("on_interrupt", ["raise", "return"])
    def test_control_c(self, on_interrupt: Any, path: Path) -> None:
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
