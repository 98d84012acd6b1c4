//! Whole numbers between cuts.

use super::{ColumnMeasure, Inside, missing_mass};
use crate::mutant::{self, Fault};
use crate::question::Localizer;
use crate::rng::Stream;
use crate::simd::math;
use crate::space::Bounds;

/// Whole numbers of a column whose weights are kept one by one.
const MOST_WEIGHED: usize = 1 << 22;

/// The whole numbers `first, first + 1, …`, of which there may be none.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    first: f64,
    n: usize,
    /// Weights added up; empty where all are equal.
    cumulative: Vec<f64>,
}

impl Cell {
    pub(super) fn draw(&self, rng: &mut Stream) -> f64 {
        let last = self.n.saturating_sub(1);
        let u = rng.uniform();
        let k = match self.cumulative.last() {
            None => (u * self.n as f64) as usize,
            Some(total) => self.cumulative.partition_point(|&c| c <= u * total),
        };
        self.first + k.min(last) as f64
    }
}

impl Cell {
    /// The first whole number beyond it.
    pub(super) fn end(&self) -> f64 {
        self.first + self.n as f64
    }

    /// The values from `lower` to `upper`, and the share of the cell's mass that they have; `None` of none.
    pub(super) fn within(&self, lower: f64, upper: f64) -> Option<(Self, f64)> {
        let last = self.n as f64 - 1.0;
        let (from, to) = ((lower - self.first).ceil().max(0.0), (upper - self.first).floor().min(last));
        if from > to || from.is_nan() {
            return None;
        }
        let (from, to) = (from as usize, to as usize);
        let (first, n) = (self.first + from as f64, to - from + 1);
        let Some(total) = self.cumulative.last() else {
            return Some((Self { first, n, cumulative: Vec::new() }, n as f64 / self.n as f64));
        };
        let before = if from == 0 { 0.0 } else { self.cumulative[from - 1] };
        let cumulative: Vec<f64> = self.cumulative[from..=to].iter().map(|c| c - before).collect();
        let mass = (self.cumulative[to] - before) / total;
        (mass > 0.0).then_some((Self { first, n, cumulative }, mass))
    }
}

impl ColumnMeasure {
    /// Whether a column of whole numbers is small enough to weigh each, or free of localizers.
    pub(crate) fn countable(column: usize, bounds: &Bounds, localizers: &[Localizer]) -> bool {
        bounds.count(column) <= MOST_WEIGHED || localizers.iter().all(|l| l.coefficient(column) == 0.0)
    }

    /// Of an integer or level column: between `cuts`, or for every value by itself.
    pub fn whole(
        column: usize,
        bounds: &Bounds,
        cuts: Option<&[f64]>,
        localizers: &[Localizer],
        temperature: f64,
    ) -> Self {
        let active: Vec<&Localizer> = localizers.iter().filter(|l| l.coefficient(column) != 0.0).collect();
        let log_weight = |x: f64| -active.iter().map(|l| l.part(column, x)).sum::<f64>() / temperature;
        let (lower, upper) = (bounds.lower(column), bounds.upper(column));
        let mut ends: Vec<f64> = match cuts {
            Some(cuts) => cuts.iter().map(|cut| cut.floor().clamp(lower - 1.0, upper)).collect(),
            None => (0..bounds.count(column) - 1).map(|k| lower + k as f64).collect(),
        };
        ends.push(upper);
        let (mut cells, mut log_mass) = (Vec::with_capacity(ends.len()), Vec::with_capacity(ends.len()));
        let mut first = lower;
        for end in ends {
            let n = (end - first + 1.0).max(0.0) as usize;
            let (cell, log) = cell(first, n, &log_weight, active.is_empty());
            cells.push(cell);
            log_mass.push(log);
            first += n as f64;
        }
        let missing = missing_mass(column, bounds, localizers, 0.0, temperature);
        Self::with(Inside::Cells(cells), log_mass, missing)
    }
}

/// A cell and the logarithm of its mass.
fn cell(first: f64, n: usize, log_weight: &impl Fn(f64) -> f64, equal: bool) -> (Cell, f64) {
    let plain = Cell { first, n, cumulative: Vec::new() };
    if n == 1 && !equal {
        return (plain, log_weight(first));
    }
    if n == 0 || equal || mutant::is(Fault::UniformInside) {
        return (plain, (n as f64).ln());
    }
    let logs = || (0..n).map(|k| log_weight(first + k as f64));
    let most = logs().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    let cumulative = logs()
        .map(|log| {
            total += math::exp1(log - most);
            total
        })
        .collect();
    (Cell { first, n, cumulative }, most + total.ln())
}
