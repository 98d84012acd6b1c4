"""The bench of forests: its cases in small, and what it says about peers that are missing."""

from __future__ import annotations

import numpy as np
import pytest

from sondage.bench import models, peers
from sondage.bench.models import _Case

pytest.importorskip("sklearn")
from sklearn.ensemble import RandomForestClassifier


def small_case() -> _Case:
    rng = np.random.default_rng(0)
    x = rng.random((300, 4))
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, x[:, 0] > x[:, 1])
    found = peers.of_sklearn(forest, compiled=False)
    return _Case("small", forest, x, {"scikit-learn": found["scikit-learn"]})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ROUNDS", 1)
    monkeypatch.setattr(models, "ROUND_SECONDS", 1e-4)
    monkeypatch.setattr(models, "SIZES", (1, 100))


def test_every_evaluation_is_timed_and_agrees() -> None:
    notes: list[str] = []
    found = models._measure(small_case(), notes)
    assert notes == []
    assert [(row.rows, row.name) for row in found] == [
        (n, name)
        for n in (1, 100)
        for name in ("sondage, Model.proba", "sondage, core alone", "scikit-learn")
    ]
    assert all(row.agreeing == 1.0 and row.row_us > 0 for row in found)
    assert all(row.over_fastest_peer == 1.0 for row in found if row.name == "scikit-learn")


def test_a_peer_that_disagrees_shows() -> None:
    case = small_case()

    def wrong() -> peers.Maker:
        return lambda rows: lambda: np.full(len(rows), 2.0)

    found = models._measure(_Case("small", case.model, case.rows, {"scikit-learn": wrong}), [])
    assert {row.agreeing for row in found if row.name == "scikit-learn"} == {0.0}


def test_missing_and_failing_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case()

    def broken() -> peers.Maker:
        raise RuntimeError("no such\nlibrary")

    monkeypatch.setitem(peers.NEEDS, "absent", ("surely_not_installed",))
    monkeypatch.setitem(peers.NEEDS, "broken", ())
    notes: list[str] = []
    several = case.peers | {"absent": broken, "broken": broken}
    models._measure(_Case("small", case.model, case.rows, several), notes)
    assert notes == [
        "absent skipped: surely_not_installed is not installed",
        "small: broken skipped: no such",
    ]


def test_made_up_rows_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(models.DATA, raising=False)
    x, y, notes = models._table("adult.csv.gz", 14, 500)
    assert x.shape == (500, 14)
    assert set(y) == {0, 1}
    assert np.array_equal(x, x.astype(np.float32))
    assert len(notes) == 1
    assert "made-up" in notes[0]
