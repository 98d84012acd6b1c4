//! Activations in single precision: as many numbers a register as a product has.
//!
//! Plain loops over straight-line code that the compiler turns into vector code, with the same bits at
//! every level. Errors (held by the tests below) are a few units of single precision, relative for `tanh`
//! and the logistic function, absolute in Φ.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use crate::model::graph::Activation;
use crate::simd::math::ERFC;

const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// Adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Replaces every `x` by the slope of the function there and writes its value to `y`. `None` where single
/// precision has no code of its own.
#[inline(always)]
pub(super) fn activate(kind: Activation, x: &mut [f32], y: &mut [f32]) -> Option<()> {
    match kind {
        Activation::Tanh => each(x, y, |x| {
            let y = tanh(x);
            (y, 1.0 - y * y)
        }),
        Activation::Logistic => each(x, y, |x| {
            let (p, q) = logistic(x);
            (p, p * q)
        }),
        Activation::Silu => each(x, y, |x| {
            let (p, q) = logistic(x);
            (x * p, p * (1.0 + x * q))
        }),
        Activation::Gelu => each(x, y, |x| {
            let (cdf, pdf) = normal_cdf_pdf(x);
            (x * cdf, x.mul_add(pdf, cdf))
        }),
        Activation::GeluTanh => each(x, y, |x| {
            let square = x * x;
            let t = tanh(GELU_A * x * GELU_B.mul_add(square, 1.0));
            let slope = GELU_A * (3.0 * GELU_B).mul_add(square, 1.0);
            (0.5 * x * (1.0 + t), 0.5 * (1.0 + t + x * (1.0 - t * t) * slope))
        }),
        _ => return None,
    }
    Some(())
}

const GELU_A: f32 = 0.797_884_6;
const GELU_B: f32 = 0.044_715;

#[inline(always)]
fn each(x: &mut [f32], y: &mut [f32], function: impl Fn(f32) -> (f32, f32)) {
    for (x, y) in x.iter_mut().zip(y) {
        (*y, *x) = function(*x);
    }
}

/// `e^x` for x ≤ 0; 0 below -60, far below what single precision can tell from 0 beside 1, so that slopes
/// are not subnormal numbers, which are slow.
#[inline(always)]
fn exp_negative(x: f32) -> f32 {
    let inside = if x < -60.0 { 0.0 } else { x };
    let shifted = inside.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, inside));
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = r.mul_add(p, c);
    }
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let value = p * f32::from_bits(n.wrapping_add(127) << 23);
    if x < -60.0 { 0.0 } else { value }
}

/// `1/(1 + e^-x)` and `1/(1 + e^x)`.
#[inline(always)]
fn logistic(x: f32) -> (f32, f32) {
    let e = exp_negative(-x.abs());
    let r = 1.0 / (1.0 + e);
    if x < 0.0 { (e * r, r) } else { (r, e * r) }
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let size = x.abs();
    // Near 0 an odd polynomial (Cephes), as `1 - 2/(1 + e^2x)` loses its digits there.
    let square = x * x;
    let mut p = -5.704_988_7e-3;
    for c in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = square.mul_add(p, c);
    }
    let near = (p * square).mul_add(x, x);
    let e = exp_negative(-2.0 * size);
    let far = (1.0 - e) / (1.0 + e);
    let far = if x < 0.0 { -far } else { far };
    if size < 0.625 { near } else { far }
}

/// Φ and φ, by the series of [`crate::simd::math`] as far as single precision goes.
#[inline(always)]
fn normal_cdf_pdf(x: f32) -> (f32, f32) {
    let gauss = exp_negative(-0.5 * x * x);
    let t = 2.0 / (2.0 + x.abs() * FRAC_1_SQRT_2);
    let u2 = 2.0 * (2.0 * t - 1.0);
    let (mut d, mut dd) = (0.0, 0.0);
    for k in (1..13).rev() {
        (d, dd) = (u2.mul_add(d, ERFC[k] as f32 - dd), d);
    }
    // The exponent is between ln 0.3 and 0.
    let scaled = t * exp_negative((0.5 * u2).mul_add(d, ERFC[0] as f32 - dd));
    let tail = 0.5 * gauss * scaled;
    (if 0.0 < x { 1.0 - tail } else { tail }, 0.398_942_3 * gauss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::{Activation as A, activation, activation_slope};
    use crate::simd::math::Scalar;

    const EPS: f64 = f32::EPSILON as f64;

    /// Value and slope here and in double precision.
    fn both(kind: A, x: f32) -> [(f64, f64); 2] {
        let (mut slope, mut value) = ([x], [0.0]);
        activate(kind, &mut slope, &mut value).unwrap();
        let x = f64::from(x);
        let exact = activation(Scalar, kind, x);
        [(f64::from(value[0]), exact), (f64::from(slope[0]), activation_slope(Scalar, kind, x, exact))]
    }

    #[test]
    fn values_and_slopes_are_those_of_double_precision() {
        // Errors in units of 2^-23: relative ones of values where they are small, else of 1 or of x.
        for (kind, relative, unit) in [
            (A::Tanh, true, 4.0),
            (A::Logistic, true, 6.0),
            (A::Silu, false, 6.0),
            (A::Gelu, false, 4.0),
            (A::GeluTanh, false, 4.0),
        ] {
            let mut worst: f64 = 0.0;
            for i in -20_000..20_000 {
                let x = i as f32 * 1.000_37e-3;
                let [(value, exact), (slope, exact_slope)] = both(kind, x);
                let scale = if relative { exact.abs() } else { f64::from(x.abs()).max(exact.abs()) };
                worst = worst.max((value - exact).abs() / (scale * EPS).max(f64::MIN_POSITIVE));
                worst = worst.max((slope - exact_slope).abs() / (EPS * f64::from(x.abs()).max(1.0)));
            }
            assert!(worst <= unit, "{kind:?}: {worst}");
        }
    }

    #[test]
    fn the_ends_are_limits() {
        for (kind, low, high) in [
            (A::Tanh, -1.0, 1.0),
            (A::Logistic, 0.0, 1.0),
            (A::Silu, 0.0, 1e4),
            (A::Gelu, 0.0, 1e4),
            (A::GeluTanh, 0.0, 1e4),
        ] {
            assert_eq!(both(kind, -1e4)[0].0, low, "{kind:?}");
            assert_eq!(both(kind, 1e4)[0].0, high, "{kind:?}");
            assert!(both(kind, f32::NAN)[0].0.is_nan(), "{kind:?}");
            assert_eq!(both(kind, 0.0)[0].0, if kind == A::Logistic { 0.5 } else { 0.0 }, "{kind:?}");
        }
    }
}
