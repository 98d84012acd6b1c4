"""The report of an answer: one HTML file that opens offline (extra `report`)."""

from sondage.report.content import Section

__all__ = ["Section"]
