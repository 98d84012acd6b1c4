//! Two wells behind a barrier at several temperatures, against exact answers at each of them.

use std::sync::Arc;
use std::time::Duration;

use sondage_core::driver::{Ladder, LadderReport, Run, Sample, Settings};
use sondage_core::kernel::Spec;
use sondage_core::model::Graph;
use sondage_core::question::{Energy, Localizer, Loss, Parts, Term};
use sondage_core::space::{Bounds, Reference};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{chi_square, energy, kolmogorov, settings, tree};

/// From one to the next, a barrier of e^20, e^5 and e^1 times less mass than the wells beside it.
pub const TEMPERATURES: [f64; 3] = [0.25, 1.0, 5.0];
/// Ends and G of the wells and what lies between them.
const STEPS: [(f64, f64, f64); 4] = [(0.0, 0.15, 0.0), (0.15, 0.6, 5.0), (0.6, 0.7, 0.4), (0.7, 1.0, 7.0)];
/// What a reference says of the rows up to 0.4 and beyond.
const SHARES: [f64; 2] = [0.9, 0.1];
const CUT: f64 = 0.4;

pub fn wells(referenced: bool) -> Energy {
    let leaf = (0, 0.0, -1, -1);
    let nodes = [(0, 0.15, 1, 2), leaf, (0, 0.6, 3, 4), leaf, (0, 0.7, 5, 6), leaf, leaf];
    let stump = tree(1, &nodes, &[&[0.0], &[0.0], &[0.0], &[5.0], &[0.0], &[0.4], &[7.0]]);
    let log: Vec<f64> = vec![(SHARES[0] / CUT).ln(), (SHARES[1] / (1.0 - CUT)).ln()];
    let reference = Reference::new(vec![vec![CUT]], vec![None], vec![log]).unwrap();
    Energy::new(Parts {
        models: vec![Arc::new(Graph::of_trees(Arc::new(stump)).unwrap())],
        columns: vec![vec![0]],
        terms: vec![Term::new(1.0, 0, 1, Loss::Value)],
        reference: referenced.then(|| (TEMPERATURES[0], Arc::new(reference))),
        ..Parts::on(Bounds::new(vec![0.0], vec![1.0]).unwrap())
    })
    .unwrap()
}

/// Mass of each step under the base measure.
fn masses(referenced: bool) -> [f64; 4] {
    let below = |x: f64| {
        if referenced {
            SHARES[0] * (x / CUT).min(1.0) + SHARES[1] * ((x - CUT) / (1.0 - CUT)).max(0.0)
        } else {
            x
        }
    };
    STEPS.map(|(lower, upper, _)| below(upper) - below(lower))
}

/// `log E[exp(−G/τ)]` under the base measure.
pub fn log_evidence(referenced: bool, temperature: f64) -> f64 {
    let weight = |(mass, (_, _, g)): (f64, (f64, f64, f64))| mass * (-g / temperature).exp();
    masses(referenced).into_iter().zip(STEPS).map(weight).sum::<f64>().ln()
}

pub fn run(energy: Energy, spec: &Spec, settings: Settings, ladder: &Ladder) -> Vec<Sample> {
    let mut run = Run::tempered(Arc::new(energy), spec.clone(), settings, ladder).expect("a valid run");
    while !run.advance(Duration::from_millis(200)) {}
    run.finish_all()
}

pub fn ladder(every: bool) -> Ladder {
    Ladder { temperatures: TEMPERATURES.to_vec(), every }
}

/// The last rows of many chains, which start uniformly: the largest χ² score over the temperatures.
pub fn occupancies(spec: &Spec, referenced: bool, chains: usize, steps: u64) -> f64 {
    let s =
        Settings { temperature: TEMPERATURES[0], start: None, ..settings(vec![0.0; chains], 1, steps, 31) };
    let samples = run(wells(referenced), spec, s, &ladder(true));
    assert_eq!(samples.len(), TEMPERATURES.len());
    samples.iter().zip(TEMPERATURES).map(|(sample, t)| score(sample, referenced, t)).fold(0.0, f64::max)
}

/// χ² score of the occupancies of the steps by independent rows.
pub fn score(sample: &Sample, referenced: bool, temperature: f64) -> f64 {
    let mut counts = [0.0; 4];
    for (&x, &g) in sample.draws.iter().zip(&sample.energies) {
        let at = STEPS.iter().position(|&(_, upper, _)| x <= upper).expect("a row of the box");
        counts[at] += 1.0;
        if !referenced {
            assert!((g - STEPS[at].2).abs() < 1e-12, "the energy of the row that is kept");
        }
    }
    let probabilities: Vec<f64> = masses(referenced)
        .into_iter()
        .zip(STEPS)
        .map(|(mass, (_, _, g))| mass * (-g / temperature).exp())
        .collect();
    // What is next to impossible beside the wells has no counts to speak of.
    let whole: f64 = probabilities.iter().sum();
    let n: f64 = counts.iter().sum();
    let seen: Vec<usize> = (0..4).filter(|&at| probabilities[at] / whole * n > 5.0).collect();
    let rare: f64 = (0..4).filter(|at| !seen.contains(at)).map(|at| counts[at]).sum();
    if rare > 20.0 {
        return f64::INFINITY;
    }
    let pick = |of: &[f64]| seen.iter().map(|&at| of[at]).collect::<Vec<f64>>();
    chi_square(&pick(&counts), &pick(&probabilities))
}

/// A normal law in the unit interval at three temperatures by steps along the gradient, which neighbours exchange with
/// their rows: the largest Kolmogorov score.
pub fn normals(spec: &Spec, chains: usize, steps: u64) -> f64 {
    let temperatures = [0.02, 0.05, 0.2];
    let near = Localizer::new(1.0, 2, vec![0.25], vec![1.0]).unwrap();
    let question = energy(&[(0.0, 1.0)], None, vec![], vec![near]);
    let s = Settings { temperature: 0.02, start: None, ..settings(vec![0.0; chains], 1, steps, 35) };
    let samples = run(question, spec, s, &Ladder { temperatures: temperatures.to_vec(), every: true });
    samples
        .into_iter()
        .zip(temperatures)
        .map(|(sample, t)| {
            let normal = Normal::new(0.25, (t / 2.0_f64).sqrt()).unwrap();
            let (low, high) = (normal.cdf(0.0), normal.cdf(1.0));
            kolmogorov(sample.draws, |x| (normal.cdf(x) - low) / (high - low))
        })
        .fold(0.0, f64::max)
}

/// What the stones of a ladder say of `log Z(τ_k) − log Z(τ_{k+1})`, with the standard error from chains.
pub fn stone(report: &LadderReport, k: usize) -> (f64, f64) {
    let means: Vec<f64> = report.stones[k].iter().map(|log| log.exp()).collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / (n - 1.0);
    (mean.ln(), (variance / n).sqrt() / mean)
}
