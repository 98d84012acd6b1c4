//! `sondage._core`: the core as Python classes. Parse, validate, detach, call, wrap; no algorithms.

mod arrays;
mod constraint;
mod counterfactual;
mod energy;
mod errors;
mod evaluator;
mod graph;
mod guard;
mod import;
mod kernel;
mod measure;
mod reference;
mod run;
mod stack;
mod tree;

use pyo3::prelude::*;
use sondage_core::simd::Level;

/// What this extension was built from and for, and the instruction set it found at run time.
#[pyfunction]
fn build_info() -> [(&'static str, &'static str); 7] {
    [
        ("version", env!("CARGO_PKG_VERSION")),
        ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
        ("commit", env!("SONDAGE_COMMIT")),
        ("rustc", env!("SONDAGE_RUSTC")),
        ("target", env!("SONDAGE_TARGET")),
        ("target_features", env!("SONDAGE_FEATURES")),
        ("simd", Level::detect().name()),
    ]
}

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::constraint::Constraint;
    #[pymodule_export]
    use super::counterfactual::Search;
    #[pymodule_export]
    use super::energy::{Energy, Localizer, Loss};
    #[pymodule_export]
    use super::evaluator::Evaluator;
    #[pymodule_export]
    use super::graph::Graph;
    #[pymodule_export]
    use super::import::{parse_catboost, parse_lightgbm, parse_xgboost};
    #[pymodule_export]
    use super::kernel::{Drift, Kernel};
    #[pymodule_export]
    use super::measure::Measurement;
    #[pymodule_export]
    use super::reference::Reference;
    #[pymodule_export]
    use super::run::Run;
    #[pymodule_export]
    use super::stack::Stack;
    #[pymodule_export]
    use super::tree::TreeEnsemble;
    use pyo3::prelude::*;
    use pyo3::types::PyDict;

    #[pyfunction]
    fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let info = PyDict::new(py);
        for (key, value) in super::build_info() {
            info.set_item(key, value)?;
        }
        Ok(info)
    }
}
