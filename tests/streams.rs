//! The same seed gives the same bytes, whatever else runs beside a chain.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{energy, output_as_energy};
use sondage_core::drift::{Drift, Noise};
use sondage_core::driver::{Ladder, Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::{TreeEnsemble, TreeParts};
use sondage_core::question::{Energy, Localizer};
use sondage_core::rng::{Purpose, stream};
use sondage_core::simd::Level;
use sondage_core::space::Boundary;

/// Sixty random trees of six leaves: chains that lie apart see different trees move at every cut.
fn question() -> Energy {
    let mut rng = stream(&[77; 32], Purpose::Start, 0);
    let mut parts =
        TreeParts { n_features: 2, n_outputs: 1, base: vec![0.0], divisor: 60.0, ..TreeParts::default() };
    for _ in 0..60 {
        let root = parts.feature.len() as i64;
        parts.roots.push(root);
        parts.first_output.push(0);
        for node in 0..11 {
            let split = node < 5;
            parts.feature.push(if rng.uniform() < 0.5 { 0 } else { 1 });
            parts.cut.push(rng.uniform());
            parts.left.push(if split { root + 2 * node + 1 } else { -1 });
            parts.right.push(if split { root + 2 * node + 2 } else { -1 });
            parts.value.push(rng.normal());
        }
    }
    let near = Localizer::new(0.5, 1, vec![0.3, 0.6], vec![1.0, 1.0]).unwrap();
    energy(&[(0.0, 1.0); 2], Some(TreeEnsemble::new(parts).unwrap()), vec![output_as_energy()], vec![near])
}

fn kernels() -> Vec<Spec> {
    let smoothed = |noise| Drift::Smoothed { sigma: None, directions: 2, noise };
    let mala = |drift| Spec::Mala { step: None, drift, precondition: true };
    vec![
        Spec::RandomWalk { scale: None },
        Spec::Conditional,
        mala(Drift::ClosedForm { sigma: None }),
        mala(smoothed(Noise::Shared)),
        mala(smoothed(Noise::Frozen)),
        mala(smoothed(Noise::Fresh)),
        Spec::Cycle {
            kernels: vec![Spec::Conditional, Spec::RandomWalk { scale: Some(0.5) }],
            repeats: vec![1, 3],
        },
        Spec::Mixture {
            kernels: vec![Spec::Conditional, Spec::RandomWalk { scale: None }],
            weights: vec![1.0, 2.0],
        },
    ]
}

fn settings(chains: usize, threads: usize) -> Settings {
    Settings {
        key: [5; 32],
        chains,
        temperature: 0.3,
        warmup: 60,
        draws: 40,
        thin: 2,
        boundary: Boundary::Reflect,
        threads,
        start: None,
    }
}

fn run(energy: Energy, spec: &Spec, settings: Settings, slice: Duration) -> Sample {
    let mut run = Run::new(Arc::new(energy), spec.clone(), settings).unwrap();
    while !run.advance(slice) {}
    run.finish()
}

/// At several temperatures; with `every`, one sample after the other.
fn tempered(
    spec: &Spec,
    settings: Settings,
    every: bool,
    slice: Duration,
    energy: Energy,
) -> (Vec<Sample>, Vec<u64>) {
    let ladder = Ladder { temperatures: vec![0.3, 0.5, 1.1, 4.0], every };
    let mut run = Run::tempered(Arc::new(energy), spec.clone(), settings, &ladder).unwrap();
    while !run.advance(slice) {}
    let samples = run.finish_all();
    let temperatures = bits(&samples[0].ladder.as_ref().unwrap().temperatures);
    (samples, temperatures)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn threads_and_time_slices_change_nothing() {
    for spec in kernels() {
        let one = run(question(), &spec, settings(19, 1), Duration::from_secs(1));
        for threads in [2, 4] {
            let many = run(question(), &spec, settings(19, threads), Duration::from_micros(200));
            assert_eq!(bits(&one.draws), bits(&many.draws), "{spec:?} on {threads} threads");
            assert_eq!(bits(&one.energies), bits(&many.energies));
        }
    }
}

#[test]
fn a_chain_does_not_depend_on_its_neighbours() {
    for spec in kernels() {
        let few = run(question(), &spec, settings(3, 1), Duration::from_secs(1));
        let many = run(question(), &spec, settings(64, 2), Duration::from_secs(1));
        assert_eq!(bits(&few.draws), bits(&many.draws[..few.draws.len()]), "{spec:?}");
    }
}

#[test]
fn every_instruction_set_gives_the_same_bytes() {
    for spec in kernels() {
        let best = run(question(), &spec, settings(5, 1), Duration::from_secs(1));
        for level in Level::available() {
            let other = run(question().at_level(level), &spec, settings(5, 1), Duration::from_secs(1));
            assert_eq!(bits(&best.draws), bits(&other.draws), "{spec:?} at {level:?}");
        }
    }
}

#[test]
fn chains_are_pairwise_different_and_neighbouring_keys_share_none() {
    for spec in kernels() {
        let a = run(question(), &spec, settings(8, 1), Duration::from_secs(1));
        let mut key = [5; 32];
        key[0] = 6;
        let b = run(question(), &spec, Settings { key, ..settings(8, 1) }, Duration::from_secs(1));
        let mut chains: Vec<Vec<u64>> = a.draws.chunks(80).chain(b.draws.chunks(80)).map(bits).collect();
        chains.sort();
        chains.dedup();
        assert_eq!(chains.len(), 16, "{spec:?}");
    }
}

#[test]
fn kept_energies_are_those_of_the_kept_rows() {
    for spec in kernels() {
        let sample = run(question(), &spec, settings(8, 1), Duration::from_secs(1));
        let again = question().evaluate(&sample.draws).unwrap();
        assert_eq!(bits(&sample.energies), bits(&again), "{spec:?}");
    }
}

#[test]
fn exchanges_depend_on_threads_slices_neighbours_and_instruction_sets_no_more() {
    let second = Duration::from_secs(1);
    for spec in kernels() {
        for every in [false, true] {
            let (all, ladder) = tempered(&spec, settings(19, 1), every, second, question());
            assert_eq!(all.len(), if every { 4 } else { 1 });
            let moved = ladder != bits(&[0.3, 0.5, 1.1, 4.0]);
            assert!(moved != every, "{spec:?}: what is answered stays, the rest is placed by a pilot");
            for (chains, threads, micros) in [(19, 3, 200), (3, 1, 50), (64, 2, 1_000_000)] {
                let slice = Duration::from_micros(micros);
                let (some, same) = tempered(&spec, settings(chains, threads), every, slice, question());
                assert_eq!(ladder, same, "{spec:?}");
                for (a, b) in all.iter().zip(&some) {
                    let n = a.draws.len().min(b.draws.len());
                    assert_eq!(bits(&a.draws[..n]), bits(&b.draws[..n]), "{spec:?} {chains} {threads}");
                    let (a, b) = (a.ladder.as_ref().unwrap(), b.ladder.as_ref().unwrap());
                    for (a, b) in a.stones.iter().chain(&a.swaps).zip(b.stones.iter().chain(&b.swaps)) {
                        let n = a.len().min(b.len());
                        assert_eq!(bits(&a[..n]), bits(&b[..n]));
                    }
                }
            }
            for level in Level::available() {
                let (other, same) =
                    tempered(&spec, settings(19, 1), every, second, question().at_level(level));
                assert_eq!(ladder, same, "{level:?}");
                for (a, b) in all.iter().zip(&other) {
                    assert_eq!(bits(&a.draws), bits(&b.draws), "{spec:?} at {level:?}");
                }
            }
            for sample in &all {
                let again = question().evaluate(&sample.draws).unwrap();
                assert_eq!(bits(&sample.energies), bits(&again), "{spec:?}");
            }
        }
    }
}

#[test]
fn a_ladder_of_one_temperature_is_a_plain_run() {
    for spec in kernels() {
        let plain = run(question(), &spec, settings(11, 1), Duration::from_secs(1));
        let ladder = Ladder { temperatures: vec![0.3], every: true };
        let mut one = Run::tempered(Arc::new(question()), spec.clone(), settings(11, 1), &ladder).unwrap();
        while !one.advance(Duration::from_secs(1)) {}
        let one = one.finish();
        assert!(one.ladder.is_none());
        assert_eq!(bits(&plain.draws), bits(&one.draws), "{spec:?}");
    }
}
