"""scikit-learn models in skops files."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sondage as sd

io = pytest.importorskip("skops.io")
X, LABEL = load_wine(return_X_y=True)


class Own(LogisticRegression):
    """A class that skops cannot know."""


def test_a_pipeline_comes_back(tmp_path: Path) -> None:
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABEL)
    io.dump(fitted, tmp_path / "WinePipeline.skops")
    model = sd.as_model(tmp_path / "WinePipeline.skops")
    assert (model.native, model.name) == (True, "wine_pipeline")
    np.testing.assert_allclose(model.proba(X), fitted.predict_proba(X), atol=1e-12)


def test_types_that_skops_does_not_know_are_not_run(tmp_path: Path) -> None:
    io.dump(Own().fit(X[:, :2], LABEL), tmp_path / "own.skops")
    with pytest.raises(sd.ModelError, match=r"types that skops does not trust .*Own"):
        sd.as_model(tmp_path / "own.skops")


def test_a_broken_file(tmp_path: Path) -> None:
    io.dump(GradientBoostingClassifier(n_estimators=2).fit(X, LABEL), tmp_path / "whole.skops")
    data = (tmp_path / "whole.skops").read_bytes()
    (tmp_path / "cut.skops").write_bytes(data[: len(data) // 2])
    with pytest.raises(sd.ModelError, match=r"cut\.skops is not a readable skops file"):
        sd.as_model(tmp_path / "cut.skops")
    (tmp_path / "text.skops").write_text("hello")
    with pytest.raises(sd.ModelError, match="is not what its suffix says"):
        sd.as_model(tmp_path / "text.skops")
