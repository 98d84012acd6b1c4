//! Elementary functions on lanes: the same bits on every machine, unlike those of a system library.
//!
//! Largest errors over their ranges (held by the tests below): `exp` 2 ulp, `ln` 2 ulp,
//! `normal_cdf` 1e-15 absolute and 1e-13 relative down to Φ(-37).

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

use super::{Lanes, Simd};

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// Adding it rounds to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// 1/k! for k = 2 … 13.
const EXP: [f64; 12] = [
    0.5,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// `e^x`; 0 below -745.2, +∞ above 709.8, NaN for NaN.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let clamped = s.max(s.min(x, s.splat(710.0)), s.splat(-746.0));
    let shifted = s.mul_add(clamped, s.splat(LOG2_E), s.splat(ROUND));
    let n = s.sub(shifted, s.splat(ROUND));
    let r = s.mul_add(n, s.splat(-LN2_LO), s.mul_add(n, s.splat(-LN2_HI), clamped));
    let r2 = s.mul(r, r);
    // Even and odd coefficients apart: two short chains instead of a long one.
    let mut even = s.splat(EXP[10]);
    let mut odd = s.splat(EXP[11]);
    let mut k = 8;
    loop {
        even = s.mul_add(even, r2, s.splat(EXP[k]));
        odd = s.mul_add(odd, r2, s.splat(EXP[k + 1]));
        if k == 0 {
            break;
        }
        k -= 2;
    }
    let p = s.add(s.splat(1.0), s.mul_add(r2, s.mul_add(odd, r, even), r));
    // 2^n in two factors, so that results below the normal range round once, at the end.
    let m = s.add_u(s.sub_u(s.to_bits(shifted), s.splat_u(ROUND.to_bits())), s.splat_u(2048));
    let m1 = s.shr_u::<1>(m);
    let m2 = s.sub_u(m, m1);
    let one = s.splat_u(1);
    let f1 = s.with_bits(s.shl_u::<52>(s.sub_u(m1, one)));
    let f2 = s.with_bits(s.shl_u::<52>(s.sub_u(m2, one)));
    let value = s.mul(s.mul(p, f1), f2);
    s.select(s.le(x, x), value, x)
}

/// About 1/c for c = 1, 9/8 … 15/8, and -ln of it: chosen so that the logarithms are doubles to 1e-20.
const INVERSE: [f64; 8] = [
    1.0,
    0.8888835906982422,
    0.7999975919723511,
    0.7272933288054033,
    0.6666871805985769,
    0.615382350408114,
    0.5714189665658134,
    0.5333444436391195,
];
const LOG: [f64; 8] = [
    0.0,
    0.11778899613862463,
    0.22314656135330105,
    0.31842540441231,
    0.4054343376837134,
    0.485511496375289,
    0.5596325965865139,
    0.6285878278160045,
];

/// Natural logarithm; -∞ at 0 and for subnormal numbers, NaN below.
///
/// `x = 2^k m` with m nearest to one of eight centres c, and `ln x = k ln 2 + ln c + ln(1 + r)`,
/// `r = m/c - 1`, `|r| ≤ 1/16`: no division.
#[inline(always)]
pub fn ln<S: Simd>(s: S, x: S::F) -> S::F {
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    let bits = s.to_bits(x);
    let rounded = s.add_u(bits, s.splat_u(1 << 48));
    let exponent = s.shr_u::<52>(rounded);
    let k = s.convert_i64(s.sub_u(exponent, s.splat_u(1023)));
    let m = s.with_bits(s.sub_u(s.add_u(bits, s.splat_u(ONE)), s.shl_u::<52>(exponent)));
    let centre = s.shr_u::<49>(rounded);
    let inverse = s.with_bits(s.permute(&Lanes(INVERSE.map(f64::to_bits)), centre));
    let log = s.with_bits(s.permute(&Lanes(LOG.map(f64::to_bits)), centre));
    let r = s.mul_add(m, inverse, s.splat(-1.0));
    let r2 = s.mul(r, r);
    // ln(1 + r) - r = r² (-1/2 + r/3 - r²/4 + …), even and odd powers apart.
    let mut even = s.splat(-1.0 / 12.0);
    let mut odd = s.splat(1.0 / 13.0);
    for n in [5.0, 4.0, 3.0, 2.0, 1.0] {
        even = s.mul_add(even, r2, s.splat(-1.0 / (2.0 * n)));
        odd = s.mul_add(odd, r2, s.splat(1.0 / (2.0 * n + 1.0)));
    }
    let tail = s.mul_add(r2, s.mul_add(odd, r, even), s.mul(k, s.splat(LN2_LO)));
    let value = s.add(s.mul_add(k, s.splat(LN2_HI), log), s.add(r, tail));
    let finite = s.select(s.lt(x, s.splat(f64::INFINITY)), value, x);
    let low = s.select(s.le(s.splat(0.0), x), s.splat(f64::NEG_INFINITY), s.splat(f64::NAN));
    s.select(s.le(s.splat(f64::MIN_POSITIVE), x), finite, low)
}

