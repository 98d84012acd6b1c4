"""The space: kinds, bounds, reading off data, and what is refused."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sondage.columns import (
    CONTINUOUS,
    INTEGER,
    LEVELS,
    Categorical,
    Column,
    Continuous,
    Fixed,
    Integer,
)
from sondage.errors import DataError, SpaceError
from sondage.space import Space

DATA = pl.DataFrame(
    {
        "income": [10.5, 20.0, 15.0],
        "age": [30, 40, 35],
        "job": ["b", "a", "b"],
        "member": [True, False, True],
        "rate": [2.0, 2.0, 2.0],
    }
)


@pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_kinds_and_ranges_are_read_off_data(convert: Callable[[pl.DataFrame], object]) -> None:
    assert dict(Space.from_frame(convert(DATA)).kinds) == {
        "income": Continuous(10.5, 20.0),
        "age": Integer(30, 40),
        "job": Categorical(["a", "b"]),
        "member": Categorical([False, True]),
        "rate": Fixed(2.0),
    }


def test_kinds_and_bounds_are_overridden_by_name() -> None:
    space = Space.from_frame(
        DATA,
        continuous=["age"],
        categorical=["rate"],
        fixed=["member", "job"],
        bounds={"age": (18, 70), "income": (0, 100)},
    )
    assert space.kinds["age"] == Continuous(18.0, 70.0)
    assert space.kinds["income"] == Continuous(0.0, 100.0)
    assert space.kinds["rate"] == Fixed(2.0)
    assert space.kinds["job"] == Fixed()
    assert Space.from_frame(DATA, integer=["rate"], bounds={"rate": (0, 5)}).kinds["rate"] == (
        Integer(0, 5)
    )


def test_arrays_are_named_by_number_or_by_the_user() -> None:
    array = np.array([[0.0, 1.0], [2.0, 5.0]])
    assert Space.from_frame(array).columns == ["x0", "x1"]
    assert Space.from_frame(array, names=["a", "b"]).columns == ["a", "b"]


def test_decimals_are_continuous() -> None:
    frame = pl.DataFrame({"price": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2))})
    assert Space.from_frame(frame).kinds["price"] == Continuous(1.5, 2.5)


def test_equality_representation_and_copies() -> None:
    space = Space.from_frame(DATA, increase_only=["age"], fixed=["job"])
    assert eval(repr(space)) == space  # noqa: S307
    assert pickle.loads(pickle.dumps(space)) == space
    assert copy.deepcopy(space) == space
    assert hash(space) == hash(Space.from_frame(DATA, increase_only=["age"], fixed=["job"]))
    assert space != Space.from_frame(DATA, fixed=["job"])
    reordered = Space(dict(reversed(space.kinds.items())), increase_only=["age"])
    assert space != reordered


def test_spaces_and_columns_are_frozen() -> None:
    space = Space.from_frame(DATA)
    with pytest.raises(AttributeError):
        space.increase_only = frozenset({"age"})
    with pytest.raises(TypeError):
        space.kinds["age"] = Fixed(1)


def test_around_makes_bounds_and_values_of_a_row() -> None:
    space = Space.from_frame(DATA, fixed=["job"], increase_only=["age"], decrease_only=["income"])
    around = space.around(DATA.row(2, named=True) | {"unknown": 1})
    assert around.kinds["age"] == Integer(35, 40)
    assert around.kinds["income"] == Continuous(10.5, 15.0)
    assert around.kinds["job"] == Fixed("b")
    assert around.increase_only == around.decrease_only == frozenset()
    assert space.around(DATA.row(1, named=True)).kinds["age"] == Fixed(40)
    with pytest.raises(SpaceError, match="'age' cannot be 50; its bounds are"):
        space.around({"age": 50, "income": 12.0, "job": "a"})
    with pytest.raises(SpaceError, match="no value for column 'job'"):
        space.around({"age": 35, "income": 12.0})


def test_fix_checks_the_value() -> None:
    space = Space.from_frame(DATA, increase_only=["age"])
    fixed = space.fix({"age": 33, "job": "a"})
    assert fixed.kinds["age"] == Fixed(33)
    assert fixed.increase_only == frozenset()
    assert fixed.free == ["income", "member"]
    for values, message in [
        ({"age": 33.5}, "'age' cannot be 33.5; a whole number"),
        ({"age": 99}, r"'age' cannot be 99; its bounds are \[30, 40\]"),
        ({"job": "z"}, "'job' cannot be 'z'; its levels are 'a', 'b'"),
        ({"income": "much"}, "'income' cannot be 'much'; a number"),
        ({"salary": 1}, "unknown column 'salary'"),
        ({"rate": float("nan")}, "must not be nan"),
    ]:
        with pytest.raises(SpaceError, match=message):
            space.fix(values)


def test_contains_looks_at_every_column_of_the_space_only() -> None:
    space = Space.from_frame(DATA, fixed=["job"])
    rows = pl.DataFrame(
        {
            "extra": [0] * 7,
            "income": [10.5, 20.1, None, 12.0, 12.0, 12.0, float("nan")],
            "age": [30.0, 30.0, 30.0, 30.5, 30.0, 30.0, 30.0],
            "job": ["z", "b", "b", "b", "b", "b", "b"],
            "member": [True, True, True, True, True, None, True],
            "rate": [2.0, 2.0, 2.0, 2.0, 2.5, 2.0, 2.0],
        }
    )
    assert space.contains(rows).tolist() == [True, False, False, False, False, False, False]
    with pytest.raises(DataError, match="no column 'rate'"):
        space.contains(rows.drop("rate"))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_space_contains_the_data_it_was_read_off(values: list[float]) -> None:
    frame = pl.DataFrame({"x": values, "y": [0.0] * len(values)})
    assert Space.from_frame(frame).contains(frame).all()


def test_bounds_in_column_order() -> None:
    lower, upper = Space({"a": Fixed(3), "b": Continuous(0, 1)})._lower_upper()
    assert lower.tolist() == [3.0, 0.0]
    assert upper.tolist() == [3.0, 1.0]


def test_the_sampler_moves_numbers_and_positions_of_levels() -> None:
    space = Space(
        {
            "x": Continuous(-1.5, 2.0),
            "n": Integer(-3, 4),
            "job": Categorical(["b", "a", "c"]),
            "sex": Fixed("f"),
            "rate": Fixed(2.5),
            "member": Fixed(True),
        }
    )
    lower, upper = space._lower_upper()
    assert lower.tolist() == [-1.5, -3.0, 0.0, 0.0, 2.5, 1.0]
    assert upper.tolist() == [2.0, 4.0, 2.0, 0.0, 2.5, 1.0]
    assert space._kinds().tolist() == [CONTINUOUS, INTEGER, LEVELS, LEVELS, CONTINUOUS, CONTINUOUS]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            Categorical(["a", 1]),
            "'c' cannot be sampled: its levels 'a', 1 must be strings",
        ),
        (Categorical([True, 0]), "its levels True, 0 must be strings, numbers or booleans"),
        (Fixed(("f",)), r"its value \('f',\) must be strings, numbers or booleans"),
        (Integer(0, 2**53 + 2), r"'c' cannot be sampled: its bounds must lie within ±2\^53"),
        (Fixed(), "'c' is fixed at the query's value and there is no query"),
    ],
)
def test_what_cannot_be_sampled_says_what_to_do(column: Column, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space({"x": Continuous(0, 1), "c": column}).sampleable()


def test_one_way_columns_need_a_row_first() -> None:
    space = Space({"x": Continuous(0, 1)}, increase_only=["x"])
    with pytest.raises(SpaceError, match=r"'x' is increase_only.*around"):
        space.sampleable()
    space.around({"x": 0.5}).sampleable()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((3.0, 1.0), r"\(3.0, 1.0\) are upside down"),
        ((1.0, 1.0), r"\(1.0, 1.0\) are equal; use Fixed"),
        ((float("nan"), 1.0), "lower bound nan must be a finite number"),
        ((0.0, float("inf")), "upper bound inf must be a finite number"),
        (("0", 1.0), "lower bound '0' must be a finite number"),
        ((True, 2.0), "lower bound True must be a finite number"),
        ((-1.7e308, 1.7e308), "too far apart"),
    ],
)
def test_impossible_bounds_are_refused(bounds: tuple[object, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Continuous(*bounds)
    with pytest.raises(SpaceError, match=f"column 'income': .*{message}"):
        Space.from_frame(DATA, bounds={"income": bounds})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": {"salary": (0, 1)}}, "bounds names unknown column 'salary'; .* 'income'"),
        ({"fixed": ["salary"]}, "fixed names unknown column 'salary'"),
        ({"integer": ["income"]}, "column 'income': it holds 10.5 and cannot be integer"),
        ({"fixed": ["age"], "integer": ["age"]}, "'age' is named in integer and fixed"),
        ({"fixed": "age"}, r"write \['age'\]"),
        ({"increase_only": ["salary"]}, "increase_only names unknown column 'salary'"),
        ({"increase_only": ["job"]}, "increase_only names 'job', which is Categorical"),
        ({"increase_only": ["age"], "decrease_only": ["age"]}, "'age' is both"),
        ({"bounds": {"job": (0, 1)}}, "column 'job': bounds are for"),
        ({"bounds": {"age": (18, 70.5)}}, "column 'age': upper bound 70.5 must be a whole"),
        ({"bounds": {"age": 18}}, "column 'age': bounds 18 must be a pair"),
        ({"continuous": ["job"]}, "column 'job': dtype String cannot be continuous"),
        ({"names": ["a"]}, "names is for numpy arrays"),
        ({"reference": DATA}, "must be a density that sondage.reference.chow_liu has learned"),
        ({"missing": "drop"}, "missing='drop' must be 'forbid' or 'allow'"),
    ],
)
def test_contradictions_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space.from_frame(DATA, **arguments)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (DATA.with_columns(income=pl.Series([1.0, None, 2.0])), "column 'income': .* row 1"),
        (DATA.with_columns(income=pl.Series([1.0, 2.0, np.nan])), "column 'income': .* row 2"),
        (DATA.with_columns(job=pl.Series([None, "a", "b"])), "column 'job': .* row 0"),
        (DATA.head(0), "no rows"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "more than one column named 'a'"),
    ],
)
def test_unfit_data_is_refused(frame: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Space.from_frame(frame)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "at least one column"),
        ({"a": (0, 1)}, r"column 'a' is \(0, 1\); it must be Continuous"),
        ({1: Fixed(2)}, "name 1 must be a string"),
        ({"": Fixed(2)}, "must not be empty"),
        ([("a", Fixed(1))], "mapping"),
    ],
)
def test_no_space_without_proper_columns(columns: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space(columns)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical("ab"), "not the string 'ab'"),
        (lambda: Categorical(["a", "a"]), "differ from each other"),
        (lambda: Categorical(["a"]), "fewer than two"),
        (lambda: Integer(0.5, 2), "lower bound 0.5 must be a whole number"),
        (lambda: Fixed(None), "must not be None"),
    ],
)
def test_impossible_columns_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()
