//! The transition matrix of each column's draw on a finite space: the law is invariant to 1e-12 (MATH.md section 11,
//! item 5), for sums of trees and for models that are evaluated at every value.

use std::sync::Arc;

use super::{Conditional, Reply, State, Streams, Target};
use crate::adapt::Phase;
use crate::model::graph::{Activation, Feature, Matrix, Op};
use crate::model::{Graph, TreeEnsemble, TreeParts};
use crate::question::{Energy, Localizer, Loss, Parts, Term, Workspace};
use crate::simd::{LANES, Lanes, Level};
use crate::space::{Base, Boundary, Bounds, Constraint, Kind, Lookup, Reference, Step};

const TEMPERATURE: f64 = 0.4;
const COUNTS: [usize; 3] = [3, 2, 5];
/// The codes that the model has for the levels of column 0.
const CODES: [f64; 3] = [4.0, 0.0, 2.0];

fn trees() -> Graph {
    let ensemble = TreeEnsemble::new(TreeParts {
        n_features: 3,
        n_outputs: 1,
        roots: vec![0, 5],
        feature: vec![0, 0, 2, 0, 0, 1, 2, 0, 0, 0, 0, 0],
        cut: vec![0.0, 0.0, 1.5, 0.0, 0.0, 0.5, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0],
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
    Graph::of_trees(Arc::new(ensemble.unwrap())).unwrap()
}

/// The trees' sum where the levels have the model's codes.
fn trees_by_hand(code: f64, b: f64, k: f64) -> f64 {
    let first = if code == 2.0 || code == 4.0 { if k > 1.5 { 0.8 } else { -0.5 } } else { 0.3 };
    let second = match (b > 0.5, k > 3.0) {
        (false, false) => 0.1,
        (false, true) => 0.9,
        (true, _) if code == 0.0 => 0.6,
        (true, _) => -0.2,
    };
    first + second
}

fn net() -> Graph {
    let table = |column, values: &[f64]| Feature::Table {
        column,
        values: values.to_vec(),
        unknown: 9.0,
        missing: 9.0,
    };
    let features = vec![
        table(0, &[0.4, 9.0, -1.0, 9.0, 1.5]),
        table(1, &[-0.3, 0.7]),
        Feature::Chain { column: 2, steps: vec![] },
    ];
    let hidden = Matrix::new(2, 3, vec![0.5, 1.0, -0.2, -0.6, 0.3, 0.4]).unwrap();
    let out = Matrix::new(1, 2, vec![1.2, -0.7]).unwrap();
    let ops = vec![
        Op::Row,
        Op::Encode(features),
        Op::Linear { source: 1, weights: hidden, bias: vec![0.1, -0.2] },
        Op::Activation { source: 2, kind: Activation::Tanh },
        Op::Linear { source: 3, weights: out, bias: vec![0.0] },
    ];
    Graph::new(3, ops).unwrap()
}

fn net_by_hand(code: f64, b: f64, k: f64) -> f64 {
    let a = [0.4, 9.0, -1.0, 9.0, 1.5][code as usize];
    let b = [-0.3, 0.7][b as usize];
    let hidden = [0.5 * a + b - 0.2 * k + 0.1, -0.6 * a + 0.3 * b + 0.4 * k - 0.2];
    1.2 * hidden[0].tanh() - 0.7 * hidden[1].tanh()
}

fn energy(model: Graph, node: usize, reference: Option<Reference>) -> Energy {
    constrained(model, node, reference, vec![])
}

fn constrained(
    model: Graph,
    node: usize,
    reference: Option<Reference>,
    constraints: Vec<Arc<Constraint>>,
) -> Energy {
    let bounds = Bounds::new(vec![0.0; 3], COUNTS.map(|n| n as f64 - 1.0).to_vec()).unwrap();
    let bounds = bounds.with_kinds(vec![Kind::Level, Kind::Level, Kind::Integer]).unwrap();
    Energy::new(Parts {
        lookups: vec![Lookup::new(0, 0.0, CODES.to_vec()).unwrap()],
        models: vec![Arc::new(model)],
        columns: vec![vec![3, 1, 2]],
        terms: vec![Term::new(0.8, 0, node, Loss::Value)],
        localizers: vec![Localizer::new(0.3, 1, vec![2.0, 0.0, 3.0], vec![1.0, 2.0, 0.5]).unwrap()],
        reference: reference.map(|reference| (TEMPERATURE, Arc::new(reference))),
        constraints,
        ..Parts::on(bounds)
    })
    .unwrap()
}

fn rows() -> Vec<[usize; 3]> {
    let [a, b, c] = COUNTS;
    (0..a * b * c).map(|i| [i / (b * c), i / c % b, i % c]).collect()
}

fn lanes(row: [usize; 3]) -> Vec<Lanes<f64>> {
    row.iter().map(|&x| Lanes::splat(x as f64)).collect()
}

/// Column 0 has no parent, the others have it; the integer has three cells.
fn tables() -> [Vec<f64>; 3] {
    [
        vec![0.2, 0.5, 0.3],
        vec![0.9, 0.1, 0.4, 0.6, 0.25, 0.75],
        vec![0.1, 0.2, 0.05, 0.3, 0.1, 0.1, 0.02, 0.6, 0.15],
    ]
}

fn reference() -> Reference {
    let cuts = vec![vec![0.5, 1.5], vec![0.5], vec![1.5, 2.5]];
    let logs = tables().map(|table| table.iter().map(|p: &f64| p.ln()).collect()).to_vec();
    Reference::new(cuts, vec![None, Some(0), Some(0)], logs).unwrap()
}

/// The base measure, written out.
fn reference_by_hand([a, b, c]: [usize; 3]) -> f64 {
    let [first, second, third] = tables();
    first[a] * second[2 * a + b] * third[3 * a + usize::from(c > 1) + usize::from(c > 2)]
}

fn law(by_hand: fn(f64, f64, f64) -> f64, base: fn([usize; 3]) -> f64) -> Vec<f64> {
    let weights: Vec<f64> = rows()
        .iter()
        .map(|&[a, b, c]| {
            let near = 0.3
                * (f64::from(u8::from(a != 2))
                    + 2.0 * f64::from(u8::from(b != 0))
                    + 0.5 * (c as f64 - 3.0).abs());
            let g = 0.8 * by_hand(CODES[a], b as f64, c as f64) + near;
            base([a, b, c]) * (-g / TEMPERATURE).exp()
        })
        .collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// Row by row, where a draw of column `position` leads from `row`; the columns before it stay.
fn leads(energy: &Energy, target: &Target, row: [usize; 3], position: usize) -> Vec<f64> {
    let x = lanes(row);
    let mut workspace = Workspace::default();
    let mut energies = Vec::new();
    energy.begin_sweep(&x, false, &mut workspace);
    for d in 0..=position {
        energy.slice(d, &x, &mut workspace, &mut energies);
        if d < position {
            let cell = workspace
                .slice
                .first
                .partition_point(|&first| first as usize <= interval(energy, target, d, row));
            energy.commit(d, &x[d], &Lanes::splat(cell as u64 - 1), &mut workspace);
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
    let n = target.measures[position].1.log_masses().len();
    kernel.probabilities(n, LANES - 1)
}

/// The interval that holds a row's value.
fn interval(energy: &Energy, target: &Target, d: usize, row: [usize; 3]) -> usize {
    let n = target.measures[d].1.log_masses().len();
    let below = || energy.forest().cuts(d).iter().filter(|&&cut| row[d] as f64 > cut).count();
    if n == COUNTS[d] { row[d] } else { below() }
}

fn invariant(energy: &Energy, by_hand: fn(f64, f64, f64) -> f64, base: fn([usize; 3]) -> f64) {
    let target = Target {
        bounds: energy.bounds().clone(),
        constraints: energy.constraints().to_vec(),
        base: Base::new(energy.bounds().clone(), energy.reference()),
        temperature: TEMPERATURE,
        boundary: Boundary::Reflect,
        measures: energy.drawn(TEMPERATURE),
        level: Level::detect(),
    };
    let (pi, rows) = (law(by_hand, base), rows());
    for (position, (d, measure)) in target.measures.iter().enumerate() {
        assert_eq!(position, *d);
        let mut arrives = vec![0.0; rows.len()];
        // A chain is never at a row without probability.
        for (row, p) in rows.iter().zip(&pi).filter(|&(_, &p)| p > 0.0) {
            let shares = leads(energy, &target, *row, position);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (to, q) in rows.iter().zip(&mut arrives) {
                if (0..3).all(|c| c == *d || to[c] == row[c]) {
                    let at = interval(energy, &target, *d, *to);
                    // Within an interval, by the localizer's weights.
                    let own = |k: usize| match (*d, measure.log_masses().len() == COUNTS[*d]) {
                        (2, false) => (-0.3 * 0.5 * (k as f64 - 3.0).abs() / TEMPERATURE).exp(),
                        _ => 1.0,
                    };
                    let inside: f64 = (0..COUNTS[*d])
                        .filter(|&k| {
                            let mut other = *to;
                            other[*d] = k;
                            interval(energy, &target, *d, other) == at
                        })
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
fn draws_from_sums_of_trees_leave_the_law() {
    let energy = energy(trees(), 1, None);
    assert!(energy.stepwise());
    invariant(&energy, trees_by_hand, |_| 1.0);
}

#[test]
fn draws_at_every_value_leave_the_law() {
    let energy = energy(net(), 4, None);
    assert!(!energy.stepwise());
    invariant(&energy, net_by_hand, |_| 1.0);
}

#[test]
fn draws_with_a_reference_leave_the_law() {
    invariant(&energy(trees(), 1, Some(reference())), trees_by_hand, reference_by_hand);
    invariant(&energy(net(), 4, Some(reference())), net_by_hand, reference_by_hand);
}

/// The first level allows the integer up to 1 + 2 b; the second level of b asks for a product of at most 4.
fn constraints() -> Vec<Arc<Constraint>> {
    use Step::{Add, AtMost, Column, Constant, Either, IsNot, Multiply};
    let twice = [Column(2), Constant(1.0), Constant(2.0), Column(1), Multiply, Add, AtMost];
    let first = [&[Column(0), Constant(0.0), IsNot], &twice[..], &[Either]].concat();
    let second =
        [Column(1), Constant(1.0), IsNot, Column(0), Column(2), Multiply, Constant(4.0), AtMost, Either];
    vec![
        Arc::new(Constraint::new("first".into(), &first, 3).unwrap()),
        Arc::new(Constraint::new("second".into(), &second, 3).unwrap()),
    ]
}

fn admitted([a, b, c]: [usize; 3]) -> f64 {
    f64::from(u8::from((a != 0 || c <= 1 + 2 * b) && (b != 1 || a * c <= 4)))
}

#[test]
fn draws_under_constraints_leave_the_law() {
    assert_eq!(rows().into_iter().filter(|&row| admitted(row) == 0.0).count(), 6);
    let base = |row| admitted(row) * reference_by_hand(row);
    invariant(&constrained(trees(), 1, None, constraints()), trees_by_hand, admitted);
    invariant(&constrained(trees(), 1, Some(reference()), constraints()), trees_by_hand, base);
    invariant(&constrained(net(), 4, None, constraints()), net_by_hand, admitted);
}
