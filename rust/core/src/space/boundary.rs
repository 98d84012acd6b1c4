//! What happens to a proposal beyond the box (MATH.md 3.4).

use crate::simd::math;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Fold it back, and use the folded density in both directions. Exact.
    Reflect,
    /// Outside the box the target is 0: reject. Exact.
    Reject,
    /// Move it to the bound. The papers' rule, *not* invariant.
    Clip,
}

impl Boundary {
    /// Where a proposal for a column ends up; `None` when it is to be rejected.
    #[inline]
    pub(crate) fn bring_inside(self, y: f64, lower: f64, upper: f64) -> Option<f64> {
        match self {
            Boundary::Reflect => Some(fold(y, lower, upper)),
            Boundary::Clip => Some(y.clamp(lower, upper)),
            Boundary::Reject => (lower <= y && y <= upper).then_some(y),
        }
    }
}

/// `y` mirrored at the ends of `[lower, upper]` until it lies inside.
pub fn fold(y: f64, lower: f64, upper: f64) -> f64 {
    if lower <= y && y <= upper {
        return y;
    }
    let width = upper - lower;
    let period = 2.0 * width;
    let t = (y - lower).rem_euclid(period);
    let inside = if t <= width { lower + t } else { lower + (period - t) };
    inside.clamp(lower, upper)
}

/// Log density at `y` (inside) of a normal with this mean and variance, folded into the box:
/// `log Σ_k N(2k(u-l) + y) + N(2k(u-l) + 2l - y)` over every image within ten standard deviations.
/// `variance` is positive.
///
/// Folding the mean changes nothing (the images are symmetric and periodic) and bounds their number; a
/// normal much wider than the box is uniform on it.
pub fn log_folded_normal(y: f64, mean: f64, variance: f64, lower: f64, upper: f64) -> f64 {
    let width = upper - lower;
    let sd = variance.sqrt();
    // At three widths the largest deviation from uniform is 2 exp(-(π · 3)² / 2) < 1e-19.
    if sd > 3.0 * width {
        return -math::ln1(width);
    }
    let mean = fold(mean, lower, upper);
    // The images beyond the two ends are the nearest; `exp(-40)` of the direct term, they and all others
    // are lost in its rounding.
    let far = 20.0 * variance;
    if (mean - lower) * (y - lower) > far && (upper - mean) * (upper - y) > far {
        return -(y - mean) * (y - mean) / (2.0 * variance) - log_unit(variance);
    }
    log_images(y, mean, variance, lower, upper)
}

/// `½ ln(2π variance)`.
fn log_unit(variance: f64) -> f64 {
    0.5 * math::ln1(2.0 * std::f64::consts::PI * variance)
}

/// The sum over images, for a mean inside the box.
fn log_images(y: f64, mean: f64, variance: f64, lower: f64, upper: f64) -> f64 {
    let period = 2.0 * (upper - lower);
    let images = (0.5 + 10.0 * variance.sqrt() / period).ceil() as i32;
    let exponent = |z: f64| -(z - mean) * (z - mean) / (2.0 * variance);
    let mirror = 2.0 * lower - y;
    let all = || (-images..=images).flat_map(|k| [y, mirror].map(|y| exponent(f64::from(k) * period + y)));
    let largest = all().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = all().map(|e| math::exp1(e - largest)).sum();
    largest + math::ln1(sum) - log_unit(variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_mirrors_at_both_ends() {
        assert_eq!(fold(0.25, 0.0, 1.0), 0.25);
        assert!((fold(1.25, 0.0, 1.0) - 0.75).abs() < 1e-15);
        assert!((fold(-0.25, 0.0, 1.0) - 0.25).abs() < 1e-15);
        assert!((fold(2.25, 0.0, 1.0) - 0.25).abs() < 1e-15);
        assert!((fold(-3.25, -1.0, 1.0) - 0.75).abs() < 1e-12);
        assert!((fold(7.5, 2.0, 4.0) - 3.5).abs() < 1e-12);
    }

    #[test]
    fn leaving_out_far_images_changes_no_bit() {
        let mut quick = 0;
        for i in 0..2_000 {
            let u = |k: u32| (f64::from(i) * 0.618_034 * f64::from(k)).fract();
            let (lower, upper) = (-1.0 - u(1), 1.0 + u(2));
            let (y, mean) = (lower + u(3) * (upper - lower), lower + u(5) * (upper - lower));
            let variance = (-12.0 * u(7)).exp();
            let want = log_images(y, mean, variance, lower, upper);
            assert_eq!(log_folded_normal(y, mean, variance, lower, upper), want);
            quick += i32::from((mean - lower) * (y - lower).min(upper - y) > 20.0 * variance);
        }
        assert!(quick > 500);
    }

    #[test]
    fn the_folded_density_integrates_to_one() {
        for (mean, sd) in [(0.3, 0.1), (0.9, 0.5), (2.7, 1.5), (-4.0, 0.05), (0.5, 12.0)] {
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
