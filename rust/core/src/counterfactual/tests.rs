//! The chains of queries against whole tables (MATH.md section 11, item 5).

use std::sync::Arc;

use super::block::Block;
use super::{Query, Search, Settings};
use crate::model::Graph;
use crate::model::graph::{Matrix, Op};
use crate::model::tree::{TreeEnsemble, TreeParts};
use crate::question::{Energy, Loss, Parts, Term};
use crate::simd::LANES;
use crate::space::{Bounds, Constraint, Kind, Reference, Step};

const HOME: [f64; 3] = [0.0, 1.0, 0.3];
const COST: f64 = 1.0;
const BAND: (f64, f64) = (0.45, 1.25);
/// Bins of the continuous column.
const BINS: usize = 4;
/// Levels × whole numbers × (unchanged, bins).
const CELLS: usize = 3 * 5 * (1 + BINS);

/// Probabilities of a level given whether the number is above 1.5, of numbers to 1.5 and above, and of the parts of
/// the unit interval to a quarter and above.
const GIVEN: [[f64; 3]; 2] = [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]];
const NUMBERS: [f64; 2] = [0.4, 0.6];
const PARTS: [f64; 2] = [0.5, 0.5];

fn base(level: f64, number: f64, x: f64) -> f64 {
    let (high, far) = (usize::from(number > 1.5), usize::from(x > 0.25));
    GIVEN[high][level as usize] * NUMBERS[high] / [2.0, 3.0][high] * PARTS[far] / [0.25, 0.75][far]
}

fn reference() -> Reference {
    let logs = |shares: &[f64], measures: &[f64]| -> Vec<f64> {
        shares.iter().zip(measures.iter().cycle()).map(|(p, m)| (p / m).ln()).collect()
    };
    Reference::new(
        vec![vec![0.5, 1.5], vec![1.5], vec![0.25]],
        vec![Some(1), None, None],
        vec![logs(&GIVEN.concat(), &[1.0; 3]), logs(&NUMBERS, &[2.0, 3.0]), logs(&PARTS, &[0.25, 0.75])],
    )
    .unwrap()
}

fn trees() -> Graph {
    // Above 2.5 by the unit interval, else by the level.
    let parts = TreeParts {
        n_features: 3,
        n_outputs: 1,
        roots: vec![0],
        feature: vec![1, 0, 2, 0, 0, 0, 0],
        cut: vec![2.5, 0.5, 0.4, 0.0, 0.0, 0.0, 0.0],
        left: vec![1, 3, 5, -1, -1, -1, -1],
        right: vec![2, 4, 6, -1, -1, -1, -1],
        value: vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.2, 1.1],
        first_output: vec![0],
        base: vec![0.0],
        divisor: 1.0,
        missing_right: vec![false; 7],
        ..TreeParts::default()
    };
    Graph::of_trees(Arc::new(TreeEnsemble::new(parts).unwrap())).unwrap()
}

fn tree_value(level: f64, number: f64, x: f64) -> f64 {
    match (number > 2.5, level > 0.5, x > 0.4) {
        (false, false, _) => 0.0,
        (false, true, _) => 1.0,
        (true, _, false) => 0.2,
        (true, _, true) => 1.1,
    }
}

fn linear() -> Graph {
    let weights = Matrix::new(1, 3, vec![0.3, 0.25, -0.4]).unwrap();
    Graph::new(3, vec![Op::Row, Op::Linear { source: 0, weights, bias: vec![0.0] }]).unwrap()
}

fn linear_value(level: f64, number: f64, x: f64) -> f64 {
    0.3 * level + 0.25 * number - 0.4 * x
}

/// `number ≤ 3 + 2 x`, a line through bins and whole numbers.
fn limit() -> Constraint {
    use Step::{Add, AtMost, Column, Constant, Multiply};
    let steps = [Column(1), Constant(3.0), Constant(2.0), Column(2), Multiply, Add, AtMost];
    Constraint::new("number <= 3 + 2 x".into(), &steps, 3).unwrap()
}

fn within(number: f64, x: f64) -> bool {
    number <= 3.0 + 2.0 * x
}

