//! Constraints from what Python has read: operands first, then what is done with them.

use super::{Condition, Constraint, Order, Pair, Value};
use crate::error::{Error, Result};

/// One step of a constraint in postfix order: each takes what it needs from the end of what stands there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Column(usize),
    Constant(f64),
    Negative,
    Abs,
    Add,
    Subtract,
    Multiply,
    Divide,
    Least,
    Most,
    Less,
    AtMost,
    Equal,
    Differs,
    /// Comparisons of codes.
    Is,
    IsNot,
    Both,
    Either,
}

/// What stands there while steps are taken.
enum Part {
    Value(Value),
    Condition(Condition),
}

impl Constraint {
    /// Of rows of `n` columns.
    ///
    /// # Errors
    /// [`Error::Space`] for steps that do not make one condition on such a row.
    pub fn new(name: String, steps: &[Step], n: usize) -> Result<Self> {
        let mut columns: Vec<usize> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Column(d) => Some(*d),
                _ => None,
            })
            .collect();
        columns.sort_unstable();
        columns.dedup();
        match built(steps) {
            Some(condition) if columns.last().is_none_or(|&d| d < n) => Ok(Self { name, condition, columns }),
            _ => Err(Error::Space(format!("{name:?} is no condition on a row of {n} columns"))),
        }
    }
}

fn built(steps: &[Step]) -> Option<Condition> {
    let mut stack = Vec::new();
    for &step in steps {
        let part = match step {
            Step::Column(d) => Part::Value(Value::Column(d)),
            Step::Constant(c) => Part::Value(Value::Constant(c)),
            Step::Negative => Part::Value(Value::Negative(value(&mut stack)?)),
            Step::Abs => Part::Value(Value::Abs(value(&mut stack)?)),
            Step::Add => pair(Pair::Add, &mut stack)?,
            Step::Subtract => pair(Pair::Subtract, &mut stack)?,
            Step::Multiply => pair(Pair::Multiply, &mut stack)?,
            Step::Divide => pair(Pair::Divide, &mut stack)?,
            Step::Least => pair(Pair::Least, &mut stack)?,
            Step::Most => pair(Pair::Most, &mut stack)?,
            Step::Less => compare(Order::Less, &mut stack)?,
            Step::AtMost => compare(Order::AtMost, &mut stack)?,
            Step::Equal => compare(Order::Equal, &mut stack)?,
            Step::Differs => compare(Order::Differs, &mut stack)?,
            Step::Is => compare(Order::Is, &mut stack)?,
            Step::IsNot => compare(Order::IsNot, &mut stack)?,
            Step::Both | Step::Either => {
                let (b, a) = (condition(&mut stack)?, condition(&mut stack)?);
                Part::Condition(if step == Step::Both {
                    Condition::Both(a, b)
                } else {
                    Condition::Either(a, b)
                })
            }
        };
        stack.push(part);
    }
    let whole = condition(&mut stack)?;
    stack.is_empty().then_some(*whole)
}

fn value(stack: &mut Vec<Part>) -> Option<Box<Value>> {
    match stack.pop()? {
        Part::Value(value) => Some(Box::new(value)),
        Part::Condition(_) => None,
    }
}

fn condition(stack: &mut Vec<Part>) -> Option<Box<Condition>> {
    match stack.pop()? {
        Part::Condition(condition) => Some(Box::new(condition)),
        Part::Value(_) => None,
    }
}

fn pair(pair: Pair, stack: &mut Vec<Part>) -> Option<Part> {
    let (b, a) = (value(stack)?, value(stack)?);
    Some(Part::Value(Value::Pair(pair, a, b)))
}

fn compare(order: Order, stack: &mut Vec<Part>) -> Option<Part> {
    let (right, left) = (value(stack)?, value(stack)?);
    Some(Part::Condition(Condition::Compare { order, left: *left, right: *right, scale: 1.0 }))
}
