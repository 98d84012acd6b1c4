//! Breaks model files and reads them: `cargo run --release --example fuzz_models -- 10000000 [THREADS]`.
//!
//! Says how many inputs each reader got, how many it still took, panics, and memory; ends with 1 if
//! there was a panic or too much memory, and leaves the first such input in `fuzz-failure-NAME`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Instant;

#[path = "../tests/common/fuzz.rs"]
mod fuzz;

use fuzz::{Counting, Report, TARGETS, Target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let inputs: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let threads: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    std::panic::set_hook(Box::new(|_| {}));
    let mut whole = true;
    for target in TARGETS {
        match run(target, inputs / TARGETS.len() as u64, threads.max(1)) {
            Ok(passed) => whole &= passed,
            Err(error) => {
                eprintln!("{}: {error}", target.name);
                whole = false;
            }
        }
    }
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(target: &Target, inputs: u64, threads: u64) -> std::io::Result<bool> {
    let seeds = target.seeds()?;
    let start = Instant::now();
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let share = inputs / threads + u64::from(thread < inputs % threads);
                let seeds = &seeds;
                scope.spawn(move || fuzz::fuzz(target, seeds, share, 1 + thread))
            })
            .collect();
        for worker in workers {
            if let Ok(own) = worker.join() {
                report.merge(own);
            }
        }
    });
    println!(
        "{}: {} inputs from {} files in {:.0} s: {} panics, {} beyond their memory; {} were still read; at \
         most {} bytes held, {:.1} for a byte of input; the slowest took {:.1} ms",
        target.name,
        report.inputs,
        seeds.len(),
        start.elapsed().as_secs_f64(),
        report.panics,
        report.greedy,
        report.taken,
        report.peak,
        report.peak_per_byte,
        report.slowest.as_secs_f64() * 1e3,
    );
    if let Some(offender) = &report.offender {
        std::fs::write(format!("fuzz-failure-{}", target.name), offender)?;
    }
    Ok(report.inputs == inputs && report.panics == 0 && report.greedy == 0)
}
