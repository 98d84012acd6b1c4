//! What losses are, for eight rows.

use super::{Loss, Outputs};
use crate::simd::{Lanes, Simd, math};

impl Loss {
    /// The loss of outputs `a`, compared with `b` where it compares.
    #[inline(always)]
    pub(crate) fn value<S: Simd>(&self, s: S, a: &impl Outputs<S>, b: &[Lanes<f64>]) -> S::F {
        let n_outputs = a.len();
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match *self {
            Loss::CrossEntropy { label } => s.sub(zero, math::ln(s, a.get(s, label))),
            Loss::NegativeLog { label } => s.sub(zero, a.get(s, label)),
            Loss::Margin { positive } => {
                let z = a.get(s, 0);
                let short = if positive { s.sub(one, z) } else { s.add(one, z) };
                s.select(s.le(short, zero), zero, short)
            }
            Loss::Hinge { label } => {
                let mut rival = s.splat(f64::NEG_INFINITY);
                for k in (0..n_outputs).filter(|&k| k != label) {
                    rival = s.max(a.get(s, k), rival);
                }
                s.max(s.sub(one, s.sub(a.get(s, label), rival)), zero)
            }
            Loss::Squared { label, scale } => {
                let r = s.mul(s.sub(one, a.get(s, label)), s.splat(1.0 / scale));
                s.mul(r, r)
            }
            Loss::Band { lower, upper, scale } => {
                let r = s.mul(beyond(s, a.get(s, 0), lower, upper), s.splat(1.0 / scale));
                s.mul(s.splat(0.5), s.mul(r, r))
            }
            Loss::Level { output, level, power } => {
                let r = s.abs(s.sub(a.get(s, output), s.splat(level)));
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
                    let p = a.get(s, k);
                    let term = s.mul(p, math::ln(s, p));
                    sum = s.add(sum, s.select(s.lt(zero, p), term, zero));
                }
                sum
            }
            Loss::Value => a.get(s, 0),
            Loss::RequireLabel { label } => {
                let ours = a.get(s, label);
                let mut broken = s.lt(zero, zero);
                for k in 0..n_outputs {
                    if k < label {
                        broken = s.or_m(broken, s.le(ours, a.get(s, k)));
                    } else if k > label {
                        broken = s.or_m(broken, s.lt(ours, a.get(s, k)));
                    }
                }
                s.select(broken, s.splat(f64::INFINITY), zero)
            }
            Loss::RequireBand { lower, upper } => {
                let y = a.get(s, 0);
                let inside = s.and_m(s.le(s.splat(lower), y), s.le(y, s.splat(upper)));
                s.select(inside, zero, s.splat(f64::INFINITY))
            }
            Loss::OtherLabel { log } => {
                let wanted = s.select(second_decided(s, b), a.get(s, 0), a.get(s, 1));
                s.sub(zero, if log { wanted } else { math::ln(s, wanted) })
            }
            Loss::OtherMargin => {
                let z = a.get(s, 0);
                let short = s.select(second_decided(s, b), s.add(one, z), s.sub(one, z));
                s.select(s.le(short, zero), zero, short)
            }
            Loss::OtherHinge => {
                let lead = s.sub(a.get(s, 1), a.get(s, 0));
                let short = s.select(second_decided(s, b), s.add(one, lead), s.sub(one, lead));
                s.select(s.le(short, zero), zero, short)
            }
            Loss::Likeness { sigma } => {
                let mut square = zero;
                for (k, b) in b.iter().enumerate() {
                    let r = s.sub(a.get(s, k), s.load(b));
                    square = s.mul_add(r, r, square);
                }
                math::exp(s, s.mul(square, s.splat(-1.0 / (sigma * sigma))))
            }
        }
    }
}

/// Whether a decision between two is for the second.
#[inline(always)]
pub(super) fn second_decided<S: Simd>(s: S, b: &[Lanes<f64>]) -> S::M {
    s.lt(s.load(&b[0]), s.load(&b[1]))
}

/// How far y lies outside `[lower, upper]`.
#[inline(always)]
fn beyond<S: Simd>(s: S, y: S::F, lower: f64, upper: f64) -> S::F {
    let below = s.sub(s.splat(lower), y);
    let above = s.sub(y, s.splat(upper));
    s.max(s.max(below, above), s.splat(0.0))
}
