//! Each step one of several kernels, the same one for all chains of the run.

use super::{Mover, Spec, Target};
use crate::rng::{Purpose, Stream, stream};

/// The kernels of one block of chains and the stream that chooses between them. Every block holds its
/// own copy of that stream and so makes the same choices; they do not depend on any chain's state, which
/// leaves the target invariant for each.
#[derive(Clone, Debug)]
pub struct Mixture {
    movers: Vec<Mover>,
    cumulative: Vec<f64>,
    schedule: Stream,
}

impl Mixture {
    pub fn new(spec: &Spec, target: &Target, key: &[u8; 32]) -> Self {
        let mut weights = Vec::new();
        flatten(spec, 1.0, &mut weights);
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|w| {
                sum += w / total;
                sum
            })
            .collect();
        Self {
            movers: spec.movers().iter().map(|spec| Mover::new(spec, target)).collect(),
            cumulative,
            schedule: stream(key, Purpose::Schedule, 0),
        }
    }

    /// The kernel of the next step.
    pub fn choose(&mut self) -> &mut Mover {
        let last = self.movers.len() - 1;
        let at = if last == 0 {
            0
        } else {
            let u = self.schedule.uniform();
            self.cumulative.partition_point(|&c| c <= u).min(last)
        };
        &mut self.movers[at]
    }

    pub fn movers(&self) -> &[Mover] {
        &self.movers
    }
}

fn flatten(spec: &Spec, weight: f64, out: &mut Vec<f64>) {
    match spec {
        Spec::Mixture { kernels, weights } => {
            let total: f64 = weights.iter().sum();
            for (kernel, w) in kernels.iter().zip(weights) {
                flatten(kernel, weight * w / total, out);
            }
        }
        _ => out.push(weight),
    }
}
