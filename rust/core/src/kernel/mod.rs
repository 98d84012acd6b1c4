//! Markov kernels that leave `exp(−G/τ)` on the box invariant (MATH.md section 3).
//!
//! A kernel never calls a model. It *asks* for what its next decision needs and is *told* the answer,
//! for eight chains at once, so that the same kernel serves native models (answered inside the block)
//! and foreign ones (answered by one batched call).

mod accept;
mod barker;
mod conditional;
#[cfg(test)]
mod conditional_tests;
mod independence;
mod known;
mod langevin;
mod mala;
#[cfg(test)]
mod missing_tests;
mod pace;
mod random_walk;
mod restricted;
mod saved;
mod schedule;

use std::sync::Arc;

use crate::adapt::Phase;
use crate::drift::Drift;
use crate::error::{Error, Result};
use crate::question::{ColumnMeasure, Energy};
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, Level};
use crate::space::{Base, Boundary, Bounds, Constraint};

pub use barker::Barker;
pub use conditional::Conditional;
pub use independence::Independence;
pub use mala::Mala;
pub use random_walk::RandomWalk;
pub(crate) use restricted::{Stretches, spans};
pub use schedule::Schedule;

/// A kernel as the user states it.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Draws of a branch of columns from the base measure, accepted by G.
    Independence,
    /// Normal steps of `scale` times each column's width; adapted when `None`.
    RandomWalk { scale: Option<f64> },
    /// Metropolis-adjusted Langevin steps of size η = `step`; adapted when `None`.
    Mala { step: Option<f64>, drift: Drift, precondition: bool },
    /// Steps whose signs follow the gradient, with the noise that MALA has for η = `step`; adapted when `None`.
    Barker { step: Option<f64> },
    /// One exact conditional draw of every free column.
    Conditional,
    /// Each step one of the kernels, chosen with these weights by a stream that all chains share.
    Mixture { kernels: Vec<Spec>, weights: Vec<f64> },
    /// Each step all of the kernels in order, each as often as `repeats` says.
    Cycle { kernels: Vec<Spec>, repeats: Vec<u32> },
}

impl Spec {
    /// Whether the target is exactly invariant.
    pub fn exact(&self, boundary: Boundary) -> bool {
        match self {
            Spec::RandomWalk { .. } | Spec::Barker { .. } => boundary != Boundary::Clip,
            Spec::Mala { drift, .. } => drift.exact() && boundary != Boundary::Clip,
            Spec::Conditional | Spec::Independence => true,
            Spec::Mixture { kernels, .. } | Spec::Cycle { kernels, .. } => {
                kernels.iter().all(|k| k.exact(boundary))
            }
        }
    }

    /// # Errors
    /// [`Error::Sampling`] for a number out of range, or a kernel that cannot serve this question.
    pub fn check(&self, energy: &Energy) -> Result<()> {
        let positive = |name: &str, value: Option<f64>| match value {
            Some(v) if !(v.is_finite() && v > 0.0) => {
                Err(Error::Sampling(format!("{name} must be a positive number or None, not {v}")))
            }
            _ => Ok(()),
        };
        match self {
            Spec::RandomWalk { scale } => positive("scale", *scale),
            Spec::Barker { step } => {
                positive("step", *step)?;
                if energy.differentiable() {
                    return Ok(());
                }
                Err(Error::Sampling(if energy.foreign_width() > 0 {
                    "Barker() needs a gradient, and a model of this question that is evaluated by its own library \
                     gives none: use RandomWalk()"
                        .into()
                } else {
                    "Barker() needs a gradient, and tree models have none: use Conditional(), or \
                     MALA(drift=\"closed_form\")"
                        .into()
                }))
            }
            Spec::Mala { step, drift, .. } => {
                positive("step", *step)?;
                positive("sigma", drift.sigma())?;
                let asks = energy.foreign_width() > 0;
                match drift {
                    Drift::Gradient if !energy.differentiable() && asks => Err(Error::Sampling(
                        "MALA(drift=\"gradient\") needs a gradient, and a model of this question that is \
                         evaluated by its own library gives none: use RandomWalk()"
                            .into(),
                    )),
                    Drift::Gradient if !energy.differentiable() => Err(Error::Sampling(
                        "MALA(drift=\"gradient\") needs a gradient, and tree models have none: use \
                         drift=\"closed_form\", drift=Smoothed(), or the kernel Conditional()"
                            .into(),
                    )),
                    Drift::ClosedForm { .. } | Drift::Smoothed { .. } if asks => Err(Error::Sampling(
                        "MALA with a smoothed drift evaluates many rows a step, and a model of this question \
                         is evaluated by its own library, once a step for all chains: use RandomWalk(), or \
                         MALA() where the model has a gradient"
                            .into(),
                    )),
                    Drift::ClosedForm { .. } if energy.bounds().mixed() => Err(Error::Sampling(
                        "MALA(drift=\"closed_form\") smooths trees in continuous columns, and some columns of this \
                         space that move are integers or categories, or may be missing: use Conditional(), or MALA with another drift"
                            .into(),
                    )),
                    Drift::ClosedForm { .. } if energy.decodes() => Err(Error::Sampling(
                        "MALA(drift=\"closed_form\") smooths trees in the columns that are sampled, and a \
                         decoder stands between: use drift=Smoothed(), MALA() or RandomWalk()"
                            .into(),
                    )),
                    Drift::Smoothed { directions: 0, .. } => {
                        Err(Error::Sampling("directions must be at least 1".into()))
                    }
                    _ => Ok(()),
                }
            }
            Spec::Conditional if energy.foreign_width() > 0 => Err(Error::Sampling(
                "Conditional() needs more of a model than its outputs, and a model of this question is \
                 evaluated by its own library, which gives no more; use RandomWalk()"
                    .into(),
            )),
            Spec::Conditional if !energy.bounds().free().iter().any(|&d| energy.draws(d)) => {
                Err(Error::Sampling(
                    "Conditional() needs a question that is a step function of each column plus near(...) terms \
                     with positive weights, or columns of few values; use RandomWalk()"
                        .into(),
                ))
            }
            Spec::Conditional | Spec::Independence => Ok(()),
            Spec::Cycle { kernels, repeats } => {
                if kernels.is_empty() || kernels.len() != repeats.len() || repeats.contains(&0) {
                    return Err(Error::Sampling(
                        "a cycle needs at least one kernel and a number of repeats above zero for each"
                            .into(),
                    ));
                }
                kernels.iter().try_for_each(|k| k.check(energy))
            }
            Spec::Mixture { kernels, weights } => {
                if kernels.is_empty() || kernels.len() != weights.len() {
                    return Err(Error::Sampling(
                        "a mixture needs at least one kernel and a weight for each".into(),
                    ));
                }
                if !weights.iter().all(|w| w.is_finite() && *w > 0.0) {
                    return Err(Error::Sampling("the weights of a mixture must be positive".into()));
                }
                kernels.iter().try_for_each(|k| k.check(energy))
            }
        }
    }

