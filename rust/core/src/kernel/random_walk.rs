//! Random-walk Metropolis (MATH.md 3.2).

use super::accept::{Proposal, accept};
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::{Adaptation, Phase};
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes};
use crate::space::{Bounds, Kind};

/// Share of an adapted walk's steps that are of any length: rings and islands need a long jump now and then.
const RARE: f64 = 0.25;

#[derive(Clone, Debug)]
pub struct RandomWalk {
    adaptation: Adaptation,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    answered: bool,
    pub(super) tally: Tally,
}

impl RandomWalk {
    pub(super) fn new(fixed: Option<f64>, target: &Target) -> Self {
        Self {
            adaptation: Adaptation::new(fixed, RARE, &target.bounds),
            proposal: target.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            outside: [false; LANES],
            answered: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn proposal(&self) -> &[Lanes<f64>] {
        &self.proposal
    }

    /// Scale of the steps, averaged where several are in use.
    pub(super) fn scales(&self) -> Lanes<f64> {
        self.adaptation.factors()
    }

    pub(super) fn ask(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &State,
        streams: &mut Streams,
    ) -> Request {
        if std::mem::take(&mut self.answered) {
            return Request::Done;
        }
        let bounds = &target.bounds;
        self.adaptation.begin(phase, bounds);
        self.outside = [false; LANES];
        for lane in 0..LANES {
            let rng = &mut streams.propose[lane];
            let scale = self.adaptation.choose(lane, rng);
            for &d in bounds.free() {
                let unit = if scale.by_spread { self.adaptation.spread(d, lane) } else { bounds.width(d) };
                let x = state.x[d][lane];
                self.proposal[d][lane] = match bounds.kind(d) {
                    Kind::Continuous => x + scale.factor * unit * rng.normal(),
                    // A walk on the real numbers that round to a column's whole numbers, from any of those that
                    // round to x: as likely from y to x as from x to y.
                    Kind::Integer => x + (rng.uniform() - 0.5) + scale.factor * unit.max(1.0) * rng.normal(),
                    Kind::Level if rng.uniform() < scale.factor => any_level(bounds, d, rng),
                    Kind::Level => x,
                };
            }
        }
        for &d in bounds.free() {
            let whole = bounds.kind(d) != Kind::Continuous;
            let half = if whole && !mutant::is(Fault::FoldWhole) { 0.5 } else { 0.0 };
            let (lower, upper) = (bounds.lower(d) - half, bounds.upper(d) + half);
            for lane in 0..LANES {
                let y = &mut self.proposal[d][lane];
                // A folded random walk has a symmetric density: q cancels.
                let inside = target.boundary.bring_inside(*y, lower, upper);
                self.outside[lane] |= inside.is_none();
                *y = inside.unwrap_or(state.x[d][lane]);
                if whole {
                    // Plus zero: no value is −0.
                    *y = y.round().clamp(bounds.lower(d), bounds.upper(d)) + 0.0;
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
        let jumps = self.adaptation.jumps(&target.bounds, &state.x, &self.proposal);
        let (probability, _) = accept(
            target.level,
            target.temperature,
            phase,
            state,
            &proposal,
            &mut streams.accept,
            &mut self.tally,
        );
        self.adaptation.learn(&target.bounds, &jumps, &probability, &state.x);
    }
}

fn any_level(bounds: &Bounds, d: usize, rng: &mut Stream) -> f64 {
    if mutant::is(Fault::SkewLevels) {
        return (rng.uniform() * bounds.upper(d)).round();
    }
    bounds.uniform(d, rng)
}
