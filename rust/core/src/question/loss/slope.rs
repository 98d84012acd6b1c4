//! Derivatives of losses by the outputs, for eight rows.

use super::Loss;
use super::value::second_decided;
use crate::simd::{Lanes, Simd, math};

impl Loss {
    /// Adds `weight · ∂loss/∂a_k` to `to_a` and `weight · ∂loss/∂b_k` to `to_b`. Requirements and decisions are
    /// flat where they are finite.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn add_cotangents<S: Simd>(
        &self,
        s: S,
        weight: f64,
        a: &[Lanes<f64>],
        b: &[Lanes<f64>],
        to_a: &mut [Lanes<f64>],
        to_b: &mut [Lanes<f64>],
    ) {
        let (zero, one, w) = (s.splat(0.0), s.splat(1.0), s.splat(weight));
        match *self {
            Loss::CrossEntropy { label } => {
                add(s, s.sub(zero, s.div(w, s.load(&a[label]))), &mut to_a[label]);
            }
            Loss::NegativeLog { label } => add(s, s.sub(zero, w), &mut to_a[label]),
            Loss::Margin { positive } => {
                let sign = if positive { 1.0 } else { -1.0 };
                let short = s.lt(s.mul(s.splat(sign), s.load(&a[0])), one);
                add(s, s.select(short, s.splat(-sign * weight), zero), &mut to_a[0]);
            }
            Loss::Hinge { label } => {
                let (mut rival, mut at) = (s.splat(f64::NEG_INFINITY), s.splat(-1.0));
                for k in (0..a.len()).filter(|&k| k != label) {
                    let z = s.load(&a[k]);
                    let better = s.lt(rival, z);
                    rival = s.select(better, z, rival);
                    at = s.select(better, s.splat(k as f64), at);
                }
                let short = s.lt(s.sub(s.load(&a[label]), rival), one);
                add(s, s.select(short, s.sub(zero, w), zero), &mut to_a[label]);
                for k in (0..a.len()).filter(|&k| k != label) {
                    let here = s.le(s.abs(s.sub(at, s.splat(k as f64))), zero);
                    add(s, s.select(s.and_m(short, here), w, zero), &mut to_a[k]);
                }
            }
            Loss::Squared { label, scale } => {
                let slope = s.mul(s.splat(-2.0 * weight / (scale * scale)), s.sub(one, s.load(&a[label])));
                add(s, slope, &mut to_a[label]);
            }
            Loss::Band { lower, upper, scale } => {
                let y = s.load(&a[0]);
                let above = s.max(s.sub(y, s.splat(upper)), zero);
                let below = s.max(s.sub(s.splat(lower), y), zero);
                add(s, s.mul(s.splat(weight / (scale * scale)), s.sub(above, below)), &mut to_a[0]);
            }
            Loss::Level { output, level, power } => {
                let r = s.sub(s.load(&a[output]), s.splat(level));
                let size = s.abs(r);
                let slope = if power == 2.0 {
                    s.mul(s.splat(2.0), size)
                } else {
                    let log = s.mul(s.splat(power - 1.0), math::ln(s, size));
                    s.mul(s.splat(power), math::exp(s, log))
                };
                let slope = s.select(s.lt(r, zero), s.sub(zero, slope), slope);
                let slope = s.select(s.lt(zero, size), slope, zero);
                add(s, s.mul(w, slope), &mut to_a[output]);
            }
            Loss::NegativeEntropy => {
                for (p, to) in a.iter().zip(to_a) {
                    let p = s.load(p);
                    let slope = s.mul(w, s.add(math::ln(s, p), one));
                    add(s, s.select(s.lt(zero, p), slope, zero), to);
                }
            }
            Loss::Value => add(s, w, &mut to_a[0]),
            Loss::RequireLabel { .. } | Loss::RequireBand { .. } => {}
            Loss::OtherLabel { log } => {
                let second = second_decided(s, b);
                for (k, wanted) in [(0, second), (1, s.le(s.load(&b[1]), s.load(&b[0])))] {
                    let slope = if log { w } else { s.div(w, s.load(&a[k])) };
                    add(s, s.select(wanted, s.sub(zero, slope), zero), &mut to_a[k]);
                }
            }
            Loss::OtherMargin => {
                let slope = short_slope(s, w, s.load(&a[0]), b);
                add(s, slope, &mut to_a[0]);
            }
            Loss::OtherHinge => {
                let slope = short_slope(s, w, s.sub(s.load(&a[1]), s.load(&a[0])), b);
                add(s, slope, &mut to_a[1]);
                add(s, s.sub(zero, slope), &mut to_a[0]);
            }
            Loss::Likeness { sigma } => {
                let loss = self.value(s, &a, b);
                let factor = s.mul(loss, s.splat(-2.0 * weight / (sigma * sigma)));
                for (k, (a, b)) in a.iter().zip(b).enumerate() {
                    let slope = s.mul(factor, s.sub(s.load(a), s.load(b)));
                    add(s, slope, &mut to_a[k]);
                    add(s, s.sub(zero, slope), &mut to_b[k]);
                }
            }
        }
    }
}

/// Slope of `max(0, 1 - s · z)` by z, s the sign of the label that the decision is not for.
#[inline(always)]
fn short_slope<S: Simd>(s: S, weight: S::F, z: S::F, b: &[Lanes<f64>]) -> S::F {
    let (zero, second) = (s.splat(0.0), second_decided(s, b));
    let lead = s.select(second, s.sub(zero, z), z);
    let slope = s.select(second, weight, s.sub(zero, weight));
    s.select(s.lt(lead, s.splat(1.0)), slope, zero)
}

#[inline(always)]
fn add<S: Simd>(s: S, value: S::F, to: &mut Lanes<f64>) {
    s.store(s.add(s.load(to), value), to);
}
