//! Metropolis-adjusted Langevin steps (MATH.md 3.1, 3.3, 3.4):
//! `y = x − η P b(x) + sqrt(2ητP) ξ`, with a diagonal P and any deterministic field b.

use super::accept::{Proposal, accept};
use super::known::{Known, Stage};
use super::langevin::Langevin;
use super::pace::Pace;
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::Phase;
use crate::checkpoint::{Codec, Saved};
use crate::drift::{Drift, Noise};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes};

/// Smoothing as a fraction of each column's spread when none is given.
const SIGMA: f64 = 0.25;

#[derive(Clone, Debug)]
pub struct Mala {
    drift: Drift,
    pace: Pace,
    noise: Vec<Lanes<f64>>,
    /// Standard deviations of the smoothing noise.
    sigma: Vec<Lanes<f64>>,
    directions: Vec<Lanes<f64>>,
    known: Known,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    stage: Stage,
    pub(super) tally: Tally,
}

impl Mala {
    pub(super) fn new(fixed: Option<f64>, drift: Drift, precondition: bool, target: &Target) -> Self {
        let n = target.bounds.len();
        let directions = match drift {
            Drift::Smoothed { directions, .. } => directions * n,
            _ => 0,
        };
        Self {
            drift,
            pace: Pace::new(fixed, precondition, target),
            noise: vec![Lanes::splat(0.0); n],
            sigma: vec![Lanes::splat(1.0); n],
            directions: vec![Lanes::splat(0.0); directions],
            known: Known::new(n),
            proposal: target.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            outside: [false; LANES],
            stage: Stage::Begin,
            tally: Tally::default(),
        }
    }

    pub(super) fn proposal(&self) -> &[Lanes<f64>] {
        &self.proposal
    }

    pub(crate) fn field(&self) -> Drift {
        self.drift
    }

    pub(crate) fn sigma(&self) -> &[Lanes<f64>] {
        &self.sigma
    }

    pub(crate) fn directions(&self) -> &[Lanes<f64>] {
        &self.directions
    }

    pub(super) fn steps(&self, target: &Target) -> Lanes<f64> {
        self.pace.steps(target)
    }

    /// Takes over from each other what is known of rows that were exchanged. Smoothed drifts depend on more than
    /// the row.
    pub(super) fn exchange(&mut self, other: &mut Mala, swapped: &[bool; LANES], versions: (u64, u64)) {
        if self.drift == Drift::Gradient {
            self.known.exchange(&mut other.known, swapped, versions);
        }
    }

    fn law<'a>(&'a self, target: &'a Target) -> Langevin<'a> {
        Langevin {
            level: target.level,
            bounds: &target.bounds,
            boundary: target.boundary,
            step: &self.pace.step,
            variance: &self.pace.variance,
            unit: &self.pace.unit,
        }
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
                let adapted = self.pace.begin(target, phase, &mut streams.propose);
                let noise = match self.drift {
                    Drift::Smoothed { noise, .. } => Some(noise),
                    _ => None,
                };
                let frozen = noise == Some(Noise::Frozen) && self.known.any();
                if noise.is_some() && !frozen {
                    self.draw_directions(target, streams);
                }
                let renewed = noise.is_some() && !frozen;
                // The smoothing follows the spread.
                let stale = adapted || !self.known.holds(state.version);
                if renewed || stale {
                    self.set_sigma(target);
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
        for (lane, stream) in streams.propose.iter_mut().enumerate() {
            for &d in target.bounds.continuous() {
                self.noise[d][lane] = stream.normal();
            }
        }
        let mut proposal = std::mem::take(&mut self.proposal);
        if target.bounds.mixed() {
            proposal.copy_from_slice(&state.x);
        }
        self.outside = self.law(target).propose(&state.x, self.known.here(), &self.noise, &mut proposal);
        self.proposal = proposal;
        if matches!(self.drift, Drift::Smoothed { noise: Noise::Fresh, .. }) {
            Request::Energy
        } else {
            Request::EnergyAndDrift
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
        match reply {
            Reply::Drift(b) => self.known.set(b, state.version),
            Reply::EnergyAndDrift(energy, b) => self.judge(target, phase, state, energy, Some(b), streams),
            Reply::Energy(energy) => self.judge(target, phase, state, energy, None, streams),
            Reply::Slice { .. } => {}
        }
    }

    fn judge(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &mut State,
        energy: Lanes<f64>,
        there: Option<&[Lanes<f64>]>,
        streams: &mut Streams,
    ) {
        let law = self.law(target);
        let forward = law.log_density(&state.x, self.known.here(), &self.proposal);
        let reverse = law.log_density(&self.proposal, there.unwrap_or(self.known.here()), &state.x);
        let log_ratio = Lanes(std::array::from_fn(|lane| {
            if mutant::is(Fault::DropReverse) {
                -forward[lane]
            } else if mutant::is(Fault::FlipRatio) {
                forward[lane] - reverse[lane]
            } else {
                reverse[lane] - forward[lane]
            }
        }));
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
        self.known.follow(there, &moved, state.version);
        self.stage = Stage::Over;
        self.pace.adaptation.learn(&target.bounds, &jumps, &probability, &[true; LANES], &state.x);
    }

    fn draw_directions(&mut self, target: &Target, streams: &mut Streams) {
        let n = target.bounds.len();
        for direction in self.directions.chunks_exact_mut(n) {
            for &d in target.bounds.continuous() {
                for (lane, stream) in streams.noise.iter_mut().enumerate() {
                    direction[d][lane] = stream.normal();
                }
            }
        }
    }

    /// The given fraction of each width, or a fraction of the spread.
    fn set_sigma(&mut self, target: &Target) {
        for &d in target.bounds.continuous() {
            for lane in 0..LANES {
                self.sigma[d][lane] = match self.drift.sigma() {
                    Some(sigma) => sigma * target.bounds.width(d),
                    None => SIGMA * self.pace.adaptation.spread(d, lane),
                };
            }
        }
    }
}

impl Saved for Mala {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { drift: _, pace, noise: _, sigma, directions, known, proposal, outside, stage, tally } =
            self;
        pace.pass(codec)?;
        known.pass(codec)?;
        [sigma, directions, proposal].into_iter().try_for_each(|values| values.pass(codec))?;
        outside.pass(codec)?;
        stage.pass(codec)?;
        tally.pass(codec)
    }
}
