//! Every way to evaluate a forest against the plain traversal, on random ensembles.

use proptest::prelude::*;

use super::*;
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, Level};

pub(super) const FEATURES: usize = 4;

/// Splits random leaves of random trees; cuts from a coarse grid, so that many coincide.
fn ensemble(
    rng: &mut Stream,
    n_trees: usize,
    leaves: usize,
    n_outputs: usize,
    boosted: bool,
) -> TreeEnsemble {
    TreeEnsemble::new(parts(rng, n_trees, leaves, n_outputs, boosted)).unwrap()
}

pub(super) fn parts(
    rng: &mut Stream,
    n_trees: usize,
    leaves: usize,
    n_outputs: usize,
    boosted: bool,
) -> TreeParts {
    let mut parts = TreeParts {
        n_features: FEATURES,
        n_outputs,
        base: (0..n_outputs).map(|_| rng.normal()).collect(),
        divisor: if boosted { 1.0 } else { n_trees as f64 },
        ..TreeParts::default()
    };
    let width = if boosted { 1 } else { n_outputs };
    for t in 0..n_trees {
        let root = parts.feature.len();
        parts.roots.push(root as i64);
        parts.first_output.push(if boosted { (t % n_outputs) as i64 } else { 0 });
        let mut open = vec![root];
        let push = |parts: &mut TreeParts, rng: &mut Stream| {
            parts.feature.push(0);
            parts.cut.push(0.0);
            parts.left.push(-1);
            parts.right.push(-1);
            // Coarse values too, so that sibling leaves are sometimes equal.
            parts.value.extend((0..width).map(|_| (rng.normal() * 4.0).round() / 4.0));
        };
        push(&mut parts, rng);
        while open.len() < leaves {
            let at = open.swap_remove((rng.uniform() * open.len() as f64) as usize);
            parts.feature[at] = (rng.uniform() * FEATURES as f64) as i64;
            parts.cut[at] = (rng.uniform() * 40.0).floor() / 40.0;
            for side in 0..2 {
                let child = parts.feature.len();
                push(&mut parts, rng);
                open.push(child);
                if side == 0 {
                    parts.left[at] = child as i64;
                } else {
                    parts.right[at] = child as i64;
                }
            }
        }
    }
    parts
}

/// A value in or near the unit interval, often exactly a cut or its neighbour.
pub(super) fn value(rng: &mut Stream) -> f64 {
    let grid = (rng.uniform() * 40.0).floor() / 40.0;
    match (rng.uniform() * 4.0) as u32 {
        0 => grid,
        1 => grid.next_up(),
        2 => grid.next_down(),
        _ => rng.uniform(),
    }
}

pub(super) fn reference(model: &TreeEnsemble, row: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; model.n_outputs()];
    model.forward_reference(row, &mut out);
    out
}

fn lanes(rng: &mut Stream, bounds: &[(f64, f64)]) -> Vec<Lanes<f64>> {
    bounds.iter().map(|&(lo, hi)| Lanes(std::array::from_fn(|_| value(rng).clamp(lo, hi)))).collect()
}

pub(super) fn outputs(forest: &Forest, sums: &[Lanes<u64>], lane: usize) -> Vec<f64> {
    (0..forest.n_slots()).map(|k| forest.output(crate::simd::math::Scalar, k, sums[k][lane])).collect()
}

