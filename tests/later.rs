//! Models that answer later: told what a native model says, a run makes the native run's chains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::tree;
use sondage_core::drift::Drift;
use sondage_core::driver::{Ladder, Run, Sample, Settings};
use sondage_core::error::Error;
use sondage_core::kernel::Spec;
use sondage_core::model::Graph;
use sondage_core::model::graph::{Activation, Matrix, Op};
use sondage_core::question::{Energy, Localizer, Loss, Parts, Term};
use sondage_core::space::{Boundary, Bounds};

const D: usize = 3;

/// A small net of two outputs on the last two columns; node 3 is its outputs.
fn net() -> Graph {
    let hidden = Matrix::new(4, 2, vec![1.0, -2.0, 0.5, 3.0, -1.5, 0.3, 2.0, 2.0]).unwrap();
    let out = Matrix::new(2, 4, vec![1.0, -1.0, 0.5, 0.2, -0.4, 0.9, 1.1, -0.7]).unwrap();
    let operations = vec![
        Op::Row,
        Op::Linear { source: 0, weights: hidden, bias: vec![0.1, -0.2, 0.3, 0.0] },
        Op::Activation { source: 1, kind: Activation::Tanh },
        Op::Linear { source: 2, weights: out, bias: vec![0.0, 0.1] },
        Op::LogSoftmax { source: 3 },
    ];
    Graph::new(2, operations).unwrap()
}

/// The same with its scores from elsewhere: node 1; node 2 is never asked for, node 3 their logarithms.
fn outside() -> Graph {
    let operations = vec![
        Op::Row,
        Op::Foreign { width: 2, gradient: false },
        Op::Foreign { width: 5, gradient: false },
        Op::LogSoftmax { source: 1 },
    ];
    Graph::new(2, operations).unwrap()
}

/// A net beside a tree of another model, with a requirement that keeps starts in a corner.
fn energy(net: Graph, scores: usize, logs: usize) -> Energy {
    let leaf = (0, 0.0, -1, -1);
    let stump = tree(D, &[(0, 0.4, 1, 2), leaf, leaf], &[&[0.0], &[0.0], &[0.8]]);
    Energy::new(Parts {
        models: vec![Arc::new(Graph::of_trees(Arc::new(stump)).unwrap()), Arc::new(net)],
        columns: vec![vec![0, 1, 2], vec![2, 1]],
        terms: vec![
            Term::new(1.0, 0, 1, Loss::Band { lower: 0.5, upper: 0.9, scale: 0.5 }),
            Term::new(2.0, 1, logs, Loss::NegativeLog { label: 1 }),
            Term::new(1.0, 1, scores, Loss::RequireLabel { label: 1 }),
            Term::new(0.3, 1, scores, Loss::Hinge { label: 0 }),
        ],
        localizers: vec![Localizer::new(0.5, 2, vec![0.3; D], vec![1.0; D]).unwrap()],
        ..Parts::on(Bounds::new(vec![0.0, -1.0, -1.0], vec![1.0, 1.0, 1.0]).unwrap())
    })
    .unwrap()
}

