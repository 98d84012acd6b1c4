//! `Graph`: a model as operations on vectors.

use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use sondage_core::error::Error;
use sondage_core::model::graph::{self, Activation, Feature, KernelKind, Matrix, Op, Step};

use crate::arrays::{rows, vector};
use crate::errors::{named, to_python};
use crate::guard::detached;
use crate::tree::TreeEnsemble;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Graph {
    pub(crate) inner: Arc<graph::Graph>,
    /// As given, for pickling.
    operations: Py<PyList>,
}

#[pymethods]
impl Graph {
    #[new]
    fn new(py: Python<'_>, n_columns: usize, operations: Bound<'_, PyList>) -> PyResult<Self> {
        let ops = operations
            .iter()
            .map(|operation| op(operation.cast::<PyTuple>()?))
            .collect::<PyResult<Vec<_>>>()?;
        let inner = detached(py, || graph::Graph::new(n_columns, ops))?;
        Ok(Self { inner: Arc::new(inner), operations: operations.unbind() })
    }

    fn forward<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        node: usize,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let input = self::rows(py, &rows, self.inner.n_columns())?;
        let n = rows.shape()[0];
        let out = detached(py, || self.inner.forward(input, node))?;
        let width = self.inner.width(node).unwrap_or(0);
        out.into_pyarray(py).reshape([n, width])
    }

    fn vjp<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        node: usize,
        cotangent: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let d = self.inner.n_columns();
        let input = self::rows(py, &rows, d)?;
        let width = self.inner.width(node).unwrap_or(0);
        let given = self::rows(py, &cotangent, width)?;
        let out = detached(py, || self.inner.vjp(input, node, given))?;
        out.into_pyarray(py).reshape([rows.shape()[0], d])
    }

    fn width(&self, py: Python<'_>, node: usize) -> PyResult<usize> {
        let known = self.inner.width(node);
        known.ok_or_else(|| to_python(py, &Error::Model(format!("a model graph has no node {node}"))))
    }

    fn stepwise(&self, py: Python<'_>, node: usize) -> PyResult<bool> {
        self.width(py, node)?;
        Ok(self.inner.stepwise(node))
    }

    fn differentiable(&self, py: Python<'_>, node: usize) -> PyResult<bool> {
        self.width(py, node)?;
        Ok(self.inner.differentiable(node))
    }

    #[getter]
    fn n_columns(&self) -> usize {
        self.inner.n_columns()
    }

    #[getter]
    fn n_trees(&self) -> usize {
        self.inner.ensembles().map(|(_, ensemble)| ensemble.n_trees()).sum()
    }

    #[getter]
    fn n_leaves_max(&self) -> usize {
        self.inner.ensembles().map(|(_, ensemble)| ensemble.n_leaves_max()).max().unwrap_or(0)
    }

    #[getter]
    fn operations(&self, py: Python<'_>) -> Py<PyList> {
        self.operations.clone_ref(py)
    }

    fn __getnewargs__(&self, py: Python<'_>) -> (usize, Py<PyList>) {
        (self.inner.n_columns(), self.operations.clone_ref(py))
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __repr__(&self) -> String {
        format!("Graph(n_columns={}, {} operations)", self.inner.n_columns(), self.inner.len())
    }
}

/// Entries of an operation's tuple behind its name.
struct Arguments<'a, 'py>(&'a Bound<'py, PyTuple>);

impl<'py> Arguments<'_, 'py> {
    fn get<T>(&self, i: usize) -> PyResult<T>
    where
        T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
    {
        self.0.get_item(i + 1)?.extract()
    }

    fn source(&self) -> PyResult<usize> {
        self.get(0)
    }

    fn sources(&self) -> PyResult<Vec<usize>> {
        self.get(0)
    }

    fn numbers(&self, i: usize) -> PyResult<Vec<f64>> {
        let item = self.0.get_item(i + 1)?;
        let array: PyReadonlyArray1<'_, f64> = item.extract()?;
        vector(&array)
    }

    fn matrix(&self, i: usize) -> PyResult<Matrix> {
        let item = self.0.get_item(i + 1)?;
        let array: PyReadonlyArray2<'_, f64> = item.extract()?;
        let [rows, columns] = [array.shape()[0], array.shape()[1]];
        let values = array.as_array().iter().copied().collect();
        Matrix::new(rows, columns, values).map_err(|error| to_python(self.0.py(), &error))
    }
}

