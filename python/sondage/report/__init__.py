"""The report of an answer: one HTML file that opens offline (extra `report`)."""

from sondage.report.content import Section
from sondage.report.render import write_report

__all__ = ["Section", "write_report"]
