//! What came of a run.

use super::Run;
use super::block::Block;
use super::tower::Tower;
use crate::kernel::Spec;

/// What came of a run at one temperature.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Rows kept by every chain: chains that stopped unequally are cut to the shortest.
    pub n: usize,
    pub columns: usize,
    /// `(chain, draw, column)`, `chains × n × columns`.
    pub draws: Vec<f64>,
    /// `(chain, draw)`.
    pub energies: Vec<f64>,
    /// Proposals whose energy was NaN or −∞.
    pub nonfinite: Vec<u64>,
    /// Drifts with a component that was not finite, taken as 0.
    pub nonfinite_drift: Vec<u64>,
    pub steps: Vec<u64>,
    pub seconds_warmup: f64,
    pub seconds_sampling: f64,
    pub kernels: Vec<KernelReport>,
    pub exact: bool,
    /// Where chains exchanged rows between temperatures.
    pub ladder: Option<LadderReport>,
}

/// One kernel's statistics, a value per chain.
#[derive(Clone, Debug)]
pub struct KernelReport {
    pub name: &'static str,
    /// Mean acceptance probability after warm-up; NaN for a kernel that never rejects.
    pub acceptance: Vec<f64>,
    /// The scale or step in force; NaN for a kernel without one.
    pub step: Vec<f64>,
    pub steps: Vec<u64>,
}

/// What a ladder of temperatures did after warm-up.
#[derive(Clone, Debug)]
pub struct LadderReport {
    /// Ascending, as they were used.
    pub temperatures: Vec<f64>,
    /// Mean acceptance probability of exchanges: `(pair of neighbours, chain)`.
    pub swaps: Vec<Vec<f64>>,
    /// `log mean exp(−(1/τ_k − 1/τ_{k+1}) G)` over the rows at `τ_{k+1}`: `(k, chain)`. Its limit is the difference of the
    /// logarithms of normalising constants.
    pub stones: Vec<Vec<f64>>,
    /// How often a row went from the lowest temperature to the highest and back, by chain.
    pub round_trips: Vec<u64>,
}

impl Run {
    /// Hands over what was sampled so far, at the lowest temperature that was asked for.
    pub fn finish(self) -> Sample {
        let mut all = self.finish_all();
        all.swap_remove(0)
    }

    /// Hands over what was sampled so far: at every temperature where all were asked for, else at the lowest.
    pub fn finish_all(mut self) -> Vec<Sample> {
        if let Some(pilot) = self.pilot.take() {
            self.seconds_pilot = self.seconds;
            self.towers = pilot.towers;
        }
        let d = self.targets[0].bounds.len();
        let (rows, draws) = (self.settings.chains * self.settings.draws, self.settings.draws);
        let kept = |tower: &Tower| tower.rungs[0].kept(self.settings.thin);
        let n = self.towers.iter().map(kept).min().unwrap_or(0).min(draws);
        let seconds = self.seconds - self.seconds_pilot;
        let (warm, all) =
            self.towers.iter().fold((0.0, 0.0), |(w, a), t| (w + t.seconds_warmup, a + t.seconds));
        let share = if all > 0.0 { warm / all } else { 0.0 };
        let cut = |values: Vec<f64>, width: usize| -> Vec<f64> {
            if n == draws {
                return values;
            }
            values.chunks_exact(draws * width).flat_map(|chain| chain[..n * width].iter().copied()).collect()
        };
        let (mut all_draws, mut all_energies) =
            (std::mem::take(&mut self.draws), std::mem::take(&mut self.energies));
        let mut samples: Vec<Sample> = (0..self.kept_rungs())
            .rev()
            .map(|rung| {
                let per_chain = |f: &dyn Fn(&Block, usize) -> u64| -> Vec<u64> {
                    let lanes = |tower: &Tower| -> Vec<u64> {
                        (0..tower.n()).map(|lane| f(&tower.rungs[rung], lane)).collect()
                    };
                    self.towers.iter().flat_map(lanes).collect()
                };
                Sample {
                    n,
                    columns: d,
                    nonfinite: per_chain(&|b, lane| {
                        b.movers().iter().map(|m| m.tally().nonfinite[lane]).sum()
                    }),
                    nonfinite_drift: per_chain(&|b, lane| b.scratch.nonfinite[lane]),
                    steps: per_chain(&|b, _| b.step()),
                    draws: cut(all_draws.split_off(rung * rows * d), d),
                    energies: cut(all_energies.split_off(rung * rows), 1),
                    seconds_warmup: self.seconds_pilot + seconds * share,
                    seconds_sampling: seconds * (1.0 - share),
                    kernels: self.kernel_reports(rung),
                    exact: self.spec.exact(self.settings.boundary),
                    ladder: self.ladder_report(),
                }
            })
            .collect();
        samples.reverse();
        samples
    }

    fn kernel_reports(&self, rung: usize) -> Vec<KernelReport> {
        let of = |(i, spec): (usize, &Spec)| {
            let mut report =
                KernelReport { name: spec.name(), acceptance: vec![], step: vec![], steps: vec![] };
            for block in self.towers.iter().map(|tower| &tower.rungs[rung]) {
                let mover = &block.movers()[i];
                let tally = mover.tally();
                for lane in 0..block.n() {
                    report.acceptance.push(match spec {
                        Spec::Conditional => f64::NAN,
                        _ => tally.accepted[lane] / tally.steps as f64,
                    });
                    report.step.push(mover.steps(&self.targets[rung])[lane]);
                    report.steps.push(tally.steps);
                }
            }
            report
        };
        self.spec.movers().iter().enumerate().map(of).collect()
    }

    fn ladder_report(&self) -> Option<LadderReport> {
        let pairs = self.targets.len() - 1;
        let mut report = LadderReport {
            temperatures: self.targets.iter().map(|target| target.temperature).collect(),
            swaps: vec![vec![]; pairs],
            stones: vec![vec![]; pairs],
            round_trips: vec![],
        };
        for tower in &self.towers {
            let exchange = tower.exchange.as_ref()?;
            for lane in 0..tower.n() {
                let (swaps, stones, trips) = exchange.of_lane(lane);
                for k in 0..pairs {
                    report.swaps[k].push(swaps[k]);
                    report.stones[k].push(stones[k]);
                }
                report.round_trips.push(trips);
            }
        }
        Some(report)
    }
}
