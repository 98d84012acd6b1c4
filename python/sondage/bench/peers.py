"""Other libraries' ways to evaluate the trees of a model, one thread each."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluate", "Maker", "missing", "of_lightgbm", "of_sklearn", "of_xgboost"]

Floats: TypeAlias = NDArray[np.float64]
#: Probabilities of the last class, (rows,), for the rows that it was prepared for.
Evaluate: TypeAlias = Callable[[], NDArray[Any]]
#: Prepares rows the way a library likes them best, outside the time that is measured.
Maker: TypeAlias = Callable[[Floats], Evaluate]

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "scikit-learn": ("sklearn",),
    "xgboost inplace_predict": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "treelite GTIL": ("treelite",),
    "tl2cgen, compiled C": ("treelite", "tl2cgen"),
    "onnxruntime": ("onnxruntime", "skl2onnx", "onnxmltools"),
}


def missing(peer: str) -> str | None:
    """Name the package that a peer needs and that is not installed."""
    return next((name for name in NEEDS[peer] if find_spec(name) is None), None)


def of_sklearn(forest: Any, *, compiled: bool = True) -> dict[str, Callable[[], Maker]]:  # noqa: ANN401
    """Peers for a random forest of scikit-learn."""

    def own() -> Maker:
        return lambda rows: lambda: forest.predict_proba(rows)[:, -1]

    def load() -> Any:  # noqa: ANN401
        return importlib.import_module("treelite").sklearn.import_model(forest)

    def onnx() -> bytes:
        skl2onnx = importlib.import_module("skl2onnx")
        floats = importlib.import_module("skl2onnx.common.data_types").FloatTensorType
        found: bytes = skl2onnx.to_onnx(
            forest,
            initial_types=[("x", floats([None, forest.n_features_in_]))],
            options={"zipmap": False},
        ).SerializeToString()
        return found

    peers = {"scikit-learn": own, "treelite GTIL": lambda: _gtil(load())}
    if compiled:
        peers["tl2cgen, compiled C"] = lambda: _tl2cgen(load())
    return peers | {"onnxruntime": lambda: _onnx(onnx())}


def of_xgboost(classifier: Any) -> dict[str, Callable[[], Maker]]:  # noqa: ANN401
    """Peers for a binary XGBClassifier."""
    booster = classifier.get_booster()

    def own() -> Maker:
        booster.set_param({"nthread": 1})

        def make(rows: Floats) -> Evaluate:
            single = rows.astype(np.float32)
            return lambda: np.asarray(booster.inplace_predict(single))

        return make

    def load() -> Any:  # noqa: ANN401
        return importlib.import_module("treelite").frontend.from_xgboost(booster)

    def onnx() -> bytes:
        convert = importlib.import_module("onnxmltools").convert_xgboost
        floats = importlib.import_module("onnxmltools.convert.common.data_types").FloatTensorType
        shape = [("x", floats([None, classifier.n_features_in_]))]
        found: bytes = convert(classifier, initial_types=shape).SerializeToString()
        return found

    return {
        "xgboost inplace_predict": own,
        "treelite GTIL": lambda: _gtil(load()),
        "tl2cgen, compiled C": lambda: _tl2cgen(load()),
        "onnxruntime": lambda: _onnx(onnx()),
    }


def of_lightgbm(classifier: Any) -> dict[str, Callable[[], Maker]]:  # noqa: ANN401
    """Peers for a binary LGBMClassifier on numeric columns."""
    booster = classifier.booster_

    def own() -> Maker:
        return lambda rows: lambda: np.asarray(booster.predict(rows, num_threads=1))

    def load() -> Any:  # noqa: ANN401
        return importlib.import_module("treelite").frontend.from_lightgbm(booster)

    def onnx() -> bytes:
        convert = importlib.import_module("onnxmltools").convert_lightgbm
        floats = importlib.import_module("onnxmltools.convert.common.data_types").FloatTensorType
        shape = [("x", floats([None, classifier.n_features_in_]))]
        found: bytes = convert(classifier, initial_types=shape, zipmap=False).SerializeToString()
        return found

    return {
        "lightgbm": own,
        "treelite GTIL": lambda: _gtil(load()),
        "tl2cgen, compiled C": lambda: _tl2cgen(load()),
        "onnxruntime": lambda: _onnx(onnx()),
    }


def _last(values: NDArray[Any], n: int) -> NDArray[Any]:
    return values.reshape(n, -1)[:, -1]


def _fitting(trees: Any, rows: Floats) -> NDArray[Any]:  # noqa: ANN401
    """Rows in the precision of a treelite model's thresholds."""
    return rows.astype(np.float32 if str(trees.input_type) == "float32" else np.float64)


def _gtil(trees: Any) -> Maker:  # noqa: ANN401
    gtil = importlib.import_module("treelite").gtil

    def make(rows: Floats) -> Evaluate:
        own = _fitting(trees, rows)
        return lambda: _last(gtil.predict(trees, own, nthread=1), len(own))

    return make


def _tl2cgen(trees: Any) -> Maker:  # noqa: ANN401
    tl2cgen = importlib.import_module("tl2cgen")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "trees.so"
        tl2cgen.export_lib(trees, toolchain="gcc", libpath=library, params={"parallel_comp": 16})
        # A loaded library stays loaded when its file goes.
        predictor = tl2cgen.Predictor(library, nthread=1)

    def make(rows: Floats) -> Evaluate:
        own = tl2cgen.DMatrix(_fitting(trees, rows))
        return lambda: _last(predictor.predict(own), len(rows))

    return make


def _onnx(model: bytes) -> Maker:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    wanted = [session.get_outputs()[-1].name]

    def make(rows: Floats) -> Evaluate:
        single = {name: rows.astype(np.float32)}
        return lambda: _last(np.asarray(session.run(wanted, single)[0]), len(rows))

    return make
