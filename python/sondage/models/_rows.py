"""The user's frames as raw rows: numbers as they are, categories as positions in their levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from sondage.errors import DataError
from sondage.frames import is_missing, listed, plain, to_matrix, to_narwhals
from sondage.models._features import UNKNOWN, OpenLevels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sondage.frames import FrameLike
    from sondage.models._features import RawColumn

__all__ = ["codes", "is_ready", "raw_rows"]


def raw_rows(
    frame: FrameLike,
    columns: Sequence[RawColumn],
    names: Sequence[str] | None,
    *,
    missing: bool,
    unknown: bool,
    what: str = "the frame",
) -> NDArray[np.float64]:
    """Encode a frame for a model.

    Parameters
    ----------
    frame : polars, pandas or pyarrow frame, or 2-D numpy array
        Columns by name where `names` are given, else by position.
    columns : sequence of RawColumn
    names : sequence of str, optional
    missing : bool
        Whether NaN and null are allowed; they become NaN.
    unknown : bool
        Whether values that are no level are allowed; they become -1.

    Returns
    -------
    ndarray of float64, shape (rows, columns), C-contiguous

    Raises
    ------
    DataError
        Names the column, the row and the value.
    """
    if all(column.levels is None for column in columns):
        matrix = to_matrix(frame, names, len(columns), what=what, missing=missing)
        for j, column in enumerate(columns):
            if missing and not column.missing and np.isnan(matrix[:, j]).any():
                where = f"column {_called(names, j)} of {what}"
                raise DataError(_not_finite(where, matrix[:, j], missing=False))
        return matrix
    if isinstance(frame, np.ndarray) and frame.ndim != 2:
        raise DataError(f"{what} must be 2-D (rows, columns); this array has shape {frame.shape}")
    values = _columns(frame, names, len(columns), what)
    out = np.empty((len(values[0]), len(columns)))
    for j, (column, given) in enumerate(zip(columns, values, strict=True)):
        where = f"column {_called(names, j)} of {what}"
        absent = missing and column.missing
        if column.levels is None:
            out[:, j] = _numbers(given, where, missing=absent)
        else:
            unseen = unknown and column.unknown
            out[:, j] = codes(given, column.levels, where, missing=absent, unknown=unseen)
    return out


def is_ready(frame: NDArray[np.generic], n: int) -> TypeGuard[NDArray[np.float64]]:
    """Whether an array of numbers is raw rows as it is; quick: one row costs next to nothing."""
    return (
        frame.dtype == np.float64
        and frame.ndim == 2
        and frame.shape[1] == n
        and frame.flags.c_contiguous
        # Looking through bytes takes a fraction of a microsecond where `all` takes more than one.
        and b"\0" not in np.isfinite(frame).tobytes()
    )


def _columns(
    frame: FrameLike, names: Sequence[str] | None, n: int, what: str
) -> list[list[object]]:
    if isinstance(frame, np.ndarray):
        values = [frame[:, j].tolist() for j in range(frame.shape[1])]
    else:
        table = to_narwhals(frame, names)
        values = [table.get_column(name).to_list() for name in table.columns]
    if len(values) != n:
        raise DataError(f"{what} has {len(values)} columns; {n} are needed")
    return values


def _called(names: Sequence[str] | None, j: int) -> str:
    return repr(names[j]) if names is not None else f"number {j}"


def _not_finite(where: str, numbers: NDArray[np.float64], *, missing: bool) -> str:
    row = int(np.argmax(~(np.isfinite(numbers) | (missing & np.isnan(numbers)))))
    return f"{where} is {numbers[row]} in row {row}; every value must be a finite number"


def _numbers(values: list[object], where: str, *, missing: bool) -> NDArray[np.float64]:
    try:
        numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    except (TypeError, ValueError):
        wrong = next(v for v in values if v is not None and not isinstance(plain(v), int | float))
        raise DataError(f"{where} holds {wrong!r}; numbers are needed") from None
    if not (np.isfinite(numbers) | (missing & np.isnan(numbers))).all():
        raise DataError(_not_finite(where, numbers, missing=missing))
    return numbers


def codes(
    values: list[object], levels: Sequence[object], where: str, *, missing: bool, unknown: bool
) -> NDArray[np.float64]:
    """Positions of values in the levels of a column: NaN for a missing one, -1 for an unknown one.

    Raises
    ------
    DataError
        If there is such a value and it is not allowed; `where` says where.
    """
    if isinstance(levels, OpenLevels):
        open_codes = (np.nan if is_missing(v) else levels.code(plain(v)) for v in values)
        found = np.fromiter(open_codes, np.float64, len(values))
        if np.isnan(found).any() and not missing:
            row = int(np.argmax(np.isnan(found)))
            raise DataError(f"{where} is {values[row]!r} in row {row}, which is missing")
        return found
    position: dict[object, float] = {level: float(k) for k, level in enumerate(levels)}
    absent = next((float(k) for k, level in enumerate(levels) if is_missing(level)), None)

    def code(value: object) -> float:
        if is_missing(value):
            return np.nan if absent is None else absent
        value = plain(value)
        try:
            return position.get(value, UNKNOWN)
        except TypeError:
            return UNKNOWN

    try:
        known = {value: code(value) for value in set(values)}
        found = np.fromiter((known[value] for value in values), np.float64, len(values))
    except TypeError:  # lists and the like
        found = np.fromiter((code(value) for value in values), np.float64, len(values))
    for bad, allowed, word in (
        (np.isnan(found), missing, "missing"),
        (found == UNKNOWN, unknown, "no level of it"),
    ):
        if bad.any() and not allowed:
            row = int(np.argmax(bad))
            raise DataError(
                f"{where} is {values[row]!r} in row {row}, which is {word}; its levels: "
                f"{listed(levels)}"
            )
    return found
