use super::*;
use crate::simd::Portable;

fn lanes(values: &[f64]) -> Vec<Lanes<f64>> {
    values.iter().map(|&v| Lanes::splat(v)).collect()
}

fn of_two(loss: Loss, a: &[f64], b: &[f64]) -> f64 {
    let mut out = Lanes::splat(0.0);
    Portable.store(loss.value(Portable, &lanes(a).as_slice(), &lanes(b)), &mut out);
    out[0]
}

fn value(loss: Loss, outputs: &[f64]) -> f64 {
    of_two(loss, outputs, &[])
}

#[test]
fn values_are_the_formulas() {
    let p = [0.2, 0.5, 0.3];
    assert!((value(Loss::CrossEntropy { label: 1 }, &p) + 0.5_f64.ln()).abs() < 1e-15);
    assert!((value(Loss::Hinge { label: 0 }, &p) - 1.3).abs() < 1e-15);
    assert!((value(Loss::Squared { label: 2, scale: 0.5 }, &p) - 1.96).abs() < 1e-14);
    assert!((value(Loss::Level { output: 2, level: 0.5, power: 3.0 }, &p) - 0.008).abs() < 1e-16);
    assert!((value(Loss::Level { output: 2, level: 0.5, power: 1.0 }, &p) - 0.2).abs() < 1e-16);
    let entropy: f64 = p.iter().map(|p| p * p.ln()).sum();
    assert!((value(Loss::NegativeEntropy, &p) - entropy).abs() < 1e-15);
    assert_eq!(value(Loss::NegativeLog { label: 1 }, &[-2.0, -0.25]), 0.25);
    assert_eq!(value(Loss::Margin { positive: true }, &[-0.5]), 1.5);
    assert_eq!(value(Loss::Margin { positive: false }, &[-0.5]), 0.5);
    assert_eq!(value(Loss::Margin { positive: true }, &[2.0]), 0.0);
    assert_eq!(value(Loss::NegativeEntropy, &[0.0, 1.0]), 0.0);
    assert_eq!(value(Loss::CrossEntropy { label: 0 }, &[0.0, 1.0]), f64::INFINITY);
    assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 0.5 }, &[4.0]), 8.0);
    assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 0.5 }, &[1.5]), 0.0);
    assert_eq!(value(Loss::Band { lower: 1.0, upper: 2.0, scale: 1.0 }, &[-1.0]), 2.0);
    assert_eq!(value(Loss::Value, &[-3.5]), -3.5);
}

#[test]
fn comparisons_are_the_formulas() {
    let (first, second) = ([0.7, 0.3], [0.3, 0.7]);
    // The other label than the decision's is wanted; a tie decides for the first.
    let log = Loss::OtherLabel { log: false };
    assert!((of_two(log, &[0.2, 0.8], &first) + 0.8_f64.ln()).abs() < 1e-15);
    assert!((of_two(log, &[0.2, 0.8], &second) + 0.2_f64.ln()).abs() < 1e-15);
    assert!((of_two(log, &[0.2, 0.8], &[0.5, 0.5]) + 0.8_f64.ln()).abs() < 1e-15);
    assert_eq!(of_two(Loss::OtherLabel { log: true }, &[-900.0, -0.5], &second), 900.0);
    assert_eq!(of_two(Loss::OtherMargin, &[0.25], &first), 0.75);
    assert_eq!(of_two(Loss::OtherMargin, &[0.25], &second), 1.25);
    assert_eq!(of_two(Loss::OtherMargin, &[-3.0], &second), 0.0);
    assert_eq!(of_two(Loss::OtherHinge, &[0.5, 0.75], &first), 0.75);
    assert_eq!(of_two(Loss::OtherHinge, &[0.5, 0.75], &second), 1.25);
    let like = of_two(Loss::Likeness { sigma: 0.5 }, &[1.0, 2.0], &[1.5, 1.0]);
    assert!((like - (-1.25_f64 / 0.25).exp()).abs() < 1e-15);
}

#[test]
fn a_required_label_is_the_first_of_ties() {
    let tie = [0.4, 0.4, 0.2];
    assert_eq!(value(Loss::RequireLabel { label: 0 }, &tie), 0.0);
    assert_eq!(value(Loss::RequireLabel { label: 1 }, &tie), f64::INFINITY);
    assert_eq!(value(Loss::RequireLabel { label: 2 }, &tie), f64::INFINITY);
    assert_eq!(value(Loss::RequireBand { lower: 0.0, upper: 0.4 }, &[0.4]), 0.0);
    assert_eq!(value(Loss::RequireBand { lower: 0.0, upper: 0.4 }, &[0.41]), f64::INFINITY);
}

#[test]
fn cotangents_match_finite_differences() {
    let p = [0.2, 0.5, 0.3];
    let one = [
        Loss::CrossEntropy { label: 1 },
        Loss::NegativeLog { label: 1 },
        Loss::Margin { positive: true },
        Loss::Margin { positive: false },
        Loss::Hinge { label: 0 },
        Loss::Squared { label: 2, scale: 0.7 },
        Loss::Level { output: 1, level: 0.9, power: 2.0 },
        Loss::Level { output: 1, level: 0.9, power: 1.0 },
        Loss::Level { output: 0, level: 0.9, power: 2.5 },
        Loss::Level { output: 0, level: 0.1, power: 2.5 },
        Loss::NegativeEntropy,
        Loss::Band { lower: 0.5, upper: 0.6, scale: 0.3 },
        Loss::Band { lower: -0.5, upper: 0.1, scale: 0.3 },
        Loss::Value,
        Loss::RequireLabel { label: 1 },
    ];
    for loss in one {
        check(loss, &p, &[]);
    }
    for b in [[0.6, 0.4], [0.4, 0.6]] {
        check(Loss::OtherLabel { log: false }, &[0.2, 0.8], &b);
        check(Loss::OtherLabel { log: true }, &[-0.2, -0.8], &b);
        check(Loss::OtherMargin, &[0.3], &b);
        check(Loss::OtherMargin, &[1.3], &b);
        check(Loss::OtherHinge, &[0.1, 0.3], &b);
        check(Loss::OtherHinge, &[2.1, 0.3], &b);
    }
    check(Loss::Likeness { sigma: 0.8 }, &p, &[0.4, 0.1, 0.5]);
}

fn check(loss: Loss, a: &[f64], b: &[f64]) {
    let (mut to_a, mut to_b) = (lanes(&vec![0.0; a.len()]), lanes(&vec![0.0; b.len()]));
    loss.add_cotangents(Portable, 1.5, &lanes(a), &lanes(b), &mut to_a, &mut to_b);
    let moved = |values: &[f64], k: usize, by: f64| {
        let mut values = values.to_vec();
        values[k] += by;
        values
    };
    for (k, to) in to_a.iter().enumerate() {
        let slope = 1.5 * (of_two(loss, &moved(a, k, 1e-6), b) - of_two(loss, &moved(a, k, -1e-6), b)) / 2e-6;
        assert!((slope - to[3]).abs() < 1e-7, "{loss:?} output {k}: {} not {slope}", to[3]);
    }
    for (k, to) in to_b.iter().enumerate() {
        let slope = 1.5 * (of_two(loss, a, &moved(b, k, 1e-6)) - of_two(loss, a, &moved(b, k, -1e-6))) / 2e-6;
        assert!((slope - to[3]).abs() < 1e-7, "{loss:?} other {k}: {} not {slope}", to[3]);
    }
}
