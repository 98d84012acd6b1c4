"""What a step of MALA costs on smooth models in the core.

python benches/py/mala.py

64 chains in 32 columns, one thread, the least of three runs of 2,000 steps: run it in turn in
checkouts of two commits, each with its own release build, to compare them.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import sondage as sd

CHAINS, COLUMNS, STEPS, ROUNDS = 64, 32, 2000, 3


def step_us(model: sd.Model, space: sd.Space, step: float) -> float:
    """Return the microseconds of a step of all chains."""
    question = sd.fixed_label(model, 1) + 0.05 * sd.near(np.zeros(COLUMNS))
    kernel = sd.MALA(step, precondition=False)
    seconds = []
    for _ in range(ROUNDS):
        answer = sd.ask(
            question,
            space,
            draws=STEPS // 10,
            thin=10,
            chains=CHAINS,
            warmup=0,
            kernel=kernel,
            threads=1,
            seed=0,
            progress=False,
        )
        seconds.append(answer.statistics.seconds_sampling)
    return min(seconds) / STEPS * 1e6


def main() -> None:
    """Print microseconds a step."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3.0, 3.0, (400, COLUMNS))
    y = (x[:, 0] + x[:, 1] ** 2 > 2.0).astype(int)
    space = sd.Space({f"x{j}": sd.Continuous(-3.0, 3.0) for j in range(COLUMNS)})
    models = {
        "logistic": LogisticRegression(max_iter=500).fit(x, y),
        "net 32-32-16-1": MLPClassifier((32, 16), max_iter=100, random_state=0).fit(x, y),
    }
    for name, fitted in models.items():
        for step in (0.01, 1.0):
            print(f"{name}, step {step}: {step_us(sd.as_model(fitted), space, step):.0f} us")


if __name__ == "__main__":
    main()
