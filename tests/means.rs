//! Means over stacks inside a question: against a term for each member, whatever runs beside a chain.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use sondage_core::drift::Drift;
use sondage_core::driver::{Ladder, Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::graph::{Activation, Matrix, Op};
use sondage_core::model::{Graph, Stack};
use sondage_core::question::{Energy, Localizer, Loss, Mean, Parts, Term};
use sondage_core::space::{Boundary, Bounds};

const D: usize = 3;
const MEMBERS: usize = 150;

fn linear(source: usize, rows: usize, columns: usize, seed: f64) -> Op {
    let values = (0..rows * columns).map(|i| 1.5 * (seed + 1.7 * i as f64).sin()).collect();
    let bias = (0..rows).map(|i| 0.3 * (seed + i as f64).cos()).collect();
    Op::Linear { source, weights: Matrix::new(rows, columns, values).unwrap(), bias }
}

/// Scores of two classes: node 3; their log-probabilities: node 4; probabilities: node 5.
fn net(seed: f64) -> Arc<Graph> {
    let tanh = Op::Activation { source: 1, kind: Activation::Tanh };
    let operations = vec![
        Op::Row,
        linear(0, 6, D, seed),
        tanh,
        linear(2, 2, 6, 2.0 + seed),
        Op::LogSoftmax { source: 3 },
        Op::Softmax { source: 3 },
    ];
    Arc::new(Graph::new(D, operations).unwrap())
}

fn members() -> Vec<Arc<Graph>> {
    (0..MEMBERS).map(|k| net(0.1 + 0.03 * k as f64)).collect()
}

fn shares() -> Vec<f64> {
    let total = (MEMBERS * (MEMBERS + 1) / 2) as f64;
    (1..=MEMBERS).map(|k| k as f64 / total).collect()
}

/// Losses with the node of a member, and that of the model that some compare with.
fn losses() -> Vec<(f64, usize, Option<usize>, Loss)> {
    vec![
        (1.5, 4, Some(3), Loss::OtherLabel { log: true }),
        (-0.5, 5, Some(5), Loss::Likeness { sigma: 0.7 }),
        (0.7, 5, None, Loss::Level { output: 1, level: 0.4, power: 2.0 }),
    ]
}

fn near() -> Localizer {
    Localizer::new(0.4, 2, vec![0.2; D], vec![1.0; D]).unwrap()
}

fn bounds() -> Bounds {
    Bounds::new(vec![-1.0; D], vec![1.0; D]).unwrap()
}

fn stacked() -> Energy {
    let stack = Arc::new(Stack::new(&members(), shares()).unwrap());
    let means = losses()
        .into_iter()
        .map(|(weight, node, second, loss)| Mean {
            weight,
            stack: stack.clone(),
            columns: vec![2, 0, 1],
            node,
            second: second.map(|node| (0, node)),
            loss,
        })
        .collect();
    Energy::new(Parts {
        models: vec![net(0.0)],
        columns: vec![vec![2, 0, 1]],
        terms: vec![Term::new(0.3, 0, 4, Loss::NegativeLog { label: 1 })],
        means,
        localizers: vec![near()],
        ..Parts::on(bounds())
    })
    .unwrap()
}

fn one_by_one() -> Energy {
    let mut models = vec![net(0.0)];
    let mut terms = vec![Term::new(0.3, 0, 4, Loss::NegativeLog { label: 1 })];
    for (weight, node, second, loss) in losses() {
        for (member, share) in members().into_iter().zip(shares()) {
            terms.push(Term {
                weight: weight * share,
                first: (models.len(), node),
                second: second.map(|node| (0, node)),
                loss,
            });
            models.push(member);
        }
    }
    Energy::new(Parts {
        columns: vec![vec![2, 0, 1]; models.len()],
        models,
        terms,
        localizers: vec![near()],
        ..Parts::on(bounds())
    })
    .unwrap()
}

#[test]
fn a_mean_is_the_sum_over_members() {
    let rows: Vec<f64> = (0..19 * D).map(|i| (1.1 * i as f64).sin()).collect();
    let (one, many) = (stacked(), one_by_one());
    assert!(one.differentiable() && one.sloped() && !one.stepwise());
    let close = |a: Vec<f64>, b: Vec<f64>| {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    };
    close(one.evaluate(&rows).unwrap(), many.evaluate(&rows).unwrap());
    close(one.gradient(&rows).unwrap(), many.gradient(&rows).unwrap());
}

fn run(chains: usize, threads: usize, slice: Duration, spec: &Spec, temperatures: &[f64]) -> Sample {
    let settings = Settings {
        key: [4; 32],
        chains,
        temperature: 0.2,
        warmup: 25,
        draws: 15,
        thin: 2,
        boundary: Boundary::Reflect,
        threads,
        start: None,
    };
    let ladder = Ladder { temperatures: temperatures.to_vec(), every: false };
    let mut run = Run::tempered(Arc::new(stacked()), spec.clone(), settings, &ladder).unwrap();
    while !run.advance(slice) {}
    run.finish()
}

#[test]
fn chains_do_not_depend_on_what_runs_beside_them() {
    let mala = |step| Spec::Mala { step, drift: Drift::Gradient, precondition: true };
    let walk = Spec::RandomWalk { scale: Some(0.3) };
    let estimate = Drift::Smoothed { sigma: None, directions: 2, noise: sondage_core::drift::Noise::Shared };
    let specs = [
        mala(None),
        Spec::Barker { step: None },
        Spec::Cycle { kernels: vec![mala(Some(0.1)), walk], repeats: vec![1, 2] },
        Spec::Mala { step: Some(0.1), drift: estimate, precondition: true },
    ];
    for (spec, temperatures) in specs.iter().flat_map(|s| [(s, &[0.2][..]), (s, &[0.2, 0.4, 1.5])]) {
        let all = run(37, 2, Duration::from_millis(50), spec, temperatures);
        assert_eq!((all.n, all.steps.len()), (15, 37));
        for (chains, threads, slice) in [(1, 1, 50), (9, 1, 50), (37, 1, 0), (21, 3, 1)] {
            let some = run(chains, threads, Duration::from_millis(slice), spec, temperatures);
            let n = chains * all.n;
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&some.draws), bits(&all.draws[..n * D]));
            assert_eq!(bits(&some.energies), bits(&all.energies[..n]));
        }
    }
}

#[test]
fn means_that_do_not_fit_are_refused() {
    let stack = Arc::new(Stack::new(&members(), shares()).unwrap());
    let mean = |columns, node, second, loss| {
        let mean = Mean { weight: 1.0, stack: stack.clone(), columns, node, second, loss };
        Energy::new(Parts { means: vec![mean], ..Parts::on(bounds()) })
    };
    let log = Loss::NegativeLog { label: 1 };
    assert!(mean(vec![0, 1, 2], 4, None, log).is_ok());
    assert!(mean(vec![0, 1], 4, None, log).is_err());
    assert!(mean(vec![0, 1, 3], 4, None, log).is_err());
    assert!(mean(vec![0, 1, 2], 9, None, log).is_err());
    assert!(mean(vec![0, 1, 2], 4, Some((0, 1)), log).is_err());
    assert!(mean(vec![0, 1, 2], 4, None, Loss::RequireLabel { label: 1 }).is_err());
}
