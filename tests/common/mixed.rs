//! A question on integer, level and continuous columns, against its whole table (MATH.md section 11, item 5).

use std::sync::Arc;

use sondage_core::driver::Settings;
use sondage_core::kernel::Spec;
use sondage_core::model::graph::{Activation, Feature, Matrix, Op};
use sondage_core::model::{Graph, TreeEnsemble, TreeParts};
use sondage_core::question::{Energy, Localizer, Loss, Parts, Term};
use sondage_core::space::{Boundary, Bounds, Kind, Lookup, Reference};

use super::{chi_square, rows, sample, settings};

/// What [`mixed_table`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixedModel {
    /// Sums of trees, so every column is drawn from running sums.
    Trees,
    /// A net, whose value is evaluated at every level.
    Smooth,
}

/// Levels of column 0 and 1, whole numbers of column 2 from −1, and bins of column 3 in the unit interval.
const TABLE: [usize; 4] = [3, 2, 5, 4];
/// The codes that the model has for the levels of column 0.
const TABLE_CODES: [f64; 3] = [4.0, 0.0, 2.0];

impl MixedModel {
    fn graph(self) -> (Graph, usize) {
        let table = |column, values: &[f64]| Feature::Table {
            column,
            values: values.to_vec(),
            unknown: 9.0,
            missing: 9.0,
        };
        let chain = |column| Feature::Chain { column, steps: vec![] };
        match self {
            // Two trees: `{2, 4}` and the integer; level 1, then the number or the codes `{0}`.
            MixedModel::Trees => {
                let trees = TreeEnsemble::new(TreeParts {
                    n_features: 4,
                    n_outputs: 1,
                    roots: vec![0, 5],
                    feature: vec![0, 0, 2, 0, 0, 1, 3, 0, 0, 0, 0, 0],
                    cut: vec![0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0],
                    left: vec![1, -1, 3, -1, -1, 6, 7, -1, -1, 10, -1, -1],
                    right: vec![2, -1, 4, -1, -1, 9, 8, -1, -1, 11, -1, -1],
                    value: vec![0.0, 0.3, 0.0, -0.5, 0.8, 0.0, 0.0, 0.1, 0.9, 0.0, -0.2, 0.6],
                    first_output: vec![0, 0],
                    base: vec![0.0],
                    divisor: 1.0,
                    set_index: vec![0, -1, -1, -1, -1, -1, -1, -1, -1, 1, -1, -1],
                    set_starts: vec![0, 2, 3],
                    set_codes: vec![2, 4, 0],
                    missing_right: vec![false; 12],
                    ..TreeParts::default()
                });
                (Graph::of_trees(Arc::new(trees.unwrap())).unwrap(), 1)
            }
            MixedModel::Smooth => {
                let codes = table(0, &[0.4, 9.0, -1.0, 9.0, 1.5]);
                let features = vec![codes, table(1, &[-0.3, 0.7]), chain(2), chain(3)];
                let hidden = Matrix::new(2, 4, vec![0.5, 1.0, -0.2, 1.5, -0.6, 0.3, 0.4, -2.0]).unwrap();
                let ops = vec![
                    Op::Row,
                    Op::Encode(features),
                    Op::Linear { source: 1, weights: hidden, bias: vec![0.1, -0.2] },
                    Op::Activation { source: 2, kind: Activation::Tanh },
                    Op::Linear {
                        source: 3,
                        weights: Matrix::new(1, 2, vec![1.2, -0.7]).unwrap(),
                        bias: vec![0.0],
                    },
                ];
                (Graph::new(4, ops).unwrap(), 4)
            }
        }
    }

    /// The model's value, written out.
    fn value(self, code: f64, b: f64, k: f64, x: f64) -> f64 {
        match self {
            MixedModel::Trees => {
                let first = match code {
                    2.0 | 4.0 if k > 0.5 => 0.8,
                    2.0 | 4.0 => -0.5,
                    _ => 0.3,
                };
                let second = match (b > 0.5, x > 0.5) {
                    (false, false) => 0.1,
                    (false, true) => 0.9,
                    (true, _) if code == 0.0 => 0.6,
                    (true, _) => -0.2,
                };
                first + second
            }
            MixedModel::Smooth => {
                let (a, b) = ([0.4, 9.0, -1.0, 9.0, 1.5][code as usize], [-0.3, 0.7][b as usize]);
                let hidden =
                    [0.5 * a + b - 0.2 * k + 1.5 * x + 0.1, -0.6 * a + 0.3 * b + 0.4 * k - 2.0 * x - 0.2];
                1.2 * hidden[0].tanh() - 0.7 * hidden[1].tanh()
            }
        }
    }
}

/// A question on three levels, two levels, five whole numbers and the unit interval, near a row: the χ² score of
/// the counts in the whole table, with the interval in four bins, whose masses are integrated.
pub fn mixed_table(model: MixedModel, spec: &Spec, boundary: Boundary, steps: u64) -> f64 {
    table(model, spec, boundary, steps, false)
}

/// The same, from a base measure that is a tree of tables.
pub fn mixed_table_from_reference(model: MixedModel, spec: &Spec, steps: u64) -> f64 {
    table(model, spec, Boundary::Reflect, steps, true)
}