/// `ln(1 + x)`, a few ulp; -∞ at -1, NaN below.
///
/// With `u = 1 + x` rounded, `ln(u) · x / (u - 1)` makes good what the rounding lost.
#[inline(always)]
pub fn ln_1p<S: Simd>(s: S, x: S::F) -> S::F {
    let u = s.add(s.splat(1.0), x);
    let d = s.sub(u, s.splat(1.0));
    let value = s.mul(ln(s, u), s.div(x, d));
    let exact = s.le(s.abs(d), s.splat(0.0));
    let value = s.select(exact, x, value);
    s.select(s.le(s.splat(f64::INFINITY), x), x, value)
}

/// `e^x - 1`, a few ulp.
#[inline(always)]
pub fn exp_m1<S: Simd>(s: S, x: S::F) -> S::F {
    let u = exp(s, x);
    let d = s.sub(u, s.splat(1.0));
    let value = s.mul(d, s.div(x, ln(s, u)));
    let tiny = s.le(s.abs(d), s.splat(0.0));
    let value = s.select(tiny, x, value);
    // Far from 0 nothing is lost, and `ln` may be infinite.
    let far = s.lt(s.splat(1.0), s.abs(x));
    s.select(far, d, value)
}

/// Chebyshev coefficients of `ln(erfc(z) e^{z²} / t)` in `2t - 1`, `t = 2 / (2 + z)`, `z ≥ 0`.
pub(crate) const ERFC: [f64; 28] = [
    -0.651_326_859_890_854_7,
    0.641_969_792_356_490_3,
    0.019_476_473_204_185_836,
    -0.009_561_514_786_808_632,
    -0.000_946_595_344_482_036_9,
    0.000_366_839_497_852_761_45,
    0.000_042_523_324_806_907_77,
    -0.000_020_278_578_112_534_243,
    -1.624_290_004_647_025_6e-6,
    1.303_655_835_580_523_2e-6,
    1.562_644_172_206_614_3e-8,
    -8.523_809_591_492_654e-8,
    6.529_054_439_098_851e-9,
    5.059_343_495_551_469e-9,
    -9.913_641_564_930_33e-10,
    -2.273_651_222_931_835_8e-10,
    9.646_791_102_015_526e-11,
    2.394_038_083_039_115e-12,
    -6.886_027_526_497_553e-12,
    8.944_879_273_090_726e-13,
    3.130_921_399_342_958e-13,
    -1.127_082_236_136_725_2e-13,
    3.810_905_255_189_232e-16,
    7.106_097_613_609_237e-15,
    -1.523_028_201_457_104_3e-15,
    -9.457_494_571_291_234e-17,
    1.210_237_189_224_279e-16,
    -2.816_663_087_747_177e-17,
];

/// `erfc(z) e^{z²}` for z ≥ 0.
#[inline(always)]
fn scaled_erfc<S: Simd>(s: S, z: S::F) -> S::F {
    let t = s.div(s.splat(2.0), s.add(s.splat(2.0), z));
    let u2 = s.mul(s.splat(2.0), s.sub(s.mul(s.splat(2.0), t), s.splat(1.0)));
    let (mut d, mut dd) = (s.splat(0.0), s.splat(0.0));
    for k in (1..ERFC.len()).rev() {
        let next = s.add(s.mul_add(u2, d, s.sub(s.splat(0.0), dd)), s.splat(ERFC[k]));
        dd = d;
        d = next;
    }
    let log = s.add(s.sub(s.mul(s.mul(s.splat(0.5), u2), d), dd), s.splat(ERFC[0]));
    s.mul(t, exp(s, log))
}

