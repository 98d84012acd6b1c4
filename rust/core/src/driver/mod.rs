//! Runs chains: blocks of eight in lockstep, one for each temperature of a tower, towers over threads, in slices of
//! time.

mod base;
mod block;
mod exchange;
mod feasible;
mod later;
mod pilot;
mod report;
mod saved;
mod start;
mod tower;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::kernel::{Spec, Target};
use crate::question::Energy;
use crate::simd::LANES;
use crate::space::{Base, Boundary};
use pilot::Pilot;
use tower::{Tower, keepers};

pub use base::base_rows;
pub use later::Asked;
pub use report::{KernelReport, LadderReport, Sample};

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

/// Temperatures between which chains exchange their rows (MATH.md 3.7).
#[derive(Clone, Debug)]
pub struct Ladder {
    /// Ascending; the first is that of the settings.
    pub temperatures: Vec<f64>,
    /// Whether rows are kept at every temperature, all of which then stay as they are. Else rows of the lowest one
    /// are kept, and those between the ends are moved during warm-up.
    pub every: bool,
}

/// A run that can be advanced bit by bit.
pub struct Run {
    energy: Arc<Energy>,
    spec: Spec,
    /// By rung, the coldest first.
    targets: Vec<Target>,
    /// Whether rows are kept of all rungs.
    every: bool,
    settings: Settings,
    /// Those of the pilot while there is one.
    towers: Vec<Tower>,
    pilot: Option<Pilot>,
    /// `(rung, chain, draw, column)`, of rungs whose rows are kept.
    draws: Vec<f64>,
    /// `(rung, chain, draw)`.
    energies: Vec<f64>,
    pool: Option<ThreadPool>,
    seconds: f64,
    seconds_pilot: f64,
    /// Steps of a pilot, before those of the chains.
    steps_pilot: u64,
    /// When models that answer later were last asked, or the run began.
    asked: Instant,
    /// Rows that were asked about.
    asked_rows: usize,
}

impl Run {
    /// Checks the settings and finds where to start.
    ///
    /// # Errors
    /// [`Error::Sampling`] for settings out of range, a kernel that cannot serve the question, and when
    /// no point of finite energy is found.
    pub fn new(energy: Arc<Energy>, spec: Spec, settings: Settings) -> Result<Self> {
        let ladder = Ladder { temperatures: vec![settings.temperature], every: false };
        Self::tempered(energy, spec, settings, &ladder)
    }

