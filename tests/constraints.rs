//! Conditions on several columns: kernels against exact laws on what they leave of a space, and starts in it
//! (MATH.md section 11, item 5).
//!
//! Bounds: a χ² score (as a normal one) above 4 has probability 3e-5, a Kolmogorov score above 2.2 about 1e-4. Seeds
//! are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use std::sync::Arc;

use common::mixed::{MixedModel, constrained_table, shares};
use common::{chi_square, kolmogorov, sample, settings};
use sondage_core::drift::{Drift, Noise};
use sondage_core::driver::{Run, Sample, Settings};
use sondage_core::error::Error;
use sondage_core::kernel::Spec;
use sondage_core::question::{Energy, Localizer, Parts};
use sondage_core::rng::{Purpose, Stream, stream};
use sondage_core::space::{Boundary, Bounds, Constraint, Kind, Step};

use Step::{Abs, Add, AtMost, Column, Constant, Multiply, Subtract};

const Z: f64 = 4.0;
const KOLMOGOROV: f64 = 2.2;

const MALA: Spec = Spec::Mala { step: Some(0.2), drift: Drift::Gradient, precondition: true };

const BARKER: Spec = Spec::Barker { step: Some(0.2) };

fn walk(scale: f64) -> Spec {
    Spec::RandomWalk { scale: Some(scale) }
}

fn cycle(kernels: Vec<Spec>) -> Spec {
    let repeats = vec![1; kernels.len()];
    Spec::Cycle { kernels, repeats }
}

fn constraint(steps: &[Step], n: usize) -> Arc<Constraint> {
    Arc::new(Constraint::new(format!("{steps:?}"), steps, n).unwrap())
}

/// Exact draws by rejection, on a stream that no run uses.
fn drawn(n: usize, mut row: impl FnMut(&mut Stream) -> Option<Vec<f64>>) -> Vec<f64> {
    let mut rng = stream(&[201; 32], Purpose::Start, 0);
    (0..n).flat_map(|_| (0..).find_map(|_| row(&mut rng)).unwrap()).collect()
}

fn column(sample: &Sample, d: usize) -> Vec<f64> {
    sample.draws.iter().skip(d).step_by(sample.columns).copied().collect()
}

#[test]
fn mixed_columns_under_constraints() {
    let smoothed = Drift::Smoothed { sigma: Some(0.2), directions: 4, noise: Noise::Shared };
    let smoothed = Spec::Mala { step: Some(0.3), drift: smoothed, precondition: true };
    let cases = [
        (MixedModel::Trees, Spec::Conditional, 6),
        (MixedModel::Trees, walk(0.4), 40),
        (MixedModel::Trees, cycle(vec![Spec::Conditional, walk(0.5), smoothed]), 6),
        (MixedModel::Smooth, cycle(vec![Spec::Conditional, MALA]), 10),
        (MixedModel::Smooth, cycle(vec![Spec::Conditional, BARKER]), 10),
        (MixedModel::Smooth, cycle(vec![Spec::Conditional, walk(0.5)]), 8),
    ];
    for (model, spec, steps) in cases {
        let z = constrained_table(model, &spec, Boundary::Reflect, steps);
        assert!(z < Z, "{model:?} {spec:?}: {z}");
    }
}

/// Uniform on `x + y + z <= 1`: each column is below t with probability `1 − (1 − t)³`.
#[test]
fn uniform_below_a_sum() {
    let start = drawn(40_000, |rng| {
        let row: Vec<f64> = (0..3).map(|_| rng.uniform()).collect();
        (row.iter().sum::<f64>() <= 1.0).then_some(row)
    });
    let steps = [Column(0), Column(1), Add, Column(2), Add, Constant(1.0), AtMost];
    for (spec, n) in [(Spec::Conditional, 4), (walk(0.2), 30), (MALA, 30), (BARKER, 30)] {
        let bounds = Bounds::new(vec![0.0; 3], vec![1.0; 3]).unwrap();
        let energy =
            Energy::new(Parts { constraints: vec![constraint(&steps, 3)], ..Parts::on(bounds) }).unwrap();
        let sample = sample(energy, &spec, settings(start.clone(), 3, n, 5));
        for row in sample.draws.chunks_exact(3) {
            assert!(row[0] + row[1] + row[2] <= 1.0);
        }
        for d in 0..3 {
            let score = kolmogorov(column(&sample, d), |t| 1.0 - (1.0 - t).powi(3));
            assert!(score < KOLMOGOROV, "{spec:?} column {d}: {score}");
        }
    }
}

/// Three shares whose sum is one but for a thousandth, all chains from one row: single columns hardly move, pairs do.
#[test]
fn walks_slide_along_a_sum() {
    let score = shares(&walk(0.3), 600);
    assert!(score < KOLMOGOROV, "{score}");
}

