"""Frames in: kinds, names, order, and what is refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sondage.errors import DataError
from sondage.frames import to_matrix, to_polars, to_row

TABLE = pl.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "c": [True, False], "d": ["x", "y"]})


@pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_columns_come_by_name_in_the_order_asked(convert: Callable[[pl.DataFrame], object]) -> None:
    matrix = to_matrix(convert(TABLE), ["c", "a", "b"])
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    assert matrix.tolist() == [[1.0, 1.0, 3.0], [0.0, 2.0, 4.0]]


@pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_frames_of_every_kind_become_the_same_polars(
    convert: Callable[[pl.DataFrame], object],
) -> None:
    assert to_polars(convert(TABLE), ["d", "a"]).equals(TABLE.select("d", "a"))


def test_arrays_are_read_by_position() -> None:
    array = np.array([[1, 2], [3, 4]], dtype=np.int32)
    assert to_matrix(array, ["a", "b"]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert to_matrix(np.asfortranarray(array.astype(float)), None, 2).flags.c_contiguous
    assert to_polars(array).columns == ["x0", "x1"]


def test_names_that_are_no_strings_become_strings() -> None:
    assert to_matrix(pd.DataFrame([[1.0, 2.0]]), ["1", "0"]).tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize(
    ("frame", "columns", "n", "message"),
    [
        (TABLE, ["a", "z"], None, "no column 'z'; its columns: 'a', 'b', 'c', 'd'"),
        (TABLE, ["a", "d"], None, "column 'd' of the frame is String"),
        (TABLE.select("a"), None, 2, "has 1 columns .* 2 are needed"),
        (TABLE.lazy(), ["a"], None, "collect"),
        (np.zeros((2, 3)), ["a", "b"], None, "3 columns; 2 are needed"),
        (np.zeros(3), ["a"], None, r"2-D .* shape \(3,\)"),
        (np.array([["a"]]), ["a"], None, "dtype <U1; numbers"),
        ([[1.0, 2.0]], None, None, "not builtins.list"),
        (pl.DataFrame({"a": [1.0, np.nan]}), ["a"], None, "column 'a' .* is nan in row 1"),
        (pl.DataFrame({"a": [1, None]}), ["a"], None, "column 'a' .* is nan in row 1"),
        (pl.DataFrame({"a": [np.inf]}), ["a"], None, "column 'a' .* is inf in row 0"),
        (np.array([[0.0, np.nan]]), None, 2, "column number 1 .* row 0"),
    ],
)
def test_unfit_frames_are_refused_by_name(
    frame: object, columns: object, n: int | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        to_matrix(frame, columns, n)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "b", "a"]),
        pa.table([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]),
    ],
)
def test_duplicate_columns_are_refused(frame: object) -> None:
    with pytest.raises(DataError, match="more than one column named 'a'"):
        to_matrix(frame, ["a"])


@pytest.mark.parametrize(
    "row",
    [
        {"a": np.float64(1.0), "b": 3, "c": True, "d": "x"},
        TABLE.head(1),
        TABLE.to_pandas().iloc[0],
        np.array([1.0, 3, True, "x"], dtype=object),
    ],
)
def test_a_row_is_a_mapping_whatever_it_came_as(row: object) -> None:
    assert to_row(row, TABLE.columns) == {"a": 1.0, "b": 3, "c": True, "d": "x"}


@pytest.mark.parametrize("row", [TABLE, [1.0], np.zeros((1, 4)), 3])
def test_what_is_no_row_is_refused(row: object) -> None:
    with pytest.raises(DataError):
        to_row(row, TABLE.columns)
