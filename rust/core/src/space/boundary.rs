//! What happens to a proposal beyond the box (MATH.md 3.4).

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
}
