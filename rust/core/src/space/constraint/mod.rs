//! What rows of a space must fulfil beside bounds: conditions on several columns at once.
//!
//! A condition is evaluated to its *violation*: 0 exactly where it holds, and more the further a row is from
//! holding it. One definition so serves the samplers, which need to know whether, and the search for starts,
//! which needs to know where to go.

mod build;
mod line;
mod range;
mod slide;
#[cfg(test)]
mod tests;

pub use build::Step;
pub(crate) use line::{Spans, overlap};
pub(crate) use slide::Slide;

use crate::simd::{LANES, Lanes};

/// A number made of the columns of a row.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Column(usize),
    Constant(f64),
    Negative(Box<Value>),
    Abs(Box<Value>),
    Pair(Pair, Box<Value>, Box<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    Add,
    Subtract,
    Multiply,
    Divide,
    Least,
    Most,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    Equal,
    Differs,
    /// Of codes, between which there is no distance.
    Is,
    IsNot,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// The violation is counted in units of `scale`.
    Compare {
        order: Order,
        left: Value,
        right: Value,
        scale: f64,
    },
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
}

/// A condition on rows of a space. A comparison of something undefined (NaN, as 0/0) does not hold, whichever it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// How the user wrote it.
    name: String,
    condition: Condition,
    /// The columns that it reads, ascending.
    columns: Vec<usize>,
}

impl Constraint {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub fn reads(&self, column: usize) -> bool {
        self.columns.binary_search(&column).is_ok()
    }

    /// 0 where it holds, else above 0.
    pub fn violation(&self, row: impl Fn(usize) -> f64) -> f64 {
        self.condition.violation(&row)
    }

    /// Whether it holds in a row.
    pub fn admits(&self, row: impl Fn(usize) -> f64) -> bool {
        self.violation(row) == 0.0
    }

    /// Whether it holds in each of eight rows.
    pub fn holds(&self, x: &[Lanes<f64>]) -> [bool; LANES] {
        std::array::from_fn(|lane| self.admits(|d| x[d][lane]))
    }
}

/// The rows of eight that fulfil all of the constraints.
pub(crate) fn hold(constraints: &[std::sync::Arc<Constraint>], x: &[Lanes<f64>]) -> [bool; LANES] {
    let mut holds = [true; LANES];
    for constraint in constraints {
        for (all, own) in holds.iter_mut().zip(constraint.holds(x)) {
            *all &= own;
        }
    }
    holds
}

impl Value {
    fn at(&self, row: &impl Fn(usize) -> f64) -> f64 {
        match self {
            Value::Column(d) => row(*d),
            Value::Constant(c) => *c,
            Value::Negative(a) => -a.at(row),
            Value::Abs(a) => a.at(row).abs(),
            Value::Pair(pair, a, b) => pair.of(a.at(row), b.at(row)),
        }
    }
}

impl Pair {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Pair::Add => a + b,
            Pair::Subtract => a - b,
            Pair::Multiply => a * b,
            Pair::Divide => a / b,
            // What is undefined stays so.
            Pair::Least if a < b || a.is_nan() => a,
            Pair::Most if a > b || a.is_nan() => a,
            Pair::Least | Pair::Most => b,
        }
    }
}

impl Order {
    fn holds(self, l: f64, r: f64) -> bool {
        match self {
            Order::Less => l < r,
            Order::AtMost => l <= r,
            Order::Equal | Order::Is => l == r,
            // NaN differs from all, and holds nothing.
            Order::Differs | Order::IsNot => l != r && !l.is_nan() && !r.is_nan(),
        }
    }
}

impl Condition {
    fn violation(&self, row: &impl Fn(usize) -> f64) -> f64 {
        match self {
            Condition::Compare { order, left, right, scale } => {
                let (l, r) = (left.at(row), right.at(row));
                if order.holds(l, r) {
                    return 0.0;
                }
                let by = match order {
                    Order::Less | Order::AtMost | Order::Equal => (l - r).abs() / scale,
                    Order::Differs | Order::Is | Order::IsNot => 1.0,
                };
                // NaN is as far from holding as can be, and what does not hold is not 0.
                if by.is_nan() || l.is_nan() || r.is_nan() {
                    f64::INFINITY
                } else {
                    by.max(f64::MIN_POSITIVE)
                }
            }
            Condition::Both(a, b) => a.violation(row) + b.violation(row),
            Condition::Either(a, b) => match a.violation(row) {
                0.0 => 0.0,
                first => first.min(b.violation(row)),
            },
        }
    }
}
