//! Samplers and model evaluation behind sondage.
//!
//! A *question* to trained models is an energy `G` on a box of inputs ([`question`]); the answer is a
//! sample of `p(x) ∝ exp(−G(x)/τ)`, drawn by Markov kernels ([`kernel`]) that [`driver::Run`] advances
//! eight chains at a time.
//!
//! ```
//! use std::sync::Arc;
//! use sondage_core::driver::{Run, Settings};
//! use sondage_core::kernel::Spec;
//! use sondage_core::question::{Energy, Localizer, Parts};
//! use sondage_core::space::{Boundary, Bounds};
//!
//! // A normal with mean 0.3 and variance τ/2, truncated to [0, 1].
//! let near = Localizer::new(1.0, 2, vec![0.3], vec![1.0])?;
//! let bounds = Bounds::new(vec![0.0], vec![1.0])?;
//! let energy = Energy::new(Parts { localizers: vec![near], ..Parts::on(bounds) })?;
//! let settings = Settings {
//!     key: [1; 32], chains: 4, temperature: 0.02, warmup: 10, draws: 500, thin: 1,
//!     boundary: Boundary::Reflect, threads: 1, start: None,
//! };
//! let mut run = Run::new(Arc::new(energy), Spec::Conditional, settings)?;
//! while !run.advance(std::time::Duration::from_millis(50)) {}
//! let sample = run.finish();
//! let mean = sample.draws.iter().sum::<f64>() / sample.draws.len() as f64;
//! assert!((mean - 0.3).abs() < 0.02);
//! # Ok::<(), sondage_core::error::Error>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod adapt;
mod checkpoint;
pub mod counterfactual;
pub mod drift;
pub mod driver;
pub mod error;
pub mod import;
pub mod kernel;
pub mod measure;
pub mod model;
pub mod mutant;
pub mod question;
pub mod rng;
pub mod simd;
pub mod space;