fn settings(chains: usize, threads: usize) -> Settings {
    Settings {
        key: [6; 32],
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

fn native(spec: &Spec, settings: Settings) -> Sample {
    let mut run = Run::new(Arc::new(energy(net(), 3, 4)), spec.clone(), settings).unwrap();
    while !run.advance(Duration::from_millis(50)) {}
    run.finish()
}

fn told(rows: &[f64]) -> Vec<f64> {
    let own: Vec<f64> = rows.chunks_exact(D).flat_map(|row| [row[2], row[1]]).collect();
    net().forward(&own, 3).unwrap()
}

fn asked(spec: &Spec, settings: Settings) -> Sample {
    let mut run = Run::new(Arc::new(energy(outside(), 1, 3)), spec.clone(), settings).unwrap();
    while let Some(asked) = run.ask().unwrap() {
        assert!(!asked.gradient);
        assert_eq!(run.tell(&told(&asked.rows)).unwrap(), None);
    }
    assert!(run.tell_gradient(&[]).is_err());
    run.finish()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn same(a: &Sample, b: &Sample, what: &str) {
    assert_eq!(bits(&a.draws), bits(&b.draws), "{what}");
    assert_eq!(bits(&a.energies), bits(&b.energies), "{what}");
    assert_eq!((a.n, &a.nonfinite, &a.steps), (b.n, &b.nonfinite, &b.steps), "{what}");
    for (a, b) in a.kernels.iter().zip(&b.kernels) {
        assert_eq!(bits(&a.acceptance), bits(&b.acceptance), "{what}");
        assert_eq!((bits(&a.step), &a.steps), (bits(&b.step), &b.steps), "{what}");
    }
}

fn kernels() -> Vec<Spec> {
    let walk = |scale| Spec::RandomWalk { scale };
    vec![
        walk(None),
        walk(Some(0.2)),
        Spec::Mixture { kernels: vec![walk(Some(0.05)), walk(None)], weights: vec![1.0, 2.0] },
        Spec::Cycle { kernels: vec![walk(Some(0.5)), walk(None)], repeats: vec![2, 1] },
    ]
}

#[test]
fn asking_and_telling_makes_the_native_chains() {
    for spec in kernels() {
        for (chains, threads) in [(1, 1), (8, 1), (19, 1), (19, 3)] {
            let what = format!("{spec:?}, {chains} chains on {threads} threads");
            same(&native(&spec, settings(chains, 1)), &asked(&spec, settings(chains, threads)), &what);
        }
        let reject = |chains| Settings { boundary: Boundary::Reject, ..settings(chains, 1) };
        same(&native(&spec, reject(3)), &asked(&spec, reject(3)), "proposals outside");
        let cold = |chains| Settings { warmup: 0, thin: 1, ..settings(chains, 1) };
        same(&native(&spec, cold(3)), &asked(&spec, cold(3)), "without warm-up");
    }
}

#[test]
fn chains_that_exchange_rows_are_the_native_ones() {
    for spec in kernels() {
        for every in [false, true] {
            let ladder = Ladder { temperatures: vec![0.3, 0.5, 0.9], every };
            let mut here =
                Run::tempered(Arc::new(energy(net(), 3, 4)), spec.clone(), settings(11, 1), &ladder).unwrap();
            while !here.advance(Duration::from_millis(50)) {}
            let mut there =
                Run::tempered(Arc::new(energy(outside(), 1, 3)), spec.clone(), settings(11, 2), &ladder)
                    .unwrap();
            let mut most = 0;
            while let Some(asked) = there.ask().unwrap() {
                most = most.max(asked.rows.len() / D);
                there.tell(&told(&asked.rows)).unwrap();
            }
            // All temperatures of all chains in one call; those of the pilot before.
            assert_eq!((most, here.progress()), (33, there.progress()));
            let (here, there) = (here.finish_all(), there.finish_all());
            assert_eq!(here.len(), if every { 3 } else { 1 });
            for (here, there) in here.iter().zip(&there) {
                same(here, there, &format!("{spec:?} {every}"));
                let (a, b) = (here.ladder.as_ref().unwrap(), there.ladder.as_ref().unwrap());
                assert_eq!(bits(&a.temperatures), bits(&b.temperatures));
                assert_eq!((&a.round_trips, a.temperatures[1] != 0.5), (&b.round_trips, !every));
                for (a, b) in a.stones.iter().chain(&a.swaps).zip(b.stones.iter().chain(&b.swaps)) {
                    assert_eq!(bits(a), bits(b));
                }
            }
        }
    }
}

#[test]
fn given_starts_are_where_chains_begin() {
    let spec = Spec::RandomWalk { scale: Some(0.1) };
    let rows = native(&spec, settings(10, 1));
    let start: Vec<f64> = rows.draws.chunks_exact(D * rows.n).flat_map(|chain| chain[..D].to_vec()).collect();
    let given = |start: &[f64]| Settings { start: Some(start.to_vec()), ..settings(10, 1) };
    same(&native(&spec, given(&start)), &asked(&spec, given(&start)), "given starts");

    let bad = energy(outside(), 1, 3);
    let mut run = Run::new(Arc::new(bad), spec, given(&start)).unwrap();
    let rows = run.ask().unwrap().unwrap().rows;
    assert_eq!(bits(&rows), bits(&start));
    let mut outputs = told(&rows);
    (outputs[6], outputs[7]) = (9.0, -9.0);
    match run.tell(&outputs) {
        Err(Error::Sampling(message)) => assert!(message.contains("start of chain 3"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_chains_that_go_on_are_asked_about() {
    let spec = Spec::RandomWalk { scale: Some(0.1) };
    let mut run = Run::new(Arc::new(energy(outside(), 1, 3)), spec, settings(11, 1)).unwrap();
    let mut counts = Vec::new();
    while let Some(asked) = run.ask().unwrap() {
        let rows = asked.rows.clone();
        assert_eq!(Some(asked), run.ask().unwrap(), "asking changes nothing");
        for row in rows.chunks_exact(D) {
            assert!((0.0..=1.0).contains(&row[0]) && (-1.0..=1.0).contains(&row[1]));
        }
        counts.push(rows.len() / D);
        let outputs = told(&rows);
        assert!(matches!(run.tell(&outputs[1..]), Err(Error::Data(_))));
        assert_eq!(bits(&rows), bits(&run.ask().unwrap().unwrap().rows), "a wrong answer changes nothing");
        run.tell(&outputs).unwrap();
    }
    // Starts of fewer and fewer chains, then every step of all; a block may be ahead by its start.
    assert_eq!(counts[0], 11);
    assert!(counts[1] < 11);
    assert!(counts.iter().all(|&n| n <= 11));
    assert!(counts.iter().filter(|&&n| n == 11).count() > 100);
    assert_eq!(run.progress(), (140, 140, 60));
}

#[test]
fn a_chain_without_start_is_an_error() {
    let spec = Spec::RandomWalk { scale: None };
    let mut run = Run::new(Arc::new(energy(outside(), 1, 3)), spec, settings(2, 1)).unwrap();
    for tried in 1..=1_000 {
        let rows = run.ask().unwrap().unwrap().rows;
        let outcome = run.tell(&[9.0, -9.0].repeat(rows.len() / D));
        match outcome {
            Ok(_) => assert!(tried < 1_000),
            Err(Error::Start(message)) => {
                assert_eq!(tried, 1_000);
                assert!(
                    message.contains("for chain 0: tried 1000 uniform rows of the space. A"),
                    "{message}"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(run.finish().n, 0);
}

#[test]
fn more_than_outputs_cannot_be_asked_for() {
    let refused = |spec: Spec| match Run::new(Arc::new(energy(outside(), 1, 3)), spec, settings(1, 1)) {
        Err(Error::Sampling(message)) => {
            assert!(message.contains("evaluated by its own library"), "{message}")
        }
        _ => panic!("not refused"),
    };
    let mala = |drift| Spec::Mala { step: None, drift, precondition: true };
    let walk = Spec::RandomWalk { scale: None };
    refused(Spec::Conditional);
    refused(mala(Drift::Gradient));
    refused(Spec::Barker { step: None });
    refused(mala(Drift::ClosedForm { sigma: None }));
    refused(Spec::Mixture { kernels: vec![walk.clone(), Spec::Conditional], weights: vec![1.0, 1.0] });
    refused(Spec::Cycle { kernels: vec![mala(Drift::Gradient), walk.clone()], repeats: vec![1, 1] });

    let graph = outside();
    assert!(matches!(graph.forward(&[0.0, 0.0], 3), Err(Error::Model(_))));
    assert!(matches!(graph.vjp(&[0.0, 0.0], 1, &[1.0, 1.0]), Err(Error::Model(_))));
    assert!(!graph.stepwise(1) && !graph.stepwise(3) && !graph.differentiable(1) && !graph.differentiable(3));
    let energy = energy(outside(), 1, 3);
    assert!(!energy.stepwise() && !energy.differentiable());
    assert!(matches!(energy.evaluate(&[0.0; D]), Err(Error::Data(_))));
    assert!(energy.gradient(&[0.0; D]).is_err());
    assert!(Run::new(Arc::new(crate::energy(net(), 3, 4)), walk, settings(1, 1)).unwrap().ask().is_err());
}

#[test]
fn any_rows_are_evaluated_with_what_others_say() {
    let rows: Vec<f64> = (0..19 * D).map(|i| (i as f64).sin()).collect();
    let own = energy(net(), 3, 4).evaluate(&rows).unwrap();
    let with = energy(outside(), 1, 3).evaluate_with(&rows, &told(&rows)).unwrap();
    assert_eq!(bits(&own), bits(&with));

    // Whatever the losses compare: a row of which a model says NaN has no energy.
    let mut outputs = told(&rows);
    outputs[2 * 4] = f64::NAN;
    outputs[2 * 9 + 1] = f64::NAN;
    let holed = energy(outside(), 1, 3).evaluate_with(&rows, &outputs).unwrap();
    for (row, (holed, own)) in holed.iter().zip(&own).enumerate() {
        assert_eq!(holed.is_nan(), row == 4 || row == 9);
        assert!(holed.is_nan() || holed.to_bits() == own.to_bits());
    }
}
