"""From the text of a condition to its tree.

Columns by name (in backticks where that is no identifier), numbers, strings, True, False, None;
``+ - * /``, ``abs``, ``min``, ``max``; comparisons and chains of them; ``in [...]``; ``not``,
``and``, ``or`` and, weakest of all and from the right, ``=>``. Precedence is Python's.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sondage.errors import SpaceError

__all__ = ["COMPARISONS", "FUNCTIONS", "LOGIC", "Node", "parse"]

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
FUNCTIONS = ("abs", "min", "max")
LOGIC = ("and", "or", "not", "=>")
_LITERALS = {"True": True, "False": False, "None": None}
_KEYWORDS = {"and", "or", "not", "in", *_LITERALS}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | `(?P<quoted>[^`]+)`
      | (?P<name>[^\W\d]\w*)
      | (?P<sign>=>|<=|>=|==|!=|[-+*/<>()\[\],])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
#: What to write for what is written in other languages.
_HINTS = {
    "=": "write == to compare",
    "&": "write and",
    "|": "write or",
    "~": "write not",
    "!": "write not, or != to compare",
    "`": "a name in backticks ends with a backtick",
    "'": "a string ends with the quote that it begins with",
    '"': "a string ends with the quote that it begins with",
    "%": "there is no remainder",
    "^": "there are no powers; write a * a",
    ".": "names with dots stand in backticks",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a condition.

    Attributes
    ----------
    kind : str
        "number", "label", "column", "negative", "list", a function or an operator.
    text : str
        The part as it was written.
    parts : tuple of Node
        Operands.
    value : object
        Of a literal, or the name of a column.
    """

    kind: str
    text: str
    parts: tuple[Node, ...] = ()
    value: object = None
    #: Where it stands.
    span: tuple[int, int] = field(default=(0, 0), compare=False)


class _Token(NamedTuple):
    kind: str
    text: str
    value: object
    start: int
    end: int