/// Standard normal distribution function Φ and density φ.
#[inline(always)]
pub fn normal_cdf_pdf<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let gauss = exp(s, s.mul(s.splat(-0.5), s.mul(x, x)));
    let scaled = scaled_erfc(s, s.mul(s.abs(x), s.splat(FRAC_1_SQRT_2)));
    let tail = s.mul(s.splat(0.5), s.mul(gauss, scaled));
    let cdf = s.select(s.lt(s.splat(0.0), x), s.sub(s.splat(1.0), tail), tail);
    (cdf, s.mul(gauss, s.splat(0.398_942_280_401_432_7)))
}

/// [`exp`] of one number, by the same operations.
pub fn exp1(x: f64) -> f64 {
    exp(Scalar, x)
}

/// [`ln`] of one number, by the same operations.
pub fn ln1(x: f64) -> f64 {
    ln(Scalar, x)
}

/// Φ of one number, by the same operations as [`normal_cdf_pdf`].
pub fn normal_cdf1(x: f64) -> f64 {
    normal_cdf_pdf(Scalar, x).0
}

/// Mills ratio `(1 - Φ(z)) / φ(z)`, z ≥ 0.
pub fn mills1(z: f64) -> f64 {
    scaled_erfc(Scalar, z * FRAC_1_SQRT_2) * 1.253_314_137_315_500_3
}

pub use super::scalar::Scalar;

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(a: f64, b: f64) -> f64 {
        if a == b { 0.0 } else { (a - b).abs() / (b.abs() * f64::EPSILON) }
    }

    #[test]
    fn exp_is_within_two_ulp() {
        for i in -700_000..700_000 {
            let x = f64::from(i) * 1.000_37e-3;
            assert!(ulps(exp1(x), x.exp()) <= 2.0, "exp({x}) = {} against {}", exp1(x), x.exp());
        }
    }

    #[test]
    fn exp_at_the_ends() {
        assert_eq!(exp1(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp1(-746.0), 0.0);
        assert_eq!(exp1(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp1(710.0), f64::INFINITY);
        assert_eq!(exp1(0.0), 1.0);
        assert!(exp1(f64::NAN).is_nan());
        assert!((exp1(-740.0) - (-740.0_f64).exp()).abs() <= f64::from_bits(1));
    }

    #[test]
    fn ln_is_within_two_ulp() {
        let mut x = 1e-300;
        while x < 1e300 {
            assert!(ulps(ln1(x), x.ln()) <= 2.0, "ln({x}) = {} against {}", ln1(x), x.ln());
            x *= 1.003_7;
        }
        for i in 1..200_000 {
            let x = f64::from(i) * 1e-5;
            assert!(ulps(ln1(x), x.ln()) <= 2.0, "ln({x}) = {} against {}", ln1(x), x.ln());
        }
    }

    #[test]
    fn ln_at_the_ends() {
        assert_eq!(ln1(0.0), f64::NEG_INFINITY);
        assert_eq!(ln1(1.0), 0.0);
        assert_eq!(ln1(f64::INFINITY), f64::INFINITY);
        assert!(ln1(-1.0).is_nan());
        assert!(ln1(f64::NAN).is_nan());
        assert_eq!(ln1(f64::MIN_POSITIVE), f64::MIN_POSITIVE.ln());
        assert_eq!(ln1(f64::from_bits(1)), f64::NEG_INFINITY);
    }

    #[test]
    fn normal_cdf_against_known_values() {
        // Φ to 20 digits.
        let table = [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (-3.0, 1.349_898_031_630_094_6e-3),
            (-8.0, 6.220_960_574_271_784e-16),
            (-20.0, 2.753_624_118_606_233_7e-89),
            (-37.0, 5.725_571_222_524_577e-300),
            (5.0, 0.999_999_713_348_428_1),
        ];
        for (x, want) in table {
            let got = normal_cdf1(x);
            assert!((got - want).abs() <= 1e-13 * want, "Φ({x}) = {got}, not {want}");
        }
        assert_eq!(normal_cdf1(f64::NEG_INFINITY), 0.0);
        assert_eq!(normal_cdf1(f64::INFINITY), 1.0);
    }
}
