//! What kernels with a drift remember: the drift at the present rows, and where a step stands.

use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Begin,
    /// The drift at the present rows was asked for.
    Drifting,
    Over,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    here: Vec<Lanes<f64>>,
    /// `State::version` that it is good for.
    version: Option<u64>,
}

impl Known {
    pub(super) fn new(columns: usize) -> Self {
        Self { here: vec![Lanes::splat(0.0); columns], version: None }
    }

    pub(super) fn here(&self) -> &[Lanes<f64>] {
        &self.here
    }

    /// Whether there ever was a drift.
    pub(super) fn any(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn holds(&self, version: u64) -> bool {
        self.version == Some(version)
    }

    pub(super) fn set(&mut self, drift: &[Lanes<f64>], version: u64) {
        self.here.copy_from_slice(drift);
        self.version = Some(version);
    }

    /// Takes over the drift at the proposals of the chains that moved; where there is none, that here serves.
    pub(super) fn follow(&mut self, there: Option<&[Lanes<f64>]>, moved: &[bool; LANES], version: u64) {
        for (here, there) in self.here.iter_mut().zip(there.unwrap_or(&[])) {
            for lane in 0..LANES {
                if moved[lane] {
                    here[lane] = there[lane];
                }
            }
        }
        self.version = Some(version);
    }

    /// Drifts at rows that were exchanged between temperatures are exchanged with them, where both are known: good
    /// for the states' next versions.
    pub(super) fn exchange(&mut self, other: &mut Known, swapped: &[bool; LANES], versions: (u64, u64)) {
        if !(self.holds(versions.0) && other.holds(versions.1)) {
            return;
        }
        for (a, b) in self.here.iter_mut().zip(&mut other.here) {
            let keeps = mutant::is(Fault::KeepDrifts);
            for lane in (0..LANES).filter(|&lane| swapped[lane] && !keeps) {
                std::mem::swap(&mut a[lane], &mut b[lane]);
            }
        }
        self.version = Some(versions.0 + 1);
        other.version = Some(versions.1 + 1);
    }
}

impl Saved for Known {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { here, version } = self;
        here.pass(codec)?;
        version.pass(codec)
    }
}

impl Saved for Stage {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut at = match self {
            Stage::Begin => 0,
            Stage::Drifting => 1,
            Stage::Over => 2,
        };
        codec.count(&mut at, 2)?;
        *self = [Stage::Begin, Stage::Drifting, Stage::Over][at];
        Ok(())
    }
}
