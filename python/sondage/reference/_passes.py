"""Sums over the cells of a tree: from the leaves up and from the roots down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["information", "marginals", "normalised", "roots_first"]


def roots_first(parents: Sequence[int]) -> list[int]:
    """Order columns so that each comes after the one it depends on."""
    children: dict[int, list[int]] = {}
    for j, parent in enumerate(parents):
        children.setdefault(parent, []).append(j)
    order = list(children[-1])
    for j in order:  # grows on the way
        order += children.get(j, [])
    return order


def marginals(
    parents: Sequence[int], log_shares: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Probability of the cells of every column by itself."""
    found = [np.ones(1)] * len(parents)
    for j in roots_first(parents):
        above = found[parents[j]] if parents[j] >= 0 else np.ones(1)
        found[j] = above @ np.exp(log_shares[j])
    return found


def information(parents: Sequence[int], log_shares: Sequence[NDArray[np.float64]]) -> list[float]:
    """Mutual information of every column and the one that it depends on, in nats."""
    alone = marginals(parents, log_shares)
    return [
        float(alone[parent] @ (np.exp(table) * (table - np.log(own))).sum(axis=1))
        if parent >= 0
        else 0.0
        for parent, own, table in zip(parents, alone, log_shares, strict=True)
    ]


def normalised(
    parents: Sequence[int], log_weights: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Conditional probabilities of p ∝ Π_c w_c(x_c | x_parent(c)), as logarithms.

    The sum of all that hangs on a cell is passed up to it (belief propagation).
    """
    tables = list(log_weights)
    received = [np.zeros(table.shape[1]) for table in tables]
    for j in reversed(roots_first(parents)):
        table = tables[j] + received[j]
        largest = table.max(axis=1, keepdims=True)
        sums = largest + np.log(np.exp(table - largest).sum(axis=1, keepdims=True))
        tables[j] = table - sums
        if parents[j] >= 0:
            received[parents[j]] = received[parents[j]] + sums[:, 0]
    return tables
