//! Random-walk Metropolis (MATH.md 3.2). A value that may be missing leaps between NaN and the numbers.

use super::accept::{Proposal, accept};
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::{Adaptation, Phase, Scale};
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes};
use crate::space::{Bounds, Kind, Slide};

/// Share of the steps that move two columns against each other, where constraints tie columns together.
const SLIDES: f64 = 0.5;
/// Share of an adapted walk's steps that are of any length: rings and islands need a long jump now and then.
const RARE: f64 = 0.25;
/// Share of the steps that make a value missing, or a missing value a number.
const LEAP: f64 = 0.25;

#[derive(Clone, Debug)]
pub struct RandomWalk {
    adaptation: Adaptation,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    /// Directions in which constraints do not change.
    slides: Vec<Slide>,
    /// Chains that do not slide in this step.
    strides: [bool; LANES],
    /// Of the proposals, `log q(x|y) − log q(y|x)`.
    log_ratio: Lanes<f64>,
    answered: bool,
    pub(super) tally: Tally,
}

impl RandomWalk {
    pub(super) fn new(fixed: Option<f64>, target: &Target) -> Self {
        let mut slides = Vec::new();
        for constraint in &target.constraints {
            constraint.slides(&target.bounds, &mut slides);
        }
        Self {
            slides,
            strides: [true; LANES],
            adaptation: Adaptation::new(fixed, RARE, &target.bounds),
            proposal: target.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            outside: [false; LANES],
            log_ratio: Lanes::splat(0.0),
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
        self.log_ratio = Lanes::splat(0.0);
        let leaps = bounds.missed().next().is_some();
        for lane in 0..LANES {
            let rng = &mut streams.propose[lane];
            self.strides[lane] = self.slides.is_empty() || rng.uniform() >= SLIDES;
            if !self.strides[lane] {
                self.slide(target, state, lane, rng);
                continue;
            }
            let scale = self.adaptation.choose(lane, rng);
            if leaps && rng.uniform() < LEAP {
                // It says nothing of scales.
                self.strides[lane] = false;
                self.leap(bounds, state, lane, rng);
                continue;
            }
            for &d in bounds.continuous() {
                let unit = if scale.by_spread { self.adaptation.spread(d, lane) } else { bounds.width(d) };
                self.proposal[d][lane] = state.x[d][lane] + scale.factor * unit * rng.normal();
            }
            if bounds.mixed() {
                self.propose_whole(target, state, lane, scale, rng);
            }
        }
        // A folded random walk has a symmetric density: q cancels.
        for &d in bounds.continuous() {
            self.bring_inside::<false>(target, state, d, bounds.lower(d), bounds.upper(d));
        }
        if bounds.mixed() {
            self.bring_whole_inside(target, state);
        }
        Request::Energy
    }

    /// A step along which a constraint does not change; one that leaves the box is not taken. What is chosen does not
    /// depend on the state, and steps are as likely as their opposites: q cancels.
    fn slide(&mut self, target: &Target, state: &State, lane: usize, rng: &mut Stream) {
        let bounds = &target.bounds;
        for &d in bounds.free() {
            self.proposal[d][lane] = state.x[d][lane];
        }
        let at = ((rng.uniform() * self.slides.len() as f64) as usize).min(self.slides.len() - 1);
        let moves = self.slides[at].draw(bounds, rng);
        let first = moves[0].0;
        let skew = if mutant::is(Fault::SkewSlides) { state.x[first][lane] } else { 1.0 };
        for (d, step) in moves {
            let x = state.x[d][lane];
            let y = x + skew * step;
            self.outside[lane] |= !(bounds.lower(d) <= y && y <= bounds.upper(d));
            self.proposal[d][lane] = if self.outside[lane] { x } else { y + 0.0 };
        }
    }

    /// Proposals for integers, levels and columns that may be missing, before they are brought inside.
    fn propose_whole(&mut self, target: &Target, state: &State, lane: usize, scale: Scale, rng: &mut Stream) {
        let bounds = &target.bounds;
        for &d in bounds.free() {
            let x = state.x[d][lane];
            self.proposal[d][lane] = match bounds.kind(d) {
                Kind::Continuous if bounds.missing(d) == 0.0 => continue,
                // A missing value stays so.
                _ if x.is_nan() => x,
                Kind::Continuous => {
                    let unit =
                        if scale.by_spread { self.adaptation.spread(d, lane) } else { bounds.width(d) };
                    x + scale.factor * unit * rng.normal()
                }
                // A walk on the real numbers that round to a column's whole numbers, from any of those that
                // round to x: as likely from y to x as from x to y.
                Kind::Integer => {
                    let unit =
                        if scale.by_spread { self.adaptation.spread(d, lane) } else { bounds.width(d) };
                    x + (rng.uniform() - 0.5) + scale.factor * unit.max(1.0) * rng.normal()
                }
                Kind::Level if rng.uniform() < scale.factor => any_level(bounds, d, rng),
                Kind::Level => x,
            };
        }
    }

    /// From a number to NaN, or from NaN to any number, in one of the columns whose value may be missing.
    fn leap(&mut self, bounds: &Bounds, state: &State, lane: usize, rng: &mut Stream) {
        for (to, from) in self.proposal.iter_mut().zip(&state.x) {
            to[lane] = from[lane];
        }
        let n = bounds.missed().count();
        let at = ((rng.uniform() * n as f64) as usize).min(n - 1);
        let Some(d) = bounds.missed().nth(at) else { return };
        // In units of the base measure: NaN is proposed with density 1 / missing, a number with 1 / measure.
        let weight = if mutant::is(Fault::ForgetMissing) { 1.0 } else { bounds.missing(d) };
        let log = (weight / bounds.measure(d)).ln();
        let back = state.x[d][lane].is_nan();
        self.proposal[d][lane] = if back { bounds.number(d, rng) } else { f64::NAN };
        self.log_ratio[lane] = if back { -log } else { log };
    }

    /// `HOLES`: values may be missing.
    #[inline(always)]
    fn bring_inside<const HOLES: bool>(
        &mut self,
        target: &Target,
        state: &State,
        d: usize,
        lower: f64,
        upper: f64,
    ) {
        for lane in 0..LANES {
            let y = &mut self.proposal[d][lane];
            if HOLES && y.is_nan() {
                continue;
            }
            let inside = target.boundary.bring_inside(*y, lower, upper);
            self.outside[lane] |= inside.is_none();
            *y = inside.unwrap_or(state.x[d][lane]);
        }
    }

    /// Whole numbers take half a unit on either side.
    fn bring_whole_inside(&mut self, target: &Target, state: &State) {
        let bounds = &target.bounds;
        let half = if mutant::is(Fault::FoldWhole) { 0.0 } else { 0.5 };
        for &d in bounds.free() {
            let (lower, upper) = (bounds.lower(d), bounds.upper(d));
            if bounds.kind(d) == Kind::Continuous {
                if bounds.missing(d) > 0.0 {
                    self.bring_inside::<true>(target, state, d, lower, upper);
                }
                continue;
            }
            self.bring_inside::<true>(target, state, d, lower - half, upper + half);
            for y in &mut self.proposal[d].0 {
                // Plus zero: no value is −0.
                *y = y.round().clamp(lower, upper) + 0.0;
            }
        }
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
        let log_ratio = if mutant::is(Fault::AcceptAll) { Lanes::splat(f64::MAX) } else { self.log_ratio };
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
        self.adaptation.learn(&target.bounds, &jumps, &probability, &self.strides, &state.x);
    }
}

impl Saved for RandomWalk {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { adaptation, proposal, outside, slides: _, strides, log_ratio, answered, tally } = self;
        adaptation.pass(codec)?;
        proposal.pass(codec)?;
        outside.pass(codec)?;
        strides.pass(codec)?;
        log_ratio.pass(codec)?;
        answered.pass(codec)?;
        tally.pass(codec)
    }
}

fn any_level(bounds: &Bounds, d: usize, rng: &mut Stream) -> f64 {
    if mutant::is(Fault::SkewLevels) {
        return (rng.uniform() * bounds.upper(d)).round();
    }
    bounds.uniform(d, rng)
}
