"""Kill checkpointed runs at random moments and resume them: no draw may be lost or changed.

``python tests/faults/kill.py --kills 200`` starts runs in processes of their own, kills each with
SIGKILL as often as it takes longer than a random delay, starts it again from its checkpoint, and
compares what comes out in the end with an undisturbed run. Checkpoints are written far more often
than usual, so that many kills meet a file being written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

import sondage as sd
from sondage import _checkpoint
from sondage.persistence import fingerprint

NAMES = ["x0", "x1", "x2"]
SPACE = sd.Space({name: sd.Continuous(0.0, 1.0) for name in NAMES})
Run = tuple[sd.Question, dict[str, Any]]


def _data() -> tuple[np.ndarray, np.ndarray]:
    wine = load_wine()
    return MinMaxScaler().fit_transform(wine.data[:, [0, 6, 9]]), wine.target == 1


def _forest(**arguments: Any) -> Run:
    trees = RandomForestClassifier(20, max_depth=5, random_state=0).fit(*_data())
    model = sd.as_model(trees, space=SPACE, name="forest")
    return sd.fixed_label(model, True) + 0.1 * sd.near([0.2, 0.5, 0.7]), arguments


def _smooth(**arguments: Any) -> Run:
    line = LogisticRegression(C=20).fit(*_data())
    return sd.fixed_label(sd.as_model(line, space=SPACE, name="line"), True), arguments


def _foreign(**arguments: Any) -> Run:
    line = LogisticRegression(C=20).fit(*_data())

    def call(rows: Any) -> np.ndarray:
        return np.asarray(line.decision_function(np.asarray(rows)))

    model = sd.as_model(call, space=SPACE, output="score", name="mine")
    return sd.fixed_label(model, True), arguments


#: Runs of half a second to a second.
RUNS: dict[str, Callable[[], Run]] = {
    "trees": lambda: _forest(draws=10_000),
    "smooth": lambda: _smooth(draws=10_000),
    "tempered": lambda: _forest(draws=3_000, kernel=sd.Tempered(sd.Conditional(), (0.2, 0.5, 2.0))),
    "foreign": lambda: _foreign(draws=1_500),
}


@dataclass
class Tally:
    """What came of a kind of run."""

    kills: int = 0
    without_file: int = 0
    half_written: int = 0
    resumed: int = 0
    runs: int = 0
    changed: int = 0
    failed: int = 0


def child(kind: str, path: str | None, apart: float, sender: Connection) -> None:
    """Run to the end and send what came out, after a word when the run begins."""
    warnings.simplefilter("ignore")
    _checkpoint._APART, _checkpoint._SHARE = apart, 1.0
    question, arguments = RUNS[kind]()
    sender.send("begun")
    answer = sd.ask(
        question, SPACE, chains=8, seed=1, threads=1, progress=False, checkpoint=path, **arguments
    )
    statistics = answer.statistics.to_dict()
    for name in ("seconds_warmup", "seconds_sampling"):
        del statistics[name]
    sender.send((answer.status, fingerprint(answer), repr(statistics)))


def disturbed(
    kind: str, expected: object, longest: float, kills: int, apart: float, rng: random.Random
) -> Tally:
    """Kill runs of one kind so many times."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.ckpt"
        part = path.with_name(f".{path.name}.part")
        killed = False
        while True:
            resumes = killed and path.exists()
            receiver, process = _start(kind, str(path), apart)
            last = tally.kills >= kills
            receiver.recv()
            process.join(None if last else rng.uniform(0.0, longest))
            if process.exitcode is None:
                process.kill()
                process.join()
            if process.exitcode == 0:
                tally.runs += 1
                tally.resumed += resumes
                tally.changed += receiver.recv() != expected
                killed = False
                if path.exists() or part.exists():
                    tally.failed += 1
                if last:
                    return tally
            elif process.exitcode < 0:
                tally.kills += 1
                tally.resumed += resumes
                tally.without_file += not path.exists()
                tally.half_written += part.exists()
                killed = True
            else:
                tally.failed += 1
                return tally


def _start(kind: str, path: str | None, apart: float) -> tuple[Connection, Any]:
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(kind, path, apart, sender))
    process.start()
    sender.close()
    return receiver, process


def main(arguments: list[str] | None = None) -> int:
    """Kill, resume, compare; 1 if a draw was lost or changed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--apart", type=float, default=0.02, help="seconds between checkpoints")
    options = parser.parse_args(arguments)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["sondage", __name__])
    rng = random.Random(options.seed)
    total = Tally()
    _line("run", "seconds", "kills", "no file", "halfway", "resumed", "runs", "changed", "failed")
    for number, kind in enumerate(RUNS):
        receiver, process = _start(kind, None, options.apart)
        receiver.recv()
        began = time.monotonic()
        expected = receiver.recv()
        seconds = time.monotonic() - began
        process.join()
        kills = options.kills // len(RUNS) + (number < options.kills % len(RUNS))
        tally = disturbed(kind, expected, seconds, kills, options.apart, rng)
        _show(kind, f"{seconds:.1f}", tally)
        for name, count in vars(tally).items():
            setattr(total, name, getattr(total, name) + count)
    _show("all", "", total)
    return int(total.changed + total.failed > 0)


def _show(kind: str, seconds: str, tally: Tally) -> None:
    _line(kind, seconds, *vars(tally).values())


def _line(first: str, *others: object) -> None:
    sys.stdout.write(f"{first:<10}" + "".join(f"{other:>9}" for other in others) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
