//! Runs chains: blocks of eight in lockstep, blocks over threads, in slices of time.

mod block;
mod later;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::kernel::{Spec, Target};
use crate::question::Energy;
use crate::simd::LANES;
use crate::space::{Base, Boundary};
use block::Block;

pub use later::Asked;

/// How to run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key: [u8; 32],
    pub chains: usize,
    pub temperature: f64,
    /// Steps before the first kept one; kernels adapt in them.
    pub warmup: u64,
    /// Rows kept per chain.
    pub draws: usize,
    /// Steps per kept row.
    pub thin: u64,
    pub boundary: Boundary,
    pub threads: usize,
    /// `chains × columns`, row-major; drawn when `None`.
    pub start: Option<Vec<f64>>,
}

/// A run that can be advanced bit by bit.
pub struct Run {
    energy: Arc<Energy>,
    spec: Spec,
    target: Target,
    settings: Settings,
    blocks: Vec<Block>,
    /// `(chain, draw, column)`.
    draws: Vec<f64>,
    /// `(chain, draw)`.
    energies: Vec<f64>,
    pool: Option<ThreadPool>,
    seconds: f64,
    /// When models that answer later were last asked, or the run began.
    asked: Instant,
    /// Rows that were asked about.
    asked_rows: usize,
}

/// What came of a run.
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

impl Run {
    /// Checks the settings and finds where to start.
    ///
    /// # Errors
    /// [`Error::Sampling`] for settings out of range, a kernel that cannot serve the question, and when
    /// no point of finite energy is found.
    pub fn new(energy: Arc<Energy>, spec: Spec, settings: Settings) -> Result<Self> {
        check(&settings)?;
        spec.check(&energy)?;
        let bounds = energy.bounds().clone();
        if bounds.free().is_empty() {
            return Err(Error::Space("every column is fixed: there is nothing to sample".into()));
        }
        if let Some(column) = spec.leaves(&energy) {
            return Err(Error::Sampling(format!(
                "{} does not move column {column}: beside it in a Cycle, RandomWalk() moves every column",
                spec.name()
            )));
        }
        let measures = if spec.movers().contains(&Spec::Conditional) {
            energy.drawn(settings.temperature)
        } else {
            Vec::new()
        };
        let target = Target {
            base: Base::new(energy.bounds().clone(), energy.reference()),
            temperature: settings.temperature,
            boundary: settings.boundary,
            measures,
            level: energy.level(),
            bounds,
        };
        // Lockstep costs the same however many lanes are used, unless trees are walked lane by lane.
        let full = settings.chains.div_ceil(LANES);
        let n_blocks = if energy.walks() { full.max(settings.threads.min(settings.chains)) } else { full };
        let mut blocks = Vec::with_capacity(n_blocks);
        let mut first = 0;
        for b in 0..n_blocks {
            let n = (settings.chains - first).div_ceil(n_blocks - b);
            blocks.push(Block::new(&energy, &spec, &target, &settings, first, n)?);
            first += n;
        }
        let threads = settings.threads.min(n_blocks);
        let pool = if threads > 1 {
            let pool =
                ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("sondage-{i}")).build();
            Some(pool.map_err(|e| Error::Sampling(format!("no threads to run on: {e}")))?)
        } else {
            None
        };
        let d = target.bounds.len();
        Ok(Self {
            draws: zeros(&settings, d)?,
            energies: zeros(&settings, 1)?,
            energy,
            spec,
            target,
            settings,
            blocks,
            pool,
            seconds: 0.0,
            asked: Instant::now(),
            asked_rows: 0,
        })
    }

    /// Runs for about `time`; true when every chain has finished. For questions whose models all answer at
    /// once; others are run by [`Run::ask`] and [`Run::tell`].
    pub fn advance(&mut self, time: Duration) -> bool {
        if self.energy.averages() && self.spec.steps_together() {
            self.advance_together(time);
            return self.blocks.iter().all(|b| b.step() == self.total_steps());
        }
        let begin = Instant::now();
        let d = self.target.bounds.len();
        let (draws, thin) = (self.settings.draws, self.settings.thin);
        let (energy, target) = (&*self.energy, &self.target);
        assert!(energy.foreign_width() == 0, "a run about foreign models is asked and told");
        let jobs = jobs(&mut self.blocks, &mut self.draws, &mut self.energies, draws, d);
        match &self.pool {
            None => {
                let share = time / jobs.len() as u32;
                for (block, x, g) in jobs {
                    block.advance(energy, target, share, draws, thin, x, g);
                }
            }
            Some(pool) => {
                let share = time / jobs.len().div_ceil(pool.current_num_threads()) as u32;
                pool.install(|| {
                    jobs.into_par_iter().for_each(|(block, x, g)| {
                        block.advance(energy, target, share, draws, thin, x, g);
                    });
                });
            }
        }
        self.seconds += begin.elapsed().as_secs_f64();
        self.blocks.iter().all(|b| b.step() == self.total_steps())
    }

    fn total_steps(&self) -> u64 {
        self.settings.warmup + self.settings.draws as u64 * self.settings.thin
    }

    /// Steps of the slowest chain, steps in all, steps of the warm-up.
    pub fn progress(&self) -> (u64, u64, u64) {
        let done = self.blocks.iter().map(Block::step).min().unwrap_or(0);
        (done, self.total_steps(), self.settings.warmup)
    }

    /// Hands over what was sampled so far.
    pub fn finish(self) -> Sample {
        let d = self.target.bounds.len();
        let kept = self.settings.draws;
        let n = self.blocks.iter().map(|b| b.kept(self.settings.thin)).min().unwrap_or(0).min(kept);
        let (mut draws, mut energies) = (self.draws, self.energies);
        if n < kept {
            draws = draws.chunks_exact(kept * d).flat_map(|chain| chain[..n * d].iter().copied()).collect();
            energies = energies.chunks_exact(kept).flat_map(|chain| chain[..n].iter().copied()).collect();
        }
        let (warm, all) =
            self.blocks.iter().fold((0.0, 0.0), |(w, a), b| (w + b.seconds_warmup(), a + b.seconds()));
        let share = if all > 0.0 { warm / all } else { 0.0 };
        let per_chain = |f: &dyn Fn(&Block, usize) -> u64| -> Vec<u64> {
            self.blocks.iter().flat_map(|b| (0..b.n()).map(|lane| f(b, lane)).collect::<Vec<_>>()).collect()
        };
        let kernels = self
            .spec
            .movers()
            .iter()
            .enumerate()
            .map(|(i, spec)| {
                let mut report =
                    KernelReport { name: spec.name(), acceptance: vec![], step: vec![], steps: vec![] };
                for block in &self.blocks {
                    let mover = &block.movers()[i];
                    let tally = mover.tally();
                    for lane in 0..block.n() {
                        report.acceptance.push(match spec {
                            Spec::Conditional => f64::NAN,
                            _ => tally.accepted[lane] / tally.steps as f64,
                        });
                        report.step.push(mover.steps(&self.target)[lane]);
                        report.steps.push(tally.steps);
                    }
                }
                report
            })
            .collect();
        Sample {
            n,
            columns: d,
            nonfinite: per_chain(&|b, lane| b.movers().iter().map(|m| m.tally().nonfinite[lane]).sum()),
            nonfinite_drift: per_chain(&|b, lane| b.scratch.nonfinite[lane]),
            steps: per_chain(&|b, _| b.step()),
            draws,
            energies,
            seconds_warmup: self.seconds * share,
            seconds_sampling: self.seconds * (1.0 - share),
            kernels,
            exact: self.spec.exact(self.settings.boundary),
        }
    }
}

