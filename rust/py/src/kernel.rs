//! `Kernel` and `Drift`: how chains move.

use pyo3::prelude::*;
use sondage_core::{drift, kernel};

use crate::errors::named;

#[pyclass(frozen, from_py_object, module = "sondage._core")]
#[derive(Clone)]
pub(crate) struct Drift(drift::Drift);

#[pymethods]
impl Drift {
    #[staticmethod]
    fn gradient() -> Self {
        Self(drift::Drift::Gradient)
    }

    #[staticmethod]
    #[pyo3(signature = (sigma=None))]
    fn closed_form(sigma: Option<f64>) -> Self {
        Self(drift::Drift::ClosedForm { sigma })
    }

    #[staticmethod]
    fn smoothed(py: Python<'_>, sigma: Option<f64>, directions: usize, noise: &str) -> PyResult<Self> {
        let noise = match noise {
            "shared" => drift::Noise::Shared,
            "frozen" => drift::Noise::Frozen,
            "fresh" => drift::Noise::Fresh,
            other => {
                let message = format!("noise must be 'shared', 'frozen' or 'fresh', not {other:?}");
                return Err(named(py, "SamplingError", message));
            }
        };
        Ok(Self(drift::Drift::Smoothed { sigma, directions, noise }))
    }
}

#[pyclass(frozen, from_py_object, module = "sondage._core")]
#[derive(Clone)]
pub(crate) struct Kernel(pub(crate) kernel::Spec);

#[pymethods]
impl Kernel {
    #[staticmethod]
    #[pyo3(signature = (scale=None))]
    fn random_walk(scale: Option<f64>) -> Self {
        Self(kernel::Spec::RandomWalk { scale })
    }

    #[staticmethod]
    fn mala(step: Option<f64>, drift: Drift, precondition: bool) -> Self {
        Self(kernel::Spec::Mala { step, drift: drift.0, precondition })
    }

    #[staticmethod]
    #[pyo3(signature = (step=None))]
    fn barker(step: Option<f64>) -> Self {
        Self(kernel::Spec::Barker { step })
    }

    #[staticmethod]
    fn independence() -> Self {
        Self(kernel::Spec::Independence)
    }

    #[staticmethod]
    fn conditional() -> Self {
        Self(kernel::Spec::Conditional)
    }

    #[staticmethod]
    fn mixture(kernels: Vec<Kernel>, weights: Vec<f64>) -> Self {
        Self(kernel::Spec::Mixture { kernels: kernels.into_iter().map(|k| k.0).collect(), weights })
    }

    #[staticmethod]
    fn cycle(kernels: Vec<Kernel>, repeats: Vec<u32>) -> Self {
        Self(kernel::Spec::Cycle { kernels: kernels.into_iter().map(|k| k.0).collect(), repeats })
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}
