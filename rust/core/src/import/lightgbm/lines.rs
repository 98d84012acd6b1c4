//! The lines of a text, and what to say about them.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Lines without their ends, counted.
pub(super) struct Lines<'a> {
    text: &'a str,
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, rest: text, number: 0 }
    }

    /// Where the next line starts, in bytes.
    pub(super) fn start(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn split(&self) -> Option<(&'a str, &'a str)> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        Some((line.strip_suffix('\r').unwrap_or(line), rest))
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.split().map(|(line, _)| line)
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (line, rest) = self.split()?;
        self.rest = rest;
        self.number += 1;
        Some(line)
    }

    pub(super) fn wrong(&self, what: &str) -> Error {
        wrong(format!("up to line {}: {what}", self.number))
    }

    pub(super) fn number<T: FromStr>(&self, name: &str, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.wrong(&format!("{name} is {}", shown(text))))
    }
}

pub(super) fn wrong(what: String) -> Error {
    Error::Model(format!("not a readable LightGBM model: {what}"))
}

/// The text, quoted, at most 40 characters of it.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let dots = if start.len() < text.len() { "…" } else { "" };
    format!("{:?}{dots}", start)
}
