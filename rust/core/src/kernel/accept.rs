//! The Metropolis–Hastings decision.

use super::{State, Tally};
use crate::adapt::Phase;
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, math};

/// Proposals for eight chains and what is needed to judge them.
pub(super) struct Proposal<'a> {
    pub(super) x: &'a [Lanes<f64>],
    pub(super) energy: Lanes<f64>,
    /// Outside the support: never accepted.
    pub(super) outside: &'a [bool; LANES],
    /// `log q(x|y) − log q(y|x)`.
    pub(super) log_ratio: Lanes<f64>,
}

/// Accepts each proposal with probability `min(1, exp(−(G(y) − G(x))/τ) q(x|y)/q(y|x))`; NaN and −∞ are
/// rejected and counted. Returns the probabilities and which chains moved.
pub(super) fn accept(
    temperature: f64,
    phase: Phase,
    state: &mut State,
    proposal: &Proposal<'_>,
    streams: &mut [Stream; LANES],
    tally: &mut Tally,
) -> (Lanes<f64>, [bool; LANES]) {
    let mut probability = Lanes::splat(0.0);
    let mut moved = [false; LANES];
    let temperature = if mutant::is(Fault::ForgetTemperature) { 1.0 } else { temperature };
    for lane in 0..LANES {
        let u = streams[lane].uniform();
        if proposal.outside[lane] {
            continue;
        }
        let energy = proposal.energy[lane];
        if energy.is_nan() || energy == f64::NEG_INFINITY {
            tally.nonfinite[lane] += 1;
            continue;
        }
        let log = -(energy - state.energy[lane]) / temperature + proposal.log_ratio[lane];
        let p = if log.is_nan() { 0.0 } else { math::exp1(log.min(0.0)) };
        probability[lane] = p;
        moved[lane] = u < p;
    }
    for (x, y) in state.x.iter_mut().zip(proposal.x) {
        for lane in 0..LANES {
            x[lane] = if moved[lane] { y[lane] } else { x[lane] };
        }
    }
    for (lane, &moved) in moved.iter().enumerate() {
        if moved {
            state.energy[lane] = proposal.energy[lane];
        }
    }
    state.version += 1;
    if !phase.warming() {
        tally.steps += 1;
        for lane in 0..LANES {
            tally.accepted[lane] += probability[lane];
        }
    }
    (probability, moved)
}
