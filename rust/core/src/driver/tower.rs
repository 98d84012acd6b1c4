//! A group of up to eight chains on all rungs of a ladder of temperatures: one block for each.
//!
//! All rungs make a step, then neighbours exchange rows. Where there is one temperature a tower is one block.

use std::time::{Duration, Instant};

use super::Settings;
use super::block::{Block, Seats, Waiting};
use super::exchange::Exchange;
use crate::error::Result;
use crate::kernel::{Spec, Target};
use crate::question::Energy;

pub(super) struct Tower {
    /// The coldest first.
    pub(super) rungs: Vec<Block>,
    pub(super) exchange: Option<Exchange>,
    pub(super) seconds: f64,
    pub(super) seconds_warmup: f64,
}

/// Where a block keeps rows, and up to which step it goes.
pub(super) struct Kept<'a> {
    pub(super) n_draws: usize,
    pub(super) thin: u64,
    pub(super) until: u64,
    /// `(chain, draw, column)`; empty where rows of a rung are not kept.
    pub(super) draws: &'a mut [f64],
    /// `(chain, draw)`.
    pub(super) energies: &'a mut [f64],
}

impl Tower {
    pub(super) fn new(
        energy: &Energy,
        spec: &Spec,
        targets: &[Target],
        settings: &Settings,
        first: usize,
        n: usize,
    ) -> Result<Self> {
        let rungs = targets
            .iter()
            .enumerate()
            .map(|(rung, target)| Block::new(energy, spec, target, settings, Seats { rung, first, n }))
            .collect::<Result<Vec<_>>>()?;
        let exchange = (targets.len() > 1).then(|| Exchange::new(targets.len(), &settings.key, first as u64));
        Ok(Self { rungs, exchange, seconds: 0.0, seconds_warmup: 0.0 })
    }

    pub(super) fn n(&self) -> usize {
        self.rungs[0].n()
    }

    pub(super) fn step(&self) -> u64 {
        self.rungs[0].step()
    }

    pub(super) fn warming(&self) -> bool {
        self.rungs[0].phase().warming()
    }

    /// Steps for about `time`, at least one. Time decides only where a call ends, never what a step does.
    pub(super) fn advance(
        &mut self,
        energy: &Energy,
        targets: &[Target],
        time: Duration,
        kept: &mut [Kept<'_>],
    ) {
        let until = kept[0].until;
        let begin = Instant::now();
        let mut last = begin;
        let mut stride = 1;
        while self.step() < until {
            let warming = self.warming();
            let end = if warming { self.rungs[0].phase().warmup.min(until) } else { until };
            for _ in 0..stride.min(end - self.step()) {
                for (block, target) in self.rungs.iter_mut().zip(targets) {
                    block.one_step(energy, target);
                }
                self.end_step(targets, kept);
            }
            let now = Instant::now();
            let spent = now - last;
            last = now;
            self.seconds += spent.as_secs_f64();
            if warming {
                self.seconds_warmup += spent.as_secs_f64();
            }
            if now - begin >= time {
                break;
            }
            if spent < Duration::from_micros(500) {
                stride = (stride * 2).min(1 << 16);
            } else if spent > Duration::from_millis(2) {
                stride = (stride / 2).max(1);
            }
        }
    }

    /// Exchanges rows and keeps those that are to be kept.
    fn end_step(&mut self, targets: &[Target], kept: &mut [Kept<'_>]) {
        let Self { rungs, exchange, .. } = self;
        if let Some(exchange) = exchange {
            exchange.round(rungs, targets);
        }
        for (block, kept) in rungs.iter_mut().zip(kept) {
            block.end_step(kept);
        }
    }

    /// Goes on to the next step once every rung has made this one, where blocks wait for evaluations.
    pub(super) fn settle(&mut self, targets: &[Target], kept: &mut [Kept<'_>]) {
        while self.rungs.iter().all(|block| matches!(block.waiting, Waiting::Others)) {
            self.end_step(targets, kept);
            for (block, target) in self.rungs.iter_mut().zip(targets) {
                if block.step() < kept[0].until {
                    block.begin_step(target);
                } else {
                    block.waiting = Waiting::Nothing;
                }
            }
        }
    }
}

/// Each tower beside where its rungs keep rows, rungs of `(rung, chain, draw, …)`: of the first `kept` only.
pub(super) fn keepers<'a>(
    towers: &[Tower],
    draws: &'a mut [f64],
    energies: &'a mut [f64],
    settings: &Settings,
    kept: usize,
    until: u64,
) -> Vec<Kept<'a>> {
    let (n_draws, thin) = (settings.draws, settings.thin);
    let columns = draws.len() / energies.len().max(1);
    let mut rungs: Vec<_> = draws
        .chunks_exact_mut((settings.chains * n_draws * columns).max(1))
        .zip(energies.chunks_exact_mut(settings.chains * n_draws))
        .take(kept)
        .collect();
    let mut out = Vec::with_capacity(towers.iter().map(|tower| tower.rungs.len()).sum());
    for tower in towers {
        for rung in 0..tower.rungs.len() {
            let (draws, energies) = match rungs.get_mut(rung) {
                Some((draws, energies)) => (
                    draws.split_off_mut(..tower.n() * n_draws * columns).unwrap_or_default(),
                    energies.split_off_mut(..tower.n() * n_draws).unwrap_or_default(),
                ),
                None => Default::default(),
            };
            out.push(Kept { n_draws, thin, until, draws, energies });
        }
    }
    out
}
