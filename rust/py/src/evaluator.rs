//! `Evaluator`: an output of a model for arrays that are ready as they are. One row costs little more
//! than its evaluation.

use numpy::{PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use sondage_core::model::graph;

use crate::errors::to_python;
use crate::graph::Graph;
use crate::guard::{attached, detached};

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Evaluator {
    inner: graph::Evaluator,
    missing: bool,
    /// As given, for pickling.
    graph: Py<Graph>,
    node: usize,
}

#[pymethods]
impl Evaluator {
    #[new]
    fn new(py: Python<'_>, graph: Py<Graph>, node: usize, missing: bool) -> PyResult<Self> {
        let inner = graph::Evaluator::new(graph.get().inner.clone(), node);
        let inner = inner.map_err(|error| to_python(py, &error))?;
        Ok(Self { inner, missing, graph, node })
    }

    /// The output, (rows, width), of a C-contiguous (rows, columns) array of float64; `None` for anything
    /// else, and for infinite numbers and, unless `missing`, NaN.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let Ok(rows) = rows.cast_exact::<PyArray2<f64>>() else { return Ok(None) };
        let [n, columns] = *rows.shape() else { return Ok(None) };
        if columns != self.inner.n_columns() || !rows.is_c_contiguous() {
            return Ok(None);
        }
        // SAFETY: every entry is written below before anything reads it.
        let out = unsafe { PyArray2::<f64>::new(py, [n, self.inner.width()], false) };
        // SAFETY: nothing else knows the new array yet.
        let Ok(to) = (unsafe { out.as_slice_mut() }) else { return Ok(None) };
        if n > 1 {
            let rows = rows.readonly();
            let Ok(from) = rows.as_slice() else { return Ok(None) };
            if !self.takes(from) {
                return Ok(None);
            }
            detached(py, || self.inner.forward(from, to))?;
            return Ok(Some(out));
        }
        // Releasing the interpreter, and taking note of the borrow, would cost half as much as a row does.
        // SAFETY: while this thread holds the interpreter, no other Python code runs.
        let Ok(from) = (unsafe { rows.as_slice() }) else { return Ok(None) };
        if !self.takes(from) {
            return Ok(None);
        }
        attached(py, || self.inner.forward(from, to))?;
        Ok(Some(out))
    }

    fn __getnewargs__(&self, py: Python<'_>) -> (Py<Graph>, usize, bool) {
        (self.graph.clone_ref(py), self.node, self.missing)
    }
}

impl Evaluator {
    fn takes(&self, numbers: &[f64]) -> bool {
        if self.missing {
            !numbers.iter().any(|x| x.is_infinite())
        } else {
            // No early end, so that it takes many numbers at a time.
            numbers.iter().fold(true, |finite, x| finite & x.is_finite())
        }
    }
}
