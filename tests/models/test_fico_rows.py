"""FICO's credit applications: whole numbers with codes, every row of an answer one of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import sondage as sd

Fico = tuple[pl.DataFrame, NDArray[np.int64]]


def test_every_row_is_valid(fico: Fico) -> None:
    xgboost = pytest.importorskip("xgboost")
    frame, bad = fico[0].gather_every(3), fico[1][::3]
    fitted = xgboost.XGBClassifier(n_estimators=60, max_depth=5, random_state=0)
    model = sd.as_model(fitted.fit(frame.to_pandas(), bad))
    space = sd.Space.from_frame(
        frame, fixed=["MSinceOldestTradeOpen"], reference=sd.reference.chow_liu(frame)
    )
    refused = frame.filter(pl.Series(fitted.predict(frame.to_pandas()) == 1))
    found = sd.counterfactuals(model, refused[:24], 0, space, n=5, seed=1)
    assert set(found["status"]) <= {"complete", "fewer"}
    asked = refused[found["query"].to_list()]
    assert found["MSinceOldestTradeOpen"].equals(asked["MSinceOldestTradeOpen"])

    own = space.around(refused.row(0, named=True))
    answer = sd.ask(sd.require(model, 0), own, draws=100, chains=4, seed=1, progress=False)
    assert own.contains(answer.frame).all()
    for rows in (found.select(frame.columns), answer.frame.select(frame.columns)):
        assert rows.schema == frame.schema
        assert space.contains(rows).all()
        assert (fitted.predict(rows.to_pandas()) == 0).all()
    assert found["valid"].all()
    assert answer.valid.all()
