//! Runs of which all blocks stand at a row to evaluate and go on together: those about models that answer
//! later, which are told what other libraries say of the rows, and those about means over stacks, which are
//! computed for all chains at once.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Run;
use super::block::{Block, Waiting};
use super::tower::{Kept, Tower, keepers};
use crate::error::{Error, Result};
use crate::kernel::{Reply, Request, Schedule, State, Target};
use crate::model::tree::fill_lanes;
use crate::question::{Energy, Workspace};
use crate::simd::Lanes;

/// Rows of which the outputs of foreign models are needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `n × Energy::n_asked`, row-major.
    pub rows: Vec<f64>,
    /// Whether some of them need a gradient as well.
    pub gradient: bool,
}

impl Run {
    /// What is needed now, for all chains that go on; `None` when every chain has finished. Asking again
    /// without [`Run::tell`] gives the same rows.
    ///
    /// # Errors
    /// [`Error::Sampling`] for a question whose models all answer at once, and while a gradient is waited for.
    pub fn ask(&mut self) -> Result<Option<Asked>> {
        if self.energy.foreign_width() == 0 {
            return Err(Error::Sampling("no model of this run answers later: advance it".into()));
        }
        self.require_no_gradient()?;
        let most = self.settings.chains * self.targets.len() * self.energy.n_asked();
        let mut asked = Asked { rows: Vec::with_capacity(most), gradient: false };
        for block in self.towers.iter_mut().flat_map(|tower| &mut tower.rungs) {
            asked.gradient |= block.wants_gradient();
            block.write_wanted(&self.energy, &mut asked.rows);
        }
        Ok(if asked.rows.is_empty() { None } else { Some(asked) })
    }

    /// Takes what the models say of the rows of [`Run::ask`], `n × foreign_width`, row-major, in the order of
    /// [`Energy::foreign`]; chains go on to their next rows. Where a gradient is needed, gives the cotangents
    /// of these outputs, `n × foreign_width`, and [`Run::tell_gradient`] must follow.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of outputs; the run stays as it is. [`Error::Sampling`] when no
    /// chain can start, and while a gradient is waited for.
    pub fn tell(&mut self, outputs: &[f64]) -> Result<Option<Vec<f64>>> {
        self.require_no_gradient()?;
        let width = self.energy.foreign_width();
        let rows: Vec<usize> = self.blocks().map(|block| block.wanted_lanes().count()).collect();
        let n: usize = rows.iter().sum();
        if outputs.len() != n * width {
            return Err(Error::Data(format!("{} outputs for {n} rows of {width}", outputs.len())));
        }
        if self.energy.averages() {
            self.each_block(&rows, outputs, width, |block, energy, _, own| {
                block.hear(energy, own);
                Ok(())
            })?;
            self.average();
            self.go_on()?;
        } else {
            self.each_block(&rows, outputs, width, |block, energy, target, own| {
                block.hear(energy, own);
                block.go_on(energy, target)
            })?;
        }
        if !self.blocks().any(Block::awaits_gradient) {
            self.end_rounds()?;
            return Ok(None);
        }
        let mut cotangents = vec![0.0; n * width];
        let mut left = cotangents.as_mut_slice();
        for (block, rows) in self.blocks().zip(rows) {
            let (own, rest) = left.split_at_mut(rows * width);
            left = rest;
            if block.awaits_gradient() {
                for (lane, own) in own.chunks_exact_mut(width).enumerate() {
                    let cotangents = self.energy.foreign_cotangents(&block.workspace);
                    for (to, from) in own.iter_mut().zip(cotangents) {
                        *to = from[lane];
                    }
                }
            }
        }
        self.asked_rows = n;
        Ok(Some(cotangents))
    }

    /// Takes the gradients of what [`Run::tell`] gave, `n × Energy::n_asked`: for every row of [`Run::ask`],
    /// the sum over outputs of cotangent times slope.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of slopes; the run stays as it is. [`Error::Sampling`] when none is
    /// waited for.
    pub fn tell_gradient(&mut self, gradient: &[f64]) -> Result<()> {
        if !self.blocks().any(Block::awaits_gradient) {
            return Err(Error::Sampling("no gradient is waited for".into()));
        }
        let (n, width) = (self.asked_rows, self.energy.n_asked());
        if gradient.len() != n * width {
            return Err(Error::Data(format!("{} slopes for {n} rows of {width}", gradient.len())));
        }
        // Blocks that wait are in the order of their rows; those that do not are past theirs.
        let rows: Vec<usize> = self.blocks().map(|block| block.told).collect();
        self.each_block(&rows, gradient, width, |block, energy, target, own| {
            block.hear_gradient(energy, target, own);
            Ok(())
        })?;
        self.end_rounds()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.towers.iter().flat_map(|tower| &tower.rungs)
    }

    fn go_on(&mut self) -> Result<()> {
        self.each_block(&[], &[], 0, |block, energy, target, _| block.go_on(energy, target))
    }

    /// Where a round of the pilot is over, the next one begins at once: models are asked about its rows.
    fn end_rounds(&mut self) -> Result<()> {
        if self.end_round() { self.go_on() } else { Ok(()) }
    }

