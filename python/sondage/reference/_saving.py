"""A density as JSON, and back to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sondage.reference._cells import Bins, Levels
from sondage.reference._density import TreeDensity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage.reference._cells import Cells

__all__ = ["from_json", "to_json"]


def to_json(density: TreeDensity) -> dict[str, object]:
    """Return what `from_json` reads."""
    return {
        "rows": density._rows,
        "columns": [
            {"name": name, "parent": parent, **_cells(cells), "log_shares": table.tolist()}
            for name, cells, parent, table in zip(
                density._names,
                density._cells,
                density._parents,
                density._log_shares,
                strict=True,
            )
        ],
    }


def from_json(data: Mapping[str, Any]) -> TreeDensity:
    """Return the density that `to_json` wrote."""
    columns = data["columns"]
    return TreeDensity._of(
        [str(column["name"]) for column in columns],
        [_read_cells(column) for column in columns],
        [int(column["parent"]) for column in columns],
        [np.array(column["log_shares"], dtype=np.float64) for column in columns],
        int(data["rows"]),
    )


def _cells(cells: Cells) -> dict[str, object]:
    if isinstance(cells, Bins):
        return {"edges": cells.edges, "seen": cells.rows, "integer": cells.integer}
    return {"levels": cells.levels, "seen": cells.rows}


def _read_cells(column: Mapping[str, Any]) -> Cells:
    seen = tuple(int(rows) for rows in column["seen"])
    if "levels" in column:
        return Levels(tuple(column["levels"]), seen)
    return Bins(tuple(float(edge) for edge in column["edges"]), seen, bool(column["integer"]))