def parse(text: str) -> Node:
    """Return the tree of a condition.

    Raises
    ------
    SpaceError
        Names the text, the part that cannot be read and what may stand there.

    >>> parse("a <= 2*b").kind, parse("a > 1 => b > 1").kind
    ('<=', '=>')
    """
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise SpaceError(f"{text[:80]!r} is nested too deeply") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._at = 0

    def _read(self) -> list[_Token]:
        tokens, at = [], 0
        while True:
            found = _TOKEN.match(self._text, at)
            if found is None:
                rest = self._text[at:].lstrip()
                hint = _HINTS.get(rest[0], "allowed are columns, numbers, strings and operators")
                raise self._failed(rest[:20], f"cannot be read: {hint}")
            kind = str(found.lastgroup)
            piece = found.group(kind)
            start, at = found.start(kind), found.end()
            value: object = piece
            if kind == "number":
                if at < len(self._text) and (self._text[at].isalpha() or self._text[at] == "_"):
                    part = self._text[start : at + 10]
                    raise self._failed(part, "cannot be read: write * to multiply")
                try:
                    value = float(piece)
                except ValueError:
                    raise self._failed(piece, "is no number") from None
            elif kind == "string":
                try:
                    value = ast.literal_eval(piece)
                except (SyntaxError, ValueError):
                    raise self._failed(piece, "is no string") from None
            elif kind == "quoted":
                start -= 1
            elif kind == "name" and piece in _KEYWORDS:
                kind, value = ("label", _LITERALS[piece]) if piece in _LITERALS else ("sign", piece)
            tokens.append(_Token(kind, piece, value, start, at))
            if kind == "end":
                return tokens

    def _failed(self, part: str, what: str) -> SpaceError:
        return SpaceError(f"in the condition {self._text!r}: {part!r} {what}")

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sign(self, *signs: str) -> str | None:
        token = self._next
        return token.text if token.kind == "sign" and token.text in signs else None

    def _expect(self, sign: str) -> _Token:
        if self._sign(sign) is None:
            raise self._unexpected(f"{sign!r} is needed")
        return self._take()

    def _unexpected(self, needed: str) -> SpaceError:
        token = self._next
        if token.kind == "end":
            return SpaceError(f"the condition {self._text!r} ends too early: {needed}")
        hint = ""
        before = self._tokens[self._at - 1] if self._at else None
        if token.text in "*/=" and before is not None and before.text == token.text:
            hint = "; allowed are + - * / and comparisons"
        return self._failed(token.text, f"cannot stand there: {needed}{hint}")

    def _node(self, kind: str, *parts: Node) -> Node:
        start, end = parts[0].span[0], parts[-1].span[1]
        return Node(kind, self._text[start:end], parts, None, (start, end))

    def whole(self) -> Node:
        if self._next.kind == "end":
            raise SpaceError("a condition must not be empty; write one such as 'a <= 2*b + 1'")
        node = self._implication()
        if self._next.kind != "end":
            operators = "an operator or the end is needed"
            raise self._unexpected(operators)
        return node

    def _implication(self) -> Node:
        left = self._either()
        if self._sign("=>") is None:
            return left
        self._take()
        return self._node("=>", left, self._implication())

    def _either(self) -> Node:
        node = self._both()
        while self._sign("or"):
            self._take()
            node = self._node("or", node, self._both())
        return node

    def _both(self) -> Node:
        node = self._negation()
        while self._sign("and"):
            self._take()
            node = self._node("and", node, self._negation())
        return node

    def _negation(self) -> Node:
        if self._sign("not") is None:
            return self._comparison()
        start = self._take().start
        return self._begun("not", start, self._negation())

    def _begun(self, kind: str, start: int, part: Node) -> Node:
        end = part.span[1]
        return Node(kind, self._text[start:end], (part,), None, (start, end))

    def _comparison(self) -> Node:
        left = self._sum()
        whole: Node | None = None
        while True:
            sign = self._sign(*COMPARISONS, "in", "not")
            if sign is None:
                return left if whole is None else whole
            self._take()
            if sign in ("in", "not"):
                if sign == "not":
                    self._expect("in")
                node = self._node("in", left, self._list())
                if sign == "not":
                    node = replace(node, kind="not in")
            else:
                right = self._sum()
                node, left = self._node(sign, left, right), right
            whole = node if whole is None else self._node("and", whole, node)
            if sign in ("in", "not"):
                return whole

    def _list(self) -> Node:
        start = self._expect("[").start
        items: list[Node] = []
        while self._sign("]") is None:
            if items:
                self._expect(",")
                if self._sign("]"):
                    break
            items.append(self._sum())
        end = self._take().end
        node = Node("list", self._text[start:end], tuple(items), None, (start, end))
        if not items:
            raise self._failed(node.text, "is empty; nothing is in it")
        for item in items:
            if item.kind not in ("number", "label"):
                raise self._failed(
                    item.text, "cannot stand in a list, which holds numbers and levels"
                )
        return node

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._sign("+", "-"):
            self._take()
            node = self._node(sign, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._signed()
        while sign := self._sign("*", "/"):
            self._take()
            node = self._node(sign, node, self._signed())
        return node

    def _signed(self) -> Node:
        sign = self._sign("-", "+")
        if sign is None:
            return self._atom()
        start = self._take().start
        part = self._signed()
        if part.kind == "number":
            value = part.value if sign == "+" else -part.value  # type: ignore[operator]
            end = part.span[1]
            return replace(part, text=self._text[start:end], value=value, span=(start, end))
        return part if sign == "+" else self._begun("negative", start, part)

    def _atom(self) -> Node:
        token = self._next
        if token.kind in ("number", "string", "label", "quoted", "name"):
            self._take()
            if token.kind == "name" and self._sign("("):
                return self._call(token)
            kind = {"number": "number", "string": "label", "label": "label"}.get(
                token.kind, "column"
            )
            text = self._text[token.start : token.end]
            return Node(kind, text, (), token.value, (token.start, token.end))
        if self._sign("("):
            self._take()
            node = self._implication()
            end = self._expect(")").end
            return replace(node, text=self._text[token.start : end], span=(token.start, end))
        raise self._unexpected("a column, a number or a level is needed")

    def _call(self, name: _Token) -> Node:
        if name.text not in FUNCTIONS:
            raise self._failed(
                f"{name.text}(", f"is no function; allowed are {', '.join(FUNCTIONS)}"
            )
        self._expect("(")
        arguments = [self._implication()]
        while self._sign(","):
            self._take()
            arguments.append(self._implication())
        end = self._expect(")").end
        text = self._text[name.start : end]
        if (len(arguments) == 1) != (name.text == "abs"):
            needed = "one number" if name.text == "abs" else "two numbers or more"
            raise self._failed(text, f"takes {needed}")
        return Node(name.text, text, tuple(arguments), None, (name.start, end))
