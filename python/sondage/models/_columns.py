"""What becomes of each input column of a wrapper: who reads it, as a number or as a category."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sondage.frames import is_missing
from sondage.models._encoders import Block, Fill, known, takes
from sondage.models._features import Chain, Features, OpenLevels

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

__all__ = ["Columns"]


@dataclass(frozen=True, slots=True)
class Use:
    """An encoder takes a column for a category, after some imputers."""

    encoder: BaseEstimator
    position: int
    fills: tuple[Fill, ...]


@dataclass(slots=True)
class Columns:
    """What a fitted wrapper does with its input columns.

    Attributes
    ----------
    n : int
        Number of input columns.
    named : bool
        Whether the library finds them by name.
    classes : tuple, optional
        Labels of the model, where the wrapper itself does not say them.
    read : set of int
        Those that some transformer or model is given.
    numbers : set of int
        Those that some transformer or model takes as they are.
    uses : dict
        For a column the encoders that take it for a category.
    levels : dict
        Levels of columns that the model itself takes for categories.
    categories : {"values", "category"}
        How such columns are given.
    tolerance : float
        The largest of the models inside.
    opaque : list of str
        What has no form per column.
    """

    n: int
    named: bool = False
    read: set[int] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    uses: dict[int, list[Use]] = field(default_factory=dict)
    levels: dict[int, tuple[object, ...] | OpenLevels] = field(default_factory=dict)
    categories: str = "values"
    tolerance: float = 1e-6
    classes: tuple[object, ...] | None = None
    opaque: list[str] = field(default_factory=list)

    @property
    def kept(self) -> tuple[int, ...]:
        """Columns that the user has to give: by name, only those that are read."""
        return tuple(j for j in range(self.n) if not self.named or j in self.read)

    def all_of(self, features: Features) -> Features:
        """Features of all columns, where those of the kept ones are given."""
        if len(features) == self.n:
            return features
        found = dict(zip(self.kept, features.features, strict=True))
        every = tuple(found.get(j, Chain(0)) for j in range(self.n))
        return Features(features.columns, every, features.sparse)

    def take(self, block: Block) -> None:
        """Note the columns that something takes as they come."""
        self.read.update(flow.column for flow in block.flows)
        self.numbers.update(flow.column for flow in block.flows if flow.code is None)

    def encoded(self, encoder: BaseEstimator, block: Block) -> None:
        """Note the columns that an encoder takes for categories."""
        for position, flow in enumerate(block.flows):
            if flow.code is None and not flow.steps:
                use = Use(encoder, position, flow.fills)
                self.uses.setdefault(flow.column, []).append(use)

    def levels_of(self, column: int) -> tuple[object, ...] | OpenLevels | None:
        """Levels of a column: categories that all of its encoders take; None for a number.

        A missing value that an encoder knows as a category is the level None. A column of numbers
        that is also taken as it is stays a number.
        """
        if column in self.levels:
            return self.levels[column]
        if column not in self.uses:
            return None
        found: dict[object, None] = {}
        missing = False
        for use in self.uses[column]:
            for value in known(use.encoder, use.position):
                missing |= is_missing(value)
                if not is_missing(value):
                    found.setdefault(value)
            for fill in use.fills:
                if not is_missing(fill.missing):
                    found.setdefault(fill.missing)
        if column in self.numbers and all(isinstance(value, int | float) for value in found):
            return None
        marker = self.marker(column)
        accepted = [v for v in found if all(_accepts(use, v) for use in self.uses[column])]
        if missing and all(_accepts(use, marker) for use in self.uses[column]):
            accepted.append(None)
        return tuple(accepted)

    def marker(self, column: int) -> object:
        """Return what a missing category is to the library: None, or NaN."""
        for use in self.uses.get(column, ()):
            if any(value is None for value in known(use.encoder, use.position)) or any(
                fill.missing is None for fill in use.fills
            ):
                return None
        return float("nan")


def _accepts(use: Use, value: object) -> bool:
    for fill in use.fills:
        value = fill.value if fill.takes(value) else value
    return takes(use.encoder, use.position, value)
