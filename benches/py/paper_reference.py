"""Time the papers' sampler in numpy and scikit-learn by itself.

The code lives in ``sondage.bench.paper_reference`` so that ``sondage bench wine`` finds it in an
installed package too; run this file to see it alone: ``python benches/py/paper_reference.py``.
"""

import sys

import numpy as np

from sondage.bench.paper_reference import paper_mala, random_walk, wine_energy
from sondage.bench.result import timed
from sondage.demo import wine_problem


def main(steps: int) -> None:
    """Print milliseconds per step of the three reference samplers."""
    problem = wine_problem()
    energy = wine_energy(problem.forest, problem.tree)
    rng = np.random.default_rng(1)
    start = rng.random(len(problem.space.columns))
    for name, sampler in (
        ("paper's sampler, six calls a step", lambda: paper_mala(energy, start, steps, rng)),
        (
            "paper's sampler, two calls a step",
            lambda: paper_mala(energy, start, steps, rng, cached=True),
        ),
        ("random walk, one call a step", lambda: random_walk(energy, start, steps, rng)),
    ):
        _, seconds = timed(sampler)
        print(f"{name:36} {1e3 * seconds / steps:8.2f} ms a step")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
