//! Against the graphs of the members one by one, and the promises about bits.

mod forms;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::Graph;
use crate::model::graph::{Activation, Feature, Matrix, Op, Step};
use crate::question::Loss;
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, Level, Portable, Simd};

pub(super) const D: usize = 5;

/// What the members of a stack are like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) single: bool,
    pub(super) encode: bool,
    pub(super) hidden: Vec<(usize, Option<Activation>)>,
    pub(super) outputs: usize,
}

/// Nodes: (row, features,) layers, logits; then for two or more outputs their softmax and its logarithms, else
/// the pairs of a margin and `[1 - p, p]`.
pub(super) fn operations(rng: &mut Stream, shape: &Shape) -> Vec<Op> {
    let mut numbers = |n: usize, scale: f64| -> Vec<f64> {
        let draw = |_| rng.normal() * scale;
        (0..n).map(draw).map(|v| if shape.single { f64::from(v as f32) } else { v }).collect()
    };
    let mut ops = vec![Op::Row];
    let mut width = D;
    if shape.encode {
        let chain = |column, steps: Vec<Step>| Feature::Chain { column, steps };
        let mut features: Vec<_> =
            (0..D).map(|j| chain(j, vec![Step::Sub(0.25), Step::Div(0.5 + j as f64)])).collect();
        features.push(chain(1, vec![]));
        features.push(Feature::Table { column: 2, values: vec![0.5, -1.0], unknown: 0.0, missing: f64::NAN });
        width = features.len();
        ops.push(Op::Encode(features));
    }
    for &(units, kind) in shape.hidden.iter().chain([&(shape.outputs, None)]) {
        let weights = Matrix::new(units, width, numbers(units * width, (1.5 / width as f64).sqrt())).unwrap();
        ops.push(Op::Linear { source: ops.len() - 1, weights, bias: numbers(units, 0.3) });
        ops.extend(kind.map(|kind| Op::Activation { source: ops.len() - 1, kind }));
        width = units;
    }
    let source = ops.len() - 1;
    if shape.outputs > 1 {
        ops.extend([Op::Softmax { source }, Op::LogSoftmax { source }]);
    } else {
        ops.extend([Op::LogisticPair { source }, Op::LogLogisticPair { source }]);
        ops.push(Op::Activation { source, kind: Activation::Logistic });
        let weights = Matrix::new(2, 1, vec![-1.0, 1.0]).unwrap();
        ops.push(Op::Linear { source: source + 3, weights, bias: vec![1.0, 0.0] });
    }
    ops
}

/// The logits of such a graph.
pub(super) fn logits(graph: &Graph) -> usize {
    graph.len() - if graph.width(graph.len() - 2) == Some(1) { 5 } else { 3 }
}

pub(super) fn members(rng: &mut Stream, n: usize, shape: &Shape) -> Vec<Arc<Graph>> {
    (0..n).map(|_| Arc::new(Graph::new(D, operations(rng, shape)).unwrap())).collect()
}

/// Rows that single precision has too.
pub(super) fn rows(rng: &mut Stream, n: usize) -> Vec<f64> {
    (0..n * D).map(|_| f64::from(rng.normal() as f32)).collect()
}

pub(super) fn shares(rng: &mut Stream, n: usize) -> Vec<f64> {
    let draws: Vec<f64> = (0..n).map(|_| 0.1 + rng.uniform()).collect();
    let sum: f64 = draws.iter().sum();
    draws.iter().map(|share| share / sum).collect()
}

/// A value, its derivatives by the row, and by the outputs of the second node, for every row.
pub(super) type Answer = Vec<(f64, Vec<f64>, Vec<f64>)>;

/// `n × k` numbers as chains, `k · groups + group`; the last row also in the lanes that are left.
fn chains(rows: &[f64], k: usize, groups: usize) -> Vec<Lanes<f64>> {
    let n = rows.len() / k.max(1);
    let at = |i: usize, j: usize| rows[i.min(n - 1) * k + j];
    (0..k * groups)
        .map(|i| Lanes(std::array::from_fn(|lane| at(i % groups * LANES + lane, i / groups))))
        .collect()
}

