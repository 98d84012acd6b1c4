"""What scikit-learn's transformers do to single columns.

A pipeline is followed column by column. A column on its way is a `Flow`: the raw column that it
comes from and what has been done to it. Whether the raw column is a number or a category shows
only when a transformer uses it as one or the other.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sondage.frames import is_missing, plain
from sondage.models._features import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

__all__ = ["Block", "Code", "Fill", "Flow", "Opaque", "codes", "known", "takes", "transform"]

# More numbers than this in the tables of one column are not worth holding.
_MOST_ENTRIES = 4_000_000


class Opaque(Exception):  # noqa: N818 - no error: its library evaluates the model
    """A transformer has no form per column; the message says which."""


@dataclass(frozen=True, slots=True)
class Fill:
    """An imputer: `value` for what counts as `missing`."""

    missing: object
    value: object

    def takes(self, value: object) -> bool:
        """Whether a value counts as missing."""
        if self.missing is None:
            return value is None
        if is_missing(self.missing):
            # A float NaN does not match None, pandas' NA matches both.
            return is_missing(value) if not isinstance(self.missing, float) else value != value
        return not is_missing(value) and bool(value == self.missing)

    def step(self) -> Step:
        """As a step on numbers."""
        if self.missing is None or not is_missing(self.missing):
            raise Opaque(f"SimpleImputer(missing_values={self.missing!r}) of a number")
        try:
            return Step("impute", float(self.value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise Opaque(f"a number is filled with {self.value!r}") from None


@dataclass(frozen=True, slots=True)
class Code:
    """One output of an encoder, for the column at `position` among its inputs."""

    encoder: BaseEstimator
    position: int
    output: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A column on its way: filled as the value it is, then encoded, then changed as a number."""

    column: int
    fills: tuple[Fill, ...] = ()
    code: Code | None = None
    steps: tuple[Step, ...] = ()

    def number(self, *steps: Step) -> Flow:
        """Use the column as a number."""
        if self.code is None:
            filled = tuple(fill.step() for fill in self.fills)
            return replace(self, fills=(), steps=(*filled, *self.steps, *steps))
        if steps and np.dtype(getattr(self.code.encoder, "dtype", float)).itemsize < 8:
            raise Opaque(f"{type(self.code.encoder).__name__} gives numbers of less than 64 bits")
        return replace(self, steps=(*self.steps, *steps))

    def filled(self, fill: Fill) -> Flow:
        """Fill missing values."""
        if self.code is None and not self.steps:
            return replace(self, fills=(*self.fills, fill))
        return self.number(fill.step())


@dataclass(frozen=True, slots=True)
class Block:
    """Columns side by side, and whether the library holds them in a sparse matrix."""

    flows: tuple[Flow, ...]
    sparse: bool = False


def transform(
    transformer: BaseEstimator, block: Block, encoded: Callable[[BaseEstimator, Block], None]
) -> Block:
    """Follow columns through a transformer that works on each by itself.

    Parameters
    ----------
    transformer : estimator
        Fitted.
    block : Block
    encoded : callable
        Is told of every encoder and what goes into it.

    Raises
    ------
    Opaque
        If the transformer has no form per column.
    """
    kind = type(transformer)
    if kind.__module__.partition(".")[0] != "sklearn":
        raise Opaque(f"{kind.__module__}.{kind.__qualname__} is not one of scikit-learn's own")
    name = kind.__name__
    if name in _SCALERS:
        steps = _SCALERS[name](transformer, block.sparse, len(block.flows))
        flows = (flow.number(*own) for flow, own in zip(block.flows, steps, strict=True))
        return Block(tuple(flows), block.sparse)
    if name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        encoded(transformer, block)
        return _encoded(transformer, block)
    if name == "SimpleImputer":
        return _imputed(transformer, block)
    if name == "FunctionTransformer":
        return _function(transformer, block)
    if kind.__module__.startswith("sklearn.feature_selection") and hasattr(kind, "get_support"):
        kept = np.flatnonzero(transformer.get_support())
        return Block(tuple(block.flows[i] for i in kept), block.sparse)
    raise Opaque(f"{name} does not work on each column by itself")


def _standard(scaler: BaseEstimator, sparse: bool, n: int) -> list[list[Step]]:
    centre = scaler.mean_ if scaler.with_mean and not sparse else None
    return _shifted(centre, scaler.scale_ if scaler.with_std else None, sparse, n)


def _robust(scaler: BaseEstimator, sparse: bool, n: int) -> list[list[Step]]:
    centre = scaler.center_ if scaler.with_centering and not sparse else None
    return _shifted(centre, scaler.scale_ if scaler.with_scaling else None, sparse, n)


def _max_abs(scaler: BaseEstimator, sparse: bool, n: int) -> list[list[Step]]:
    steps = _shifted(None, scaler.scale_, sparse, n)
    if getattr(scaler, "clip", False):
        for own in steps:
            own += [Step("max", -1.0), Step("min", 1.0)]
    return steps


def _min_max(scaler: BaseEstimator, _sparse: bool, _n: int) -> list[list[Step]]:
    steps = [
        [Step("mul", float(scale)), Step("add", float(shift))]
        for scale, shift in zip(scaler.scale_, scaler.min_, strict=True)
    ]
    if getattr(scaler, "clip", False):
        low, high = scaler.feature_range
        for own in steps:
            own += [Step("max", float(low)), Step("min", float(high))]
    return steps


