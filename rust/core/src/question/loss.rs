//! Losses: one model's outputs to a number (MATH.md section 2), and their derivatives.

use crate::error::{Error, Result};
use crate::simd::{Simd, math};

/// A loss of one node of a model: class probabilities, their logarithms, margins, or the value of a
/// regressor in output 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// `-log p_label`; +∞ where the probability is 0.
    CrossEntropy { label: usize },
    /// `-output_label`, of log-probabilities: finite where the probability itself is rounded to 0.
    NegativeLog { label: usize },
    /// `max(0, 1 - s · output_0)`, s = 1 where `positive`, else -1: the hinge of a margin.
    Margin { positive: bool },
    /// `max(0, 1 - (p_label - max_{j ≠ label} p_j))`.
    Hinge { label: usize },
    /// `((1 - p_label) / scale)²`.
    Squared { label: usize, scale: f64 },
    /// `½ (distance of output 0 to [lower, upper] / scale)²`.
    Band { lower: f64, upper: f64, scale: f64 },
    /// `|f_output - level|^power`.
    Level { output: usize, level: f64, power: f64 },
    /// `Σ_k p_k log p_k`, with `0 log 0 = 0`.
    NegativeEntropy,
    /// 0 where the label is the first largest output, +∞ elsewhere.
    RequireLabel { label: usize },
    /// 0 where output 0 lies in `[lower, upper]`, +∞ elsewhere.
    RequireBand { lower: f64, upper: f64 },
}

/// Where a loss reads a model's outputs; every method is `#[inline(always)]` (see `simd::Op`).
pub(crate) trait Outputs<S: Simd> {
    fn len(&self) -> usize;
    fn get(&self, s: S, k: usize) -> S::F;
}

impl Loss {
    /// # Errors
    /// [`Error::Question`] when the model has no such output or a number is out of range.
    pub fn check(&self, n_outputs: usize) -> Result<()> {
        let highest = match *self {
            Loss::CrossEntropy { label }
            | Loss::NegativeLog { label }
            | Loss::Hinge { label }
            | Loss::Squared { label, .. }
            | Loss::RequireLabel { label } => label,
            Loss::Level { output, .. } => output,
            Loss::Margin { .. } | Loss::Band { .. } | Loss::RequireBand { .. } | Loss::NegativeEntropy => 0,
        };
        if highest >= n_outputs {
            return Err(Error::Question(format!("output {highest} of a model that has {n_outputs}")));
        }
        if matches!(self, Loss::Hinge { .. }) && n_outputs < 2 {
            return Err(Error::Question("a hinge needs at least two classes".into()));
        }
        match *self {
            Loss::Squared { scale, .. } | Loss::Band { scale, .. } if !(scale.is_finite() && scale > 0.0) => {
                Err(Error::Question(format!("scale must be a positive number, not {scale}")))
            }
            Loss::Band { lower, upper, .. } | Loss::RequireBand { lower, upper }
                if lower.is_nan() || upper.is_nan() || lower > upper =>
            {
                Err(Error::Question(format!(
                    "the band ({lower}, {upper}) is empty: lower must not exceed upper"
                )))
            }
            Loss::Level { level, power, .. } if !(level.is_finite() && power.is_finite() && power > 0.0) => {
                Err(Error::Question(format!(
                    "level {level} and power {power} must be finite, power positive"
                )))
            }
            _ => Ok(()),
        }
    }

