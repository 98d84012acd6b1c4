//! Rows that meet the constraints of a space: drawn at random, and led towards them where those do not.

use std::sync::Arc;

use crate::kernel::{Target, spans};
use crate::rng::Stream;
use crate::simd::{LANES, math};
use crate::space::{Constraint, Kind};

/// Rows drawn for one that meets all before it is led there.
const PLAIN: usize = 100;
/// Sweeps in which a row is led, from hot to cold.
const SWEEPS: usize = 60;
/// Rows led in vain before a chain gives up.
const ATTEMPTS: usize = 10;
/// Levels of a column that are all tried.
const MOST_LEVELS: usize = 32;

/// The search of eight chains, and what it has met with.
#[derive(Debug)]
pub(super) struct Feasible {
    constraints: Vec<Arc<Constraint>>,
    failed: [usize; LANES],
    tried: u64,
    /// Rows that met the constraint i and the constraint j, in row i; each alone on the diagonal.
    met: Vec<Vec<u64>>,
}

impl Feasible {
    pub(super) fn new(target: &Target) -> Self {
        let constraints = target.constraints.clone();
        let n = constraints.len();
        Self { constraints, failed: [0; LANES], tried: 0, met: vec![vec![0; n]; n] }
    }

    /// Whether there is nothing to meet.
    pub(super) fn free(&self) -> bool {
        self.constraints.is_empty()
    }

    /// Whether a chain has given up.
    pub(super) fn gave_up(&self, lane: usize) -> bool {
        self.failed[lane] >= ATTEMPTS
    }

    /// A row from `draw` that meets all, or is led there if it can be.
    pub(super) fn row(
        &mut self,
        target: &Target,
        lane: usize,
        rng: &mut Stream,
        draw: impl Fn(&mut Stream) -> Vec<f64>,
    ) -> Vec<f64> {
        let mut row = draw(rng);
        for _ in 1..PLAIN {
            if self.count(&row) {
                return row;
            }
            row = draw(rng);
        }
        self.lead(target, &mut row, rng);
        if self.count(&row) {
            self.failed[lane] = 0;
        } else {
            self.failed[lane] += 1;
        }
        row
    }

    /// Notes what a row meets; true where that is all.
    fn count(&mut self, row: &[f64]) -> bool {
        let meets: Vec<bool> = self.constraints.iter().map(|c| c.admits(|d| row[d])).collect();
        self.tried += 1;
        for (i, counts) in self.met.iter_mut().enumerate() {
            for (j, count) in counts.iter_mut().enumerate() {
                *count += u64::from(meets[i] && meets[j]);
            }
        }
        meets.iter().all(|&met| met)
    }

    /// Moves column after column to where less is violated, now and then to where it is not, less and less often.
    fn lead(&self, target: &Target, row: &mut [f64], rng: &mut Stream) {
        let bounds = &target.bounds;
        let read = |d: &&usize| self.constraints.iter().any(|c| c.reads(**d));
        let columns: Vec<usize> = bounds.free().iter().filter(read).copied().collect();
        for sweep in 0..SWEEPS {
            let temperature = 0.1 * math::exp1(-12.0 * sweep as f64 / SWEEPS as f64);
            for &d in &columns {
                let values = self.candidates(target, d, row, rng);
                let violations: Vec<f64> = values.iter().map(|&x| self.violation(d, x, row)).collect();
                let least = violations.iter().copied().fold(f64::INFINITY, f64::min);
                if least == f64::INFINITY {
                    row[d] = bounds.uniform(d, rng);
                    continue;
                }
                let weights = || violations.iter().map(|v| math::exp1((least - v) / temperature));
                let mut left = rng.uniform() * weights().sum::<f64>();
                for (&value, weight) in values.iter().zip(weights()) {
                    row[d] = value;
                    left -= weight;
                    if left < 0.0 {
                        break;
                    }
                }
            }
            if self.constraints.iter().all(|c| c.admits(|d| row[d])) {
                return;
            }
        }
    }

    fn violation(&self, column: usize, x: f64, row: &[f64]) -> f64 {
        self.constraints.iter().map(|c| c.violation(|d| if d == column { x } else { row[d] })).sum()
    }

    /// Values that a column may be moved to: its own, those that constraints leave, near ones, any.
    fn candidates(&self, target: &Target, d: usize, row: &[f64], rng: &mut Stream) -> Vec<f64> {
        let bounds = &target.bounds;
        let (lower, upper) = (bounds.lower(d), bounds.upper(d));
        if bounds.kind(d) == Kind::Level && bounds.count(d) <= MOST_LEVELS {
            return (0..bounds.count(d)).map(|k| k as f64).collect();
        }
        let mut values = vec![row[d]];
        values.extend((0..4).map(|_| bounds.uniform(d, rng)));
        if bounds.kind(d) == Kind::Level {
            return values;
        }
        let at = |d: usize| row[d];
        let mut inside = |constraints: &[Arc<Constraint>], rng: &mut Stream| {
            for (from, to) in spans(constraints, d, &at) {
                let (from, to) = (from.max(lower), to.min(upper));
                if from <= to && (from, to) != (lower, upper) {
                    values.push(from + rng.uniform() * (to - from));
                }
            }
        };
        inside(&self.constraints, rng);
        for constraint in self.constraints.iter().filter(|c| c.reads(d)) {
            inside(std::slice::from_ref(constraint), rng);
        }
        for _ in 0..4 {
            let reach = math::exp1(-14.0 * rng.uniform()) * bounds.width(d);
            values.push((row[d] + (2.0 * rng.uniform() - 1.0) * reach).clamp(lower, upper));
        }
        if bounds.kind(d) == Kind::Integer {
            values.extend([row[d] - 1.0, row[d] + 1.0]);
            for x in &mut values {
                *x = x.round().clamp(lower, upper) + 0.0;
            }
        }
        values
    }

    /// Which constraints no row has met, in words.
    pub(super) fn binding(&self) -> String {
        let names = |which: &[usize]| {
            let names: Vec<String> =
                which.iter().map(|&i| format!("{:?}", self.constraints[i].name())).collect();
            names.join(" and ")
        };
        let n = self.constraints.len();
        let each: Vec<String> =
            (0..n).map(|i| format!("{:?}: {}", self.constraints[i].name(), self.met[i][i])).collect();
        let never: Vec<usize> = (0..n).filter(|&i| self.met[i][i] == 0).collect();
        let pair = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j])).find(|&[i, j]| self.met[i][j] == 0);
        let which = match (never.as_slice(), pair) {
            ([], Some([i, j])) => format!("both {}", names(&[i, j])),
            ([], None) => format!("{} together", names(&(0..n).collect::<Vec<_>>())),
            (never, _) => names(never),
        };
        let counts =
            if n > 1 { format!(" (rows that met each: {})", each.join(", ")) } else { String::new() };
        format!(
            "of {} rows tried, at random and led towards the constraints, none met {which}{counts}",
            self.tried
        )
    }
}
