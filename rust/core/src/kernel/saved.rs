//! What kernels, rows and streams keep from step to step, for checkpoints.

use super::{Mover, State, Streams, Tally};
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;

/// Which kernel it is, the run knows.
impl Saved for Mover {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        match self {
            Mover::Independence(kernel) => kernel.pass(codec),
            Mover::RandomWalk(kernel) => kernel.pass(codec),
            Mover::Mala(kernel) => kernel.pass(codec),
            Mover::Barker(kernel) => kernel.pass(codec),
            Mover::Conditional(kernel) => kernel.pass(codec),
        }
    }
}

impl Saved for Tally {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { steps, accepted, nonfinite } = self;
        steps.pass(codec)?;
        accepted.pass(codec)?;
        nonfinite.pass(codec)
    }
}

impl Saved for State {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { x, energy, version } = self;
        x.pass(codec)?;
        energy.pass(codec)?;
        version.pass(codec)
    }
}

impl Saved for Streams {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { propose, accept, noise } = self;
        [propose, accept, noise].into_iter().try_for_each(|streams| streams.pass(codec))
    }
}
