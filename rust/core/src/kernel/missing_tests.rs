//! The transition matrix of each column's draw on a finite space in which values may be missing: the law is invariant
//! to 1e-12, for trees in bit vectors and for trees that are walked.

use std::sync::Arc;

use super::{Conditional, Reply, State, Streams, Target};
use crate::adapt::Phase;
use crate::model::{Graph, TreeEnsemble, TreeParts};
use crate::question::{Energy, Localizer, Loss, Parts, Term, Workspace};
use crate::simd::{Lanes, Level};
use crate::space::{Base, Boundary, Bounds, Kind, Lookup};

const TEMPERATURE: f64 = 0.4;
/// Values of the two integer columns and the levels; NaN comes on top in the first two.
const COUNTS: [usize; 3] = [12, 9, 3];
const WEIGHTS: [f64; 3] = [1.7, 0.3, 0.0];
/// What the model sees of the levels.
const CODES: [f64; 3] = [0.5, f64::NAN, -1.0];

/// A complete tree of some depth, whose cuts also lie outside the box and where others decide them.
fn grown(depth: u32, seed: u64) -> TreeParts {
    let mut state = seed;
    let mut random = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let (inner, n) = ((1_usize << depth) - 1, (1_usize << (depth + 1)) - 1);
    let feature: Vec<i64> = (0..n).map(|_| random(3) as i64).collect();
    let cuts = |feature: i64, k: u64| match (feature, k) {
        (2, _) => [-2.5, -0.5, 7.5][k as usize % 3],
        (_, 16) => 2.0,
        _ => k as f64 - 2.5,
    };
    let child = |i: usize, k: usize| if i < inner { (2 * i + k) as i64 } else { -1 };
    TreeParts {
        n_features: 3,
        n_outputs: 1,
        roots: vec![0],
        cut: feature.iter().map(|&feature| cuts(feature, random(17))).collect(),
        feature,
        left: (0..n).map(|i| child(i, 1)).collect(),
        right: (0..n).map(|i| child(i, 2)).collect(),
        value: (0..n).map(|i| if i < inner { 0.0 } else { random(64) as f64 / 32.0 - 1.0 }).collect(),
        first_output: vec![0],
        base: vec![0.0],
        divisor: 1.0,
        missing_right: (0..n).map(|_| random(2) == 1).collect(),
        ..TreeParts::default()
    }
}

fn by_hand(tree: &TreeParts, row: [f64; 3]) -> f64 {
    let seen = [row[0], row[1], CODES[row[2] as usize]];
    let mut at = 0;
    while tree.left[at] >= 0 {
        let x = seen[tree.feature[at] as usize];
        let right = if x.is_nan() { tree.missing_right[at] } else { x > tree.cut[at] };
        at = if right { tree.right[at] } else { tree.left[at] } as usize;
    }
    tree.value[at]
}

fn distance(x: f64, anchor: f64, width: f64) -> f64 {
    match (x.is_nan(), anchor.is_nan()) {
        (false, false) => (x - anchor).abs(),
        (true, true) => 0.0,
        _ => width,
    }
}

fn value(d: usize, k: usize) -> f64 {
    if k == COUNTS[d] { f64::NAN } else { k as f64 }
}

fn rows() -> Vec<[f64; 3]> {
    let [a, b, c] = [COUNTS[0] + 1, COUNTS[1] + 1, COUNTS[2]];
    (0..a * b * c).map(|i| [value(0, i / (b * c)), value(1, i / c % b), (i % c) as f64]).collect()
}

fn same(x: f64, y: f64) -> bool {
    x == y || x.is_nan() && y.is_nan()
}

/// What the localizer adds in column d.
fn near(d: usize, x: f64) -> f64 {
    match d {
        0 => 0.3 * 0.5 * distance(x, f64::NAN, 11.0),
        1 => 0.3 * distance(x, 1.0, 8.0),
        _ => 0.3 * f64::from(u8::from(x != 2.0)),
    }
}

fn energy(tree: &TreeParts) -> Energy {
    let ensemble = TreeEnsemble::new(tree.clone()).unwrap();
    let bounds = Bounds::new(vec![0.0; 3], COUNTS.map(|n| n as f64 - 1.0).to_vec())
        .and_then(|b| b.with_kinds(vec![Kind::Integer, Kind::Integer, Kind::Level]))
        .and_then(|b| b.with_missing(WEIGHTS.to_vec()))
        .unwrap();
    Energy::new(Parts {
        lookups: vec![Lookup::new(2, 0.0, CODES.to_vec()).unwrap()],
        models: vec![Arc::new(Graph::of_trees(Arc::new(ensemble)).unwrap())],
        columns: vec![vec![0, 1, 3]],
        terms: vec![Term::new(0.8, 0, 1, Loss::Value)],
        localizers: vec![Localizer::new(0.3, 1, vec![f64::NAN, 1.0, 2.0], vec![0.5, 1.0, 1.0]).unwrap()],
        ..Parts::on(bounds)
    })
    .unwrap()
}

