//! Runs about models that answer later: all blocks stand at a row to evaluate, are told what the models of
//! other libraries say of it, and go on to the next.

use std::time::Instant;

use rayon::prelude::*;

use super::Run;
use super::block::{Block, Waiting};
use crate::error::{Error, Result};
use crate::kernel::{Reply, Request, Target};
use crate::question::Energy;
use crate::simd::Lanes;

impl Run {
    /// Rows (`n × columns`, row-major) of which the outputs of foreign models are needed now, for all chains
    /// that go on; `None` when every chain has finished. Asking again without [`Run::tell`] gives the same
    /// rows.
    ///
    /// # Errors
    /// [`Error::Sampling`] for a question whose models all answer at once.
    pub fn ask(&self) -> Result<Option<Vec<f64>>> {
        if self.energy.foreign_width() == 0 {
            return Err(Error::Sampling("no model of this run answers later: advance it".into()));
        }
        let mut rows = Vec::new();
        for block in &self.blocks {
            let x = block.wanted();
            for lane in block.wanted_lanes() {
                rows.extend(x.iter().map(|x| x[lane]));
            }
        }
        Ok(if rows.is_empty() { None } else { Some(rows) })
    }

    /// Takes what the models say of the rows of [`Run::ask`], `n × foreign_width`, row-major, in the order of
    /// [`Energy::foreign`]; every chain goes on to its next row.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of outputs; the run stays as it is. [`Error::Sampling`] when no
    /// chain can start.
    pub fn tell(&mut self, outputs: &[f64]) -> Result<()> {
        let width = self.energy.foreign_width();
        let rows: Vec<usize> = self.blocks.iter().map(|block| block.wanted_lanes().count()).collect();
        let n: usize = rows.iter().sum();
        if outputs.len() != n * width {
            return Err(Error::Data(format!("{} outputs for {n} rows of {width}", outputs.len())));
        }
        let (n_draws, thin) = (self.settings.draws, self.settings.thin);
        let total = self.total_steps();
        let (energy, target) = (&*self.energy, &self.target);
        let columns = target.bounds.len();
        let mut left = outputs;
        let jobs: Vec<_> =
            super::jobs(&mut self.blocks, &mut self.draws, &mut self.energies, n_draws, columns)
                .into_iter()
                .zip(rows)
                .map(|((block, draws, energies), rows)| {
                    let (own, rest) = left.split_at(rows * width);
                    left = rest;
                    (block, own, Kept { n_draws, thin, total, draws, energies })
                })
                .collect();
        let one = |(block, own, mut kept): (&mut Block, &[f64], Kept<'_>)| {
            block.tell(energy, target, own, &mut kept)
        };
        let told: Vec<Result<()>> = match &self.pool {
            None => jobs.into_iter().map(one).collect(),
            Some(pool) => pool.install(|| jobs.into_par_iter().map(one).collect()),
        };
        let now = Instant::now();
        let spent = (now - self.asked).as_secs_f64();
        self.asked = now;
        self.seconds += spent;
        for block in &mut self.blocks {
            block.seconds += spent;
            if block.phase().step <= block.warmup {
                block.seconds_warmup += spent;
            }
        }
        told.into_iter().collect()
    }
}

/// Where a block keeps rows, and how many steps it makes.
struct Kept<'a> {
    n_draws: usize,
    thin: u64,
    total: u64,
    draws: &'a mut [f64],
    energies: &'a mut [f64],
}

impl Block {
    /// Rows that wait for their energies.
    fn wanted(&self) -> &[Lanes<f64>] {
        match &self.waiting {
            Waiting::Nothing => &[],
            Waiting::Start(search) => search.candidate(),
            Waiting::Move => self.schedule.movers()[self.schedule.at()].proposal(),
        }
    }

    /// Lanes of chains that wait.
    fn wanted_lanes(&self) -> impl Iterator<Item = usize> {
        (0..self.n()).filter(|&lane| match &self.waiting {
            Waiting::Nothing => false,
            Waiting::Start(search) => search.seeks(lane),
            Waiting::Move => true,
        })
    }

    fn tell(&mut self, energy: &Energy, target: &Target, outputs: &[f64], kept: &mut Kept<'_>) -> Result<()> {
        let width = energy.foreign_width();
        let lanes: Vec<usize> = self.wanted_lanes().collect();
        // Lanes of no chain, and those that have a start, are evaluated on what their numbers were before.
        self.workspace.foreign.resize(width, Lanes::splat(0.0));
        for (&lane, outputs) in lanes.iter().zip(outputs.chunks_exact(width)) {
            for (to, &output) in self.workspace.foreign.iter_mut().zip(outputs) {
                to[lane] = output;
            }
        }
        let phase = self.phase();
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Nothing => return Ok(()),
            Waiting::Start(mut search) => {
                let energies = energy.at(search.candidate(), &mut self.workspace);
                if !search.tell(target, &energies)? {
                    self.waiting = Waiting::Start(search);
                    return Ok(());
                }
                self.state = search.finish("")?;
                self.schedule.begin();
                self.schedule.next_mover();
            }
            Waiting::Move => {
                let mover = self.schedule.current();
                let g = energy.at(mover.proposal(), &mut self.workspace);
                mover.tell(target, phase, &mut self.state, Reply::Energy(g), &mut self.streams);
            }
        }
        self.go_on(target, kept);
        Ok(())
    }

    /// Moves on to the next row to evaluate, or to the end.
    fn go_on(&mut self, target: &Target, kept: &mut Kept<'_>) {
        while self.phase().step < kept.total {
            let phase = self.phase();
            match self.schedule.current().ask(target, phase, &self.state, &mut self.streams) {
                Request::Energy => {
                    self.waiting = Waiting::Move;
                    return;
                }
                Request::Done => {}
                other => unreachable!("{other:?} needs a native model"),
            }
            if self.schedule.next_mover().is_none() {
                self.end_step(kept.n_draws, kept.thin, kept.draws, kept.energies);
                self.schedule.begin();
                self.schedule.next_mover();
            }
        }
    }
}
