//! The density of a normal folded into a box: `Σ_k N(2k(u-l) + y) + N(2k(u-l) + 2l - y)`.

use crate::simd::Simd;
use crate::simd::math::{self, Scalar};

/// Log density at `y` (inside) of a normal with this mean, at most a width outside, and variance, folded into
/// the box. `variance` is positive.
pub fn log_folded_normal(y: f64, mean: f64, variance: f64, lower: f64, upper: f64) -> f64 {
    let constant = if variance.sqrt() > UNIFORM * (upper - lower) {
        math::ln1(upper - lower)
    } else {
        0.5 * math::ln1(2.0 * std::f64::consts::PI * variance)
    };
    let (log, factor) = images(Scalar, y, mean, variance, lower, upper);
    log + math::ln1(factor) - constant
}

/// Widths of the box from which on a normal counts as uniform: the largest deviation is
/// `2 exp(-(π · 3)² / 2) < 1e-19`.
const UNIFORM: f64 = 3.0;

/// Images that are summed, the direct one included.
pub(crate) const MOST: f64 = 67.0;

/// [`log_folded_normal`] up to a constant of variance and box, as the logarithm of the direct term and the
/// factor, between 1 and [`MOST`], that the other images make of it.
///
/// Folding the mean changes nothing (the images are symmetric and periodic) and makes the direct term the
/// largest. Every image within ten standard deviations counts; `exp(-50)` of the direct term, what lies
/// beyond is lost in rounding one by one, so that lanes may sum more images than they need.
#[inline(always)]
pub(crate) fn images<S: Simd>(
    s: S,
    y: S::F,
    mean: S::F,
    variance: S::F,
    lower: f64,
    upper: f64,
) -> (S::F, S::F) {
    let one = s.splat(1.0);
    let (low, high, zero) = (s.splat(lower), s.splat(upper), s.splat(0.0));
    let width = upper - lower;
    let mean = fold_once(s, mean, lower, upper);
    let half = s.div(s.splat(-0.5), variance);
    let r = s.sub(y, mean);
    let square = s.mul(r, r);
    let direct = s.mul(square, half);
    // The images beyond the two ends are the nearest: at `exp(-40)` of the direct term, they and all others
    // are lost.
    let far = s.mul(variance, s.splat(20.0));
    let below = s.mul(s.sub(mean, low), s.sub(y, low));
    let above = s.mul(s.sub(high, mean), s.sub(high, y));
    let close = s.or_m(s.le(below, far), s.le(above, far));
    if !s.any(close) {
        return (direct, one);
    }
    let center = Center { mean, square, half };
    let period = 2.0 * width;
    let (under, over) = (s.sub(s.splat(2.0 * lower), y), s.sub(s.splat(2.0 * upper), y));
    let mut sum = s.add(one, s.add(image(s, under, &center), image(s, over, &center)));
    // From 16 periods on, a normal is uniform.
    for k in 1..=16 {
        // What is left lies at least so far away.
        let reach = (f64::from(k) - 0.5) * period / 10.0;
        if !s.any(s.and_m(close, s.lt(s.splat(reach * reach), variance))) {
            break;
        }
        let shift = s.splat(f64::from(k) * period);
        let around = s.add(image(s, s.sub(y, shift), &center), image(s, s.add(y, shift), &center));
        sum = s.add(
            sum,
            s.add(
                around,
                s.add(image(s, s.sub(under, shift), &center), image(s, s.add(over, shift), &center)),
            ),
        );
    }
    let flat = s.lt(s.splat(UNIFORM * UNIFORM * width * width), variance);
    (s.select(flat, zero, direct), s.select(flat, one, s.select(close, sum, one)))
}

/// A folded normal whose images matter one at a time, if they do: its deviation is below a tenth of the box,
/// and y nearer to the mean than half of it.
pub(crate) struct Narrow<S: Simd> {
    /// Lanes of which this is so.
    pub(crate) holds: S::M,
    /// Logarithm of the direct term.
    pub(crate) direct: S::F,
    /// Those of what the images at the two ends are of it: each makes a factor `1 + share`, up to `exp(-75)`.
    pub(crate) shares: [S::F; 2],
}

/// A share of the direct term below `exp(LOST)` is lost in rounding.
pub(crate) const LOST: f64 = -40.0;

#[inline(always)]
pub(crate) fn narrow<S: Simd>(
    s: S,
    y: S::F,
    mean: S::F,
    variance: S::F,
    lower: f64,
    upper: f64,
) -> Narrow<S> {
    let (low, high) = (s.splat(lower), s.splat(upper));
    let square = s.splat((upper - lower) * (upper - lower));
    let mean = fold_once(s, mean, lower, upper);
    let r = s.sub(y, mean);
    let r2 = s.mul(r, r);
    let over = s.div(s.splat(-2.0), variance);
    let small = s.lt(s.mul(variance, s.splat(100.0)), square);
    let holds = s.and_m(small, s.lt(s.mul(r2, s.splat(4.0)), square));
    let shares = [
        s.mul(s.mul(s.sub(y, low), s.sub(mean, low)), over),
        s.mul(s.mul(s.sub(high, y), s.sub(high, mean)), over),
    ];
    Narrow { holds, direct: s.mul(s.mul(r2, s.splat(0.25)), over), shares }
}

