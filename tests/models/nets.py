"""Rows, and what torch gives for them, for the tests of its modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def normal(n: int, d: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d))


def outputs(module: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What torch gives for rows in the module's own precision."""
    dtype = next(module.parameters()).dtype
    with torch.no_grad():
        return module(torch.tensor(rows, dtype=dtype)).double().numpy()
