//! Statistics of particles and of repetitions.

use super::score::Score;

/// Pearson's correlation; `None` where one side is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        saa += (x - ma) * (x - ma);
        sbb += (y - mb) * (y - mb);
        sab += (x - ma) * (y - mb);
    }
    let r = sab / (saa * sbb).sqrt();
    r.is_finite().then_some(r)
}

/// Ranks, of equal scores the middle one.
pub(super) fn ranks(scores: &[Score]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable();
    scores
        .iter()
        .map(|score| {
            let first = sorted.partition_point(|other| other < score);
            let last = sorted.partition_point(|other| other <= score);
            (first + last) as f64 / 2.0
        })
        .collect()
}

/// A probability from independent repetitions that are each unbiased.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) log_p: f64,
    pub(super) log_se: f64,
    /// Variance of one repetition, relative to the square of the mean.
    pub(super) variance: f64,
}

/// The mean of `exp(logs)`. Its standard error is the larger of what the repetitions' spread says and what theirs
/// would be if particles were independent.
pub(super) fn mean(logs: &[f64], variances: &[f64]) -> Option<Mean> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return None;
    }
    let n = logs.len() as f64;
    let sum: f64 = logs.iter().map(|log| (log - most).exp()).sum();
    let mean = sum / n;
    let relative = |log: &f64| (log - most).exp() / mean;
    let spread = logs.iter().map(|log| (relative(log) - 1.0).powi(2)).sum::<f64>() / (n - 1.0);
    let some = || logs.iter().zip(variances).filter(|(log, _)| **log > f64::NEG_INFINITY);
    let theory = some().map(|(_, v)| v).sum::<f64>() / some().count() as f64;
    let variance = spread.max(theory);
    Some(Mean { log_p: most + mean.ln(), log_se: (variance / n).sqrt(), variance })
}

/// Wilson's interval of 95 % for a probability of which `hits` of `n` draws are, or bounds of 95 % where that is none
/// of them or all.
pub(super) fn interval(hits: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (hits as f64, n as f64);
    if hits == 0 {
        return (0.0, -(0.05_f64.ln() / n).exp_m1());
    }
    if k == n {
        return ((0.05_f64.ln() / n).exp(), 1.0);
    }
    const Z: f64 = 1.959_963_984_540_054;
    let p = k / n;
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (middle - half, middle + half)
}

/// The probability that a Poisson number with this mean is at least `k`.
pub(super) fn poisson_tail(k: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for i in 0..k {
        below += term;
        term *= mean / (i + 1) as f64;
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let (low, high) = interval(100, 10_000);
        assert!((low - 0.008_229).abs() < 1e-5 && (high - 0.012_147).abs() < 1e-5, "{low} {high}");
        assert!((interval(0, 1_000_000).1 - 3e-6).abs() < 1e-8);
        assert_eq!(interval(0, 0), (0.0, 1.0));
        assert!((interval(500, 500).0 - 0.05_f64.powf(1.0 / 500.0)).abs() < 1e-12);
    }

    #[test]
    fn tails_of_poisson_numbers() {
        assert_eq!(poisson_tail(0, 3.0), 1.0);
        assert!((poisson_tail(1, 3.0) - (1.0 - (-3.0_f64).exp())).abs() < 1e-12);
        assert!(poisson_tail(5, 1e-3) < 1e-16);
    }

    #[test]
    fn means_of_repetitions() {
        let found = mean(&[0.1_f64.ln(), 0.3_f64.ln()], &[0.0, 0.0]).unwrap();
        assert!((found.log_p - 0.2_f64.ln()).abs() < 1e-12);
        assert!((found.log_se - 0.5).abs() < 1e-12, "{}", found.log_se);
        let half = mean(&[f64::NEG_INFINITY, 0.4_f64.ln()], &[0.0, 0.0]).unwrap();
        assert!((half.log_p - 0.2_f64.ln()).abs() < 1e-12 && (half.log_se - 1.0).abs() < 1e-12);
        assert_eq!(mean(&[f64::NEG_INFINITY; 2], &[0.0; 2]), None);
        // Equal repetitions say no more than their particles do.
        assert!((mean(&[0.0; 4], &[0.04; 4]).unwrap().log_se - 0.1).abs() < 1e-12);
    }

    #[test]
    fn ranks_and_correlations() {
        let scores = [2.0, 1.0, 1.0, 3.0].map(Score::outside);
        assert_eq!(ranks(&scores), [2.5, 1.0, 1.0, 3.5]);
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 2.0], &[5.0, 5.0]), None);
    }
}
