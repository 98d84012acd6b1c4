//! The wine question's parts: forest evaluation and a step of each kernel, beside plain scalar code.
//!
//! `cargo bench --bench wine`; models from `benches/data/wine.txt` (`benches/py/export_forest.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod models;
mod scalar;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sondage_core::driver::{Run, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::Graph;
use sondage_core::question::{Energy, Loss, Parts, Term};
use sondage_core::rng::{Purpose, stream};
use sondage_core::simd::Level;
use sondage_core::space::{Boundary, Bounds};

const COLUMNS: usize = 13;
const TEMPERATURE: f64 = 1.0 / 50.0;

fn question(level: Level) -> Energy {
    let (forest, tree) = models::wine();
    Energy::new(Parts {
        models: [forest, tree].map(|trees| Arc::new(Graph::of_trees(Arc::new(trees)).unwrap())).to_vec(),
        columns: vec![(0..COLUMNS).collect(); 2],
        terms: vec![
            Term::new(1.0, 0, 1, Loss::NegativeEntropy),
            Term::new(1.0, 1, 1, Loss::Squared { label: 1, scale: 1.0 }),
        ],
        ..Parts::on(Bounds::new(vec![0.0; COLUMNS], vec![1.0; COLUMNS]).unwrap())
    })
    .unwrap()
    .at_level(level)
}

/// Time of `steps` steps of each of eight chains on one thread, warm-up excluded.
fn steps(energy: &Arc<Energy>, spec: &Spec, steps: u64) -> Duration {
    let settings = Settings {
        key: [1; 32],
        chains: 8,
        temperature: TEMPERATURE,
        warmup: 0,
        draws: 1,
        thin: steps,
        boundary: Boundary::Reflect,
        threads: 1,
        start: None,
    };
    let mut run = Run::new(energy.clone(), spec.clone(), settings).unwrap();
    let begin = Instant::now();
    while !run.advance(Duration::from_secs(1)) {}
    let spent = begin.elapsed();
    black_box(run.finish());
    spent
}

fn forward(c: &mut Criterion) {
    let (model, _) = models::wine();
    let forest = model.forest().unwrap();
    let mut rng = stream(&[2; 32], Purpose::Start, 0);
    let rows: Vec<f64> = (0..1_000 * COLUMNS).map(|_| rng.uniform()).collect();
    let mut out = vec![0.0; 3_000];
    let mut group = c.benchmark_group("forest of 100 trees, 1,000 rows");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("plain traversal", |b| {
        b.iter(|| model.forward_reference(black_box(&rows), &mut out))
    });
    group
        .bench_function("bit vectors in lockstep", |b| b.iter(|| forest.forward(black_box(&rows), &mut out)));
    group.finish();
}

fn sweeps(c: &mut Criterion) {
    let mut group = c.benchmark_group("conditional sweep of 13 columns, one chain");
    let (forest, tree) = models::wine();
    let mut chain = scalar::Chain::new(&forest, &tree, TEMPERATURE);
    group.bench_function("plain scalar", |b| b.iter(|| chain.sweep()));
    for level in Level::available() {
        let energy = Arc::new(question(level));
        group.bench_function(format!("eight chains in lockstep, {}", level.name()), |b| {
            b.iter_custom(|n| steps(&energy, &Spec::Conditional, n.div_ceil(8)));
        });
    }
    group.finish();
}

fn walks(c: &mut Criterion) {
    let mut group = c.benchmark_group("random-walk step, one chain");
    let energy = Arc::new(question(Level::detect()));
    let spec = Spec::RandomWalk { scale: Some(0.5) };
    group.bench_function("eight chains in lockstep", |b| {
        b.iter_custom(|n| steps(&energy, &spec, n.div_ceil(8)));
    });
    group.finish();
}

/// The plain chain samples the same law: means of G agree.
fn agree(_: &mut Criterion) {
    let (forest, tree) = models::wine();
    let mut chain = scalar::Chain::new(&forest, &tree, TEMPERATURE);
    let n = 20_000;
    let mean = (0..n).map(|_| chain.sweep()).sum::<f64>() / f64::from(n);
    assert!((mean + 1.0776).abs() < 0.002, "the plain chain's mean G is {mean}");
}

criterion_group!(benches, agree, forward, sweeps, walks);
criterion_main!(benches);
