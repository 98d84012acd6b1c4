"""Replica exchange: what is asked, what is kept of it, and what is refused."""

import json
import math
import pickle

import numpy as np
import polars as pl
import pytest
from scipy.special import erf

from sondage import decoders
from sondage._ladder import Ladder
from sondage.answer import load_answer
from sondage.ask import ask
from sondage.custom import custom
from sondage.errors import SamplingError
from sondage.kernels import MALA, Conditional, Cycle, Mixture, RandomWalk, Tempered
from sondage.pullback import pullback
from sondage.queries import ask_each
from sondage.questions import near
from sondage.run_statistics import RunStatistics
from sondage.settings import Settings
from sondage.space import Continuous, Integer, Space
from sondage.tempering import TemperingStatistics, suggestion

SPACE = Space({"a": Continuous(0.0, 1.0), "b": Continuous(-1.0, 2.0)})
ANCHOR = {"a": 0.3, "b": 0.5}
QUESTION = near(ANCHOR, weights={"a": 2.0, "b": 1.0})
LADDER = [0.05, 0.2, 1.0]


def exact_log_evidence(temperature: float) -> float:
    """Of QUESTION on SPACE: a product of normal integrals over the volume."""
    total = 0.0
    for anchor, weight, low, high in ((0.3, 2.0, 0.0, 1.0), (0.5, 1.0, -1.0, 2.0)):
        scale = math.sqrt(weight / temperature)
        mass = erf(scale * (high - anchor)) - erf(scale * (low - anchor))
        total += math.log(math.sqrt(math.pi) / (2 * scale) * mass / (high - low))
    return total


def test_a_ladder_is_checked_where_it_is_made():
    made = Tempered(RandomWalk(0.1), np.array([0.1, 1.0]))
    assert made.temperatures == (0.1, 1.0)
    assert made == pickle.loads(pickle.dumps(made))
    assert repr(made) == "Tempered(RandomWalk(scale=0.1), [0.1, 1.0])"
    for kernel in ("auto", MALA(), Mixture(MALA(), RandomWalk()), Cycle(Conditional(), MALA())):
        assert Tempered(kernel, [1, 2]).temperatures == (1.0, 2.0)
    for kernel, temperatures, words in [
        ("other", [1.0, 2.0], "'other'"),
        (made, [1.0, 2.0], "is needed"),
        ("auto", [1.0], "1 temperatures"),
        ("auto", [], "0 temperatures"),
        ("auto", [2.0, 1.0], "1.0 follows 2.0"),
        ("auto", [1.0, 1.0], "1.0 follows 1.0"),
        ("auto", [0.0, 1.0], "above zero"),
        ("auto", [1.0, math.inf], "inf"),
        ("auto", [math.nan, 1.0], "nan"),
        ("auto", ["1", 2.0], "'1'"),
        ("auto", 3.0, "sequence"),
        ("auto", range(1, 257), "256 temperatures"),
    ]:
        with pytest.raises(SamplingError, match=words):
            Tempered(kernel, temperatures)


def test_temperatures_of_a_run():
    kernel = Tempered("auto", LADDER)
    assert Ladder.of(None, "auto") == Ladder((1.0,), (1.0,), several=False)
    assert Ladder.of(None, kernel) == Ladder.of(0.05, kernel)
    assert Ladder.of(0.05, kernel).rungs == tuple(LADDER)
    assert Ladder.of([1.0, 0.2], "auto") == Ladder((1.0, 0.2), (0.2, 1.0), several=True)
    assert Ladder.of(np.array([2.0]), "auto") == Ladder((2.0,), (2.0,), several=True)
    for temperature, own, words in [
        (0.2, kernel, r"temperature=0.2 is not the lowest of .*0.05"),
        ([0.05, 0.2], kernel, "several temperatures"),
        ([], "auto", "no temperature"),
        ([0.5, 0.5], "auto", "twice"),
        ([0.5, -1.0], "auto", "-1.0"),
        (list(range(1, 257)), "auto", "256"),
        ("warm", "auto", "'warm'"),
    ]:
        with pytest.raises(SamplingError, match=words):
            Ladder.of(temperature, own)