    /// The first column that moves in the space and not by this kernel.
    pub fn leaves(&self, energy: &Energy) -> Option<usize> {
        let (bounds, movers) = (energy.bounds(), self.movers());
        let moved = |d: usize| {
            movers.iter().any(|mover| match mover {
                Spec::RandomWalk { .. } | Spec::Independence => true,
                Spec::Mala { .. } | Spec::Barker { .. } => bounds.continuous().contains(&d),
                Spec::Conditional => energy.draws(d),
                Spec::Mixture { .. } | Spec::Cycle { .. } => false,
            })
        };
        bounds.free().iter().copied().find(|&d| !moved(d))
    }

    /// Whether a step needs nothing but energies and gradients of one row after another, so that all chains can
    /// be served at once.
    pub(crate) fn steps_together(&self) -> bool {
        self.movers().iter().all(|mover| {
            matches!(
                mover,
                Spec::RandomWalk { .. }
                    | Spec::Independence
                    | Spec::Barker { .. }
                    | Spec::Mala { drift: Drift::Gradient, .. }
            )
        })
    }

    /// The kernels that move chains: the spec itself, or the parts of a mixture or cycle in order.
    pub fn movers(&self) -> Vec<Spec> {
        match self {
            Spec::Mixture { kernels, .. } | Spec::Cycle { kernels, .. } => {
                kernels.iter().flat_map(Spec::movers).collect()
            }
            other => vec![other.clone()],
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Spec::Independence => "Independence",
            Spec::RandomWalk { .. } => "RandomWalk",
            Spec::Mala { .. } => "MALA",
            Spec::Barker { .. } => "Barker",
            Spec::Conditional => "Conditional",
            Spec::Mixture { .. } => "Mixture",
            Spec::Cycle { .. } => "Cycle",
        }
    }
}

/// What all chains of a run share.
#[derive(Debug)]
pub struct Target {
    pub bounds: Bounds,
    /// What rows must fulfil beside the bounds.
    pub constraints: Vec<Arc<Constraint>>,
    pub base: Base,
    pub temperature: f64,
    pub boundary: Boundary,
    /// The columns that conditional draws go through, in order; empty when no kernel of the run needs them.
    pub measures: Vec<(usize, ColumnMeasure)>,
    pub level: Level,
}

/// Eight chains: what the next step needs.
#[derive(Clone, Debug)]
pub struct State {
    pub x: Vec<Lanes<f64>>,
    pub energy: Lanes<f64>,
    /// Counts the steps that may have moved a chain: what is cached for another count is stale.
    pub version: u64,
}

/// The random streams of eight chains.
#[derive(Clone, Debug)]
pub struct Streams {
    pub(crate) propose: [Stream; LANES],
    pub(crate) accept: [Stream; LANES],
    pub(crate) noise: [Stream; LANES],
}

