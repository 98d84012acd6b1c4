"""What rows of a space must fulfil beside bounds: conditions as text, and functions of frames."""

from sondage._constraints._condition import Condition, Constraint, Predicate, constraint, from_json
from sondage._constraints._space import Limits, admitted, limits, require_possible

__all__ = [
    "Condition",
    "Constraint",
    "Limits",
    "Predicate",
    "admitted",
    "constraint",
    "from_json",
    "limits",
    "require_possible",
]
