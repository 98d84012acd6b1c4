"""Saving and loading."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sondage.answer import Answer, load_answer
from sondage.errors import DataError
from sondage.persistence import SCHEMA, SavedQuestion, fingerprint
from sondage.space import Continuous, Fixed


@pytest.fixture
def saved(answer: Answer, tmp_path: Path) -> Path:
    return answer.save(tmp_path / "answer.parquet")


def test_a_round_trip_is_bit_exact(make_answer, tmp_path) -> None:
    valid = np.random.default_rng(0).random((3, 50)) < 0.5
    values = np.random.default_rng(1).uniform(0, 1, (3, 50, 3))
    values[0, 0] = [0.1 + 0.2, np.nextafter(0.0, 1.0), 7.0]
    values[0, 1, 1] = -0.0
    values[:, :, 2] = 7.0
    columns = {"ä/b": Continuous(-1, 1), "chain": Continuous(-0.0, 1 / 3), "k": Fixed(7)}
    answer = make_answer(columns, chains=3, draws=50, valid=valid, values=values, nonfinite=1)
    again = load_answer(answer.save(tmp_path / "a.parquet"))
    for name in ("draws", "energies", "valid"):
        assert getattr(again, name).tobytes() == getattr(answer, name).tobytes()
    assert again.space == answer.space
    assert again.settings == answer.settings
    assert again.status == answer.status
    assert repr(again.statistics) == repr(answer.statistics)
    assert again.frame.equals(answer.frame)
    assert again.frame.schema == answer.frame.schema
    assert again.summary().equals(answer.summary())
    assert fingerprint(again) == fingerprint(answer)


def test_a_loaded_question_knows_its_words_and_survives_again(answer, saved, tmp_path) -> None:
    again = load_answer(saved)
    assert again.question == SavedQuestion(answer.question.describe(), repr(answer.question))
    twice = load_answer(again.save(tmp_path / "again.parquet"))
    assert twice.question == again.question


@pytest.mark.parametrize("draws", [0, 1])
def test_few_draws_round_trip(make_answer, tmp_path, draws) -> None:
    answer = make_answer(draws=draws, chains=2)
    again = load_answer(answer.save(tmp_path / "few.parquet"))
    assert again.draws.shape == (2, draws, 3)


def test_any_reader_sees_the_frame(answer, saved) -> None:
    assert pl.read_parquet(saved).equals(answer.frame)


def test_saving_replaces_whole_files_and_leaves_nothing_else(answer, make_answer, saved) -> None:
    make_answer(seed=5).save(saved)
    assert load_answer(saved).draws.tobytes() != answer.draws.tobytes()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_failed_save_keeps_the_old_file(answer, saved, monkeypatch) -> None:
    before = saved.read_bytes()

    def fail(self: pl.DataFrame, target: Path, **options: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(OSError, match="disk full"):
        answer.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_places_that_cannot_be_written_are_named(answer, tmp_path) -> None:
    with pytest.raises(DataError, match=r"folder .*nowhere does not exist"):
        answer.save(tmp_path / "nowhere" / "a.parquet")
    with pytest.raises(DataError, match="this is a folder"):
        answer.save(tmp_path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"none\.parquet: there is no such file"):
        load_answer(tmp_path / "none.parquet")


@pytest.mark.parametrize("kept", [0, 3, 200, -1, -300])
def test_a_truncated_file_is_refused(saved, kept) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"answer\.parquet: not a whole Parquet file"):
        load_answer(saved)


def test_damaged_bytes_are_refused(saved) -> None:
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for place in rng.integers(4, len(whole) // 3, size=12):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        saved.write_bytes(bytes(damaged))
        try:
            again = load_answer(saved)
        except DataError as error:
            refusals.append(str(error))
        else:
            saved.write_bytes(whole)
            assert fingerprint(again) == fingerprint(load_answer(saved))
    assert len(refusals) > 6
    assert all("answer.parquet" in refusal for refusal in refusals)


def test_a_foreign_file_is_refused(tmp_path) -> None:
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(DataError, match="not an answer that sondage saved"):
        load_answer(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        load_answer(path)


def rewrite(path: Path, frame: pl.DataFrame | None = None, **changes: object) -> None:
    document = json.loads(pl.read_parquet_metadata(path)["sondage"]) | changes
    table = pl.read_parquet(path) if frame is None else frame
    table.write_parquet(path, metadata={"sondage": json.dumps(document)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": SCHEMA + 1}, "newer sondage"),
        ({"schema": "x"}, "newer sondage"),
        ({"status": "splendid"}, "status 'splendid'"),
        ({"space": {"columns": []}}, "do not fit together"),
        ({"space": []}, "do not fit together"),
        ({"settings": {}}, "do not fit together"),
        ({"statistics": {"kernels": 3}}, "do not fit together"),
        ({"shape": [2, 400, 3]}, "SHA-256|do not fit"),
        ({"shape": None}, "do not fit together"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(saved, changes, words) -> None:
    rewrite(saved, **changes)
    with pytest.raises(DataError, match=words) as caught:
        load_answer(saved)
    assert str(saved) in str(caught.value)


def test_a_description_that_is_no_json_is_refused(saved) -> None:
    pl.read_parquet(saved).write_parquet(saved, metadata={"sondage": "{"})
    with pytest.raises(DataError, match="description cannot be read"):
        load_answer(saved)


def test_changed_tables_are_refused(saved) -> None:
    table = pl.read_parquet(saved)
    for changed in (
        table.head(10),
        table.drop("age"),
        table.with_columns(age=pl.col("age") + 1e-9),
        table.reverse(),
    ):
        rewrite(saved, changed)
        with pytest.raises(DataError, match=r"do not fit together|changed after"):
            load_answer(saved)
