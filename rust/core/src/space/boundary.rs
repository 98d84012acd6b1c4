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
/// `log Σ_k N(2k(u-l) + y) + N(2k(u-l) + 2l - y)`, over every image within ten standard deviations,
/// and at least the six nearest the mean. `variance` is positive.
pub fn log_folded_normal(y: f64, mean: f64, variance: f64, lower: f64, upper: f64) -> f64 {
    let period = 2.0 * (upper - lower);
    let reach = 10.0 * variance.sqrt();
    // The copies of the box that the mean's neighbourhood touches; far means (a steep drift) included.
    let first = ((mean - reach - upper) / period).floor();
    let last = ((mean + reach - lower) / period).ceil();
    let exponent = |z: f64| -(z - mean) * (z - mean) / (2.0 * variance);
    let mirror = 2.0 * lower - y;
    let mut largest = f64::NEG_INFINITY;
    let mut k = first;
    while k <= last {
        largest = largest.max(exponent(k * period + y)).max(exponent(k * period + mirror));
        k += 1.0;
    }
    let mut sum = 0.0;
    k = first;
    while k <= last {
        sum += math::exp1(exponent(k * period + y) - largest);
        sum += math::exp1(exponent(k * period + mirror) - largest);
        k += 1.0;
    }
    largest + math::ln1(sum) - 0.5 * math::ln1(2.0 * std::f64::consts::PI * variance)
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
