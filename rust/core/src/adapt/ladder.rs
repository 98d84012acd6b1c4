//! Temperatures of a ladder at equal shares of what rows have to climb.
//!
//! The share of exchanges that neighbours refuse adds up to nearly the same sum however the rungs lie, the *barrier*
//! between the ends; a ladder passes rows fastest where its pairs refuse equally often (Syed et al. 2022). Between
//! rungs the barrier is taken to grow evenly in log τ, over which temperatures spread.

use crate::simd::math;

/// What a pair refuses at least, by which pairs that refuse nothing keep their place.
const LEAST: f64 = 1e-3;

/// Places the temperatures between the ends so that neighbours refuse equally often; `rejections` are what
/// they refused where they are, a share for each pair.
pub(crate) fn even(temperatures: &[f64], rejections: &[f64]) -> Vec<f64> {
    let m = temperatures.len();
    let mut barrier = vec![0.0; m];
    for k in 1..m {
        barrier[k] = barrier[k - 1] + rejections[k - 1].max(LEAST);
    }
    let mut out = temperatures.to_vec();
    let mut above = 1;
    for (k, to) in out.iter_mut().enumerate().take(m - 1).skip(1) {
        let aim = barrier[m - 1] * k as f64 / (m - 1) as f64;
        while above + 1 < m && barrier[above] < aim {
            above += 1;
        }
        let share = (aim - barrier[above - 1]) / (barrier[above] - barrier[above - 1]);
        let (low, high) = (math::ln1(temperatures[above - 1]), math::ln1(temperatures[above]));
        *to = math::exp1(low + share * (high - low));
    }
    // Rounding must not undo the order.
    for k in 1..m - 1 {
        out[k] = out[k].max(out[k - 1].next_up()).min(temperatures[m - 1].next_down());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_of_the_barrier_and_fixed_ends() {
        let ladder = [0.1, 0.2, 0.4, 1.6];
        // All that is refused is refused between the first two: both others move there.
        let got = even(&ladder, &[0.9, 0.0, 0.0]);
        assert_eq!((got[0], got[3]), (0.1, 1.6));
        for (k, want) in [(1, 0.1 * 2.0_f64.powf(0.902 / 2.7)), (2, 0.1 * 2.0_f64.powf(0.902 * 2.0 / 2.7))] {
            assert!((got[k] - want).abs() < 1e-12, "{got:?}");
        }
        // Equal refusals stay, in whatever steps.
        for (a, b) in even(&ladder, &[0.3; 3]).iter().zip(ladder) {
            assert!((a - b).abs() < 1e-12 * b);
        }
        // Nothing refused: even in log τ of the rungs as they are.
        assert_eq!(even(&ladder, &[0.0; 3]).len(), 4);
        assert_eq!(even(&[1.0, 2.0], &[1.0]), vec![1.0, 2.0]);
    }

    #[test]
    fn temperatures_ascend_whatever_is_refused() {
        let close = [1.0, 1.0 + 3e-16, 1.0 + 1e-15, 2.0];
        for rejections in [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]] {
            let got = even(&close, &rejections);
            assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
        }
    }
}
