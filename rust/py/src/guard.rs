//! The one door to long work: release the GIL, catch panics, map errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use sondage_core::error::Result;

use crate::errors::{named, to_python};

/// Runs `work` with the GIL released. A panic becomes `InternalError`.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    settled(py, py.detach(|| catch_unwind(AssertUnwindSafe(work))))
}

/// [`detached`] for work of a few microseconds, which keeps the GIL.
pub(crate) fn attached<T>(py: Python<'_>, work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    settled(py, catch_unwind(AssertUnwindSafe(work)))
}

fn settled<T>(py: Python<'_>, outcome: std::thread::Result<Result<T>>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_python(py, &error)),
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "unknown".to_owned());
            Err(named(py, "InternalError", format!("a bug in sondage, please report it: {text}")))
        }
    }
}
