//! Gradients that go through other libraries and through decoders: the same chains as natively, bit for bit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use sondage_core::drift::Drift;
use sondage_core::driver::{Ladder, Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::Graph;
use sondage_core::model::graph::{Activation, Matrix, Op};
use sondage_core::question::{Decoder, Energy, Localizer, Loss, Parts, Term};
use sondage_core::space::{Boundary, Bounds};

/// Latent columns, and data columns.
const L: usize = 2;
const D: usize = 3;

fn linear(source: usize, rows: usize, columns: usize, seed: f64) -> Op {
    let values = (0..rows * columns).map(|i| (seed + 1.7 * i as f64).sin()).collect();
    let bias = (0..rows).map(|i| 0.1 * (seed * i as f64).cos()).collect();
    Op::Linear { source, weights: Matrix::new(rows, columns, values).unwrap(), bias }
}

/// Two scores of three columns: node 3; their log-probabilities: node 4.
fn net() -> Graph {
    let tanh = Op::Activation { source: 1, kind: Activation::Tanh };
    Graph::new(
        D,
        vec![Op::Row, linear(0, 5, D, 0.3), tanh, linear(2, 2, 5, 2.0), Op::LogSoftmax { source: 3 }],
    )
    .unwrap()
}

fn outside_net(gradient: bool) -> Graph {
    Graph::new(D, vec![Op::Row, Op::Foreign { width: 2, gradient }, Op::LogSoftmax { source: 1 }]).unwrap()
}

/// A curved surface: node 2.
fn surface() -> Graph {
    let tanh = Op::Activation { source: 1, kind: Activation::Tanh };
    Graph::new(L, vec![Op::Row, linear(0, D, L, 1.1), tanh]).unwrap()
}

fn outside_surface() -> Graph {
    Graph::new(L, vec![Op::Row, Op::Foreign { width: D, gradient: true }]).unwrap()
}

fn terms(scores: usize, logs: usize) -> Vec<Term> {
    vec![
        Term::new(2.0, 0, logs, Loss::NegativeLog { label: 1 }),
        Term::new(0.3, 0, scores, Loss::Squared { label: 0, scale: 0.8 }),
        Term {
            weight: -0.4,
            first: (0, scores),
            second: Some((0, logs)),
            loss: Loss::Likeness { sigma: 2.0 },
        },
    ]
}

fn direct(net: Graph, scores: usize, logs: usize) -> Energy {
    Energy::new(Parts {
        models: vec![Arc::new(net)],
        columns: vec![vec![2, 0, 1]],
        terms: terms(scores, logs),
        localizers: vec![Localizer::new(0.5, 2, vec![0.3; D], vec![1.0; D]).unwrap()],
        ..Parts::on(Bounds::new(vec![-1.0; D], vec![1.0; D]).unwrap())
    })
    .unwrap()
}

/// The same question of what a decoder makes of two latent columns, with a localizer of data and latents.
fn through(decoder: Graph, node: usize, net: Graph, scores: usize, logs: usize) -> Energy {
    let decoder = Decoder::new(Arc::new(decoder), node, vec![-1.0; D], vec![0.4, 1.0, 1.0]).unwrap();
    Energy::new(Parts {
        decoder: Some(decoder),
        models: vec![Arc::new(net)],
        columns: vec![vec![2, 0, 1]],
        terms: terms(scores, logs),
        localizers: vec![Localizer::new(0.5, 2, vec![0.3; D + L], vec![1.0, 1.0, 1.0, 0.0, 0.7]).unwrap()],
        ..Parts::on(Bounds::new(vec![-2.0; L], vec![2.0; L]).unwrap())
    })
    .unwrap()
}

fn settings(chains: usize, threads: usize) -> Settings {
    Settings {
        key: [9; 32],
        chains,
        temperature: 0.2,
        warmup: 40,
        draws: 30,
        thin: 1,
        boundary: Boundary::Reflect,
        threads,
        start: None,
    }
}

/// An odd number of chains runs at three temperatures, and exchanges rows and their gradients.
fn begin(energy: Energy, spec: &Spec, settings: Settings) -> Run {
    let mut temperatures = vec![settings.temperature];
    if !settings.chains.is_multiple_of(2) {
        temperatures.extend([0.3, 0.6]);
    }
    let ladder = Ladder { temperatures, every: false };
    Run::tempered(Arc::new(energy), spec.clone(), settings, &ladder).unwrap()
}

fn native(energy: Energy, spec: &Spec, settings: Settings) -> Sample {
    let mut run = begin(energy, spec, settings);
    while !run.advance(Duration::from_millis(50)) {}
    run.finish()
}

/// Answers with `outputs(rows)` and pulls back with `pull(rows, cotangents)`.
fn asked(
    energy: Energy,
    spec: &Spec,
    settings: Settings,
    outputs: impl Fn(&[f64]) -> Vec<f64>,
    pull: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) -> Sample {
    let mut run = begin(energy, spec, settings);
    let mut gradients = 0;
    while let Some(asked) = run.ask().unwrap() {
        let cotangents = run.tell(&outputs(&asked.rows)).unwrap();
        assert_eq!(cotangents.is_some(), asked.gradient);
        if let Some(cotangents) = cotangents {
            assert!(run.ask().is_err() && run.tell(&[]).is_err());
            assert!(run.tell_gradient(&[1.0]).is_err());
            run.tell_gradient(&pull(&asked.rows, &cotangents)).unwrap();
            gradients += 1;
        }
    }
    assert!(gradients > 20);
    run.finish()
}

fn same(a: &Sample, b: &Sample) {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(a.n > 0);
    assert_eq!(bits(&a.draws), bits(&b.draws));
    assert_eq!(bits(&a.energies), bits(&b.energies));
}

fn kernels() -> Vec<Spec> {
    let mala = |step| Spec::Mala { step, drift: Drift::Gradient, precondition: true };
    let walk = Spec::RandomWalk { scale: Some(0.3) };
    vec![
        mala(None),
        mala(Some(0.05)),
        Spec::Barker { step: None },
        Spec::Cycle { kernels: vec![mala(None), walk], repeats: vec![2, 1] },
    ]
}

/// Columns of the net among `width` columns of the asked rows.
fn own(rows: &[f64], width: usize) -> Vec<f64> {
    rows.chunks_exact(width).flat_map(|row| [row[2], row[0], row[1]]).collect()
}

fn net_slopes(rows: &[f64], width: usize, cotangents: &[f64]) -> Vec<f64> {
    let slopes = net().vjp(&own(rows, width), 3, cotangents).unwrap();
    slopes
        .chunks_exact(D)
        .flat_map(|g| [g[1], g[2], g[0]].into_iter().chain(std::iter::repeat_n(0.0, width - D)))
        .collect()
}

#[test]
fn gradients_of_other_libraries_make_the_native_chains() {
    for spec in kernels() {
        for (chains, threads) in [(1, 1), (8, 1), (18, 2), (19, 2)] {
            let here = native(direct(net(), 3, 4), &spec, settings(chains, 1));
            let there = asked(
                direct(outside_net(true), 1, 2),
                &spec,
                settings(chains, threads),
                |rows| net().forward(&own(rows, D), 3).unwrap(),
                |rows, cotangents| net_slopes(rows, D, cotangents),
            );
            same(&here, &there);
        }
    }
    let refused = Run::new(Arc::new(direct(outside_net(false), 1, 2)), kernels()[0].clone(), settings(1, 1));
    assert!(refused.is_err());
}

#[test]
fn decoders_of_other_libraries_make_the_native_chains() {
    for spec in kernels() {
        let here = native(through(surface(), 2, net(), 3, 4), &spec, settings(11, 1));
        let there = asked(
            through(outside_surface(), 1, net(), 3, 4),
            &spec,
            settings(11, 1),
            |rows| surface().forward(rows, 2).unwrap(),
            |rows, cotangents| surface().vjp(rows, 2, cotangents).unwrap(),
        );
        same(&here, &there);
        // A native decoder before a model of another library: it is asked about decoded rows.
        let there = asked(
            through(surface(), 2, outside_net(true), 1, 2),
            &spec,
            settings(11, 1),
            |rows| net().forward(&own(rows, D + L), 3).unwrap(),
            |rows, cotangents| net_slopes(rows, D + L, cotangents),
        );
        same(&here, &there);
    }
}

#[test]
fn a_decoder_comes_before_the_question() {
    let energy = through(surface(), 2, net(), 3, 4);
    let rows: Vec<f64> = (0..19 * L).map(|i| 0.9 * (1.3 * i as f64).sin()).collect();
    let decoded = surface().forward(&rows, 2).unwrap();
    let asked = energy.asked_rows(&rows).unwrap();
    for ((asked, data), latent) in asked.chunks(D + L).zip(decoded.chunks(D)).zip(rows.chunks(L)) {
        assert_eq!(asked, [data, latent].concat());
    }
    let plain = Energy::new(Parts {
        models: vec![Arc::new(net())],
        columns: vec![vec![2, 0, 1]],
        terms: terms(3, 4),
        localizers: vec![Localizer::new(0.5, 2, vec![0.3; D], vec![1.0; D]).unwrap()],
        ..Parts::on(Bounds::new(vec![-1.0; D], vec![1.0; D]).unwrap())
    })
    .unwrap();
    let (through, plain) = (energy.evaluate(&rows).unwrap(), plain.evaluate(&decoded).unwrap());
    let mut outside = 0;
    for (i, (through, plain)) in through.iter().zip(&plain).enumerate() {
        let want = plain + 0.5 * 0.7 * (rows[i * L + 1] - 0.3).powi(2);
        if decoded[i * D] > 0.4 {
            assert_eq!(*through, f64::INFINITY);
            outside += 1;
        } else {
            assert!((through - want).abs() < 1e-12, "{through} {want}");
        }
    }
    assert!(outside > 0 && outside < 19);

    let slopes = energy.gradient(&rows).unwrap();
    for i in 0..rows.len() {
        let moved = |by: f64| {
            let mut rows = rows.clone();
            rows[i] += by;
            energy.evaluate(&rows).unwrap()[i / L]
        };
        let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!(!slope.is_finite() || (slope - slopes[i]).abs() < 1e-7, "{slope} {}", slopes[i]);
    }
}

#[test]
fn a_slope_that_is_not_finite_is_counted_and_followed_nowhere() {
    let sample = asked(
        direct(outside_net(true), 1, 2),
        &kernels()[1],
        settings(3, 1),
        |rows| net().forward(&own(rows, D), 3).unwrap(),
        |rows, _| vec![f64::NAN; rows.len()],
    );
    assert!(sample.nonfinite_drift.iter().all(|&n| n > 60));
    assert!(sample.draws.iter().all(|x| x.is_finite()));
    assert_eq!(native(direct(net(), 3, 4), &kernels()[1], settings(3, 1)).nonfinite_drift, vec![0; 3]);
}

#[test]
fn decoders_that_do_not_fit_are_refused() {
    let new = |graph: Graph, node, n: usize| Decoder::new(Arc::new(graph), node, vec![0.0; n], vec![1.0; n]);
    assert!(new(surface(), 2, D).is_ok());
    assert!(new(surface(), 2, D + 1).is_err());
    assert!(new(surface(), 9, D).is_err());
    let half =
        Graph::new(L, vec![Op::Row, Op::Foreign { width: D, gradient: true }, Op::Softmax { source: 1 }]);
    assert!(new(half.unwrap(), 2, D).is_err());
    let decoder = new(surface(), 2, D).unwrap();
    let other = Parts {
        decoder: Some(decoder),
        ..Parts::on(Bounds::new(vec![0.0; L + 1], vec![1.0; L + 1]).unwrap())
    };
    assert!(Energy::new(other).is_err());
}
