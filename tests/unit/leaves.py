"""Leaves of one scikit-learn tree in the unit cube."""

from __future__ import annotations

from typing import Any

import numpy as np


def volumes(tree: Any) -> list[tuple[int, float]]:
    """Each leaf's node, and its share of the cube."""
    found = []
    left = [(0, np.zeros(tree.n_features), np.ones(tree.n_features))]
    while left:
        node, lower, upper = left.pop()
        if tree.children_left[node] == -1:
            found.append((node, float(np.prod(np.maximum(upper - lower, 0.0)))))
            continue
        j, cut = tree.feature[node], tree.threshold[node]
        below, above = upper.copy(), lower.copy()
        below[j], above[j] = min(upper[j], cut), max(lower[j], cut)
        left += [
            (tree.children_left[node], lower, below),
            (tree.children_right[node], above, upper),
        ]
    return found
