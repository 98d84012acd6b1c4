//! A parsed document, and typed access to it with messages that say where.

use crate::error::{Error, Result};

/// Containers inside containers; model files stay below 10.
pub(crate) const MAX_DEPTH: usize = 64;

/// In which precision the writer of a file held its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A fraction is the float32 next to its decimals: what a float32 in shortest form came from.
    Single,
    Double,
}

/// A document. A list of numbers, booleans (1 and 0) and nulls (NaN) alone is `Numbers`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// An error about a model file.
pub(crate) fn refuse<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::Model(message.into()))
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Numbers(_) | Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    fn unlike<T>(&self, what: &str, expected: &str) -> Result<T> {
        refuse(format!("`{what}` is {} where {expected} is expected", self.kind()))
    }

    /// The last entry of this name, as readers that overwrite would have it.
    pub fn find(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Result<&Value> {
        match self.find(key) {
            Some(value) => Ok(value),
            None => refuse(format!("`{key}` is missing")),
        }
    }

    pub fn text(&self, what: &str) -> Result<&str> {
        match self {
            Self::Text(text) => Ok(text),
            other => other.unlike(what, "a text"),
        }
    }

    pub fn numbers(&self, what: &str) -> Result<&[f64]> {
        match self {
            Self::Numbers(numbers) => Ok(numbers),
            other => other.unlike(what, "a list of numbers"),
        }
    }

    pub fn list(&self, what: &str) -> Result<&[Value]> {
        match self {
            Self::List(values) => Ok(values),
            Self::Numbers(numbers) if numbers.is_empty() => Ok(&[]),
            other => other.unlike(what, "a list"),
        }
    }

    pub fn texts(&self, what: &str) -> Result<Vec<String>> {
        self.list(what)?.iter().map(|value| value.text(what).map(str::to_owned)).collect()
    }

    /// A whole number of 0 or more, also one that is written as text.
    pub fn count(&self, what: &str) -> Result<usize> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Text(text) => match text.parse::<u32>() {
                Ok(number) => f64::from(number),
                Err(_) => f64::NAN,
            },
            other => return other.unlike(what, "a number"),
        };
        match whole(number) {
            Some(number) if number >= 0 => Ok(number as usize),
            _ => refuse(format!("`{what}` must be a whole number from 0 to 2147483647")),
        }
    }
}

/// The number as an integer, if it is one that 32 bits hold.
pub(crate) fn whole(number: f64) -> Option<i64> {
    let integer = number as i32;
    (f64::from(integer) == number).then_some(i64::from(integer))
}

/// Collects the entries of a list, as plain numbers for as long as they are.
#[derive(Default)]
pub(crate) struct Entries {
    numbers: Vec<f64>,
    values: Option<Vec<Value>>,
}

impl Entries {
    pub(crate) fn push(&mut self, value: Value) {
        if self.values.is_none() {
            match value {
                Value::Number(number) => return self.numbers.push(number),
                Value::Bool(flag) => return self.numbers.push(f64::from(u8::from(flag))),
                Value::Null => return self.numbers.push(f64::NAN),
                _ => {}
            }
        }
        let numbers = &mut self.numbers;
        self.values
            .get_or_insert_with(|| std::mem::take(numbers).into_iter().map(Value::Number).collect())
            .push(value);
    }

    pub(crate) fn finish(self) -> Value {
        match self.values {
            Some(values) => Value::List(values),
            None => Value::Numbers(self.numbers),
        }
    }
}
