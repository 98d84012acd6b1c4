"""Distributions over a model's parameters (MATH section 8): ensembles whose members share a form.

Each function gives a `Model` that questions take like any other; a question about it is the mean
of the question over its members.
"""

from sondage.posterior.bootstrap import refit
from sondage.posterior.langevin import langevin
from sondage.posterior.noise import gaussian

__all__ = ["gaussian", "langevin", "refit"]