    #[inline(always)]
    pub(crate) fn value<S: Simd>(&self, s: S, outputs: &impl Outputs<S>) -> S::F {
        let n_outputs = outputs.len();
        let zero = s.splat(0.0);
        match *self {
            Loss::CrossEntropy { label } => s.sub(zero, math::ln(s, outputs.get(s, label))),
            Loss::NegativeLog { label } => s.sub(zero, outputs.get(s, label)),
            Loss::Margin { positive } => {
                let z = outputs.get(s, 0);
                let short = if positive { s.sub(s.splat(1.0), z) } else { s.add(s.splat(1.0), z) };
                s.select(s.le(short, zero), zero, short)
            }
            Loss::Hinge { label } => {
                let mut rival = s.splat(f64::NEG_INFINITY);
                for k in (0..n_outputs).filter(|&k| k != label) {
                    rival = s.max(outputs.get(s, k), rival);
                }
                s.max(s.sub(s.splat(1.0), s.sub(outputs.get(s, label), rival)), zero)
            }
            Loss::Squared { label, scale } => {
                let r = s.mul(s.sub(s.splat(1.0), outputs.get(s, label)), s.splat(1.0 / scale));
                s.mul(r, r)
            }
            Loss::Band { lower, upper, scale } => {
                let r = s.mul(distance(s, outputs.get(s, 0), lower, upper), s.splat(1.0 / scale));
                s.mul(s.splat(0.5), s.mul(r, r))
            }
            Loss::Level { output, level, power } => {
                let r = s.abs(s.sub(outputs.get(s, output), s.splat(level)));
                if power == 2.0 {
                    s.mul(r, r)
                } else if power == 1.0 {
                    r
                } else {
                    math::exp(s, s.mul(s.splat(power), math::ln(s, r)))
                }
            }
            Loss::NegativeEntropy => {
                let mut sum = zero;
                for k in 0..n_outputs {
                    let p = outputs.get(s, k);
                    let term = s.mul(p, math::ln(s, p));
                    sum = s.add(sum, s.select(s.lt(zero, p), term, zero));
                }
                sum
            }
            Loss::RequireLabel { label } => {
                let ours = outputs.get(s, label);
                let mut broken = s.lt(zero, zero);
                for k in 0..n_outputs {
                    if k < label {
                        broken = s.or_m(broken, s.le(ours, outputs.get(s, k)));
                    } else if k > label {
                        broken = s.or_m(broken, s.lt(ours, outputs.get(s, k)));
                    }
                }
                s.select(broken, s.splat(f64::INFINITY), zero)
            }
            Loss::RequireBand { lower, upper } => {
                let y = outputs.get(s, 0);
                let inside = s.and_m(s.le(s.splat(lower), y), s.le(y, s.splat(upper)));
                s.select(inside, zero, s.splat(f64::INFINITY))
            }
        }
    }

    /// Adds `weight · ∂loss/∂output_k` to `cotangent`. Requirements are flat where they are finite.
    pub(crate) fn add_cotangent(&self, weight: f64, outputs: &[f64], cotangent: &mut [f64]) {
        match *self {
            Loss::CrossEntropy { label } => cotangent[label] -= weight / outputs[label],
            Loss::NegativeLog { label } => cotangent[label] -= weight,
            Loss::Margin { positive } => {
                let sign = if positive { 1.0 } else { -1.0 };
                if sign * outputs[0] < 1.0 {
                    cotangent[0] -= weight * sign;
                }
            }
            Loss::Hinge { label } => {
                let rival = (0..outputs.len()).filter(|&k| k != label).fold(
                    None,
                    |best: Option<usize>, k| match best {
                        Some(b) if outputs[b] >= outputs[k] => Some(b),
                        _ => Some(k),
                    },
                );
                if let Some(rival) = rival
                    && outputs[label] - outputs[rival] < 1.0
                {
                    cotangent[label] -= weight;
                    cotangent[rival] += weight;
                }
            }
            Loss::Squared { label, scale } => {
                cotangent[label] -= weight * 2.0 * (1.0 - outputs[label]) / (scale * scale);
            }
            Loss::Band { lower, upper, scale } => {
                let y = outputs[0];
                let beyond = (y - upper).max(0.0) - (lower - y).max(0.0);
                cotangent[0] += weight * beyond / (scale * scale);
            }
            Loss::Level { output, level, power } => {
                let r = outputs[output] - level;
                if r != 0.0 {
                    let slope = if power == 2.0 {
                        2.0 * r
                    } else {
                        power * math::exp1((power - 1.0) * math::ln1(r.abs())) * r.signum()
                    };
                    cotangent[output] += weight * slope;
                }
            }
            Loss::NegativeEntropy => {
                for (c, &p) in cotangent.iter_mut().zip(outputs) {
                    if p > 0.0 {
                        *c += weight * (math::ln1(p) + 1.0);
                    }
                }
            }
            Loss::RequireLabel { .. } | Loss::RequireBand { .. } => {}
        }
    }
}

#[inline(always)]
fn distance<S: Simd>(s: S, y: S::F, lower: f64, upper: f64) -> S::F {
    let below = s.sub(s.splat(lower), y);
    let above = s.sub(y, s.splat(upper));
    s.max(s.max(below, above), s.splat(0.0))
}

