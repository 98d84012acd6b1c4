"""Commands of the command line that answer questions about model files."""

from sondage.commands.arguments import add_arguments, request_of
from sondage.commands.ask import Request, answer_of
from sondage.commands.report import report_of

__all__ = ["Request", "add_arguments", "answer_of", "report_of", "request_of"]