/// The interval that holds a value.
fn interval(energy: &Energy, target: &Target, d: usize, x: f64) -> usize {
    let n = target.measures[d].1.log_masses().len();
    match x {
        _ if x.is_nan() => n - 1,
        _ if d == 2 => x as usize,
        _ => energy.forest().cuts(d).iter().filter(|&&cut| x > cut).count(),
    }
}

/// Where a draw of column `position` leads from a row; the columns before it stay.
fn leads(energy: &Energy, target: &Target, row: [f64; 3], position: usize) -> Vec<f64> {
    // Other rows in the other lanes: what they do must not matter.
    let others = rows();
    let x: Vec<Lanes<f64>> = (0..3)
        .map(|d| {
            let other = |lane: usize| others[(7 * lane + 3) % others.len()][d];
            Lanes(std::array::from_fn(|lane| if lane == 2 { row[d] } else { other(lane) }))
        })
        .collect();
    let (mut workspace, mut energies) = (Workspace::default(), Vec::new());
    energy.begin_sweep(&x, false, &mut workspace);
    for d in 0..=position {
        energy.slice(d, &x, &mut workspace, &mut energies);
        if d < position {
            let first = &workspace.slice.first;
            let cell = |x: f64| {
                let at = interval(energy, target, d, x);
                first.partition_point(|&first| first as usize <= at) as u64 - 1
            };
            energy.commit(d, &x[d], &Lanes(x[d].0.map(cell)), &mut workspace);
        }
    }
    let mut kernel = Conditional::default();
    for _ in 0..position {
        kernel.skip();
    }
    let mut state = State { x, energy: Lanes::splat(0.0), version: 0 };
    let reply =
        Reply::Slice { first: &workspace.slice.first, energies: &energies, nonfinite: Lanes::splat(0) };
    let phase = Phase { step: 10, warmup: 0 };
    kernel.tell(target, phase, &mut state, reply, &mut Streams::new(&[1; 32], 0));
    kernel.probabilities(target.measures[position].1.log_masses().len(), 2)
}

fn invariant(tree: &TreeParts) {
    let energy = energy(tree);
    assert!(energy.stepwise());
    let target = Target {
        bounds: energy.bounds().clone(),
        base: Base::new(energy.bounds().clone(), None),
        temperature: TEMPERATURE,
        boundary: Boundary::Reflect,
        constraints: vec![],
        measures: energy.drawn(TEMPERATURE),
        level: Level::detect(),
    };
    let rows = rows();
    let weight = |row: &[f64; 3]| {
        let g = 0.8 * by_hand(tree, *row) + (0..3).map(|d| near(d, row[d])).sum::<f64>();
        let base: f64 = (0..3).map(|d| if row[d].is_nan() { WEIGHTS[d] } else { 1.0 }).product();
        base * (-g / TEMPERATURE).exp()
    };
    let total: f64 = rows.iter().map(weight).sum();
    let pi: Vec<f64> = rows.iter().map(|row| weight(row) / total).collect();
    for (position, (d, _)) in target.measures.iter().enumerate() {
        assert_eq!(position, *d);
        let mut arrives = vec![0.0; rows.len()];
        for (row, p) in rows.iter().zip(&pi) {
            let shares = leads(&energy, &target, *row, position);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (to, q) in rows.iter().zip(&mut arrives) {
                if (0..3).all(|c| c == *d || same(to[c], row[c])) {
                    let at = interval(&energy, &target, *d, to[*d]);
                    // Within an interval, by the localizer's weights.
                    let own = |x: f64| (-near(*d, x) / TEMPERATURE).exp();
                    let inside: f64 = (0..=COUNTS[*d])
                        .map(|k| value(*d, k))
                        .filter(|&x| (*d < 2 || !x.is_nan()) && interval(&energy, &target, *d, x) == at)
                        .map(own)
                        .sum();
                    *q += p * shares[at] * own(to[*d]) / inside;
                }
            }
        }
        for (have, want) in arrives.iter().zip(&pi) {
            assert!((have - want).abs() < 1e-12, "column {d}: {have} not {want}");
        }
    }
}

#[test]
fn draws_of_values_that_may_be_missing_leave_the_law() {
    for seed in 0..10 {
        invariant(&grown(4, seed));
    }
}

#[test]
fn they_do_along_trees_that_are_walked() {
    let walked = (0..2000).map(|seed| grown(12, seed)).filter(|tree| energy(tree).forest().walks());
    let trees: Vec<TreeParts> = walked.take(3).collect();
    assert_eq!(trees.len(), 3);
    trees.iter().for_each(invariant);
}

/// Cuts that no number passes bound intervals that hold nothing, however low G would be there.
#[test]
fn intervals_that_hold_nothing_do_not_count() {
    let mut tree = grown(1, 0);
    tree.feature = vec![0; 3];
    tree.cut[0] = -2.5;
    tree.value = vec![0.0, -1e5, 3.0];
    tree.missing_right[0] = true;
    invariant(&tree);
}