pub(super) fn row(x: &[Lanes<f64>], lane: usize) -> Vec<f64> {
    x.iter().map(|x| x[lane]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn forward_equals_the_reference_to_the_last_bit(
        seed in any::<u8>(), n_trees in 1_usize..12, leaves in prop_oneof![1_usize..20, 60_usize..70, 100_usize..300],
        n_outputs in 1_usize..5, boosted in any::<bool>(),
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 1);
        let model = ensemble(&mut rng, n_trees, leaves, n_outputs, boosted);
        let rows: Vec<f64> = (0..37 * FEATURES).map(|_| value(&mut rng)).collect();
        let (mut fast, mut plain) = (vec![0.0; 37 * n_outputs], vec![0.0; 37 * n_outputs]);
        model.forest().unwrap().forward(&rows, &mut fast);
        model.forward_reference(&rows, &mut plain);
        prop_assert_eq!(fast, plain);
    }

    #[test]
    fn slices_equal_the_reference_on_every_interval(
        seed in any::<u8>(), n_trees in 1_usize..8, leaves in prop_oneof![2_usize..20, 60_usize..70, 100_usize..150],
        n_outputs in 1_usize..4, boosted in any::<bool>(), fixed in 0_usize..FEATURES,
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 2);
        let models = [ensemble(&mut rng, n_trees, leaves, n_outputs, boosted), ensemble(&mut rng, 3, 5, 2, false)];
        let mut bounds = vec![(0.0, 1.0), (0.2, 0.7), (-1.0, 3.0), (0.4, 0.9)];
        bounds[fixed].1 = bounds[fixed].0;
        let (lower, upper): (Vec<f64>, Vec<f64>) = bounds.iter().copied().unzip();
        let columns: Vec<Vec<usize>> = vec![vec![0, 1, 2, 3], vec![3, 1, 0, 2]];
        let members: Vec<Member<'_>> =
            models.iter().zip(&columns).map(|(model, columns)| Member { model, columns }).collect();
        let kinks = vec![vec![0.33], vec![], vec![], vec![]];
        let kinks = if fixed == 0 { vec![vec![]; FEATURES] } else { kinks };
        let forest = Forest::new(&members, &lower, &upper, &kinks).unwrap();
        let want = |row: &[f64]| -> Vec<f64> {
            models.iter().zip(&columns).flat_map(|(model, columns)| {
                reference(model, &columns.iter().map(|&c| row[c]).collect::<Vec<_>>())
            }).collect()
        };
        let start = lanes(&mut rng, &bounds);
        for level in Level::available() {
            let mut rng = stream(&[seed; 32], Purpose::Accept, 2);
            let mut x = start.clone();
            let (mut state, mut slice) = (SweepState::default(), Slice::default());
            for sweep in 0..3 {
                forest.begin_sweep(level, &x, sweep > 1, &mut state);
                for d in (0..FEATURES).filter(|&d| d != fixed) {
                    forest.slice(level, d, &x, &mut state, &mut slice);
                    let cuts = forest.cuts(d);
                    let end = |i: usize| if i >= cuts.len() { upper[d] } else { cuts[i] };
                    for e in 0..slice.len() {
                        for i in slice.first[e] as usize..slice.first[e + 1] as usize {
                            for lane in 0..LANES {
                                let mut here = row(&x, lane);
                                // The top of interval i belongs to it.
                                here[d] = end(i);
                                let sums = &slice.sums[e * forest.n_slots()..(e + 1) * forest.n_slots()];
                                prop_assert_eq!(outputs(&forest, sums, lane), want(&here));
                            }
                        }
                    }
                    let mut chosen = Lanes::splat(0);
                    for lane in 0..LANES {
                        let to = value(&mut rng).clamp(lower[d], upper[d]);
                        let interval = cuts.partition_point(|&c| c < to) as u32;
                        x[d][lane] = to;
                        chosen[lane] = slice.first.partition_point(|&f| f <= interval) as u64 - 1;
                    }
                    forest.commit(level, std::iter::once((d, x[d])), &slice, &chosen, &mut state);
                    for lane in 0..LANES {
                        prop_assert_eq!(outputs(&forest, &state.sums, lane), want(&row(&x, lane)));
                    }
                }
            }
        }
    }
}

#[test]
fn the_smoothed_forest_is_the_average_over_noise() {
    let mut rng = stream(&[3; 32], Purpose::Start, 3);
    let model = ensemble(&mut rng, 5, 9, 2, false);
    let forest = model.forest().unwrap();
    let x = lanes(&mut rng, &[(0.0, 1.0); FEATURES]);
    let sigma = vec![Lanes::splat(0.1), Lanes::splat(0.2), Lanes::splat(0.05), Lanes::splat(0.3)];
    for level in Level::available() {
        let mut state = SmoothState::default();
        forest.smooth(level, &x, &sigma, &mut state);
        let n = 400_000;
        for lane in [0, 5] {
            let mut mean = [0.0; 2];
            let mut square = [0.0; 2];
            for _ in 0..n {
                let at: Vec<f64> =
                    (0..FEATURES).map(|d| x[d][lane] + sigma[d][lane] * rng.normal()).collect();
                for (k, v) in reference(&model, &at).iter().enumerate() {
                    mean[k] += v / f64::from(n);
                    square[k] += v * v / f64::from(n);
                }
            }
            for k in 0..2 {
                let error = ((square[k] - mean[k] * mean[k]) / f64::from(n)).sqrt();
                let z = (state.outputs[k][lane] - mean[k]) / error;
                assert!(
                    z.abs() < 4.5,
                    "output {k}: {} against {} ± {error}",
                    state.outputs[k][lane],
                    mean[k]
                );
            }
        }
    }
}

