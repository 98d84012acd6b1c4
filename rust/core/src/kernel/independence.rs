//! Independence sampler, branch by branch of the base measure.
//!
//! One column is chosen, and drawn from the base measure given the others together with all columns that depend on
//! it. The proposal density is the base measure's own, so that G alone decides.

use super::accept::{Proposal, accept};
use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::Phase;
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes};

#[derive(Clone, Debug)]
pub struct Independence {
    proposal: Vec<Lanes<f64>>,
    /// One lane of the proposal.
    row: Vec<f64>,
    answered: bool,
    pub(super) tally: Tally,
}

impl Independence {
    pub(super) fn new(target: &Target) -> Self {
        let d = target.bounds.len();
        Self {
            proposal: vec![Lanes::splat(0.0); d],
            row: vec![0.0; d],
            answered: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn proposal(&self) -> &[Lanes<f64>] {
        &self.proposal
    }

    pub(super) fn ask(&mut self, target: &Target, state: &State, streams: &mut Streams) -> Request {
        if std::mem::take(&mut self.answered) {
            return Request::Done;
        }
        let base = &target.base;
        self.proposal.copy_from_slice(&state.x);
        for lane in 0..LANES {
            let rng = &mut streams.propose[lane];
            let n = base.n_branches();
            let branch = ((rng.uniform() * n as f64) as usize).min(n - 1);
            for (to, x) in self.row.iter_mut().zip(&state.x) {
                *to = x[lane];
            }
            base.draw(branch, &mut self.row, rng);
            for &d in base.branch(branch) {
                self.proposal[d][lane] = self.row[d];
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
        // Given the columns that stay, p(x)/p(y) is the ratio of the proposal's densities.
        let mut log_ratio = Lanes::splat(0.0);
        if let Some(reference) = target.base.reference()
            && !mutant::is(Fault::ForgetBase)
        {
            let (from, to) = (reference.log_density(&state.x), reference.log_density(&self.proposal));
            log_ratio = Lanes(std::array::from_fn(|lane| from[lane] - to[lane]));
        }
        let proposal = Proposal { x: &self.proposal, energy, outside: &[false; LANES], log_ratio };
        accept(
            target.level,
            target.temperature,
            phase,
            state,
            &proposal,
            &mut streams.accept,
            &mut self.tally,
        );
    }
}

impl Saved for Independence {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { proposal, row: _, answered, tally } = self;
        proposal.pass(codec)?;
        answered.pass(codec)?;
        tally.pass(codec)
    }
}
