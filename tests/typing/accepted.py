"""Code of users that a type checker must pass."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
import polars as pl
from numpy.typing import NDArray

import sondage as sd


def questions(a: sd.Model, b: sd.Model, posterior: sd.Model) -> list[sd.Question]:
    return [
        sd.fixed_label(a, "yes"),
        sd.fixed_label(a, 1, loss="hinge"),
        sd.fixed_label(a, True, loss="squared", scale=0.5),
        sd.fixed_label(b, (0.0, float("inf")), scale=2),
        sd.prediction_risky(a),
        sd.prediction_risky(a, level=0.3, r=1, output="score"),
        sd.prediction_risky(a, entropy=True),
        sd.parameter_sensitive(a, posterior),
        sd.parameter_sensitive(a, posterior, sigma=0.1),
        sd.model_contrasting(a, b),
        sd.model_contrasting(a, b, labels=("yes", 1)),
        sd.model_contrasting(a, b, sigma=np.float64(2)),
        sd.near({"age": 40, "job": "nurse"}, weights={"age": 0.1}, norm=1),
        sd.near([40.0, 1.0], weights=np.ones(2)),
        sd.near(pl.DataFrame({"age": [40.0]})),
        sd.require(a, "yes"),
        sd.require(b, (0.0, 1.0)),
    ]


def distance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(rows).sum(axis=1))


def gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(a - b).sum(axis=1))


def own(a: sd.Model, b: sd.Model) -> list[sd.Question]:
    return [
        sd.custom(distance),
        sd.custom(lambda rows: rows[:, 0], lambda rows: np.eye(rows.shape[1])[:1], name="first"),
        sd.term(a, lambda proba: proba[:, 1]),
        sd.term([a, b], gap, output="score", name="gap of scores"),
    ]


def algebra(a: sd.Question, b: sd.Question, space: sd.Space) -> sd.Question:
    weighed: sd.Question = 0.5 * a + b * 2 + np.float64(3) * a + np.float32(3) * b
    total: sd.Question = weighed + sum([a, b])
    same: sd.Question = sum([a, b], start=weighed) + reduce(add, [a, b])
    answer: sd.Answer = sd.ask(sum([a, b]), space)
    again: sd.Answer = sd.ask(sum(part for part in (a, b)), space, kernel=sd.RandomWalk(0.1))
    both: tuple[sd.Answer, ...] = sd.ask(a, space, temperature=[0.1, 1.0])
    ladder: sd.Kernel = sd.Tempered(sd.Cycle(sd.MALA(), sd.RandomWalk()), np.geomspace(0.1, 1.0, 4))
    value, se = sd.ask(a, space, kernel=ladder, temperature=None).log_evidence
    evidence: sd.LogEvidence = both[0].log_evidence
    assert abs(value - evidence.value) < 4.0 * (se + evidence.se)
    words: str = (total + same).describe()
    return total if words and answer.frame.equals(again.frame) else same


def arrays(question: sd.Question, space: sd.Space, frame: pl.DataFrame) -> float:
    values = question.evaluate(frame, space)
    rows = np.zeros((3, len(space.free)))
    return float(
        values.min() + question.gradient(rows, space)[0, 0] + question.gradient(rows).sum()
    )


def everything(a: sd.Model, models: Sequence[sd.Model], space: sd.Space) -> sd.Answer:
    posterior = sd.ensemble(models, [1.0] * len(models))
    question = sd.parameter_sensitive(a, posterior) + 0.1 * sd.near(np.zeros(3)) + sd.require(a, 1)
    return sd.ask(
        question, space, draws=10, chains=2, temperature=0.1, seed=np.random.SeedSequence(1)
    )


def distributions(a: sd.Model, space: sd.Space, frame: pl.DataFrame) -> list[sd.Model]:
    return [
        sd.posterior.gaussian(a, 0.1, 100, seed=1),
        sd.posterior.langevin(
            a, frame, frame["y"].to_numpy(), temperature=0.01, draws=10, step=0.1, seed=None
        ),
        sd.posterior.refit(object(), frame, frame["y"].to_numpy(), 10),
    ]


def decoded(a: sd.Question, b: sd.Question, space: sd.Space, latent: sd.Space) -> sd.Question:
    pulled: sd.Question = sd.pullback(sum([a, b]), sd.decoders.Affine([[1.0]]), latent)
    again: sd.Question = sd.pullback(a, lambda z: 2.0 * z, latent)
    return 0.5 * pulled + again + sum([pulled, b]) + sd.pullback(a, sd.decoders.BoxSigmoid(space))


def other_answers(a: sd.Question, b: sd.Question, space: sd.Space) -> float:
    law: sd.VariationalAnswer = sd.variational(sum([a, b]), space, family="mean_field")
    exact: sd.Gaussian = sd.linear_gaussian(
        np.zeros((9, 2)), np.zeros(9), value=1.0, parameter_temperature=0.1
    )
    return float(law.mean[0] + exact.covariance[0, 0])


def measured(a: sd.Model, space: sd.Space, frame: pl.DataFrame) -> pl.DataFrame:
    whole = sd.metrics.evaluate(np.zeros((2, 3)), frame, a, space, reference=frame)
    return pl.concat([whole, sd.metrics.evaluate(frame, frame, a, space, frame, target=(0, 1))])


def how_much(a: sd.Model, question: sd.Question, space: sd.Space) -> tuple[float, pl.DataFrame]:
    found: sd.Measure = sd.measure(question, space, at_most=0.7, relative_error=0.2, seed=1)
    led: sd.Measure = sd.measure(sd.require(a, 1), space, guide=question, max_seconds=60.0)
    return found.p + led.log_se + led.interval[1], found.examples