impl Streams {
    pub fn new(key: &[u8; 32], first_chain: u64) -> Self {
        let of = |purpose| std::array::from_fn(|lane| stream(key, purpose, first_chain + lane as u64));
        Self { propose: of(Purpose::Propose), accept: of(Purpose::Accept), noise: of(Purpose::Noise) }
    }
}

/// What a kernel needs to know next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// G at the proposals.
    Energy,
    /// The drift at the present rows.
    DriftHere,
    /// G and the drift at the proposals.
    EnergyAndDrift,
    /// The stretches of one column and the models' part of G on each; `first` begins a sweep.
    Slice { column: usize, first: bool },
    /// G at the present rows after a sweep.
    SweepEnergy,
    /// Nothing: the step is over.
    Done,
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub enum Reply<'a> {
    Energy(Lanes<f64>),
    Drift(&'a [Lanes<f64>]),
    EnergyAndDrift(Lanes<f64>, &'a [Lanes<f64>]),
    /// `first` are the ranks of cuts where stretches begin (see `model::tree::Slice`); `nonfinite` counts energies
    /// that were NaN or −∞ and stand as +∞.
    Slice {
        first: &'a [u32],
        energies: &'a [Lanes<f64>],
        nonfinite: Lanes<u64>,
    },
}

/// What diagnostics need from one kernel over eight chains, after warm-up.
#[derive(Clone, Debug)]
pub struct Tally {
    pub steps: u64,
    /// Sum of acceptance probabilities.
    pub accepted: Lanes<f64>,
    /// Proposals whose energy was NaN or −∞, warm-up included: rejected.
    pub nonfinite: Lanes<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { steps: 0, accepted: Lanes::splat(0.0), nonfinite: Lanes::splat(0) }
    }
}

/// One kernel's state for eight chains.
#[derive(Clone, Debug)]
pub enum Mover {
    Independence(Independence),
    RandomWalk(Box<RandomWalk>),
    Mala(Box<Mala>),
    Barker(Box<Barker>),
    Conditional(Conditional),
}

impl Mover {
    fn new(spec: &Spec, target: &Target) -> Self {
        match spec {
            Spec::Independence => Mover::Independence(Independence::new(target)),
            Spec::RandomWalk { scale } => Mover::RandomWalk(Box::new(RandomWalk::new(*scale, target))),
            Spec::Mala { step, drift, precondition } => {
                Mover::Mala(Box::new(Mala::new(*step, *drift, *precondition, target)))
            }
            Spec::Barker { step } => Mover::Barker(Box::new(Barker::new(*step, target))),
            Spec::Conditional | Spec::Mixture { .. } | Spec::Cycle { .. } => {
                Mover::Conditional(Conditional::default())
            }
        }
    }

    pub fn ask(&mut self, target: &Target, phase: Phase, state: &State, streams: &mut Streams) -> Request {
        match self {
            Mover::Independence(k) => k.ask(target, state, streams),
            Mover::RandomWalk(k) => k.ask(target, phase, state, streams),
            Mover::Mala(k) => k.ask(target, phase, state, streams),
            Mover::Barker(k) => k.ask(target, phase, state, streams),
            Mover::Conditional(k) => k.ask(target),
        }
    }

    pub fn tell(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &mut State,
        reply: Reply<'_>,
        streams: &mut Streams,
    ) {
        match self {
            Mover::Independence(k) => k.tell(target, phase, state, reply, streams),
            Mover::RandomWalk(k) => k.tell(target, phase, state, reply, streams),
            Mover::Mala(k) => k.tell(target, phase, state, reply, streams),
            Mover::Barker(k) => k.tell(target, phase, state, reply, streams),
            Mover::Conditional(k) => k.tell(target, phase, state, reply, streams),
        }
    }

    /// The rows that a request for energies is about.
    pub fn proposal(&self) -> &[Lanes<f64>] {
        match self {
            Mover::Independence(k) => k.proposal(),
            Mover::RandomWalk(k) => k.proposal(),
            Mover::Mala(k) => k.proposal(),
            Mover::Barker(k) => k.proposal(),
            Mover::Conditional(_) => &[],
        }
    }

    pub fn tally(&self) -> &Tally {
        match self {
            Mover::Independence(k) => &k.tally,
            Mover::RandomWalk(k) => &k.tally,
            Mover::Mala(k) => &k.tally,
            Mover::Barker(k) => &k.tally,
            Mover::Conditional(k) => &k.tally,
        }
    }

    /// The step or scale of each chain; NaN for a kernel without one.
    pub fn steps(&self, target: &Target) -> Lanes<f64> {
        match self {
            Mover::RandomWalk(k) => k.scales(),
            Mover::Mala(k) => k.steps(target),
            Mover::Barker(k) => k.steps(target),
            Mover::Independence(_) | Mover::Conditional(_) => Lanes::splat(f64::NAN),
        }
    }
}
