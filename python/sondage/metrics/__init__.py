"""How good counterfactuals are, by the field's standard measures."""

from sondage.metrics.evaluation import evaluate

__all__ = ["evaluate"]