/// `weight · loss(a node of one model)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    pub weight: f64,
    pub model: usize,
    pub node: usize,
    pub loss: Loss,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::math::Scalar;

    impl Outputs<Scalar> for &[f64] {
        fn len(&self) -> usize {
            <[f64]>::len(self)
        }

        fn get(&self, _: Scalar, k: usize) -> f64 {
            self[k]
        }
    }

    fn value(loss: Loss, outputs: &[f64]) -> f64 {
        loss.value(Scalar, &outputs)
    }

    #[test]
    fn values_are_the_formulas() {
        let p = [0.2, 0.5, 0.3];
        assert!((value(Loss::CrossEntropy { label: 1 }, &p) + 0.5_f64.ln()).abs() < 1e-15);
        assert!((value(Loss::Hinge { label: 0 }, &p) - 1.3).abs() < 1e-15);
        assert!((value(Loss::Squared { label: 2, scale: 0.5 }, &p) - 1.96).abs() < 1e-14);
        assert!((value(Loss::Level { output: 2, level: 0.5, power: 3.0 }, &p) - 0.008).abs() < 1e-16);
        assert!((value(Loss::Level { output: 2, level: 0.5, power: 1.0 }, &p) - 0.2).abs() < 1e-16);
        let entropy: f64 = p.iter().map(|p| p * p.ln()).sum();
        assert!((value(Loss::NegativeEntropy, &p) - entropy).abs() < 1e-15);
        assert_eq!(value(Loss::NegativeLog { label: 1 }, &[-2.0, -0.25]), 0.25);
        assert_eq!(value(Loss::Margin { positive: true }, &[-0.5]), 1.5);
        assert_eq!(value(Loss::Margin { positive: false }, &[-0.5]), 0.5);
        assert_eq!(value(Loss::Margin { positive: true }, &[2.0]), 0.0);
        assert_eq!(value(Loss::NegativeEntropy, &[0.0, 1.0]), 0.0);
        assert_eq!(value(Loss::CrossEntropy { label: 0 }, &[0.0, 1.0]), f64::INFINITY);
        assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 0.5 }, &[4.0]), 8.0);
        assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 0.5 }, &[1.5]), 0.0);
        assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 1.0 }, &[-1.0]), 2.0);
    }

    #[test]
    fn a_required_label_is_the_first_of_ties() {
        let tie = [0.4, 0.4, 0.2];
        assert_eq!(value(Loss::RequireLabel { label: 0 }, &tie), 0.0);
        assert_eq!(value(Loss::RequireLabel { label: 1 }, &tie), f64::INFINITY);
        assert_eq!(value(Loss::RequireLabel { label: 2 }, &tie), f64::INFINITY);
        assert_eq!(value(Loss::RequireBand { lower: 0.0, upper: 0.4 }, &[0.4]), 0.0);
        assert_eq!(value(Loss::RequireBand { lower: 0.0, upper: 0.4 }, &[0.41]), f64::INFINITY);
    }

    #[test]
    fn cotangents_match_finite_differences() {
        let losses = [
            Loss::CrossEntropy { label: 1 },
            Loss::NegativeLog { label: 1 },
            Loss::Margin { positive: true },
            Loss::Margin { positive: false },
            Loss::Hinge { label: 0 },
            Loss::Squared { label: 2, scale: 0.7 },
            Loss::Level { output: 1, level: 0.9, power: 2.0 },
            Loss::Level { output: 1, level: 0.9, power: 1.0 },
            Loss::Level { output: 0, level: 0.9, power: 2.5 },
            Loss::NegativeEntropy,
            Loss::Band { lower: 0.5, upper: 0.6, scale: 0.3 },
            Loss::Band { lower: -0.5, upper: 0.1, scale: 0.3 },
            Loss::RequireLabel { label: 1 },
        ];
        let p = [0.2, 0.5, 0.3];
        for loss in losses {
            let mut cotangent = [0.0; 3];
            loss.add_cotangent(1.5, &p, &mut cotangent);
            for k in 0..3 {
                let (mut above, mut below) = (p, p);
                above[k] += 1e-6;
                below[k] -= 1e-6;
                let slope = 1.5 * (value(loss, &above) - value(loss, &below)) / 2e-6;
                assert!(
                    (slope - cotangent[k]).abs() < 1e-7,
                    "{loss:?} output {k}: {} not {slope}",
                    cotangent[k]
                );
            }
        }
    }
}
