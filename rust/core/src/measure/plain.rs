//! Plain Monte Carlo: independent draws from the base measure, in pieces that have a random stream each.

use super::ground::Ground;
use super::score::{Event, Native};
use crate::question::Workspace;
use crate::rng::{Purpose, stream};
use crate::simd::{LANES, Lanes};

/// Rows of the box that a piece draws.
pub(super) const PIECE: usize = 1024;
/// Rows of the event that are kept.
const EXAMPLES: usize = 128;

/// What draws have shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    pub(super) pieces: u64,
    /// Draws in the space, and those of them in the event.
    pub(super) drawn: u64,
    pub(super) hits: u64,
    pub(super) calls: u64,
    pub(super) examples: Vec<f64>,
}

impl Plain {
    /// Rows of a piece that constraints admit.
    pub(super) fn rows(key: &[u8; 32], piece: u64, ground: &Ground) -> Vec<f64> {
        let d = ground.bounds.len();
        let mut rng = stream(key, Purpose::Start, piece);
        let mut rows = vec![0.0; PIECE * d];
        let mut kept = 0;
        for _ in 0..PIECE {
            let row = &mut rows[kept * d..(kept + 1) * d];
            ground.draw(row, &mut rng);
            kept += usize::from(ground.admits(row));
        }
        rows.truncate(kept * d);
        rows
    }

    /// G of rows.
    pub(super) fn energies(native: &Native, rows: &[f64], columns: usize) -> Vec<f64> {
        let mut workspace = Workspace::default();
        let mut x = vec![Lanes::splat(0.0); columns];
        let mut out = Vec::with_capacity(rows.len() / columns);
        for block in rows.chunks(LANES * columns) {
            for (lane, row) in block.chunks_exact(columns).enumerate() {
                for (x, value) in x.iter_mut().zip(row) {
                    x[lane] = *value;
                }
            }
            let g = native.question.at(&x, &mut workspace);
            out.extend_from_slice(&g.0[..block.len() / columns]);
        }
        out
    }

    /// Counts rows of which `admitted` lie in the space.
    pub(super) fn count(
        &mut self,
        event: &Event,
        rows: &[f64],
        energies: &[f64],
        admitted: impl Fn(usize) -> bool,
        columns: usize,
    ) {
        self.calls += energies.len() as u64;
        for (i, (row, &g)) in rows.chunks_exact(columns).zip(energies).enumerate() {
            if !admitted(i) {
                continue;
            }
            self.drawn += 1;
            if event.holds(g) {
                self.hits += 1;
                if self.examples.len() < EXAMPLES * columns {
                    self.examples.extend_from_slice(row);
                }
            }
        }
    }

    /// Standard error of the logarithm of the share; infinite where nothing was seen.
    pub(super) fn log_se(&self) -> f64 {
        let (hits, n) = (self.hits as f64, self.drawn as f64);
        if self.hits == 0 { f64::INFINITY } else { ((1.0 - hits / n) / hits).sqrt() }
    }
}
