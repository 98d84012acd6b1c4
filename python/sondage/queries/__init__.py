"""Questions about many rows at once: one query after another, or eight of them side by side."""

from sondage.queries.counterfactuals import counterfactuals

__all__ = ["counterfactuals"]
