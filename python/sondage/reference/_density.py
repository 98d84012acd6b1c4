"""A tree-structured density: every column depends on at most one other, through cells."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage import _core
from sondage import _text as text
from sondage._numbers import whole
from sondage.frames import to_narwhals
from sondage.reference._cells import OUTSIDE
from sondage.reference._passes import information, roots_first
from sondage.reference._restriction import restrict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sondage.frames import FrameLike
    from sondage.reference._cells import Cells
    from sondage.space import Space

__all__ = ["Arrays", "TreeDensity"]


@dataclass(frozen=True, slots=True, eq=False)
class Arrays:
    """A density as the core reads it, column by column.

    Attributes
    ----------
    cuts : tuple of ndarray of shape (cells - 1,)
        Ascending: the cell of a value is the number of cuts below it, so that a value equal to a
        cut belongs to the cell below. Of a column of levels these are positions of levels.
    parent : ndarray of int64, shape (columns,)
        Number of the column that it depends on; -1 if on none.
    log_table : tuple of ndarray of shape (parent cells, cells)
        Log conditional density per unit of the base measure; one row without a parent.
    """

    cuts: tuple[NDArray[np.float64], ...]
    parent: NDArray[np.int64]
    log_table: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TreeDensity:
    """A density of rows that `chow_liu` has learned.

    It is p(x) = Π_c p(x_c | x_parent(c)), constant where no column leaves its cell, with respect to
    Lebesgue measure on continuous columns and counting measure on integer and categorical ones
    (MATH section 1). Its support reaches from the smallest to the largest value of the frame.
    """

    _names: tuple[str, ...]
    _cells: tuple[Cells, ...]
    _parents: tuple[int, ...]
    _log_shares: tuple[NDArray[np.float64], ...]
    _rows: int

    @classmethod
    def _of(
        cls,
        names: Sequence[str],
        cells: Sequence[Cells],
        parents: Sequence[int],
        log_shares: Sequence[NDArray[np.float64]],
        rows: int,
    ) -> TreeDensity:
        """Of log conditional probabilities of cells, arrays of shape (parent cells, cells)."""
        for log_share in log_shares:
            log_share.flags.writeable = False
        return cls(tuple(names), tuple(cells), tuple(parents), tuple(log_shares), rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._names)

    @property
    def cells(self) -> Mapping[str, Cells]:
        """Cells of every column: `edges` of numbers, `levels` of categories."""
        return MappingProxyType(dict(zip(self._names, self._cells, strict=True)))

    @property
    def parent(self) -> Mapping[str, str | None]:
        """The column that each column depends on; None where it depends on none."""
        parents = (self._names[p] if p >= 0 else None for p in self._parents)
        return MappingProxyType(dict(zip(self._names, parents, strict=True)))

    @property
    def log_tables(self) -> Mapping[str, NDArray[np.float64]]:
        """Log conditional density of every column, of shape (parent cells, cells).

        Per unit of the base measure; one row where the column depends on no other.
        """
        tables = (
            table - np.log(cells.measures())
            for table, cells in zip(self._log_shares, self._cells, strict=True)
        )
        return MappingProxyType(dict(zip(self._names, tables, strict=True)))

    def log_density(self, frame: FrameLike) -> NDArray[np.float64]:
        """Evaluate the natural logarithm of the density at rows.

        Parameters
        ----------
        frame : polars, pandas or pyarrow frame, or 2-D numpy array
            Other columns than the density's are ignored.

        Returns
        -------
        ndarray of shape (rows,)
            -∞ outside the support: beyond the end cells, at unknown levels, missing values, and
            fractions in integer columns.

        Raises
        ------
        DataError
            If the frame lacks a column, or one that must be of numbers is not.
        """
        table = to_narwhals(frame, self._names)
        found = [
            cells.positions(table.get_column(name))
            for name, cells in zip(self._names, self._cells, strict=True)
        ]
        total = np.zeros(len(table))
        for parent, own, log_table in zip(
            self._parents, found, self.log_tables.values(), strict=True
        ):
            total += log_table[found[parent] if parent >= 0 else 0, own]
            total[own == OUTSIDE] = -np.inf
        return total

    def sample(self, n: int, seed: int | np.random.SeedSequence | None = None) -> pl.DataFrame:
        """Draw independent rows.

        Parameters
        ----------
        n : int
            Rows, at least one.
        seed : int or SeedSequence, optional
            The same seed gives the same rows.

        Returns
        -------
        polars.DataFrame
            Integer columns hold Int64, continuous ones Float64, the others their levels.

        Raises
        ------
        SamplingError
            For an argument that is not allowed.
        """
        from sondage.ask import seed_key  # it imports spaces

        n = whole("n", n, 1)
        rng = np.random.default_rng(np.random.SeedSequence(seed_key(seed)[0]))
        drawn = [np.zeros(n, dtype=np.int64)] * len(self._names)
        for j in roots_first(self._parents):
            given = drawn[self._parents[j]] if self._parents[j] >= 0 else drawn[j]
            drawn[j] = _draw(np.exp(self._log_shares[j]), given, rng)
        return pl.DataFrame(
            [
                cells.draw(own, name, rng)
                for name, cells, own in zip(self._names, self._cells, drawn, strict=True)
            ]
        )

    def on(self, space: Space) -> TreeDensity:
        """Return the density of rows of a space: conditioned on it, and positive all over it.

        Columns come in the space's order and levels too. Bounds inside the data cut cells, whose
        mass goes with their measure; what a fixed column holds is conditioned on, once it is known.
        Where the space
        reaches beyond the data, the end cell of m rows gets a neighbour up to the bound that has
        1/(m + 1) of its mass, the chance that one more row would lie beyond them all; levels that
        the data lack have 1/(N + 1) together. A column that the data hold at one value only is
        uniform between bounds. The density integrates to one over the space; conditions of
        `Space.where` are not seen here.

        Raises
        ------
        SpaceError
            If the columns are not the same or differ in kind, or no level of a column is known.
        """
        return TreeDensity._of(
            space.columns,
            *restrict(space, self._names, self._cells, self._parents, self._log_shares, self._rows),
            self._rows,
        )

    def describe(self) -> str:
        """Say in words which column depends on which, and how much.

        The mutual information of a column and the one it depends on is in nats.
        """
        rows = []
        gained = information(self._parents, self._log_shares)
        for name, cells, parent, nats in zip(
            self._names, self._cells, self._parents, gained, strict=True
        ):
            on = text.shorten(self._names[parent], 24) if parent >= 0 else "–"
            known = text.number(nats, 3) if parent >= 0 else "–"
            values = text.shorten(cells.describe(), 44)
            rows.append([text.shorten(name, 32), values, str(len(cells)), on, known])
        header = ["column", "values", "cells", "depends on", "information"]
        return f"{self._headline()}\n\n{text.table(header, rows)}"

    def _headline(self) -> str:
        columns = text.plural(len(self._names), "column")
        return f"Tree density of {columns}, learned from {text.plural(self._rows, 'row')}"

    def _arrays(self) -> Arrays:
        """Return what the core needs; `on` a space, levels are positions in the space's."""
        return Arrays(
            tuple(cells.cuts() for cells in self._cells),
            np.array(self._parents, dtype=np.int64),
            tuple(np.ascontiguousarray(table) for table in self.log_tables.values()),
        )

    def _core(self) -> _core.Reference:
        """Return the density for the core."""
        arrays = self._arrays()
        return _core.Reference(list(arrays.cuts), arrays.parent, list(arrays.log_table))

    def __repr__(self) -> str:
        cells = sum(len(each) for each in self._cells)
        return f"<{self._headline()}: {cells:,} cells>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeDensity):
            return NotImplemented
        mine = (self._names, self._cells, self._parents, self._rows)
        theirs = (other._names, other._cells, other._parents, other._rows)
        return mine == theirs and all(
            np.array_equal(a, b) for a, b in zip(self._log_shares, other._log_shares, strict=True)
        )

    def __hash__(self) -> int:
        return hash((self._names, self._cells, self._parents, self._rows))


def _draw(
    shares: NDArray[np.float64], given: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a cell for each given parent cell, the first whose running sum exceeds a uniform."""
    uniform, drawn = rng.random(len(given)), np.empty(len(given), dtype=np.int64)
    order = np.argsort(given, kind="stable")
    starts = np.searchsorted(given[order], np.arange(len(shares) + 1))
    for own, start, end in zip(shares, starts[:-1], starts[1:], strict=True):
        rows, sums = order[start:end], np.cumsum(own)
        drawn[rows] = np.searchsorted(sums[:-1] / sums[-1], uniform[rows], side="right")
    return drawn