/// Probabilities of a reference: of whole numbers up to 0 and above, of column 0 given these, of the halves of
/// column 3 given column 0, of column 1.
const NUMBERS: [f64; 2] = [0.3, 0.7];
const GIVEN_NUMBER: [[f64; 3]; 2] = [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]];
const GIVEN_LEVEL: [[f64; 2]; 3] = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]];
const ALONE: [f64; 2] = [0.75, 0.25];

fn reference() -> Reference {
    let log = |shares: &[f64], measures: &[f64]| {
        shares.iter().zip(measures.iter().cycle()).map(|(share, m)| (share / m).ln()).collect()
    };
    Reference::new(
        vec![vec![0.5, 1.5], vec![0.5], vec![0.5], vec![0.5]],
        vec![Some(2), None, None, Some(0)],
        vec![
            log(&GIVEN_NUMBER.concat(), &[1.0; 3]),
            log(&ALONE, &[1.0; 2]),
            log(&NUMBERS, &[2.0, 3.0]),
            log(&GIVEN_LEVEL.concat(), &[0.5; 2]),
        ],
    )
    .unwrap()
}

/// Its density, written out.
fn base(a: usize, b: usize, k: f64, x: f64) -> f64 {
    let (number, half) = (usize::from(k > 0.5), usize::from(x > 0.5));
    let numbers = NUMBERS[number] / [2.0, 3.0][number];
    numbers * GIVEN_NUMBER[number][a] * GIVEN_LEVEL[a][half] / 0.5 * ALONE[b]
}

fn table(model: MixedModel, spec: &Spec, boundary: Boundary, steps: u64, from_reference: bool) -> f64 {
    const TAU: f64 = 0.4;
    const FINE: usize = 512;
    let bounds = Bounds::new(vec![0.0, 0.0, -1.0, 0.0], vec![2.0, 1.0, 3.0, 1.0]).unwrap();
    let bounds = bounds.with_kinds(vec![Kind::Level, Kind::Level, Kind::Integer, Kind::Continuous]).unwrap();
    let (graph, node) = model.graph();
    let near = Localizer::new(0.3, 1, vec![2.0, 0.0, 2.0, 0.25], vec![1.0, 2.0, 0.5, 1.5]).unwrap();
    let energy = Energy::new(Parts {
        lookups: vec![Lookup::new(0, 0.0, TABLE_CODES.to_vec()).unwrap()],
        models: vec![Arc::new(graph)],
        columns: vec![vec![4, 1, 2, 3]],
        terms: vec![Term::new(0.8, 0, node, Loss::Value)],
        localizers: vec![near],
        reference: from_reference.then(|| (TAU, Arc::new(reference()))),
        ..Parts::on(bounds)
    })
    .unwrap();
    assert_eq!(energy.stepwise(), model == MixedModel::Trees);
    let weight = |a: usize, b: usize, k: f64, x: f64| {
        let differs = |is: usize, of: usize| f64::from(u8::from(is != of));
        let near = differs(a, 2) + 2.0 * differs(b, 0) + 0.5 * (k - 2.0).abs() + 1.5 * (x - 0.25).abs();
        let base = if from_reference { base(a, b, k, x) } else { 1.0 };
        base * (-(0.8 * model.value(TABLE_CODES[a], b as f64, k, x) + 0.3 * near) / TAU).exp()
    };
    // Cells of the table, each in fine slices of the interval.
    let mut slices = Vec::new();
    let mut masses = vec![0.0; TABLE.iter().product()];
    for (cell, mass) in masses.iter_mut().enumerate() {
        let (a, b, k, bin) = (cell / 40, cell / 20 % 2, (cell / 4 % 5) as f64 - 1.0, cell % 4);
        for i in 0..FINE {
            let x = (bin as f64 + (i as f64 + 0.5) / FINE as f64) / 4.0;
            *mass += weight(a, b, k, x);
            slices.push((*mass, [a as f64, b as f64, k, x]));
        }
    }
    // Exact draws to start from, but for the width of a slice.
    let total: f64 = masses.iter().sum();
    let ends: Vec<f64> = masses
        .iter()
        .scan(0.0, |sum, mass| {
            *sum += mass;
            Some(*sum)
        })
        .collect();
    let start = rows(60_000, |rng| {
        let u = rng.uniform() * total;
        let cell = ends.partition_point(|&end| end <= u).min(masses.len() - 1);
        let left = u - (ends[cell] - masses[cell]);
        let own = &slices[cell * FINE..(cell + 1) * FINE];
        let slice = own.partition_point(|&(sum, _)| sum <= left).min(FINE - 1);
        let [a, b, k, x] = own[slice].1;
        vec![a, b, k, x + (rng.uniform() - 0.5) / (4 * FINE) as f64]
    });
    let s = Settings { boundary, temperature: TAU, ..settings(start, 4, steps, 17) };
    let sample = sample(energy, spec, s);
    let mut counts = vec![0.0; masses.len()];
    for row in sample.draws.chunks_exact(4) {
        let bin = ((row[3] * 4.0) as usize).min(3);
        counts[row[0] as usize * 40 + row[1] as usize * 20 + (row[2] + 1.0) as usize * 4 + bin] += 1.0;
    }
    chi_square(&counts, &masses)
}
