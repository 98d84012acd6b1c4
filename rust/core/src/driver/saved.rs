//! The state of a run as bytes, and a run that goes on from there.
//!
//! What follows from the question and the settings is not written: it is there once more when the same run has been made
//! anew, and then takes over the rest.

use std::time::Instant;

use super::Run;
use super::block::{Block, Waiting};
use super::tower::Tower;
use crate::checkpoint::{Codec, Saved, foreign};
use crate::error::Result;

/// To be raised with any change of what is written.
const VERSION: u64 = 1;

impl Run {
    /// All that [`Run::restore`] needs to go on. `None` where a run cannot be left now: while models that answer later
    /// are asked about where to start, where none was found, and while a gradient is waited for.
    ///
    /// # Errors
    /// Never: only reading fails.
    pub fn save(&mut self) -> Result<Option<Vec<u8>>> {
        let towers = || self.towers.iter().chain(self.pilot.iter().flat_map(|pilot| &pilot.towers));
        if !towers().flat_map(|tower| &tower.rungs).all(Block::rests) {
            return Ok(None);
        }
        let mut codec = Codec::Write(Vec::new());
        self.pass(&mut codec)?;
        Ok(match codec {
            Codec::Write(bytes) => Some(bytes),
            Codec::Read(_) => None,
        })
    }

    /// Goes on from what a run of the same question and settings has saved; its chains then do what that run's would
    /// have done.
    ///
    /// # Errors
    /// [`crate::error::Error::Sampling`] for bytes of another run; this one is then of no use any more.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let mut codec = Codec::Read(bytes);
        self.pass(&mut codec)?;
        codec.end()?;
        self.asked = Instant::now();
        Ok(())
    }
}

impl Saved for Run {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        codec.same(VERSION, "as version of the format")?;
        for (number, what) in [
            (self.targets[0].bounds.len(), "columns"),
            (self.settings.chains, "chains"),
            (self.settings.draws, "draws"),
            (self.targets.len(), "temperatures"),
            (self.kept_rungs(), "temperatures that are kept"),
            (self.pilot.as_ref().map_or(self.towers.len(), |pilot| pilot.towers.len()), "blocks of chains"),
        ] {
            codec.same(number as u64, what)?;
        }
        codec.same(self.settings.thin, "steps for each draw")?;
        self.pass_pilot(codec)?;
        self.pass_temperatures(codec)?;
        self.towers.iter_mut().try_for_each(|tower| tower.pass(codec))?;
        if let Some(pilot) = &mut self.pilot {
            pilot.towers.iter_mut().try_for_each(|tower| tower.pass(codec))?;
        }
        let until = self.until();
        if self.towers.iter().any(|tower| tower.step() > until) {
            return Err(foreign("it has made more steps than it can"));
        }
        self.seconds.pass(codec)?;
        self.seconds_pilot.pass(codec)?;
        self.pass_draws(codec)
    }
}

impl Run {
    /// How many rounds of the pilot are to come.
    fn pass_pilot(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let rounds = self.pilot.as_ref().map_or(0, |pilot| pilot.ends.len());
        let mut left = rounds;
        codec.count(&mut left, rounds)?;
        match &mut self.pilot {
            Some(pilot) if left > 0 => pilot.ends.truncate(left),
            _ => {
                if let Some(pilot) = self.pilot.take() {
                    self.towers = pilot.towers;
                }
            }
        }
        Ok(())
    }

    /// Those that a pilot has moved.
    fn pass_temperatures(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut before = 0.0;
        for rung in 0..self.targets.len() {
            let mut temperature = self.targets[rung].temperature;
            temperature.pass(codec)?;
            let ascends = temperature.is_finite() && temperature > before;
            if !ascends || (rung == 0 && temperature != self.settings.temperature) {
                return Err(foreign("its temperatures do not ascend from that of the settings"));
            }
            before = temperature;
            if temperature == self.targets[rung].temperature {
                continue;
            }
            self.targets[rung].temperature = temperature;
            if !self.targets[rung].measures.is_empty() {
                self.targets[rung].measures = self.energy.drawn(temperature);
            }
            let pilot = self.pilot.iter_mut().flat_map(|pilot| &mut pilot.towers);
            for tower in self.towers.iter_mut().chain(pilot) {
                tower.rungs[rung].weigh_base(temperature, self.settings.temperature);
            }
        }
        Ok(())
    }

    /// Rows that have been kept.
    fn pass_draws(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let (n, d) = (self.settings.draws, self.targets[0].bounds.len());
        let towers = self.pilot.as_ref().map_or(&self.towers, |pilot| &pilot.towers);
        let kept: Vec<usize> = towers
            .iter()
            .flat_map(|tower| std::iter::repeat_n(tower.rungs[0].kept(self.settings.thin).min(n), tower.n()))
            .collect();
        let chains = self.draws.chunks_exact_mut(n * d).zip(self.energies.chunks_exact_mut(n));
        for ((draws, energies), &kept) in chains.zip(kept.iter().cycle()) {
            draws[..kept * d].iter_mut().try_for_each(|value| value.pass(codec))?;
            energies[..kept].iter_mut().try_for_each(|value| value.pass(codec))?;
        }
        Ok(())
    }
}

impl Saved for Tower {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { rungs, exchange, seconds, seconds_warmup } = self;
        rungs.pass(codec)?;
        if let Some(exchange) = exchange {
            exchange.pass(codec)?;
        }
        if !rungs.iter().all(Block::rests) {
            return Err(foreign("a chain has no start"));
        }
        let step = rungs[0].step();
        // Where models are asked later, rungs of a tower may be a move apart, never a step.
        if rungs.iter().any(|block| block.step() != step) {
            return Err(foreign("rungs of a ladder are steps apart"));
        }
        seconds.pass(codec)?;
        seconds_warmup.pass(codec)
    }
}

impl Block {
    /// Whether it can go on from what is saved of it.
    fn rests(&self) -> bool {
        match &self.waiting {
            Waiting::Start(search) => search.fresh(),
            Waiting::Gradient { .. } => false,
            // Without a step it is a chain that found no start.
            Waiting::Nothing => self.step() > 0,
            Waiting::Begin | Waiting::Others | Waiting::Move { .. } | Waiting::Drift => true,
        }
    }
}

/// A search for starts has not begun yet, and a gradient is not waited for: see [`Block::rests`].
impl Saved for Waiting {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut at = match self {
            Waiting::Start(_) | Waiting::Gradient { .. } => 0,
            Waiting::Nothing => 1,
            Waiting::Begin => 2,
            Waiting::Others => 3,
            Waiting::Move { gradient: false } => 4,
            Waiting::Move { gradient: true } => 5,
            Waiting::Drift => 6,
        };
        codec.count(&mut at, 6)?;
        if !codec.reads() {
            return Ok(());
        }
        *self = match at {
            0 if matches!(self, Waiting::Start(_)) => return Ok(()),
            1 => Waiting::Nothing,
            2 => Waiting::Begin,
            3 => Waiting::Others,
            4 => Waiting::Move { gradient: false },
            5 => Waiting::Move { gradient: true },
            6 => Waiting::Drift,
            _ => return Err(foreign("a chain has no start")),
        };
        Ok(())
    }
}
