"""Runs of every engine that are broken off between two checkpoints, and compared once resumed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage._checkpoint import Keeper
from sondage.models import Model
from sondage.persistence import fingerprint

ASK = sys.modules["sondage.ask"]
NAMES = ["x0", "x1", "x2"]
X = MinMaxScaler().fit_transform(load_wine().data[:, [0, 6, 9]])
Y = load_wine().target == 1
SPACE = sd.Space({name: sd.Continuous(0.0, 1.0) for name in NAMES})
FRAME = pl.DataFrame(X, schema=NAMES)


def forest_of(seed: int, name: str = "forest") -> Model:
    trees = RandomForestClassifier(8, max_depth=4, random_state=seed).fit(X, Y)
    return sd.as_model(trees, space=SPACE, name=name)


forest = forest_of(0)
LINE = LogisticRegression(C=20).fit(X, Y)
smooth = sd.as_model(LINE, space=SPACE, name="line")
nets = sd.ensemble(
    [
        sd.as_model(
            MLPClassifier((4,), solver="lbfgs", random_state=seed, max_iter=2000).fit(X, Y),
            space=SPACE,
            name="net",
        )
        for seed in range(3)
    ]
)


def call(rows: Any) -> NDArray[np.float64]:
    return np.asarray(LINE.decision_function(np.asarray(rows)))


def with_slopes(rows: Any) -> tuple[NDArray[np.float64], Callable[[Any], NDArray[np.float64]]]:
    rows = np.asarray(rows)
    return LINE.decision_function(rows), lambda cotangents: np.outer(cotangents, LINE.coef_[0])


def foreign(**options: Any) -> Model:
    return sd.as_model(call, space=SPACE, output="score", name="mine", **options)


QUESTION = sd.fixed_label(forest, True) + 0.3 * sd.near([0.2, 0.5, 0.7])
SMALL: dict[str, Any] = {
    "draws": 40,
    "chains": 5,
    "warmup": 64,
    "thin": 2,
    "temperature": 0.3,
    "seed": 3,
    "progress": False,
}
LONG = SMALL | {"draws": 10**6}
TEMPERED = {"temperature": None, "kernel": sd.Tempered(sd.Conditional(), (0.3, 0.7, 2.0))}
WALK = sd.RandomWalk()
SMOOTH = sd.fixed_label(smooth, True)

RUNS: dict[str, tuple[Callable[[], sd.Question], dict[str, Any]]] = {
    "conditional and walks": (lambda: QUESTION, {}),
    "random walk": (lambda: QUESTION, {"kernel": WALK, "threads": 2}),
    "walks of one length": (lambda: QUESTION, {"kernel": sd.RandomWalk(0.2), "boundary": "reject"}),
    "independence": (lambda: QUESTION, {"kernel": sd.Independence()}),
    "gradient": (lambda: SMOOTH, {"kernel": sd.MALA()}),
    "signs of a gradient": (lambda: SMOOTH, {"kernel": sd.Barker()}),
    "gradient and walks": (lambda: SMOOTH, {}),
    "closed form": (lambda: QUESTION, {"kernel": sd.MALA(drift="closed_form")}),
    "smoothed": (lambda: QUESTION, {"kernel": sd.MALA(drift=sd.Smoothed(noise="frozen"))}),
    "given starts": (lambda: QUESTION, {"start": FRAME[:5], "kernel": WALK}),
    "no warm-up": (lambda: QUESTION, {"warmup": 0}),
    "means": (lambda: sd.fixed_label(nets, True), {}),
    "mixture": (
        lambda: QUESTION,
        {"kernel": sd.Mixture(sd.Conditional(), WALK, weights=[1, 3])},
    ),
    "tempered": (lambda: QUESTION, TEMPERED),
    "temperatures": (lambda: QUESTION, {"temperature": [1.0, 0.3]}),
    "foreign": (lambda: sd.fixed_label(foreign(), True), {}),
    "foreign, tempered": (
        lambda: sd.fixed_label(foreign(), True),
        {"temperature": None, "kernel": sd.Tempered(WALK, (0.3, 0.7, 2.0))},
    ),
    "foreign with a condition": (
        lambda: sd.fixed_label(foreign(), True) + sd.require(foreign(), True),
        {"kernel": WALK},
    ),
}


class StoppedError(Exception):
    """What ends a run where a test wants it to."""


def stopping(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """End the next run, as if it were killed, once it has written so many checkpoints."""
    write = Keeper.write
    written = []

    def own(self: Keeper) -> None:
        write(self)
        written.append(self)
        if len(written) > after:
            raise StoppedError

    monkeypatch.setattr(Keeper, "write", own)
    monkeypatch.setattr("sondage._checkpoint._APART", 0.0)
    monkeypatch.setattr("sondage._checkpoint._SHARE", np.inf)
    monkeypatch.setattr(ASK, "_SLICE_SECONDS", 1e-9)


def broken_off(
    monkeypatch: pytest.MonkeyPatch, path: Path, question: sd.Question, after: int, **arguments: Any
) -> None:
    with monkeypatch.context() as patch:
        stopping(patch, after)
        with pytest.raises(StoppedError):
            sd.ask(question, SPACE, checkpoint=path, **arguments)
    assert path.exists()


def counts(answer: sd.Answer) -> dict[str, Any]:
    statistics = answer.statistics.to_dict()
    assert statistics.pop("seconds_warmup") is not None
    assert statistics.pop("seconds_sampling") is not None
    return {name: repr(entry) for name, entry in statistics.items()}


def same(first: Any, second: Any) -> None:
    if isinstance(first, tuple):
        for one, other in zip(first, second, strict=True):
            same(one, other)
        return
    assert first.status == second.status == "complete"
    assert fingerprint(first) == fingerprint(second)
    assert counts(first) == counts(second)
    assert first.settings.seed == second.settings.seed
