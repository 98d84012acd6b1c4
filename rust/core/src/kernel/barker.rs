//! Barker steps (MATH.md 3.6): in each column `δ ~ N(0, s²)`, its sign kept with probability `g(δ b/τ)` and turned
//! otherwise, `g(t) = 1/(1 + exp(t))`, b = ∇G and `s² = 2ητP`: for small η the drift is that of MALA, but a step is
//! never longer than δ, however steep G is.
//!
//! A step of δ from x to y is as likely as one of −δ back but for g, since `g(t) + g(−t) = 1`, so q has the ratio
//! `g(−δ b(y)/τ) / g(δ b(x)/τ)` in each column. Bounds that reflect need no sum over images of y: let π and b go on
//! beyond the box by reflection, which turns the sign of b. A step that is reflected an odd number of times ends
//! where columns run backwards, and the way back from y takes +δ instead of −δ. Each way from x to y, however often
//! reflected, belongs to one way back with the same |δ|, and they balance pair by pair; so does their sum.

use super::accept::{Proposal, accept};
use super::known::{Known, Stage};
use super::pace::Pace;
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::Phase;
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes, Op, Simd, dispatch, math};
use crate::space::Boundary;

/// Slopes along a step are cut off here, far beyond where `g` is 0 or 1: differences of them stay finite.
const STEEPEST: f64 = 1e290;

#[derive(Clone, Debug)]
pub struct Barker {
    pace: Pace,
    known: Known,
    /// The steps δ, and those that lead back.
    steps: Vec<Lanes<f64>>,
    back: Vec<Lanes<f64>>,
    /// Uniform numbers that decide on signs.
    signs: Vec<Lanes<f64>>,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    stage: Stage,
    pub(super) tally: Tally,
}

impl Barker {
    pub(super) fn new(fixed: Option<f64>, target: &Target) -> Self {
        let n = target.bounds.len();
        Self {
            pace: Pace::new(fixed, true, target),
            known: Known::new(n),
            steps: vec![Lanes::splat(0.0); n],
            back: vec![Lanes::splat(0.0); n],
            signs: vec![Lanes::splat(0.0); n],
            proposal: target.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            outside: [false; LANES],
            stage: Stage::Begin,
            tally: Tally::default(),
        }
    }

    pub(super) fn proposal(&self) -> &[Lanes<f64>] {
        &self.proposal
    }

    pub(super) fn steps(&self, target: &Target) -> Lanes<f64> {
        self.pace.steps(target)
    }

    /// Takes over from each other what is known of rows that were exchanged.
    pub(super) fn exchange(&mut self, other: &mut Barker, swapped: &[bool; LANES], versions: (u64, u64)) {
        self.known.exchange(&mut other.known, swapped, versions);
    }

    pub(super) fn ask(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &State,
        streams: &mut Streams,
    ) -> Request {
        match self.stage {
            Stage::Begin => {
                self.pace.begin(target, phase, &mut streams.propose);
                if !self.known.holds(state.version) {
                    self.stage = Stage::Drifting;
                    return Request::DriftHere;
                }
                self.propose(target, state, streams)
            }
            Stage::Drifting => self.propose(target, state, streams),
            Stage::Over => {
                self.stage = Stage::Begin;
                Request::Done
            }
        }
    }

    fn propose(&mut self, target: &Target, state: &State, streams: &mut Streams) -> Request {
        let bounds = &target.bounds;
        for (lane, stream) in streams.propose.iter_mut().enumerate() {
            for &d in bounds.continuous() {
                self.steps[d][lane] = stream.normal();
                self.signs[d][lane] = stream.uniform();
            }
        }
        dispatch(
            target.level,
            Step {
                target,
                pace: &self.pace,
                drift: self.known.here(),
                signs: &self.signs,
                steps: &mut self.steps,
            },
        );
        if bounds.mixed() {
            self.proposal.copy_from_slice(&state.x);
        }
        self.outside = [false; LANES];
        for &d in bounds.continuous() {
            let (lower, upper) = (bounds.lower(d), bounds.upper(d));
            for lane in 0..LANES {
                let (x, step) = (state.x[d][lane], self.steps[d][lane]);
                let y = x + step;
                self.back[d][lane] = if turned(target.boundary, y, lower, upper) { step } else { -step };
                let inside = target.boundary.bring_inside(y, lower, upper);
                self.outside[lane] |= inside.is_none();
                self.proposal[d][lane] = inside.unwrap_or(x);
            }
        }
        Request::EnergyAndDrift
    }

