//! Probabilities that are known.

use std::sync::Arc;
use std::time::Duration;

use sondage_core::measure::{Measure, Measured, Settings, Status};
use sondage_core::question::{Energy, Localizer, Parts};
use sondage_core::space::{Bounds, Kind};

pub fn measured(question: Energy, at_most: f64, relative_error: f64, seed: u8, threads: usize) -> Measured {
    let settings = Settings {
        key: [seed; 32],
        at_most,
        by_guide: false,
        steered: true,
        relative_error,
        threads,
        foreign: false,
    };
    let mut run = Measure::new(Arc::new(question), None, None, settings).unwrap();
    while !run.advance(Duration::from_millis(20)) {}
    run.finish()
}

/// How far the mean of runs is from the truth, and how large their errors are beside those they state.
pub fn judged(p: f64, runs: u8, run: impl Fn(u8) -> Measured) -> (f64, f64) {
    let mut zs = Vec::new();
    for seed in 0..runs {
        let found = run(seed);
        if found.status != Status::Complete {
            return (f64::INFINITY, f64::INFINITY);
        }
        zs.push((found.log_p - p.ln()) / found.log_se);
    }
    let n = f64::from(runs);
    (zs.iter().sum::<f64>() / n.sqrt(), (zs.iter().map(|z| z * z).sum::<f64>() / n).sqrt())
}

/// `|x|² ≤ r²` in `[-1, 1]^d`.
pub fn ball(d: usize) -> Energy {
    let near = Localizer::new(1.0, 2, vec![0.0; d], vec![1.0; d]).unwrap();
    let bounds = Bounds::new(vec![-1.0; d], vec![1.0; d]).unwrap();
    Energy::new(Parts { localizers: vec![near], ..Parts::on(bounds) }).unwrap()
}

/// Of six dimensions and this probability: π³/6 r⁶ / 2⁶.
pub fn small_ball(p: f64, runs: u8) -> (f64, f64) {
    let r = (p * 64.0 * 6.0 / std::f64::consts::PI.powi(3)).powf(1.0 / 6.0);
    judged(p, runs, |seed| measured(ball(6), r * r, 0.1, seed, 2))
}

/// Nine dice of ten sides each: at most a sum of `c`, which many rows tie at.
pub fn dice(c: usize, runs: u8) -> (f64, f64) {
    let d = 9;
    let near = Localizer::new(1.0, 1, vec![0.0; d], vec![1.0; d]).unwrap();
    let bounds = Bounds::new(vec![0.0; d], vec![9.0; d]).unwrap().with_kinds(vec![Kind::Integer; d]).unwrap();
    let energy =
        || Energy::new(Parts { localizers: vec![near.clone()], ..Parts::on(bounds.clone()) }).unwrap();
    // Ways to reach each sum.
    let mut ways = vec![1.0];
    for _ in 0..d {
        let mut next = vec![0.0; ways.len() + 9];
        for (sum, n) in ways.iter().enumerate() {
            for side in 0..10 {
                next[sum + side] += n;
            }
        }
        ways = next;
    }
    let p = ways[..=c].iter().sum::<f64>() / 10.0_f64.powi(d as i32);
    judged(p, runs, |seed| measured(energy(), c as f64, 0.1, seed, 2))
}
