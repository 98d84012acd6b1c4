//! A run that is saved at any moment and restored elsewhere draws what it would have drawn, to the last bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::ladder::{TEMPERATURES, wells};
use common::{energy, output_as_energy, tree};
use sondage_core::drift::{Drift, Noise};
use sondage_core::driver::{Ladder, Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::question::{Energy, Localizer};
use sondage_core::rng::{Purpose, stream};
use sondage_core::space::Boundary;

const D: usize = 2;

fn trees() -> Energy {
    let leaf = (0, 0.0, -1, -1);
    let nodes = [(0, 0.4, 1, 2), (1, 0.3, 3, 4), (1, 0.7, 5, 6), leaf, leaf, leaf, leaf];
    let values: [&[f64]; 7] = [&[0.0], &[0.0], &[0.0], &[0.4], &[1.7], &[0.0], &[2.1]];
    let near = Localizer::new(0.5, 1, vec![0.3, 0.6], vec![1.0; D]).unwrap();
    energy(&[(0.0, 1.0); D], Some(tree(D, &nodes, &values)), vec![output_as_energy()], vec![near])
}

fn smooth() -> Energy {
    let near = Localizer::new(1.0, 2, vec![0.3, 0.9], vec![1.0, 4.0]).unwrap();
    energy(&[(0.0, 1.0); D], None, vec![], vec![near])
}

fn mala(drift: Drift) -> Spec {
    Spec::Mala { step: None, drift, precondition: true }
}

fn kernels() -> Vec<(Spec, fn() -> Energy)> {
    let smoothed = |noise| mala(Drift::Smoothed { sigma: None, directions: 2, noise });
    let walk = |scale| Spec::RandomWalk { scale };
    vec![
        (walk(None), trees),
        (walk(Some(0.3)), trees),
        (Spec::Independence, trees),
        (Spec::Conditional, trees),
        (mala(Drift::ClosedForm { sigma: None }), trees),
        (smoothed(Noise::Shared), trees),
        (smoothed(Noise::Frozen), trees),
        (smoothed(Noise::Fresh), trees),
        (mala(Drift::Gradient), smooth),
        (Spec::Barker { step: None }, smooth),
        (Spec::Cycle { kernels: vec![Spec::Conditional, walk(Some(0.5))], repeats: vec![1, 3] }, trees),
        (Spec::Mixture { kernels: vec![Spec::Conditional, walk(None)], weights: vec![1.0, 2.0] }, trees),
        (Spec::Mixture { kernels: vec![mala(Drift::Gradient), walk(None)], weights: vec![1.0, 1.0] }, smooth),
    ]
}

fn settings(threads: usize) -> Settings {
    Settings {
        key: [12; 32],
        chains: 11,
        temperature: TEMPERATURES[0],
        warmup: 80,
        draws: 40,
        thin: 2,
        boundary: Boundary::Reflect,
        threads,
        start: None,
    }
}

fn ladders() -> [Ladder; 3] {
    let [one, two, three] = TEMPERATURES;
    [
        Ladder { temperatures: vec![one], every: false },
        Ladder { temperatures: vec![one, two, three], every: true },
        Ladder { temperatures: vec![one, two, three, 9.0], every: false },
    ]
}

/// A run advanced in short slices; at those that `stops` says, it is left and another one goes on from its state.
fn samples(make: &dyn Fn() -> Run, stops: impl Fn(usize) -> bool) -> Vec<Sample> {
    let mut run = make();
    for slice in 0.. {
        if stops(slice) {
            let state = run.save().unwrap().expect("a native run can be left between steps");
            assert_eq!(run.save().unwrap().as_ref(), Some(&state), "saving changes nothing");
            drop(run);
            run = make();
            run.restore(&state).unwrap();
        }
        if run.advance(Duration::from_nanos(1)) {
            break;
        }
    }
    run.finish_all()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn same(all: &[Sample], others: &[Sample], what: &str) {
    assert_eq!(all.len(), others.len(), "{what}");
    for (a, b) in all.iter().zip(others) {
        assert_eq!(bits(&a.draws), bits(&b.draws), "{what}");
        assert_eq!(bits(&a.energies), bits(&b.energies), "{what}");
        assert_eq!((a.n, &a.nonfinite, &a.steps), (b.n, &b.nonfinite, &b.steps), "{what}");
        assert_eq!(a.nonfinite_drift, b.nonfinite_drift, "{what}");
        for (a, b) in a.kernels.iter().zip(&b.kernels) {
            assert_eq!(bits(&a.acceptance), bits(&b.acceptance), "{what}");
            assert_eq!((bits(&a.step), &a.steps), (bits(&b.step), &b.steps), "{what}");
        }
        let ladders = (a.ladder.as_ref(), b.ladder.as_ref());
        if let (Some(a), Some(b)) = ladders {
            assert_eq!(bits(&a.temperatures), bits(&b.temperatures), "{what}");
            assert_eq!(bits(&a.swaps.concat()), bits(&b.swaps.concat()), "{what}");
            assert_eq!(bits(&a.stones.concat()), bits(&b.stones.concat()), "{what}");
            assert_eq!(a.round_trips, b.round_trips, "{what}");
        }
        assert_eq!(ladders.0.is_some(), ladders.1.is_some(), "{what}");
    }
}

#[test]
fn every_kernel_goes_on_where_it_was() {
    for (spec, question) in kernels() {
        for (k, ladder) in ladders().iter().enumerate() {
            let make =
                || Run::tempered(Arc::new(question()), spec.clone(), settings(1 + k % 2), ladder).unwrap();
            let whole = samples(&make, |_| false);
            let what = format!("{spec:?} on {ladder:?}");
            same(&whole, &samples(&make, |_| true), &what);
            same(&whole, &samples(&make, |slice| slice % 17 == 5), &what);
        }
    }
}

#[test]
fn temperatures_that_a_pilot_moves_keep_their_base_measure() {
    for spec in [Spec::Conditional, Spec::Independence, Spec::RandomWalk { scale: None }] {
        for ladder in &ladders()[1..] {
            let make = || Run::tempered(Arc::new(wells(true)), spec.clone(), settings(1), ladder).unwrap();
            let what = format!("{spec:?} on {ladder:?}");
            same(&samples(&make, |_| false), &samples(&make, |slice| slice % 3 == 1), &what);
        }
    }
}

#[test]
fn a_run_that_is_over_stays_so() {
    let make = || Run::new(Arc::new(trees()), Spec::Conditional, settings(1)).unwrap();
    let mut run = make();
    while !run.advance(Duration::from_millis(50)) {}
    let state = run.save().unwrap().unwrap();
    let mut again = make();
    again.restore(&state).unwrap();
    assert!(again.advance(Duration::from_nanos(1)));
    same(&run.finish_all(), &again.finish_all(), "over");
}

#[test]
fn states_of_other_runs_are_refused() {
    let [one, two, three] = ladders();
    let of = |settings: Settings, ladder: &Ladder, question: fn() -> Energy| {
        Run::tempered(Arc::new(question()), Spec::RandomWalk { scale: None }, settings, ladder).unwrap()
    };
    let mut state = of(settings(1), &two, trees);
    state.advance(Duration::from_nanos(1));
    let state = state.save().unwrap().unwrap();
    assert!(of(settings(1), &two, trees).restore(&state).is_ok());
    assert!(of(settings(1), &one, trees).restore(&state).is_err());
    assert!(of(settings(1), &three, trees).restore(&state).is_err());
    assert!(of(settings(1), &two, || wells(false)).restore(&state).is_err());
    for other in [
        Settings { chains: 12, ..settings(1) },
        Settings { chains: 17, ..settings(1) },
        Settings { draws: 41, ..settings(1) },
        Settings { thin: 3, ..settings(1) },
        Settings { warmup: 81, ..settings(1) },
    ] {
        assert!(of(other, &two, trees).restore(&state).is_err());
    }
}

/// What SHA-256 keeps from ever getting here is refused, or makes some run, but no panic.
#[test]
fn garbage_does_not_panic() {
    let mut rng = stream(&[13; 32], Purpose::Start, 0);
    let spec = Spec::Mixture {
        kernels: vec![Spec::Conditional, Spec::RandomWalk { scale: None }],
        weights: vec![1.0, 1.0],
    };
    for ladder in &ladders()[1..] {
        let make = || Run::tempered(Arc::new(trees()), spec.clone(), settings(1), ladder).unwrap();
        let mut run = make();
        for _ in 0..3 {
            run.advance(Duration::from_micros(200));
        }
        let state = run.save().unwrap().unwrap();
        let mut refused = 0;
        for _ in 0..300 {
            let mut bytes = state.clone();
            let at = (rng.uniform() * bytes.len() as f64) as usize;
            if rng.uniform() < 0.3 {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << ((rng.uniform() * 8.0) as u32);
            }
            let mut run = make();
            match run.restore(&bytes) {
                Ok(()) => drop(run.finish_all()),
                Err(_) => refused += 1,
            }
        }
        assert!(refused >= 60, "{refused}");
        assert!(make().restore(&[state.as_slice(), &[0]].concat()).is_err());
    }
}
