//! Every level and every number of rows against the plain traversal.

use proptest::prelude::*;

use super::super::mixed_tests::{any_value, mixed};
use super::super::tests::{FEATURES, parts};
use super::super::{TreeEnsemble, TreeParts};
use super::Predictor;
use crate::rng::{Purpose, stream};
use crate::simd::Level;

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Rows around which the way of evaluation changes.
fn check(model: &TreeEnsemble, rows: &[f64]) {
    let (d, k) = (model.n_features(), model.n_outputs());
    let predictor = Predictor::new(model).unwrap();
    let n = rows.len() / d;
    let mut plain = vec![0.0; n * k];
    model.predict_reference(rows, &mut plain);
    for level in Level::available() {
        for n in [1, 2, 23, 24, 63, 64, 65, 200, 511, 512, 513, n] {
            let mut fast = vec![f64::NAN; n * k];
            predictor.predict(level, model, &rows[..n * d], &mut fast);
            assert_eq!(bits(&fast), bits(&plain[..n * k]), "{level:?}, {n} rows");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn predictions_equal_the_reference_to_the_last_bit(
        seed in any::<[u8; 4]>(), n_trees in 1_usize..12, n_outputs in 1_usize..4, boosted in any::<bool>(),
        leaves in prop_oneof![1_usize..20, 30_usize..35, 60_usize..70, 100_usize..130, 250_usize..260, 300_usize..900],
        n_codes in prop_oneof![1_usize..8, 60_usize..66, 300_usize..301],
        plain in any::<bool>(), float32 in any::<bool>(), base_last in any::<bool>(),
    ) {
        let mut key = [1; 32];
        key[..4].copy_from_slice(&seed);
        let mut rng = stream(&key, Purpose::Start, 8);
        let parts = parts(&mut rng, n_trees, leaves, n_outputs, boosted);
        let parts = if plain { parts } else { mixed(parts, &mut rng, n_codes) };
        let model = TreeEnsemble::new(TreeParts { float32, base_last, ..parts }).unwrap();
        let rows: Vec<f64> = (0..600 * FEATURES).map(|i| any_value(&mut rng, i % FEATURES, n_codes)).collect();
        check(&model, &rows);
    }
}

/// A row by itself goes through many trees at once: as many as fill a register, some more, and columns of
/// more cuts than a byte counts.
#[test]
fn few_rows_through_many_trees() {
    let mut rng = stream(&[7; 32], Purpose::Start, 11);
    for n_trees in [1, 15, 16, 17, 127, 128, 129, 300] {
        for (n_outputs, float32) in [(1, true), (1, false), (3, false), (3, true)] {
            let parts = parts(&mut rng, n_trees, 40, n_outputs, n_outputs == 1);
            let model = TreeEnsemble::new(TreeParts { float32, ..parts }).unwrap();
            let predictor = Predictor::new(&model).unwrap();
            let rows: Vec<f64> = (0..60 * FEATURES).map(|i| any_value(&mut rng, i % FEATURES, 5)).collect();
            let mut plain = vec![0.0; 60 * n_outputs];
            model.predict_reference(&rows, &mut plain);
            for level in Level::available() {
                let mut fast = vec![f64::NAN; 60 * n_outputs];
                for (row, out) in rows.chunks(FEATURES).zip(fast.chunks_mut(n_outputs)) {
                    predictor.predict(level, &model, row, out);
                }
                assert_eq!(bits(&fast), bits(&plain), "{level:?}, {n_trees} trees");
            }
        }
    }
}

/// More leaves than a program numbers: rows walk on.
#[test]
fn very_large_trees() {
    let mut rng = stream(&[6; 32], Purpose::Start, 10);
    for n_outputs in [1, 2] {
        let parts = parts(&mut rng, 2, 6_000, n_outputs, false);
        let model = TreeEnsemble::new(mixed(parts, &mut rng, 5)).unwrap();
        let rows: Vec<f64> = (0..600 * FEATURES).map(|i| any_value(&mut rng, i % FEATURES, 5)).collect();
        check(&model, &rows);
    }
}

/// A chain of splits, each with a leaf on one side: as deep as it has splits, and with many cuts.
#[test]
fn degenerate_trees() {
    for (splits, right) in
        [(1, true), (63, true), (64, false), (254, true), (255, false), (256, true), (3000, false)]
    {
        let n = 2 * splits + 1;
        let mut parts = TreeParts {
            n_features: 1,
            n_outputs: 1,
            roots: vec![0],
            feature: vec![0; n],
            cut: vec![0.0; n],
            left: vec![-1; n],
            right: vec![-1; n],
            value: (0..n).map(|i| i as f64 + 0.1).collect(),
            first_output: vec![0],
            base: vec![0.25],
            divisor: 1.0,
            ..TreeParts::default()
        };
        for i in 0..splits {
            let (leaf, deeper) = (2 * i as i64 + 1, 2 * i as i64 + 2);
            let at = if i == 0 { 0 } else { 2 * i };
            (parts.left[at], parts.right[at]) = if right { (leaf, deeper) } else { (deeper, leaf) };
            parts.cut[at] = if right { i as f64 } else { (splits - i) as f64 };
        }
        let mut rng = stream(&[5; 32], Purpose::Start, 9);
        let rows: Vec<f64> = (0..600)
            .map(|i| {
                if i % 9 == 0 {
                    f64::NAN
                } else {
                    (rng.uniform() * 2.0 * (splits + 2) as f64).round() / 2.0 - 1.0
                }
            })
            .collect();
        for float32 in [false, true] {
            check(&TreeEnsemble::new(TreeParts { float32, ..parts.clone() }).unwrap(), &rows);
        }
    }
}
