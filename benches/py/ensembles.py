"""Compare means over ensembles of dense nets with torch: value and gradient, one thread.

python benches/py/ensembles.py

torch evaluates all members at once by batched matrix products in float32, with gradients by the
rows alone. Its first layer is tried both ways: batched, and as one product with the weights of all
members side by side; the better one is printed. `cargo bench --bench ensembles`, on nets of the
same form, runs before and after.
"""

from __future__ import annotations

import subprocess
import time
from itertools import pairwise

import torch

UNITS = [20, 128, 32, 8, 2]


def step(
    layers: list[tuple[torch.Tensor, torch.Tensor]], x: torch.Tensor, *, together: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of -log p of the second class over members, and its gradient by the rows."""
    rows = x.clone().requires_grad_()
    members, chains = layers[0][0].shape[0], len(x)
    y = rows.expand(members, *rows.shape)
    for i, (weights, bias) in enumerate(layers):
        if i == 0 and together:
            wide = torch.addmm(bias.reshape(1, -1), rows, weights.reshape(-1, weights.shape[2]).T)
            y = wide.reshape(chains, members, -1).transpose(0, 1)
        else:
            y = torch.baddbmm(bias, y, weights.transpose(1, 2))
        if i < len(layers) - 1:
            y = torch.relu(y)
    value = -torch.log_softmax(y, -1)[..., 1].mean(0)
    (gradient,) = torch.autograd.grad(value.sum(), rows)
    return value.detach(), gradient


def main() -> None:
    """Print nanoseconds per step and chain."""
    bench = ["cargo", "bench", "--quiet", "--bench", "ensembles"]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    subprocess.run(bench, check=True)
    for members in (1_000, 10_000):
        layers = [
            (torch.randn(members, n, m) * (2 / m) ** 0.5, 0.1 * torch.randn(members, 1, n))
            for m, n in pairwise(UNITS)
        ]
        for chains in (1, 8, 32, 50):
            x = torch.rand(chains, UNITS[0])
            best = float("inf")
            for together in (False, True):
                begin = time.perf_counter()
                while time.perf_counter() - begin < 3:
                    start = time.perf_counter()
                    step(layers, x, together=together)
                    best = min(best, time.perf_counter() - start)
            print(
                f"torch {torch.__version__}, {members} members, value and gradient, "
                f"{chains} chains: {best / chains * 1e9:.0f} ns a chain-step",
                flush=True,
            )
    subprocess.run(bench, check=True)


if __name__ == "__main__":
    main()
