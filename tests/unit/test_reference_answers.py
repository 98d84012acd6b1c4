"""Answers on a space with a reference: drawn from p_ref(x) exp(−G(x)/τ)."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd


def mixed(n: int = 3000, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    city = rng.integers(0, 3, n)
    age = 20 + 15 * city + rng.integers(0, 25, n)
    return pl.DataFrame(
        {
            "income": np.exp(0.02 * age + 0.3 * rng.normal(size=n)),
            "city": np.array(["Bern", "Genf", "Zug"])[city],
            "age": age,
        }
    )


DATA = mixed()
REFERENCE = sd.reference.chow_liu(DATA)
SPACE = sd.Space.from_frame(DATA, reference=REFERENCE)
NUMBERS = DATA.select("income", "age").to_numpy()
LABELS = (DATA["income"].to_numpy() + 0.02 * DATA["age"].to_numpy() > 3.0).astype(int)
TREE = sd.as_model(
    DecisionTreeClassifier(max_depth=3, random_state=0).fit(
        DATA.select("income", "age").to_pandas(), LABELS
    )
)
SMOOTH = sd.as_model(
    LogisticRegression(max_iter=1000).fit(DATA.select("income", "age").to_pandas(), LABELS)
)


def test_the_reference_weighs_the_same_at_every_temperature() -> None:
    question, asked = sd.fixed_label(TREE, 1, loss="squared"), [0.5, 0.02, 0.1]
    answers = sd.ask(question, SPACE, draws=2000, temperature=asked, seed=4)
    kernel = sd.Tempered("auto", [0.02, 0.03, 0.1])
    tempered = sd.ask(question, SPACE, draws=2000, seed=4, kernel=kernel)
    assert tempered.statistics.tempering.temperatures[1] != 0.03
    for answer, temperature in zip((*answers, tempered), (*asked, 0.02), strict=True):
        again = question.evaluate(answer.frame, SPACE).reshape(answer.energies.shape)
        assert np.allclose(answer.energies, again, rtol=0.0, atol=1e-12)
        rows, weights = weighted(question, temperature)
        energies = question.evaluate(rows, SPACE)
        error = np.sqrt(np.sum(weights**2 * (energies - weights @ energies) ** 2))
        (summary,) = answer.summary().filter(pl.col("column") == "G").to_dicts()
        z = (summary["mean"] - weights @ energies) / np.hypot(summary["mcse"], error)
        assert abs(z) < 4, temperature
        value, se = answer.log_evidence
        ratios = np.exp(-energies / temperature)
        wanted, own = np.log(ratios.mean()), ratios.std() / ratios.mean() / np.sqrt(len(rows))
        assert abs(value - wanted) < 4 * np.hypot(se, own), temperature


def weighted(question: sd.Question, temperature: float) -> tuple[pl.DataFrame, np.ndarray]:
    """Independent rows of the reference with the weights that make them an answer."""
    rows = SPACE.reference.sample(400_000, seed=5)
    weights = np.exp(-question.evaluate(rows, SPACE) / temperature)
    return rows, weights / weights.sum()


@pytest.mark.parametrize("model", [TREE, SMOOTH], ids=["tree", "logistic"])
def test_answers_are_the_reference_weighed_by_the_question(model: sd.Model) -> None:
    question, temperature = sd.fixed_label(model, 1) + 0.001 * sd.near(NEAR, norm=1), 0.5
    answer = sd.ask(question, SPACE, draws=4000, temperature=temperature, seed=3)
    assert answer.diagnostics.verdict == "trustworthy", answer.diagnostics.sentence
    rows, weights = weighted(question, temperature)
    summary = {row["column"]: row for row in answer.summary().to_dicts()}
    spread = 1.0 / np.sum(weights**2)
    for name in ("income", "age"):
        values = rows[name].to_numpy().astype(float)
        mean = weights @ values
        error = np.hypot(summary[name]["mcse"], np.sqrt(weights @ (values - mean) ** 2 / spread))
        assert abs(summary[name]["mean"] - mean) < 4.0 * error, name
    for city in ("Bern", "Genf", "Zug"):
        share = float(weights @ (rows["city"] == city).to_numpy())
        found = (answer.frame["city"] == city).mean()
        error = np.sqrt(share * (1 - share) * (1 / spread + 1 / summary["city"]["ess_bulk"]))
        assert abs(found - share) < 4.0 * error, city


NEAR = {"income": 2.0, "city": "Zug", "age": 40}


def test_energies_are_g_alone() -> None:
    question = sd.fixed_label(TREE, 1) + 0.1 * sd.near(NEAR)
    answer = sd.ask(question, SPACE, draws=20, chains=2, seed=0)
    np.testing.assert_allclose(
        answer.energies.ravel(), question.evaluate(answer.frame, SPACE), rtol=1e-9
    )
    assert (sd.ask(sd.require(TREE, 1), SPACE, draws=20, seed=0).energies == 0.0).all()


def test_the_reference_of_a_space_lies_on_it() -> None:
    assert SPACE.reference == REFERENCE.on(SPACE)
    assert sd.Space.from_frame(DATA).reference is None
    narrow = SPACE.fix({"city": "Zug"})
    assert narrow.reference == REFERENCE.on(narrow)
    around = sd.Space.from_frame(DATA, increase_only=["age"], reference=REFERENCE)
    assert around.reference is not None
    assert np.isneginf(
        around.around({"age": 60}).reference.log_density(DATA.filter(pl.col("age") < 60))
    ).all()
    waits = sd.Space.from_frame(DATA, fixed=["city"], reference=REFERENCE)
    assert np.isfinite(waits.reference.log_density(DATA)).all()
    zug = waits.around({"city": "Zug"})
    assert zug == sd.Space({**dict(SPACE.kinds), "city": sd.Fixed("Zug")}, reference=REFERENCE)
    assert zug != sd.Space({**dict(SPACE.kinds), "city": sd.Fixed("Zug")})


def test_a_space_and_its_answer_keep_their_reference(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE
    answer = sd.ask(sd.require(TREE, 1), SPACE, draws=10, chains=2, seed=0)
    read = sd.load_answer(answer.save(tmp_path / "answer.parquet"))
    assert read.space == SPACE
    rows = DATA.head(50)
    assert (read.space.reference.log_density(rows) == SPACE.reference.log_density(rows)).all()
    page = answer.report(tmp_path / "answer.html").read_text()
    assert "learned from 3,000 rows" in page
    assert "reference=reference" in page


def test_other_references_are_refused() -> None:
    kinds = dict(SPACE.kinds)
    with pytest.raises(sd.SpaceError, match=r"learned from other columns.*'city'"):
        sd.Space({name: kinds[name] for name in ("income", "age")}, reference=REFERENCE)
    with pytest.raises(sd.SpaceError, match="chow_liu has learned, or None"):
        sd.Space(kinds, reference=DATA)  # type: ignore[arg-type]
    other = {**kinds, "age": sd.Categorical([1, 2])}
    with pytest.raises(sd.SpaceError, match="column 'age' of the reference"):
        sd.Space(other, reference=REFERENCE)
    numbers = sd.Space(
        {"x": sd.Continuous(0, 1)},
        reference=sd.reference.chow_liu(np.linspace(0, 1, 100)[:, np.newaxis], names=["x"]),
    )
    near = sd.near({"x": 0.5})
    with pytest.raises(sd.SpaceError, match="has a reference, and a variational answer"):
        sd.variational(near, numbers)
    with pytest.raises(sd.SpaceError, match="has a reference, and a pullback"):
        sd.ask(sd.pullback(near, ([[1.0]], 0.0)), numbers, draws=1)
