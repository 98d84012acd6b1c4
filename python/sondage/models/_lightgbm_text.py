"""What a LightGBM model says in its text: nodes, objective, and the levels of its categories."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sondage._core import parse_lightgbm
from sondage.errors import ModelError
from sondage.models._trees import Nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["LightGbmText"]

# What the library takes as zero: the float32 next to 1e-35, in double precision.
ZERO = float(np.float32(1e-35))

# Bits of a split's decision type.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING_ZERO, _MISSING_NAN = 1, 2


@dataclass(frozen=True)
class LightGbmText:
    """The parts of a model's text; arrays as `_core.parse_lightgbm` gives them."""

    trees_per_iteration: int
    n_features: int
    objective: str
    average: bool
    linear: bool
    feature_names: list[str]
    feature_infos: list[str]
    pandas_categorical: str
    parameters: list[tuple[str, str]]
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    decision: NDArray[np.uint8]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    set_index: NDArray[np.int64]
    set_starts: NDArray[np.int64]
    set_codes: NDArray[np.int64]

    @classmethod
    def of(cls, data: bytes) -> LightGbmText:
        """Parse a model file.

        Raises
        ------
        ModelError
            If it is no whole model of a known version.
        """
        return cls(**parse_lightgbm(data))

    @property
    def iterations(self) -> int:
        """Number of iterations, each of `trees_per_iteration` trees."""
        return len(self.roots) // self.trees_per_iteration

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns; None for those that the library makes up."""
        own = [f"Column_{j}" for j in range(self.n_features)]
        return None if self.feature_names == own else tuple(self.feature_names)

    def objective_parts(self) -> tuple[str, dict[str, str]]:
        """Name of the objective and what it is followed by; "custom" if it has none."""
        name, *rest = self.objective.split() or ["custom"]
        return name, dict(part.partition(":")[::2] for part in rest)

    def nodes(self) -> Nodes:
        """Trees of `graph.trees`: the library's ``x <= threshold``, its missing types and its sets.

        Categories of a set go left in the library, all others and NaN right; here the other way
        about, with children swapped.
        """
        inner = self.left >= 0
        listed = inner & (self.decision & _CATEGORICAL > 0)
        missing = self.decision >> _MISSING_SHIFT
        zero_missing = inner & ~listed & (missing == _MISSING_ZERO)
        # Before it compares, the library takes everything in [-ZERO, ZERO] as 0.
        cut = np.where((self.threshold >= 0.0) & (self.threshold < ZERO), ZERO, self.threshold)
        below = (self.threshold < 0.0) & (self.threshold >= -ZERO)
        cut = np.where(below, np.nextafter(-ZERO, -np.inf), cut)
        by_default = (missing == _MISSING_NAN) | zero_missing
        # A split that knows no missing values takes NaN as 0.
        missing_right = np.where(by_default, self.decision & _DEFAULT_LEFT == 0, cut < 0.0)
        return Nodes(
            roots=self.roots,
            feature=self.feature,
            cut=np.where(listed, 0.0, cut),
            left=np.where(listed, self.right, self.left),
            right=np.where(listed, self.left, self.right),
            value=self.value.reshape(-1, 1),
            missing_right=inner & ~listed & missing_right,
            set_index=self.set_index,
            set_starts=self.set_starts,
            set_codes=self.set_codes,
            zero_missing=zero_missing,
            zero=ZERO,
        )

    def levels(self) -> list[tuple[object, ...] | None]:
        """Levels of the pandas category columns that the model was trained on, per column.

        The text has the levels of every such column, in the order of the columns, but not which
        columns they are. That follows from the list of categorical columns among the parameters
        and from the values that the columns took.

        Raises
        ------
        ModelError
            If it does not follow.
        """
        every = self._all_levels()
        found: list[tuple[object, ...] | None] = [None] * self.n_features
        if not every:
            return found
        parameters = dict(self.parameters)
        named = parameters.get("categorical_feature", "").split(",")
        categorical = {int(own) for own in named if own.isdecimal()}
        categorical |= {j for j, info in enumerate(self.feature_infos) if _is_list(info)}
        placed = list(_places(every, self.feature_infos, categorical))
        if not placed:  # some categorical columns held plain codes
            placed = list(_places(every, self.feature_infos, set()))
        if len(placed) != 1:
            raise ModelError(
                f"the LightGBM model has the levels of {len(every)} pandas category columns, but "
                "it does not follow from the model which columns they are: fit it with unordered "
                "categories, or on numeric codes"
            )
        for column, levels in zip(placed[0], every, strict=True):
            found[column] = levels
        return found

    def _all_levels(self) -> list[tuple[object, ...]]:
        if not self.pandas_categorical:
            return []
        try:
            every = json.loads(self.pandas_categorical)
        except (ValueError, RecursionError):
            raise ModelError("pandas_categorical in the LightGBM model is not JSON") from None
        if every is None:
            return []
        scalar = str | int | float | bool
        if not isinstance(every, list) or not all(
            isinstance(own, list) and all(isinstance(level, scalar) for level in own)
            for own in every
        ):
            raise ModelError("pandas_categorical in the LightGBM model is no list of levels")
        return [tuple(own) for own in every]


def _is_list(info: str) -> bool:
    """Whether a column's values are a list of categories rather than a range."""
    return info != "none" and not info.startswith("[")


def _fits(info: str, n_levels: int) -> bool:
    """Whether a column with these values can hold codes of so many levels."""
    if info == "none":
        return True
    try:
        values = [float(own) for own in info.strip("[]").split(":")]
    except ValueError:
        return False
    return all(value == np.floor(value) and -1 <= value < n_levels for value in values)


def _places(
    every: Sequence[tuple[object, ...]], infos: Sequence[str], categorical: set[int]
) -> Iterator[list[int]]:
    """Find the ways, at most two of them, to give every list of levels a column, in order.

    A way uses all `categorical` columns.
    """
    n, k = len(infos), len(every)
    # ways[j][i]: how the first j columns can take the first i lists, at most two of each.
    ways: list[list[list[list[int]]]] = [[[[]], *[[] for _ in range(k)]]]
    for j in range(n):
        row: list[list[list[int]]] = []
        for i in range(k + 1):
            own = [] if j in categorical else list(ways[-1][i])
            if i > 0 and _fits(infos[j], len(every[i - 1])):
                own += [[*way, j] for way in ways[-1][i - 1]]
            row.append(own[:2])
        ways.append(row)
    yield from ways[n][k]
