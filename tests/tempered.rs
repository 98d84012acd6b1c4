//! Replica exchange (MATH.md 3.7): exact at every temperature, and the ladder that a pilot places.
//!
//! The matrix of one exchange is checked where it is defined (`driver/exchange.rs`). Bounds: a |z| above 4 has
//! probability 6e-5, a Kolmogorov score above 2.2 1.3e-4. Seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use std::sync::Arc;

use common::ladder::{TEMPERATURES, ladder, log_evidence, normals, occupancies, run, score, stone, wells};
use common::{energy, settings};
use sondage_core::drift::{Drift, Noise};
use sondage_core::driver::{Ladder, Run, Settings, base_rows};
use sondage_core::error::Error;
use sondage_core::kernel::Spec;
use sondage_core::question::Localizer;

const Z: f64 = 4.0;
const KOLMOGOROV: f64 = 2.2;
const WALK: Spec = Spec::RandomWalk { scale: Some(0.2) };

#[test]
fn wells_behind_a_barrier_have_their_share_at_every_temperature() {
    let kernels = [
        WALK,
        Spec::RandomWalk { scale: None },
        Spec::Conditional,
        Spec::Independence,
        Spec::Cycle { kernels: vec![Spec::Conditional, WALK], repeats: vec![1, 2] },
        Spec::Mixture { kernels: vec![Spec::Conditional, WALK], weights: vec![1.0, 2.0] },
    ];
    for spec in kernels {
        for referenced in [false, true] {
            let z = occupancies(&spec, referenced, 8_000, 300);
            assert!(z < Z, "{spec:?} with a reference {referenced}: {z}");
        }
    }
}

#[test]
fn gradients_go_with_the_rows_that_are_exchanged() {
    let mala = |step| Spec::Mala { step, drift: Drift::Gradient, precondition: true };
    let estimated = Drift::Smoothed { sigma: Some(0.2), directions: 3, noise: Noise::Frozen };
    for spec in [
        mala(Some(0.5)),
        mala(None),
        Spec::Mala { step: Some(0.5), drift: estimated, precondition: true },
        Spec::Barker { step: Some(0.5) },
        Spec::Barker { step: None },
        Spec::Cycle { kernels: vec![mala(Some(0.5)), WALK], repeats: vec![2, 1] },
    ] {
        let score = normals(&spec, 20_000, 100);
        assert!(score < KOLMOGOROV, "{spec:?}: {score}");
    }
}

#[test]
fn chains_at_one_temperature_keep_the_shares_of_their_starts() {
    let s = settings(vec![0.0; 8_000], 1, 300, 31);
    let s = Settings { temperature: TEMPERATURES[0], start: None, ..s };
    let alone = Ladder { temperatures: vec![TEMPERATURES[0]], every: false };
    let walk = Spec::RandomWalk { scale: Some(0.02) };
    let samples = run(wells(false), &walk, s, &alone);
    assert!(samples[0].ladder.is_none());
    let z = score(&samples[0], false, TEMPERATURES[0]);
    assert!(z > 10.0, "the oracle does not bite: {z}");
}

#[test]
fn stones_give_the_ratios_of_normalising_constants() {
    for referenced in [false, true] {
        let s = settings(vec![0.0; 400], 1, 200, 32);
        let s = Settings { temperature: TEMPERATURES[0], start: None, draws: 200, ..s };
        let samples = run(wells(referenced), &WALK, s, &ladder(true));
        let report = samples[0].ladder.as_ref().unwrap();
        assert_eq!(report.temperatures, TEMPERATURES);
        for k in 0..2 {
            let (log, error) = stone(report, k);
            let exact =
                log_evidence(referenced, TEMPERATURES[k]) - log_evidence(referenced, TEMPERATURES[k + 1]);
            let z = (log - exact) / error;
            assert!(error < 0.05 && z.abs() < Z, "{referenced} {k}: {log} ± {error}, exactly {exact}");
        }
        assert!(report.round_trips.iter().all(|&trips| trips > 3));
        assert_eq!((report.swaps.len(), report.swaps[0].len()), (2, 400));
        assert!(report.swaps.iter().flatten().all(|&share| share > 0.2 && share <= 1.0));
    }
}

#[test]
fn a_pilot_makes_neighbours_refuse_equally_often() {
    let near = Localizer::new(1.0, 2, vec![0.5; 6], vec![1.0; 6]).unwrap();
    let question = || energy(&[(0.0, 1.0); 6], None, vec![], vec![near.clone()]);
    let clumped = Ladder { temperatures: vec![0.001, 0.0011, 0.0012, 0.0013, 0.0014, 0.5], every: false };
    let s =
        Settings { temperature: 0.001, start: None, draws: 500, ..settings(vec![0.0; 8 * 6], 6, 400, 33) };
    let worst = |ladder: &Ladder, warmup: u64| {
        let samples = run(question(), &Spec::Conditional, Settings { warmup, ..s.clone() }, ladder);
        let report = samples[0].ladder.clone().unwrap();
        let rates: Vec<f64> = report.swaps.iter().map(|of| of.iter().sum::<f64>() / 8.0).collect();
        let (low, high) = rates.iter().fold((1.0_f64, 0.0_f64), |(l, h), &r| (l.min(r), h.max(r)));
        (report.temperatures, low, high)
    };
    // Too short a warm-up leaves the ladder as it is.
    let (kept, low, high) = worst(&clumped, 15);
    assert_eq!(kept, clumped.temperatures);
    assert!(low < 0.02 && high > 0.8, "{low} {high}");
    let (moved, low, high) = worst(&clumped, 400);
    assert_eq!((moved[0], moved[5]), (0.001, 0.5));
    assert!(moved.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(low > 0.15 && high - low < 0.12, "{moved:?}: {low} to {high}");
    // Rungs that are answered stay where they were asked for.
    let asked = Ladder { every: true, ..clumped.clone() };
    assert_eq!(worst(&asked, 400).0, clumped.temperatures);
}

#[test]
fn rows_of_the_base_measure_are_independent_draws_of_it() {
    for referenced in [false, true] {
        let question = wells(referenced);
        let (mut hits, chains, n) = (0.0, 20, 2_000);
        for chain in 0..chains {
            let rows = base_rows(&question, &[3; 32], chain, n);
            assert_eq!(rows.len(), n);
            hits += rows.iter().filter(|&&x| x <= 0.4).count() as f64;
        }
        let (p, all) = (if referenced { 0.9 } else { 0.4 }, (chains * n as u64) as f64);
        let z = (hits - all * p) / (all * p * (1.0 - p)).sqrt();
        assert!(z.abs() < Z, "{referenced}: {z}");
    }
    assert_ne!(base_rows(&wells(false), &[3; 32], 0, 5), base_rows(&wells(false), &[3; 32], 1, 5));
}

#[test]
fn ladders_that_do_not_ascend_from_the_runs_temperature_are_refused() {
    let s = Settings { temperature: 0.25, start: None, ..settings(vec![0.0; 2], 1, 5, 34) };
    for temperatures in
        [vec![], vec![0.3, 0.5], vec![0.25, 0.25], vec![0.25, f64::INFINITY], vec![0.25, f64::NAN]]
    {
        let ladder = Ladder { temperatures, every: false };
        let refused = Run::tempered(Arc::new(wells(false)), WALK, s.clone(), &ladder);
        assert!(matches!(refused.err(), Some(Error::Sampling(_))), "{ladder:?}");
    }
}
