"""Columns of models on columns of spaces: as they are, or looked up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import sondage as sd
from sondage._encoding import decode, encode
from sondage._lookups import Lookups
from sondage.columns import Column
from sondage.errors import ModelError
from sondage.models import Model

RNG = np.random.default_rng(5)
N = 300
FRAME = pl.DataFrame(
    {
        "x": RNG.normal(size=N),
        "job": np.array(["a", "b", "c"])[RNG.integers(0, 3, N)],
        "grade": RNG.integers(1, 5, N),
        "member": RNG.random(N) < 0.5,
    }
)
TARGET = (FRAME["x"].to_numpy() + (FRAME["job"] == "b").to_numpy() > 0.4).astype(int)


def pipeline(handle_unknown: str = "error") -> Model:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown=handle_unknown), ["job", "grade"]), remainder="passthrough"
    )
    fitted = make_pipeline(encoder, LogisticRegression()).fit(FRAME.to_pandas(), TARGET)
    return sd.as_model(fitted)


def seen(model: Model, space: sd.Space, frame: pl.DataFrame) -> tuple[np.ndarray, int]:
    """Rows that the model sees of a frame on a space, and how many columns were looked up."""
    first = 2
    lookups = Lookups(first + len(space.columns))
    placed = model._place(space, first, lookups)
    rows = np.column_stack([np.full((len(frame), first), 9.0), encode(frame, space)])
    return lookups.appended(rows)[:, placed.columns], len(lookups.tables)


@pytest.mark.parametrize(
    ("kinds", "looked_up"),
    [
        ({}, 1),  # grades begin at 1
        ({"grade": sd.Categorical([1, 2, 3, 4])}, 0),
        ({"job": sd.Categorical(["c", "b", "a"]), "grade": sd.Categorical([4, 2])}, 2),
        ({"job": sd.Fixed("c"), "grade": sd.Fixed(3), "member": sd.Fixed(True)}, 2),
        ({"member": sd.Categorical([True, False])}, 2),
        ({"job": sd.Fixed("a"), "member": sd.Fixed(False)}, 1),
    ],
)
def test_models_see_their_own_codes(kinds: dict[str, Column], looked_up: int) -> None:
    model = pipeline()
    space = sd.Space(dict(sd.Space.from_frame(FRAME).kinds) | kinds)
    frame = FRAME.filter(space.contains(FRAME))
    assert len(frame) > 10
    rows, count = seen(model, space, frame)
    np.testing.assert_array_equal(rows, model._rows(frame))
    np.testing.assert_array_equal(rows, model._rows(decode(encode(frame, space), space)))
    assert count == looked_up


def test_unknown_categories_are_for_models_that_take_them() -> None:
    space = sd.Space(
        dict(sd.Space.from_frame(FRAME).kinds)
        | {"job": sd.Categorical(["a", "z"]), "grade": sd.Integer(0, 5)}
    )
    frame = FRAME.head(3).with_columns(job=pl.Series(["z", "a", "z"]), grade=pl.Series([0, 1, 5]))
    model = pipeline("ignore")
    np.testing.assert_array_equal(seen(model, space, frame)[0], model._rows(frame))
    with pytest.raises(ModelError, match=r"does not know 'z' in column 'job'.*levels are 'a', 'b'"):
        seen(pipeline(), space, frame)


def test_equal_tables_are_appended_once() -> None:
    space = sd.Space(dict(sd.Space.from_frame(FRAME).kinds) | {"job": sd.Categorical(["b", "a"])})
    lookups = Lookups(4)
    first = pipeline()._place(space, 0, lookups)
    second = pipeline()._place(space, 0, lookups)
    assert first.columns.tolist() == second.columns.tolist()
    assert len(lookups.tables) == 2
