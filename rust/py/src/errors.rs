//! Core errors as the exception classes of `sondage.errors`.

use pyo3::prelude::*;
use sondage_core::error::Error;

pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let name = match error {
        Error::Space(_) => "SpaceError",
        Error::Model(_) => "ModelError",
        Error::Question(_) => "QuestionError",
        Error::Data(_) => "DataError",
        Error::Sampling(_) => "SamplingError",
        Error::Start(_) => "StartError",
        _ => "InternalError",
    };
    named(py, name, error.to_string())
}

/// The exception class `name` of `sondage.errors` with this message.
pub(crate) fn named(py: Python<'_>, name: &str, message: String) -> PyErr {
    let class = py.import("sondage.errors").and_then(|module| module.getattr(name));
    match class.and_then(|class| class.call1((message,))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
