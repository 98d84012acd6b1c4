//! `(1/(2σJ)) Σ_j (G(x + σε_j) - G(x - σε_j)) ε_j`, column by column with that column's σ.

use crate::question::{Energy, Workspace};
use crate::simd::{LANES, Lanes};

pub(super) fn add(
    energy: &Energy,
    workspace: &mut Workspace,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    directions: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    let d = x.len();
    let free = energy.bounds().continuous();
    let n = directions.len() / d;
    let mut at = std::mem::take(&mut workspace.drift.rows);
    at.clear();
    at.extend_from_slice(x);
    for direction in directions.chunks_exact(d) {
        let mut difference = Lanes::splat(0.0);
        for sign in [1.0, -1.0] {
            for &d in free {
                for lane in 0..LANES {
                    at[d][lane] = x[d][lane] + sign * sigma[d][lane] * direction[d][lane];
                }
            }
            let g = energy.at(&at, workspace);
            for lane in 0..LANES {
                difference[lane] += sign * g[lane];
            }
        }
        for lane in 0..LANES {
            // Where a requirement is broken on one side there is no difference to follow.
            if !difference[lane].is_finite() {
                difference[lane] = 0.0;
            }
        }
        for &d in free {
            for lane in 0..LANES {
                out[d][lane] += difference[lane] * direction[d][lane] / (2.0 * sigma[d][lane] * n as f64);
            }
        }
    }
    workspace.drift.rows = at;
}
