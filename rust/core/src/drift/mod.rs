//! Drift fields of MALA: any deterministic field is allowed, since acceptance uses the true G.

mod closed_form;
mod estimator;

use crate::question::{Energy, Workspace};
use crate::simd::Lanes;

/// How the drift `b(x)` is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drift {
    /// ∇G itself.
    Gradient,
    /// Chain rule through the smoothed outputs of the trees (MATH.md section 4).
    ClosedForm { sigma: Option<f64> },
    /// Antithetic estimate of the gradient of G averaged over normal noise.
    Smoothed { sigma: Option<f64>, directions: usize, noise: Noise },
}

/// When the directions of the estimate are drawn (MATH.md 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Each step, the same for the forward and the reverse density: exact.
    Shared,
    /// Once, for the whole run: exact.
    Frozen,
    /// Each step, and the drift at the proposal is taken to be that at the state: the papers' rule,
    /// not exact.
    Fresh,
}

impl Drift {
    /// Whether MALA with this drift leaves the target invariant.
    pub fn exact(&self) -> bool {
        !matches!(self, Drift::Smoothed { noise: Noise::Fresh, .. })
    }

    /// Fraction of each column's width that smooths, if it was given.
    pub fn sigma(&self) -> Option<f64> {
        match *self {
            Drift::Gradient => None,
            Drift::ClosedForm { sigma } | Drift::Smoothed { sigma, .. } => sigma,
        }
    }

    /// b at eight rows into `out[column]`. `sigma[column]` smooths; `directions[j · columns + column]`
    /// are the estimate's.
    pub fn evaluate(
        &self,
        energy: &Energy,
        workspace: &mut Workspace,
        x: &[Lanes<f64>],
        sigma: &[Lanes<f64>],
        directions: &[Lanes<f64>],
        out: &mut [Lanes<f64>],
    ) {
        out.fill(Lanes::splat(0.0));
        match self {
            Drift::Gradient => {
                energy.at_with_slopes(x, workspace);
                energy.add_gradient(workspace, out);
            }
            Drift::ClosedForm { .. } => {
                energy.add_localizers(x, out);
                closed_form::add(energy, workspace, x, sigma, out);
            }
            Drift::Smoothed { .. } => estimator::add(energy, workspace, x, sigma, directions, out),
        }
    }
}