/// Each block beside its part of the draws and energies.
fn jobs<'a>(
    blocks: &'a mut [Block],
    draws: &'a mut [f64],
    energies: &'a mut [f64],
    n_draws: usize,
    columns: usize,
) -> Vec<(&'a mut Block, &'a mut [f64], &'a mut [f64])> {
    let (mut left_x, mut left_g) = (draws, energies);
    let mut jobs = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (x, rest) = left_x.split_at_mut(block.n() * n_draws * columns);
        left_x = rest;
        let (g, rest) = left_g.split_at_mut(block.n() * n_draws);
        left_g = rest;
        jobs.push((block, x, g));
    }
    jobs
}

/// Room for `columns` numbers per kept row, or an error instead of an abort.
fn zeros(settings: &Settings, columns: usize) -> Result<Vec<f64>> {
    let n = settings.chains.checked_mul(settings.draws).and_then(|rows| rows.checked_mul(columns));
    match n {
        Some(n) if Vec::<f64>::new().try_reserve_exact(n).is_ok() => Ok(vec![0.0; n]),
        _ => Err(Error::Sampling(format!(
            "{} chains of {} draws of {columns} columns do not fit into memory: ask for fewer draws, or keep \
             every n-th with thin=n",
            settings.chains, settings.draws
        ))),
    }
}

fn check(settings: &Settings) -> Result<()> {
    let fail = |message: String| Err(Error::Sampling(message));
    if !(settings.temperature.is_finite() && settings.temperature > 0.0) {
        return fail(format!("temperature must be a positive number, not {}", settings.temperature));
    }
    for (name, value) in [
        ("chains", settings.chains as u64),
        ("draws", settings.draws as u64),
        ("thin", settings.thin),
        ("threads", settings.threads as u64),
    ] {
        if value == 0 {
            return fail(format!("{name} must be at least 1"));
        }
    }
    if settings.chains >= 1 << 40 {
        return fail(format!("{} chains are too many", settings.chains));
    }
    Ok(())
}
