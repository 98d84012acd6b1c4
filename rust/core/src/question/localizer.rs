//! `weight · Σ_d w_d |x_d - a_d|^power`, in columns of levels `1[x_d ≠ a_d]`: keeps an answer near a row. Where a value
//! may be missing, the distance between NaN and a number is the width of the column, and 0 between NaN and NaN.

use crate::error::{Error, Result};
use crate::simd::{Lanes, Simd};
use crate::space::Kind;

#[derive(Clone, Debug, PartialEq)]
pub struct Localizer {
    weight: f64,
    power: u32,
    anchor: Vec<f64>,
    column_weights: Vec<f64>,
    kinds: Vec<Kind>,
    /// The distance between a number and NaN; 0 where no value is missing.
    gaps: Vec<f64>,
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
        if !weight.is_finite() || anchor.iter().any(|a| a.is_infinite()) {
            return Err(Error::Question(
                "a localizer needs finite weights and a row of finite numbers, or NaN where missing".into(),
            ));
        }
        if !column_weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(Error::Question("the weights of columns must be finite and not negative".into()));
        }
        let kinds = vec![Kind::Continuous; anchor.len()];
        let gaps = vec![0.0; anchor.len()];
        Ok(Self { weight, power, anchor, column_weights, kinds, gaps })
    }

    /// The same on columns of these kinds, of which the first are those that it has, with these distances between a
    /// number and NaN.
    pub(super) fn on(mut self, kinds: &[Kind], gaps: &[f64]) -> Self {
        self.anchor.resize(kinds.len(), 0.0);
        self.column_weights.resize(kinds.len(), 0.0);
        self.kinds = kinds.to_vec();
        self.gaps = gaps.to_vec();
        self
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

    /// The part of one column at one value.
    pub(crate) fn part(&self, column: usize, x: f64) -> f64 {
        let anchor = self.anchor[column];
        let r = match (x.is_nan(), anchor.is_nan()) {
            (false, false) => (x - anchor).abs(),
            (true, true) => 0.0,
            _ => self.gaps[column],
        };
        let distance = match (self.kinds[column], self.power) {
            (Kind::Level, _) => f64::from(u8::from(r > 0.0)),
            (_, 2) => r * r,
            _ => r,
        };
        self.coefficient(column) * distance
    }

    #[inline(always)]
    pub(crate) fn value<S: Simd>(&self, s: S, x: &[Lanes<f64>]) -> S::F {
        let mut sum = s.splat(0.0);
        for (d, x) in x.iter().enumerate() {
            let coefficient = self.coefficient(d);
            if coefficient != 0.0 {
                let x = s.load(x);
                let mut r = s.abs(s.sub(x, s.splat(self.anchor[d])));
                if self.gaps[d] > 0.0 {
                    let gap = s.splat(self.gaps[d]);
                    let (number, missing) =
                        if self.anchor[d].is_nan() { (gap, s.splat(0.0)) } else { (r, gap) };
                    r = s.select(s.le(x, x), number, missing);
                }
                let r = match (self.kinds[d], self.power) {
                    (Kind::Level, _) => s.select(s.lt(s.splat(0.0), r), s.splat(1.0), s.splat(0.0)),
                    (_, 2) => s.mul(r, r),
                    _ => r,
                };
                sum = s.add(sum, s.mul(s.splat(coefficient), r));
            }
        }
        sum
    }

    pub(crate) fn slope(&self, column: usize, x: f64) -> f64 {
        let r = x - self.anchor[column];
        if r.is_nan() {
            return 0.0;
        }
        let coefficient = self.coefficient(column);
        if self.kinds[column] == Kind::Level {
            0.0
        } else if self.power == 2 {
            2.0 * coefficient * r
        } else if r == 0.0 {
            0.0
        } else {
            coefficient * r.signum()
        }
    }
}
