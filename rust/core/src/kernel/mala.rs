//! Metropolis-adjusted Langevin steps (MATH.md 3.1, 3.3, 3.4):
//! `y = x − η P b(x) + sqrt(2ητP) ξ`, with a diagonal P and any deterministic field b.

use super::accept::{Proposal, accept};
use super::langevin::Langevin;
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::{Adaptation, Phase, Scale};
use crate::drift::{Drift, Noise};
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes};

/// Smoothing as a fraction of each column's spread when none is given.
const SIGMA: f64 = 0.25;

#[derive(Clone, Debug)]
pub struct Mala {
    fixed: Option<f64>,
    drift: Drift,
    precondition: bool,
    mean_width: f64,
    /// Standard deviation of the noise, a multiple of each column's unit: `sqrt(2ητ)`.
    adaptation: Adaptation,
    scale: [Scale; LANES],
    /// η of the present steps, the variance of their noise, and the square root of the preconditioner.
    step: Lanes<f64>,
    variance: Lanes<f64>,
    unit: Vec<Lanes<f64>>,
    noise: Vec<Lanes<f64>>,
    /// Standard deviations of the smoothing noise.
    sigma: Vec<Lanes<f64>>,
    directions: Vec<Lanes<f64>>,
    /// b at the present rows, good for `State::version == drift_version`.
    here: Vec<Lanes<f64>>,
    drift_version: Option<u64>,
    proposal: Vec<Lanes<f64>>,
    outside: [bool; LANES],
    stage: Stage,
    pub(super) tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Drifting,
    Proposed,
    Over,
}

impl Mala {
    pub(super) fn new(fixed: Option<f64>, drift: Drift, precondition: bool, target: &Target) -> Self {
        let (n, moved) = (target.bounds.len(), target.bounds.continuous());
        let directions = match drift {
            Drift::Smoothed { directions, .. } => directions * n,
            _ => 0,
        };
        Self {
            fixed,
            drift,
            precondition,
            mean_width: moved.iter().map(|&d| target.bounds.width(d)).sum::<f64>()
                / moved.len().max(1) as f64,
            adaptation: Adaptation::new(
                fixed.map(|step| (2.0 * step * target.temperature).sqrt()),
                // A long step against a gradient leads nowhere.
                0.0,
                &target.bounds,
            ),
            scale: [Scale { factor: 0.0, by_spread: false }; LANES],
            step: Lanes::splat(0.0),
            variance: Lanes::splat(0.0),
            unit: vec![Lanes::splat(1.0); n],
            noise: vec![Lanes::splat(0.0); n],
            sigma: vec![Lanes::splat(1.0); n],
            directions: vec![Lanes::splat(0.0); directions],
            here: vec![Lanes::splat(0.0); n],
            drift_version: None,
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

    /// η of the steps, averaged where several are in use.
    pub(super) fn steps(&self, target: &Target) -> Lanes<f64> {
        let factors = self.adaptation.factors();
        Lanes(factors.0.map(|f| self.fixed.unwrap_or(f * f / (2.0 * target.temperature))))
    }

    /// Gradients at rows that were exchanged between temperatures are exchanged with them, where both are known:
    /// good for the states' next versions. Smoothed drifts depend on more than the row.
    pub(super) fn exchange(&mut self, other: &mut Mala, swapped: &[bool; LANES], versions: (u64, u64)) {
        let known = (self.drift_version, other.drift_version) == (Some(versions.0), Some(versions.1));
        if self.drift != Drift::Gradient || !known {
            return;
        }
        for (a, b) in self.here.iter_mut().zip(&mut other.here) {
            let keeps = mutant::is(Fault::KeepDrifts);
            for lane in (0..LANES).filter(|&lane| swapped[lane] && !keeps) {
                std::mem::swap(&mut a[lane], &mut b[lane]);
            }
        }
        self.drift_version = Some(versions.0 + 1);
        other.drift_version = Some(versions.1 + 1);
    }

    /// Fixes the law of the present step.
    fn set_law(&mut self, target: &Target) {
        for lane in 0..LANES {
            let factor = self.scale[lane].factor;
            self.step[lane] = self.fixed.unwrap_or(factor * factor / (2.0 * target.temperature));
            self.variance[lane] = 2.0 * self.step[lane] * target.temperature;
        }
        let by_spread = self.scale.iter().any(|scale| scale.by_spread);
        for &d in target.bounds.continuous() {
            let plain = match (self.precondition, self.fixed) {
                (true, _) => target.bounds.width(d),
                (false, Some(_)) => 1.0,
                (false, None) => self.mean_width,
            };
            self.unit[d] = Lanes::splat(plain);
            if self.precondition && by_spread {
                for lane in 0..LANES {
                    if self.scale[lane].by_spread {
                        self.unit[d][lane] = self.adaptation.spread(d, lane);
                    }
                }
            }
        }
    }

    fn law<'a>(&'a self, target: &'a Target) -> Langevin<'a> {
        Langevin {
            level: target.level,
            bounds: &target.bounds,
            boundary: target.boundary,
            step: &self.step,
            variance: &self.variance,
            unit: &self.unit,
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
                let adapted = self.adaptation.begin(phase, &target.bounds);
                let noise = match self.drift {
                    Drift::Smoothed { noise, .. } => Some(noise),
                    _ => None,
                };
                let frozen = noise == Some(Noise::Frozen) && self.drift_version.is_some();
                if noise.is_some() && !frozen {
                    self.draw_directions(target, streams);
                }
                let renewed = noise.is_some() && !frozen;
                for lane in 0..LANES {
                    let rng = &mut streams.propose[lane];
                    self.scale[lane] = self.adaptation.choose(lane, rng);
                }
                self.set_law(target);
                // The smoothing follows the spread.
                let stale = adapted || self.drift_version != Some(state.version);
                if renewed || stale {
                    self.set_sigma(target);
                    self.stage = Stage::Drifting;
                    return Request::DriftHere;
                }
                self.propose(target, state, streams)
            }
            Stage::Drifting | Stage::Proposed => self.propose(target, state, streams),
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
        self.outside = self.law(target).propose(&state.x, &self.here, &self.noise, &mut proposal);
        self.proposal = proposal;
        self.stage = Stage::Proposed;
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
            Reply::Drift(b) => {
                self.here.copy_from_slice(b);
                self.drift_version = Some(state.version);
            }
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
        let forward = law.log_density(&state.x, &self.here, &self.proposal);
        let reverse = law.log_density(&self.proposal, there.unwrap_or(&self.here), &state.x);
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
        let jumps = self.adaptation.jumps(&target.bounds, &state.x, &self.proposal);
        let (probability, moved) = accept(
            target.level,
            target.temperature,
            phase,
            state,
            &proposal,
            &mut streams.accept,
            &mut self.tally,
        );
        for (here, there) in self.here.iter_mut().zip(there.unwrap_or(&[])) {
            for lane in 0..LANES {
                if moved[lane] {
                    here[lane] = there[lane];
                }
            }
        }
        self.drift_version = Some(state.version);
        self.stage = Stage::Over;
        self.adaptation.learn(&target.bounds, &jumps, &probability, &[true; LANES], &state.x);
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
                    None => SIGMA * self.adaptation.spread(d, lane),
                };
            }
        }
    }
}
