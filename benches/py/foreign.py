"""What a step of MALA costs beside the bare forward and backward of a torch module.

python benches/py/foreign.py

64 chains in 32 columns; the modules are such that torch alone evaluates them. Bare: the module on a
float32 tensor of 64 rows, and `torch.autograd.grad` by the rows. Both are timed in turn, the least
of the rounds counts. One thread.
"""

from __future__ import annotations

import time
import warnings
from typing import cast

import numpy as np
import torch
from torch import nn

import sondage as sd

CHAINS, COLUMNS, ROUNDS = 64, 32, 12


class Net(nn.Module):
    """A dense net with a skip, which the core does not read."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(COLUMNS, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of two classes."""
        h = torch.relu(self.first(x))
        return cast("torch.Tensor", self.last(h + torch.relu(self.second(h))))


def bare(module: nn.Module, rows: torch.Tensor, steps: int) -> float:
    """Return the seconds of one forward and backward."""
    start = time.perf_counter()
    for _ in range(steps):
        x = rows.detach().requires_grad_()
        y = module(x)
        torch.autograd.grad(y, x, torch.ones_like(y))
    return (time.perf_counter() - start) / steps


def sampled(question: sd.Question, space: sd.Space, steps: int) -> float:
    """Return the seconds of a step of all chains."""
    answer = sd.ask(
        question,
        space,
        draws=steps // 10,
        thin=10,
        chains=CHAINS,
        warmup=0,
        kernel=sd.MALA(0.01, precondition=False),
        threads=1,
        seed=0,
        progress=False,
    )
    return answer.statistics.seconds_sampling / steps


def main() -> None:
    """Print microseconds a step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space = sd.Space({f"x{j}": sd.Continuous(-3.0, 3.0) for j in range(COLUMNS)})
    rows = torch.rand(CHAINS, COLUMNS)
    for width in (128, 512, 2048):
        module = Net(width).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sd.ForeignModelWarning)
            model = sd.as_model(module, output="score", classes=["no", "yes"], name="net")
        question = sd.fixed_label(model, "yes") + 0.05 * sd.near(np.zeros(COLUMNS))
        steps = max(100, 200_000 // width // 10 * 10)
        alone = own = float("inf")
        for _ in range(ROUNDS):
            alone = min(alone, bare(module, rows, steps))
            own = min(own, sampled(question, space, steps))
        print(
            f"{COLUMNS}-{width}-{width}-2: bare {alone * 1e6:.0f} us, step {own * 1e6:.0f} us, "
            f"{own / alone:.2f}x, {(own - alone) * 1e6:.0f} us beside the module",
            flush=True,
        )


if __name__ == "__main__":
    main()
