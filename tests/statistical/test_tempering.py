"""Regions that lie apart: plain chains say that they disagree, tempered ones have the exact shares.

The exact law of a question about trees: G is constant between thresholds, so cells between them
have mass volume × exp(−G/τ).
"""

import math

import numpy as np
import polars as pl
import pytest
from scipy.special import erf
from sklearn.tree import DecisionTreeRegressor

from sondage.ask import ask
from sondage.convergence import convergence
from sondage.demo import wine_problem
from sondage.kernels import MALA, Conditional, RandomWalk, Tempered
from sondage.models import as_model
from sondage.questions import fixed_label, near
from sondage.space import Continuous, Space

pytestmark = pytest.mark.statistical

SPACE = Space({"a": Continuous(0.0, 1.0), "b": Continuous(0.0, 1.0)})
TEMPERATURE = 0.02
#: Regions in opposite corners, where the model gives 1; elsewhere it gives 0 and G is 1/2.
CORNERS = (((0.0, 0.15), (0.0, 0.15)), ((0.75, 1.0), (0.8, 1.0)))


def _tree():
    grid = np.linspace(0.005, 0.995, 100)
    rows = np.array([(a, b) for a in grid for b in grid])
    value = np.zeros(len(rows))
    for (a, b), (c, d) in CORNERS:
        value[(a < rows[:, 0]) & (rows[:, 0] < b) & (c < rows[:, 1]) & (rows[:, 1] < d)] = 1.0
    frame = pl.DataFrame(rows, schema=["a", "b"])
    return DecisionTreeRegressor(random_state=0).fit(frame.to_pandas(), value)


TREE = _tree()
QUESTION = fixed_label(as_model(TREE), 1.0)


def exact(temperature):
    """Share of the first region, and log E[exp(−G/τ)] under the uniform measure."""
    inner = TREE.tree_
    ends = [
        np.unique([0.0, *inner.threshold[inner.feature == j].astype(np.float64), 1.0])
        for j in range(2)
    ]
    middle = [(own[1:] + own[:-1]) / 2 for own in ends]
    rows = np.array([(a, b) for a in middle[0] for b in middle[1]])
    volumes = np.outer(np.diff(ends[0]), np.diff(ends[1])).ravel()
    masses = volumes * np.exp(-QUESTION.evaluate(rows, SPACE) / temperature)
    low = (rows < 0.15).all(axis=1)
    return float(masses[low].sum() / masses.sum()), math.log(masses.sum())


def z_of_share(answer):
    """Distance of the first region's share from the exact one, in standard errors."""
    inside = (answer.draws < 0.15).all(axis=2).astype(np.float64)
    share, _ = exact(answer.settings.temperature)
    mcse = convergence(inside[:, :, None]).mcse[0]
    assert mcse < 0.03, "too few independent draws to say anything"
    return (inside.mean() - share) / mcse


@pytest.mark.parametrize("kernel", [Conditional(), RandomWalk(0.02)])
def test_plain_chains_disagree_and_say_what_to_do(kernel):
    answer = ask(QUESTION, SPACE, kernel=kernel, temperature=TEMPERATURE, draws=1000, seed=1)
    found = answer.diagnostics
    assert found.rhat_max > 1.05
    assert found.verdict == "not trustworthy"
    (warning,) = [w for w in found.warnings if "chains disagree" in w.text]
    assert f"sd.Tempered(sd.{kernel!r}, [0.02, " in warning.remedy
    inside = (answer.draws < 0.15).all(axis=2).mean(axis=1)
    assert set(np.round(inside)) == {0.0, 1.0}, "chains stay where they began"


@pytest.mark.parametrize(
    "kernel", ["auto", Conditional(), RandomWalk(0.1), RandomWalk(), MALA(drift="closed_form")]
)
def test_tempered_chains_have_the_exact_shares(kernel):
    tempered = Tempered(kernel, [TEMPERATURE, 0.05, 0.15, 0.5])
    answer = ask(QUESTION, SPACE, kernel=tempered, draws=4000, seed=2)
    assert answer.diagnostics.rhat_max < 1.02
    assert answer.diagnostics.verdict != "not trustworthy"
    assert not any("pass between" in w.text for w in answer.diagnostics.warnings)
    assert abs(z_of_share(answer)) < 4


def test_each_of_several_temperatures_has_its_own_law():
    asked = [TEMPERATURE, 0.5, 0.15, 0.06]
    answers = ask(QUESTION, SPACE, kernel=Conditional(), temperature=asked, draws=4000, seed=3)
    for answer, temperature in zip(answers, asked, strict=True):
        assert answer.settings.temperature == temperature
        assert abs(z_of_share(answer)) < 4
        value, se = answer.log_evidence
        assert abs(value - exact(temperature)[1]) < 4 * se


def test_the_wine_question_at_a_low_temperature():
    problem = wine_problem()
    cold = {"temperature": 1 / 200, "draws": 1000, "seed": 1}
    plain = ask(problem.question, problem.space, kernel=Conditional(), **cold)
    assert plain.diagnostics.rhat_max > 1.05
    assert "sd.Tempered(sd.Conditional(), [0.005, " in plain.diagnostics.warnings[0].remedy
    # Two ladders, two kernels: the same answer.
    ladders = [np.geomspace(1 / 200, 0.1, 4), np.geomspace(1 / 200, 0.2, 8)]
    answers = [
        ask(problem.question, problem.space, kernel=Tempered(kernel, ladder), **cold)
        for kernel, ladder in zip(["auto", Conditional()], ladders, strict=True)
    ]
    for answer in answers:
        assert answer.diagnostics.verdict == "trustworthy"
    one, two = (answer.summary() for answer in answers)
    z = (one["mean"] - two["mean"]) / (one["mcse"] ** 2 + two["mcse"] ** 2).sqrt()
    assert z.abs().max() < 4
    (a, a_se), (b, b_se) = (answer.log_evidence for answer in answers)
    assert abs(a - b) < 4 * math.hypot(a_se, b_se) < 0.5


def _bowl(temperature):
    """Quadrature of near in three columns: products of normal integrals."""
    total = 0.0
    for anchor, weight in ((0.2, 1.0), (0.5, 2.0), (1.3, 0.5)):
        scale = math.sqrt(weight / temperature)
        mass = erf(scale * (1.0 - anchor)) + erf(scale * anchor)
        total += math.log(math.sqrt(math.pi) / (2 * scale) * mass)
    return total


THREE = Space({name: Continuous(0.0, 1.0) for name in "abc"})
BOWL = near({"a": 0.2, "b": 0.5, "c": 1.3}, weights={"a": 1.0, "b": 2.0, "c": 0.5})


@pytest.mark.parametrize(
    ("question", "space", "kernel", "wanted"),
    [
        (QUESTION, SPACE, Conditional(), exact(TEMPERATURE)[1]),
        (BOWL, THREE, MALA(), _bowl(TEMPERATURE)),
    ],
)
def test_evidence_is_off_by_what_it_says(question, space, kernel, wanted):
    tempered = Tempered(kernel, [TEMPERATURE, 0.05, 0.15, 0.5])
    zs = []
    for seed in range(20):
        answer = ask(question, space, kernel=tempered, draws=400, chains=16, seed=seed)
        value, se = answer.log_evidence
        assert 0.0 < se < 0.3
        zs.append((value - wanted) / se)
    assert np.abs(zs).max() < 4
    # Student's t of 15 degrees of freedom: a variance of 1.15; within a factor 1.5 of the error.
    assert 1 / 1.5 < np.std(zs) / math.sqrt(15 / 13) < 1.5