    /// A run at several temperatures, of one chain each, between which rows are exchanged after every step.
    ///
    /// # Errors
    /// As [`Run::new`]; [`Error::Sampling`] for temperatures that do not ascend from that of the settings.
    pub fn tempered(energy: Arc<Energy>, spec: Spec, settings: Settings, ladder: &Ladder) -> Result<Self> {
        check(&settings)?;
        ladder.check(&settings)?;
        spec.check(&energy)?;
        if energy.bounds().free().is_empty() {
            return Err(Error::Space("every column is fixed: there is nothing to sample".into()));
        }
        if let Some(column) = spec.leaves(&energy) {
            return Err(Error::Sampling(format!(
                "{} does not move column {column}: beside it in a Cycle, RandomWalk() moves every column",
                spec.name()
            )));
        }
        let targets: Vec<Target> =
            ladder.temperatures.iter().map(|&t| target(&energy, &spec, &settings, t)).collect();
        // Lockstep costs the same however many lanes are used, unless trees are walked lane by lane.
        let full = settings.chains.div_ceil(LANES);
        let n_towers = if energy.walks() { full.max(settings.threads.min(settings.chains)) } else { full };
        let mut towers = Vec::with_capacity(n_towers);
        let mut first = 0;
        for b in 0..n_towers {
            let n = (settings.chains - first).div_ceil(n_towers - b);
            towers.push(Tower::new(&energy, &spec, &targets, &settings, first, n)?);
            first += n;
        }
        let threads = settings.threads.min(n_towers);
        let pool = if threads > 1 {
            let pool =
                ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("sondage-{i}")).build();
            Some(pool.map_err(|e| Error::Sampling(format!("no threads to run on: {e}")))?)
        } else {
            None
        };
        let d = energy.bounds().len();
        let kept = if ladder.every { targets.len() } else { 1 };
        let (draws, energies) = (zeros(&settings, kept, d)?, zeros(&settings, kept, 1)?);
        let ends = Pilot::ends(settings.warmup);
        let steps_pilot = ends.first().copied().unwrap_or(0);
        let mut run = Self {
            draws,
            energies,
            energy,
            spec,
            targets,
            every: ladder.every,
            settings,
            towers,
            pilot: None,
            pool,
            seconds: 0.0,
            seconds_pilot: 0.0,
            steps_pilot: 0,
            asked: Instant::now(),
            asked_rows: 0,
        };
        if !ladder.every && run.targets.len() > 2 && steps_pilot > 0 {
            let own = Pilot::settings(&run.settings, d);
            let mut tower = Tower::new(&run.energy, &run.spec, &run.targets, &own, 0, LANES)?;
            tower.exchange.iter_mut().for_each(|exchange| exchange.counts_warmup = true);
            let towers = std::mem::replace(&mut run.towers, vec![tower]);
            run.pilot = Some(Pilot { towers, ends });
            run.steps_pilot = steps_pilot;
        }
        Ok(run)
    }

    /// Rungs whose rows are kept.
    fn kept_rungs(&self) -> usize {
        if self.every { self.targets.len() } else { 1 }
    }

    /// Runs for about `time`; true when every chain has finished. For questions whose models all answer at
    /// once; others are run by [`Run::ask`] and [`Run::tell`].
    pub fn advance(&mut self, time: Duration) -> bool {
        if self.energy.averages() && self.spec.steps_together() {
            self.advance_together(time);
        } else {
            self.advance_apart(time);
        }
        self.end_round();
        self.pilot.is_none() && self.towers.iter().all(|tower| tower.step() == self.total_steps())
    }

    fn advance_apart(&mut self, time: Duration) {
        let begin = Instant::now();
        let (kept, until) = (if self.pilot.is_some() { 0 } else { self.kept_rungs() }, self.until());
        let (energy, targets) = (&*self.energy, &self.targets[..]);
        assert!(energy.foreign_width() == 0, "a run about foreign models is asked and told");
        let mut keepers =
            keepers(&self.towers, &mut self.draws, &mut self.energies, &self.settings, kept, until);
        let jobs = self.towers.iter_mut().zip(keepers.chunks_mut(targets.len()));
        match &self.pool {
            None => {
                let share = time / jobs.len() as u32;
                for (tower, kept) in jobs {
                    tower.advance(energy, targets, share, kept);
                }
            }
            Some(pool) => {
                let share = time / jobs.len().div_ceil(pool.current_num_threads()) as u32;
                let jobs: Vec<_> = jobs.collect();
                pool.install(|| {
                    jobs.into_par_iter()
                        .for_each(|(tower, kept)| tower.advance(energy, targets, share, kept));
                });
            }
        }
        self.seconds += begin.elapsed().as_secs_f64();
    }

    fn total_steps(&self) -> u64 {
        self.settings.warmup + self.settings.draws as u64 * self.settings.thin
    }

    /// Steps of the slowest chain, steps in all, steps of the warm-up; those of a pilot count as warm-up.
    pub fn progress(&self) -> (u64, u64, u64) {
        let done = self.towers.iter().map(Tower::step).min().unwrap_or(0);
        let before = if self.pilot.is_some() { 0 } else { self.steps_pilot };
        (before + done, self.steps_pilot + self.total_steps(), self.steps_pilot + self.settings.warmup)
    }
}

impl Ladder {
    fn check(&self, settings: &Settings) -> Result<()> {
        let ladder = &self.temperatures;
        let fine = ladder.iter().all(|t| t.is_finite()) && ladder.windows(2).all(|pair| pair[0] < pair[1]);
        if ladder.first() != Some(&settings.temperature) || !fine || ladder.len() > 255 {
            return Err(Error::Sampling(format!(
                "temperatures must ascend from the run's own, {}, to at most 255: not {ladder:?}",
                settings.temperature
            )));
        }
        Ok(())
    }
}

fn target(energy: &Energy, spec: &Spec, settings: &Settings, temperature: f64) -> Target {
    let drawn = spec.movers().contains(&Spec::Conditional);
    Target {
        constraints: energy.constraints().to_vec(),
        base: Base::new(energy.bounds().clone(), energy.reference()),
        temperature,
        boundary: settings.boundary,
        measures: if drawn { energy.drawn(temperature) } else { Vec::new() },
        level: energy.level(),
        bounds: energy.bounds().clone(),
    }
}

/// Room for `columns` numbers per kept row, or an error instead of an abort.
fn zeros(settings: &Settings, rungs: usize, columns: usize) -> Result<Vec<f64>> {
    let rows = settings.chains.checked_mul(settings.draws).and_then(|rows| rows.checked_mul(rungs));
    let n = rows.and_then(|rows| rows.checked_mul(columns));
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
