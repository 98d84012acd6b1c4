"""Frames in: polars, pandas, pyarrow (through narwhals) or 2-D numpy, checked once at the door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import narwhals as nw
import numpy as np
import polars as pl

from sondage.errors import DataError

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

__all__ = [
    "FrameLike",
    "RowLike",
    "is_missing",
    "plain",
    "to_matrix",
    "to_narwhals",
    "to_polars",
    "to_row",
]

FrameLike: TypeAlias = "IntoDataFrame | NDArray[np.generic]"
Table: TypeAlias = "nw.DataFrame[Any]"
Values: TypeAlias = "nw.Series[Any]"
RowLike: TypeAlias = "Mapping[str, object] | Sequence[float] | NDArray[np.generic] | IntoDataFrame"


def plain(value: object) -> object:
    """Return a numpy scalar as the Python value it stands for, anything else as it is.

    >>> plain(np.int64(3)), plain("a")
    (3, 'a')
    """
    return value.item() if isinstance(value, np.generic) else value


def is_missing(value: object) -> bool:
    """Whether a value stands for a missing one: None, NaN, or pandas' NA and NaT.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return type(value).__name__ in ("NAType", "NaTType")


def listed(names: Sequence[object], most: int = 12) -> str:
    """Names for an error message, the first `most` of them."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def to_narwhals(frame: FrameLike, columns: Sequence[str] | None = None) -> Table:
    """Check a frame's kind and names, and select `columns` (all if None) in that order.

    Parameters
    ----------
    frame : polars, pandas or pyarrow frame, or 2-D numpy array
        An array has no names: its columns are `columns` by position, else ``x0, x1, …``.
    columns : sequence of str, optional
        The columns wanted; others in a frame are left out.

    Raises
    ------
    DataError
        If it is no such frame, has two columns of one name, or lacks a column.
    """
    if isinstance(frame, np.ndarray):
        return _from_array(frame, columns)
    if isinstance(frame, nw.LazyFrame | pl.LazyFrame):
        raise DataError("a lazy frame holds no rows yet; call .collect() on it first")
    names = _names(frame)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"the frame has more than one column named {listed(repeated)}; names must be unique"
        )
    if any(not isinstance(name, str) for name in getattr(frame, "columns", ())) and hasattr(
        frame, "set_axis"
    ):
        frame = frame.set_axis(names, axis=1)
    try:
        native = nw.from_native(cast("IntoDataFrame", frame), eager_only=True)
    except TypeError:
        raise DataError(_not_a_frame(frame)) from None
    if columns is None:
        return native
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(f"the frame has no column {listed(missing)}; its columns: {listed(names)}")
    return native.select(*columns)


def to_polars(frame: FrameLike, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return `frame` as polars with `columns` (all if None) in that order; see `to_narwhals`.

    >>> to_polars(np.array([[1.0, 2.0]]), ["a", "b"]).columns
    ['a', 'b']
    """
    return to_narwhals(frame, columns).to_polars()


def to_matrix(
    frame: FrameLike,
    columns: Sequence[str] | None = None,
    n: int | None = None,
    *,
    what: str = "the frame",
    missing: bool = False,
) -> NDArray[np.float64]:
    """Return `frame` as a C-contiguous float64 array.

    Parameters
    ----------
    frame : polars, pandas or pyarrow frame, or 2-D numpy array
    columns : sequence of str, optional
        The columns wanted, by name from a frame (others are left out), by position from an array.
        None takes every column by position.
    n : int, optional
        With ``columns=None``: how many columns there must be.
    what : str
        What the frame is, for messages.
    missing : bool
        Whether missing values are allowed; they become NaN.

    Returns
    -------
    ndarray of float64, shape (rows, columns)

    Raises
    ------
    DataError
        For a duplicate or missing column, another number of columns, a column that is not numeric,
        or a value that is infinite, or missing where that is not allowed; names the column and the
        row.

    >>> to_matrix(pl.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), ["b", "a"])
    array([[0.5, 1. ],
           [1.5, 2. ]])
    """
    wanted = len(columns) if columns is not None else n
    if isinstance(frame, np.ndarray):
        matrix = _numeric_array(frame, what)
        if wanted is not None and matrix.shape[1] != wanted:
            raise DataError(f"{what} has {matrix.shape[1]} columns; {wanted} are needed")
        names = list(columns) if columns is not None else None
    else:
        selected = to_narwhals(frame, columns)
        names = selected.columns
        if columns is None and n is not None and len(names) != n:
            raise DataError(f"{what} has {len(names)} columns ({listed(names)}); {n} are needed")
        for name, dtype in selected.schema.items():
            if not (dtype.is_numeric() or dtype == nw.Boolean):
                raise DataError(f"column {name!r} of {what} is {dtype}; numbers are needed")
        matrix = _stack([selected.get_column(name) for name in names], len(selected))
    _require_finite(matrix, names, what, missing=missing)
    return matrix


