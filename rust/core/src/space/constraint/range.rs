//! What can be said of a constraint on a whole box.
//!
//! Rounding is monotone: a sum of two numbers rounds to no more than the sum of the two largest does. So ranges
//! hold what the condition is evaluated to, rounding included, without being widened.

use super::{Condition, Constraint, Order, Pair, Value};
use crate::space::Bounds;

/// Least and largest number, all of them where some may be undefined.
#[derive(Clone, Copy, Debug)]
struct Range {
    lower: f64,
    upper: f64,
}

const ANY: Range = Range { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

impl Range {
    fn over(values: &[f64]) -> Self {
        if values.iter().any(|v| v.is_nan()) {
            return ANY;
        }
        let lower = values.iter().copied().fold(f64::INFINITY, f64::min);
        let upper = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { lower, upper }
    }

    fn contains(self, x: f64) -> bool {
        self.lower <= x && x <= self.upper
    }
}

impl Constraint {
    /// Whether a row of the box may fulfil it; false only where none does.
    pub fn possible(&self, bounds: &Bounds) -> bool {
        self.condition.possible(bounds)
    }

    /// Whether it asks for an equality that real numbers meet with probability 0.
    pub fn thin(&self, bounds: &Bounds) -> bool {
        self.condition.thin(bounds)
    }

    /// The same, with violations counted in shares of what they can be in the box.
    #[must_use]
    pub fn scaled(&self, bounds: &Bounds) -> Self {
        let mut scaled = self.clone();
        scaled.condition.scale(bounds);
        scaled
    }
}

impl Condition {
    fn possible(&self, bounds: &Bounds) -> bool {
        match self {
            Condition::Both(a, b) => a.possible(bounds) && b.possible(bounds),
            Condition::Either(a, b) => a.possible(bounds) || b.possible(bounds),
            Condition::Compare { order, left, right, .. } => {
                let (l, r) = (left.range(bounds), right.range(bounds));
                match order {
                    Order::Less => l.lower < r.upper,
                    Order::AtMost => l.lower <= r.upper,
                    Order::Equal | Order::Is => l.lower <= r.upper && r.lower <= l.upper,
                    Order::Differs | Order::IsNot => {
                        !(l.lower == l.upper && r.lower == r.upper && l.lower == r.lower)
                    }
                }
            }
        }
    }

    fn thin(&self, bounds: &Bounds) -> bool {
        match self {
            Condition::Both(a, b) => a.thin(bounds) || b.thin(bounds),
            Condition::Either(a, b) => a.thin(bounds) && b.thin(bounds),
            Condition::Compare { order: Order::Equal, left, right, .. } => {
                let slope = |d: usize| Some(left.slope(d)? - right.slope(d)?);
                bounds.continuous().iter().any(|&d| slope(d).is_some_and(|slope| slope != 0.0))
            }
            Condition::Compare { .. } => false,
        }
    }

    fn scale(&mut self, bounds: &Bounds) {
        match self {
            Condition::Both(a, b) | Condition::Either(a, b) => {
                a.scale(bounds);
                b.scale(bounds);
            }
            Condition::Compare { left, right, scale, .. } => {
                let (l, r) = (left.range(bounds), right.range(bounds));
                let most = (l.upper - r.lower).abs().max((r.upper - l.lower).abs());
                *scale = if most.is_finite() && most > 0.0 { most } else { 1.0 };
            }
        }
    }
}

impl Value {
    fn range(&self, bounds: &Bounds) -> Range {
        match self {
            Value::Column(d) => Range { lower: bounds.lower(*d), upper: bounds.upper(*d) },
            Value::Constant(c) => Range::over(&[*c]),
            Value::Negative(a) => {
                let a = a.range(bounds);
                Range { lower: -a.upper, upper: -a.lower }
            }
            Value::Abs(a) => {
                let a = a.range(bounds);
                let (l, u) = (a.lower.abs(), a.upper.abs());
                let lower = if a.contains(0.0) { 0.0 } else { l.min(u) };
                Range { lower, upper: l.max(u) }
            }
            Value::Pair(pair, a, b) => pair.range(a.range(bounds), b.range(bounds)),
        }
    }

    /// How steep it is in a continuous column that it is linear in, the same at all rows; `None` where it is not.
    pub(super) fn slope(&self, d: usize) -> Option<f64> {
        match self {
            Value::Column(own) => Some(f64::from(u8::from(*own == d))),
            Value::Constant(_) => Some(0.0),
            Value::Negative(a) => Some(-a.slope(d)?),
            Value::Abs(a) => a.slope(d).filter(|&slope| slope == 0.0),
            Value::Pair(Pair::Add, a, b) => Some(a.slope(d)? + b.slope(d)?),
            Value::Pair(Pair::Subtract, a, b) => Some(a.slope(d)? - b.slope(d)?),
            Value::Pair(pair, a, b) => {
                let (slope, other) = (a.slope(d)?, b.slope(d)?);
                match (pair, &**a, &**b) {
                    _ if slope == 0.0 && other == 0.0 => Some(0.0),
                    (Pair::Multiply, Value::Constant(c), _) => Some(c * other),
                    (Pair::Multiply, _, Value::Constant(c)) => Some(slope * c),
                    (Pair::Divide, _, Value::Constant(c)) => Some(slope / c),
                    _ => None,
                }
            }
        }
    }
}

impl Pair {
    fn range(self, a: Range, b: Range) -> Range {
        let ends = [(a.lower, b.lower), (a.lower, b.upper), (a.upper, b.lower), (a.upper, b.upper)];
        match self {
            Pair::Divide if b.contains(0.0) => ANY,
            _ => Range::over(&ends.map(|(a, b)| self.of(a, b))),
        }
    }
}
