"""Frames of mixed columns as the sampler sees them, and back in the dtypes that they had."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sondage._encoding import as_given, decode, encode
from sondage.columns import Categorical, Continuous, Fixed, Integer
from sondage.errors import DataError
from sondage.space import Space

SPACE = Space(
    {
        "x": Continuous(-1.0, 1.0),
        "job": Categorical(["b", "a", "c"]),
        "n": Integer(-2, 5),
        "member": Categorical([True, False]),
        "grade": Categorical([3, 1]),
        "sex": Fixed("f"),
        "rate": Fixed(0.1),
    }
)
FRAME = pl.DataFrame(
    {
        "x": [0.5, -0.25],
        "job": ["a", "c"],
        "n": [-2, 4],
        "member": [False, True],
        "grade": [3, 1],
        "sex": ["f", "f"],
        "rate": [0.1, 0.1],
    }
)
ROWS = np.array([[0.5, 1, -2, 1, 0, 0, 0.1], [-0.25, 2, 4, 0, 1, 0, 0.1]])


@pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_levels_are_positions_and_numbers_are_numbers(
    convert: Callable[[pl.DataFrame], object],
) -> None:
    shuffled = FRAME.select(reversed(FRAME.columns)).with_columns(unknown=pl.lit("z"))
    np.testing.assert_array_equal(encode(convert(shuffled), SPACE), ROWS)
    assert_frame_equal(decode(ROWS, SPACE), FRAME)


def test_rows_outside_the_bounds_are_encoded_all_the_same() -> None:
    moved = FRAME.with_columns(n=pl.Series([0.5, 99.0]), x=pl.Series([7, 8]))
    assert encode(moved, SPACE)[:, [0, 2]].tolist() == [[7.0, 0.5], [8.0, 99.0]]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("job", "z", r"column 'job' of start is 'z' in row 1; its levels are 'b', 'a', 'c'"),
        ("job", None, r"column 'job' of start is None in row 1"),
        ("grade", 2, r"column 'grade' of start is 2 in row 1; its levels are 3, 1"),
        ("sex", "m", r"column 'sex' of start is 'm' in row 1; the space fixes it at 'f'"),
        ("x", float("nan"), r"column 'x' of start is nan in row 1"),
        ("n", "two", r"column 'n' of start is String; numbers are needed"),
    ],
)
def test_what_is_no_value_of_a_column_is_named(column: str, value: object, message: str) -> None:
    values = [FRAME[column][0], value]
    values = ["one", value] if value == "two" else values
    with pytest.raises(DataError, match=message):
        encode(FRAME.with_columns(pl.Series(column, values)), SPACE, "start")


def test_arrays_hold_the_levels_that_are_numbers() -> None:
    space = Space({"grade": Categorical([3, 1]), "member": Categorical([True, False])})
    array = np.array([[1.0, 1.0], [3.0, 0.0]])
    assert encode(array, space).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(DataError, match=r"'job' .* is 1.0 in row 0; .*a frame can hold"):
        encode(np.array([[1.0]]), Space({"job": Categorical(["a", "b"])}))


MIXED = pl.DataFrame(
    {
        "small": pl.Series([1, 7], dtype=pl.UInt8),
        "single": pl.Series([0.1, 0.7], dtype=pl.Float32),
        "job": pl.Series(["u", "v"], dtype=pl.Enum(["w", "v", "u"])),
        "town": pl.Series(["p", "q"], dtype=pl.Categorical),
        "flag": [True, False],
        "big": [1, 2],
        "price": [1.0, 2.0],
        "one": pl.Series([5, 5], dtype=pl.Int16),
        "name": ["k", "k"],
    }
)


def test_polars_dtypes_come_back() -> None:
    space = Space.from_frame(MIXED)
    for own in (space, space.fix({"small": 3, "job": "v", "price": 2}), space.around({})):
        back = decode(encode(MIXED.head(1), space), own)
        assert back.schema == MIXED.schema
        assert back["one"].to_list() == [5]
    assert decode(encode(MIXED, space), space).equals(MIXED)


def test_pandas_dtypes_come_back() -> None:
    frame = pd.DataFrame(
        {
            "small": np.array([1, 7], dtype=np.int32),
            "single": np.array([0.1, 0.7], dtype=np.float32),
            "job": pd.Categorical(["u", "v"], categories=["w", "v", "u"]),
            "flag": [True, False],
            "name": ["k", "l"],
        }
    )
    space = Space.from_frame(frame)
    back = decode(encode(frame, space), space)
    assert back.schema == {
        "small": pl.Int32,
        "single": pl.Float32,
        "job": pl.Enum(["w", "v", "u"]),
        "flag": pl.Boolean,
        "name": pl.String,
    }


def test_a_dtype_that_does_not_hold_the_column_gives_way() -> None:
    space = Space.from_frame(
        MIXED,
        bounds={"small": (0, 256), "single": (0.1, 0.1 + 1e-12), "one": (0, 9)},
        categorical=["big"],
        continuous=["one"],
    )
    assert decode(np.empty((0, 9)), space).dtypes[:3] == [pl.Int64, pl.Float64, MIXED["job"].dtype]
    assert decode(np.empty((0, 9)), space).schema["one"] == pl.Float64
    fixed = Space.from_frame(MIXED, bounds={"single": (0, 1)}).fix({"single": 0.1})
    assert decode(np.zeros((1, 9)), fixed)["single"].to_list() == [0.1]


@given(st.floats(0.1, 0.3), st.floats(0.0, 1.0))
def test_float32_columns_stay_within_their_bounds(lower: float, share: float) -> None:
    frame = MIXED.select("single").with_columns(pl.col("single").cast(pl.Float32))
    space = Space.from_frame(frame, bounds={"single": (lower, lower + 1e-6)})
    values = np.clip(lower + share * 1e-6, lower, lower + 1e-6)
    rounded = as_given(np.array([[[values]]]), space)
    back = decode(rounded[0], space)
    assert back["single"].dtype == pl.Float32
    assert back["single"].cast(pl.Float64).to_list() == [rounded[0, 0, 0]]
    assert space.contains(back).all()
    assert abs(rounded[0, 0, 0] - values) <= 2.0**-25


def test_rows_without_float32_columns_are_not_copied() -> None:
    assert as_given(ROWS, SPACE) is ROWS


def test_dtypes_are_no_part_of_what_a_space_is() -> None:
    space = Space.from_frame(MIXED)
    assert space == Space(space.kinds)
    assert hash(space) == hash(Space(space.kinds))
