//! The base measure along a line, and how measurements end.

use super::line::Line;
use super::*;
use crate::question::{Localizer, Parts};
use crate::rng::{Purpose, stream};
use crate::space::{Base, Bounds, Kind};

fn settings(at_most: f64) -> Settings {
    Settings {
        key: [3; 32],
        at_most,
        by_guide: false,
        steered: true,
        relative_error: 0.2,
        threads: 1,
        foreign: false,
    }
}

/// Squares summed over `[-1, 1]^d`.
fn squares(d: usize) -> Energy {
    let near = Localizer::new(1.0, 2, vec![0.0; d], vec![1.0; d]).unwrap();
    let bounds = Bounds::new(vec![-1.0; d], vec![1.0; d]).unwrap();
    Energy::new(Parts { localizers: vec![near], ..Parts::on(bounds) }).unwrap()
}

#[test]
fn a_line_has_each_value_where_it_is_found() {
    let kinds = vec![Kind::Continuous, Kind::Integer, Kind::Level];
    let bounds = Bounds::new(vec![-1.0, 2.0, 0.0], vec![1.0, 7.0, 2.0])
        .and_then(|bounds| bounds.with_kinds(kinds))
        .and_then(|bounds| bounds.with_missing(vec![0.5, 2.0, 0.0]))
        .unwrap();
    let base = Base::new(bounds.clone(), None);
    let mut rng = stream(&[1; 32], Purpose::Start, 0);
    let (mut line, mut row) = (Line::default(), vec![0.0; 3]);
    for _ in 0..1000 {
        base.draw_row(&mut row, &mut rng);
        for d in 0..3 {
            line.set(d, &bounds, None, &row);
            let at = line.at(row[d], &bounds, None, &mut rng);
            assert!((0.0..=line.total).contains(&at));
            let back = line.value(at, &bounds, None);
            assert!((back - row[d]).abs() < 1e-12 || back.is_nan() && row[d].is_nan(), "{back} {}", row[d]);
        }
    }
    line.set(1, &bounds, None, &row);
    assert_eq!(line.total, 8.0);
}

#[test]
fn a_line_follows_a_reference() {
    // Two columns, of which the second depends on the first: densities in cells (0, 1] of each.
    let bounds = Bounds::new(vec![0.0, 0.0], vec![1.0, 3.0])
        .and_then(|bounds| bounds.with_kinds(vec![Kind::Continuous, Kind::Integer]))
        .unwrap();
    let first = vec![(0.2_f64 / 0.5).ln(), (0.8_f64 / 0.5).ln()];
    let second = vec![(0.9_f64 / 2.0).ln(), (0.1_f64 / 2.0).ln(), (0.3_f64 / 2.0).ln(), (0.7_f64 / 2.0).ln()];
    let reference =
        Reference::new(vec![vec![0.5], vec![1.5]], vec![None, Some(0)], vec![first, second]).unwrap();
    let mut rng = stream(&[2; 32], Purpose::Start, 0);
    let mut line = Line::default();
    // Given the second column in its upper cell, the first is 0.2 · 0.1 : 0.8 · 0.7.
    line.set(0, &bounds, Some(&reference), &[0.3, 3.0]);
    let n = 20_000;
    let low = (0..n).filter(|_| line.value(rng.uniform() * line.total, &bounds, Some(&reference)) <= 0.5);
    let (share, want) = (low.count() as f64 / f64::from(n), 0.02 / 0.58);
    assert!((share - want).abs() < 4.0 * (want / f64::from(n)).sqrt(), "{share} {want}");
    for x in [0.1, 0.5, 0.9, 1.0] {
        let at = line.at(x, &bounds, Some(&reference), &mut rng);
        assert!((line.value(at, &bounds, Some(&reference)) - x).abs() < 1e-12);
    }
    line.set(1, &bounds, Some(&reference), &[0.3, 3.0]);
    for x in [0.0, 1.0, 2.0, 3.0] {
        let at = line.at(x, &bounds, Some(&reference), &mut rng);
        assert_eq!(line.value(at, &bounds, Some(&reference)), x);
    }
}

#[test]
fn asked_and_told_or_advanced() {
    let (question, level) = (Arc::new(squares(4)), 1e-3);
    let mut native = Measure::new(question.clone(), None, None, settings(level)).unwrap();
    while !native.advance(Duration::from_millis(1)) {}
    let told = Settings { foreign: true, ..settings(level) };
    let mut foreign = Measure::new(question.clone(), None, None, told).unwrap();
    while let Some(asked) = foreign.ask() {
        let energies = question.evaluate(&asked.rows).unwrap();
        assert!(foreign.tell(&energies[1..], None, None).is_err());
        foreign.tell(&energies, None, None).unwrap();
    }
    // The ball's volume is π² r⁴ / 2, of 2⁴.
    let p = std::f64::consts::PI.powi(2) / 2.0 * level * level / 16.0;
    for found in [native.finish(), foreign.finish()] {
        assert_eq!(found.status, Status::Complete);
        assert!(found.levels > 3 && !found.examples.is_empty());
        assert!((found.log_p - p.ln()).abs() < 4.0 * found.log_se, "{found:?}");
    }
}

#[test]
fn what_cannot_be_is_not_seen() {
    let mut run = Measure::new(Arc::new(squares(2)), None, None, settings(-0.5)).unwrap();
    assert_eq!(run.draws(3).len(), 6);
    while !run.advance(Duration::from_millis(50)) {}
    let (done, all) = run.progress();
    assert_eq!(done, all);
    let found = run.finish();
    assert_eq!(found.status, Status::NotSeen);
    assert_eq!((found.log_p, found.log_se), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(found.interval.0 == 0.0 && found.interval.1 < 1e-6 && found.examples.is_empty());
}
