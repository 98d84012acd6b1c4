//! How many floating-point operations a core does in a second when it does nothing else.

use std::hint::black_box;
use std::time::Instant;

/// Operations of single precision a second, a fused multiply-add counted as two; the best of several runs.
pub(crate) fn single() -> f64 {
    let mut best: f64 = 0.0;
    for _ in 0..20 {
        let start = Instant::now();
        let operations = run(1_000_000);
        best = best.max(operations / start.elapsed().as_secs_f64());
    }
    best
}

fn run(rounds: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature.
            return unsafe { avx512(rounds) };
        }
        if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2(rounds) };
        }
    }
    let mut sums = [1.0f32; 16];
    let (a, b) = black_box((0.999, 1e-3));
    for _ in 0..rounds {
        sums = sums.map(|sum| sum * a + b);
    }
    black_box(sums);
    (rounds * 16 * 2) as f64
}

macro_rules! probe {
    ($name:ident, $features:literal, $set:ident, $mul_add:ident, $lanes:literal, $sums:literal) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $name(rounds: usize) -> f64 {
            use std::arch::x86_64::{$mul_add, $set};
            // Enough independent sums to hide the latency of each.
            let mut sums = [$set(1.0); $sums];
            let (a, b) = black_box((0.999, 1e-3));
            let (a, b) = ($set(a), $set(b));
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = $mul_add(*sum, a, b);
                }
            }
            black_box(sums);
            (rounds * $sums * $lanes * 2) as f64
        }
    };
}

probe!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, 16, 16);
probe!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, 8, 12);
