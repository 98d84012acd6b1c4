//! A question on columns whose values may be missing, against its whole table.

use std::sync::Arc;

use sondage_core::driver::Settings;
use sondage_core::kernel::Spec;
use sondage_core::model::graph::{Feature, Matrix, Op, Step};
use sondage_core::model::{Graph, TreeEnsemble, TreeParts};
use sondage_core::question::{Energy, Localizer, Loss, Parts, Term};
use sondage_core::space::{Boundary, Bounds, Kind};

use super::{chi_square, rows, sample, settings};

/// What [`missing_table`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingModel {
    /// Sums of trees that send NaN where they send no number.
    Trees,
    /// A line behind imputation.
    Imputed,
}

/// What NaN weighs in the integer column and in the first of the two unit intervals.
const WEIGHTS: [f64; 2] = [2.5, 0.4];
/// Whole numbers from −1 and NaN, bins and NaN, levels, bins.
const TABLE: [usize; 4] = [6, 5, 2, 2];

impl MissingModel {
    fn graph(self) -> (Graph, usize) {
        match self {
            // The split of column 1 at 0.25 and those at −4 and 2 are decided for every number of the box.
            MissingModel::Trees => {
                let trees = TreeEnsemble::new(TreeParts {
                    n_features: 4,
                    n_outputs: 1,
                    roots: vec![0, 7, 14],
                    feature: vec![1, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 3, 0, 0],
                    cut: vec![
                        0.5, 1.0, 0.25, 0.0, 0.0, 0.0, 0.0, -4.0, 0.0, 0.5, 0.0, 2.0, 0.0, 0.0, 0.5, 0.0, 0.0,
                    ],
                    left: vec![1, 3, 5, -1, -1, -1, -1, 8, -1, 10, -1, 12, -1, -1, 15, -1, -1],
                    right: vec![2, 4, 6, -1, -1, -1, -1, 9, -1, 11, -1, 13, -1, -1, 16, -1, -1],
                    value: vec![
                        0.0, 0.0, 0.0, 0.3, -0.5, 0.9, -0.2, 0.0, 0.7, 0.0, 0.1, 0.0, -0.4, 0.6, 0.0, 0.2,
                        -0.3,
                    ],
                    first_output: vec![0, 0, 0],
                    base: vec![0.0],
                    divisor: 1.0,
                    missing_right: (0..17).map(|node| node == 0 || node == 11).collect(),
                    ..TreeParts::default()
                });
                (Graph::of_trees(Arc::new(trees.unwrap())).unwrap(), 1)
            }
            MissingModel::Imputed => {
                let imputed = |column, value| Feature::Chain { column, steps: vec![Step::Impute(value)] };
                let plain = |column| Feature::Chain { column, steps: vec![] };
                let weights = Matrix::new(1, 4, vec![0.2, -1.1, 0.6, 0.8]).unwrap();
                let ops = vec![
                    Op::Row,
                    Op::Encode(vec![imputed(0, 1.5), imputed(1, 0.3), plain(2), plain(3)]),
                    Op::Linear { source: 1, weights, bias: vec![0.0] },
                ];
                (Graph::new(4, ops).unwrap(), 2)
            }
        }
    }

    /// The model's value, written out.
    fn value(self, k: f64, x: f64, b: f64, z: f64) -> f64 {
        match self {
            MissingModel::Trees => {
                let first = match x {
                    _ if x.is_nan() => 0.9,
                    _ if x > 0.5 => -0.2,
                    _ if k > 1.0 => -0.5,
                    _ => 0.3,
                };
                let second = match (k.is_nan(), b > 0.5) {
                    (true, _) => 0.7,
                    (false, false) => 0.1,
                    (false, true) => {
                        if x.is_nan() {
                            0.6
                        } else {
                            -0.4
                        }
                    }
                };
                first + second + if z > 0.5 { -0.3 } else { 0.2 }
            }
            MissingModel::Imputed => {
                let (k, x) = (if k.is_nan() { 1.5 } else { k }, if x.is_nan() { 0.3 } else { x });
                0.2 * k - 1.1 * x + 0.6 * b + 0.8 * z
            }
        }
    }
}

/// The distance of a value from an anchor in a column of this width.
fn distance(x: f64, anchor: f64, width: f64) -> f64 {
    match (x.is_nan(), anchor.is_nan()) {
        (false, false) => (x - anchor).abs(),
        (true, true) => 0.0,
        _ => width,
    }
}

