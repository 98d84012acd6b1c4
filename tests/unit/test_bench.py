"""The reference samplers that ``sondage bench`` compares with, and how it counts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sondage.bench.paper_reference import PaperSettings, paper_mala, random_walk, wine_energy

Floats = NDArray[np.float64]


class Counted:
    """A step function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, rows: Floats) -> Floats:
        self.calls += 1
        return np.where(rows[:, 0] < 0.5, 0.0, 0.7)


def test_caching_changes_the_calls_and_not_the_chain() -> None:
    start = np.array([0.3, 0.6])
    settings = PaperSettings(temperature=0.5)
    plain, cached = Counted(), Counted()
    a = paper_mala(plain, start, 500, np.random.default_rng(4), settings)
    b = paper_mala(cached, start, 500, np.random.default_rng(4), settings, cached=True)
    assert np.array_equal(a, b)
    assert plain.calls == 6 * 500 + 1
    assert cached.calls == 2 * 500 + 1
    assert len(np.unique(a[:, 0])) > 50
    assert a.min() > 0
    assert a.max() < 1


def test_random_walk_has_the_stated_law() -> None:
    energy = Counted()
    draws = random_walk(
        energy, np.array([0.3]), 20_000, np.random.default_rng(1), temperature=0.5, scale=0.6
    )
    share = float(np.mean(draws[:, 0] < 0.5))
    assert share == pytest.approx(1 / (1 + np.exp(-0.7 / 0.5)), abs=0.02)
    assert energy.calls == 20_001


def test_wine_energy_by_hand() -> None:
    class Model:
        def __init__(self, p: list[float]) -> None:
            self.p = np.array([p])

        def predict_proba(self, rows: Floats) -> Floats:
            return np.repeat(self.p, len(rows), axis=0)

    energy = wine_energy(Model([0.5, 0.5, 0.0]), Model([0.0, 0.25, 0.75]))
    assert energy(np.zeros((2, 13))) == pytest.approx([np.log(0.5) + 0.5625] * 2)
