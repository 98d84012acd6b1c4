"""The support matrix: which models are read, and what can be asked of them natively.

``python -m sondage.models.support`` prints the table; with a path it writes it into that file,
between the marks. It is made of what the adapters say of themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sondage.models import _registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage.models._adapter import Adapter

__all__ = ["BEGIN", "END", "support_matrix", "with_matrix"]

BEGIN = "<!-- support matrix: made by `python -m sondage.models.support docs/models.md` -->"
END = "<!-- end of the support matrix -->"

_COLUMNS = (
    "Models",
    "Classes",
    "Evaluated",
    "Gradient",
    "Exact slices",
    "Missing values",
    "Categories",
    "Notes",
)
_FOREIGN = (
    "Anything else",
    "k-NN, naive Bayes, Gaussian processes, callables, whatever has `predict`",
    "by its library",
    "no",
    "no",
    "no",
    "no",
    "with a warning that says why",
)


def support_matrix() -> str:
    """Return the table in Markdown, a row for every adapter.

    Returns
    -------
    str

    >>> print(support_matrix().splitlines()[0])
    | Models | Classes | Evaluated | Gradient | Exact slices | Missing values | Categories | Notes |
    """
    rows = [_row(adapter) for adapter in _registry.adapters()]
    lines = [_COLUMNS, tuple("---" for _ in _COLUMNS), *rows, _FOREIGN]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _row(adapter: Adapter) -> tuple[str, ...]:
    names = dict.fromkeys(name.partition(".")[2] for name in adapter.classes)
    flags = adapter.gradient, adapter.slices, adapter.missing, adapter.categorical
    return (
        adapter.family,
        ", ".join(f"`{name}`" for name in names),
        "natively",
        *("yes" if flag else "no" for flag in flags),
        adapter.note.replace("|", "\\|"),
    )


def with_matrix(text: str) -> str:
    """Return a document with the table between its marks renewed.

    Raises
    ------
    ValueError
        If the document lacks the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN!r} with {END!r} after it")
    return f"{before}{BEGIN}\n\n{support_matrix()}\n{END}{after}"


def main(arguments: Sequence[str]) -> None:
    """Print the table, or write it into the files named."""
    if not arguments:
        sys.stdout.write(support_matrix())
    for name in arguments:
        path = Path(name)
        path.write_text(with_matrix(path.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