/// A mean at most a width outside, brought inside: the images are the same.
#[inline(always)]
fn fold_once<S: Simd>(s: S, mean: S::F, lower: f64, upper: f64) -> S::F {
    let mean = s.select(s.lt(mean, s.splat(lower)), s.sub(s.splat(2.0 * lower), mean), mean);
    s.select(s.lt(s.splat(upper), mean), s.sub(s.splat(2.0 * upper), mean), mean)
}

/// Mean, squared distance of y from it, and `-1/2` over the variance.
struct Center<F> {
    mean: F,
    square: F,
    half: F,
}

/// An image's share of the direct term.
#[inline(always)]
fn image<S: Simd>(s: S, at: S::F, center: &Center<S::F>) -> S::F {
    let r = s.sub(at, center.mean);
    math::exp(s, s.mul(s.sub(s.mul(r, r), center.square), center.half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{LANES, Lanes, Portable};

    /// Every image within 40 standard deviations, largest first.
    fn plain(y: f64, mean: f64, sd: f64, lower: f64, upper: f64) -> f64 {
        let (period, variance) = (2.0 * (upper - lower), sd * sd);
        let reach = (40.0 * sd / period).ceil() as i32 + 2;
        let exponent = |z: f64| -(z - mean) * (z - mean) / (2.0 * variance);
        let all: Vec<f64> = (-reach..=reach)
            .flat_map(|k| [y, 2.0 * lower - y].map(|y| exponent(f64::from(k) * period + y)))
            .collect();
        let largest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = all.iter().map(|e| (e - largest).exp()).sum();
        largest + sum.ln() - 0.5 * (2.0 * std::f64::consts::PI * variance).ln()
    }

    #[test]
    fn it_is_the_sum_over_all_images() {
        for i in 0..4_000 {
            let u = |k: u32| (f64::from(i) * 0.618_034 * f64::from(k)).fract();
            let (lower, upper) = (-1.0 - u(1), 1.0 + u(2));
            let width = upper - lower;
            let y = lower + u(3) * width;
            let mean = lower - 0.99 * width + 2.98 * u(5) * width;
            let sd = width * (1.5 - 9.0 * u(7)).exp();
            let (want, got) =
                (plain(y, mean, sd, lower, upper), log_folded_normal(y, mean, sd * sd, lower, upper));
            assert!((want - got).abs() < 1e-12 * want.abs().max(1.0), "{want} {got} at sd {sd}");
        }
    }

    #[test]
    fn a_lane_does_not_depend_on_its_neighbours() {
        let (lower, upper) = (-1.0, 2.0);
        let case = |i: usize| {
            let u = |k: usize| (i as f64 * 0.618_034 * k as f64).fract();
            (lower + 3.0 * u(1), lower - 2.0 + 7.0 * u(2), (2.4 - 12.0 * u(3)).exp())
        };
        for i in 0..500 {
            let lanes =
                |of: &dyn Fn((f64, f64, f64)) -> f64| Lanes(std::array::from_fn(|l| of(case(8 * i + l))));
            let together = images(
                Portable,
                Portable.load(&lanes(&|c| c.0)),
                Portable.load(&lanes(&|c| c.1)),
                Portable.load(&lanes(&|c| c.2)),
                lower,
                upper,
            );
            let (mut log, mut factor) = (Lanes::splat(0.0), Lanes::splat(0.0));
            Portable.store(together.0, &mut log);
            Portable.store(together.1, &mut factor);
            for lane in 0..LANES {
                let (y, mean, variance) = case(8 * i + lane);
                let alone = images(Scalar, y, mean, variance, lower, upper);
                assert_eq!(alone.0.to_bits(), log[lane].to_bits());
                assert_eq!(alone.1.to_bits(), factor[lane].to_bits());
                assert!((1.0..=MOST).contains(&alone.1));
            }
        }
    }

    #[test]
    fn it_integrates_to_one() {
        for (mean, sd) in [(0.3, 0.1), (0.9, 0.5), (1.7, 1.5), (-0.9, 0.05), (0.5, 12.0)] {
            let n = 200_000;
            let mass: f64 = (0..n)
                .map(|i| {
                    let y = (f64::from(i) + 0.5) / f64::from(n);
                    log_folded_normal(y, mean, sd * sd, 0.0, 1.0).exp()
                })
                .sum::<f64>()
                / f64::from(n);
            assert!((mass - 1.0).abs() < 1e-7, "mean {mean} sd {sd}: {mass}");
        }
    }
}
