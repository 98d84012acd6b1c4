"""Checkpoints: files that are refused, disks that are full."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumable import (
    ASK,
    FRAME,
    NAMES,
    QUESTION,
    RUNS,
    SMALL,
    SPACE,
    WALK,
    broken_off,
    foreign,
    forest,
    forest_of,
    same,
)

import sondage as sd
from sondage.errors import SamplingError, StartError

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ckpt"


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
