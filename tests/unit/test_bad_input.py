"""Bad input ends in an error that names it and says what is allowed, before anything runs."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from sondage.ask import ask
from sondage.errors import (
    DataError,
    ModelError,
    QuestionError,
    SamplingError,
    SondageError,
    SpaceError,
    StartError,
)
from sondage.models import as_model
from sondage.questions import fixed_label, require
from sondage.space import Continuous, Space

NAMES = ["alcohol", "flavanoids", "color"]
X = load_wine().data[:, [0, 6, 9]]
Y = load_wine().target
FRAME = pl.DataFrame(X, schema=NAMES)
HOLE = FRAME.with_columns(
    flavanoids=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("flavanoids")
)
SPACE = Space.from_frame(FRAME)
MODEL = as_model(
    RandomForestClassifier(5, max_depth=3, random_state=0).fit(FRAME.to_pandas(), Y), name="forest"
)
NAMELESS = as_model(DecisionTreeClassifier(max_depth=3).fit(X, Y), name="tree")
QUESTION = fixed_label(MODEL, 1)
TWICE = pd.DataFrame(X, columns=["alcohol", "flavanoids", "alcohol"])
NARROW = Space.from_frame(FRAME.drop("color"))

CASES = {
    "unknown column in bounds": (
        lambda: Space.from_frame(FRAME, bounds={"proline": (0, 1)}),
        SpaceError,
        "bounds names unknown column 'proline'; the columns are 'alcohol', 'flavanoids', 'color'",
    ),
    "unknown column in fixed": (
        lambda: Space.from_frame(FRAME, fixed=["proline"]),
        SpaceError,
        "fixed names unknown column 'proline'",
    ),
    "unknown column to fix": (
        lambda: SPACE.fix({"proline": 1}),
        SpaceError,
        "fix names unknown column 'proline'",
    ),
    "NaN in the frame of a space": (
        lambda: Space.from_frame(HOLE),
        DataError,
        "column 'flavanoids': the value in row 5 is None; missing, NaN and infinite",
    ),
    "NaN in the frame to evaluate": (
        lambda: QUESTION.evaluate(HOLE, SPACE),
        DataError,
        "column 'flavanoids' of the frame is nan in row 5; every value must be a finite number",
    ),
    "infinity in the frame to predict": (
        lambda: MODEL.predict(HOLE.with_columns(pl.col("flavanoids").fill_null(float("inf")))),
        DataError,
        "column 'flavanoids' of the frame is inf in row 5",
    ),
    "bounds upside down": (
        lambda: Space.from_frame(FRAME, bounds={"color": (13, 1)}),
        SpaceError,
        r"column 'color': bounds \(13.0, 1.0\) are upside down; lower must be below upper",
    ),
    "label the model lacks": (
        lambda: fixed_label(MODEL, "red"),
        QuestionError,
        "forest has no class 'red'; its classes: 0, 1, 2",
    ),
    "required label the model lacks": (
        lambda: require(MODEL, 3),
        QuestionError,
        "forest has no class 3; its classes: 0, 1, 2",
    ),
    "unfitted estimator": (
        lambda: as_model(RandomForestClassifier()),
        ModelError,
        "RandomForestClassifier is not fitted; call its fit",
    ),
    "number of features differs": (
        lambda: ask(fixed_label(NAMELESS, 1), NARROW),
        ModelError,
        "tree reads 3 columns by position; the space has 2: 'alcohol', 'flavanoids'",
    ),
    "names of features differ": (
        lambda: ask(QUESTION, Space({"alcohol": Continuous(0, 1), "colour": Continuous(0, 1)})),
        ModelError,
        "forest reads columns that the space does not have: 'flavanoids', 'color'; .* 'colour'",
    ),
    "number of features differs on import": (
        lambda: as_model(DecisionTreeClassifier().fit(X, Y), space=NARROW),
        ModelError,
        "reads 3 columns by position; the space has 2",
    ),
    "number of columns to predict differs": (
        lambda: NAMELESS.predict(X[:, :2]),
        DataError,
        "the frame has 2 columns; 3 are needed",
    ),
    "zero draws": (
        lambda: ask(QUESTION, SPACE, draws=0),
        SamplingError,
        "draws=0 must be a whole number of at least 1",
    ),
    "negative temperature": (
        lambda: ask(QUESTION, SPACE, temperature=-1.0),
        SamplingError,
        "temperature=-1.0 must be a finite number above zero",
    ),
    "nothing meets the requirements": (
        lambda: ask(require(MODEL, 0) + require(MODEL, 1), SPACE, seed=0),
        StartError,
        r"(?s)finite.*\d",
    ),
    "duplicate columns in the frame of a space": (
        lambda: Space.from_frame(TWICE),
        DataError,
        "more than one column named 'alcohol'; names must be unique",
    ),
    "duplicate columns in the frame to predict": (
        lambda: MODEL.predict(TWICE),
        DataError,
        "more than one column named 'alcohol'",
    ),
}


@pytest.mark.parametrize(("act", "kind", "message"), CASES.values(), ids=CASES.keys())
def test_bad_input(act: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        act()
    assert type(caught.value) is kind
    assert isinstance(caught.value, SondageError)
    assert isinstance(caught.value, ValueError)


def test_errors_leave_arguments_as_they_were() -> None:
    data = X.copy()
    data[3, 1] = np.nan
    before = data.tobytes()
    with pytest.raises(DataError):
        Space.from_frame(data)
    assert data.tobytes() == before
