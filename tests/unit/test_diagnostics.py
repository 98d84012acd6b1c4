"""Verdicts and warnings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sondage import diagnostics
from sondage.convergence import convergence
from sondage.diagnostics import Diagnostics
from sondage.run_statistics import KernelStatistics, RunStatistics
from sondage.space import Continuous

ONE = {"x": Continuous(0, 1)}


def only(found: Diagnostics, words: str) -> diagnostics.Warning:
    matching = [warning for warning in found.warnings if words in warning.text]
    assert len(matching) == 1, [warning.text for warning in found.warnings]
    return matching[0]


def test_a_good_answer_is_trustworthy_without_a_warning(make_answer) -> None:
    found = make_answer(draws=400).diagnostics
    assert found.verdict == "trustworthy"
    assert found.warnings == ()
    assert found.rhat_max < 1.01
    assert found.ess_min > 400
    assert found.steps_per_second == pytest.approx(4 * 500 / 2.0)
    assert found.share_valid == 1.0
    assert found.unique_share == 1.0
    assert found.acceptance is None
    assert found.exact
    assert found.sentence.startswith("Trustworthy")
    assert "R-hat max" in repr(found)


def apart(gap: float, draws: int = 400) -> np.ndarray:
    values = np.random.default_rng(0).uniform(0.0, 0.5, size=(4, draws, 1))
    values[0] += gap
    return values


def test_chains_that_disagree_are_serious(make_answer) -> None:
    found = make_answer(ONE, draws=400, values=apart(0.4)).diagnostics
    warning = only(found, "The chains disagree")
    assert warning.severity == "serious"
    assert "for x" in warning.text
    assert found.verdict == "not trustworthy"
    assert found.sentence.startswith("Not trustworthy: the chains disagree")


def test_chains_that_almost_agree_are_a_caution(make_answer) -> None:
    found = make_answer(ONE, draws=400, values=apart(0.07)).diagnostics
    assert 1.01 < found.rhat_max < 1.05
    assert only(found, "do not quite agree").severity == "caution"
    assert found.verdict == "with care"


def test_few_independent_draws_say_how_many_more(make_answer) -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(4, 50, 1)), axis=1)
    slow = np.repeat(rng.uniform(size=(4, 100, 1)), 4, axis=1)
    warning = only(make_answer(ONE, draws=400, values=slow).diagnostics, "worth only")
    assert "400 are wanted" in warning.text
    assert "draws=" in warning.remedy
    assert "more)" in warning.remedy
    assert make_answer(ONE, draws=50, values=walk).diagnostics.verdict == "not trustworthy"


def test_following_the_remedy_reaches_what_is_wanted(make_answer) -> None:
    few = make_answer(ONE, draws=60).diagnostics
    asked = only(few, "worth only").remedy
    enough = int(asked.split("draws=")[1].split(" ")[0].replace(",", ""))
    assert 100 <= enough < 300
    assert "worth only" not in str(make_answer(ONE, draws=enough).diagnostics.warnings)


def test_the_clip_boundary_and_fresh_noise_are_named(make_answer) -> None:
    clip = make_answer(exact=False, boundary="clip", draws=400).diagnostics
    assert 'boundary="reflect"' in only(clip, "clip boundary").remedy
    fresh = make_answer(exact=False, draws=400).diagnostics
    assert "shared" in only(fresh, "fresh noise").remedy
    assert clip.verdict == fresh.verdict == "not trustworthy"


@pytest.mark.parametrize(
    ("status", "words", "verdict"),
    [
        ("interrupted", "interrupted", "with care"),
        ("timed_out", "time limit", "with care"),
        ("failed", "failed", "not trustworthy"),
    ],
)
def test_a_run_that_did_not_complete_is_named(make_answer, status, words, verdict) -> None:
    found = make_answer(status=status, draws=400).diagnostics
    only(found, words)
    assert found.verdict == verdict


def test_an_interrupted_check_of_the_draws_is_named(make_answer) -> None:
    answer = make_answer(draws=200, status="interrupted", valid=False)
    assert "while the model confirmed its draws" in answer.diagnostics.warnings[0].text


def test_non_finite_outputs_are_counted(make_answer) -> None:
    found = make_answer(nonfinite=3, draws=400).diagnostics
    assert found.nonfinite == 12
    assert only(found, "12 times").severity == "caution"


def test_a_share_that_is_not_valid_is_a_note(make_answer) -> None:
    valid = np.ones((4, 400), dtype=bool)
    valid[:, ::4] = False
    found = make_answer(valid=valid, draws=400).diagnostics
    assert found.share_valid == 0.75
    assert only(found, "75 %").severity == "note"
    assert found.verdict == "trustworthy"


@pytest.mark.parametrize(("chains", "warned"), [(1, True), (3, True), (4, False)])
def test_few_chains_are_warned_about(make_answer, chains, warned) -> None:
    found = make_answer(chains=chains, draws=400).diagnostics
    assert any("Use chains=4" in warning.remedy for warning in found.warnings) == warned
    assert (found.rhat_max is None) == (chains == 1)
    if chains == 1:
        assert found.verdict == "not assessed"


@pytest.mark.parametrize(
    ("kernel", "share", "words"),
    [
        ("random_walk", 0.01, "too few"),
        ("random_walk", 0.99, "short"),
        ("MALA", 0.05, "too few"),
        ("Barker", 0.95, "short"),
    ],
)
def test_wasteful_acceptance_explains_a_poor_sample(make_answer, kernel, share, words) -> None:
    poor = make_answer(ONE, draws=400, values=apart(0.4), kernel=kernel, acceptance=share)
    assert words in only(poor.diagnostics, f"{kernel} accepts").text
    assert poor.diagnostics.acceptance == pytest.approx(share)
    fine = make_answer(draws=400, kernel=kernel, acceptance=share)
    assert fine.diagnostics.warnings == ()


def test_a_chain_that_never_moved_is_named(make_answer) -> None:
    values = np.random.default_rng(0).uniform(size=(4, 50, 1))
    values[2] = 0.5
    found = make_answer(ONE, draws=50, values=values).diagnostics
    assert only(found, "Chain 2 never moved").severity == "serious"
    still = make_answer(ONE, draws=50, values=np.full((4, 50, 1), 0.5)).diagnostics
    assert "0, 1, 2, 3" in only(still, "never moved").text


def test_the_most_serious_warning_comes_first(make_answer) -> None:
    found = make_answer(ONE, chains=2, draws=30, status="failed", valid=False).diagnostics
    order = [warning.severity for warning in found.warnings]
    assert order == sorted(order, key=["serious", "caution", "note"].index)
    assert {"serious", "caution", "note"} == set(order)


def test_distinct_rows_are_counted(make_answer) -> None:
    values = np.repeat(np.random.default_rng(0).uniform(size=(4, 50, 1)), 2, axis=1)
    assert make_answer(ONE, draws=100, values=values).diagnostics.unique_share == 0.5


def test_chains_that_each_stand_still_do_not_agree(make_answer) -> None:
    x = np.repeat(np.arange(4.0).reshape(4, 1, 1) / 4, 20, axis=1)
    assert convergence(x).rhat[0] > 1e6
    assert "R-hat is > 100 for x" in str(make_answer(ONE, draws=20, values=x).diagnostics.warnings)


def test_statistics_survive_json() -> None:
    statistics = RunStatistics(
        nonfinite=(0, 2),
        seconds_warmup=0.1,
        seconds_sampling=0.2,
        steps=(10, 12),
        kernels=(KernelStatistics("mala", (0.5, math.nan), (0.1, 0.2), (5, 6)),),
        exact=True,
    )
    again = RunStatistics.from_dict(statistics.to_dict())
    assert repr(again) == repr(statistics)
    with pytest.raises(TypeError):
        RunStatistics.from_dict(statistics.to_dict() | {"kernels": {}})
