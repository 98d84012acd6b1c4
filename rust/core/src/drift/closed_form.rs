//! The chain rule through smoothed outputs: `Σ_terms w loss'(T_s(x)) ∂T_s(x)`.

use crate::question::{Energy, Workspace};
use crate::simd::{LANES, Lanes};

pub(super) fn add(
    energy: &Energy,
    workspace: &mut Workspace,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    let forest = energy.forest();
    forest.smooth(energy.level(), x, sigma, &mut workspace.smooth);
    let n_slots = forest.n_slots();
    let mut cotangent = vec![Lanes::splat(0.0); n_slots];
    let mut outputs = vec![0.0; n_slots];
    let mut slopes = vec![0.0; n_slots];
    for lane in 0..LANES {
        for (output, smooth) in outputs.iter_mut().zip(&workspace.smooth.outputs) {
            *output = smooth[lane];
        }
        slopes.fill(0.0);
        for term in energy.terms() {
            let slots = energy.slots(term.model);
            term.loss.add_cotangent(term.weight, &outputs[slots.clone()], &mut slopes[slots]);
        }
        for (cotangent, &slope) in cotangent.iter_mut().zip(&slopes) {
            cotangent[lane] = slope;
        }
    }
    forest.smooth_gradient(energy.level(), x, sigma, &cotangent, &mut workspace.smooth, out);
}
