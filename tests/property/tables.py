"""The law of an answer on a small space, cell by cell, in plain numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from formulas import Array
from numpy.typing import NDArray

import sondage as sd

#: A formula for rows of a frame.
OfRows: TypeAlias = Callable[[pl.DataFrame], NDArray[Any]]
#: What a table can forget.
FAULTS = ("temperature", "question", "lengths", "missing", "reference", "conditions")

NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


@dataclass(frozen=True)
class Axis:
    """A column: points that stand for it, their measures, and the cells they lie in.

    Each level and each whole number is a cell, a real number is in one between two `edges`, and if
    the value may be missing, that is the last cell.
    """

    name: str
    values: list[Any]
    measure: Array
    cell: NDArray[np.int64]
    edges: Array | None = None

    @classmethod
    def of(cls, name: str, kind: sd.space.Column, edges: set[float], share: float) -> Axis:
        """Of a free column with this share of missing values in its base measure."""
        if isinstance(kind, sd.Categorical):
            return cls(name, list(kind.levels), np.ones(len(kind.levels)), _range(kind.levels))
        assert isinstance(kind, sd.Integer | sd.Continuous)
        inner = None
        if isinstance(kind, sd.Integer):
            values: list[Any] = list(range(kind.lower, kind.upper + 1))
            cell, measure = _range(values), np.ones(len(values))
        else:
            inner = np.array(sorted(edge for edge in edges if kind.lower < edge < kind.upper))
            ends = np.array([kind.lower, *inner, kind.upper])
            middle, half = (ends[1:] + ends[:-1]) / 2.0, np.diff(ends) / 2.0
            values = (middle[:, np.newaxis] + half[:, np.newaxis] * NODES).ravel().tolist()
            measure = (half[:, np.newaxis] * WEIGHTS).ravel()
            cell = np.repeat(_range(half), len(NODES))
        if share > 0.0:
            values.append(None)
            cell = np.append(cell, cell[-1] + 1)
            measure = np.append(measure, measure.sum() * share / (1.0 - share))
        return cls(name, values, measure, cell, inner)

    @property
    def cells(self) -> int:
        return int(self.cell[-1]) + 1

    def measures(self, forget: str) -> Array:
        missing = np.array([value is None for value in self.values])
        if forget == "missing" and self.measure[-1] != 1.0:
            return np.where(missing, 1.0, self.measure)
        if forget == "lengths" and self.edges is not None:
            length = np.bincount(self.cell, self.measure)[self.cell]
            return np.where(missing, self.measure, self.measure / length)
        return self.measure

    def cells_of(self, column: pl.Series) -> NDArray[np.int64]:
        if self.edges is None:
            place = dict(zip(self.values, self.cell.tolist(), strict=True))
            return np.array([place[value] for value in column.to_list()])
        inner = np.searchsorted(self.edges, column.fill_null(0.0).to_numpy())
        return np.where(column.is_null().to_numpy(), self.cells - 1, inner)


@dataclass(frozen=True)
class Table:
    """Points on every cell of a space, with what an answer weighs there."""

    axes: tuple[Axis, ...]
    points: pl.DataFrame
    energy: Array
    allowed: NDArray[np.bool_]
    log_reference: Array
    temperature: float

    @classmethod
    def of(
        cls,
        space: sd.Space,
        axes: Sequence[Axis],
        data: pl.DataFrame,
        energy: OfRows,
        conditions: Sequence[OfRows],
        temperature: float,
    ) -> Table:
        at = np.indices([len(axis.values) for axis in axes]).reshape(len(axes), -1)
        free = {
            axis.name: pl.Series([axis.values[i] for i in own], dtype=data.schema[axis.name])
            for axis, own in zip(axes, at, strict=True)
        }
        fixed = {
            name: pl.Series([kind.value], dtype=data.schema[name]).new_from_index(0, at.shape[1])
            for name, kind in space.kinds.items()
            if isinstance(kind, sd.Fixed)
        }
        points = pl.DataFrame(free | fixed).select(data.columns)
        allowed = np.ones(len(points), dtype=np.bool_)
        for holds in conditions:
            allowed &= holds(points)
        known = space.reference
        log_reference = np.zeros(len(points)) if known is None else known.log_density(points)
        return cls(tuple(axes), points, energy(points), allowed, log_reference, temperature)

    @property
    def range_of_energy(self) -> float:
        """How far energies reach among rows that can be answers, in temperatures."""
        inside = self.energy[self.allowed & np.isfinite(self.energy)]
        return float(np.ptp(inside) / self.temperature) if len(inside) else np.inf

    def law(self, forget: str = "") -> Array:
        """Probability of each cell, with all there is to know, or with one thing forgotten."""
        at = np.indices([len(axis.values) for axis in self.axes]).reshape(len(self.axes), -1)
        weight = np.ones(len(self.points))
        for axis, own in zip(self.axes, at, strict=True):
            weight *= axis.measures(forget)[own]
        if forget != "question":
            twice = 2.0 if forget == "temperature" else 1.0
            weight *= np.exp(-(self.energy - self.energy.min()) / (twice * self.temperature))
        if forget != "reference":
            weight *= np.exp(self.log_reference)
        if forget != "conditions":
            weight *= self.allowed
        cells = self._joined([axis.cell[own] for axis, own in zip(self.axes, at, strict=True)])
        found = np.bincount(cells, weight, int(np.prod([axis.cells for axis in self.axes])))
        return found / found.sum()

    def counts(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Count the rows of a frame in each cell."""
        cells = self._joined([axis.cells_of(frame[axis.name]) for axis in self.axes])
        return np.bincount(cells, minlength=int(np.prod([axis.cells for axis in self.axes])))

    def _joined(self, cells: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        return np.ravel_multi_index(cells, [axis.cells for axis in self.axes])


def _range(values: Any) -> NDArray[np.int64]:
    return np.arange(len(values))
