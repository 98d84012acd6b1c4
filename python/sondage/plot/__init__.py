"""Figures of an answer (extra `report`: matplotlib)."""

from sondage.plot.namespace import AnswerPlots

__all__ = ["AnswerPlots"]
