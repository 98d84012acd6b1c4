//! Missing values and category sets against the plain traversal, on random ensembles.

use proptest::prelude::*;

use super::tests::{FEATURES, outputs, parts, reference, row, value};
use super::*;
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, Level};

/// The feature that sets test.
const CATEGORY: usize = 3;

/// Gives every split a missing direction and turns those on [`CATEGORY`] into sets.
pub(super) fn mixed(mut parts: TreeParts, rng: &mut Stream, n_codes: usize) -> TreeParts {
    parts.set_starts.push(0);
    for i in 0..parts.feature.len() {
        parts.missing_right.push(rng.uniform() < 0.5);
        let mut set = -1;
        if parts.left[i] >= 0 && parts.feature[i] == CATEGORY as i64 {
            let listed = (0..n_codes as i64).filter(|_| rng.uniform() < 0.4);
            parts.set_codes.extend(listed);
            set = parts.set_starts.len() as i64 - 1;
            parts.set_starts.push(parts.set_codes.len() as i64);
        }
        parts.set_index.push(set);
        // Splits that separate nothing but missing values.
        if rng.uniform() < 0.05 {
            parts.cut[i] = if rng.uniform() < 0.5 { f64::INFINITY } else { f64::NEG_INFINITY };
        }
    }
    parts
}

/// A value of a feature: sometimes missing, sometimes no code.
pub(super) fn any_value(rng: &mut Stream, feature: usize, n_codes: usize) -> f64 {
    let special = rng.uniform();
    if special < 0.15 {
        f64::NAN
    } else if special < 0.2 {
        [f64::INFINITY, f64::NEG_INFINITY, 1e300, -1.0, -0.0, -0.5][(rng.uniform() * 6.0) as usize]
    } else if feature == CATEGORY {
        (rng.uniform() * (n_codes + 2) as f64 * 2.0).floor() / 2.0
    } else {
        value(rng)
    }
}

fn codes() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..8, 60_usize..70, 300_usize..301]
}

