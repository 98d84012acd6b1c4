"""Fit a tree-structured density to data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sondage._declared import names_of, require_known
from sondage._numbers import whole
from sondage._reading import read_column
from sondage.columns import Categorical, Fixed
from sondage.errors import DataError, SpaceError
from sondage.frames import to_narwhals
from sondage.reference._binning import cut
from sondage.reference._density import TreeDensity
from sondage.reference._tree import Counts, edge_gains, pair_counts, smoothed, spanning_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sondage.columns import Column
    from sondage.frames import FrameLike, Table
    from sondage.reference._binning import Cut

__all__ = ["chow_liu"]

#: Numbers of bins among which `bins=None` chooses.
_BINS = (4, 8, 16, 32, 64, 128)


def chow_liu(
    frame: FrameLike,
    *,
    continuous: Collection[str] = (),
    integer: Collection[str] = (),
    categorical: Collection[str] = (),
    bins: int | None = None,
    names: Sequence[str] | None = None,
) -> TreeDensity:
    """Learn where rows lie: a density in which every column depends on at most one other.

    Parameters
    ----------
    frame : polars, pandas or pyarrow frame, or 2-D numpy array
        At least two rows; no value missing, NaN or infinite.
    continuous, integer, categorical : collection of str
        Columns whose kind is said here instead of read off the dtype, as in `Space.from_frame`.
    bins : int, optional
        How many bins a column of numbers is cut into. None takes the one of 4, 8, 16, 32, 64 and
        128 under which the rows are most probable, each left out of its own fit.
    names : sequence of str, optional
        Names for the columns of a numpy array; otherwise ``x0, x1, …``.

    Returns
    -------
    TreeDensity
        With respect to Lebesgue measure on continuous columns and counting measure on integer and
        categorical ones (MATH section 1), constant on cells of every column.

    Raises
    ------
    DataError
        For a frame that cannot be read, with less than two rows, or with missing values.
    SpaceError
        For unknown names or a kind that a column cannot have.
    SamplingError
        If `bins` is no whole number of at least 2.

    Notes
    -----
    *Cells.* Bins hold about the same number of rows and end between values of the frame. A value
    that many rows share has a cell of its own, with empty cells where nothing was seen beside it:
    an integer that at least a quarter of a bin's share of rows hold, a real number that a twentieth
    of all rows hold, both at least ten rows; integer columns of no more values than bins have a
    cell for each. Of an integer such a cell is exact. In a continuous column it is as wide as the
    smallest gap between any two of the column's values (at least 1e-6 of the column's range),
    around the value: the density there is high, but is one.

    *Tree.* The weight of a pair of columns is its mutual information (Chow and Liu 1968), taken
    with each row left out of the counts that predict it, which takes off what chance alone would
    give to columns of many cells. The tree is the spanning tree of largest weight that grows from
    the first column (Prim); a column to which no edge has a weight above zero is on its own.

    *Tables.* With N_ij rows in parent cell i and cell j, and N_i in i: p(j | i) = (N_ij + α q_j) /
    (N_i + α), where q_j = (N_j + ½) / (N + K/2) is the column by itself with its K cells. Each
    edge has its own α, from ¼ to 1024, that makes the rows most probable when left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=2000)
    >>> reference = chow_liu(np.column_stack([x, x + 0.1 * rng.normal(size=2000)]))
    >>> reference.parent
    mappingproxy({'x0': None, 'x1': 'x0'})
    >>> reference.log_density(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 100.0]])).round(1)
    array([ 0.2, -6.7, -inf])
    """
    if bins is not None:
        whole("bins", bins, 2)
    if names is not None and not isinstance(frame, np.ndarray):
        raise SpaceError("names is for numpy arrays; a frame brings its own")
    table = to_narwhals(frame, names)
    if len(table) < 2 or not table.columns:
        raise DataError(
            f"the frame has {len(table)} rows and {len(table.columns)} columns; a density is "
            "learned from at least two rows and one column"
        )
    kinds = _read_kinds(
        table, {"continuous": continuous, "integer": integer, "categorical": categorical}
    )
    levels = {
        name: _cut(table, name, kind, 1)
        for name, kind in kinds.items()
        if isinstance(kind, Categorical | Fixed)
    }
    tried = (bins,) if bins is not None else _BINS
    return max((_fit(table, kinds, levels, each) for each in tried), key=lambda fit: fit[0])[1]


def _read_kinds(table: Table, groups: dict[str, Collection[str]]) -> dict[str, Column]:
    said: dict[str, str] = {}
    for kind, group in groups.items():
        named = names_of(group, kind)
        require_known(kind, named, table.columns)
        for name in named:
            if said.setdefault(name, kind) != kind:
                raise SpaceError(f"column {name!r} is named in {said[name]} and {kind}; choose one")
    kinds = {}
    for name in table.columns:
        try:
            kinds[name] = read_column(table.get_column(name), said.get(name), None)
        except (SpaceError, DataError) as error:
            raise type(error)(f"column {name!r}: {error}") from None
    return kinds


def _fit(
    table: Table, kinds: dict[str, Column], levels: dict[str, Cut], bins: int
) -> tuple[float, TreeDensity]:
    """Return the log-density of the frame, its rows left out one by one, and the fit to all."""
    cuts = [
        levels[name] if name in levels else _cut(table, name, kind, bins)
        for name, kind in kinds.items()
    ]
    cells, found = [cells for cells, _ in cuts], [positions for _, positions in cuts]
    alone = [Counts.of(each.rows) for each in cells]
    gains, strengths = edge_gains(found, alone)
    parents = spanning_tree(0.5 * (gains + gains.T))
    left_out, tables = 0.0, []
    for j, (parent, own) in enumerate(zip(parents, alone, strict=True)):
        logs = np.log(cells[j].measures())
        left_out += own.left_out() - float(own.rows @ logs)
        if parent < 0:
            tables.append(np.log(own.shares)[np.newaxis])
        else:
            left_out += gains[parent, j]
            pairs = pair_counts(found[parent], found[j], len(cells[parent]), len(cells[j]))
            tables.append(np.log(smoothed(pairs, own.shares, strengths[parent, j])))
    density = TreeDensity._of(tuple(kinds), tuple(cells), tuple(parents), tables, len(table))
    return left_out, density


def _cut(table: Table, name: str, kind: Column, bins: int) -> Cut:
    try:
        return cut(table.get_column(name), kind, bins)
    except DataError as error:
        raise DataError(f"column {name!r}: {error}") from None