pub(super) fn mean(
    stack: &Stack,
    level: Level,
    groups: usize,
    request: &MeanRequest,
    rows: &[f64],
    other: &[f64],
) -> Answer {
    let n_other = other.len() * D / rows.len();
    let mut scratch = StackScratch::default();
    let mut out = Vec::new();
    for (rows, other) in rows.chunks(groups * LANES * D).zip(
        // Without others there is still a chunk for each of rows.
        (0..).map(|i| {
            let first = (i * groups * LANES * n_other).min(other.len());
            &other[first..other.len().min(first + groups * LANES * n_other)]
        }),
    ) {
        let groups = (rows.len() / D).div_ceil(LANES);
        let (x, second) = (chains(rows, D, groups), chains(other, n_other, groups));
        let (mut value, mut gradient) =
            (vec![Lanes::splat(0.0); groups], vec![Lanes::splat(0.0); D * groups]);
        let mut to_other = vec![Lanes::splat(0.0); n_other * groups];
        let mut parts = MeanParts { value: &mut value, gradient: &mut gradient, other: &mut to_other };
        stack.mean(level, 0..stack.len(), request, &x, &second, &mut scratch, &mut parts);
        for i in 0..rows.len() / D {
            let (group, lane) = (i / LANES, i % LANES);
            let of = |all: &[Lanes<f64>]| all.iter().skip(group).step_by(groups).map(|x| x[lane]).collect();
            out.push((value[group][lane], of(&gradient), of(&to_other)));
        }
    }
    out
}

/// The same from every member's own graph, with a bound on what single precision adds to the gradient: the
/// sum of the sizes of all products that make it up.
pub(super) fn plainly(
    members: &[Arc<Graph>],
    shares: &[f64],
    request: &MeanRequest,
    rows: &[f64],
    other: &[f64],
) -> Answer {
    let n = rows.len() / D;
    let n_other = other.len() / n;
    let mut out: Answer = vec![(0.0, vec![0.0; D], vec![0.0; n_other]); n];
    for (member, share) in members.iter().zip(shares) {
        let width = member.width(request.node).unwrap();
        let outputs = member.forward(rows, request.node).unwrap();
        let mut cotangents = vec![0.0; outputs.len()];
        for (i, (value, _, by_other)) in out.iter_mut().enumerate() {
            let lanes = |values: &[f64]| values.iter().map(|&v| Lanes::splat(v)).collect::<Vec<_>>();
            let (a, b) = (lanes(&outputs[i * width..][..width]), lanes(&other[i * n_other..][..n_other]));
            let (mut to_a, mut to_b) = (lanes(&vec![0.0; width]), lanes(&vec![0.0; n_other]));
            let weight = request.weight * share;
            let mut loss = Lanes::splat(0.0);
            Portable.store(request.loss.value(Portable, &a.as_slice(), &b), &mut loss);
            *value += weight * loss[0];
            request.loss.add_cotangents(Portable, weight, &a, &b, &mut to_a, &mut to_b);
            by_other.iter_mut().zip(&to_b).for_each(|(sum, slope)| *sum += slope[0]);
            cotangents[i * width..][..width].iter_mut().zip(&to_a).for_each(|(to, slope)| *to = slope[0]);
        }
        let gradient = member.vjp(rows, request.node, &cotangents).unwrap();
        for ((_, sum, _), gradient) in out.iter_mut().zip(gradient.chunks(D)) {
            sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
        }
    }
    out
}

fn close(got: &Answer, want: &Answer, tolerance: f64) -> Result<(), TestCaseError> {
    let near = |got: &[f64], want: &[f64]| {
        let scale = want.iter().fold(1.0_f64, |most, w| most.max(w.abs()));
        got.iter().zip(want).all(|(g, w)| (g - w).abs() <= tolerance * scale)
    };
    for (got, want) in got.iter().zip(want) {
        prop_assert!((got.0 - want.0).abs() <= tolerance * want.0.abs().max(1.0), "{got:?} {want:?}");
        prop_assert!(near(&got.1, &want.1) && near(&got.2, &want.2), "{got:?} {want:?}");
    }
    Ok(())
}