/// A question on five whole numbers, a unit interval, two levels and another unit interval, the first two of which may
/// be missing, near two rows, one of which misses each: the χ² score of the counts in the whole table.
pub fn missing_table(model: MissingModel, spec: &Spec, boundary: Boundary, steps: u64) -> f64 {
    const TAU: f64 = 0.5;
    const FINE: usize = 64;
    let bounds = Bounds::new(vec![-1.0, 0.0, 0.0, 0.0], vec![3.0, 1.0, 1.0, 1.0])
        .and_then(|b| b.with_kinds(vec![Kind::Integer, Kind::Continuous, Kind::Level, Kind::Continuous]))
        .and_then(|b| b.with_missing(vec![WEIGHTS[0], WEIGHTS[1], 0.0, 0.0]))
        .unwrap();
    let (graph, node) = model.graph();
    let near = [
        Localizer::new(0.3, 1, vec![f64::NAN, 0.25, 0.0, 0.0], vec![0.2, 1.5, 1.0, 0.0]).unwrap(),
        Localizer::new(0.2, 2, vec![1.0, f64::NAN, 1.0, 0.0], vec![0.3, 1.0, 1.0, 0.0]).unwrap(),
    ];
    let energy = Energy::new(Parts {
        models: vec![Arc::new(graph)],
        columns: vec![vec![0, 1, 2, 3]],
        terms: vec![Term::new(0.8, 0, node, Loss::Value)],
        localizers: near.to_vec(),
        ..Parts::on(bounds)
    })
    .unwrap();
    assert_eq!(energy.stepwise(), model == MissingModel::Trees);
    let weight = |k: f64, x: f64, b: f64, z: f64| {
        let first = 0.2 * distance(k, f64::NAN, 4.0) + 1.5 * distance(x, 0.25, 1.0) + b;
        let second = 0.3 * distance(k, 1.0, 4.0).powi(2) + distance(x, f64::NAN, 1.0).powi(2) + (1.0 - b);
        let g = 0.8 * model.value(k, x, b, z) + 0.3 * first + 0.2 * second;
        let base: f64 = [k, x].iter().zip(WEIGHTS).map(|(x, w)| if x.is_nan() { w } else { 1.0 }).product();
        base * (-g / TAU).exp()
    };
    // Cells of the table, each in fine pieces of the intervals.
    let mut masses = vec![0.0; TABLE.iter().product()];
    let mut pieces = Vec::new();
    for (cell, mass) in masses.iter_mut().enumerate() {
        let (i, j, b, l) = (cell / 20, cell / 4 % 5, (cell / 2 % 2) as f64, cell % 2);
        let k = if i == 5 { f64::NAN } else { i as f64 - 1.0 };
        for fine in 0..FINE * FINE {
            let (of_x, of_z) = (fine / FINE, fine % FINE);
            let x = (j as f64 + (of_x as f64 + 0.5) / FINE as f64) / 4.0;
            let x = if j == 4 { f64::NAN } else { x };
            let z = (l as f64 + (of_z as f64 + 0.5) / FINE as f64) / 2.0;
            let length = if j == 4 { 1.0 } else { 0.25 } / (FINE * FINE) as f64;
            *mass += length * weight(k, x, b, z);
            pieces.push((*mass, [k, x, b, z]));
        }
    }
    // Exact draws to start from, but for the size of a piece.
    let total: f64 = masses.iter().sum();
    let mut sum = 0.0;
    let ends: Vec<f64> = masses
        .iter()
        .map(|mass| {
            sum += mass;
            sum
        })
        .collect();
    let n = FINE * FINE;
    let start = rows(40_000, |rng| {
        let u = rng.uniform() * total;
        let cell = ends.partition_point(|&end| end <= u).min(masses.len() - 1);
        let left = u - (ends[cell] - masses[cell]);
        let own = &pieces[cell * n..(cell + 1) * n];
        own[own.partition_point(|&(sum, _)| sum <= left).min(n - 1)].1.to_vec()
    });
    let s = Settings { boundary, temperature: TAU, ..settings(start, 4, steps, 23) };
    let sample = sample(energy, spec, s);
    let mut counts = vec![0.0; masses.len()];
    for row in sample.draws.chunks_exact(4) {
        let i = if row[0].is_nan() { 5 } else { (row[0] + 1.0) as usize };
        let j = if row[1].is_nan() { 4 } else { ((row[1] * 4.0) as usize).min(3) };
        counts[i * 20 + j * 4 + row[2] as usize * 2 + ((row[3] * 2.0) as usize).min(1)] += 1.0;
    }
    chi_square(&counts, &masses)
}
