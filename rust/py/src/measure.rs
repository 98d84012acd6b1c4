//! `Measurement`: a probability that Python lets grow more precise in slices of time.

use std::sync::Mutex;
use std::time::Duration;

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sondage_core::error::Error;
use sondage_core::measure::{self, Measure, Settings, Status};

use crate::arrays::vector;
use crate::energy::Energy;
use crate::errors::named;
use crate::guard::detached;
use crate::reference::Reference;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Measurement {
    /// `None` once finished.
    inner: Mutex<Option<Measure>>,
    columns: usize,
    foreign: bool,
}

impl Measurement {
    fn with<T>(&self, f: impl FnOnce(&mut Measure) -> T) -> Result<T, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let over = || Error::Sampling("this measurement has been finished".into());
        inner.as_mut().map(f).ok_or_else(over)
    }

    fn array<'py>(&self, py: Python<'py>, rows: Vec<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = rows.len() / self.columns;
        rows.into_pyarray(py).reshape([n, self.columns])
    }
}

#[pymethods]
impl Measurement {
    /// Without `at_most` the event is that G is finite. `foreign`: G is told by the caller.
    #[new]
    #[pyo3(signature = (question, *, guide, reference, key, at_most, by_guide, steered, relative_error, threads, foreign))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        question: PyRef<'_, Energy>,
        guide: Option<PyRef<'_, Energy>>,
        reference: Option<PyRef<'_, Reference>>,
        key: &Bound<'_, PyBytes>,
        at_most: Option<f64>,
        by_guide: bool,
        steered: bool,
        relative_error: f64,
        threads: usize,
        foreign: bool,
    ) -> PyResult<Self> {
        let key: [u8; 32] = key
            .as_bytes()
            .try_into()
            .map_err(|_| named(py, "SamplingError", "key must be 32 bytes".into()))?;
        let at_most = at_most.unwrap_or(f64::MAX);
        let settings = Settings { key, at_most, by_guide, steered, relative_error, threads, foreign };
        let question = question.inner.clone();
        let guide = guide.map(|guide| guide.inner.clone());
        let reference = reference.map(|reference| reference.inner.clone());
        let columns = question.bounds().len();
        let run = detached(py, || Measure::new(question, guide, reference, settings))?;
        Ok(Self { inner: Mutex::new(Some(run)), columns, foreign })
    }

    /// Rows of the base measure.
    fn draws<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let rows = detached(py, || self.with(|run| run.draws(n)))?;
        self.array(py, rows)
    }

    /// Goes on for about this long with the GIL released; true when it is over.
    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let time = Duration::try_from_secs_f64(seconds)
            .map_err(|_| named(py, "SamplingError", format!("cannot advance by {seconds} seconds")))?;
        if self.foreign {
            return Err(named(
                py,
                "SamplingError",
                "G is evaluated by the caller: ask it and tell it".into(),
            ));
        }
        detached(py, || self.with(|run| run.advance(time)))
    }

    /// Rows whose G is needed now, and whether that of the guide is as well; None when it is over.
    #[allow(clippy::type_complexity)]
    fn ask<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyArray2<f64>>, bool)>> {
        let asked = detached(py, || self.with(measure::Measure::ask))?;
        let Some(measure::Asked { rows, guided }) = asked else { return Ok(None) };
        Ok(Some((self.array(py, rows)?, guided)))
    }

    /// Takes G of those rows, of the guide, and which of them lie in the space.
    #[pyo3(signature = (energies, guide=None, admitted=None))]
    fn tell(
        &self,
        py: Python<'_>,
        energies: PyReadonlyArray1<'_, f64>,
        guide: Option<PyReadonlyArray1<'_, f64>>,
        admitted: Option<PyReadonlyArray1<'_, bool>>,
    ) -> PyResult<()> {
        let energies = vector(&energies)?;
        let guide = guide.map(|guide| vector(&guide)).transpose()?;
        let admitted = admitted.map(|admitted| vector(&admitted)).transpose()?;
        detached(py, || self.with(|run| run.tell(&energies, guide.as_deref(), admitted.as_deref()))?)
    }

    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        detached(py, || self.with(|run| run.progress()))
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = detached(py, || {
            let run = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            run.map(Measure::finish)
                .ok_or_else(|| Error::Sampling("this measurement has been finished".into()))
        })?;
        let out = PyDict::new(py);
        out.set_item("log_p", found.log_p)?;
        out.set_item("log_se", found.log_se)?;
        out.set_item("interval", found.interval)?;
        out.set_item("levels", found.levels)?;
        out.set_item("calls", found.calls)?;
        let status = match found.status {
            Status::Running => "running",
            Status::Complete => "complete",
            Status::Imprecise => "imprecise",
            Status::NotSeen => "not_seen",
            Status::NeedsGuide => "needs_guide",
        };
        out.set_item("status", status)?;
        out.set_item("examples", self.array(py, found.examples)?)?;
        Ok(out)
    }
}
