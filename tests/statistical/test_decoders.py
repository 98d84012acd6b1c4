"""What is sampled through a decoder has the law that MATH section 7 says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import sondage as sd

pytestmark = pytest.mark.statistical

N = 6000
SPACE = sd.Space({"a": sd.Continuous(0.0, 1.0), "b": sd.Continuous(-1.0, 3.0)})
CENTER = np.array([0.3, 0.5])
TEMPERATURE = 0.1
#: √n times Kolmogorov's distance is above it with probability 0.001.
BOUND = 1.95


def law(column: int) -> Any:
    """The truncated normal law of a column: exp(−(x − c)² / τ) on its bounds."""
    lower, upper = ((0.0, 1.0), (-1.0, 3.0))[column]
    sd_ = np.sqrt(TEMPERATURE / 2)
    center = CENTER[column]
    return stats.truncnorm((lower - center) / sd_, (upper - center) / sd_, center, sd_)


def distance(values: NDArray[np.float64], column: int) -> float:
    return float(np.sqrt(len(values)) * stats.kstest(values, law(column).cdf).statistic)


def ends(decoder: sd.decoders.Decoder, latents: NDArray[np.float64], kernel: Any) -> Any:
    """The last rows of chains that start at `latents`, one chain each."""
    answer = sd.ask(
        sd.pullback(sd.near(CENTER), decoder),
        SPACE,
        draws=1,
        chains=N,
        warmup=9,
        start=latents,
        temperature=TEMPERATURE,
        kernel=kernel,
        seed=1,
        progress=False,
    )
    assert answer.latents is not None
    assert (answer.latents[:, 0] != latents).any(axis=1).mean() > 0.5
    return answer


def exact() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.stack([law(d).rvs(N, random_state=rng) for d in (0, 1)], axis=1)


@pytest.mark.parametrize(
    "kernel", [sd.RandomWalk(0.05), sd.MALA(0.5, precondition=False)], ids=repr
)
def test_the_sigmoid_of_a_box_keeps_the_law_of_the_data(kernel: Any) -> None:
    x = exact()
    share = (x - [0.0, -1.0]) / [1.0, 4.0]
    answer = ends(sd.decoders.BoxSigmoid(SPACE), np.log(share / (1 - share)), kernel)
    for column in (0, 1):
        assert distance(answer.draws[:, 0, column], column) < BOUND
    # The energies are those of the question, without the Jacobian.
    rows = answer.draws[:, 0]
    np.testing.assert_allclose(answer.energies[:, 0], ((rows - CENTER) ** 2).sum(axis=1))
    # Forgetting the Jacobian is another law.
    forgetful = sd.decoders.BoxSigmoid(SPACE, jacobian=False)
    answer = ends(forgetful, np.log(share / (1 - share)), kernel)
    assert max(distance(answer.draws[:, 0, column], column) for column in (0, 1)) > 2 * BOUND


def test_an_affine_map_keeps_the_law_of_the_data() -> None:
    x = exact()
    matrix, shift = np.array([[0.5, 0.0], [1.0, 2.0]]), np.array([0.1, -0.3])
    latents = np.linalg.solve(matrix, (x - shift).T).T
    decoder = sd.decoders.Affine(matrix, shift)
    answer = ends(decoder, latents, sd.MALA(0.05, precondition=False))
    for column in (0, 1):
        assert distance(answer.draws[:, 0, column], column) < BOUND