/// Uniform on the compositions of 9 into three whole numbers, where no number can move by itself.
#[test]
fn walks_slide_whole_numbers_along_an_equality() {
    let steps = [Column(0), Column(1), Add, Column(2), Add, Constant(9.0), Step::Equal];
    let bounds = Bounds::new(vec![0.0; 3], vec![9.0; 3]).unwrap().with_kinds(vec![Kind::Integer; 3]).unwrap();
    let energy =
        Energy::new(Parts { constraints: vec![constraint(&steps, 3)], ..Parts::on(bounds) }).unwrap();
    let sample = sample(energy, &walk(0.3), settings([3.0, 3.0, 3.0].repeat(20_000), 3, 300, 5));
    let mut counts = vec![0.0; 100];
    for row in sample.draws.chunks_exact(3) {
        assert_eq!(row[0] + row[1] + row[2], 9.0);
        counts[row[0] as usize * 10 + row[1] as usize] += 1.0;
    }
    let possible: Vec<f64> =
        (0..100).filter(|cell| cell / 10 + cell % 10 <= 9).map(|cell| counts[cell]).collect();
    let z = chi_square(&possible, &[1.0; 55]);
    assert!(z < Z, "{z}");
}

/// `exp(−R(x)/τ)` of x alone on `x <= y` in the unit square: x has the density `exp(−R(x)/τ) (1 − x)`.
#[test]
fn near_a_row_on_a_triangle() {
    const TAU: f64 = 0.1;
    for (power, weight, anchor) in
        [(2, 1.0, 0.4), (2, 0.02, 0.4), (2, 1.0, 1.5), (1, 0.3, 0.5), (2, 3.0, -0.2)]
    {
        let density = |x: f64| (-weight * (x - anchor).abs().powi(power as i32) / TAU).exp() * (1.0 - x);
        const GRID: usize = 4000;
        let mut cdf = vec![0.0];
        for i in 0..GRID {
            cdf.push(cdf[i] + density((i as f64 + 0.5) / GRID as f64));
        }
        let whole = cdf[GRID];
        let at = |x: f64| {
            let place = x * GRID as f64;
            let i = (place as usize).min(GRID - 1);
            (cdf[i] + (place - i as f64) * (cdf[i + 1] - cdf[i])) / whole
        };
        let most = (0..=GRID).map(|i| density(i as f64 / GRID as f64)).fold(0.0, f64::max);
        let start = drawn(40_000, |rng| {
            let x = rng.uniform();
            (rng.uniform() * most < density(x)).then(|| vec![x, x + rng.uniform() * (1.0 - x)])
        });
        for (spec, n) in [(Spec::Conditional, 3), (MALA, 20), (BARKER, 20)] {
            let bounds = Bounds::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
            let near = Localizer::new(1.0, power, vec![anchor, 0.0], vec![weight, 0.0]).unwrap();
            let energy = Energy::new(Parts {
                localizers: vec![near],
                constraints: vec![constraint(&[Column(0), Column(1), AtMost], 2)],
                ..Parts::on(bounds)
            })
            .unwrap();
            let settings = Settings { temperature: TAU, ..settings(start.clone(), 2, n, 6) };
            let score = kolmogorov(column(&sample(energy, &spec, settings), 0), at);
            assert!(score < KOLMOGOROV, "{spec:?} power {power} anchor {anchor}: {score}");
        }
    }
}

/// Whole numbers too many to be weighed one by one: `i + 100 <= j`, uniform.
#[test]
fn wide_integers_below_each_other() {
    const N: f64 = 10_000.0;
    let start = drawn(40_000, |rng| {
        let [i, j] = [0, 1].map(|_| (rng.uniform() * N).floor());
        (i + 100.0 <= j).then(|| vec![i, j])
    });
    for (near, temperature) in [(0.0, 1.0), (1e-3, 1.0)] {
        let bounds = Bounds::new(vec![0.0; 2], vec![N - 1.0; 2]).unwrap();
        let bounds = bounds.with_kinds(vec![Kind::Integer; 2]).unwrap();
        let energy = Energy::new(Parts {
            localizers: vec![Localizer::new(near, 1, vec![0.0, 0.0], vec![0.0, 1.0]).unwrap()],
            constraints: vec![constraint(&[Column(0), Constant(100.0), Add, Column(1), AtMost], 2)],
            ..Parts::on(bounds)
        })
        .unwrap();
        // Draws of j given i start from any row; those of i given j then have the law of j.
        let n = if near == 0.0 { 3 } else { 60 };
        let settings = Settings { temperature, ..settings(start.clone(), 2, n, 7) };
        let sample = sample(energy, &Spec::Conditional, settings);
        for row in sample.draws.chunks_exact(2) {
            assert!(row[0] + 100.0 <= row[1]);
        }
        let weight = |j: f64| (j - 99.0).max(0.0) * (-near * j).exp();
        let whole: f64 = (0..N as usize).map(|j| weight(j as f64)).sum();
        let mut cdf = vec![0.0];
        for j in 0..N as usize {
            cdf.push(cdf[j] + weight(j as f64) / whole);
        }
        let score = kolmogorov(column(&sample, 1), |j| 0.5 * (cdf[j as usize] + cdf[j as usize + 1]));
        assert!(score < KOLMOGOROV, "near {near}: {score}");
    }
}

