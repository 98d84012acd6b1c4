"""From the tree of a condition to the steps that the core takes, on the columns of a space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sondage._constraints._parsing import COMPARISONS, LOGIC
from sondage.columns import NO_LEVEL, Categorical, Fixed, has_levels, levels_of
from sondage.errors import SpaceError
from sondage.frames import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage._constraints._parsing import Node
    from sondage.columns import Column

__all__ = ["Compiler", "Steps", "columns_of"]

Steps: TypeAlias = "list[tuple[str, float]]"

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_ALWAYS: Steps = [("constant", 0.0), ("constant", 0.0), ("==", 0.0)]
_NEVER: Steps = [("constant", 0.0), ("constant", 0.0), ("!=", 0.0)]


def columns_of(node: Node) -> set[str]:
    """Names of the columns that a condition reads."""
    if node.kind == "column":
        return {str(node.value)}
    return set().union(*(columns_of(part) for part in node.parts))


@dataclass(frozen=True, slots=True)
class Compiler:
    """Steps of one condition; `not` goes inwards, down to comparisons, which it turns round.

    Attributes
    ----------
    text : str
        The condition, for errors.
    kinds : mapping from str to Column
        Of the space, in order. What is fixed at a query's value may be a number or a level.
    open : frozenset of str
        Columns of which not all levels are known.
    """

    text: str
    kinds: Mapping[str, Column]
    open: frozenset[str] = frozenset()

    def failed(self, part: Node, what: str) -> SpaceError:
        """Refuse a part; to be raised."""
        return SpaceError(f"in the condition {self.text!r}: {part.text!r} {what}")

    def condition(self, node: Node, *, negated: bool = False) -> Steps:
        """Return the steps of a condition or its opposite."""
        kind, parts = node.kind, node.parts
        if kind == "not":
            return self.condition(parts[0], negated=not negated)
        if kind in ("and", "or", "=>"):
            # a => b is `not a or b`.
            left = self.condition(parts[0], negated=negated != (kind == "=>"))
            right = self.condition(parts[1], negated=negated)
            both = (kind == "and") != negated
            return [*left, *right, ("and" if both else "or", 0.0)]
        if kind in COMPARISONS:
            sign = _OPPOSITE[kind] if negated else kind
            return self._compare(sign, parts[0], parts[1], node)
        if kind in ("in", "not in"):
            absent = (kind == "not in") != negated
            steps: Steps = []
            for item in parts[1].parts:
                own = self._compare("!=" if absent else "==", parts[0], item, node)
                steps += own if not steps else [*own, ("and" if absent else "or", 0.0)]
            return steps
        if kind == "column" and self._is_boolean(node):
            return self._is(node, value=True, equal=not negated)
        if kind == "label" and isinstance(node.value, bool):
            return list(_ALWAYS if node.value != negated else _NEVER)
        raise self.failed(node, "is no condition; compare it with something")

    def number(self, node: Node) -> Steps:
        """Return the steps of a number."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return [("constant", float(node.value))]  # type: ignore[arg-type]
        if kind == "column":
            if self._levels(node) is not None:
                raise self.failed(
                    node,
                    "is a category, which is compared with ==, != and in, against its levels alone",
                )
            return [self._column(node)]
        if kind in ("negative", "abs"):
            return [*self.number(parts[0]), (kind, 0.0)]
        if kind in COMPARISONS or kind in (*LOGIC, "in", "not in"):
            raise self.failed(node, "is a condition, and a number is needed")
        if kind == "label":
            raise self.failed(node, "is no number")
        steps = self.number(parts[0])
        for part in parts[1:]:
            steps = [*steps, *self.number(part), (kind, 0.0)]
        return steps

    def _compare(self, sign: str, left: Node, right: Node, whole: Node) -> Steps:
        if not (self._level_like(left) or self._level_like(right)):
            first, second = (right, left) if sign in (">", ">=") else (left, right)
            own = {">": "<", ">=": "<="}.get(sign, sign)
            return [*self.number(first), *self.number(second), (own, 0.0)]
        if not self._is_category(left):
            left, right = right, left
        if not self._is_category(left):
            label, other = (left, right) if left.kind == "label" else (right, left)
            raise self.failed(
                whole, f"compares {label.text}, a level, with {other.text}, which is none"
            )
        if right.kind not in ("label", "number"):
            raise self.failed(
                whole,
                f"compares {left.text}, a category, with {right.text}; categories are compared "
                "with ==, != and in, against their levels alone",
            )
        if sign not in ("==", "!="):
            raise self.failed(
                whole,
                f"asks for an order, and {left.text} is a category, which has none: ==, != and in "
                "are allowed",
            )
        return self._is(left, value=right.value, equal=sign == "==", whole=whole)

    def _is(self, column: Node, *, value: object, equal: bool, whole: Node | None = None) -> Steps:
        levels = self._levels(column) or []
        code = NO_LEVEL
        for k, level in enumerate(levels):
            if level == value and isinstance(level, bool) == isinstance(value, bool):
                code = float(k)
        kind = self.kinds[str(column.value)]
        if code == NO_LEVEL and isinstance(kind, Categorical) and column.value not in self.open:
            shown = int(value) if isinstance(value, float) and value.is_integer() else value
            raise self.failed(
                whole or column,
                f"compares with {shown!r}, which is no level of column {str(column.value)!r}; its "
                f"levels are {listed(levels)}",
            )
        return [self._column(column), ("constant", code), ("is" if equal else "is not", 0.0)]

    def _column(self, node: Node) -> tuple[str, float]:
        return ("column", float(list(self.kinds).index(str(node.value))))

    def _kind(self, node: Node) -> Column:
        name = str(node.value)
        if name not in self.kinds:
            raise self.failed(
                node, f"is no column of the space; its columns are {listed([*self.kinds])}"
            )
        return self.kinds[name]

    def _levels(self, node: Node) -> list[object] | None:
        """Levels of a column in the order of their codes; None of numbers."""
        kind = self._kind(node)
        if isinstance(kind, Fixed) and isinstance(kind.value, bool):
            return [False, True]
        return levels_of(kind) if has_levels(kind) and not self._waits(node) else None

    def _waits(self, node: Node) -> bool:
        """Whether a column is fixed at a value that a query will bring."""
        kind = self._kind(node)
        return isinstance(kind, Fixed) and kind.at_query

    def _is_boolean(self, node: Node) -> bool:
        return self._waits(node) or {type(level) for level in self._levels(node) or ()} == {bool}

    def _is_category(self, node: Node) -> bool:
        return node.kind == "column" and (self._levels(node) is not None or self._waits(node))

    def _level_like(self, node: Node) -> bool:
        return node.kind == "label" or (node.kind == "column" and self._levels(node) is not None)
