"""Questions about many rows at once: one after another, or eight of them side by side."""

from sondage.queries.ask_each import ask_each
from sondage.queries.counterfactuals import counterfactuals

__all__ = ["ask_each", "counterfactuals"]
