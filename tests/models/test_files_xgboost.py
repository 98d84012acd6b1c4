"""Model files of XGBoost, of several versions, with the library and without."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_wine

from sondage._core import parse_xgboost
from sondage.errors import ForeignModelWarning, ModelError
from sondage.models import Model, as_model, xgboost
from sondage.models._files import FORMATS, open_model

FILES = Path(__file__).parents[1] / "data" / "xgboost"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FILES / "expected.json").read_text())
READABLE = [name for name in EXPECTED if not name.endswith("linear")]
WINE, CULTIVAR = load_wine(return_X_y=True)
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)

Same = Callable[..., Model]


@pytest.fixture
def without_xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where XGBoost is not installed."""
    monkeypatch.setattr(xgboost, "find_spec", lambda _: None)


def paths(name: str) -> list[Path]:
    return sorted(path for path in FILES.glob(f"{name}.*") if path.suffix in (".json", ".ubj"))


def margins(model: Model, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    native = model._native
    assert native is not None
    return np.squeeze(native.values(rows, native.heads.score))


@pytest.mark.usefixtures("without_xgboost")
@pytest.mark.parametrize("name", READABLE)
def test_a_file_gives_what_its_own_version_predicted(name: str) -> None:
    if name == "1.0.2-raw":
        pytest.skip("refused: see the test of base scores that changed their meaning")
    expected = EXPECTED[name]
    rows = np.array(expected["rows"], dtype=np.float64)
    for path in paths(name):
        model = as_model(path)
        assert model.library == f"xgboost file, version {name.partition('-')[0]}"
        ours = margins(model, rows)
        if name.endswith("poisson"):
            assert np.abs(ours / np.array(expected["value"]) - 1.0).max() < 3e-7
        elif name == "1.0.2-forest":
            # Version 1.0 added the base score last.
            assert np.abs(ours - np.array(expected["margin"])).max() < 1e-6
        else:
            assert np.array_equal(ours, np.array(expected["margin"]))
        if model.classes is not None and model._native is not None:
            proba = model._native.values(rows, model._native.heads.proba or 0)
            theirs = np.array(expected["value"])
            if name.endswith("raw"):
                assert np.abs(proba[:, 1] - 1.0 / (1.0 + np.exp(-theirs))).max() < 3e-7
            else:
                assert np.abs((proba if theirs.ndim == 2 else proba[:, 1]) - theirs).max() < 3e-7


@pytest.mark.parametrize("name", READABLE)
def test_the_installed_version_predicts_the_same_from_any_file(
    name: str, same_as_library: Same
) -> None:
    pytest.importorskip("xgboost")
    rows = np.array(EXPECTED[name]["rows"], dtype=np.float64)
    if name.endswith("levels"):
        pytest.skip("read from a frame: see the test of categories")
    if name == "1.0.2-raw":
        with pytest.warns(ForeignModelWarning, match=r"binary:logitraw of version 1\.0\.2"):
            as_model(paths(name)[0])
        return
    if name == "1.0.2-pruned":
        with pytest.raises(ModelError, match=r"cannot load .*num_deleted"):
            as_model(paths(name)[0])
        return
    for path in paths(name):
        if name.endswith("categories"):
            model = as_model(path)
            assert np.array_equal(margins(model, rows), model._source.score(rows))
        else:
            same_as_library(open_model(path), rows, n=500, within=3e-7)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("kind", ["binary", "classes", "dart"])
def test_what_is_saved_is_what_is_read(kind: str, suffix: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost")
    rows, target = (CANCER, MALIGNANT) if kind == "binary" else (WINE, CULTIVAR)
    booster = "dart" if kind == "dart" else "gbtree"
    estimator = xgb.XGBClassifier(n_estimators=10, booster=booster, rate_drop=0.3, n_jobs=1)
    if kind != "dart":
        estimator.set_params(rate_drop=None)
    estimator.fit(rows, target)
    path = tmp_path / f"model.{suffix}"
    estimator.save_model(path)
    model = as_model(str(path))
    own = estimator.get_booster().predict(xgb.DMatrix(rows), output_margin=True)
    assert np.array_equal(model.score(rows), own)
    assert np.array_equal(model.predict(rows), estimator.predict(rows))
    assert model.name == "model"
    assert model == as_model(path)


def test_categories_of_training_come_with_the_file() -> None:
    frame = pd.DataFrame(
        {"job": ["clerk", "potter", "smith"], "size": [0.1, -2.0, None], "code": [30, 20, 10]}
    )
    model = as_model(FILES / "3.2.0-levels.json")
    assert np.array_equal(model.score(frame), as_model(FILES / "3.2.0-levels.ubj").score(frame))
    xgb = pytest.importorskip("xgboost")
    booster = xgb.Booster(model_file=FILES / "3.2.0-levels.ubj")
    own = frame.astype({"job": "category", "code": "category"})
    data = xgb.DMatrix(own, enable_categorical=True)
    assert np.array_equal(model.score(frame), booster.predict(data, output_margin=True))


@pytest.mark.usefixtures("without_xgboost")
@pytest.mark.parametrize("name", ["1.0.2-linear", "3.2.0-linear", "1.0.2-raw"])
def test_a_file_that_needs_xgboost_says_so(name: str) -> None:
    with pytest.raises(ModelError, match=r": xgboost is not installed, and only it evaluates"):
        as_model(FILES / f"{name}.json")


def broken(path: Path, change: Callable[[bytes], bytes], tmp_path: Path) -> Path:
    out = tmp_path / path.name
    out.write_bytes(change(path.read_bytes()))
    return out


@pytest.mark.parametrize("path", [FILES / "3.2.0-binary.json", FILES / "3.2.0-binary.ubj"])
def test_a_broken_file_is_an_error_that_says_where(path: Path, tmp_path: Path) -> None:
    cut = broken(path, lambda data: data[:1500], tmp_path)
    with pytest.raises(ModelError, match=r"3\.2\.0-binary.* is not a readable XGBoost model: "):
        as_model(cut)
    longer = broken(path, lambda data: data + b"\0", tmp_path)
    with pytest.raises(ModelError, match="something follows the end"):
        as_model(longer)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    newer = broken(
        FILES / "3.2.0-binary.json",
        lambda data: data.replace(b'"version":[3,2,0]', b'"version":[4,1,0]'),
        tmp_path,
    )
    with pytest.raises(ModelError, match=r"version 4\.1\.0; versions 1 to 3 are read"):
        as_model(newer)


def test_what_is_no_model_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        as_model(tmp_path / "nowhere.json")
    (tmp_path / "folder.ubj").mkdir()
    with pytest.raises(ModelError, match="is not a file"):
        as_model(tmp_path / "folder.ubj")
    for name, data, reason in (
        ("model.pkl", b"\x80\x04", "load it with the library that wrote it"),
        ("model.bin", b"binf", "is no model file that can be read: XGBoost JSON"),
        ("model.json", b'{"trees": []}', "is not what its suffix says: XGBoost JSON"),
        ("model.ubj", b"binf", "is not what its suffix says"),
        ("empty.json", b"", "is not what its suffix says"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ModelError, match=reason):
            as_model(path)


def test_formats_are_told_apart() -> None:
    for known in FORMATS:
        assert all(suffix.startswith(".") for suffix in known.suffixes)


def test_every_truncation_is_a_model_error() -> None:
    for path in (FILES / "3.2.0-levels.json", FILES / "1.7.6-dart.ubj"):
        data = path.read_bytes().rstrip()
        for length in range(0, len(data), 7):
            with pytest.raises(ModelError, match="not a readable XGBoost model"):
                parse_xgboost(data[:length])