def to_row(row: RowLike, columns: Sequence[str]) -> dict[str, object]:
    """Return a row as a mapping from column name to value.

    Parameters
    ----------
    row : mapping by name, a pandas Series, a frame of one row, or a 1-D array or sequence
        An array or sequence holds the values of `columns` in that order.
    columns : sequence of str

    Raises
    ------
    DataError
        If it is none of these, or has another length than `columns`.
    """
    if isinstance(row, Mapping):
        return {str(name): plain(value) for name, value in row.items()}
    if isinstance(row, np.ndarray | list | tuple):
        values = np.asarray(row, dtype=object).reshape(-1) if np.ndim(row) == 1 else None
        if values is None or len(values) != len(columns):
            raise DataError(
                f"a row given as an array must be 1-D with {len(columns)} values, one for each of "
                f"{listed(columns)}; this one has shape {np.shape(row)}"
            )
        return {name: plain(value) for name, value in zip(columns, values, strict=True)}
    if hasattr(row, "to_dict") and getattr(row, "ndim", 0) == 1:
        return {str(name): plain(value) for name, value in row.to_dict().items()}
    rows = to_narwhals(cast("FrameLike", row))
    if len(rows) != 1:
        raise DataError(f"one row is needed; this frame has {len(rows)}")
    return {name: plain(rows.item(0, name)) for name in rows.columns}


def _names(frame: object) -> list[str]:
    if hasattr(frame, "column_names"):  # pyarrow
        return [str(name) for name in frame.column_names]
    if hasattr(frame, "columns"):
        return [str(name) for name in frame.columns]
    raise DataError(_not_a_frame(frame))


def _not_a_frame(frame: object) -> str:
    kind = f"{type(frame).__module__}.{type(frame).__qualname__}"
    return f"a polars, pandas or pyarrow frame or a 2-D numpy array is needed, not {kind}"


def _from_array(array: NDArray[np.generic], columns: Sequence[str] | None) -> Table:
    matrix = _numeric_array(array, "the array")
    names = [f"x{j}" for j in range(matrix.shape[1])] if columns is None else list(columns)
    if len(names) != matrix.shape[1]:
        raise DataError(
            f"the array has {matrix.shape[1]} columns; {len(names)} are needed: {listed(names)}"
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"the names hold {listed(repeated)} more than once; names must be unique")
    table = pl.DataFrame({name: matrix[:, j] for j, name in enumerate(names)})
    return nw.from_native(table, eager_only=True)


def _numeric_array(array: NDArray[np.generic], what: str) -> NDArray[np.float64]:
    if array.ndim != 2:
        raise DataError(f"{what} must be 2-D (rows, columns); this array has shape {array.shape}")
    if array.dtype.kind not in "bifu":
        raise DataError(f"{what} is an array of dtype {array.dtype}; numbers are needed")
    return np.ascontiguousarray(array, dtype=np.float64)


def _stack(series: list[Values], rows: int) -> NDArray[np.float64]:
    matrix = np.empty((rows, len(series)), dtype=np.float64)
    for j, column in enumerate(series):
        matrix[:, j] = column.cast(nw.Float64).to_numpy()
    return matrix


def _require_finite(
    matrix: NDArray[np.float64], names: Sequence[str] | None, what: str, *, missing: bool
) -> None:
    bad = np.isinf(matrix) if missing else ~np.isfinite(matrix)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    name = f"{names[column]!r}" if names is not None else f"number {column}"
    also = "" if missing else " (missing values are not supported here)"
    raise DataError(
        f"column {name} of {what} is {matrix[row, column]} in row {row}; "
        f"every value must be a finite number{also}"
    )
