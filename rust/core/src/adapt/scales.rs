//! Scales of steps by how far they get.
//!
//! An acceptance rate says little about step functions in a box, where the best walk may accept one step in
//! twenty. So candidates compete during warm-up: each is tried in turn, scored by its mean squared jump
//! (acceptance probability included, in units of the columns' spread), and the worse half dropped at the end
//! of each window. What remains is drawn from at random, step by step, better ones more often: a target with
//! broad plains and narrow ridges needs steps of several lengths, and a mixture of kernels whose choice
//! ignores the state is as exact as each.

use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::rng::Stream;
use crate::simd::{LANES, Lanes};

/// Factors that compete, for each of two units: the columns' widths and the chain's spread.
const FACTORS: [f64; 8] = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015_625, 0.007_812_5];
/// Candidates that are never dropped below this number.
const KEEP: usize = 4;

/// Standard deviation of a step's noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) factor: f64,
    /// In units of the chain's spread instead of the widths.
    pub(crate) by_spread: bool,
}

#[derive(Clone, Debug)]
struct Candidate {
    scale: Scale,
    tried: f64,
    jumped: f64,
    share: f64,
}

/// The candidates of eight chains.
#[derive(Clone, Debug)]
pub(crate) struct Scales {
    /// Those that compete come first, `competing` of a lane.
    lanes: Vec<Vec<Candidate>>,
    competing: [usize; LANES],
    chosen: [usize; LANES],
    rare: f64,
}

impl Scales {
    /// One fixed scale, or competing ones. After the warm-up a share `rare` of the steps is spread over all of
    /// them: what was useless where a chain stood may be what takes it elsewhere.
    pub(crate) fn new(fixed: Option<f64>, rare: f64) -> Self {
        let candidates: Vec<Candidate> = match fixed {
            Some(factor) => vec![candidate(factor, false)],
            None => [false, true]
                .into_iter()
                .flat_map(|by_spread| FACTORS.map(|factor| candidate(factor, by_spread)))
                .collect(),
        };
        Self {
            competing: [candidates.len(); LANES],
            lanes: vec![candidates; LANES],
            chosen: [0; LANES],
            rare,
        }
    }

    /// The scale of a chain's next step: the least tried one while warming up, then at random.
    pub(crate) fn choose(&mut self, lane: usize, warming: bool, rng: &mut Stream) -> Scale {
        let candidates = &self.lanes[lane];
        let mut at = 0;
        if candidates.len() > 1 {
            if warming {
                for (i, c) in candidates[..self.competing[lane]].iter().enumerate() {
                    if c.tried < candidates[at].tried {
                        at = i;
                    }
                }
            } else {
                let mut left = rng.uniform();
                while at + 1 < candidates.len() && left >= candidates[at].share {
                    left -= candidates[at].share;
                    at += 1;
                }
            }
        }
        self.chosen[lane] = at;
        candidates[at].scale
    }

    /// What came of the chosen scales: squared jumps, acceptance probability included.
    /// Lanes that took no such step are left out.
    pub(crate) fn score(&mut self, jumps: &Lanes<f64>, took: &[bool; LANES]) {
        for (lane, candidates) in self.lanes.iter_mut().enumerate().filter(|&(lane, _)| took[lane]) {
            let chosen = &mut candidates[self.chosen[lane]];
            chosen.tried += 1.0;
            chosen.jumped += jumps[lane];
        }
    }

    /// Ends a window: drops the worse half and starts the scores anew.
    pub(crate) fn halve(&mut self) {
        for (candidates, competing) in self.lanes.iter_mut().zip(&mut self.competing) {
            let candidates = &mut candidates[..*competing];
            // With fewer than four tries each, chance would decide.
            if candidates.iter().any(|c| c.tried < 4.0) {
                continue;
            }
            candidates.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
            *competing = (*competing / 2).max(KEEP.min(*competing));
            for c in &mut candidates[..*competing] {
                c.tried = 0.0;
                c.jumped = 0.0;
            }
        }
    }

    /// Ends the warm-up: shares in proportion to the squared scores of the last window.
    pub(crate) fn freeze(&mut self) {
        for (candidates, &competing) in self.lanes.iter_mut().zip(&self.competing) {
            let weight = |c: &Candidate| c.mean() * c.mean();
            let total: f64 = candidates[..competing].iter().map(weight).sum();
            let n = candidates.len();
            for (i, c) in candidates.iter_mut().enumerate() {
                let best = match (i < competing, total > 0.0) {
                    (true, true) => weight(c) / total,
                    (true, false) => 1.0 / competing as f64,
                    (false, _) => 0.0,
                };
                c.share = (1.0 - self.rare) * best + self.rare / n as f64;
            }
        }
    }

    /// Mean factor of each chain's steps.
    pub(crate) fn factors(&self) -> Lanes<f64> {
        Lanes(std::array::from_fn(|lane| {
            let candidates = &self.lanes[lane];
            let total: f64 = candidates.iter().map(|c| c.share).sum();
            candidates.iter().map(|c| c.share * c.scale.factor).sum::<f64>() / total
        }))
    }
}

fn candidate(factor: f64, by_spread: bool) -> Candidate {
    let share = 1.0 / (2 * FACTORS.len()) as f64;
    Candidate { scale: Scale { factor, by_spread }, tried: 0.0, jumped: 0.0, share }
}

impl Saved for Scales {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { lanes, competing, chosen, rare: _ } = self;
        for (lane, candidates) in lanes.iter_mut().enumerate() {
            candidates.pass(codec)?;
            codec.count(&mut competing[lane], candidates.len())?;
            codec.count(&mut chosen[lane], candidates.len() - 1)?;
        }
        Ok(())
    }
}

impl Saved for Candidate {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { scale, tried, jumped, share } = self;
        scale.pass(codec)?;
        [tried, jumped, share].into_iter().try_for_each(|value| value.pass(codec))
    }
}

impl Saved for Scale {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { factor, by_spread } = self;
        factor.pass(codec)?;
        by_spread.pass(codec)
    }
}

impl Candidate {
    fn mean(&self) -> f64 {
        if self.tried > 0.0 { self.jumped / self.tried } else { 0.0 }
    }
}
