//! Sets of category codes that splits test.

use crate::error::{Error, Result};

/// Sorted codes of every set, one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    starts: Vec<usize>,
    codes: Vec<u32>,
}

/// Codes are whole numbers below this.
const CODE_END: i64 = u32::MAX as i64;

impl Sets {
    /// Set i has the codes `codes[starts[i]..starts[i + 1]]`; no starts at all are no sets.
    pub(super) fn new(starts: &[i64], codes: &[i64]) -> Result<Self> {
        let n = codes.len();
        let ends_well = starts.first().copied().unwrap_or(0) == 0
            && starts.last().copied().unwrap_or(0) == n as i64
            && starts.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ends_well {
            return Err(Error::Model(format!(
                "`set_starts` must ascend from 0 to the {n} entries of `set_codes`"
            )));
        }
        if let Some(code) = codes.iter().find(|code| !(0..CODE_END).contains(*code)) {
            return Err(Error::Model(format!(
                "a set has the code {code}, not a whole number below {CODE_END}"
            )));
        }
        // The checks above put every start into 0..=n.
        let starts: Vec<usize> = starts.iter().map(|&start| start as usize).collect();
        let mut codes: Vec<u32> = codes.iter().map(|&code| code as u32).collect();
        for pair in starts.windows(2) {
            codes[pair[0]..pair[1]].sort_unstable();
        }
        Ok(Self { starts, codes })
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Adds the sets of `other`; returns the number of its first one here.
    pub(super) fn append(&mut self, other: &Sets) -> u32 {
        let (first, shift) = (self.len() as u32, self.codes.len());
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.starts.extend(other.starts.iter().skip(1).map(|&start| start + shift));
        self.codes.extend_from_slice(&other.codes);
        first
    }

    /// The codes of a set, ascending.
    pub(super) fn codes(&self, set: u32) -> &[u32] {
        let set = set as usize;
        &self.codes[self.starts[set]..self.starts[set + 1]]
    }

    /// Whether `x`, cut to a whole number, is one of the set's codes.
    pub(super) fn contains(&self, set: u32, x: f64) -> bool {
        code(x).is_some_and(|code| self.codes(set).binary_search(&code).is_ok())
    }
}

/// The category that a value stands for: none for NaN and for what is below 0 or beyond all codes.
pub(super) fn code(x: f64) -> Option<u32> {
    let whole = x.trunc();
    (0.0..CODE_END as f64).contains(&whole).then_some(whole as u32)
}
