"""The Adult census as it is, through pipelines: every row of an answer is one of its rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sondage as sd
from sondage._encoding import encode
from sondage._recheck import recheck

Adult = tuple[pl.DataFrame, NDArray[np.int64]]
FIXED = ["race", "gender", "native-country"]


def boosting() -> BaseEstimator:
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=20, max_depth=3, random_state=0)


ESTIMATORS = {"logistic": lambda: LogisticRegression(max_iter=1000), "xgboost": boosting}


@pytest.fixture(scope="module", params=ESTIMATORS)
def fitted(request: pytest.FixtureRequest, adult: Adult) -> tuple[Pipeline, pl.DataFrame]:
    frame, rich = adult[0].gather_every(8), adult[1][::8]
    words = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder=StandardScaler()
    )
    pipeline = make_pipeline(encoder, ESTIMATORS[request.param]())
    return pipeline.fit(frame.to_pandas(), rich), frame


def test_g_is_of_the_pipeline(fitted: tuple[Pipeline, pl.DataFrame]) -> None:
    pipeline, frame = fitted
    model = sd.as_model(pipeline)
    space = sd.Space.from_frame(frame)
    rows = frame.head(200)
    proba = pipeline.predict_proba(rows.to_pandas())[:, 1].astype(np.float64)
    values = sd.fixed_label(model, 1).evaluate(rows, space)
    np.testing.assert_allclose(values, -np.log(proba), rtol=1e-4, atol=1e-6)
    fixed = space.fix({name: rows[name][0] for name in FIXED})
    same = rows.filter(fixed.contains(rows))
    np.testing.assert_allclose(
        sd.fixed_label(model, 1).evaluate(same, fixed),
        -np.log(pipeline.predict_proba(same.to_pandas())[:, 1].astype(np.float64)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_the_pipeline_confirms_rows_of_words(fitted: tuple[Pipeline, pl.DataFrame]) -> None:
    pipeline, frame = fitted
    space, rows = sd.Space.from_frame(frame), frame.head(500)
    question = sd.require(sd.as_model(pipeline), 1)
    confirmed = np.zeros((2, 250), dtype=np.bool_)
    draws = encode(rows, space).reshape(2, 250, -1)
    recheck(question._parts(space, draws, None), confirmed)
    wanted = pipeline.predict(rows.to_pandas()) == 1
    assert confirmed.ravel().tolist() == wanted.tolist()
    assert 0 < wanted.sum() < 500


@pytest.mark.parametrize("target", [1, 0])
def test_every_row_is_valid(fitted: tuple[Pipeline, pl.DataFrame], target: int) -> None:
    pipeline, frame = fitted
    model = sd.as_model(pipeline)
    others = frame.filter(pl.Series(pipeline.predict(frame.to_pandas()) != target))
    row = others.row(0, named=True)
    space = sd.Space.from_frame(frame, bounds={"age": (17, 70)}).fix(
        {name: row[name] for name in FIXED}
    )
    weights = {
        name: 1.0 / (kind.upper - kind.lower) ** 2
        for name, kind in space.kinds.items()
        if isinstance(kind, sd.Integer)
    }
    question = sd.require(model, target) + sd.fixed_label(model, target)
    question = question + sd.near(row, weights=weights)
    answer = sd.ask(question, space, draws=100, chains=4, seed=1, progress=False)
    rows = answer.frame.select(frame.columns)
    assert len(rows) == 400
    assert rows.schema == frame.schema
    assert space.contains(rows).all()
    for name, kind in space.kinds.items():
        if isinstance(kind, sd.Categorical):
            assert set(rows[name].unique()) <= set(frame[name].unique())
    for name in FIXED:
        assert rows[name].unique().to_list() == [row[name]]
    assert (pipeline.predict(rows.to_pandas()) == target).all()
    assert answer.valid.all()
    np.testing.assert_allclose(question.evaluate(rows, space), answer.frame["energy"], rtol=1e-9)


@pytest.mark.parametrize("plausible", [False, True], ids=["uniform", "reference"])
@pytest.mark.parametrize("target", [1, 0])
def test_every_counterfactual_is_valid(
    fitted: tuple[Pipeline, pl.DataFrame], target: int, plausible: bool
) -> None:
    pipeline, frame = fitted
    model = sd.as_model(pipeline)
    reference = sd.reference.chow_liu(frame) if plausible else None
    space = sd.Space.from_frame(
        frame, fixed=FIXED, increase_only=["age"], reference=reference
    ).where("`hours-per-week` <= 60 or age <= 50")
    queries = frame.filter(pl.Series(pipeline.predict(frame.to_pandas()) != target))[:24]
    found = sd.counterfactuals(model, queries, target, space, n=5, seed=1)
    assert set(found["status"]) <= {"complete", "fewer"}
    rows = found.select(frame.columns)
    assert rows.schema == frame.schema
    assert space.contains(rows).all()
    assert (pipeline.predict(rows.to_pandas()) == target).all()
    assert found["valid"].all()
    asked = queries[found["query"].to_list()]
    for name in FIXED:
        assert rows[name].equals(asked[name]), name
    assert (rows["age"] >= asked["age"]).all()
