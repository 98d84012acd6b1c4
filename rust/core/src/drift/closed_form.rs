//! The chain rule through smoothed outputs: `Σ_terms w loss'(T_s(x)) ∂T_s(x)`, and the plain gradient of
//! models that have one.

use crate::question::{Energy, Workspace};
use crate::simd::Lanes;

pub(super) fn add(
    energy: &Energy,
    workspace: &mut Workspace,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    let forest = energy.forest();
    let mut smooth = std::mem::take(&mut workspace.smooth);
    if forest.n_slots() > 0 {
        forest.smooth(energy.level(), x, sigma, &mut smooth);
    }
    energy.smoothed_gradient(x, &smooth.outputs, workspace, out);
    if forest.n_slots() > 0 {
        forest.smooth_gradient(energy.level(), x, sigma, &workspace.drift.slots, &mut smooth, out);
    }
    workspace.smooth = smooth;
}
