//! Directions along which a constraint does not change: two columns moved against each other.
//!
//! In a narrow region, such as three shares whose sum is nearly one, no column can move far by itself.

use super::{Condition, Constraint, Value};
use crate::rng::Stream;
use crate::simd::math;
use crate::space::{Bounds, Kind};

/// Columns of one kind that a linear expression reads, and how steep it is in each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slide {
    columns: Vec<(usize, f64)>,
    whole: bool,
}

/// Steps are up to the width of a column long, most of them, and down to this power of e.
const SHORTEST: f64 = -5.0;

impl Slide {
    /// Moves of two columns that leave the expression as it is, as likely as the opposite ones.
    pub(crate) fn draw(&self, bounds: &Bounds, rng: &mut Stream) -> [(usize, f64); 2] {
        let n = self.columns.len();
        let pick = |n: usize, u: f64| ((u * n as f64) as usize).min(n - 1);
        let i = pick(n, rng.uniform());
        let j = (i + 1 + pick(n - 1, rng.uniform())) % n;
        let ((first, slope), (second, other)) = (self.columns[i], self.columns[j]);
        let reach = bounds.width(first).min(bounds.width(second) * (other / slope).abs());
        let u = rng.uniform();
        let step = math::exp1(SHORTEST * u * u) * rng.normal();
        let step = if self.whole { (step * reach.max(1.0)).round() } else { step * reach };
        [(first, step), (second, -step * slope / other)]
    }
}

impl Constraint {
    /// The linear expressions that it compares, as far as their columns move.
    pub(crate) fn slides(&self, bounds: &Bounds, out: &mut Vec<Slide>) {
        self.condition.slides(bounds, &self.columns, out);
    }
}

impl Condition {
    fn slides(&self, bounds: &Bounds, columns: &[usize], out: &mut Vec<Slide>) {
        match self {
            Condition::Both(a, b) | Condition::Either(a, b) => {
                a.slides(bounds, columns, out);
                b.slides(bounds, columns, out);
            }
            Condition::Compare { left, right, .. } => {
                let slope = |d: usize| Some(left.slope(d)? - right.slope(d)?);
                if !push(slope, bounds, columns, out) {
                    left.slides(bounds, columns, out);
                    right.slides(bounds, columns, out);
                }
            }
        }
    }
}

impl Value {
    fn slides(&self, bounds: &Bounds, columns: &[usize], out: &mut Vec<Slide>) {
        if push(|d| self.slope(d), bounds, columns, out) {
            return;
        }
        match self {
            Value::Column(_) | Value::Constant(_) => {}
            Value::Negative(a) | Value::Abs(a) => a.slides(bounds, columns, out),
            Value::Pair(_, a, b) => {
                a.slides(bounds, columns, out);
                b.slides(bounds, columns, out);
            }
        }
    }
}

/// Adds what is linear in all columns that move; whether it is.
fn push(
    slope: impl Fn(usize) -> Option<f64>,
    bounds: &Bounds,
    columns: &[usize],
    out: &mut Vec<Slide>,
) -> bool {
    let moving = || columns.iter().copied().filter(|&d| bounds.width(d) > 0.0);
    let Some(slopes) = moving().map(|d| Some((d, slope(d)?))).collect::<Option<Vec<_>>>() else {
        return false;
    };
    for kind in [Kind::Continuous, Kind::Integer] {
        let whole = kind == Kind::Integer;
        let mut own: Vec<(usize, f64)> =
            slopes.iter().copied().filter(|&(d, slope)| slope != 0.0 && bounds.kind(d) == kind).collect();
        let Some(&(_, unit)) = own.first() else { continue };
        for (_, slope) in &mut own {
            *slope /= unit;
        }
        // Whole numbers are moved one for one.
        own.retain(|&(_, slope)| slope.is_finite() && (!whole || slope.abs() == 1.0));
        let slide = Slide { columns: own, whole };
        if slide.columns.len() > 1 && !out.contains(&slide) {
            out.push(slide);
        }
    }
    true
}
