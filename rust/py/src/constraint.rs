//! `Constraint`: what rows must fulfil beside bounds.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use sondage_core::error::Error;
use sondage_core::space::{self, Bounds, Step};

use crate::arrays::{rows, vector};
use crate::energy::kind;
use crate::errors::to_python;
use crate::guard::detached;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Constraint {
    pub(crate) inner: Arc<space::Constraint>,
    /// Columns of a row.
    n: usize,
}

#[pymethods]
impl Constraint {
    /// `steps` in postfix order, each a word and, for columns and constants, a number.
    #[new]
    fn new(py: Python<'_>, name: String, steps: Vec<(String, f64)>, n: usize) -> PyResult<Self> {
        let steps = steps.iter().map(|(word, number)| step(word, *number)).collect::<Result<Vec<_>, _>>();
        let inner = steps
            .and_then(|steps| space::Constraint::new(name, &steps, n))
            .map_err(|error| to_python(py, &error))?;
        Ok(Self { inner: Arc::new(inner), n })
    }

    /// 0 for rows where it holds, more the further they are from it.
    fn violation<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let input = self::rows(py, &rows, self.n)?;
        let violation = |row: &[f64]| self.inner.violation(|d| row[d]);
        let out = detached(py, || Ok(input.chunks_exact(self.n).map(violation).collect::<Vec<_>>()))?;
        Ok(out.into_pyarray(py))
    }

    /// Whether a row within bounds may fulfil it, and whether real numbers do with probability 0.
    fn on(
        &self,
        py: Python<'_>,
        lower: PyReadonlyArray1<'_, f64>,
        upper: PyReadonlyArray1<'_, f64>,
        kinds: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<(bool, bool)> {
        let kinds = kinds.as_slice()?.iter().map(|&code| kind(code)).collect::<Result<_, _>>();
        let bounds = Bounds::new(vector(&lower)?, vector(&upper)?)
            .and_then(|bounds| bounds.with_kinds(kinds?))
            .map_err(|error| to_python(py, &error))?;
        Ok((self.inner.possible(&bounds), self.inner.thin(&bounds)))
    }
}

fn step(word: &str, number: f64) -> Result<Step, Error> {
    Ok(match word {
        "column" => Step::Column(number as usize),
        "constant" => Step::Constant(number),
        "negative" => Step::Negative,
        "abs" => Step::Abs,
        "+" => Step::Add,
        "-" => Step::Subtract,
        "*" => Step::Multiply,
        "/" => Step::Divide,
        "min" => Step::Least,
        "max" => Step::Most,
        "<" => Step::Less,
        "<=" => Step::AtMost,
        "==" => Step::Equal,
        "!=" => Step::Differs,
        "is" => Step::Is,
        "is not" => Step::IsNot,
        "and" => Step::Both,
        "or" => Step::Either,
        _ => return Err(Error::Space(format!("there is no step {word:?} in a constraint"))),
    })
}
