//! One-vs-one decisions.

use crate::simd::{LANES, Lanes};

/// `(0, 1), (0, 2) … (1, 2) …`.
pub(super) fn pairs(n_classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_classes).flat_map(move |i| (i + 1..n_classes).map(move |j| (i, j)))
}

/// Class probabilities p that minimise `Σ_{i≠j} (r_ji p_i - r_ij p_j)²`, where `r_ij` is the probability
/// of i against j (Wu, Lin and Weng 2004, section 4.2), by the fixed-point iteration given there.
pub(super) fn couple(decisions: &[Lanes<f64>], k: usize, out: &mut [Lanes<f64>]) {
    // As in libsvm, whose probabilities these are to be equal to.
    let tolerance = 0.005 / k as f64;
    let rounds = k.max(100);
    let mut r = vec![0.0; k * k];
    let mut q = vec![0.0; k * k];
    let mut qp = vec![0.0; k];
    let mut p = vec![0.0; k];
    for lane in 0..LANES {
        for (d, (i, j)) in pairs(k).enumerate() {
            r[i * k + j] = decisions[d][lane];
            r[j * k + i] = 1.0 - decisions[d][lane];
        }
        for i in 0..k {
            p[i] = 1.0 / k as f64;
            q[i * k + i] = (0..k).filter(|&j| j != i).map(|j| r[j * k + i] * r[j * k + i]).sum();
            for j in (0..k).filter(|&j| j != i) {
                q[i * k + j] = -r[j * k + i] * r[i * k + j];
            }
        }
        for _ in 0..rounds {
            let mut pqp = 0.0;
            for i in 0..k {
                qp[i] = (0..k).map(|j| q[i * k + j] * p[j]).sum();
                pqp += p[i] * qp[i];
            }
            let worst = qp.iter().map(|v| (v - pqp).abs()).fold(0.0, f64::max);
            if worst < tolerance {
                break;
            }
            for i in 0..k {
                let diff = (pqp - qp[i]) / q[i * k + i];
                p[i] += diff;
                let scale = 1.0 + diff;
                pqp = (pqp + diff * (diff * q[i * k + i] + 2.0 * qp[i])) / (scale * scale);
                for j in 0..k {
                    qp[j] = (qp[j] + diff * q[i * k + j]) / scale;
                    p[j] /= scale;
                }
            }
        }
        for (out, p) in out.iter_mut().zip(&p) {
            out[lane] = *p;
        }
    }
}
