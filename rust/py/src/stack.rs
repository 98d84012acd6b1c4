//! `Stack`: many dense models of one form.

use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyList;
use sondage_core::model;

use crate::arrays::{rows, vector};
use crate::graph::Graph;
use crate::guard::detached;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Stack {
    pub(crate) inner: Arc<model::Stack>,
    /// As given, for pickling.
    members: Py<PyList>,
    shares: Vec<f64>,
}

#[pymethods]
impl Stack {
    #[new]
    fn new(py: Python<'_>, members: Bound<'_, PyList>, shares: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let graphs = members
            .iter()
            .map(|member| Ok(Arc::clone(&member.cast::<Graph>()?.get().inner)))
            .collect::<PyResult<Vec<_>>>()?;
        let shares = vector(&shares)?;
        let inner = detached(py, || model::Stack::new(&graphs, shares.clone()))?;
        Ok(Self { inner: Arc::new(inner), members: members.unbind(), shares })
    }

    fn forward<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        node: usize,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let input = self::rows(py, &rows, self.inner.template().n_columns())?;
        let n = rows.shape()[0];
        let (width, out) = detached(py, || Ok((self.inner.width(node)?, self.inner.forward(input, node)?)))?;
        out.into_pyarray(py).reshape([n, width])
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Py<PyList>, Bound<'py, PyArray1<f64>>) {
        (self.members.clone_ref(py), self.shares.clone().into_pyarray(py))
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __repr__(&self) -> String {
        format!("Stack({} graphs of {} operations)", self.inner.len(), self.inner.template().len())
    }
}