    /// Runs for about `time`, where means are computed for all chains at once.
    ///
    /// # Panics
    /// Never: what can fail is the search for a start, which is over.
    pub(super) fn advance_together(&mut self, time: Duration) {
        let begin = Instant::now();
        self.asked = begin;
        while self.blocks().any(|block| !matches!(block.waiting, Waiting::Nothing)) {
            let told = self
                .each_block(&[], &[], 0, |block, energy, _, _| {
                    block.hear(energy, &[]);
                    Ok(())
                })
                .and_then(|()| {
                    self.average();
                    self.go_on()
                });
            debug_assert!(told.is_ok());
            if begin.elapsed() >= time {
                break;
            }
        }
    }

    /// Computes the means of every block that waits for them.
    fn average(&mut self) {
        let gradient = self.blocks().any(Block::wants_gradient);
        let mut workspaces: Vec<&mut Workspace> = self
            .towers
            .iter_mut()
            .flat_map(|tower| &mut tower.rungs)
            .filter(|block| block.prepared())
            .map(|block| &mut block.workspace)
            .collect();
        let energy = &*self.energy;
        match &self.pool {
            _ if workspaces.is_empty() => {}
            None => energy.means(&mut workspaces, gradient, false),
            Some(pool) => pool.install(|| energy.means(&mut workspaces, gradient, true)),
        }
    }

    fn require_no_gradient(&self) -> Result<()> {
        if self.blocks().any(Block::awaits_gradient) {
            return Err(Error::Sampling("the gradient of the last rows has not been told".into()));
        }
        Ok(())
    }

    /// Hands every block its share of `given`, `width` numbers for each of its rows; `rows` may end early. Towers
    /// whose rungs have all made their step go on to the next one.
    fn each_block(
        &mut self,
        rows: &[usize],
        given: &[f64],
        width: usize,
        work: impl Fn(&mut Block, &Energy, &Target, &[f64]) -> Result<()> + Sync,
    ) -> Result<()> {
        let (kept, until) = (if self.pilot.is_some() { 0 } else { self.kept_rungs() }, self.until());
        let (energy, targets) = (&*self.energy, &self.targets[..]);
        let mut keepers =
            keepers(&self.towers, &mut self.draws, &mut self.energies, &self.settings, kept, until);
        let mut rows = rows.iter().copied();
        let mut left = given;
        let jobs: Vec<_> = self
            .towers
            .iter_mut()
            .zip(keepers.chunks_mut(targets.len()))
            .map(|(tower, kept)| {
                let counts: Vec<usize> = tower.rungs.iter().map(|_| rows.next().unwrap_or(0)).collect();
                let (own, rest) = left.split_at(counts.iter().sum::<usize>() * width);
                left = rest;
                (tower, counts, own, kept)
            })
            .collect();
        let one = |(tower, counts, mut left, kept): (&mut Tower, Vec<usize>, &[f64], &mut [Kept<'_>])| {
            for ((block, target), n) in tower.rungs.iter_mut().zip(targets).zip(counts) {
                let (own, rest) = left.split_at(n * width);
                left = rest;
                work(block, energy, target, own)?;
            }
            tower.settle(targets, kept);
            Ok(())
        };
        let told: Vec<Result<()>> = match &self.pool {
            None => jobs.into_iter().map(one).collect(),
            Some(pool) => pool.install(|| jobs.into_par_iter().map(one).collect()),
        };
        let now = Instant::now();
        let spent = (now - self.asked).as_secs_f64();
        self.asked = now;
        self.seconds += spent;
        for tower in &mut self.towers {
            tower.seconds += spent;
            if tower.warming() {
                tower.seconds_warmup += spent;
            }
        }
        told.into_iter().collect()
    }
}

impl Block {
    /// Lanes of chains that wait for what models say of their rows.
    fn wanted_lanes(&self) -> impl Iterator<Item = usize> {
        (0..self.n()).filter(|&lane| match &self.waiting {
            Waiting::Nothing | Waiting::Begin | Waiting::Others | Waiting::Gradient { .. } => false,
            Waiting::Start(search) => search.seeks(lane),
            Waiting::Move { .. } | Waiting::Drift => true,
        })
    }

    fn wants_gradient(&self) -> bool {
        matches!(self.waiting, Waiting::Move { gradient: true } | Waiting::Drift)
    }

    fn awaits_gradient(&self) -> bool {
        matches!(self.waiting, Waiting::Gradient { .. })
    }

    /// Appends the rows that wait, as other libraries are asked about them.
    fn write_wanted(&mut self, energy: &Energy, rows: &mut Vec<f64>) {
        let lanes: Vec<usize> = self.wanted_lanes().collect();
        let Self { waiting, schedule, state, workspace, .. } = self;
        let Some(x) = waiting.rows(schedule, state) else { return };
        let asked = energy.asked(x, workspace);
        for lane in lanes {
            rows.extend(asked.iter().map(|x| x[lane]));
        }
    }