fn leaves() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..20, 60_usize..70, 100_usize..300]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn forward_equals_the_reference_to_the_last_bit(
        seed in any::<u8>(), n_trees in 1_usize..12, leaves in leaves(), n_codes in codes(), n_outputs in 1_usize..4,
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 4);
        let parts = parts(&mut rng, n_trees, leaves, n_outputs, seed % 2 == 0);
        let model = TreeEnsemble::new(mixed(parts, &mut rng, n_codes)).unwrap();
        let rows: Vec<f64> = (0..61 * FEATURES).map(|i| any_value(&mut rng, i % FEATURES, n_codes)).collect();
        let (mut fast, mut plain) = (vec![0.0; 61 * n_outputs], vec![0.0; 61 * n_outputs]);
        model.forest().unwrap().forward(&rows, &mut fast);
        model.forward_reference(&rows, &mut plain);
        prop_assert_eq!(fast, plain);
    }

    /// Columns 0 and 1 are free; 2 and 3 hold whatever they hold, lane by lane.
    #[test]
    fn slices_equal_the_reference_on_every_interval(
        seed in any::<u8>(), n_trees in 1_usize..8, leaves in leaves(), n_codes in codes(), n_outputs in 1_usize..3,
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 5);
        let parts = parts(&mut rng, n_trees, leaves, n_outputs, seed % 2 == 0);
        let model = TreeEnsemble::new(mixed(parts, &mut rng, n_codes)).unwrap();
        let lower = [0.0, 0.2, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let upper = [1.0, 0.7, f64::INFINITY, f64::INFINITY];
        let member = Member { model: &model, columns: &[0, 1, 2, 3] };
        let forest = Forest::new(&[member], &lower, &upper, &vec![vec![]; FEATURES]).unwrap();
        prop_assert!(!forest.has_sets(0) && !forest.has_sets(1) && !forest.has_sets(2));
        let start: Vec<Lanes<f64>> = (0..FEATURES)
            .map(|d| Lanes(std::array::from_fn(|_| {
                if d < 2 { value(&mut rng).clamp(lower[d], upper[d]) } else { any_value(&mut rng, d, n_codes) }
            })))
            .collect();
        for level in Level::available() {
            let mut rng = stream(&[seed; 32], Purpose::Accept, 5);
            let mut x = start.clone();
            let (mut state, mut slice) = (SweepState::default(), Slice::default());
            for sweep in 0..3 {
                forest.begin_sweep(level, &x, sweep > 1, &mut state);
                for d in 0..2 {
                    forest.slice(level, d, &x, &mut state, &mut slice);
                    let cuts = forest.cuts(d);
                    let end = |i: usize| if i >= cuts.len() { upper[d] } else { cuts[i] };
                    for e in 0..slice.len() {
                        let sums = &slice.sums[e * forest.n_slots()..(e + 1) * forest.n_slots()];
                        for i in slice.first[e] as usize..slice.first[e + 1] as usize {
                            for lane in 0..LANES {
                                let mut here = row(&x, lane);
                                here[d] = end(i);
                                prop_assert_eq!(outputs(&forest, sums, lane), reference(&model, &here));
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
                        prop_assert_eq!(outputs(&forest, &state.sums, lane), reference(&model, &row(&x, lane)));
                    }
                }
            }
        }
    }

    /// Columns 2 and 3 move together, value by value, and column 1 along its cuts.
    #[test]
    fn points_equal_the_reference_at_every_value(
        seed in any::<u8>(), n_trees in 1_usize..8, leaves in leaves(), n_codes in codes(), n_outputs in 1_usize..3,
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 9);
        // Trees of two models, of which the first reads column 2 and the second column 3.
        let model = |rng: &mut Stream, hidden: i64| {
            let mut parts = mixed(parts(rng, n_trees, leaves, n_outputs, seed % 2 == 0), rng, n_codes);
            for (i, feature) in parts.feature.iter_mut().enumerate() {
                if *feature == hidden {
                    *feature = 1;
                    parts.set_index[i] = -1;
                }
            }
            TreeEnsemble::new(parts).unwrap()
        };
        let models = [model(&mut rng, 3), model(&mut rng, 2)];
        let (lower, upper) = ([f64::NEG_INFINITY; FEATURES], [f64::INFINITY; FEATURES]);
        let members = models.each_ref().map(|model| Member { model, columns: &[0, 1, 2, 3] });
        let forest = Forest::new(&members, &lower, &upper, &vec![vec![]; FEATURES]).unwrap();
        let forest = forest.swept(vec![2, 3, 1, 0]);
        let n = 5;
        let values = [2, 3].map(|d| (d, (0..n).map(|_| any_value(&mut rng, d, n_codes)).collect::<Vec<_>>()));
        let points = forest.points(values.to_vec());
        let x: Vec<Lanes<f64>> = (0..FEATURES)
            .map(|d| Lanes(std::array::from_fn(|_| {
                if d == 1 { value(&mut rng) } else { any_value(&mut rng, d, n_codes) }
            })))
            .collect();
        let both = |row: &[f64]| models.iter().flat_map(|model| reference(model, row)).collect::<Vec<_>>();
        for level in Level::available() {
            let mut rng = stream(&[seed; 32], Purpose::Accept, 9);
            let mut x = x.clone();
            let (mut state, mut slice) = (SweepState::default(), Slice::default());
            for sweep in 0..3 {
                forest.begin_sweep(level, &x, sweep > 1, &mut state);
                forest.slice_points(level, &points, &x, &mut state, &mut slice);
                prop_assert_eq!(slice.len(), n);
                for k in 0..n {
                    let sums = &slice.sums[k * forest.n_slots()..(k + 1) * forest.n_slots()];
                    for lane in 0..LANES {
                        let mut here = row(&x, lane);
                        for (d, values) in &values {
                            here[*d] = values[k];
                        }
                        prop_assert_eq!(outputs(&forest, sums, lane), both(&here));
                    }
                }
                let chosen: Lanes<u64> = Lanes(std::array::from_fn(|_| (rng.uniform() * n as f64) as u64));
                for (d, lanes) in points.chosen(&chosen) {
                    x[d] = lanes;
                }
                forest.commit(level, points.chosen(&chosen), &slice, &chosen, &mut state);
                forest.slice(level, 1, &x, &mut state, &mut slice);
                let chosen = Lanes(std::array::from_fn(|lane| {
                    let interval = forest.cuts(1).partition_point(|&c| c < x[1][lane]) as u32;
                    slice.first.partition_point(|&f| f <= interval) as u64 - 1
                }));
                forest.commit(level, std::iter::once((1, x[1])), &slice, &chosen, &mut state);
                for lane in 0..LANES {
                    prop_assert_eq!(outputs(&forest, &state.sums, lane), both(&row(&x, lane)));
                }
            }
        }
    }

    /// Fixed columns decide their splits when the forest is compiled, NaN and codes included.
    #[test]
    fn fixed_columns_are_compiled_away(
        seed in any::<u8>(), n_trees in 1_usize..8, leaves in leaves(), n_codes in codes(),
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 6);
        let parts = parts(&mut rng, n_trees, leaves, 2, seed % 2 == 0);
        let model = TreeEnsemble::new(mixed(parts, &mut rng, n_codes)).unwrap();
        let (fixed, code) = (any_value(&mut rng, 1, n_codes), any_value(&mut rng, CATEGORY, n_codes));
        let (lower, upper) = ([0.0, fixed, 0.1, code], [1.0, fixed, 0.6, code]);
        let member = Member { model: &model, columns: &[0, 1, 2, 3] };
        let forest = Forest::new(&[member], &lower, &upper, &vec![vec![]; FEATURES]).unwrap();
        prop_assert!(!forest.has_sets(CATEGORY));
        for _ in 0..40 {
            let row: Vec<f64> = (0..FEATURES).map(|d| value(&mut rng).max(lower[d]).min(upper[d])).collect();
            let row = [row[0], fixed, row[2], code];
            let mut out = [0.0; 2];
            forest.forward(&row, &mut out);
            prop_assert_eq!(out.to_vec(), reference(&model, &row));
        }
    }
}

