"""Base measures learned from data: where the rows of a frame lie, as a density on a space.

An answer then follows p_ref(x) exp(−G(x)/τ) in place of exp(−G(x)/τ).
"""

from sondage.reference._density import TreeDensity
from sondage.reference._fit import chow_liu

__all__ = ["TreeDensity", "chow_liu"]