fn search(graph: Graph, from_reference: bool, limited: bool) -> Search {
    let bounds = Bounds::new(vec![0.0, 0.0, 0.0], vec![2.0, 4.0, 1.0]).unwrap();
    let bounds = bounds.with_kinds(vec![Kind::Level, Kind::Integer, Kind::Continuous]).unwrap();
    let energy = Energy::new(Parts {
        models: vec![Arc::new(graph)],
        columns: vec![vec![0, 1, 2]],
        terms: vec![Term::new(1.0, 0, 1, Loss::RequireBand { lower: BAND.0, upper: BAND.1 })],
        reference: from_reference.then(|| (1.0, Arc::new(reference()))),
        constraints: if limited { vec![Arc::new(limit())] } else { vec![] },
        ..Parts::on(bounds)
    })
    .unwrap();
    Search::new(&energy, &Settings { n: 5, costs: vec![COST; 3], threads: 1 }).unwrap()
}

/// What every cell weighs; a query's own value by the measure of its cell times `own`.
fn table(value: fn(f64, f64, f64) -> f64, from_reference: bool, limited: bool, own: f64) -> Vec<f64> {
    let weight = |level: f64, number: f64, x: f64, own: f64| {
        let met = (BAND.0..=BAND.1).contains(&value(level, number, x)) && (!limited || within(number, x));
        let p = if from_reference { base(level, number, x) } else { 1.0 };
        let mut w = if met { p } else { 0.0 };
        // The number's own cell holds 0 and 1, or all five.
        w *= if level == HOME[0] { if from_reference { 1.0 } else { 3.0 } } else { (-COST).exp() };
        w *= if number == HOME[1] {
            if from_reference { 2.0 } else { 5.0 }
        } else {
            (-COST * (1.0 + (number - HOME[1]).abs() / 4.0)).exp()
        };
        w * if x == HOME[2] { own } else { (-COST * (1.0 + (x - HOME[2]).abs())).exp() }
    };
    let mut cells = vec![0.0; CELLS];
    for level in 0..3 {
        for number in 0..5 {
            let at = (level * 5 + number) * (1 + BINS);
            let (l, k) = (level as f64, number as f64);
            cells[at] = weight(l, k, HOME[2], own * if from_reference { 0.75 } else { 1.0 });
            for bin in 0..BINS {
                let fine = 20_000;
                let step = 1.0 / (BINS * fine) as f64;
                let x = |i: usize| bin as f64 / BINS as f64 + (i as f64 + 0.5) * step;
                cells[at + 1 + bin] = (0..fine).map(|i| step * weight(l, k, x(i), 0.0)).sum();
            }
        }
    }
    cells
}

/// Cells of the last rows of many chains of the same query.
fn counts(search: &Search, chains: usize, sweeps: usize) -> Vec<f64> {
    let (lower, upper) = ([0.0, 0.0, 0.0], [2.0, 4.0, 1.0]);
    let keys: Vec<[u8; 32]> =
        (0..chains).map(|i| std::array::from_fn(|b| (i >> (b % 4 * 8)) as u8)).collect();
    let query = |key| Query { row: &HOME, lower: &lower, upper: &upper, key };
    let mut counts = vec![0.0; CELLS];
    for keys in keys.chunks(LANES) {
        let queries: Vec<Query<'_>> = keys.iter().map(query).collect();
        for row in Block::new(search, &queries, 0).last_rows(sweeps) {
            let bin = if row[2] == HOME[2] { 0 } else { 1 + ((row[2] * BINS as f64) as usize).min(BINS - 1) };
            counts[(row[0] as usize * 5 + row[1] as usize) * (1 + BINS) + bin] += 1.0;
        }
    }
    counts
}

