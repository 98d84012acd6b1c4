//! The chain rule through smoothed outputs: `Σ_terms w loss'(T_s(x)) ∂T_s(x)`.

use crate::question::{DriftScratch, Energy, Workspace};
use crate::simd::{LANES, Lanes};

pub(super) fn add(
    energy: &Energy,
    workspace: &mut Workspace,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    let forest = energy.forest();
    let Workspace { smooth, drift, .. } = workspace;
    forest.smooth(energy.level(), x, sigma, smooth);
    let n_slots = forest.n_slots();
    let DriftScratch { cotangent, outputs, slopes, .. } = drift;
    cotangent.resize(n_slots, Lanes::splat(0.0));
    outputs.resize(n_slots, 0.0);
    slopes.resize(n_slots, 0.0);
    for lane in 0..LANES {
        for (output, smoothed) in outputs.iter_mut().zip(&smooth.outputs) {
            *output = smoothed[lane];
        }
        slopes.fill(0.0);
        for term in energy.terms() {
            let slots = energy.slots(term.model);
            term.loss.add_cotangent(term.weight, &outputs[slots.clone()], &mut slopes[slots]);
        }
        for (cotangent, &slope) in cotangent.iter_mut().zip(slopes.iter()) {
            cotangent[lane] = slope;
        }
    }
    forest.smooth_gradient(energy.level(), x, sigma, cotangent, smooth, out);
}
