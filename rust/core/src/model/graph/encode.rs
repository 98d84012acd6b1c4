//! Features of raw rows: what a pipeline does to single columns, in the same floating-point operations.

use crate::simd::{LANES, Lanes, Simd, math};

/// One scalar function with its constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Sub(f64),
    Add(f64),
    Mul(f64),
    Div(f64),
    Max(f64),
    Min(f64),
    /// The constant where the value is NaN.
    Impute(f64),
    Log1p,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// A number through steps.
    Chain { column: usize, steps: Vec<Step> },
    /// A number for each level of a categorical column, for other codes, and for NaN.
    Table { column: usize, values: Vec<f64>, unknown: f64, missing: f64 },
}

impl Feature {
    pub(super) fn check(&self, n_columns: usize) -> Result<(), String> {
        let (Feature::Chain { column, .. } | Feature::Table { column, .. }) = self;
        if *column >= n_columns {
            return Err(format!("a feature reads column {column} of {n_columns}"));
        }
        if let Feature::Chain { steps, .. } = self {
            for step in steps {
                let constant = match *step {
                    Step::Sub(c)
                    | Step::Add(c)
                    | Step::Mul(c)
                    | Step::Div(c)
                    | Step::Max(c)
                    | Step::Min(c)
                    | Step::Impute(c) => c,
                    Step::Log1p => 0.0,
                };
                if !constant.is_finite() {
                    return Err(format!("a step of a feature has the constant {constant}"));
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn value<S: Simd>(&self, s: S, row: &[Lanes<f64>]) -> S::F {
        match self {
            Feature::Chain { column, steps } => {
                let mut x = s.load(&row[*column]);
                for step in steps {
                    x = step.value(s, x);
                }
                x
            }
            Feature::Table { column, values, unknown, missing } => {
                let x = &row[*column];
                s.load(&Lanes(std::array::from_fn(|lane| {
                    let code = x[lane];
                    if code.is_nan() {
                        *missing
                    } else if code >= 0.0 && code < values.len() as f64 && code.fract() == 0.0 {
                        values[code as usize]
                    } else {
                        *unknown
                    }
                })))
            }
        }
    }

    /// Adds `cotangent · ∂feature/∂column` to the row's cotangent.
    #[inline(always)]
    pub(super) fn reverse<S: Simd>(
        &self,
        s: S,
        row: &[Lanes<f64>],
        cotangent: &Lanes<f64>,
        into: &mut [Lanes<f64>],
    ) {
        let Feature::Chain { column, steps } = self else { return };
        let mut x = row[*column];
        let mut slope = *cotangent;
        for step in steps {
            for lane in 0..LANES {
                slope[lane] *= step.slope(x[lane]);
            }
            let next = step.value(s, s.load(&x));
            s.store(next, &mut x);
        }
        let sum = s.add(s.load(&into[*column]), s.load(&slope));
        s.store(sum, &mut into[*column]);
    }
}

impl Step {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        match self {
            Step::Sub(c) => s.sub(x, s.splat(c)),
            Step::Add(c) => s.add(x, s.splat(c)),
            Step::Mul(c) => s.mul(x, s.splat(c)),
            Step::Div(c) => s.div(x, s.splat(c)),
            // Written so that NaN stays NaN.
            Step::Max(c) => s.select(s.lt(x, s.splat(c)), s.splat(c), x),
            Step::Min(c) => s.select(s.lt(s.splat(c), x), s.splat(c), x),
            Step::Impute(c) => s.select(s.le(x, x), x, s.splat(c)),
            Step::Log1p => math::ln_1p(s, x),
        }
    }

    fn slope(self, x: f64) -> f64 {
        match self {
            Step::Sub(_) | Step::Add(_) => 1.0,
            Step::Mul(c) => c,
            Step::Div(c) => 1.0 / c,
            Step::Max(c) => f64::from(u8::from(x >= c)),
            Step::Min(c) => f64::from(u8::from(x <= c)),
            Step::Impute(_) => f64::from(u8::from(!x.is_nan())),
            Step::Log1p => 1.0 / (1.0 + x),
        }
    }
}