    pub(super) fn tell(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &mut State,
        reply: Reply<'_>,
        streams: &mut Streams,
    ) {
        let (energy, there) = match reply {
            Reply::Drift(b) => return self.known.set(b, state.version),
            Reply::EnergyAndDrift(energy, there) => (energy, there),
            Reply::Energy(_) | Reply::Slice { .. } => return,
        };
        let log_ratio = dispatch(
            target.level,
            LogRatio { target, here: self.known.here(), steps: &self.steps, there, back: &self.back },
        );
        let proposal = Proposal { x: &self.proposal, energy, outside: &self.outside, log_ratio };
        let jumps = self.pace.adaptation.jumps(&target.bounds, &state.x, &self.proposal);
        let (probability, moved) = accept(
            target.level,
            target.temperature,
            phase,
            state,
            &proposal,
            &mut streams.accept,
            &mut self.tally,
        );
        self.known.follow(Some(there), &moved, state.version);
        self.stage = Stage::Over;
        self.pace.adaptation.learn(&target.bounds, &jumps, &probability, &[true; LANES], &state.x);
    }
}

/// Whether the box's image in which `y` lies runs backwards.
fn turned(boundary: Boundary, y: f64, lower: f64, upper: f64) -> bool {
    let beyond = boundary == Boundary::Reflect && !(lower <= y && y <= upper);
    let width = upper - lower;
    beyond && !mutant::is(Fault::ForgetFold) && (y - lower).rem_euclid(2.0 * width) > width
}

/// `δ b/τ`.
#[inline(always)]
fn slope<S: Simd>(s: S, step: S::F, drift: &Lanes<f64>, temperature: f64) -> S::F {
    let slope = s.div(s.mul(step, s.load(drift)), s.splat(temperature));
    s.max(s.min(slope, s.splat(STEEPEST)), s.splat(-STEEPEST))
}

/// From standard normal numbers to steps.
struct Step<'a> {
    target: &'a Target,
    pace: &'a Pace,
    drift: &'a [Lanes<f64>],
    signs: &'a [Lanes<f64>],
    steps: &'a mut [Lanes<f64>],
}

impl Op for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Self { target, pace, drift, signs, steps } = self;
        let sd = s.load(&Lanes(pace.variance.0.map(f64::sqrt)));
        let climbs = if mutant::is(Fault::ClimbBarker) { -1.0 } else { 1.0 };
        for &d in target.bounds.continuous() {
            let step = s.mul(s.mul(sd, s.load(&pace.unit[d])), s.load(&steps[d]));
            let slope = slope(s, s.mul(step, s.splat(climbs)), &drift[d], target.temperature);
            let keep = s.div(s.splat(1.0), s.add(s.splat(1.0), math::exp(s, slope)));
            let kept = s.lt(s.load(&signs[d]), keep);
            s.store(s.select(kept, step, s.sub(s.splat(0.0), step)), &mut steps[d]);
        }
    }
}

/// Columns of which the factors `1 + exp(−|t|)`, at most 2, make one product: one logarithm serves them all.
const FACTORS: usize = 512;

/// `Σ log g(back b(y)/τ) − log g(δ b(x)/τ)`, with `−log g(t) = max(t, 0) + log(1 + exp(−|t|))`.
struct LogRatio<'a> {
    target: &'a Target,
    here: &'a [Lanes<f64>],
    steps: &'a [Lanes<f64>],
    there: &'a [Lanes<f64>],
    back: &'a [Lanes<f64>],
}

impl Op for LogRatio<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let Self { target, here, steps, there, back } = self;
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let drops = mutant::is(Fault::DropReverse);
        let mut log = zero;
        for columns in target.bounds.continuous().chunks(FACTORS) {
            let (mut forward, mut reverse) = (one, one);
            for &d in columns {
                let go = slope(s, s.load(&steps[d]), &here[d], target.temperature);
                log = s.add(log, s.max(go, zero));
                forward = s.mul(forward, s.add(one, math::exp(s, s.sub(zero, s.abs(go)))));
                if !drops {
                    let come = slope(s, s.load(&back[d]), &there[d], target.temperature);
                    log = s.sub(log, s.max(come, zero));
                    reverse = s.mul(reverse, s.add(one, math::exp(s, s.sub(zero, s.abs(come)))));
                }
            }
            log = s.add(log, math::ln(s, s.div(forward, reverse)));
        }
        let mut out = Lanes::splat(0.0);
        s.store(if mutant::is(Fault::FlipRatio) { s.sub(zero, log) } else { log }, &mut out);
        out
    }
}

impl Saved for Barker {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { pace, known, steps, back, signs, proposal, outside, stage, tally } = self;
        pace.pass(codec)?;
        known.pass(codec)?;
        [steps, back, signs, proposal].into_iter().try_for_each(|values| values.pass(codec))?;
        outside.pass(codec)?;
        stage.pass(codec)?;
        tally.pass(codec)
    }
}