/// Every loss on the nodes it is for, with the width of the second node.
fn requests(graph: &Graph) -> Vec<(MeanRequest, usize)> {
    let z = logits(graph);
    let width = graph.width(z).unwrap();
    let (p, log_p, classes) = (z + 1, z + 2, width.max(2));
    let label = classes - 1;
    let mut all = vec![
        (p, Loss::CrossEntropy { label }, 0),
        (log_p, Loss::NegativeLog { label }, 0),
        (p, Loss::Hinge { label }, 0),
        (p, Loss::Squared { label, scale: 0.7 }, 0),
        (p, Loss::Level { output: 1, level: 0.4, power: 2.0 }, 0),
        (p, Loss::NegativeEntropy, 0),
        (p, Loss::Likeness { sigma: 0.8 }, classes),
        (z, Loss::Likeness { sigma: 1.5 }, width),
        (z, Loss::Margin { positive: true }, 0),
        (z, Loss::Band { lower: -0.1, upper: 0.2, scale: 0.9 }, 0),
        (z, Loss::Value, 0),
        (z, Loss::RequireBand { lower: -1e9, upper: 1e9 }, 0),
    ];
    if classes == 2 {
        all.extend([(p, Loss::OtherLabel { log: false }, 2), (log_p, Loss::OtherLabel { log: true }, 2)]);
        all.push((p, Loss::OtherHinge, 2));
    }
    if width == 1 {
        all.extend([
            (z, Loss::OtherMargin, 2),
            (z + 4, Loss::Level { output: 1, level: 0.5, power: 1.0 }, 0),
        ]);
    }
    let request = |(node, loss, others)| (MeanRequest { node, loss, weight: 1.7, gradient: true }, others);
    all.into_iter().map(request).collect()
}