def test_a_tempered_answer_says_what_the_ladder_did(tmp_path):
    kernel = Tempered("auto", LADDER)
    answer = ask(QUESTION, SPACE, kernel=kernel, draws=400, chains=4, seed=3)
    assert answer.status == "complete"
    used = answer.settings
    assert (used.temperature, used.temperatures, used.kernel_requested) == (0.05, (), repr(kernel))
    assert used.kernel.startswith("Tempered(Conditional(), [0.05")
    found = answer.statistics.tempering
    assert found is not None
    assert found.temperatures[::2] == (0.05, 1.0)
    assert 0.05 < found.temperatures[1] < 1.0
    assert found.temperatures[1] != 0.2  # the pilot moved it
    assert [len(own) for own in (*found.swaps, *found.stones, found.base)] == [4] * 5
    low, high = sorted(found.swap_rates)
    assert low > 0.3
    assert high - low < 0.15
    assert min(found.round_trips) > 5
    assert answer.diagnostics.swap_rate == low
    assert "exchanges" in repr(answer.diagnostics)
    assert answer.diagnostics.verdict == "trustworthy"

    value, se = answer.log_evidence
    assert 0.0 < se < 0.2
    assert abs(value - exact_log_evidence(0.05)) < 4 * se

    read = load_answer(answer.save(tmp_path / "answer.parquet"))
    assert repr(read.statistics) == repr(answer.statistics)
    assert read.log_evidence == answer.log_evidence
    report = answer.report(tmp_path / "answer.html").read_text()
    assert "Exchanges of rows" in report
    assert "Tempered" in report
    same = ask(QUESTION, SPACE, kernel=kernel, temperature=0.05, draws=400, chains=4, seed=3)
    assert np.array_equal(same.draws, answer.draws)


def test_several_temperatures_are_several_answers(tmp_path):
    asked = [0.3, 0.02, 1.0]
    answers = ask(QUESTION, SPACE, temperature=asked, draws=500, chains=4, seed=4)
    assert isinstance(answers, tuple)
    assert [answer.settings.temperature for answer in answers] == asked
    spreads = [float(answer.draws[..., 1].std()) for answer in answers]
    assert spreads[1] < spreads[0] < spreads[2]
    for answer, temperature in zip(answers, asked, strict=True):
        assert answer.settings.temperatures == tuple(asked)
        assert answer.statistics.tempering.temperatures == (0.02, 0.3, 1.0)
        assert np.array_equal(
            answer.energies, answers[0].question.evaluate(answer.frame, SPACE).reshape(4, 500)
        )
        value, se = answer.log_evidence
        assert abs(value - exact_log_evidence(temperature)) < 4 * se
    read = load_answer(answers[1].save(tmp_path / "one.parquet"))
    assert read.settings == answers[1].settings
    report = answers[1].report(tmp_path / "one.html").read_text()
    assert "temperature=[0.3, 0.02, 1.0]" in report
    assert ")[1]" in report
    (one,) = ask(QUESTION, SPACE, temperature=[0.3], draws=20, chains=2, seed=4)
    plain = ask(QUESTION, SPACE, temperature=0.3, draws=20, chains=2, seed=4)
    assert np.array_equal(one.draws, plain.draws)
    assert one.statistics.tempering is None


def test_answers_of_earlier_versions_are_read():
    answer = ask(QUESTION, SPACE, draws=5, chains=1, seed=1)
    settings, statistics = answer.settings.to_dict(), answer.statistics.to_dict()
    del settings["temperatures"], statistics["tempering"]
    assert Settings.from_dict(settings) == answer.settings
    assert repr(RunStatistics.from_dict(statistics)) == repr(answer.statistics)


