//! Which kernels make a step: all of a cycle in order, one of a mixture at random.

use super::{Mover, Spec, Target};
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::rng::{Purpose, Stream, stream};
use crate::simd::LANES;

/// The kernels of one block of chains and the stream that chooses between them. Every block holds its
/// own copy of that stream and so makes the same choices; they do not depend on any chain's state, which
/// leaves the target invariant for each.
#[derive(Clone, Debug)]
pub struct Schedule {
    movers: Vec<Mover>,
    plan: Plan,
    stream: Stream,
    queue: Vec<usize>,
    /// Position of what [`Self::next_mover`] gave last.
    at: usize,
}

/// Positions in `movers`.
#[derive(Clone, Debug)]
enum Plan {
    Mover(usize),
    OneOf { parts: Vec<Plan>, cumulative: Vec<f64> },
    InOrder(Vec<(Plan, u32)>),
}

impl Schedule {
    pub fn new(spec: &Spec, target: &Target, key: &[u8; 32]) -> Self {
        let mut movers = Vec::new();
        let plan = Plan::new(spec, target, &mut movers);
        Self { movers, plan, stream: stream(key, Purpose::Schedule, 0), queue: Vec::new(), at: 0 }
    }

    /// Plans a step: its kernels in order, to be taken with [`Self::next_mover`].
    pub fn begin(&mut self) {
        self.queue.clear();
        self.plan.fill(&mut self.stream, &mut self.queue);
        self.queue.reverse();
    }

    /// The next kernel of the step; `None` when the step is over.
    pub fn next_mover(&mut self) -> Option<&mut Mover> {
        self.at = self.queue.pop()?;
        self.movers.get_mut(self.at)
    }

    /// Takes over from each other what is known of rows that were exchanged, in the lanes `swapped`; `versions` are
    /// those of the states before. With a base measure, drifts differ by temperature.
    pub(crate) fn exchange(
        &mut self,
        other: &mut Schedule,
        swapped: &[bool; LANES],
        versions: (u64, u64),
        based: bool,
    ) {
        for (a, b) in self.movers.iter_mut().zip(&mut other.movers) {
            match (a, b) {
                _ if based => {}
                (Mover::Mala(a), Mover::Mala(b)) => a.exchange(b, swapped, versions),
                (Mover::Barker(a), Mover::Barker(b)) => a.exchange(b, swapped, versions),
                _ => {}
            }
        }
    }

    /// The kernel that was given last.
    pub fn current(&mut self) -> &mut Mover {
        &mut self.movers[self.at]
    }

    /// Its position among [`Self::movers`].
    pub fn at(&self) -> usize {
        self.at
    }

    /// All kernels, in the order of [`Spec::movers`].
    pub fn movers(&self) -> &[Mover] {
        &self.movers
    }
}

impl Plan {
    fn new(spec: &Spec, target: &Target, movers: &mut Vec<Mover>) -> Self {
        match spec {
            Spec::Mixture { kernels, weights } => {
                let total: f64 = weights.iter().sum();
                let mut sum = 0.0;
                let cumulative = weights
                    .iter()
                    .map(|w| {
                        sum += w / total;
                        sum
                    })
                    .collect();
                let parts = kernels.iter().map(|kernel| Plan::new(kernel, target, movers)).collect();
                Plan::OneOf { parts, cumulative }
            }
            Spec::Cycle { kernels, repeats } => {
                let part = |(kernel, &repeat): (&Spec, &u32)| (Plan::new(kernel, target, movers), repeat);
                Plan::InOrder(kernels.iter().zip(repeats).map(part).collect())
            }
            Spec::RandomWalk { .. }
            | Spec::Mala { .. }
            | Spec::Barker { .. }
            | Spec::Conditional
            | Spec::Independence => {
                movers.push(Mover::new(spec, target));
                Plan::Mover(movers.len() - 1)
            }
        }
    }

    /// Moves of a step, at most.
    fn longest(&self) -> usize {
        match self {
            Plan::Mover(_) => 1,
            Plan::OneOf { parts, .. } => parts.iter().map(Plan::longest).max().unwrap_or(0),
            Plan::InOrder(parts) => parts.iter().fold(0, |sum: usize, (part, n)| {
                sum.saturating_add(part.longest().saturating_mul(*n as usize))
            }),
        }
    }

    fn fill(&self, rng: &mut Stream, queue: &mut Vec<usize>) {
        match self {
            Plan::Mover(at) => queue.push(*at),
            Plan::OneOf { parts, cumulative } => {
                let u = rng.uniform();
                let at = cumulative.partition_point(|&c| c <= u).min(parts.len() - 1);
                parts[at].fill(rng, queue);
            }
            Plan::InOrder(parts) => {
                for (part, repeat) in parts {
                    for _ in 0..*repeat {
                        part.fill(rng, queue);
                    }
                }
            }
        }
    }
}

impl Saved for Schedule {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { movers, plan, stream, queue, at } = self;
        movers.pass(codec)?;
        stream.pass(codec)?;
        let (mut n, last) = (queue.len(), movers.len() - 1);
        codec.count(&mut n, plan.longest())?;
        queue.resize(n, 0);
        queue.iter_mut().try_for_each(|at| codec.count(at, last))?;
        codec.count(at, last)
    }
}
