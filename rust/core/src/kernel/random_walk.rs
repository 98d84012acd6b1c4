//! Random-walk Metropolis (MATH.md 3.2).

use super::accept::{Proposal, accept};
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::{DualAveraging, Phase, Spread};
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes};
use crate::space::{Boundary, fold};

#[derive(Clone, Debug)]
pub struct RandomWalk {
    fixed: Option<f64>,
    scale: DualAveraging,
    spread: Spread,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    answered: bool,
    pub(super) tally: Tally,
}

impl RandomWalk {
    pub(super) fn new(fixed: Option<f64>, target: &Target) -> Self {
        let d = target.bounds.free().len().max(1) as f64;
        // 0.44 in one dimension, falling to 0.234 in many (Roberts, Gelman and Gilks 1997).
        let goal = 0.234 + 0.206 / d;
        Self {
            fixed,
            scale: DualAveraging::new(fixed.unwrap_or(0.7 / d.sqrt()), goal),
            spread: Spread::new(&target.bounds),
            proposal: target.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            outside: [false; LANES],
            answered: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn proposal(&self) -> &[Lanes<f64>] {
        &self.proposal
    }

    fn factors(&self) -> Lanes<f64> {
        self.fixed.map_or_else(|| self.scale.steps(), Lanes::splat)
    }

    /// Scale as a fraction of the width, averaged over columns.
    pub(super) fn scales(&self) -> Lanes<f64> {
        self.factors()
    }

    pub(super) fn ask(&mut self, target: &Target, state: &State, streams: &mut Streams) -> Request {
        if std::mem::take(&mut self.answered) {
            return Request::Done;
        }
        let factors = self.factors();
        let bounds = &target.bounds;
        self.outside = [false; LANES];
        for lane in 0..LANES {
            let rng = &mut streams.propose[lane];
            for &d in bounds.free() {
                let step = factors[lane] * self.spread.scale()[d][lane] * rng.normal();
                self.proposal[d][lane] = state.x[d][lane] + step;
            }
        }
        for &d in bounds.free() {
            let (lower, upper) = (bounds.lower(d), bounds.upper(d));
            for lane in 0..LANES {
                let y = &mut self.proposal[d][lane];
                match target.boundary {
                    // The folded density is symmetric: q cancels.
                    Boundary::Reflect => *y = fold(*y, lower, upper),
                    Boundary::Clip => *y = y.clamp(lower, upper),
                    Boundary::Reject if *y < lower || *y > upper => {
                        self.outside[lane] = true;
                        *y = state.x[d][lane];
                    }
                    Boundary::Reject => {}
                }
            }
        }
        Request::Energy
    }

    pub(super) fn tell(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &mut State,
        reply: Reply<'_>,
        streams: &mut Streams,
    ) {
        let Reply::Energy(energy) = reply else { return };
        self.answered = true;
        let log_ratio = Lanes::splat(if mutant::is(Fault::AcceptAll) { f64::MAX } else { 0.0 });
        let proposal = Proposal { x: &self.proposal, energy, outside: &self.outside, log_ratio };
        let (probability, _) =
            accept(target.temperature, phase, state, &proposal, &mut streams.accept, &mut self.tally);
        if self.fixed.is_none() && phase.warming() {
            self.scale.update(&probability);
            self.spread.update(&target.bounds, &state.x);
            if phase.refreshes() {
                self.spread.refresh(&target.bounds);
            }
            if phase.refreshes() || phase.freezes() {
                self.scale.settle();
            }
        }
    }
}
