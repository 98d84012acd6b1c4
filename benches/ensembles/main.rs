//! Means over ensembles of dense nets, value and gradient, on one thread.
//!
//! `cargo bench --bench ensembles`; nets of 20-128-32-8-2 units with random parameters in single precision.
//! Every figure is the best of the runs of a second; beside it is its share of the peak, measured just before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod peak;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sondage_core::model::Graph;
use sondage_core::model::graph::{Activation, Matrix, Op};
use sondage_core::model::stack::{MeanParts, MeanRequest, Stack, StackScratch};
use sondage_core::question::Loss;
use sondage_core::rng::{Purpose, Stream, stream};
use sondage_core::simd::{LANES, Lanes, Level};

const UNITS: [usize; 5] = [20, 128, 32, 8, 2];

fn net(rng: &mut Stream, kind: Activation) -> Arc<Graph> {
    let mut single =
        |n: usize, scale: f64| (0..n).map(|_| f64::from((rng.normal() * scale) as f32)).collect();
    let mut ops = vec![Op::Row];
    for layer in UNITS.windows(2) {
        let [columns, rows] = [layer[0], layer[1]];
        let weights: Vec<f64> = single(rows * columns, (2.0 / columns as f64).sqrt());
        let weights = Matrix::new(rows, columns, weights).unwrap();
        ops.push(Op::Linear { source: ops.len() - 1, weights, bias: single(rows, 0.1) });
        ops.push(Op::Activation { source: ops.len() - 1, kind });
    }
    ops.pop();
    ops.push(Op::LogSoftmax { source: ops.len() - 1 });
    Arc::new(Graph::new(UNITS[0], ops).unwrap())
}

/// Seconds of a step of `chains` chains: the mean over all members, and its gradient if asked.
fn step(stack: &Stack, level: Level, chains: usize, gradient: bool) -> f64 {
    let mut rng = stream(&[7; 32], Purpose::Start, 1);
    let node = stack.template().len() - 1;
    let request = MeanRequest { node, loss: Loss::NegativeLog { label: 1 }, weight: 1.0, gradient };
    let groups = chains.div_ceil(LANES);
    let x: Vec<Lanes<f64>> =
        (0..UNITS[0] * groups).map(|_| Lanes(std::array::from_fn(|_| rng.uniform()))).collect();
    let mut value = vec![Lanes::splat(0.0); groups];
    let mut slope = vec![Lanes::splat(0.0); UNITS[0] * groups];
    let mut scratch = StackScratch::default();
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        let mut out = MeanParts { value: &mut value, gradient: &mut slope, other: &mut [] };
        stack.mean(level, 0..stack.len(), &request, black_box(&x), &[], &mut scratch, &mut out);
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn report(stack: &Stack, name: &str, level: Level, chains: usize, gradient: bool) {
    let peak = peak::single();
    let seconds = step(stack, level, chains, gradient);
    let weights: usize = UNITS.windows(2).map(|layer| layer[0] * layer[1]).sum();
    let flops = (if gradient { 4 } else { 2 } * weights * stack.len() * chains) as f64;
    println!(
        "{name}, {} members, {}, {}, {chains} chains: {:.0} ns a chain-step, {:.0} Gflop/s, {:.0} % of {:.0}",
        stack.len(),
        level.name(),
        if gradient { "value and gradient" } else { "value" },
        seconds / chains as f64 * 1e9,
        flops / seconds / 1e9,
        100.0 * flops / seconds / peak,
        peak / 1e9,
    );
}

fn main() {
    let best = Level::detect();
    for (name, kind, members) in [
        ("relu", Activation::Relu, 1_000),
        ("relu", Activation::Relu, 10_000),
        ("tanh", Activation::Tanh, 1_000),
        ("gelu", Activation::Gelu, 1_000),
    ] {
        let mut rng = stream(&[7; 32], Purpose::Start, 0);
        let nets: Vec<_> = (0..members).map(|_| net(&mut rng, kind)).collect();
        let stack = Stack::new(&nets, vec![1.0 / members as f64; members]).unwrap();
        drop(nets);
        for chains in [1, 8, 32, 50] {
            report(&stack, name, best, chains, false);
            report(&stack, name, best, chains, true);
        }
        for level in Level::available().into_iter().skip(1).filter(|&level| level != best) {
            report(&stack, name, level, 32, true);
        }
    }
}