    /// Whether the workspace is at rows whose energy is waited for.
    fn prepared(&self) -> bool {
        matches!(self.waiting, Waiting::Start(_) | Waiting::Move { .. } | Waiting::Drift)
    }

    /// Takes what other libraries say of the block's rows, and prepares their energies.
    fn hear(&mut self, energy: &Energy, outputs: &[f64]) {
        let width = energy.foreign_width();
        let lanes: Vec<usize> = self.wanted_lanes().collect();
        self.told = lanes.len();
        // Lanes of no chain, and those that have a start, are evaluated on what their numbers were before.
        self.workspace.foreign.resize(width, Lanes::splat(0.0));
        for (&lane, outputs) in lanes.iter().zip(outputs.chunks_exact(width.max(1))) {
            for (to, &output) in self.workspace.foreign.iter_mut().zip(outputs) {
                to[lane] = output;
            }
        }
        let Self { waiting, schedule, state, workspace, .. } = self;
        if let Some(x) = waiting.rows(schedule, state) {
            energy.prepare(x, workspace);
        }
    }

    /// Decides with what is known now, and goes on to the next row to evaluate, or to the end.
    fn go_on(&mut self, energy: &Energy, target: &Target) -> Result<()> {
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Nothing => return Ok(()),
            others @ (Waiting::Gradient { .. } | Waiting::Others) => {
                self.waiting = others;
                return Ok(());
            }
            Waiting::Begin => {
                self.begin_step(target);
                return Ok(());
            }
            Waiting::Start(mut search) => {
                let energies = energy.conclude(&mut self.workspace);
                if !search.tell(target, &energies)? {
                    self.waiting = Waiting::Start(search);
                    return Ok(());
                }
                self.state = search.finish(energy, "")?;
                self.begin_step(target);
                return Ok(());
            }
            Waiting::Move { gradient: false } => {
                let phase = self.phase();
                let Self { schedule, state, streams, workspace, .. } = self;
                let g = energy.conclude(workspace);
                schedule.current().tell(target, phase, state, Reply::Energy(g), streams);
            }
            wants_gradient @ (Waiting::Move { gradient: true } | Waiting::Drift) => {
                let g = energy.conclude(&mut self.workspace);
                self.scratch.drift.fill(Lanes::splat(0.0));
                energy.add_gradient(&mut self.workspace, &mut self.scratch.drift);
                let known = (!matches!(wants_gradient, Waiting::Drift)).then_some(g);
                if energy.foreign_width() > 0 {
                    self.waiting = Waiting::Gradient { energy: known };
                    return Ok(());
                }
                self.tell_drift(target, known);
            }
        }
        self.seek(target);
        Ok(())
    }

    fn hear_gradient(&mut self, energy: &Energy, target: &Target, given: &[f64]) {
        let Waiting::Gradient { energy: known } = self.waiting else { return };
        self.waiting = Waiting::Nothing;
        let Self { workspace, scratch, .. } = self;
        let width = energy.n_asked();
        scratch.given.resize(width, Lanes::splat(0.0));
        fill_lanes(given, width, &mut scratch.given);
        energy.add_foreign_gradient(&scratch.given, workspace, &mut scratch.drift);
        self.tell_drift(target, known);
        self.seek(target);
    }

    fn tell_drift(&mut self, target: &Target, energy: Option<Lanes<f64>>) {
        let phase = self.phase();
        let Self { schedule, state, streams, scratch, .. } = self;
        scratch.settle_drift();
        let reply = match energy {
            Some(g) => Reply::EnergyAndDrift(g, &scratch.drift),
            None => Reply::Drift(&scratch.drift),
        };
        schedule.current().tell(target, phase, state, reply, streams);
    }

    /// Plans the next step and finds its first row to evaluate.
    pub(super) fn begin_step(&mut self, target: &Target) {
        self.schedule.begin();
        self.schedule.next_mover();
        self.seek(target);
    }

    /// Finds the next row to evaluate, or the end of the step.
    fn seek(&mut self, target: &Target) {
        loop {
            let phase = self.phase();
            let request = self.schedule.current().ask(target, phase, &self.state, &mut self.streams);
            self.waiting = match request {
                Request::Energy => Waiting::Move { gradient: false },
                Request::EnergyAndDrift => Waiting::Move { gradient: true },
                Request::DriftHere => Waiting::Drift,
                Request::Done => Waiting::Others,
                other => unreachable!("{other:?} needs a native model"),
            };
            if request != Request::Done || self.schedule.next_mover().is_none() {
                return;
            }
        }
    }
}

impl Waiting {
    /// Rows whose energy is waited for.
    fn rows<'a>(&'a self, schedule: &'a Schedule, state: &'a State) -> Option<&'a [Lanes<f64>]> {
        match self {
            Waiting::Nothing | Waiting::Begin | Waiting::Others | Waiting::Gradient { .. } => None,
            Waiting::Start(search) => Some(search.candidate()),
            Waiting::Move { .. } => Some(schedule.movers()[schedule.at()].proposal()),
            Waiting::Drift => Some(&state.x),
        }
    }
}
