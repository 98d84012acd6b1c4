//! Model files as dictionaries of arrays.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use sondage_core::import::xgboost::{self, Levels};
use sondage_core::import::{catboost, lightgbm};

use crate::guard::detached;

/// Reads an XGBoost model, JSON or UBJSON.
#[pyfunction]
pub(crate) fn parse_xgboost<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let model = detached(py, || xgboost::read(data))?;
    let out = PyDict::new(py);
    out.set_item("version", (model.version[0], model.version[1], model.version[2]))?;
    out.set_item("objective", model.objective)?;
    out.set_item("booster", model.booster)?;
    out.set_item("n_features", model.n_features)?;
    out.set_item("n_classes", model.n_classes)?;
    out.set_item("n_targets", model.n_targets)?;
    out.set_item("leaf_width", model.leaf_width)?;
    out.set_item("base_score", model.base_score.into_pyarray(py))?;
    out.set_item("names", model.names)?;
    out.set_item("types", model.types)?;
    let levels = PyList::empty(py);
    for column in model.levels {
        match column {
            Levels::None => levels.append(py.None())?,
            Levels::Texts(texts) => levels.append(texts)?,
            Levels::Integers(numbers) => levels.append(numbers)?,
            Levels::Floats(numbers) => levels.append(numbers)?,
        }
    }
    out.set_item("levels", levels)?;
    out.set_item("best_iteration", model.best_iteration)?;
    let trees = model.trees;
    for (name, values) in [
        ("iterations", model.iterations),
        ("roots", trees.roots),
        ("group", trees.group),
        ("feature", trees.feature),
        ("left", trees.left),
        ("right", trees.right),
        ("set_index", trees.set_index),
        ("set_starts", trees.set_starts),
        ("set_codes", trees.set_codes),
    ] {
        out.set_item(name, values.into_pyarray(py))?;
    }
    out.set_item("weight", trees.weight.into_pyarray(py))?;
    out.set_item("threshold", trees.threshold.into_pyarray(py))?;
    out.set_item("default_left", trees.default_left.into_pyarray(py))?;
    Ok(out)
}

/// A LightGBM model in the text format.
#[pyfunction]
pub(crate) fn parse_lightgbm<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let model = detached(py, || lightgbm::read(data))?;
    let out = PyDict::new(py);
    out.set_item("trees_per_iteration", model.trees_per_iteration)?;
    out.set_item("n_features", model.n_features)?;
    out.set_item("objective", model.objective)?;
    out.set_item("average", model.average)?;
    out.set_item("linear", model.linear)?;
    out.set_item("feature_names", model.feature_names)?;
    out.set_item("feature_infos", model.feature_infos)?;
    out.set_item("pandas_categorical", model.pandas_categorical)?;
    out.set_item("parameters", model.parameters)?;
    for (name, numbers) in [
        ("roots", model.roots),
        ("feature", model.feature),
        ("left", model.left),
        ("right", model.right),
        ("set_index", model.set_index),
        ("set_starts", model.set_starts),
        ("set_codes", model.set_codes),
    ] {
        out.set_item(name, numbers.into_pyarray(py))?;
    }
    out.set_item("threshold", model.threshold.into_pyarray(py))?;
    out.set_item("value", model.value.into_pyarray(py))?;
    out.set_item("decision", model.decision.into_pyarray(py))?;
    Ok(out)
}

/// A CatBoost model in the JSON format.
#[pyfunction]
pub(crate) fn parse_catboost<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let model = detached(py, || catboost::read(data))?;
    let out = PyDict::new(py);
    out.set_item("unsupported", model.unsupported)?;
    out.set_item("n_features", model.n_features)?;
    out.set_item("n_outputs", model.n_outputs)?;
    out.set_item("feature_names", model.feature_names)?;
    out.set_item("missing_right", model.missing_right.into_pyarray(py))?;
    out.set_item("scale", model.scale)?;
    out.set_item("bias", model.bias.into_pyarray(py))?;
    out.set_item("loss", model.loss)?;
    out.set_item("class_kind", model.class_kind)?;
    out.set_item("class_names", model.class_names)?;
    out.set_item("threshold", model.threshold)?;
    for (name, numbers) in
        [("roots", model.roots), ("feature", model.feature), ("left", model.left), ("right", model.right)]
    {
        out.set_item(name, numbers.into_pyarray(py))?;
    }
    out.set_item("border", model.border.into_pyarray(py))?;
    out.set_item("leaf_values", model.leaf_values.into_pyarray(py))?;
    Ok(out)
}
