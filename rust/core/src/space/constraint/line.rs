//! Where a constraint holds along one column, the others as they are.

use super::{Condition, Constraint, Order, Pair, Value};

/// Closed intervals, ascending and apart.
pub(crate) type Spans = Vec<(f64, f64)>;

const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
/// How far beyond its end, in units of the last place of what it is made of, an interval is widened: rounding must
/// not cost it a number that holds.
const SLACK: f64 = 16.0 * f64::EPSILON;

impl Constraint {
    /// Numbers of a column among which are all those that hold: exactly these, but for rounding, where the
    /// condition is made of comparisons that are linear in the column (or absolute values, least and most of such).
    pub(crate) fn along(&self, column: usize, row: &impl Fn(usize) -> f64) -> Spans {
        self.condition.along(column, row)
    }
}

impl Condition {
    fn along(&self, d: usize, row: &impl Fn(usize) -> f64) -> Spans {
        match self {
            Condition::Both(a, b) => overlap(&a.along(d, row), &b.along(d, row)),
            Condition::Either(a, b) => union(a.along(d, row), b.along(d, row)),
            Condition::Compare { order, left, right, .. } if !(left.reads(d) || right.reads(d)) => {
                if order.holds(left.at(row), right.at(row)) { vec![EVERYWHERE] } else { Vec::new() }
            }
            Condition::Compare { order, left, right, .. } => {
                let (l, r) = ((1.0, left), (1.0, right));
                match order {
                    Order::Less | Order::AtMost => at_most(l, r, d, row),
                    Order::Equal => overlap(&at_most(l, r, d, row), &at_most(r, l, d, row)),
                    // All but a point, or codes.
                    Order::Differs | Order::Is | Order::IsNot => vec![EVERYWHERE],
                }
            }
        }
    }
}

/// A value or, with −1 before it, its negative.
type Signed<'a> = (f64, &'a Value);

/// Where `left ≤ right`.
fn at_most(left: Signed<'_>, right: Signed<'_>, d: usize, row: &impl Fn(usize) -> f64) -> Spans {
    match (left, right) {
        ((s, Value::Negative(a)), r) => at_most((-s, a), r, d, row),
        (l, (s, Value::Negative(a))) => at_most(l, (-s, a), d, row),
        ((s, Value::Abs(a)), r) => {
            // |a| is small where a and −a are; −|a| is where one of them is.
            let parts = [at_most((1.0, a), r, d, row), at_most((-1.0, a), r, d, row)];
            if s > 0.0 { both(parts) } else { either(parts) }
        }
        (l, (s, Value::Abs(a))) => {
            let parts = [at_most(l, (1.0, a), d, row), at_most(l, (-1.0, a), d, row)];
            if s > 0.0 { either(parts) } else { both(parts) }
        }
        ((s, Value::Pair(pair @ (Pair::Least | Pair::Most), a, b)), r) => {
            let parts = [at_most((s, a), r, d, row), at_most((s, b), r, d, row)];
            // The largest of several is small where all are.
            if (*pair == Pair::Most) == (s > 0.0) { both(parts) } else { either(parts) }
        }
        (l, (s, Value::Pair(pair @ (Pair::Least | Pair::Most), a, b))) => {
            let parts = [at_most(l, (s, a), d, row), at_most(l, (s, b), d, row)];
            if (*pair == Pair::Most) == (s > 0.0) { either(parts) } else { both(parts) }
        }
        ((s, l), (t, r)) => match (l.line(d, row), r.line(d, row)) {
            (Some(l), Some(r)) => half_line(s * l.0, s * l.1, t * r.0, t * r.1),
            _ => vec![EVERYWHERE],
        },
    }
}

fn both([a, b]: [Spans; 2]) -> Spans {
    overlap(&a, &b)
}

fn either([a, b]: [Spans; 2]) -> Spans {
    union(a, b)
}

/// Where `a x + b ≤ c x + e`.
fn half_line(a: f64, b: f64, c: f64, e: f64) -> Spans {
    let (slope, gap) = (a - c, e - b);
    if !(slope.is_finite() && gap.is_finite()) {
        return vec![EVERYWHERE];
    }
    if slope == 0.0 {
        let slack = SLACK * (b.abs() + e.abs());
        return if gap >= -slack { vec![EVERYWHERE] } else { Vec::new() };
    }
    let end = gap / slope;
    let slack = SLACK * ((b.abs() + e.abs() + (a.abs() + c.abs()) * end.abs()) / slope.abs() + end.abs());
    if !(end.is_finite() && slack.is_finite()) {
        vec![EVERYWHERE]
    } else if slope > 0.0 {
        vec![(f64::NEG_INFINITY, end + slack)]
    } else {
        vec![(end - slack, f64::INFINITY)]
    }
}

impl Value {
    fn reads(&self, d: usize) -> bool {
        match self {
            Value::Column(own) => *own == d,
            Value::Constant(_) => false,
            Value::Negative(a) | Value::Abs(a) => a.reads(d),
            Value::Pair(_, a, b) => a.reads(d) || b.reads(d),
        }
    }

    /// Slope and height of what is linear in a column.
    fn line(&self, d: usize, row: &impl Fn(usize) -> f64) -> Option<(f64, f64)> {
        match self {
            Value::Column(own) if *own == d => Some((1.0, 0.0)),
            Value::Column(own) => Some((0.0, row(*own))),
            Value::Constant(c) => Some((0.0, *c)),
            Value::Negative(a) => a.line(d, row).map(|(s, b)| (-s, -b)),
            Value::Abs(a) => a.line(d, row).filter(|&(s, _)| s == 0.0).map(|(_, b)| (0.0, b.abs())),
            Value::Pair(pair, a, b) => {
                let ((s, b), (t, e)) = (a.line(d, row)?, b.line(d, row)?);
                match pair {
                    Pair::Add => Some((s + t, b + e)),
                    Pair::Subtract => Some((s - t, b - e)),
                    Pair::Multiply if s == 0.0 => Some((b * t, b * e)),
                    Pair::Multiply if t == 0.0 => Some((s * e, b * e)),
                    Pair::Divide if t == 0.0 => Some((s / e, b / e)),
                    Pair::Least | Pair::Most if s == 0.0 && t == 0.0 => Some((0.0, pair.of(b, e))),
                    _ => None,
                }
            }
        }
    }
}

/// What is in both.
pub(crate) fn overlap(a: &[(f64, f64)], b: &[(f64, f64)]) -> Spans {
    let mut out = Vec::new();
    for &(lower, upper) in a {
        for &(from, to) in b {
            let (lower, upper) = (lower.max(from), upper.min(to));
            if lower <= upper {
                out.push((lower, upper));
            }
        }
    }
    out
}

fn union(mut a: Spans, b: Spans) -> Spans {
    a.extend(b);
    a.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut out: Spans = Vec::new();
    for (lower, upper) in a {
        match out.last_mut() {
            Some(last) if lower <= last.1 => last.1 = last.1.max(upper),
            _ => out.push((lower, upper)),
        }
    }
    out
}