#[test]
fn the_smoothed_gradient_matches_finite_differences() {
    let mut rng = stream(&[4; 32], Purpose::Start, 3);
    for leaves in [2, 9, 80] {
        let model = ensemble(&mut rng, 4, leaves, 2, false);
        let forest = model.forest().unwrap();
        let x = lanes(&mut rng, &[(0.0, 1.0); FEATURES]);
        let sigma = vec![Lanes::splat(0.1), Lanes::splat(0.2), Lanes::splat(0.05), Lanes::splat(0.3)];
        let cotangent = vec![Lanes::splat(0.7), Lanes::splat(-1.3)];
        let level = Level::detect();
        let mut state = SmoothState::default();
        forest.smooth(level, &x, &sigma, &mut state);
        let mut gradient = vec![Lanes::splat(0.0); FEATURES];
        forest.smooth_gradient(level, &x, &sigma, &cotangent, &mut state, &mut gradient);
        let mut smooth = |x: &[Lanes<f64>], lane: usize| {
            forest.smooth(level, x, &sigma, &mut state);
            0.7 * state.outputs[0][lane] - 1.3 * state.outputs[1][lane]
        };
        for d in 0..FEATURES {
            for lane in 0..LANES {
                let (mut above, mut below) = (x.clone(), x.clone());
                above[d][lane] += 1e-5;
                below[d][lane] -= 1e-5;
                let slope = (smooth(&above, lane) - smooth(&below, lane)) / 2e-5;
                let got = gradient[d][lane];
                assert!((got - slope).abs() < 1e-6 * slope.abs().max(1.0), "column {d}: {got} not {slope}");
            }
        }
    }
}

#[test]
fn equal_leaves_average_to_themselves() {
    for n in [1_usize, 3, 7, 49, 100, 500] {
        for v in [1.0, 1.0 / 3.0, 0.1, 0.0, 123.456] {
            let model = TreeEnsemble::new(TreeParts {
                n_features: 1,
                n_outputs: 1,
                roots: (0..n as i64).collect(),
                feature: vec![0; n],
                cut: vec![0.0; n],
                left: vec![-1; n],
                right: vec![-1; n],
                value: vec![v; n],
                first_output: vec![0; n],
                base: vec![0.0],
                divisor: n as f64,
                ..TreeParts::default()
            })
            .unwrap();
            let got = reference(&model, &[0.5])[0];
            if n <= 100 || v == v.round() {
                assert_eq!(got, v, "{n} leaves of {v}");
            } else {
                assert!((got - v).abs() <= v * f64::EPSILON, "{n} leaves of {v}: {got}");
            }
        }
    }
}

#[test]
fn arrays_that_are_not_trees_are_refused() {
    let good = TreeParts {
        n_features: 2,
        n_outputs: 1,
        roots: vec![0],
        feature: vec![0, 0, 0],
        cut: vec![0.5, 0.0, 0.0],
        left: vec![1, -1, -1],
        right: vec![2, -1, -1],
        value: vec![0.0, 1.0, 2.0],
        first_output: vec![0],
        base: vec![0.0],
        divisor: 1.0,
        ..TreeParts::default()
    };
    assert!(TreeEnsemble::new(good.clone()).is_ok());
    let bad: Vec<(&str, TreeParts)> = vec![
        ("cycle", TreeParts { left: vec![0, -1, -1], ..good.clone() }),
        ("shared", TreeParts { right: vec![1, -1, -1], ..good.clone() }),
        ("child", TreeParts { right: vec![9, -1, -1], ..good.clone() }),
        ("feature", TreeParts { feature: vec![5, 0, 0], ..good.clone() }),
        ("threshold", TreeParts { cut: vec![f64::NAN, 0.0, 0.0], ..good.clone() }),
        ("leaf", TreeParts { value: vec![0.0, f64::INFINITY, 2.0], ..good.clone() }),
        ("root", TreeParts { roots: vec![7], ..good.clone() }),
        ("output", TreeParts { first_output: vec![1], ..good.clone() }),
        ("divisor", TreeParts { divisor: 0.0, ..good.clone() }),
        ("length", TreeParts { cut: vec![0.5], ..good.clone() }),
        ("missing", TreeParts { missing_right: vec![true], ..good.clone() }),
        ("set", TreeParts { set_index: vec![0, -1, -1], ..good.clone() }),
        ("set number", TreeParts { set_index: vec![-2, -1, -1], ..good.clone() }),
        ("set starts", TreeParts { set_starts: vec![0, 2, 1], set_codes: vec![4], ..good.clone() }),
        ("first set", TreeParts { set_starts: vec![1], set_codes: vec![4], ..good.clone() }),
        ("codes", TreeParts { set_codes: vec![4], ..good.clone() }),
        ("code", TreeParts { set_starts: vec![0, 1], set_codes: vec![-1], ..good.clone() }),
        ("large code", TreeParts { set_starts: vec![0, 1], set_codes: vec![1 << 40], ..good.clone() }),
        ("single leaf", TreeParts { value: vec![0.0, 1e300, 2.0], float32: true, ..good.clone() }),
        ("single base", TreeParts { base: vec![-1e300], float32: true, ..good.clone() }),
        ("single divisor", TreeParts { divisor: 1e-300, float32: true, ..good.clone() }),
        ("empty", TreeParts { roots: vec![], ..good }),
    ];
    for (what, parts) in bad {
        assert!(TreeEnsemble::new(parts).is_err(), "{what}");
    }
}

