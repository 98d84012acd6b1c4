use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{TreeEnsemble, TreeParts};
use crate::rng::{Purpose, Stream, stream};
use crate::simd::math::{exp_m1, ln_1p};

fn normal(rng: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.normal()).collect()
}

fn matrix(rng: &mut Stream, rows: usize, columns: usize) -> Matrix {
    Matrix::new(rows, columns, normal(rng, rows * columns)).unwrap()
}

/// Every operation with a gradient, each on something that another one made; the last node is wide.
fn everything(rng: &mut Stream) -> Graph {
    let chain = |column, steps: Vec<Step>| Feature::Chain { column, steps };
    let features = vec![
        chain(0, vec![Step::Sub(0.3), Step::Div(1.7)]),
        chain(1, vec![Step::Mul(-0.4), Step::Add(0.2), Step::Max(-5.0), Step::Min(5.0)]),
        chain(2, vec![Step::Impute(0.5), Step::Mul(0.1), Step::Add(2.0), Step::Log1p]),
        chain(0, vec![]),
    ];
    let mut ops = vec![Op::Row, Op::Encode(features)];
    ops.push(Op::Linear { source: 1, weights: matrix(rng, 9, 4), bias: normal(rng, 9) });
    for (i, (_, kind)) in Activation::ALL.iter().enumerate() {
        // Logarithms need arguments above -1.
        let source = if *kind == Activation::Log1p { 5 } else { 2 };
        assert!(i < 8 || ops.len() > 5);
        ops.push(Op::Activation { source, kind: *kind });
    }
    let wide = ops.len();
    ops.push(Op::Concat { sources: (3..wide).collect() });
    ops.push(Op::Linear { source: wide, weights: matrix(rng, 3, 9 * 12), bias: normal(rng, 3) });
    ops.push(Op::Affine { source: wide + 1, scale: vec![0.02; 3], shift: normal(rng, 3) });
    let small = wide + 2;
    for kind in [
        KernelKind::Linear,
        KernelKind::Poly { gamma: 0.3, coef0: 0.5, degree: 3 },
        KernelKind::Rbf { gamma: 0.4 },
        KernelKind::Sigmoid { gamma: 0.2, coef0: 0.1 },
    ] {
        ops.push(Op::Kernel { source: small, kind, vectors: matrix(rng, 3, 3) });
    }
    ops.push(Op::Softmax { source: small });
    ops.push(Op::LogSoftmax { source: small });
    ops.push(Op::PairScores { source: small, n_classes: 3 });
    let p = ops.len() - 3;
    ops.push(Op::Normalize { source: p });
    ops.push(Op::Pick { source: small, indices: vec![Some(2), None, Some(0)] });
    ops.push(Op::Multiply { a: small, b: p });
    ops.push(Op::Clip { source: small, lower: -0.7, upper: 0.9 });
    let all: Vec<usize> = (small + 1..ops.len()).collect();
    let weights = normal(rng, all.len());
    ops.push(Op::Combine { sources: all, weights, divisor: 1.5 });
    let combined = ops.len() - 1;
    ops.push(Op::Pick { source: combined, indices: vec![Some(1)] });
    let one = ops.len() - 1;
    ops.push(Op::LogisticPair { source: one });
    ops.push(Op::LogLogisticPair { source: one });
    ops.push(Op::Interpolate { source: one, x: vec![-2.0, -0.5, 0.1, 2.0], y: vec![0.0, 0.3, 0.4, 2.0] });
    ops.push(Op::Concat { sources: vec![combined, one + 1, one + 2, one + 3] });
    Graph::new(3, ops).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn gradients_are_those_of_finite_differences(seed in any::<u8>()) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 0);
        let graph = everything(&mut rng);
        let node = graph.len() - 1;
        let width = graph.width(node).unwrap();
        let rows = normal(&mut rng, 11 * 3);
        let cotangent = normal(&mut rng, 11 * width);
        let gradient = graph.vjp(&rows, node, &cotangent).unwrap();
        let along = |rows: &[f64]| -> Vec<f64> {
            let out = graph.forward(rows, node).unwrap();
            out.chunks(width).zip(cotangent.chunks(width))
                .map(|(y, c)| y.iter().zip(c).map(|(y, c)| y * c).sum()).collect()
        };
        for d in 0..3 {
            let step = |h: f64| {
                let mut moved = rows.clone();
                moved.iter_mut().skip(d).step_by(3).for_each(|x| *x += h);
                along(&moved)
            };
            let (h, near, far) = (1e-5, step(1e-5), step(-1e-5));
            let (wide, narrow) = (step(2e-5), step(-2e-5));
            for i in 0..11 {
                let slope = (near[i] - far[i]) / (2.0 * h);
                let coarse = (wide[i] - narrow[i]) / (4.0 * h);
                // Two step sizes that disagree straddle a kink.
                if (slope - coarse).abs() < 1e-6 * slope.abs().max(1.0) {
                    let got = gradient[i * 3 + d];
                    prop_assert!((got - slope).abs() < 1e-5 * slope.abs().max(1.0), "{got} not {slope}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours(seed in any::<u8>()) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 1);
        let graph = everything(&mut rng);
        let node = graph.len() - 1;
        let width = graph.width(node).unwrap();
        let rows = normal(&mut rng, 19 * 3);
        let all = graph.forward(&rows, node).unwrap();
        for i in [0, 7, 8, 18] {
            let alone = graph.forward(&rows[i * 3..(i + 1) * 3], node).unwrap();
            prop_assert_eq!(&alone[..], &all[i * width..(i + 1) * width]);
        }
    }
}

#[test]
fn logarithms_and_exponentials_near_zero_keep_their_digits() {
    use crate::simd::math::Scalar;
    for i in -1700..1700 {
        let x = (f64::from(i) / 100.0).exp2() * if i % 2 == 0 { 1.0 } else { -0.999 };
        let close = |got: f64, want: f64| (got - want).abs() <= 8.0 * f64::EPSILON * want.abs();
        if x < 700.0 {
            assert!(close(exp_m1(Scalar, x), x.exp_m1()), "exp_m1({x})");
        }
        if x > -1.0 {
            assert!(close(ln_1p(Scalar, x), x.ln_1p()), "ln_1p({x})");
        }
    }
    assert_eq!(ln_1p(Scalar, -1.0), f64::NEG_INFINITY);
    assert!(ln_1p(Scalar, -1.5).is_nan());
    assert_eq!(ln_1p(Scalar, f64::INFINITY), f64::INFINITY);
    assert_eq!(exp_m1(Scalar, f64::INFINITY), f64::INFINITY);
    assert_eq!(exp_m1(Scalar, f64::NEG_INFINITY), -1.0);
    assert_eq!(exp_m1(Scalar, 0.0), 0.0);
}

#[test]
fn the_extremes_of_links_are_finite_or_right() {
    let link = |op: Op| Graph::new(1, vec![Op::Row, op]).unwrap();
    let rows = [-800.0, -40.0, 0.0, 40.0, 800.0];
    let pair = link(Op::LogisticPair { source: 0 }).forward(&rows, 1).unwrap();
    let logs = link(Op::LogLogisticPair { source: 0 }).forward(&rows, 1).unwrap();
    assert_eq!(&pair[..2], &[1.0, 0.0]);
    assert_eq!(&pair[4..6], &[0.5, 0.5]);
    assert_eq!(&pair[8..], &[0.0, 1.0]);
    assert_eq!(&logs[..2], &[0.0, -800.0]);
    assert_eq!(logs[8], -800.0);
    assert!((logs[3] + (-40.0_f64).exp()).abs() < 1e-3 || (logs[3] + 40.0).abs() < 1e-12);
    for (p, log) in pair.iter().zip(&logs) {
        assert!(*p == 0.0 || (p.ln() - log).abs() < 1e-14 * log.abs().max(1.0), "{p} {log}");
    }
    let votes = Graph::new(3, vec![Op::Row, Op::OneHotArgmax { source: 0 }]).unwrap();
    assert_eq!(votes.forward(&[2.0, 2.0, 1.0, f64::NAN, 0.0, 1.0], 1).unwrap()[..3], [1.0, 0.0, 0.0]);
    let empty = Graph::new(2, vec![Op::Row, Op::Normalize { source: 0 }]).unwrap();
    assert_eq!(empty.forward(&[0.0, 0.0, 1.0, 3.0], 1).unwrap(), [0.5, 0.5, 0.25, 0.75]);
}

#[test]
fn tables_and_chains_say_what_unknown_and_missing_are() {
    let table = Feature::Table { column: 0, values: vec![5.0, 6.0], unknown: 7.0, missing: 8.0 };
    let filled = Feature::Chain { column: 0, steps: vec![Step::Impute(3.0)] };
    let graph = Graph::new(1, vec![Op::Row, Op::Encode(vec![table, filled])]).unwrap();
    let out = graph.forward(&[0.0, 1.0, -1.0, 2.0, 0.5, f64::NAN], 1).unwrap();
    assert_eq!(out, [5.0, 0.0, 6.0, 1.0, 7.0, -1.0, 7.0, 2.0, 7.0, 0.5, 8.0, 3.0]);
}

fn stump() -> Arc<TreeEnsemble> {
    Arc::new(
        TreeEnsemble::new(TreeParts {
            n_features: 2,
            n_outputs: 1,
            roots: vec![0],
            feature: vec![0, 0, 0],
            cut: vec![0.5, 0.0, 0.0],
            left: vec![1, -1, -1],
            right: vec![2, -1, -1],
            value: vec![0.0, -1.0, 2.0],
            first_output: vec![0],
            base: vec![0.0],
            divisor: 1.0,
            ..TreeParts::default()
        })
        .unwrap(),
    )
}

#[test]
fn what_reads_the_row_only_through_trees_is_stepwise() {
    let ops = vec![
        Op::Row,
        Op::Trees(stump()),
        Op::LogLogisticPair { source: 1 },
        Op::Linear { source: 0, weights: Matrix::new(1, 2, vec![1.0, 2.0]).unwrap(), bias: vec![0.0] },
        Op::Combine { sources: vec![1, 3], weights: vec![1.0, 1.0], divisor: 1.0 },
    ];
    let graph = Graph::new(2, ops).unwrap();
    let found: Vec<(bool, bool)> =
        (0..5).map(|node| (graph.stepwise(node), graph.differentiable(node))).collect();
    assert_eq!(found, [(false, true), (true, false), (true, false), (false, true), (false, false)]);
    assert_eq!(graph.forward(&[0.5, 1.0, 0.6, 1.0], 4).unwrap(), [1.5, 4.6]);
    assert_eq!(graph.vjp(&[0.5, 1.0], 4, &[2.0]).unwrap(), [2.0, 4.0]);
}

#[test]
fn operations_that_do_not_fit_are_refused() {
    let row = || vec![Op::Row];
    let bad: Vec<(&str, Op)> = vec![
        ("later source", Op::Softmax { source: 3 }),
        ("itself", Op::Softmax { source: 1 }),
        (
            "matrix",
            Op::Linear { source: 0, weights: Matrix::new(1, 2, vec![0.0; 2]).unwrap(), bias: vec![0.0] },
        ),
        ("pair", Op::LogisticPair { source: 0 }),
        ("pick", Op::Pick { source: 0, indices: vec![Some(3)] }),
        ("nothing", Op::Concat { sources: vec![] }),
        ("weights", Op::Combine { sources: vec![0], weights: vec![], divisor: 1.0 }),
        ("divisor", Op::Combine { sources: vec![0], weights: vec![1.0], divisor: 0.0 }),
        ("nan", Op::Affine { source: 0, scale: vec![f64::NAN], shift: vec![0.0] }),
        ("classes", Op::PairVotes { source: 0, n_classes: 4 }),
        ("column", Op::Encode(vec![Feature::Chain { column: 3, steps: vec![] }])),
        ("constant", Op::Encode(vec![Feature::Chain { column: 0, steps: vec![Step::Add(f64::INFINITY)] }])),
        ("trees", Op::Trees(stump())),
        ("knots", Op::Interpolate { source: 0, x: vec![0.0], y: vec![0.0] }),
        ("clip", Op::Clip { source: 0, lower: 1.0, upper: 0.0 }),
        ("second row", Op::Row),
    ];
    for (what, op) in bad {
        let mut ops = row();
        ops.push(op);
        assert!(Graph::new(3, ops).is_err(), "{what}");
    }
    assert!(Graph::new(0, row()).is_err());
    assert!(Graph::new(3, vec![]).is_err());
    let graph = Graph::new(3, row()).unwrap();
    assert!(graph.forward(&[1.0, 2.0], 0).is_err());
    assert!(graph.forward(&[1.0; 3], 1).is_err());
    assert!(graph.vjp(&[1.0; 3], 0, &[1.0]).is_err());
}

#[test]
fn labels_of_a_softmax_in_single_precision_have_its_ties() {
    let ops = vec![Op::Row, Op::SingleSoftmax { source: 0 }, Op::Softmax { source: 0 }];
    let graph = Graph::new(3, ops).unwrap();
    assert!(!graph.differentiable(1));
    // The third is larger by a rounding of the first; then by what shows; then far apart.
    let near = f64::from(1e-9f32);
    let rows = [0.0, -1.0, near, 0.0, -1.0, 1e-6, 0.3, -2.0, 5.0, 90.0, -90.0, 0.0];
    let single = graph.forward(&rows, 1).unwrap();
    let double = graph.forward(&rows, 2).unwrap();
    assert_eq!(single[0], single[2]);
    assert!(double[0] < double[2]);
    assert!(single[3] < single[5]);
    for (single, double) in single.iter().zip(&double) {
        assert_eq!(f64::from(*single as f32), *single);
        assert!((single - double).abs() < 1e-7);
    }
    assert_eq!(graph.vjp(&rows, 1, &[1.0; 12]).unwrap(), vec![0.0; 12]);
}