/// With little noise and no cut nearby, smoothing changes nothing: sets and missing values go where they go.
#[test]
fn smoothing_leaves_sets_and_missing_values_alone() {
    let mut rng = stream(&[9; 32], Purpose::Start, 7);
    for leaves in [2, 9, 80] {
        let parts = parts(&mut rng, 6, leaves, 2, false);
        let model = TreeEnsemble::new(mixed(parts, &mut rng, 6)).unwrap();
        let forest = model.forest().unwrap();
        for _ in 0..20 {
            let x: Vec<Lanes<f64>> = (0..FEATURES)
                .map(|d| {
                    Lanes(std::array::from_fn(|_| {
                        if rng.uniform() < 0.2 {
                            f64::NAN
                        } else if d == CATEGORY {
                            (rng.uniform() * 8.0).floor()
                        } else {
                            ((rng.uniform() * 40.0).floor() + 0.5) / 40.0
                        }
                    }))
                })
                .collect();
            let sigma = vec![Lanes::splat(1e-4); FEATURES];
            for level in Level::available() {
                let mut state = SmoothState::default();
                forest.smooth(level, &x, &sigma, &mut state);
                let mut gradient = vec![Lanes::splat(0.0); FEATURES];
                let cotangent = [Lanes::splat(1.0); 2];
                forest.smooth_gradient(level, &x, &sigma, &cotangent, &mut state, &mut gradient);
                for lane in 0..LANES {
                    let want = reference(&model, &row(&x, lane));
                    assert!(
                        want.iter().zip(&state.outputs).all(|(want, got)| (got[lane] - want).abs() < 1e-12)
                    );
                    assert!(gradient.iter().all(|slope| slope[lane].abs() < 1e-12));
                }
            }
        }
    }
}
