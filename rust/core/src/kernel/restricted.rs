//! Draws of one column from its conditional law, restricted to where constraints hold.
//!
//! Given the other columns, constraints leave a set of values S. A superset of it that is made of intervals is
//! known (`Constraint::along`), all of S where they are linear in the column, so that the law on the superset can be
//! drawn from exactly. Values that S does not hold are drawn again, at most [`TRIES`] times in all; then the column
//! stays as it was.
//!
//! That leaves the law invariant. Let q be the law on the superset, r the share that q has outside of S, and π the law
//! on S, which is q there but for a constant: q(y) = (1 − r) π(y). None of these depends on the present value. From x
//! the column comes to y ≠ x with probability P(x→y) = q(y) Σ_{k<n} r^k = (1 − rⁿ) π(y), so
//! π(x) P(x→y) = (1 − rⁿ) π(x) π(y), which is the same with x and y exchanged: detailed balance. Staying keeps any law.

use std::sync::Arc;

use crate::mutant::{self, Fault};
use crate::question::{ColumnMeasure, Part};
use crate::rng::Stream;
use crate::simd::{Lanes, math};
use crate::space::{Constraint, Spans, overlap};

/// Draws that are tried before a column stays as it was.
const TRIES: usize = 32;

/// The stretches of one column, and G on each but for what the column's measure holds.
#[derive(Clone, Copy)]
pub(crate) struct Stretches<'a> {
    pub(crate) first: &'a [u32],
    pub(crate) energies: &'a [Lanes<f64>],
    pub(crate) measure: &'a ColumnMeasure,
    pub(crate) temperature: f64,
}

/// Values of a column among which are all those that meet constraints, the other columns as they are.
pub(crate) fn spans(constraints: &[Arc<Constraint>], column: usize, row: &impl Fn(usize) -> f64) -> Spans {
    constraints.iter().fold(vec![(f64::NEG_INFINITY, f64::INFINITY)], |left, constraint| {
        overlap(&left, &constraint.along(column, row))
    })
}

impl Stretches<'_> {
    /// The stretch that holds an interval.
    fn of(&self, interval: usize) -> usize {
        self.first.partition_point(|&first| first as usize <= interval) - 1
    }

    /// A stretch and a value in it, for one of eight rows.
    pub(crate) fn draw(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        lane: usize,
        rng: &mut Stream,
    ) -> (usize, f64) {
        let limits = self.measure.limits();
        let mut parts = Vec::new();
        for (lower, upper) in spans(limits, column, &|d| x[d][lane]) {
            self.measure.parts(lower, upper, &mut parts);
        }
        // Parts ascend, and stretches with them.
        let (rate, mut stretch) = (-1.0 / self.temperature, 0);
        let logs: Vec<f64> = parts
            .iter()
            .map(|part| {
                while self.first[stretch + 1] as usize <= part.interval {
                    stretch += 1;
                }
                part.log_mass + rate * self.energies[stretch][lane]
            })
            .collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        let cumulative: Vec<f64> = logs
            .iter()
            .map(|log| {
                total += math::exp1(log - most);
                total
            })
            .collect();
        if total > 0.0 {
            for _ in 0..TRIES {
                let aim = rng.uniform() * total;
                let at = cumulative.partition_point(|&c| c <= aim).min(parts.len() - 1);
                let part: &Part = &parts[at];
                let value = self.measure.draw_part(part, rng);
                let row = |d: usize| if d == column { value } else { x[d][lane] };
                if mutant::is(Fault::ForgetConstraint) || limits.iter().all(|c| c.admits(row)) {
                    return (self.of(part.interval), value);
                }
            }
        }
        let stays = x[column][lane];
        (self.of(self.measure.interval(stays)), stays)
    }
}
