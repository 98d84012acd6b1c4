//! `TreeEnsemble`: trees imported as arrays.

use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sondage_core::error::Result;
use sondage_core::model;

use crate::arrays::{rows, vector};
use crate::guard::detached;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct TreeEnsemble {
    pub(crate) inner: Arc<model::TreeEnsemble>,
    /// Compiled at the first fast evaluation.
    forest: std::sync::OnceLock<model::Forest>,
}

impl TreeEnsemble {
    /// One row of outputs per row of input.
    fn outputs<'py>(
        &self,
        py: Python<'py>,
        rows: &PyReadonlyArray2<'py, f64>,
        forward: impl FnOnce(&[f64], &mut [f64]) -> Result<()> + Send,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let input = self::rows(py, rows, self.inner.n_features())?;
        let (n, k) = (rows.shape()[0], self.inner.n_outputs());
        let out = detached(py, || {
            let mut out = vec![0.0; n * k];
            forward(input, &mut out)?;
            Ok(out)
        })?;
        out.into_pyarray(py).reshape([n, k])
    }

    fn forest(&self) -> Result<&model::Forest> {
        match self.forest.get() {
            Some(forest) => Ok(forest),
            None => {
                let forest = self.inner.forest()?;
                Ok(self.forest.get_or_init(|| forest))
            }
        }
    }
}

fn optional<T: numpy::Element + Copy>(array: Option<&PyReadonlyArray1<'_, T>>) -> PyResult<Vec<T>> {
    array.map_or_else(|| Ok(Vec::new()), vector)
}

#[pymethods]
impl TreeEnsemble {
    #[new]
    #[pyo3(signature = (*, n_features, n_outputs, roots, feature, cut, left, right, value, first_output, base, divisor, missing_right=None, set_index=None, set_starts=None, set_codes=None, float32=false, base_last=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        n_features: usize,
        n_outputs: usize,
        roots: PyReadonlyArray1<'_, i64>,
        feature: PyReadonlyArray1<'_, i64>,
        cut: PyReadonlyArray1<'_, f64>,
        left: PyReadonlyArray1<'_, i64>,
        right: PyReadonlyArray1<'_, i64>,
        value: PyReadonlyArray2<'_, f64>,
        first_output: PyReadonlyArray1<'_, i64>,
        base: PyReadonlyArray1<'_, f64>,
        divisor: f64,
        missing_right: Option<PyReadonlyArray1<'_, bool>>,
        set_index: Option<PyReadonlyArray1<'_, i64>>,
        set_starts: Option<PyReadonlyArray1<'_, i64>>,
        set_codes: Option<PyReadonlyArray1<'_, i64>>,
        float32: bool,
        base_last: bool,
    ) -> PyResult<Self> {
        let parts = model::TreeParts {
            n_features,
            n_outputs,
            roots: vector(&roots)?,
            feature: vector(&feature)?,
            cut: vector(&cut)?,
            left: vector(&left)?,
            right: vector(&right)?,
            value: value.as_array().iter().copied().collect(),
            first_output: vector(&first_output)?,
            base: vector(&base)?,
            divisor,
            missing_right: optional(missing_right.as_ref())?,
            set_index: optional(set_index.as_ref())?,
            set_starts: optional(set_starts.as_ref())?,
            set_codes: optional(set_codes.as_ref())?,
            float32,
            base_last,
        };
        let inner = detached(py, || model::TreeEnsemble::new(parts))?;
        Ok(Self { inner: Arc::new(inner), forest: std::sync::OnceLock::new() })
    }

    fn forward<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.outputs(py, &rows, |input, out| {
            self.forest()?.forward(input, out);
            Ok(())
        })
    }

    fn forward_reference<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.outputs(py, &rows, |input, out| {
            self.inner.forward_reference(input, out);
            Ok(())
        })
    }

    fn predict<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.outputs(py, &rows, |input, out| {
            self.inner.predict(input, out);
            Ok(())
        })
    }

    fn predict_reference<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.outputs(py, &rows, |input, out| {
            self.inner.predict_reference(input, out);
            Ok(())
        })
    }

    #[getter]
    fn n_features(&self) -> usize {
        self.inner.n_features()
    }

    #[getter]
    fn n_outputs(&self) -> usize {
        self.inner.n_outputs()
    }

    #[getter]
    fn n_trees(&self) -> usize {
        self.inner.n_trees()
    }

    #[getter]
    fn n_leaves_max(&self) -> usize {
        self.inner.n_leaves_max()
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((), Bound<'py, PyDict>)> {
        let parts = self.inner.parts();
        let arguments = PyDict::new(py);
        arguments.set_item("n_features", parts.n_features)?;
        arguments.set_item("n_outputs", parts.n_outputs)?;
        for (name, values) in [
            ("roots", &parts.roots),
            ("feature", &parts.feature),
            ("left", &parts.left),
            ("right", &parts.right),
            ("first_output", &parts.first_output),
            ("set_index", &parts.set_index),
            ("set_starts", &parts.set_starts),
            ("set_codes", &parts.set_codes),
        ] {
            arguments.set_item(name, PyArray1::from_slice(py, values))?;
        }
        arguments.set_item("cut", PyArray1::from_slice(py, &parts.cut))?;
        arguments.set_item("base", PyArray1::from_slice(py, &parts.base))?;
        let width = parts.value.len() / parts.feature.len().max(1);
        arguments.set_item(
            "value",
            PyArray1::from_slice(py, &parts.value).reshape([parts.feature.len(), width])?,
        )?;
        arguments.set_item("divisor", parts.divisor)?;
        arguments.set_item("missing_right", PyArray1::from_slice(py, &parts.missing_right))?;
        arguments.set_item("float32", parts.float32)?;
        arguments.set_item("base_last", parts.base_last)?;
        Ok(((), arguments))
    }

    fn __repr__(&self) -> String {
        format!(
            "TreeEnsemble(n_trees={}, n_features={}, n_outputs={})",
            self.inner.n_trees(),
            self.inner.n_features(),
            self.inner.n_outputs()
        )
    }
}
