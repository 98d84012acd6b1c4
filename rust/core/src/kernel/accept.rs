//! The Metropolis–Hastings decision.

use super::{State, Tally};
use crate::adapt::Phase;
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};

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
#[allow(clippy::too_many_arguments)]
pub(super) fn accept(
    level: Level,
    temperature: f64,
    phase: Phase,
    state: &mut State,
    proposal: &Proposal<'_>,
    streams: &mut [Stream; LANES],
    tally: &mut Tally,
) -> (Lanes<f64>, [bool; LANES]) {
    let mut moved = [false; LANES];
    let temperature = if mutant::is(Fault::ForgetTemperature) { 1.0 } else { temperature };
    let Proposal { energy, log_ratio, .. } = *proposal;
    let mut probability =
        dispatch(level, Probability { temperature, from: &state.energy, to: &energy, log_ratio: &log_ratio });
    for lane in 0..LANES {
        let u = streams[lane].uniform();
        let nonfinite = energy[lane].is_nan() || energy[lane] == f64::NEG_INFINITY;
        if proposal.outside[lane] || nonfinite {
            tally.nonfinite[lane] += u64::from(!proposal.outside[lane]);
            probability[lane] = 0.0;
        }
        moved[lane] = u < probability[lane];
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

/// `min(1, exp(−(to − from)/τ + log ratio))`; 0 for NaN.
struct Probability<'a> {
    temperature: f64,
    from: &'a Lanes<f64>,
    to: &'a Lanes<f64>,
    log_ratio: &'a Lanes<f64>,
}

impl Op for Probability<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let change = s.sub(s.load(self.to), s.load(self.from));
        let log = s.sub(s.load(self.log_ratio), s.div(change, s.splat(self.temperature)));
        let p = math::exp(s, s.min(log, s.splat(0.0)));
        let mut out = Lanes::splat(0.0);
        s.store(s.select(s.le(log, log), p, s.splat(0.0)), &mut out);
        out
    }
}
