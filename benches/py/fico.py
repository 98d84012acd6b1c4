"""Questions to a distribution over the papers' own FICO net, beside torch: time a chain-step.

SONDAGE_BENCH_DATA=../shared/data python benches/py/fico.py

The net (20-128-32-8-2, ReLU) is `paper_models/fico_mlp…npz`, its distribution 1,000 or 10,000
parameter sets around it. A step is one of MALA: G and its gradient at a proposal for every chain.
torch evaluates the same G and gradient in float32, all parameter sets at once by batched matrix
products: chain by chain, as the papers' code does, and all chains in one call. Before times are
taken, both G are compared on random rows. One thread.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import sondage as sd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CHAINS = 50
SECONDS = 6.0
SCALE = 0.05


def net() -> nn.Sequential:
    """Return the papers' trained net."""
    folder = Path(os.environ.get("SONDAGE_BENCH_DATA", "../shared/data")) / "paper_models"
    (path,) = folder.glob("fico_mlp*.npz")
    stored = np.load(path)
    layers: list[nn.Module] = []
    for i in range(4):
        kernel = stored[f"params/Dense_{i}/kernel"]
        layer = nn.Linear(*kernel.shape)
        layer.weight.data = torch.tensor(kernel.T.copy())
        layer.bias.data = torch.tensor(stored[f"params/Dense_{i}/bias"])
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def parameters(posterior: sd.Model) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the weights and biases of all members, layer by layer."""
    operations = [member._graph().operations for _, member in posterior.members]
    places = [i for i, op in enumerate(operations[0]) if op[0] == "linear"][:4]
    return [
        (
            torch.tensor(np.stack([ops[i][2] for ops in operations]), dtype=torch.float32),
            torch.tensor(np.stack([ops[i][3] for ops in operations]), dtype=torch.float32)[:, None],
        )
        for i in places
    ]


def in_torch(
    layers: list[tuple[torch.Tensor, torch.Tensor]], module: nn.Module, question: str
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return G and its gradient."""

    def evaluate(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = x.clone().requires_grad_()
        y = rows.expand(len(layers[0][0]), *rows.shape)
        for i, (weights, bias) in enumerate(layers):
            y = torch.baddbmm(bias, y, weights.transpose(1, 2))
            if i < len(layers) - 1:
                y = torch.relu(y)
        if question == "sensitive":
            with torch.no_grad():
                other = 1 - module(x).argmax(1)
            g = -torch.log_softmax(y, -1)[:, torch.arange(len(x)), other].mean(0)
        else:
            g = ((torch.softmax(y, -1)[..., 1] - 0.5) ** 2).mean(0)
        (gradient,) = torch.autograd.grad(g.sum(), rows)
        return g.detach(), gradient

    return evaluate


def least(call: Callable[[], Any]) -> float:
    """Return the least seconds of a call, over calls of some seconds."""
    best, begin = float("inf"), time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def sampled(question: sd.Question, space: sd.Space, start: NDArray[np.float64], n: int) -> float:
    """Return the seconds of a step of all chains."""
    answer = sd.ask(
        question,
        space,
        draws=n,
        chains=len(start),
        start=start,
        warmup=0,
        kernel=sd.MALA(1e-3),
        threads=1,
        seed=0,
        progress=False,
    )
    return answer.statistics.seconds_sampling / n


def main() -> None:
    """Print microseconds a step and chain."""
    torch.set_num_threads(1)
    module = net()
    model = sd.as_model(module, output="score", classes=["Good", "Bad"], name="mlp")
    space = sd.Space({f"x{j}": sd.Continuous(0.0, 1.0) for j in range(20)})
    rows = np.random.default_rng(0).random((CHAINS, 20))
    x = torch.tensor(rows, dtype=torch.float32)
    for members in (1_000, 10_000):
        posterior = sd.posterior.gaussian(model, SCALE, members, seed=1)
        layers = parameters(posterior)
        questions = {
            "sensitive": sd.parameter_sensitive(model, posterior),
            "risky": sd.prediction_risky(posterior),
        }
        for name, question in questions.items():
            theirs = in_torch(layers, module, name)
            np.testing.assert_allclose(
                question.evaluate(rows, space), theirs(x)[0].numpy(), rtol=1e-4, atol=1e-6
            )
            one = least(lambda: theirs(x[:1]))  # noqa: B023 - called at once
            many = least(lambda: theirs(x)) / CHAINS  # noqa: B023 - called at once
            n = max(2, 20_000 // members)
            own = min(sampled(question, space, rows, n) for _ in range(5)) / CHAINS
            print(
                f"{name}, {members} parameter sets, {CHAINS} chains: sondage {own * 1e6:.0f}, "
                f"torch chain by chain {one * 1e6:.0f} ({one / own:.1f}x), "
                f"torch batched {many * 1e6:.0f} ({many / own:.1f}x) us a step and chain",
                flush=True,
            )
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
