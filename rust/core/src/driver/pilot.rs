//! A run before the run that places the temperatures of a ladder; afterwards they are frozen for all chains.
//!
//! Eight chains of their own, so that no chain depends on how many others run. They make as many steps as a warm-up
//! has, in rounds of doubling length, after each of which neighbours are moved to where they should refuse each
//! other equally often (`adapt/ladder.rs`).

use super::tower::Tower;
use super::{Run, Settings};
use crate::adapt::even;
use crate::driver::block::Waiting;
use crate::rng::{Purpose, stream};
use crate::simd::LANES;

/// Rounds, of which each is as long as all before it.
const ROUNDS: u32 = 5;
/// Steps of the shortest round; fewer rounds in a shorter warm-up.
const LEAST: u64 = 16;

pub(super) struct Pilot {
    /// The chains themselves, which wait.
    pub(super) towers: Vec<Tower>,
    /// Steps at which rounds end, those to come.
    pub(super) ends: Vec<u64>,
}

impl Pilot {
    /// Steps at which rounds end, the last first; none where there is too little to learn from.
    pub(super) fn ends(warmup: u64) -> Vec<u64> {
        (0..ROUNDS).map(|round| warmup >> round).take_while(|&end| end >= LEAST).collect()
    }

    /// What eight chains of other streams run with; where chains start at given rows, these start at the first one.
    pub(super) fn settings(settings: &Settings, columns: usize) -> Settings {
        let start = settings.start.as_ref().map(|rows| rows[..columns.min(rows.len())].repeat(LANES));
        let key = stream(&settings.key, Purpose::Pilot, 0).key();
        Settings { key, chains: LANES, start, ..settings.clone() }
    }
}

impl Run {
    /// Up to which step chains go now.
    pub(super) fn until(&self) -> u64 {
        match self.pilot.as_ref().and_then(|pilot| pilot.ends.last()) {
            Some(&end) => end,
            None => self.total_steps(),
        }
    }

    /// At the end of a round, moves the temperatures; after the last one, the chains themselves begin. True where
    /// the pilot goes on.
    pub(super) fn end_round(&mut self) -> bool {
        let until = self.until();
        let Some(pilot) = &mut self.pilot else { return false };
        let [tower] = &mut self.towers[..] else { return false };
        if tower.step() < until {
            return false;
        }
        pilot.ends.pop();
        let over = pilot.ends.is_empty();
        let temperatures: Vec<f64> = self.targets.iter().map(|target| target.temperature).collect();
        let Some(exchange) = &mut tower.exchange else { return false };
        let moved = even(&temperatures, &exchange.rejections());
        exchange.reset();
        for block in &mut tower.rungs {
            block.waiting = Waiting::Begin;
        }
        let mut all: Vec<&mut Tower> = self.towers.iter_mut().chain(&mut pilot.towers).collect();
        for (rung, temperature) in moved.into_iter().enumerate() {
            for tower in &mut all {
                tower.rungs[rung].retarget(&self.targets[rung], temperature, self.settings.temperature);
            }
            self.targets[rung].temperature = temperature;
            if !self.targets[rung].measures.is_empty() {
                self.targets[rung].measures = self.energy.drawn(temperature);
            }
        }
        if over && let Some(pilot) = self.pilot.take() {
            self.seconds_pilot = self.seconds;
            self.towers = pilot.towers;
        }
        !over
    }
}
