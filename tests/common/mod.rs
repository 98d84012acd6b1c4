//! Targets with exact answers (MATH.md section 11) and the distance of a sample from them.
//!
//! Every oracle starts many independent chains from exact draws of the target, lets the kernel move each
//! for some steps, and keeps its last row. An invariant kernel leaves the law as it was, whatever its speed,
//! so plain statistics of independent draws apply: a score is a z value or a Kolmogorov–Smirnov statistic
//! times √n, and bounds follow from their known laws. A faulty kernel moves the law away.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod ladder;
pub mod measure;
pub mod missing;
pub mod mixed;

use std::sync::Arc;
use std::time::Duration;

use sondage_core::driver::{Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::{Graph, TreeEnsemble, TreeParts};
use sondage_core::question::{Energy, Localizer, Loss, Parts, Term};
use sondage_core::rng::{Purpose, Stream, stream};
use sondage_core::space::{Boundary, Bounds};
use statrs::distribution::{ContinuousCDF, Normal};

/// One draw per chain after `steps` steps from the given rows.
pub fn settings(start: Vec<f64>, columns: usize, steps: u64, seed: u8) -> Settings {
    Settings {
        key: [seed; 32],
        chains: start.len() / columns,
        temperature: 1.0,
        warmup: steps - 1,
        draws: 1,
        thin: 1,
        boundary: Boundary::Reflect,
        threads: 2,
        start: Some(start),
    }
}

/// Exact draws by inversion, on streams that no run uses.
fn rows(n: usize, mut row: impl FnMut(&mut Stream) -> Vec<f64>) -> Vec<f64> {
    let mut rng = stream(&[200; 32], Purpose::Start, 0);
    (0..n).flat_map(|_| row(&mut rng)).collect()
}

/// A normal draw restricted to `[a, b]`.
fn normal_within(normal: &Normal, a: f64, b: f64, rng: &mut Stream) -> f64 {
    let (low, high) = (normal.cdf(a), normal.cdf(b));
    normal.inverse_cdf(low + rng.uniform() * (high - low)).clamp(a, b)
}

pub fn sample(energy: Energy, spec: &Spec, settings: Settings) -> Sample {
    let mut run = Run::new(Arc::new(energy), spec.clone(), settings).expect("a valid run");
    while !run.advance(Duration::from_millis(200)) {}
    run.finish()
}

/// The nodes of one tree: `(feature, cut, left, right)`, or a leaf's values with `left < 0`.
pub fn tree(n_features: usize, nodes: &[(i64, f64, i64, i64)], values: &[&[f64]]) -> TreeEnsemble {
    let n_outputs = values[0].len();
    TreeEnsemble::new(TreeParts {
        n_features,
        n_outputs,
        roots: vec![0],
        feature: nodes.iter().map(|n| n.0).collect(),
        cut: nodes.iter().map(|n| n.1).collect(),
        left: nodes.iter().map(|n| n.2).collect(),
        right: nodes.iter().map(|n| n.3).collect(),
        value: values.iter().flat_map(|v| v.iter().copied()).collect(),
        first_output: vec![0],
        base: vec![0.0; n_outputs],
        divisor: 1.0,
        ..TreeParts::default()
    })
    .expect("a valid tree")
}

pub fn energy(
    bounds: &[(f64, f64)],
    model: Option<TreeEnsemble>,
    terms: Vec<Term>,
    near: Vec<Localizer>,
) -> Energy {
    let d = bounds.len();
    let (lower, upper) = bounds.iter().copied().unzip();
    Energy::new(Parts {
        columns: model.iter().map(|_| (0..d).collect()).collect(),
        models: model.into_iter().map(|trees| Arc::new(Graph::of_trees(Arc::new(trees)).unwrap())).collect(),
        terms,
        localizers: near,
        ..Parts::on(Bounds::new(lower, upper).unwrap())
    })
    .expect("a valid question")
}

/// `G = f(x)` for a one-output tree with values below 100: `|f − 100|` turned round by a negative weight.
pub fn output_as_energy() -> Term {
    Term::new(-1.0, 0, 1, Loss::Level { output: 0, level: 100.0, power: 1.0 })
}

/// √n times the largest distance of the draws' distribution function from `cdf`; above 1.95 with
/// probability 0.001, above 2.5 with 7e-6.
pub fn kolmogorov(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let mut distance = 0.0_f64;
    for (i, &x) in draws.iter().enumerate() {
        let c = cdf(x);
        distance = distance.max((c - i as f64 / n).abs()).max(((i + 1) as f64 / n - c).abs());
    }
    distance * n.sqrt()
}

/// Pearson's χ² of counts against probabilities, as a normal score (Wilson and Hilferty).
pub fn chi_square(counts: &[f64], probabilities: &[f64]) -> f64 {
    let n: f64 = counts.iter().sum();
    let whole: f64 = probabilities.iter().sum();
    let chi: f64 = counts
        .iter()
        .zip(probabilities)
        .map(|(c, p)| {
            let expected = n * p / whole;
            (c - expected) * (c - expected) / expected
        })
        .sum();
    let k = counts.len() as f64 - 1.0;
    ((chi / k).cbrt() - (1.0 - 2.0 / (9.0 * k))) / (2.0 / (9.0 * k)).sqrt()
}

pub const MEAN: f64 = 0.25;
const ANCHORS: [f64; 2] = [MEAN, 1.4];

/// A normal truncated to the unit square, one mean inside and one outside, variance τ/2:
/// the larger Kolmogorov score of its two columns.
pub fn truncated_normal(spec: &Spec, boundary: Boundary, n: usize, steps: u64) -> f64 {
    let near = Localizer::new(1.0, 2, ANCHORS.to_vec(), vec![1.0, 1.0]).unwrap();
    let energy = energy(&[(0.0, 1.0), (0.0, 1.0)], None, vec![], vec![near]);
    let temperature = 0.1;
    let normals = ANCHORS.map(|a| Normal::new(a, (temperature / 2.0_f64).sqrt()).unwrap());
    let start = rows(n, |rng| normals.iter().map(|normal| normal_within(normal, 0.0, 1.0, rng)).collect());
    let s = Settings { boundary, temperature, ..settings(start, 2, steps, 11) };
    let sample = sample(energy, spec, s);
    (0..2)
        .map(|column| {
            let normal = &normals[column];
            let (low, high) = (normal.cdf(0.0), normal.cdf(1.0));
            let draws = sample.draws.iter().skip(column).step_by(2).copied().collect();
            kolmogorov(draws, |x| (normal.cdf(x) - low) / (high - low))
        })
        .fold(0.0, f64::max)
}

/// Laplace shape: `exp(-|x − 0.3|/τ)` on the unit interval.
pub fn truncated_laplace(spec: &Spec, steps: u64) -> f64 {
    let near = Localizer::new(1.0, 1, vec![0.3], vec![1.0]).unwrap();
    let side = |length: f64| 1.0 - (-length / 0.2_f64).exp();
    let whole = side(0.3) + side(0.7);
    let start = rows(100_000, |rng| {
        let left = rng.uniform() * whole < side(0.3);
        let length = -0.2 * (1.0 - rng.uniform() * side(if left { 0.3 } else { 0.7 })).ln();
        vec![if left { 0.3 - length } else { 0.3 + length }]
    });
    let s = Settings { temperature: 0.2, ..settings(start, 1, steps, 12) };
    let sample = sample(energy(&[(0.0, 1.0)], None, vec![], vec![near]), spec, s);
    kolmogorov(sample.draws, |x| {
        let below = if x <= 0.3 { side(0.3) - side(0.3 - x) } else { side(0.3) + side(x - 0.3) };
        below / whole
    })
}

/// A step on `[0, 2]`: `G = 0` up to 0.5, `G = 0.7` beyond, τ = 0.5. The z score of the occupancy.
pub fn step_function(spec: &Spec, boundary: Boundary, steps: u64) -> f64 {
    let stump = tree(1, &[(0, 0.5, 1, 2), (0, 0.0, -1, -1), (0, 0.0, -1, -1)], &[&[0.0], &[0.0], &[0.7]]);
    let energy = energy(&[(0.0, 2.0)], Some(stump), vec![output_as_energy()], vec![]);
    let p = 0.5 / (0.5 + 1.5 * (-0.7_f64 / 0.5).exp());
    let start = rows(40_000, |rng| {
        let low = rng.uniform() < p;
        vec![if low { 0.5 * rng.uniform() } else { 2.0 - 1.5 * rng.uniform() }]
    });
    let s = Settings { boundary, temperature: 0.5, ..settings(start, 1, steps, 13) };
    let sample = sample(energy, spec, s);
    let n = sample.draws.len() as f64;
    let low = sample.draws.iter().filter(|&&x| x <= 0.5).count() as f64;
    (low - n * p) / (n * p * (1.0 - p)).sqrt()
}

/// Leaves of [`small_tree`]: box and value.
const LEAVES: [([f64; 2], [f64; 2], f64); 5] = [
    ([0.0, 0.4], [0.0, 0.7], 0.2),
    ([0.0, 0.4], [0.7, 1.0], 1.5),
    ([0.4, 1.0], [0.0, 0.2], 0.9),
    ([0.4, 0.8], [0.2, 1.0], 0.0),
    ([0.8, 1.0], [0.2, 1.0], 1.1),
];

fn small_tree() -> TreeEnsemble {
    let leaf = (0, 0.0, -1, -1);
    tree(
        2,
        &[(0, 0.4, 1, 4), (1, 0.7, 2, 3), leaf, leaf, (1, 0.2, 5, 6), leaf, (0, 0.8, 7, 8), leaf, leaf],
        &[&[0.0], &[0.0], &[0.2], &[1.5], &[0.0], &[0.9], &[0.0], &[0.0], &[1.1]],
    )
}

/// A small tree on the unit square, with or without an ℓ2 localizer: χ² score of the leaf occupancies,
/// which are volumes or products of normal-CDF differences times `exp(−value/τ)`.
pub fn small_tree_leaves(spec: &Spec, boundary: Boundary, steps: u64, localized: bool) -> f64 {
    let (anchor, weight, temperature) = ([0.3, 0.9], 2.0, 0.4);
    let near = localized.then(|| Localizer::new(weight, 2, anchor.to_vec(), vec![1.0, 0.5]).unwrap());
    let e =
        energy(&[(0.0, 1.0); 2], Some(small_tree()), vec![output_as_energy()], near.into_iter().collect());
    let sd = |column: usize| (temperature / (2.0 * weight * [1.0, 0.5][column])).sqrt();
    let normals = [0, 1].map(|column| Normal::new(anchor[column], sd(column)).unwrap());
    let mass = |column: usize, (a, b): (f64, f64)| {
        if localized { normals[column].cdf(b) - normals[column].cdf(a) } else { b - a }
    };
    let probabilities: Vec<f64> = LEAVES
        .iter()
        .map(|(x, y, v)| mass(0, (x[0], x[1])) * mass(1, (y[0], y[1])) * (-v / temperature).exp())
        .collect();
    let whole: f64 = probabilities.iter().sum();
    let start = rows(40_000, |rng| {
        let mut left = rng.uniform() * whole;
        let mut leaf = 0;
        while leaf + 1 < LEAVES.len() && left >= probabilities[leaf] {
            left -= probabilities[leaf];
            leaf += 1;
        }
        let mut draw = |column: usize, b: [f64; 2]| {
            if localized {
                normal_within(&normals[column], b[0], b[1], rng)
            } else {
                b[1] - rng.uniform() * (b[1] - b[0])
            }
        };
        vec![draw(0, LEAVES[leaf].0), draw(1, LEAVES[leaf].1)]
    });
    let s = Settings { boundary, temperature, ..settings(start, 2, steps, 14) };
    let sample = sample(e, spec, s);
    let counts: Vec<f64> = LEAVES
        .iter()
        .map(|(bx, by, _)| {
            let inside = |row: &&[f64]| {
                let within = |v: f64, b: [f64; 2]| (v > b[0] || (b[0] == 0.0 && v == 0.0)) && v <= b[1];
                within(row[0], *bx) && within(row[1], *by)
            };
            sample.draws.chunks_exact(2).filter(inside).count() as f64
        })
        .collect();
    assert_eq!(counts.iter().sum::<f64>(), 40_000.0, "every row lies in one leaf");
    chi_square(&counts, &probabilities)
}
