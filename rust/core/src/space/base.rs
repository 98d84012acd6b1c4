//! Draws from the base measure of a box, a branch of columns at a time.

use std::sync::Arc;

use super::{Bounds, Kind, Reference};
use crate::rng::Stream;
use crate::simd::math;

/// The base measure: uniform on the box, or a [`Reference`].
#[derive(Clone, Debug)]
pub struct Base {
    bounds: Bounds,
    reference: Option<Arc<Reference>>,
    /// Running sums of the probabilities of cells, by column: parent cells × cells.
    sums: Vec<Vec<f64>>,
    /// Each column that moves with all that depend on it, parents first.
    branches: Vec<Vec<usize>>,
}

impl Base {
    pub fn new(bounds: Bounds, reference: Option<Arc<Reference>>) -> Self {
        let Some(own) = &reference else {
            let branches = bounds.free().iter().map(|&d| vec![d]).collect();
            return Self { bounds, reference: None, sums: Vec::new(), branches };
        };
        let branches = bounds.free().iter().map(|&d| branch(own, &bounds, d)).collect();
        let sums = (0..own.len())
            .map(|d| {
                let cells = own.cuts(d).len() + 1;
                let measures: Vec<f64> = (0..cells).map(|cell| measure(own, &bounds, d, cell)).collect();
                let mut sums = own.table(d).to_vec();
                for row in sums.chunks_exact_mut(cells) {
                    let mut sum = 0.0;
                    for (value, measure) in row.iter_mut().zip(&measures) {
                        sum += measure * math::exp1(*value);
                        *value = sum;
                    }
                }
                sums
            })
            .collect();
        Self { bounds, reference, sums, branches }
    }

    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_deref()
    }

    /// How many columns move.
    pub fn n_branches(&self) -> usize {
        self.branches.len()
    }

    /// Columns that [`Self::draw`] draws for a branch.
    pub fn branch(&self, branch: usize) -> &[usize] {
        &self.branches[branch]
    }

    /// A draw of the branch given all other columns, into a row.
    pub fn draw(&self, branch: usize, row: &mut [f64], rng: &mut Stream) {
        for &d in &self.branches[branch] {
            row[d] = match &self.reference {
                None => self.bounds.uniform(d, rng),
                Some(reference) => self.draw_column(reference, d, row, rng),
            };
        }
    }

    /// A draw of all columns that move.
    pub fn draw_row(&self, row: &mut [f64], rng: &mut Stream) {
        for (branch, &d) in self.bounds.free().iter().enumerate() {
            // Others are drawn with what they depend on.
            let fixed = |p: usize| self.bounds.width(p) == 0.0;
            if self.reference.as_ref().and_then(|r| r.parent(d)).is_none_or(fixed) {
                self.draw(branch, row, rng);
            }
        }
    }

    fn draw_column(&self, reference: &Reference, d: usize, row: &[f64], rng: &mut Stream) -> f64 {
        let cells = reference.cuts(d).len() + 1;
        let given = reference.parent(d).map_or(0, |p| reference.cell(p, row[p]));
        let sums = &self.sums[d][given * cells..(given + 1) * cells];
        let aim = rng.uniform() * sums[cells - 1];
        let cell = sums.partition_point(|&sum| sum <= aim).min(cells - 1);
        let (lower, upper) = ends(reference, &self.bounds, d, cell);
        let u = rng.uniform();
        match self.bounds.kind(d) {
            _ if self.bounds.width(d) == 0.0 => self.bounds.lower(d),
            // Above the cut below it, at or under the one above.
            Kind::Continuous => (upper - u * (upper - lower)).max(lower.next_up()).min(upper),
            Kind::Integer | Kind::Level => {
                let (first, count) = (lower.floor() + 1.0, upper.floor() - lower.floor());
                first + (u * count).floor().min(count - 1.0)
            }
        }
    }
}

/// A column and all that depend on it, parents first. What is fixed has one cell, so nothing depends on it.
fn branch(reference: &Reference, bounds: &Bounds, d: usize) -> Vec<usize> {
    let mut found = vec![d];
    let mut at = 0;
    while let Some(&next) = found.get(at) {
        found.extend(reference.children(next).iter().filter(|&&child| bounds.width(child) > 0.0));
        at += 1;
    }
    found
}

/// The values of a cell are above the first and at most the second.
pub(crate) fn ends(reference: &Reference, bounds: &Bounds, d: usize, cell: usize) -> (f64, f64) {
    let half = if bounds.kind(d) == Kind::Continuous { 0.0 } else { 0.5 };
    let cuts = reference.cuts(d);
    let lower = if cell == 0 { bounds.lower(d) - half } else { cuts[cell - 1] };
    (lower, cuts.get(cell).copied().unwrap_or(bounds.upper(d) + half))
}

/// What the values of a cell weigh where nothing is learned.
pub(crate) fn measure(reference: &Reference, bounds: &Bounds, d: usize, cell: usize) -> f64 {
    let (lower, upper) = ends(reference, bounds, d, cell);
    match bounds.kind(d) {
        _ if bounds.width(d) == 0.0 => 1.0,
        Kind::Continuous => upper - lower,
        Kind::Integer | Kind::Level => upper.floor() - lower.floor(),
    }
}