def test_statistics_keep_numbers_that_are_not_finite():
    found = TemperingStatistics(
        temperatures=(0.1, 1.0),
        swaps=((math.nan, 0.5),),
        stones=((-1.5, -math.inf),),
        base=(-math.inf, 0.25),
        round_trips=(0, 3),
    )
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = TemperingStatistics.from_dict(json.loads(text))
    assert repr(again) == repr(found)
    assert TemperingStatistics((1.0, 2.0), ((0.25, 0.75),), ((0.0,),), (0.0,), (1,)).wanted == 2


def test_what_cannot_be_told_is_refused():
    answer = ask(QUESTION, SPACE, draws=5, chains=2, seed=1, temperature=0.1)
    with pytest.raises(SamplingError, match=r"sd\.Tempered\(\"auto\", \[0.1, "):
        _ = answer.log_evidence
    kernel = Tempered(RandomWalk(), LADDER)
    cut = ask(QUESTION, SPACE, kernel=kernel, draws=10**9 // 8, chains=1, max_seconds=0.3, seed=1)
    assert cut.status == "timed_out"
    with pytest.raises(SamplingError, match="timed_out"):
        _ = cut.log_evidence
    (single,) = (ask(QUESTION, SPACE, kernel=kernel, draws=50, chains=1, seed=1),)
    assert math.isnan(single.log_evidence.se)
    # No chance to meet it; a start is given.
    rare = custom(lambda x: np.where(np.abs(x[:, 0] - 0.5) < 1e-9, 0.0, np.inf), name="rare")
    start = pl.DataFrame({"a": [0.5, 0.5], "b": [0.0, 0.0]})
    stuck = ask(rare, SPACE, kernel=kernel, draws=20, chains=2, seed=1, start=start)
    with pytest.raises(SamplingError, match="too rare"):
        _ = stuck.log_evidence


def test_conditions_that_are_hardly_met_leave_no_evidence():
    space = SPACE.where("a + b >= 2.99999").where("a - b <= 0")
    kernel = Tempered(RandomWalk(), LADDER)
    answer = ask(QUESTION, space, kernel=kernel, draws=20, chains=2, seed=1)
    assert all(math.isnan(log) for log in answer.statistics.tempering.base)
    with pytest.raises(SamplingError, match="conditions of the space"):
        _ = answer.log_evidence


@pytest.mark.parametrize("question", [QUESTION, custom(lambda x: x[:, 0] ** 2, name="square")])
def test_a_run_that_ends_in_its_pilot_is_empty_and_whole(question, tmp_path):
    kernel = Tempered(RandomWalk(), LADDER)
    cut = ask(question, SPACE, kernel=kernel, warmup=10**9, max_seconds=0.2, chains=2, seed=1)
    assert (cut.status, cut.draws.shape) == ("timed_out", (2, 0, 2))
    assert cut.diagnostics.verdict == "not trustworthy"
    assert cut.diagnostics.swap_rate is None
    assert cut.statistics.steps == (0, 0)
    read = load_answer(cut.save(tmp_path / "cut.parquet"))
    assert repr(read.statistics) == repr(cut.statistics)


def test_given_starts_are_those_of_every_temperature():
    start = pl.DataFrame({"a": [0.1, 0.9], "b": [0.0, 1.0]})
    settings = {"kernel": RandomWalk(1e-9), "start": start, "warmup": 20, "draws": 3, "chains": 2}
    answers = ask(QUESTION, SPACE, temperature=[0.1, 0.1001], seed=1, **settings)
    for answer in answers:
        assert np.allclose(answer.draws, start.to_numpy()[:, None, :], atol=1e-6)


def test_what_differs_by_temperature_in_more_than_g_is_refused():
    question = pullback(near(ANCHOR), decoders.BoxSigmoid(SPACE))
    with pytest.raises(SamplingError, match="Jacobian"):
        ask(question, SPACE, temperature=[0.1, 0.5], draws=10)
    with pytest.raises(SamplingError, match="one temperature"):
        ask_each(lambda _: QUESTION, pl.DataFrame(ANCHOR), SPACE, temperature=[0.1, 0.2])


@pytest.mark.parametrize("kernel", [RandomWalk(), Mixture(MALA(), RandomWalk()), MALA()])
def test_models_of_other_libraries_exchange_rows_in_one_call(kernel):
    calls = []

    def bowl(x):
        calls.append(len(x))
        return 2.0 * (x[:, 0] - 0.3) ** 2 + (x[:, 1] - 0.5) ** 2

    def slope(x):
        return np.column_stack([4.0 * (x[:, 0] - 0.3), 2.0 * (x[:, 1] - 0.5)])

    question = custom(bowl, gradient=slope, name="bowl")
    tempered = Tempered(kernel, LADDER)
    settings = {"draws": 600, "chains": 8, "warmup": 200, "seed": 5}
    answer = ask(question, SPACE, kernel=tempered, **settings)
    assert answer.status == "complete"
    # Three temperatures of eight chains, of the pilot and of the answer.
    assert sum(n == 24 for n in calls) > 900
    value, se = answer.log_evidence
    assert abs(value - exact_log_evidence(0.05)) < 4 * se < 0.4
    native = ask(QUESTION, SPACE, kernel=tempered, **settings)
    # G of the two differs by rounding alone, and so do acceptances.
    assert np.allclose(answer.draws[:, :3], native.draws[:, :3], atol=1e-6)


def test_evidence_is_that_of_the_base_measure_within_conditions():
    settings = {"draws": 1000, "chains": 8, "seed": 6, "kernel": Tempered("auto", LADDER)}
    half = exact_log_evidence(0.05)
    left = SPACE.where("a <= 0.3")
    # Symmetric about the anchor, but for the box: a normal integral over [0, 0.3] of width 0.3.
    scale = math.sqrt(2.0 / 0.05)
    inside = erf(scale * 0.3) / (erf(scale * 0.7) + erf(scale * 0.3)) / 0.3
    wanted = half + math.log(inside)
    for space in (left, SPACE.where(lambda frame: frame["a"] <= 0.3)):
        value, se = ask(QUESTION, space, **settings).log_evidence
        assert abs(value - wanted) < 4 * se < 0.4
    whole = Space({"n": Integer(0, 3), "a": Continuous(0.0, 1.0)})
    answer = ask(near({"n": 1, "a": 0.5}, norm=1, weights={"n": 1.0, "a": 0.0}), whole, **settings)
    value, se = answer.log_evidence
    exact = math.log(sum(math.exp(-abs(n - 1) / 0.05) for n in range(4)) / 4)
    assert abs(value - exact) < 4 * se < 0.4


def test_a_ladder_with_a_gap_is_named():
    space = Space({f"x{j}": Continuous(0.0, 1.0) for j in range(20)})
    question = near(dict.fromkeys(space.columns, 0.5))
    answer = ask(question, space, kernel=Tempered("auto", [1e-4, 1.0]), draws=200, seed=7)
    (found,) = [w for w in answer.diagnostics.warnings if "hardly pass" in w.text]
    assert "τ = 0.0001 and 1" in found.text
    assert "Use 3 temperatures or more" in found.remedy
    assert answer.statistics.tempering.round_trips == (0,) * 8


def test_a_suggestion_names_temperatures_to_try(make_answer):
    answer = make_answer(draws=50)
    lowest = answer.settings.temperature
    asked = suggestion(answer)
    kernel, _, ladder = asked.removeprefix("sd.Tempered(").removesuffix(")").partition(", ")
    assert kernel == '"auto"'
    made = Tempered("auto", json.loads(ladder))
    assert made.temperatures[0] == lowest
    assert made.temperatures[-1] >= 100 * lowest
