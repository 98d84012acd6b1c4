//! Prediction with forests of several sizes: plain traversal and each instruction set.
//!
//! `cargo bench --bench forests`; the forests are random, grown leaf by leaf on uniform columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sondage_core::model::{TreeEnsemble, TreeParts};
use sondage_core::rng::{Purpose, Stream, stream};
use sondage_core::simd::Level;

const COLUMNS: usize = 20;
const ROWS: usize = 1_000;

/// Trees whose random leaves are split until there are `leaves`; cuts on a grid of 200 a column.
fn forest(rng: &mut Stream, trees: usize, leaves: usize, float32: bool) -> TreeEnsemble {
    let mut parts = TreeParts {
        n_features: COLUMNS,
        n_outputs: 1,
        base: vec![0.0],
        divisor: 1.0,
        float32,
        ..TreeParts::default()
    };
    for _ in 0..trees {
        let root = parts.feature.len();
        parts.roots.push(root as i64);
        parts.first_output.push(0);
        leaf(&mut parts, rng);
        let mut open = vec![root];
        while open.len() < leaves {
            let at = open.swap_remove((rng.uniform() * open.len() as f64) as usize);
            parts.feature[at] = (rng.uniform() * COLUMNS as f64) as i64;
            parts.cut[at] = (rng.uniform() * 200.0).floor() / 200.0;
            parts.left[at] = parts.feature.len() as i64;
            parts.right[at] = parts.left[at] + 1;
            open.extend([parts.feature.len(), parts.feature.len() + 1]);
            leaf(&mut parts, rng);
            leaf(&mut parts, rng);
        }
    }
    TreeEnsemble::new(parts).unwrap()
}

fn leaf(parts: &mut TreeParts, rng: &mut Stream) {
    parts.feature.push(0);
    parts.cut.push(0.0);
    parts.left.push(-1);
    parts.right.push(-1);
    parts.value.push(rng.normal());
}

fn predictions(c: &mut Criterion) {
    let mut rng = stream(&[4; 32], Purpose::Start, 0);
    let rows: Vec<f64> = (0..ROWS * COLUMNS).map(|_| rng.uniform()).collect();
    for (trees, leaves, float32) in
        [(100, 8, false), (200, 64, true), (500, 64, false), (200, 200, true), (200, 700, false)]
    {
        let model = forest(&mut rng, trees, leaves, float32);
        let precision = if float32 { "single" } else { "double" };
        let mut group = c.benchmark_group(format!("{trees} trees of {leaves} leaves, {precision}"));
        let mut out = vec![0.0; ROWS];
        group.throughput(Throughput::Elements(1));
        group.bench_function("1 row, plain traversal", |b| {
            b.iter(|| model.predict_reference(black_box(&rows[..COLUMNS]), &mut out[..1]));
        });
        group.bench_function("1 row", |b| {
            b.iter(|| model.predict(black_box(&rows[..COLUMNS]), &mut out[..1]));
        });
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("1,000 rows, plain traversal", |b| {
            b.iter(|| model.predict_reference(black_box(&rows), &mut out));
        });
        for level in Level::available() {
            group.bench_function(format!("1,000 rows, {}", level.name()), |b| {
                b.iter(|| model.predict_at(level, black_box(&rows), &mut out));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, predictions);
criterion_main!(benches);
