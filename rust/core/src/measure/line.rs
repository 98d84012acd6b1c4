//! The base measure along one column, the others as they are, as a stretch of the real line: what is uniform on the
//! stretch follows the measure. Whole numbers, levels and NaN are pieces of it.

use crate::rng::Stream;
use crate::simd::math;
use crate::space::{Bounds, Kind, Reference, ends, measure};

/// A column's stretch `[0, total)`.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) column: usize,
    pub(super) total: f64,
    /// Where the cells of a reference end; none without.
    ends: Vec<f64>,
}

impl Line {
    pub(super) fn set(&mut self, column: usize, bounds: &Bounds, reference: Option<&Reference>, row: &[f64]) {
        self.column = column;
        self.ends.clear();
        let Some(own) = reference else {
            self.total = bounds.measure(column) + bounds.missing(column);
            return;
        };
        let cells = own.cuts(column).len() + 1;
        let given = own.parent(column).map_or(0, |p| own.cell(p, row[p]));
        let log = |cell: usize| {
            let below = own.children(column).iter().map(|&child| {
                let width = own.cuts(child).len() + 1;
                own.table(child)[cell * width + own.cell(child, row[child])]
            });
            own.table(column)[given * cells + cell] + below.sum::<f64>()
        };
        let most = (0..cells).map(log).fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        self.ends.extend((0..cells).map(|cell| {
            total += measure(own, bounds, column, cell) * math::exp1(log(cell) - most);
            total
        }));
        self.total = total;
    }

    /// The value at a point of the stretch.
    pub(super) fn value(&self, at: f64, bounds: &Bounds, reference: Option<&Reference>) -> f64 {
        let d = self.column;
        let Some(own) = reference else {
            return match bounds.kind(d) {
                _ if bounds.missing(d) > 0.0 && at >= bounds.measure(d) => f64::NAN,
                Kind::Continuous => (bounds.lower(d) + at).min(bounds.upper(d)),
                Kind::Integer | Kind::Level => bounds.lower(d) + at.floor().min(bounds.width(d)),
            };
        };
        let cell = self.ends.partition_point(|&end| end <= at).min(self.ends.len() - 1);
        let (before, end) = self.span(cell);
        let share = ((at - before) / (end - before)).clamp(0.0, 1.0);
        let (lower, upper) = ends(own, bounds, d, cell);
        match bounds.kind(d) {
            // Above the cut below it, at or under the one above.
            Kind::Continuous => (lower + share * (upper - lower)).max(lower.next_up()).min(upper),
            Kind::Integer | Kind::Level => {
                let (first, count) = (lower.floor() + 1.0, upper.floor() - lower.floor());
                first + (share * count).floor().min(count - 1.0)
            }
        }
    }

    /// A point of the stretch with this value: any of them, where there are several.
    pub(super) fn at(&self, x: f64, bounds: &Bounds, reference: Option<&Reference>, rng: &mut Stream) -> f64 {
        let d = self.column;
        let continuous = bounds.kind(d) == Kind::Continuous;
        let Some(own) = reference else {
            return match x {
                _ if x.is_nan() => bounds.measure(d) + rng.uniform() * bounds.missing(d),
                _ if continuous => x - bounds.lower(d),
                _ => x - bounds.lower(d) + rng.uniform(),
            };
        };
        let cell = own.cell(d, x);
        let (before, end) = self.span(cell);
        let (lower, upper) = ends(own, bounds, d, cell);
        let share = if continuous {
            (x - lower) / (upper - lower)
        } else {
            (x - lower.floor() - 1.0 + rng.uniform()) / (upper.floor() - lower.floor())
        };
        before + share.clamp(0.0, 1.0) * (end - before)
    }

    fn span(&self, cell: usize) -> (f64, f64) {
        (if cell == 0 { 0.0 } else { self.ends[cell - 1] }, self.ends[cell])
    }
}
