//! `Loss`, `Localizer`, `Energy`: a question bound to a space.

use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sondage_core::error::Error;
use sondage_core::space::{Bounds, Kind, Lookup};
use sondage_core::{driver, question};

use crate::arrays::{indices, rows, vector};
use crate::constraint::Constraint;
use crate::errors::{named, to_python};
use crate::graph::Graph;
use crate::guard::detached;
use crate::kernel::Kernel;
use crate::reference::Reference;
use crate::stack::Stack;

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

    #[staticmethod]
    fn value() -> Self {
        Self(question::Loss::Value)
    }

    #[staticmethod]
    fn other_label(log: bool) -> Self {
        Self(question::Loss::OtherLabel { log })
    }

    #[staticmethod]
    fn other_margin() -> Self {
        Self(question::Loss::OtherMargin)
    }

    #[staticmethod]
    fn other_hinge() -> Self {
        Self(question::Loss::OtherHinge)
    }

    #[staticmethod]
    fn likeness(sigma: f64) -> Self {
        Self(question::Loss::Likeness { sigma })
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
    #[pyo3(signature = (*, lower, upper, models, columns, terms, localizers, means=vec![], decoder=None, decoded=None, kinds=None, missing=None, lookups=vec![], reference=None, constraints=vec![], decoded_constraints=vec![]))]
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn new(
        py: Python<'_>,
        lower: PyReadonlyArray1<'_, f64>,
        upper: PyReadonlyArray1<'_, f64>,
        models: Vec<PyRef<'_, Graph>>,
        columns: Vec<PyReadonlyArray1<'_, i64>>,
        terms: Vec<(f64, Vec<(usize, usize)>, Loss)>,
        localizers: Vec<Localizer>,
        means: Vec<(f64, PyRef<'_, Stack>, PyReadonlyArray1<'_, i64>, usize, Option<(usize, usize)>, Loss)>,
        decoder: Option<(PyRef<'_, Graph>, usize)>,
        decoded: Option<(PyReadonlyArray1<'_, f64>, PyReadonlyArray1<'_, f64>)>,
        kinds: Option<PyReadonlyArray1<'_, u8>>,
        missing: Option<PyReadonlyArray1<'_, f64>>,
        lookups: Vec<(usize, f64, PyReadonlyArray1<'_, f64>)>,
        reference: Option<(f64, PyRef<'_, Reference>)>,
        constraints: Vec<PyRef<'_, Constraint>>,
        decoded_constraints: Vec<PyRef<'_, Constraint>>,
    ) -> PyResult<Self> {
        let failed = |error| to_python(py, &error);
        let mut bounds = Bounds::new(vector(&lower)?, vector(&upper)?).map_err(failed)?;
        if let Some(kinds) = kinds {
            let kinds = kinds.as_slice()?.iter().map(|&code| kind(code)).collect::<Result<_, _>>();
            bounds = kinds.and_then(|kinds| bounds.with_kinds(kinds)).map_err(failed)?;
        }
        if let Some(missing) = missing {
            bounds = bounds.with_missing(vector(&missing)?).map_err(failed)?;
        }
        let decoder = match (decoder, decoded) {
            (Some((graph, node)), Some((lower, upper))) => Some(
                question::Decoder::new(graph.inner.clone(), node, vector(&lower)?, vector(&upper)?)
                    .map_err(failed)?
                    .under(decoded_constraints.iter().map(|own| own.inner.clone()).collect()),
            ),
            _ => None,
        };
        let parts = question::Parts {
            bounds,
            decoder,
            lookups: lookups
                .into_iter()
                .map(|(column, first, values)| Lookup::new(column, first, vector(&values)?).map_err(failed))
                .collect::<PyResult<_>>()?,
            reference: reference.map(|(temperature, reference)| (temperature, reference.inner.clone())),
            constraints: constraints.iter().map(|own| own.inner.clone()).collect(),
            models: models.iter().map(|model| model.inner.clone()).collect(),
            columns: columns.iter().map(|columns| indices(py, columns)).collect::<PyResult<_>>()?,
            terms: terms
                .into_iter()
                .map(|(weight, nodes, loss)| {
                    let mut nodes = nodes.into_iter();
                    let first = nodes
                        .next()
                        .ok_or_else(|| failed(Error::Question("a term asks for one node or two".into())))?;
                    Ok(question::Term { weight, first, second: nodes.next(), loss: loss.0 })
                })
                .collect::<PyResult<_>>()?,
            means: means
                .into_iter()
                .map(|(weight, stack, columns, node, second, loss)| {
                    let (stack, columns) = (stack.inner.clone(), indices(py, &columns)?);
                    Ok(question::Mean { weight, stack, columns, node, second, loss: loss.0 })
                })
                .collect::<PyResult<_>>()?,
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

    /// Up to `n` independent rows of the base measure within the constraints: those of a chain under a run's key.
    fn base_rows<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyBytes>,
        chain: u64,
        n: usize,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let key: [u8; 32] = key
            .as_bytes()
            .try_into()
            .map_err(|_| named(py, "SamplingError", "key must be 32 bytes".into()))?;
        let rows = detached(py, || Ok(driver::base_rows(&self.inner, &key, chain, n)))?;
        let d = self.inner.bounds().len();
        let n = rows.len() / d;
        rows.into_pyarray(py).reshape([n, d])
    }

    /// Rows that foreign models are asked about, of rows that are sampled.
    fn asked_rows<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let input = self::rows(py, &rows, self.inner.bounds().len())?;
        let out = detached(py, || self.inner.asked_rows(input))?;
        out.into_pyarray(py).reshape([rows.shape()[0], self.inner.n_asked()])
    }

    /// `pull` takes cotangents of the outputs of foreign models to those of the rows that they were asked about.
    #[pyo3(signature = (rows, outputs=None, pull=None))]
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        outputs: Option<PyReadonlyArray2<'py, f64>>,
        pull: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (d, width) = (self.inner.bounds().len(), self.inner.foreign_width());
        let input = self::rows(py, &rows, d)?;
        let out = match (outputs, pull) {
            (Some(outputs), Some(pull)) => {
                let given = self::rows(py, &outputs, width)?;
                let n = rows.shape()[0];
                let slopes = self.inner.slopes(input, given, |cotangents| -> Result<_, Failure> {
                    let cotangents = PyArray1::from_slice(py, cotangents).reshape([n, width])?;
                    let pulled: PyReadonlyArray2<'_, f64> = pull.call1((cotangents,))?.extract()?;
                    Ok(self::rows(py, &pulled, self.inner.n_asked())?.to_vec())
                });
                slopes.map_err(|failure| match failure {
                    Failure::Core(error) => to_python(py, &error),
                    Failure::Python(error) => error,
                })?
            }
            _ => detached(py, || self.inner.gradient(input))?,
        };
        out.into_pyarray(py).reshape([rows.shape()[0], d])
    }

    /// `(model, node)` of what other libraries compute, in the order in which their outputs are taken; no model
    /// is the decoder.
    #[getter]
    fn foreign(&self) -> Vec<(Option<usize>, usize)> {
        self.inner.foreign().iter().map(|node| (node.model, node.node)).collect()
    }

    #[getter]
    fn stepwise(&self) -> bool {
        self.inner.stepwise()
    }

    /// Columns of the sampled rows that `Conditional` draws.
    #[getter]
    fn drawn(&self) -> Vec<usize> {
        (0..self.inner.bounds().len()).filter(|&d| self.inner.draws(d)).collect()
    }

    /// How often a sweep of `Conditional` evaluates the question.
    #[getter]
    fn evaluated(&self) -> usize {
        self.inner.evaluated()
    }

    /// Whether a model is asked.
    #[getter]
    fn asks(&self) -> bool {
        self.inner.asks()
    }

    /// Whether the base measure is not uniform.
    #[getter]
    fn referenced(&self) -> bool {
        self.inner.reference().is_some()
    }

    /// Whether something moves that is continuous.
    #[getter]
    fn continuous(&self) -> bool {
        !self.inner.bounds().continuous().is_empty()
    }

    /// Whether something moves that is not.
    #[getter]
    fn mixed(&self) -> bool {
        self.inner.bounds().mixed()
    }

    /// The first column that moves in the space and not by a kernel that can serve the question.
    fn left_by(&self, kernel: PyRef<'_, Kernel>) -> Option<usize> {
        kernel.0.check(&self.inner).ok().and_then(|()| kernel.0.leaves(&self.inner))
    }

    #[getter]
    fn sloped(&self) -> bool {
        self.inner.sloped()
    }

    /// Whether there are means over stacks.
    #[getter]
    fn averages(&self) -> bool {
        self.inner.averages()
    }

    #[getter]
    fn differentiable(&self) -> bool {
        self.inner.differentiable()
    }
}

pub(crate) fn kind(code: u8) -> Result<Kind, Error> {
    match code {
        0 => Ok(Kind::Continuous),
        1 => Ok(Kind::Integer),
        2 => Ok(Kind::Level),
        _ => Err(Error::Space(format!("there is no kind of column with the number {code}"))),
    }
}

/// What can go wrong where the core calls back.
enum Failure {
    Core(Error),
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}
