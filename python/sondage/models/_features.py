"""What a model's input columns are in terms of the user's: the compiled form of a pipeline.

Every feature reads one raw column, through a chain of scalar functions where that is a number, by a
table where it is a category. A raw row is a vector of float64: numbers as they are, categories as
their position in the column's levels, `UNKNOWN` for a level that was never seen, NaN where missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, overload

import numpy as np

from sondage.models._adapter import NotNative

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "OPEN_LEVELS",
    "UNKNOWN",
    "Chain",
    "Feature",
    "Features",
    "OpenLevels",
    "Outputs",
    "RawColumn",
    "Step",
    "Table",
]

UNKNOWN = -1.0

# What a step does to x, with its constant c: x - c, x + c, x · c, x / c, max(x, c), min(x, c),
# c where x is NaN, ln(1 + x) (c unused).
StepKind: TypeAlias = Literal["sub", "add", "mul", "div", "max", "min", "impute", "log1p"]


class OpenLevels(Sequence[object]):
    """Levels that a library does not tell: every value met so far in this process is one.

    Positions mean something only between encoding and decoding rows in one process.
    """

    def __init__(self) -> None:
        self._values: list[object] = []
        self._position: dict[tuple[type, object], int] = {}

    def code(self, value: object) -> float:
        """Position of a value, known from now on."""
        key = (type(value), value)
        if key not in self._position:
            self._position[key] = len(self._values)
            self._values.append(value)
        return float(self._position[key])

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> list[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> str:
        return "OPEN_LEVELS"


OPEN_LEVELS = OpenLevels()


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column as the user gives it: a number, or one of `levels`.

    Where a model takes missing values or unknown categories at all, `missing` and `unknown` say
    whether it does in this column.
    """

    name: str | None = None
    levels: tuple[object, ...] | OpenLevels | None = None
    missing: bool = True
    unknown: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One scalar function; in floating point the same operation that the library does."""

    kind: StepKind
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Chain:
    """A number from a numeric raw column: `steps` one after another; none is the column itself."""

    column: int
    steps: tuple[Step, ...] = ()

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the steps, elementwise."""
        for step in self.steps:
            x = apply(step, x)
        return x


@dataclass(frozen=True, slots=True)
class Table:
    """A number for each level of a categorical raw column, for unknown levels, and for missing."""

    column: int
    values: tuple[float, ...]
    unknown: float
    missing: float

    def then(self, step: Step) -> Table:
        """Return the table with a step applied to every entry."""
        numbers = apply(step, np.array([*self.values, self.unknown, self.missing]))
        *values, unknown, missing = (float(number) for number in numbers)
        return Table(self.column, tuple(values), unknown, missing)


Feature: TypeAlias = Chain | Table


@dataclass(frozen=True, slots=True)
class Features:
    """The input columns of a model, in its order."""

    columns: tuple[RawColumn, ...]
    features: tuple[Feature, ...]
    #: Whether the library hands the model a sparse matrix, in which XGBoost takes zeros as missing.
    sparse: bool = False

    @classmethod
    def of(cls, columns: Sequence[RawColumn]) -> Features:
        """Return raw columns as they are; categorical ones as the codes of their levels."""
        features = tuple(
            Chain(j)
            if column.levels is None
            else Table(j, tuple(float(k) for k in range(len(column.levels))), UNKNOWN, np.nan)
            for j, column in enumerate(columns)
        )
        return cls(tuple(columns), features)

    def select(self, indices: Sequence[int]) -> Features:
        """Return some of the features, in the order of `indices`."""
        return Features(self.columns, tuple(self.features[i] for i in indices), self.sparse)

    def __len__(self) -> int:
        return len(self.features)

    def encode(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Encode raw rows (rows, raw columns), plainly: the reference of the core's encoder."""
        out = np.empty((len(rows), len(self.features)))
        for j, feature in enumerate(self.features):
            x = rows[:, feature.column]
            if isinstance(feature, Chain):
                out[:, j] = feature(x)
                continue
            table = np.array([*feature.values, feature.unknown])
            known = (x >= 0) & (x < len(feature.values)) & (x == np.floor(x))
            code = np.where(known, x, len(feature.values)).astype(np.int64)
            out[:, j] = np.where(np.isnan(x), feature.missing, table[code])
        return out


@dataclass(frozen=True, slots=True)
class Outputs:
    """Stands for `Features` where the input of a model is what other models of the graph give.

    Only models that read a whole node (`GraphBuilder.encode`) can be built on it: trees, encoders
    and whatever else asks for a feature by itself is told that it is not native.
    """

    columns: tuple[RawColumn, ...]
    node: int
    width: int

    def __len__(self) -> int:
        return self.width

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotNative("only a linear model, kernel machine or net can read what others give")


def apply(step: Step, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply one step, elementwise."""
    c = step.value
    with np.errstate(all="ignore"):
        if step.kind == "sub":
            return x - c
        if step.kind == "add":
            return x + c
        if step.kind == "mul":
            return x * c
        if step.kind == "div":
            return x / c
        if step.kind == "max":
            return np.where(x < c, c, x)
        if step.kind == "min":
            return np.where(x > c, c, x)
        if step.kind == "impute":
            return np.where(np.isnan(x), c, x)
        return np.log1p(x)
