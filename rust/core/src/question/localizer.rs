//! `weight · Σ_d w_d |x_d - a_d|^power`: keeps an answer near a row.

use crate::error::{Error, Result};
use crate::simd::{Lanes, Simd};

#[derive(Clone, Debug, PartialEq)]
pub struct Localizer {
    weight: f64,
    power: u32,
    anchor: Vec<f64>,
    column_weights: Vec<f64>,
}

impl Localizer {
    /// # Errors
    /// [`Error::Question`] for a power other than 1 or 2, vectors of unequal length, numbers that are
    /// not finite, and negative column weights.
    pub fn new(weight: f64, power: u32, anchor: Vec<f64>, column_weights: Vec<f64>) -> Result<Self> {
        if power != 1 && power != 2 {
            return Err(Error::Question(format!("norm must be 1 or 2, not {power}")));
        }
        if anchor.len() != column_weights.len() {
            return Err(Error::Question(format!(
                "a row of {} columns with {} weights",
                anchor.len(),
                column_weights.len()
            )));
        }
        if !weight.is_finite() || !anchor.iter().all(|a| a.is_finite()) {
            return Err(Error::Question("a localizer needs finite weights and a finite row".into()));
        }
        if !column_weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(Error::Question("the weights of columns must be finite and not negative".into()));
        }
        Ok(Self { weight, power, anchor, column_weights })
    }

    pub fn n_columns(&self) -> usize {
        self.anchor.len()
    }

    pub fn power(&self) -> u32 {
        self.power
    }

    /// Coefficient of `|x_d - a_d|^power`.
    pub fn coefficient(&self, column: usize) -> f64 {
        self.weight * self.column_weights[column]
    }

    pub fn anchor(&self, column: usize) -> f64 {
        self.anchor[column]
    }

    #[inline(always)]
    pub(crate) fn value<S: Simd>(&self, s: S, x: &[Lanes<f64>]) -> S::F {
        let mut sum = s.splat(0.0);
        for (d, x) in x.iter().enumerate() {
            let coefficient = self.coefficient(d);
            if coefficient != 0.0 {
                let r = s.abs(s.sub(s.load(x), s.splat(self.anchor[d])));
                let r = if self.power == 2 { s.mul(r, r) } else { r };
                sum = s.add(sum, s.mul(s.splat(coefficient), r));
            }
        }
        sum
    }

    pub(crate) fn slope(&self, column: usize, x: f64) -> f64 {
        let r = x - self.anchor[column];
        let coefficient = self.coefficient(column);
        if self.power == 2 {
            2.0 * coefficient * r
        } else if r == 0.0 {
            0.0
        } else {
            coefficient * r.signum()
        }
    }
}
