"""Adult's counterfactual questions (P2, Figures 6 and 14), asked in 50 independent runs.

A person of low income becomes one of high income and the reverse, on all 14 raw columns and through
a pipeline, with bounds on age, education and hours. The score of a logistic regression is a sum
over columns, and so is the localizer: columns depend on each other through the score alone, whose
law is a convolution. That gives every column's exact law.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sondage as sd
from sondage.convergence import convergence

pytestmark = [pytest.mark.statistical, pytest.mark.timeout(600)]

Array: TypeAlias = NDArray[np.float64]
# The values of every column, and their probabilities.
Laws: TypeAlias = dict[str, tuple[list[object], Array]]

DATA = Path(__file__).parents[3] / "shared" / "data" / "tabular" / "adult.csv.gz"
RUNS, CHAINS, DRAWS = 50, 8, 1500
TEMPERATURE, OTHER_LEVEL = 0.1, 0.25
FIXED = ["race", "gender", "native-country"]
# Columns of very many values move by walks alone, and a walk costs little beside the sweep over all
# values of the others.
WIDE = ["fnlwgt", "capital-gain", "capital-loss"]
KERNEL = sd.Cycle(sd.Conditional(), sd.RandomWalk(), repeats=[1, 8])
STEP = 1e-3
#: How often chance alone breaks a test of all columns.
LEVEL = 1e-4


@dataclass(frozen=True)
class Question:
    target: int
    row: dict[str, object]
    space: sd.Space
    weights: dict[str, float]
    question: sd.Question
    pipeline: Pipeline


@dataclass(frozen=True)
class Runs:
    """What 50 runs say of the means of numbers, the shares of levels and the mean of G."""

    names: list[tuple[str, object]]
    #: Of shape (runs, names), as the next three.
    means: Array
    stated: Array
    #: What the errors were, if all draws were independent.
    naive: Array
    rhat: Array
    #: Rows that are in the space, that the pipeline confirms, and that hold what is fixed.
    inside: int
    confirmed: int
    fixed: int
    rows: int


@pytest.fixture(scope="module")
def census() -> tuple[pl.DataFrame, NDArray[np.int64], Pipeline]:
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is not there")
    data = pl.read_csv(DATA)
    rich = (data["income"] == ">50K").to_numpy().astype(np.int64)
    frame = data.drop("income")
    words = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    numbers = [name for name in frame.columns if name not in words]
    encoder = make_column_transformer((OneHotEncoder(), words), (StandardScaler(), numbers))
    pipeline = make_pipeline(encoder, LogisticRegression(max_iter=1000))
    return frame, rich, pipeline.fit(frame.to_pandas(), rich)


@pytest.fixture(scope="module", params=[1, 0], ids=["low to high", "high to low"])
def asked(
    request: pytest.FixtureRequest, census: tuple[pl.DataFrame, NDArray[np.int64], Pipeline]
) -> Question:
    frame, rich, pipeline = census
    target = request.param
    away = (rich != target) & (pipeline.predict(frame.to_pandas()) != target)
    row = frame.filter(
        pl.Series(away)
        & (pl.col("native-country") == "United-States")
        & pl.col("age").is_between(30, 45)
        & pl.col("educational-num").is_between(9, 13)
        & (pl.col("hours-per-week") == 40)
        & (pl.col("workclass") != "?")
    ).row(0, named=True)
    age, education = row["age"], row["educational-num"]
    bounds = {
        "age": (age, age + 10) if target else (age - 10, age),
        "educational-num": (education, education + 3) if target else (education - 3, education),
        "hours-per-week": (30, 60) if target else (20, 50),
    }
    space = sd.Space.from_frame(frame, fixed=FIXED, bounds=bounds).around(row)
    weights = {
        name: 1.0 / (kind.upper - kind.lower) ** 2 if isinstance(kind, sd.Integer) else OTHER_LEVEL
        for name, kind in sd.Space.from_frame(frame).kinds.items()
    }
    model = sd.as_model(pipeline)
    question = sd.require(model, target) + sd.fixed_label(model, target)
    question = question + sd.near(row, weights=weights)
    return Question(target, row, space, weights, question, pipeline)


@pytest.fixture(scope="module")
def runs(asked: Question) -> Runs:
    kinds = asked.space.kinds
    names: list[tuple[str, object]] = []
    for name in asked.space.free:
        kind = kinds[name]
        levels = kind.levels if isinstance(kind, sd.Categorical) else ["mean"]
        names += [(name, level) for level in levels]
    names.append(("G", "mean"))
    columns = [(asked.space.columns.index(name), name, what) for name, what in names[:-1]]
    gathered, good = [], np.zeros(4, dtype=int)
    for seed in range(RUNS):
        answer = sd.ask(
            asked.question,
            asked.space,
            draws=DRAWS,
            chains=CHAINS,
            warmup=500,
            temperature=TEMPERATURE,
            kernel=KERNEL,
            seed=seed,
            progress=False,
        )
        rows = answer.frame.select(asked.space.columns)
        good += [
            asked.space.contains(rows).sum(),
            (asked.pipeline.predict(rows.to_pandas()) == asked.target).sum(),
            rows.select(pl.all_horizontal(pl.col(c) == asked.row[c] for c in FIXED).sum()).item(),
            len(rows),
        ]
        parts = [
            answer.draws[:, :, j]
            if what == "mean"
            else answer.draws[:, :, j] == kinds[name].levels.index(what)  # type: ignore[union-attr]
            for j, name, what in columns
        ]
        values = np.stack([*parts, answer.energies], axis=2).astype(np.float64)
        measured = convergence(values)
        naive = values.std(axis=(0, 1)) / np.sqrt(len(rows))
        gathered.append((values.mean(axis=(0, 1)), measured.mcse, naive, measured.rhat))
    means, stated, naive, rhat = (np.array(each) for each in zip(*gathered, strict=True))
    return Runs(names, means, stated, naive, rhat, *map(int, good))


def values_of(kind: sd.space.Column) -> list[object]:
    if isinstance(kind, sd.Integer):
        return list(range(kind.lower, kind.upper + 1))
    return list(kind.levels) if isinstance(kind, sd.Categorical) else [kind.value]  # type: ignore[union-attr]


def scores_of(asked: Question) -> dict[str, Array]:
    """What each value of a column adds to the score."""
    encoder, line = asked.pipeline[0], asked.pipeline[1]
    coefficients = dict(zip(encoder.get_feature_names_out(), line.coef_[0], strict=True))
    numbers = encoder.named_transformers_["standardscaler"]
    found = {}
    for name, kind in asked.space.kinds.items():
        values = values_of(kind)
        if isinstance(kind, sd.Integer):
            at = list(numbers.feature_names_in_).index(name)
            scaled = (np.array(values, dtype=float) - numbers.mean_[at]) / numbers.scale_[at]
            found[name] = coefficients[f"standardscaler__{name}"] * scaled
        else:
            found[name] = np.array([coefficients[f"onehotencoder__{name}_{v}"] for v in values])
    return found


def exact_laws(asked: Question, temperature: float) -> tuple[Laws, float]:
    """Every column's law, and the mean of G.

    Scores lie on a grid; a value between two of its points is shared between them so that its mean
    stays.
    """
    scores, distance, spread = scores_of(asked), {}, []
    for name, kind in asked.space.kinds.items():
        values = values_of(kind)
        if isinstance(kind, sd.Integer):
            differs = (np.array(values, dtype=float) - float(asked.row[name])) ** 2  # type: ignore[arg-type]
        else:
            differs = np.array([value != asked.row[name] for value in values], dtype=float)
        distance[name] = asked.weights[name] * differs
    width = sum(np.ptp(score) for score in scores.values())
    n = 2 ** int(np.ceil(np.log2(width / STEP + 2 * len(scores))))
    for name, score in scores.items():
        at = (score - score.min()) / STEP
        low = np.floor(at).astype(np.int64)
        weight = np.exp(-distance[name] / temperature)
        mass = np.bincount(low, weight * (low + 1 - at), n) + np.bincount(
            low + 1, weight * (at - low), n
        )
        spread.append(np.fft.rfft(mass))
    lowest = sum(score.min() for score in scores.values()) + asked.pipeline[1].intercept_[0]
    total = lowest + STEP * np.arange(n)
    signed = total if asked.target else -total
    loss = np.logaddexp(0.0, -signed)
    # The grid's points stand for intervals around them; half of the one at zero is inside.
    answer = np.exp(-loss / temperature) * np.clip(signed / STEP + 0.5, 0.0, 1.0)
    laws, mean_g = {}, 0.0
    for j, (name, score) in enumerate(scores.items()):
        others = np.fft.irfft(np.prod([s for i, s in enumerate(spread) if i != j], axis=0), n)
        # Chance of an answer from the others, for each score that this column may add.
        chance = np.fft.irfft(np.conj(np.fft.rfft(others)) * np.fft.rfft(answer), n)
        at = (score - score.min()) / STEP
        law = np.exp(-distance[name] / temperature) * np.interp(at, np.arange(n), chance)
        law = np.maximum(law, 0.0) / np.maximum(law, 0.0).sum()
        laws[name] = (values_of(asked.space.kinds[name]), law)
        mean_g += float(law @ distance[name])
    whole = np.fft.irfft(np.prod(spread, axis=0), n) * answer
    return laws, mean_g + float(whole @ loss / whole.sum())


def exact_means(asked: Question, names: list[tuple[str, object]], temperature: float) -> Array:
    laws, mean_g = exact_laws(asked, temperature)
    found = []
    for name, what in names[:-1]:
        values, law = laws[name]
        found.append(
            np.array(values, dtype=float) @ law if what == "mean" else law[values.index(what)]
        )
    return np.array([*found, mean_g])


def test_every_row_is_an_answer(runs: Runs) -> None:
    assert runs.rows == RUNS * CHAINS * DRAWS
    assert runs.inside == runs.confirmed == runs.fixed == runs.rows


def test_chains_of_each_run_agree(runs: Runs) -> None:
    assert np.isfinite(runs.rhat).all()
    assert runs.rhat.max() < 1.01


def test_means_and_shares_are_the_exact_ones(asked: Question, runs: Runs) -> None:
    def largest(temperature: float) -> float:
        exact = exact_means(asked, runs.names, temperature)
        error = runs.means.std(axis=0, ddof=1) / np.sqrt(RUNS)
        return float(np.abs((runs.means.mean(axis=0) - exact) / error).max())

    bound = stats.t.isf(LEVEL / 2 / len(runs.names), RUNS - 1)
    assert largest(TEMPERATURE) < bound
    # A temperature off by a hundredth would be seen.
    assert largest(1.01 * TEMPERATURE) > bound


def test_runs_differ_by_the_error_that_each_states(runs: Runs) -> None:
    """Of the variance between runs over the mean of the stated ones, 49 degrees of freedom."""

    def low_high(degrees: int, tests: int) -> tuple[float, float]:
        low, high = stats.chi2.ppf([LEVEL / 2 / tests, 1 - LEVEL / 2 / tests], degrees) / degrees
        return float(low), float(high)

    between = runs.means.var(axis=0, ddof=1)
    ratio = between / (runs.stated**2).mean(axis=0)
    low, high = low_high(RUNS - 1, len(runs.names))
    assert low < ratio.min()
    assert ratio.max() < high
    # Together the columns of many values, which mix slowest, say more; they would tell an error
    # that takes draws for independent.
    wide = [runs.names.index((name, "mean")) for name in WIDE]
    low, high = low_high(len(WIDE) * (RUNS - 1), 1)
    assert low < ratio[wide].mean() < high
    assert (between / (runs.naive**2).mean(axis=0))[wide].mean() > high