fn shapes() -> impl Strategy<Value = Shape> {
    let kinds = prop_oneof![
        Just(None),
        prop::sample::select(vec![
            Activation::Relu,
            Activation::Tanh,
            Activation::Logistic,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu,
            Activation::Softplus,
        ])
        .prop_map(Some),
    ];
    let hidden = prop::collection::vec((1..=20_usize, kinds), 0..=3);
    (any::<bool>(), any::<bool>(), hidden, 1..=4_usize).prop_map(|(single, encode, hidden, outputs)| Shape {
        single,
        encode,
        hidden,
        outputs,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_mean_is_that_of_the_members(shape in shapes(), k in 1..=5_usize, n in 1..=40_usize, seed in any::<u8>()) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 0);
        let members = members(&mut rng, k, &shape);
        let (shares, rows) = (shares(&mut rng, k), rows(&mut rng, n));
        let stack = Stack::new(&members, shares.clone()).unwrap();
        // Layers of up to 20 numbers near 1: some sixty roundings of 2^-24 each, and losses that steepen them.
        let tolerance = if shape.single { 3e-5 } else { 1e-12 };
        for (request, n_other) in requests(&members[0]) {
            let other: Vec<f64> = (0..n * n_other).map(|_| rng.uniform()).collect();
            let got = mean(&stack, Level::detect(), 4, &request, &rows, &other);
            close(&got, &plainly(&members, &shares, &request, &rows, &other), tolerance)?;
        }
        for node in logits(&members[0])..members[0].len() {
            let width = members[0].width(node).unwrap();
            let mut want = vec![0.0; n * width];
            for (member, share) in members.iter().zip(&shares) {
                let outputs = member.forward(&rows, node).unwrap();
                want.iter_mut().zip(outputs).for_each(|(sum, y)| *sum += share * y);
            }
            for (got, want) in stack.forward(&rows, node).unwrap().iter().zip(want) {
                prop_assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{got} {want}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_neighbours_or_instructions(
        shape in shapes(), k in 1..=5_usize, n in 1..=75_usize, seed in any::<u8>(),
    ) {
        let mut rng = stream(&[seed; 32], Purpose::Start, 1);
        let members = members(&mut rng, k, &shape);
        let (shares, rows) = (shares(&mut rng, k), rows(&mut rng, n));
        let stack = Stack::new(&members, shares).unwrap();
        for (request, n_other) in requests(&members[0]).into_iter().step_by(3) {
            let other: Vec<f64> = (0..n * n_other).map(|_| rng.uniform()).collect();
            let want = mean(&stack, Level::Portable, 1, &request, &rows, &other);
            for level in Level::available() {
                for groups in 1..=5 {
                    prop_assert_eq!(
                        &mean(&stack, level, groups, &request, &rows, &other), &want, "{:?} {}", level, groups
                    );
                }
            }
            let i = n / 2;
            let alone = mean(
                &stack, Level::detect(), 2, &request, &rows[i * D..][..D], &other[i * n_other..][..n_other],
            );
            prop_assert_eq!(&alone[0], &want[i]);
        }
        let node = logits(&members[0]) + 1;
        let width = members[0].width(node).unwrap();
        let all = stack.forward(&rows, node).unwrap();
        let alone = stack.forward(&rows[(n - 1) * D..], node).unwrap();
        prop_assert_eq!(&all[(n - 1) * width..], &alone[..]);
    }

    #[test]
    fn gradients_are_those_of_finite_differences(shape in shapes(), k in 1..=3_usize, seed in any::<u8>()) {
        let shape = Shape { single: false, ..shape };
        let mut rng = stream(&[seed; 32], Purpose::Start, 2);
        let members = members(&mut rng, k, &shape);
        let (shares, rows) = (shares(&mut rng, k), rows(&mut rng, 3));
        let stack = Stack::new(&members, shares).unwrap();
        for (request, n_other) in requests(&members[0]) {
            let other: Vec<f64> = (0..3 * n_other).map(|_| rng.uniform()).collect();
            let of = |rows: &[f64], other: &[f64]| mean(&stack, Level::detect(), 1, &request, rows, other);
            let got = of(&rows, &other);
            let moved = |values: &[f64], width: usize, j: usize, by: f64| {
                let mut values = values.to_vec();
                values.iter_mut().skip(j).step_by(width).for_each(|x| *x += by);
                values
            };
            for j in 0..D + n_other {
                let at = |by: f64| {
                    if j < D { of(&moved(&rows, D, j, by), &other) }
                    else { of(&rows, &moved(&other, n_other, j - D, by)) }
                };
                let (near, far) = ((at(1e-5), at(-1e-5)), (at(2e-5), at(-2e-5)));
                for (i, got) in got.iter().enumerate() {
                    let slope = (near.0[i].0 - near.1[i].0) / 2e-5;
                    let coarse = (far.0[i].0 - far.1[i].0) / 4e-5;
                    let got = if j < D { got.1[j] } else { got.2[j - D] };
                    // Two step sizes that disagree straddle a kink.
                    if (slope - coarse).abs() < 1e-6 * slope.abs().max(1.0) {
                        prop_assert!((got - slope).abs() < 1e-5 * slope.abs().max(1.0), "{request:?} {got} {slope}");
                    }
                }
            }
        }
    }
}

#[test]
fn members_come_in_ranges_and_shares_of_zero_say_nothing() {
    let mut rng = stream(&[3; 32], Purpose::Start, 3);
    let shape = Shape { single: true, encode: false, hidden: vec![(6, Some(Activation::Relu))], outputs: 2 };
    let mut members = members(&mut rng, 7, &shape);
    // A member whose loss is infinite everywhere.
    let mut ops = operations(&mut rng, &shape);
    let z = ops.len() - 3;
    let Op::Linear { bias, .. } = &mut ops[z] else { panic!("no layer") };
    *bias = vec![-3e38, 3e38];
    members[4] = Arc::new(Graph::new(D, ops).unwrap());
    let mut shares = shares(&mut rng, 7);
    shares[4] = 0.0;
    let stack = Stack::new(&members, shares.clone()).unwrap();
    let request =
        MeanRequest { node: z + 1, loss: Loss::CrossEntropy { label: 0 }, weight: 2.0, gradient: true };
    let rows = rows(&mut rng, 8);
    let whole = mean(&stack, Level::detect(), 1, &request, &rows, &[]);
    assert!(
        whole.iter().all(|(value, gradient, _)| value.is_finite() && gradient.iter().all(|g| g.is_finite()))
    );
    let x = chains(&rows, D, 1);
    for cuts in [vec![0, 7], vec![0, 1, 7], vec![0, 3, 4, 5, 7], vec![0, 2, 4, 6, 7]] {
        let (mut value, mut gradient) = (vec![Lanes::splat(0.0)], vec![Lanes::splat(0.0); D]);
        let mut scratch = StackScratch::default();
        for range in cuts.windows(2) {
            let mut parts = MeanParts { value: &mut value, gradient: &mut gradient, other: &mut [] };
            stack.mean(Level::detect(), range[0]..range[1], &request, &x, &[], &mut scratch, &mut parts);
        }
        for (lane, (want, slopes, _)) in whole.iter().enumerate() {
            assert!((value[0][lane] - want).abs() <= 1e-13 * want.abs());
            let sizes = slopes.iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
            assert!(gradient.iter().zip(slopes).all(|(g, want)| (g[lane] - want).abs() <= 1e-13 * sizes));
        }
    }
    assert!(stack.forward(&rows, z + 1).unwrap().iter().all(|p| p.is_finite()));
}