/// χ² as a normal score; cells without mass must be empty.
fn score(counts: &[f64], weights: &[f64]) -> f64 {
    let (n, total): (f64, f64) = (counts.iter().sum(), weights.iter().sum());
    let (mut chi, mut cells) = (0.0, -1.0);
    let (mut few, mut expected_few) = (0.0, 0.0);
    for (&count, &weight) in counts.iter().zip(weights) {
        let expected = n * weight / total;
        if weight == 0.0 {
            assert_eq!(count, 0.0);
        } else if expected < 10.0 {
            few += count;
            expected_few += expected;
        } else {
            chi += (count - expected).powi(2) / expected;
            cells += 1.0;
        }
    }
    if expected_few > 0.0 {
        chi += (few - expected_few).powi(2) / expected_few;
        cells += 1.0;
    }
    // Wilson and Hilferty.
    ((chi / cells).cbrt() - (1.0 - 2.0 / (9.0 * cells))) / (2.0_f64 / (9.0 * cells)).sqrt()
}

#[test]
fn chains_follow_the_stated_law() {
    for (graph, value, stepwise) in [
        (trees as fn() -> Graph, tree_value as fn(f64, f64, f64) -> f64, true),
        (linear, linear_value, false),
    ] {
        for (from_reference, limited) in [(false, false), (true, false), (true, true)] {
            let search = search(graph(), from_reference, limited);
            assert_eq!(search.hard.stepwise(), stepwise);
            let found = counts(&search, 20_000, 40);
            let what = format!("trees {stepwise} reference {from_reference} limited {limited}");
            let z = score(&found, &table(value, from_reference, limited, 1.0));
            assert!(z < 4.0, "{what}: {z}");
            // A query's own value of another weight would be noticed.
            let other = score(&found, &table(value, from_reference, limited, 1.3));
            assert!(other > 6.0, "{what}: {other}");
        }
    }
}

#[test]
fn what_a_query_gets_depends_on_itself_alone() {
    for limited in [false, true] {
        answers_alone_and_together(&search(trees(), true, limited), limited);
    }
}

fn answers_alone_and_together(search: &Search, limited: bool) {
    let rows = [HOME, [0.0, 2.0, 0.9], [0.0, 0.0, 0.1], [0.0, 3.0, 0.2], [0.0, 1.0, 0.6]];
    let (lower, upper) = ([0.0, 0.0, 0.0], [2.0, 4.0, 1.0]);
    let keys: Vec<[u8; 32]> = (0..rows.len() as u8).map(|i| [i; 32]).collect();
    let query = |i: usize| Query { row: &rows[i], lower: &lower, upper: &upper, key: &keys[i] };
    let together = search.run(&(0..rows.len()).map(query).collect::<Vec<_>>()).unwrap();
    for (i, found) in together.iter().enumerate() {
        assert_eq!(&search.run(&[query(i)]).unwrap()[0], found);
        let mut others: Vec<Query<'_>> = (0..17).map(|k| query(k % rows.len())).collect();
        others.push(query(i));
        assert_eq!(&search.run(&others).unwrap()[17], found);
        for row in &found.rows {
            assert!((BAND.0..=BAND.1).contains(&tree_value(row[0], row[1], row[2])));
            assert!(!limited || within(row[1], row[2]), "{row:?}");
        }
        assert!(found.rows.len() >= 2);
    }
    // Only the part of the unit interval can change, and most of what is near breaks the condition.
    let (row, lower, upper) = ([0.0, 4.0, 0.3], [0.0, 4.0, 0.0], [0.0, 4.0, 1.0]);
    let many: Vec<[u8; 32]> = (0..40).map(|i| [i; 32]).collect();
    let queries: Vec<_> =
        many.iter().map(|key| Query { row: &row, lower: &lower, upper: &upper, key }).collect();
    for found in search.run(&queries).unwrap() {
        assert_eq!(found.rows.len(), 5);
        for row in &found.rows {
            assert!(row[2] > 0.4 && (!limited || within(row[1], row[2])), "{row:?}");
        }
    }
    // Bounds around a query hold, and what cannot be is not found.
    let narrow = Query { lower: &HOME, upper: &[0.0, 2.0, 1.0], ..query(0) };
    let none = &search.run(&[narrow]).unwrap()[0];
    assert!(none.rows.is_empty() && none.nearest.len() == 3);
    assert!(search.run(&[Query { row: &[0.0, 9.0, 0.3], ..query(0) }]).is_err());
}