fn started(n: usize, constraints: Vec<Arc<Constraint>>, kinds: Vec<Kind>) -> Result<Sample, Error> {
    let bounds = Bounds::new(vec![0.0; n], vec![9.0; n]).unwrap().with_kinds(kinds).unwrap();
    let energy = Energy::new(Parts { constraints, ..Parts::on(bounds) }).unwrap();
    let settings = Settings { start: None, chains: 20, ..settings(vec![0.0; 20 * n], n, 1, 8) };
    let mut run = Run::new(Arc::new(energy), walk(1e-4), settings)?;
    while !run.advance(std::time::Duration::from_millis(50)) {}
    Ok(run.finish())
}

#[test]
fn chains_start_in_narrow_regions() {
    // Three shares of a whole; a chain of eight numbers 1 apart; a circle's rim.
    let sum =
        [Column(0), Column(1), Add, Column(2), Add, Constant(9.0), Subtract, Abs, Constant(0.001), AtMost];
    let ladder = |kind: Kind| {
        let step = |d: usize| constraint(&[Column(d), Constant(1.0), Add, Column(d + 1), AtMost], 8);
        ((0..7).map(step).collect::<Vec<_>>(), vec![kind; 8])
    };
    let square = |d| [Column(d), Column(d), Multiply];
    let rim =
        [&square(0)[..], &square(1), &[Add, Constant(16.0), Subtract, Abs, Constant(1e-4), AtMost]].concat();
    let mut cases = vec![
        (vec![constraint(&sum, 3)], vec![Kind::Continuous; 3]),
        (vec![constraint(&rim, 2)], vec![Kind::Continuous; 2]),
    ];
    cases.extend([ladder(Kind::Continuous), ladder(Kind::Integer)]);
    for (constraints, kinds) in cases {
        let n = kinds.len();
        let sample = started(n, constraints.clone(), kinds).unwrap();
        let mut rows: Vec<&[f64]> = sample.draws.chunks_exact(n).collect();
        assert_eq!(rows.len(), 20);
        for row in &rows {
            assert!(constraints.iter().all(|c| c.admits(|d| row[d])), "{row:?}");
        }
        rows.dedup();
        assert!(rows.len() > 15, "chains start at {} rows", rows.len());
    }
}

#[test]
fn an_unreachable_region_names_what_binds() {
    let (low, high) = (
        [Column(0), Column(1), Add, Constant(5.0), AtMost],
        [Constant(6.0), Column(0), Column(1), Add, AtMost],
    );
    let own = |name: &str, steps: &[Step]| Arc::new(Constraint::new(name.into(), steps, 2).unwrap());
    let loose = own("loose", &[Column(0), Constant(8.0), AtMost]);
    let both = vec![own("low", &low), loose.clone(), own("high", &high)];
    let message = started(2, both, vec![Kind::Continuous; 2]).unwrap_err().to_string();
    assert!(message.contains("none met both \"low\" and \"high\" (rows that met each: "), "{message}");
    // x − x² is at most 1/4, which ranges do not see.
    let never = [Constant(0.3), Column(0), Column(0), Column(0), Multiply, Subtract, AtMost];
    let message =
        started(2, vec![loose, own("never", &never)], vec![Kind::Continuous; 2]).unwrap_err().to_string();
    assert!(message.contains("none met \"never\""), "{message}");
    assert!(message.contains("\"never\": 0)"), "{message}");
}

#[test]
fn a_given_start_must_meet_constraints() {
    let bounds = Bounds::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let constraints =
        vec![Arc::new(Constraint::new("x <= y".into(), &[Column(0), Column(1), AtMost], 2).unwrap())];
    let energy = Energy::new(Parts { constraints, ..Parts::on(bounds) }).unwrap();
    let run = Run::new(Arc::new(energy), walk(0.1), settings(vec![0.1, 0.2, 0.3, 0.2], 2, 1, 9));
    let error = run.err().unwrap();
    assert!(error.to_string().contains("start of chain 1 breaks the constraint \"x <= y\""), "{error}");
}
