//! `Run`: chains that Python advances in slices of time.

use std::sync::Mutex;
use std::time::Duration;

use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use sondage_core::driver;
use sondage_core::error::Error;
use sondage_core::space::Boundary;

use crate::arrays::rows;
use crate::energy::Energy;
use crate::errors::named;
use crate::guard::detached;
use crate::kernel::Kernel;

#[pyclass(frozen, module = "sondage._core")]
pub(crate) struct Run {
    /// `None` once finished.
    inner: Mutex<Option<driver::Run>>,
    /// Columns of the rows that foreign models are asked about.
    columns: usize,
    /// Numbers that foreign models give a row.
    width: usize,
}

fn over() -> Error {
    Error::Sampling("this run has been finished".into())
}

impl Run {
    fn with<T>(&self, f: impl FnOnce(&mut driver::Run) -> T) -> Result<T, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.as_mut().map(f).ok_or_else(over)
    }

    fn taken(&self) -> Result<driver::Run, Error> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take().ok_or_else(over)
    }
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (energy, kernel, *, key, chains, temperature, warmup, draws, thin, boundary, threads, start, ladder=None, every=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        energy: PyRef<'_, Energy>,
        kernel: Kernel,
        key: &Bound<'_, PyBytes>,
        chains: usize,
        temperature: f64,
        warmup: u64,
        draws: usize,
        thin: u64,
        boundary: &str,
        threads: usize,
        start: Option<PyReadonlyArray2<'_, f64>>,
        ladder: Option<Vec<f64>>,
        every: bool,
    ) -> PyResult<Self> {
        let key: [u8; 32] = key
            .as_bytes()
            .try_into()
            .map_err(|_| named(py, "SamplingError", "key must be 32 bytes".into()))?;
        let boundary = match boundary {
            "reflect" => Boundary::Reflect,
            "reject" => Boundary::Reject,
            "clip" => Boundary::Clip,
            other => {
                let message = format!("boundary must be 'reflect', 'reject' or 'clip', not {other:?}");
                return Err(named(py, "SamplingError", message));
            }
        };
        let start = match start {
            Some(start) if start.shape() != [chains, energy.inner.bounds().len()] => {
                let message = format!(
                    "start has shape {:?}, not (chains, columns) = ({chains}, {})",
                    start.shape(),
                    energy.inner.bounds().len()
                );
                return Err(named(py, "SamplingError", message));
            }
            Some(start) => Some(start.as_array().iter().copied().collect()),
            None => None,
        };
        let settings =
            driver::Settings { key, chains, temperature, warmup, draws, thin, boundary, threads, start };
        let energy = energy.inner.clone();
        let (columns, width) = (energy.n_asked(), energy.foreign_width());
        let ladder = driver::Ladder { temperatures: ladder.unwrap_or_else(|| vec![temperature]), every };
        let run = detached(py, || driver::Run::tempered(energy, kernel.0, settings, &ladder))?;
        Ok(Self { inner: Mutex::new(Some(run)), columns, width })
    }

    /// Runs for about this long with the GIL released; true when every chain has finished.
    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let time = Duration::try_from_secs_f64(seconds)
            .map_err(|_| named(py, "SamplingError", format!("cannot advance by {seconds} seconds")))?;
        if self.width > 0 {
            let message = "models of this run are evaluated by their own libraries: ask it and tell it";
            return Err(named(py, "SamplingError", message.into()));
        }
        detached(py, || self.with(|run| run.advance(time)))
    }

    /// Rows whose outputs of foreign models are needed now, and whether gradients are as well; None when every
    /// chain has finished.
    #[allow(clippy::type_complexity)]
    fn ask<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyArray2<f64>>, bool)>> {
        let asked = detached(py, || self.with(|run| run.ask())?)?;
        let Some(driver::Asked { rows, gradient }) = asked else { return Ok(None) };
        let n = rows.len() / self.columns;
        Ok(Some((rows.into_pyarray(py).reshape([n, self.columns])?, gradient)))
    }

    /// Takes the outputs of foreign models for those rows; gives their cotangents where gradients are needed.
    fn tell<'py>(
        &self,
        py: Python<'py>,
        outputs: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let given = rows(py, &outputs, self.width)?;
        let told = detached(py, || self.with(|run| run.tell(given))?)?;
        let Some(cotangents) = told else { return Ok(None) };
        let n = cotangents.len() / self.width;
        cotangents.into_pyarray(py).reshape([n, self.width]).map(Some)
    }

    /// Takes the gradients of what `tell` gave: for each row, the sum of cotangent times slope.
    fn tell_gradient(&self, py: Python<'_>, gradient: PyReadonlyArray2<'_, f64>) -> PyResult<()> {
        let given = rows(py, &gradient, self.columns)?;
        detached(py, || self.with(|run| run.tell_gradient(given))?)
    }

    /// All that a run of the same arguments needs to go on from here; None where this one cannot be left now.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let state = detached(py, || self.with(driver::Run::save)?)?;
        Ok(state.map(|bytes| PyBytes::new(py, &bytes)))
    }

    /// Goes on from what was saved.
    fn restore(&self, py: Python<'_>, state: &Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = state.as_bytes();
        detached(py, || self.with(|run| run.restore(bytes))?)
    }

    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64, u64)> {
        detached(py, || self.with(|run| run.progress()))
    }

    /// What was drawn: at the lowest temperature.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        sample_dict(py, detached(py, || self.taken().map(driver::Run::finish))?)
    }

    /// What was drawn: at every temperature where rows of all were kept, in their order.
    fn finish_all<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let samples = detached(py, || self.taken().map(driver::Run::finish_all))?;
        samples.into_iter().map(|sample| sample_dict(py, sample)).collect()
    }
}

fn sample_dict(py: Python<'_>, sample: driver::Sample) -> PyResult<Bound<'_, PyDict>> {
    let chains = sample.steps.len();
    let columns = sample.columns;
    let out = PyDict::new(py);
    out.set_item("draws", sample.draws.into_pyarray(py).reshape([chains, sample.n, columns])?)?;
    out.set_item("energies", sample.energies.into_pyarray(py).reshape([chains, sample.n])?)?;
    out.set_item("nonfinite", integers(py, sample.nonfinite))?;
    out.set_item("nonfinite_drift", integers(py, sample.nonfinite_drift))?;
    out.set_item("steps", integers(py, sample.steps))?;
    out.set_item("seconds_warmup", sample.seconds_warmup)?;
    out.set_item("seconds_sampling", sample.seconds_sampling)?;
    out.set_item("exact", sample.exact)?;
    let kernels = PyList::empty(py);
    for report in sample.kernels {
        let kernel = PyDict::new(py);
        kernel.set_item("name", report.name)?;
        kernel.set_item("acceptance", report.acceptance.into_pyarray(py))?;
        kernel.set_item("step", report.step.into_pyarray(py))?;
        kernel.set_item("steps", integers(py, report.steps))?;
        kernels.append(kernel)?;
    }
    out.set_item("kernels", kernels)?;
    if let Some(report) = sample.ladder {
        let ladder = PyDict::new(py);
        ladder.set_item("temperatures", report.temperatures)?;
        ladder.set_item("swaps", report.swaps)?;
        ladder.set_item("stones", report.stones)?;
        ladder.set_item("round_trips", report.round_trips)?;
        out.set_item("ladder", ladder)?;
    }
    Ok(out)
}

fn integers(py: Python<'_>, values: Vec<u64>) -> Bound<'_, numpy::PyArray1<i64>> {
    values.into_iter().map(|v| v as i64).collect::<Vec<_>>().into_pyarray(py)
}
