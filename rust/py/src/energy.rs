//! `Loss`, `Localizer`, `Energy`: a question bound to a space.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use sondage_core::question;
use sondage_core::space::Bounds;

use crate::arrays::{indices, rows, vector};
use crate::errors::to_python;
use crate::graph::Graph;
use crate::guard::detached;

#[pyclass(frozen, from_py_object, module = "sondage._core")]
#[derive(Clone)]
pub(crate) struct Loss(question::Loss);

#[pymethods]
impl Loss {
    #[staticmethod]
    fn cross_entropy(label: usize) -> Self {
        Self(question::Loss::CrossEntropy { label })
    }

    #[staticmethod]
    fn negative_log(label: usize) -> Self {
        Self(question::Loss::NegativeLog { label })
    }

    #[staticmethod]
    fn margin(positive: bool) -> Self {
        Self(question::Loss::Margin { positive })
    }

    #[staticmethod]
    fn hinge(label: usize) -> Self {
        Self(question::Loss::Hinge { label })
    }

    #[staticmethod]
    fn squared(label: usize, scale: f64) -> Self {
        Self(question::Loss::Squared { label, scale })
    }

    #[staticmethod]
    fn band(lower: f64, upper: f64, scale: f64) -> Self {
        Self(question::Loss::Band { lower, upper, scale })
    }

    #[staticmethod]
    fn level(output: usize, level: f64, power: f64) -> Self {
        Self(question::Loss::Level { output, level, power })
    }

    #[staticmethod]
    fn negative_entropy() -> Self {
        Self(question::Loss::NegativeEntropy)
    }

    #[staticmethod]
    fn require_label(label: usize) -> Self {
        Self(question::Loss::RequireLabel { label })
    }

    #[staticmethod]
    fn require_band(lower: f64, upper: f64) -> Self {
        Self(question::Loss::RequireBand { lower, upper })
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

#[pyclass(frozen, from_py_object, module = "sondage._core")]
#[derive(Clone)]
pub(crate) struct Localizer(question::Localizer);

#[pymethods]
impl Localizer {
    #[new]
    fn new(
        py: Python<'_>,
        weight: f64,
        power: u32,
        anchor: PyReadonlyArray1<'_, f64>,
        column_weights: PyReadonlyArray1<'_, f64>,
    ) -> PyResult<Self> {
        question::Localizer::new(weight, power, vector(&anchor)?, vector(&column_weights)?)
            .map(Self)
            .map_err(|error| to_python(py, &error))
    }
}

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Energy {
    pub(crate) inner: Arc<question::Energy>,
}

#[pymethods]
impl Energy {
    #[new]
    #[pyo3(signature = (*, lower, upper, models, columns, terms, localizers))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        lower: PyReadonlyArray1<'_, f64>,
        upper: PyReadonlyArray1<'_, f64>,
        models: Vec<PyRef<'_, Graph>>,
        columns: Vec<PyReadonlyArray1<'_, i64>>,
        terms: Vec<(f64, usize, usize, Loss)>,
        localizers: Vec<Localizer>,
    ) -> PyResult<Self> {
        let parts = question::Parts {
            bounds: Bounds::new(vector(&lower)?, vector(&upper)?).map_err(|error| to_python(py, &error))?,
            models: models.iter().map(|model| model.inner.clone()).collect(),
            columns: columns.iter().map(|columns| indices(py, columns)).collect::<PyResult<_>>()?,
            terms: terms
                .into_iter()
                .map(|(weight, model, node, loss)| question::Term { weight, model, node, loss: loss.0 })
                .collect(),
            localizers: localizers.into_iter().map(|localizer| localizer.0).collect(),
        };
        let inner = detached(py, || question::Energy::new(parts))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    #[pyo3(signature = (rows, outputs=None))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        outputs: Option<PyReadonlyArray2<'py, f64>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let input = self::rows(py, &rows, self.inner.bounds().len())?;
        let given = match &outputs {
            Some(outputs) => self::rows(py, outputs, self.inner.foreign_width())?,
            None => &[],
        };
        Ok(detached(py, || self.inner.evaluate_with(input, given))?.into_pyarray(py))
    }

    fn gradient<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let d = self.inner.bounds().len();
        let input = self::rows(py, &rows, d)?;
        let out = detached(py, || self.inner.gradient(input))?;
        let n = out.len() / d;
        out.into_pyarray(py).reshape([n, d])
    }

    /// `(model, node)` of what other libraries compute, in the order in which their outputs are taken.
    #[getter]
    fn foreign(&self) -> Vec<(usize, usize)> {
        self.inner.foreign().iter().map(|node| (node.model, node.node)).collect()
    }

    #[getter]
    fn stepwise(&self) -> bool {
        self.inner.stepwise()
    }

    #[getter]
    fn sloped(&self) -> bool {
        self.inner.sloped()
    }

    #[getter]
    fn differentiable(&self) -> bool {
        self.inner.differentiable()
    }
}
