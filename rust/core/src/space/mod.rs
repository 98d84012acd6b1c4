//! Where an answer may lie: bounds of the columns and what happens to a proposal beyond them.

mod boundary;
mod folded;

pub use boundary::{Boundary, fold};
pub use folded::log_folded_normal;
pub(crate) use folded::{LOST, MOST, Narrow, images, narrow};

use crate::error::{Error, Result};

/// Lower and upper bound of every column; a fixed column has both at its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
    free: Vec<usize>,
}

impl Bounds {
    /// # Errors
    /// [`Error::Space`] for bounds that are not finite or upside down.
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        if lower.len() != upper.len() || lower.is_empty() {
            return Err(Error::Space(format!("{} lower and {} upper bounds", lower.len(), upper.len())));
        }
        for (d, (lo, hi)) in lower.iter().zip(&upper).enumerate() {
            if !(lo.is_finite() && hi.is_finite() && lo <= hi && (hi - lo).is_finite()) {
                return Err(Error::Space(format!("column {d} has bounds ({lo}, {hi}): finite, lower first")));
            }
        }
        let free = (0..lower.len()).filter(|&d| lower[d] < upper[d]).collect();
        Ok(Self { lower, upper, free })
    }

    pub fn len(&self) -> usize {
        self.lower.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// Columns that move.
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    pub fn lower(&self, column: usize) -> f64 {
        self.lower[column]
    }

    pub fn upper(&self, column: usize) -> f64 {
        self.upper[column]
    }

    pub fn width(&self, column: usize) -> f64 {
        self.upper[column] - self.lower[column]
    }

    pub fn lowers(&self) -> &[f64] {
        &self.lower
    }

    pub fn uppers(&self) -> &[f64] {
        &self.upper
    }
}
