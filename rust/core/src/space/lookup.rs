//! Encoders: columns that models see in place of those that are sampled.

use crate::error::{Error, Result};
use crate::simd::Lanes;

/// A column with a number for each value of an integer or level column: the code that a model has for a level,
/// or the number that a level is.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    column: usize,
    first: f64,
    values: Vec<f64>,
}

impl Lookup {
    /// `values[x - first]` where the column holds x.
    ///
    /// # Errors
    /// [`Error::Space`] for no values at all, or a `first` that is not whole.
    pub fn new(column: usize, first: f64, values: Vec<f64>) -> Result<Self> {
        if values.is_empty() || first.fract() != 0.0 {
            return Err(Error::Space(format!("{} values from {first} of column {column}", values.len())));
        }
        Ok(Self { column, first, values })
    }

    /// The column that is looked up.
    pub fn column(&self) -> usize {
        self.column
    }

    /// NaN for what is no value of the column.
    pub fn value(&self, x: f64) -> f64 {
        let at = x - self.first;
        let known = at >= 0.0 && at < self.values.len() as f64 && at.fract() == 0.0;
        if known { self.values[at as usize] } else { f64::NAN }
    }

    pub(crate) fn lanes(&self, x: &Lanes<f64>) -> Lanes<f64> {
        Lanes(x.0.map(|x| self.value(x)))
    }

    /// Least and largest value of those that the column takes in `[lower, upper]`.
    pub(crate) fn range(&self, lower: f64, upper: f64) -> (f64, f64) {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in self.values_in(lower, upper) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least <= most { (least, most) } else { (f64::NAN, f64::NAN) }
    }

    /// Whether one of them is missing.
    pub(crate) fn misses(&self, lower: f64, upper: f64) -> bool {
        self.values_in(lower, upper).any(f64::is_nan)
    }

    fn values_in(&self, lower: f64, upper: f64) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(lower), |x| Some(x + 1.0))
            .take_while(move |&x| x <= upper)
            .map(|x| self.value(x))
    }
}
