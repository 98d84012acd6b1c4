//! `Reference`: a base measure that data gave.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use sondage_core::space;

use crate::arrays::{rows, vector};
use crate::errors::to_python;
use crate::guard::detached;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Reference {
    pub(crate) inner: Arc<space::Reference>,
}

#[pymethods]
impl Reference {
    /// Cuts and log density of every column, the latter of (parent cells, cells), −1 for no parent.
    #[new]
    fn new(
        py: Python<'_>,
        cuts: Vec<PyReadonlyArray1<'_, f64>>,
        parents: PyReadonlyArray1<'_, i64>,
        tables: Vec<PyReadonlyArray2<'_, f64>>,
    ) -> PyResult<Self> {
        let cuts = cuts.iter().map(vector).collect::<PyResult<Vec<_>>>()?;
        let parents = vector(&parents)?.into_iter().map(|p| usize::try_from(p).ok()).collect();
        let tables = tables.iter().map(|table| table.as_array().iter().copied().collect()).collect();
        let inner = space::Reference::new(cuts, parents, tables).map_err(|error| to_python(py, &error))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    fn log_density<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let input = self::rows(py, &rows, self.inner.len())?;
        Ok(detached(py, || Ok(self.inner.log_densities(input)))?.into_pyarray(py))
    }
}
