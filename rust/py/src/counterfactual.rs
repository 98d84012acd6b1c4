//! `Search`: counterfactuals of many rows.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sondage_core::counterfactual;

use crate::arrays::rows;
use crate::energy::Energy;
use crate::errors::{named, to_python};
use crate::guard::detached;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Search {
    inner: counterfactual::Search,
    columns: usize,
}

type Answers<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>);

#[pymethods]
impl Search {
    /// Of an energy that holds requirements and perhaps a reference.
    #[new]
    #[pyo3(signature = (energy, *, n, costs, threads))]
    fn new(
        py: Python<'_>,
        energy: PyRef<'_, Energy>,
        n: usize,
        costs: Vec<f64>,
        threads: usize,
    ) -> PyResult<Self> {
        let settings = counterfactual::Settings { n, costs, threads };
        let energy = energy.inner.clone();
        let inner = py
            .detach(|| counterfactual::Search::new(&energy, &settings))
            .map_err(|error| to_python(py, &error))?;
        Ok(Self { inner, columns: energy.bounds().len() })
    }

    /// Rows around queries: how many for each, the rows one after another, and where there are none the row that
    /// came nearest, for each query. `keys` are 32 bytes for each.
    fn run<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray2<'py, f64>,
        lower: PyReadonlyArray2<'py, f64>,
        upper: PyReadonlyArray2<'py, f64>,
        keys: &Bound<'py, PyBytes>,
    ) -> PyResult<Answers<'py>> {
        let (n, d) = (rows.shape()[0], self.columns);
        let own = self::rows(py, &rows, d)?;
        let (lower, upper) = (self::rows(py, &lower, d)?, self::rows(py, &upper, d)?);
        let (keys, rest) = keys.as_bytes().as_chunks::<32>();
        if lower.len() != own.len() || upper.len() != own.len() || keys.len() != n || !rest.is_empty() {
            return Err(named(
                py,
                "DataError",
                format!("{n} queries need as many bounds and keys of 32 bytes"),
            ));
        }
        let queries: Vec<_> = (0..n)
            .map(|i| counterfactual::Query {
                row: &own[i * d..(i + 1) * d],
                lower: &lower[i * d..(i + 1) * d],
                upper: &upper[i * d..(i + 1) * d],
                key: &keys[i],
            })
            .collect();
        let found = detached(py, || self.inner.run(&queries))?;
        let counts: Vec<i64> = found.iter().map(|f| f.rows.len() as i64).collect();
        let flat: Vec<f64> = found.iter().flat_map(|f| f.rows.concat()).collect();
        let nearest: Vec<f64> = found
            .iter()
            .flat_map(|f| if f.nearest.is_empty() { vec![f64::NAN; d] } else { f.nearest.clone() })
            .collect();
        let total = flat.len() / d.max(1);
        Ok((
            counts.into_pyarray(py),
            flat.into_pyarray(py).reshape([total, d])?,
            nearest.into_pyarray(py).reshape([n, d])?,
        ))
    }
}
