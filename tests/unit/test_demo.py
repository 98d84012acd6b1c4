"""The wine demo gives the exact law's numbers and the papers' accuracies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sondage import demo

# Means of the 13 scaled columns at temperature 1/50, known to about 0.003, and of G.
EXACT_MEANS = np.fromstring(
    "0.652 0.512 0.503 0.490 0.506 0.468 0.538 0.502 0.498 0.299 0.445 0.344 0.446", sep=" "
)
EXACT_ENERGY = -1.0776
EXACT_FOREST = [0.333, 0.344, 0.323]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoResult:
    return demo.run(tmp_path_factory.mktemp("demo"), draws=1000, chains=8)


def test_accuracies_are_those_of_the_paper(result: demo.DemoResult) -> None:
    assert round(result.problem.accuracy_forest, 3) == 0.944
    assert round(result.problem.accuracy_tree, 3) == 0.889


def test_means_agree_with_the_exact_law(result: demo.DemoResult) -> None:
    summary = result.answer.summary()
    mcse = summary["mcse"].to_numpy()[:13]
    means = summary["mean"].to_numpy()[:13]
    assert np.all(np.abs(means - EXACT_MEANS) < 0.004 + 5 * mcse)
    assert np.all(mcse < 0.02)


def test_energy_and_probabilities_agree_with_the_exact_law(result: demo.DemoResult) -> None:
    assert abs(result.answer.energies.mean() - EXACT_ENERGY) < 0.005
    assert np.allclose(result.forest_probabilities, EXACT_FOREST, atol=0.01)


def test_energies_are_those_of_the_question(result: demo.DemoResult) -> None:
    rows = result.answer.draws[:, ::100].reshape(-1, 13)
    forest = result.problem.forest.predict_proba(rows)
    tree = result.problem.tree.predict_proba(rows)[:, 1]
    by_hand = (forest * np.log(forest)).sum(axis=1) + (tree - 1) ** 2
    assert np.allclose(result.answer.energies[:, ::100].reshape(-1), by_hand, atol=1e-9)


def test_answer_is_valid_and_converged(result: demo.DemoResult) -> None:
    assert result.answer.status == "complete"
    assert result.answer.diagnostics.exact
    assert result.answer.diagnostics.rhat_max < 1.05
    assert result.tree_share > 0.95
    assert result.tree_share == pytest.approx(result.answer.valid.mean())


def test_table_is_in_real_units(result: demo.DemoResult) -> None:
    alcohol = result.table.row(0, named=True)
    assert alcohol["column"] == "alcohol"
    assert alcohol["class_0"] == pytest.approx(13.745, abs=0.001)
    assert 11.03 < alcohol["answer"] < 14.83
    assert result.table.height == 13


def test_report_is_written(result: demo.DemoResult) -> None:
    text = result.report.read_text(encoding="utf-8")
    assert "alcohol" in text
    assert "real units" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_result_is_frozen(result: demo.DemoResult) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.seconds = 0.0  # type: ignore[misc]


def test_demo_makes_its_folder(tmp_path: Path) -> None:
    found = demo.run(tmp_path / "a" / "b", draws=20, chains=2)
    assert found.report == tmp_path / "a" / "b" / "wine.html"
    assert found.report.is_file()
