"""Commands of the command line that answer questions about model files."""

from sondage.commands.ask import Request, answer_of
from sondage.commands.report import report_of

__all__ = ["Request", "answer_of", "report_of"]