def _shifted(
    centre: NDArray[np.float64] | None, scale: NDArray[np.float64] | None, sparse: bool, n: int
) -> list[list[Step]]:
    steps: list[list[Step]] = [[] for _ in range(n)]
    for i, own in enumerate(steps):
        if centre is not None:
            own.append(Step("sub", float(centre[i])))
        if scale is not None and sparse:
            # The library scales sparse columns by the reciprocal.
            own.append(Step("mul", float(1.0 / scale[i])))
        elif scale is not None:
            own.append(Step("div", float(scale[i])))
    return steps


_SCALERS: dict[str, Callable[[BaseEstimator, bool, int], list[list[Step]]]] = {
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
}


def _imputed(imputer: BaseEstimator, block: Block) -> Block:
    statistics = np.asarray(imputer.statistics_)
    fills = [
        Fill(plain(imputer.missing_values), _as_fitted(value, imputer)) for value in statistics
    ]
    keeps = getattr(imputer, "keep_empty_features", False)
    flows = [
        flow.filled(fill)
        for flow, fill, value in zip(block.flows, fills, statistics, strict=True)
        if keeps or not is_missing(value)
    ]
    if imputer.add_indicator:
        # Whatever is not missing to 0, what is missing to 1.
        steps = Step("min", 0.0), Step("max", 0.0), Step("impute", 1.0)
        for i in imputer.indicator_.features_:
            fills[i].step()
            flows.append(block.flows[i].number(*steps))
    return Block(tuple(flows), block.sparse)


def _as_fitted(value: object, imputer: BaseEstimator) -> object:
    """Give a statistic in the type that the library fills in."""
    dtype = getattr(imputer, "_fill_dtype", None)
    if dtype is None or is_missing(value):
        return plain(value)
    return plain(np.array([value], dtype=object).astype(dtype)[0])


def _function(transformer: BaseEstimator, block: Block) -> Block:
    if transformer.kw_args:
        raise Opaque("FunctionTransformer with kw_args")
    if transformer.func is None:
        return block
    if transformer.func is np.log1p:
        return Block(tuple(flow.number(Step("log1p")) for flow in block.flows), block.sparse)
    name = getattr(transformer.func, "__name__", repr(transformer.func))
    raise Opaque(f"FunctionTransformer({name}); no function and log1p are native")


def _encoded(encoder: BaseEstimator, block: Block) -> Block:
    flows = []
    for i, (flow, width) in enumerate(zip(block.flows, _widths(encoder), strict=True)):
        if flow.code is not None or flow.steps:
            raise Opaque(f"{type(encoder).__name__} of a column that was scaled or encoded before")
        flows += [replace(flow, code=Code(encoder, i, k)) for k in range(width)]
    sparse = type(encoder).__name__ == "OneHotEncoder" and encoder.sparse_output
    return Block(tuple(flows), bool(sparse))


def _widths(encoder: BaseEstimator) -> list[int]:
    """Count the outputs of each of an encoder's inputs."""
    kind, n = type(encoder).__name__, len(encoder.categories_)
    if kind == "OrdinalEncoder":
        return [1] * n
    if kind == "TargetEncoder":
        return [len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1] * n
    widths = [len(own) for own in encoder.categories_]
    grouped: Sequence[object] = [None] * n
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        grouped = encoder.infrequent_categories_
    dropped = [None] * n if encoder.drop_idx_ is None else encoder.drop_idx_
    return [
        width - (0 if rare is None else len(rare) - 1) - (gone is not None)  # type: ignore[arg-type]
        for width, rare, gone in zip(widths, grouped, dropped, strict=True)
    ]


def known(encoder: BaseEstimator, position: int) -> list[object]:
    """Categories of one of an encoder's inputs, as plain values."""
    return [plain(value) for value in encoder.categories_[position]]


def takes(encoder: BaseEstimator, position: int, value: object) -> bool:
    """Whether an encoder takes a value at all."""
    if getattr(encoder, "handle_unknown", "ignore") != "error":
        return True
    if value is None or not is_missing(value):
        return value in known(encoder, position)
    return any(is_missing(own) and own is not None for own in known(encoder, position))


def codes(
    encoder: BaseEstimator, position: int, fills: Sequence[Fill], values: Sequence[object]
) -> NDArray[np.float64]:
    """Encode values of one of an encoder's inputs; NaN for values that it refuses.

    They are computed by the encoder itself, so that infrequent, dropped and missing categories
    mean what the library says they mean.

    Returns
    -------
    ndarray of float64, shape (values, outputs)
    """
    widths = _widths(encoder)
    first, width = sum(widths[:position]), widths[position]
    if len(values) * max(width, 1) > _MOST_ENTRIES:
        raise Opaque(f"{type(encoder).__name__} of a column with {len(values)} categories")
    given = np.empty((len(values), len(widths)), dtype=object)
    for i, categories in enumerate(encoder.categories_):
        given[:, i] = [plain(categories[0])] * len(values)
    for row, value in enumerate(values):
        for fill in fills:
            value = fill.value if fill.takes(value) else value
        given[row, position] = value
    out = np.full((len(values), width), np.nan)
    good = [row for row, value in enumerate(given[:, position]) if takes(encoder, position, value)]
    if good:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that this array lacks, and unknown values
            found = encoder.transform(given[good])
        found = found[:, first : first + width] if isinstance(found, np.ndarray) else found
        if hasattr(found, "tocsc"):
            found = found.tocsc()[:, first : first + width].toarray()
        elif not isinstance(found, np.ndarray):
            found = np.asarray(found)[:, first : first + width]
        out[good] = found.astype(np.float64)
    return out
