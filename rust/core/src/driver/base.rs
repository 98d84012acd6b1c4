//! Rows of the base measure, which is a chain's target at infinite temperature.

use crate::question::Energy;
use crate::rng::{Purpose, stream};
use crate::space::Base;

/// Rows that are tried for each one that is wanted, where constraints leave little.
const TRIES: usize = 10;

/// Up to `n` independent rows of the base measure that meet the constraints on sampled columns, row-major: those of a
/// chain, from a stream that no kernel uses. Fewer where constraints leave too little to be met by chance.
pub fn base_rows(energy: &Energy, key: &[u8; 32], chain: u64, n: usize) -> Vec<f64> {
    let (bounds, constraints) = (energy.bounds(), energy.constraints());
    let base = Base::new(bounds.clone(), energy.reference());
    let mut rng = stream(key, Purpose::Base, chain);
    let mut row = bounds.lowers().to_vec();
    let mut rows = Vec::with_capacity(n * bounds.len());
    for _ in 0..n.saturating_mul(TRIES) {
        base.draw_row(&mut row, &mut rng);
        if constraints.iter().all(|constraint| constraint.admits(|d| row[d])) {
            rows.extend_from_slice(&row);
            if rows.len() == n * bounds.len() {
                break;
            }
        }
    }
    rows
}