/// One split on feature 0: codes 2 and 5 right, the rest left; NaN right.
#[test]
fn sets_and_missing_values_go_where_they_should() {
    let by_set = TreeParts {
        n_features: 1,
        n_outputs: 1,
        roots: vec![0],
        feature: vec![0, 0, 0],
        cut: vec![f64::NAN, 0.0, 0.0],
        left: vec![1, -1, -1],
        right: vec![2, -1, -1],
        value: vec![0.0, 1.0, 2.0],
        first_output: vec![0],
        base: vec![0.0],
        divisor: 1.0,
        missing_right: vec![true, false, false],
        set_index: vec![0, -1, -1],
        set_starts: vec![0, 2],
        set_codes: vec![5, 2],
        ..TreeParts::default()
    };
    let model = TreeEnsemble::new(by_set).unwrap();
    for (x, want) in [
        (f64::NAN, 2.0),
        (2.0, 2.0),
        (2.9, 2.0),
        (5.0, 2.0),
        (3.0, 1.0),
        (-1.0, 1.0),
        (-0.5, 1.0),
        (1e30, 1.0),
        (f64::INFINITY, 1.0),
        (f64::NEG_INFINITY, 1.0),
    ] {
        assert_eq!(reference(&model, &[x]), [want], "{x}");
    }
}

/// Three trees of one leaf: 1, 2^-24 and 2^-24; single precision loses them one by one.
#[test]
fn predictions_add_as_the_library_does() {
    let parts = TreeParts {
        n_features: 1,
        n_outputs: 1,
        roots: vec![0, 1, 2],
        feature: vec![0; 3],
        cut: vec![0.0; 3],
        left: vec![-1; 3],
        right: vec![-1; 3],
        value: vec![1.0, f64::powi(2.0, -24), f64::powi(2.0, -24)],
        first_output: vec![0; 3],
        base: vec![0.5],
        divisor: 1.0,
        ..TreeParts::default()
    };
    let predict = |parts: TreeParts| {
        let mut out = [0.0];
        TreeEnsemble::new(parts).unwrap().predict_reference(&[0.0], &mut out);
        out[0]
    };
    let tiny = f64::powi(2.0, -23);
    assert_eq!(predict(parts.clone()), 1.5 + tiny);
    assert_eq!(predict(TreeParts { float32: true, ..parts.clone() }), 1.5);
    // From below 1 the second one counts.
    let reversed =
        TreeParts { value: parts.value.iter().rev().copied().collect(), base: vec![0.0], ..parts.clone() };
    assert_eq!(predict(TreeParts { float32: true, ..reversed }), 1.0 + tiny);
    assert_eq!(
        predict(TreeParts { float32: true, divisor: 3.0, ..parts.clone() }),
        f64::from(1.0_f32 / 3.0 + 0.5)
    );
    assert_eq!(predict(TreeParts { divisor: 3.0, base_last: true, ..parts }), (1.0 + tiny) / 3.0 + 0.5);
}