fn op(tuple: &Bound<'_, PyTuple>) -> PyResult<Op> {
    let py = tuple.py();
    let name: String = tuple.get_item(0)?.extract()?;
    let a = Arguments(tuple);
    Ok(match name.as_str() {
        "row" => Op::Row,
        "encode" => {
            let features = tuple.get_item(1)?;
            Op::Encode(features.try_iter()?.map(|f| feature(&f?)).collect::<PyResult<_>>()?)
        }
        "trees" => Op::Trees(tuple.get_item(1)?.cast::<TreeEnsemble>()?.get().inner.clone()),
        "foreign" => Op::Foreign { width: a.get(0)?, gradient: a.get(1)? },
        "linear" => Op::Linear { source: a.source()?, weights: a.matrix(1)?, bias: a.numbers(2)? },
        "kernel" => {
            let (kind, gamma, coef0, degree): (String, f64, f64, u32) =
                (a.get(1)?, a.get(3)?, a.get(4)?, a.get(5)?);
            let kind = match kind.as_str() {
                "linear" => KernelKind::Linear,
                "poly" => KernelKind::Poly { gamma, coef0, degree },
                "rbf" => KernelKind::Rbf { gamma },
                "sigmoid" => KernelKind::Sigmoid { gamma, coef0 },
                other => return Err(unknown(py, "kernel", other)),
            };
            Op::Kernel { source: a.source()?, kind, vectors: a.matrix(2)? }
        }
        "activation" => {
            let given: String = a.get(1)?;
            let known = Activation::ALL.iter().find(|(name, _)| *name == given);
            let kind = known.ok_or_else(|| unknown(py, "activation", &given))?.1;
            Op::Activation { source: a.source()?, kind }
        }
        "affine" => Op::Affine { source: a.source()?, scale: a.numbers(1)?, shift: a.numbers(2)? },
        "clip" => Op::Clip { source: a.source()?, lower: a.get(1)?, upper: a.get(2)? },
        "softmax" => Op::Softmax { source: a.source()? },
        "softmax32" => Op::SingleSoftmax { source: a.source()? },
        "log_softmax" => Op::LogSoftmax { source: a.source()? },
        "logistic_pair" => Op::LogisticPair { source: a.source()? },
        "log_logistic_pair" => Op::LogLogisticPair { source: a.source()? },
        "normalize" => Op::Normalize { source: a.source()? },
        "pick" => {
            let item = tuple.get_item(2)?;
            let indices: PyReadonlyArray1<'_, i64> = item.extract()?;
            let indices = vector(&indices)?.into_iter().map(|i| usize::try_from(i).ok()).collect();
            Op::Pick { source: a.source()?, indices }
        }
        "concat" => Op::Concat { sources: a.sources()? },
        "combine" => Op::Combine { sources: a.sources()?, weights: a.numbers(1)?, divisor: a.get(2)? },
        "multiply" => Op::Multiply { a: a.get(0)?, b: a.get(1)? },
        "one_hot_argmax" => Op::OneHotArgmax { source: a.source()? },
        "step" => Op::Step { source: a.source()?, threshold: a.get(1)? },
        "pair_votes" => Op::PairVotes { source: a.source()?, n_classes: a.get(1)? },
        "pair_scores" => Op::PairScores { source: a.source()?, n_classes: a.get(1)? },
        "pair_coupling" => Op::PairCoupling { source: a.source()?, n_classes: a.get(1)? },
        "interpolate" => Op::Interpolate { source: a.source()?, x: a.numbers(1)?, y: a.numbers(2)? },
        other => return Err(unknown(py, "operation", other)),
    })
}

fn unknown(py: Python<'_>, what: &str, name: &str) -> PyErr {
    named(py, "ModelError", format!("a model graph has no {what} {name:?}"))
}

fn feature(object: &Bound<'_, PyAny>) -> PyResult<Feature> {
    let py = object.py();
    let column: usize = object.getattr("column")?.extract()?;
    if object.hasattr("steps")? {
        let steps = object.getattr("steps")?;
        let steps = steps.try_iter()?.map(|step| {
            let step = step?;
            let kind: String = step.getattr("kind")?.extract()?;
            let c: f64 = step.getattr("value")?.extract()?;
            Ok(match kind.as_str() {
                "sub" => Step::Sub(c),
                "add" => Step::Add(c),
                "mul" => Step::Mul(c),
                "div" => Step::Div(c),
                "max" => Step::Max(c),
                "min" => Step::Min(c),
                "impute" => Step::Impute(c),
                "log1p" => Step::Log1p,
                other => return Err(unknown(py, "step", other)),
            })
        });
        return Ok(Feature::Chain { column, steps: steps.collect::<PyResult<_>>()? });
    }
    Ok(Feature::Table {
        column,
        values: object.getattr("values")?.extract()?,
        unknown: object.getattr("unknown")?.extract()?,
        missing: object.getattr("missing")?.extract()?,
    })
}
