//! Where an answer may lie: kinds and bounds of the columns, and what happens to a proposal beyond them.

mod base;
mod boundary;
mod constraint;
mod folded;
mod lookup;
mod reference;

pub use base::Base;
pub(crate) use base::{ends, measure};
pub use boundary::{Boundary, fold};
pub use constraint::{Constraint, Step};
pub(crate) use constraint::{Slide, Spans, hold, overlap};
pub use folded::log_folded_normal;
pub(crate) use folded::{LOST, MOST, Narrow, images, narrow};
pub use lookup::Lookup;
pub use reference::Reference;

use crate::error::{Error, Result};
use crate::rng::Stream;

/// What the values of a column are. The base measure is Lebesgue's on continuous columns and counts on the others;
/// NaN, where a value can be missing, has a weight of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Continuous,
    /// Whole numbers, in order.
    Integer,
    /// Codes 0, 1, … of categories, without order.
    Level,
}

/// Kind, lower and upper bound of every column; a fixed column has both bounds at its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
    kinds: Vec<Kind>,
    /// What NaN weighs in the base measure of each column; 0 where no value is missing.
    missing: Vec<f64>,
    free: Vec<usize>,
    continuous: Vec<usize>,
}

/// Whole numbers beyond this are too coarse to count with.
const WHOLE_END: f64 = (1_u64 << 52) as f64;

impl Bounds {
    /// Of continuous columns.
    ///
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
        let free: Vec<usize> = (0..lower.len()).filter(|&d| lower[d] < upper[d]).collect();
        let kinds = vec![Kind::Continuous; lower.len()];
        let missing = vec![0.0; lower.len()];
        Ok(Self { lower, upper, kinds, missing, continuous: free.clone(), free })
    }

    /// The same columns, of these kinds.
    ///
    /// # Errors
    /// [`Error::Space`] where there is not a kind per column, or bounds of integers or codes are not whole.
    pub fn with_kinds(mut self, kinds: Vec<Kind>) -> Result<Self> {
        if kinds.len() != self.len() {
            return Err(Error::Space(format!("{} kinds for {} columns", kinds.len(), self.len())));
        }
        for &d in &self.free {
            let (lower, upper) = (self.lower[d], self.upper[d]);
            let whole = |x: f64| x.fract() == 0.0 && x.abs() < WHOLE_END;
            if kinds[d] != Kind::Continuous && !(whole(lower) && whole(upper))
                || kinds[d] == Kind::Level && lower != 0.0
            {
                return Err(Error::Space(format!(
                    "column {d} has bounds ({lower}, {upper}): whole numbers, and from 0 for codes"
                )));
            }
        }
        self.kinds = kinds;
        Ok(self.recounted())
    }

    /// The same columns, in which NaN weighs so much beside the numbers; 0 where no value is missing.
    ///
    /// # Errors
    /// [`Error::Space`] where there is not a weight per column, or one is negative, not finite, or of a column that
    /// is fixed or holds codes.
    pub fn with_missing(mut self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.len() {
            return Err(Error::Space(format!("{} weights of NaN for {} columns", weights.len(), self.len())));
        }
        for (d, &weight) in weights.iter().enumerate() {
            let numbers = self.free.contains(&d) && self.kinds[d] != Kind::Level;
            if !(weight == 0.0 || weight > 0.0 && weight.is_finite() && numbers) {
                return Err(Error::Space(format!("NaN weighs {weight} in column {d}")));
            }
        }
        self.missing = weights;
        Ok(self.recounted())
    }

    fn recounted(mut self) -> Self {
        let walked = |&d: &usize| self.kinds[d] == Kind::Continuous && self.missing[d] == 0.0;
        self.continuous = self.free.iter().copied().filter(walked).collect();
        self
    }

    /// What NaN weighs in the base measure of a column; 0 where no value is missing.
    pub fn missing(&self, column: usize) -> f64 {
        self.missing[column]
    }

    /// Columns in which a value may be missing.
    pub fn missed(&self) -> impl Iterator<Item = usize> {
        self.free.iter().copied().filter(|&d| self.missing[d] > 0.0)
    }

    /// What the numbers of a column weigh together.
    pub fn measure(&self, column: usize) -> f64 {
        match self.kinds[column] {
            Kind::Continuous => self.width(column),
            Kind::Integer | Kind::Level => self.width(column) + 1.0,
        }
    }

    pub fn kind(&self, column: usize) -> Kind {
        self.kinds[column]
    }

    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Columns that move and hold real numbers, always.
    pub fn continuous(&self) -> &[usize] {
        &self.continuous
    }

    /// Whether something moves that is not a real number, or not always.
    pub fn mixed(&self) -> bool {
        self.continuous.len() < self.free.len()
    }

    /// How many values an integer or level column has.
    pub fn count(&self, column: usize) -> usize {
        (self.width(column) as usize).saturating_add(1)
    }

    /// Whether a column can hold a value.
    pub fn holds(&self, column: usize, x: f64) -> bool {
        if x.is_nan() {
            return self.missing[column] > 0.0;
        }
        let inside = self.lower[column] <= x && x <= self.upper[column];
        inside && (self.kinds[column] == Kind::Continuous || x.fract() == 0.0)
    }

    /// A draw from the base measure of a column.
    pub(crate) fn uniform(&self, column: usize, rng: &mut Stream) -> f64 {
        let missing = self.missing[column];
        if missing > 0.0 && rng.uniform() * (missing + self.measure(column)) < missing {
            return f64::NAN;
        }
        self.number(column, rng)
    }

    /// The same among the numbers.
    pub(crate) fn number(&self, column: usize, rng: &mut Stream) -> f64 {
        let (lower, width) = (self.lower[column], self.width(column));
        match self.kinds[column] {
            Kind::Continuous => lower + rng.uniform() * width,
            Kind::Integer | Kind::Level => lower + (rng.uniform() * (width + 1.0)).floor().min(width),
        }
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
