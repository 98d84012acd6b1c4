//! Adaptation during warm-up, each chain by itself; afterwards everything is frozen (MATH.md section 6).

mod ladder;
mod scales;
mod spread;

use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::rng::Stream;
use crate::simd::{LANES, Lanes};
use crate::space::Bounds;

pub(crate) use ladder::even;
pub(crate) use scales::Scale;
use scales::Scales;
use spread::Spread;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Steps taken so far.
    pub step: u64,
    /// Steps of the warm-up.
    pub warmup: u64,
}

impl Phase {
    pub(crate) fn warming(self) -> bool {
        self.step < self.warmup
    }

    /// Quarter of the warm-up, from 0; [`FROZEN`] after it.
    fn window(self) -> u64 {
        if self.warming() { WINDOWS * self.step / self.warmup } else { FROZEN }
    }
}

const WINDOWS: u64 = 4;
const FROZEN: u64 = WINDOWS;

/// The lengths of a kernel's steps, which it learns from its own steps during warm-up. In a mixture a kernel
/// may not be there when a window ends, so windows are closed at its next step.
#[derive(Clone, Debug)]
pub(crate) struct Adaptation {
    scales: Scales,
    spread: Spread,
    window: u64,
}

impl Adaptation {
    /// One fixed factor, or competing ones, all of which are used for a share `rare` of the steps.
    pub(crate) fn new(fixed: Option<f64>, rare: f64, bounds: &Bounds) -> Self {
        let window = if fixed.is_some() { FROZEN } else { 0 };
        Self { scales: Scales::new(fixed, rare), spread: Spread::new(bounds), window }
    }

    /// To be called before each step: closes windows that have ended. True if scales or spread changed.
    pub(crate) fn begin(&mut self, phase: Phase, bounds: &Bounds) -> bool {
        let before = self.window;
        while self.window < phase.window() {
            self.window += 1;
            if self.window == FROZEN {
                self.scales.freeze();
            } else {
                self.scales.halve();
                self.spread.refresh(bounds);
            }
        }
        self.window != before
    }

    pub(crate) fn learning(&self) -> bool {
        self.window < FROZEN
    }

    /// The scale of a chain's next step.
    pub(crate) fn choose(&mut self, lane: usize, rng: &mut Stream) -> Scale {
        let learning = self.learning();
        self.scales.choose(lane, learning, rng)
    }

    /// Scale of a column by the spread of the chain, in units in which a uniform column has its width.
    pub(crate) fn spread(&self, column: usize, lane: usize) -> f64 {
        self.spread.scale()[column][lane]
    }

    /// Squared lengths of proposed jumps, for [`Self::learn`] after the decision.
    pub(crate) fn jumps(&self, bounds: &Bounds, from: &[Lanes<f64>], to: &[Lanes<f64>]) -> Lanes<f64> {
        if self.learning() { self.spread.jumps(bounds, from, to) } else { Lanes::splat(0.0) }
    }

    /// Learns from a step: its jumps, their acceptance probabilities, and where the chains are now. Scales were
    /// chosen for the chains in `took`.
    pub(crate) fn learn(
        &mut self,
        bounds: &Bounds,
        jumps: &Lanes<f64>,
        probability: &Lanes<f64>,
        took: &[bool; LANES],
        x: &[Lanes<f64>],
    ) {
        if self.learning() {
            let scores: [f64; LANES] = std::array::from_fn(|lane| probability[lane] * jumps[lane]);
            self.scales.score(&Lanes(scores), took);
            self.spread.update(bounds, x);
        }
    }

    /// Mean factor of each chain's steps.
    pub(crate) fn factors(&self) -> Lanes<f64> {
        self.scales.factors()
    }
}

impl Saved for Adaptation {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { scales, spread, window } = self;
        scales.pass(codec)?;
        spread.pass(codec)?;
        window.pass(codec)
    }
}
