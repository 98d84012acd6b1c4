//! How much of a space: the probability of an event under the base measure (MATH.md section 13).
//!
//! The event is `{G ≤ c}`. Independent draws are counted first; where they see it too seldom, *islands*, independent
//! repetitions of adaptive multilevel splitting, go down a chain of nested sets to it, and their mean is the estimate.
//!
//! **The sets.** Rows have a score that is least, and the same, on the event; outside of it is G where it is finite, or
//! the guide g where it is not (or where the user gives one). So the sets are `{g ≤ t} ∪ event`: the event is
//! the last of the chain whatever g is, and rows of it that are met early are kept in all sets that follow. Nothing is
//! assumed of how the event and the level sets of g lie to each other; a bad guide costs work, not truth.
//!
//! **An island** holds N rows of the base measure. Those whose scores are below a bound survive, all that tie with it die;
//! the survivors are copied to N, and each is moved by steps that leave the base measure, restricted to scores below the
//! bound, exactly as it is (`moves.rs`). Then comes the next bound, and in the end the event. The product of the shares
//! that survived estimates the probability without bias, whatever the steps leave of correlation (Del Moral 2004, 7.4),
//! if bounds and steps do not depend on the particles. So they are taken from an island of a *pilot*, which is not in the
//! mean. Its bounds are scores s at the quantile ρ = 0.3 of its own particles: what is below s is "at most" the largest
//! score that survives, and if too few do because many tie at s, the next larger score is the bound. Where nearly all tie,
//! those below are collected while the particles move on, until there are some, or patience ends and the island says 0;
//! islands that follow look as often.
//!
//! **The error.** An estimate of mean p whose islands have relative variance V has `se(log p) = √(V / islands)`. V is
//! taken from how islands differ, which holds whatever correlation steps leave, or from `Σ (1 − ρ_k)/(N ρ_k)` if that is
//! larger. N is chosen by what the pilot's islands differ.

mod ground;
mod island;
mod ladder;
mod line;
mod moves;
mod phases;
mod plain;
mod score;
mod spread;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::question::Energy;
use crate::space::Reference;
use ground::Ground;
use island::Island;
use ladder::{Found, Ladder};
use phases::{FIRST_PIECES, MOST_PIECES, PILOT_PARTICLES, Phase, mean};
use plain::Plain;
use score::{Event, Native, Score};
use spread::Mean;

/// What is measured, and how well.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key: [u8; 32],
    /// The event is G ≤ this; `f64::MAX` for "G is finite".
    pub at_most: f64,
    /// Whether the guide leads where G is finite, too.
    pub by_guide: bool,
    /// Whether anything leads to the event.
    pub steered: bool,
    /// Standard error of log p that is aimed for.
    pub relative_error: f64,
    pub threads: usize,
    /// Whether G is told by the caller.
    pub foreign: bool,
}

/// How a measurement ended, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    /// The error aimed for is reached.
    Complete,
    /// It is not, with all the work that is allowed.
    Imprecise,
    /// The event was never seen.
    NotSeen,
    /// The event was seen too seldom or never, and nothing leads to it.
    NeedsGuide,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    pub log_p: f64,
    pub log_se: f64,
    /// Of 95 %, on p.
    pub interval: (f64, f64),
    /// Of the longest island; 0 for plain draws.
    pub levels: u64,
    /// Rows evaluated.
    pub calls: u64,
    pub status: Status,
    /// Rows of the event, one after another.
    pub examples: Vec<f64>,
}

/// Rows whose G is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `n × columns`, row-major.
    pub rows: Vec<f64>,
    /// Whether the guide is needed as well, where G is not in the event.
    pub guided: bool,
}

/// A measurement that can be advanced bit by bit.
#[derive(Debug)]
pub struct Measure {
    settings: Settings,
    ground: Ground,
    event: Event,
    native: Native,
    phase: Phase,
    plain: Plain,
    /// Pieces of plain draws after which it is decided whether to go on.
    checkpoint: u64,
    pilot: Vec<Found>,
    ladders: Vec<Ladder>,
    /// The levels of the pilot that all others follow.
    ladder: Option<Arc<Ladder>>,
    main: Vec<Found>,
    /// Rows that islands evaluated which are not believed.
    doubted: u64,
    particles: usize,
    pool: Option<ThreadPool>,
    /// Rows that were asked about and not yet told of.
    asked: Vec<f64>,
}

impl Measure {
    /// # Errors
    /// [`Error::Space`] where nothing moves, [`Error::Question`] for energies of different spaces.
    pub fn new(
        question: Arc<Energy>,
        guide: Option<Arc<Energy>>,
        reference: Option<Arc<Reference>>,
        settings: Settings,
    ) -> Result<Self> {
        let bounds = question.bounds();
        if bounds.free().is_empty() {
            return Err(Error::Space("every column is fixed: there is nothing to measure".into()));
        }
        if question.decodes() || guide.as_ref().is_some_and(|guide| guide.bounds() != bounds) {
            return Err(Error::Question("question and guide must be about the rows that are drawn".into()));
        }
        let pool = if settings.threads > 1 {
            let pool = ThreadPoolBuilder::new().num_threads(settings.threads).build();
            Some(pool.map_err(|e| Error::Sampling(format!("no threads to run on: {e}")))?)
        } else {
            None
        };
        Ok(Self {
            ground: Ground::new(&question, reference),
            event: Event { at_most: settings.at_most, by_guide: settings.by_guide },
            native: Native { question, guide },
            phase: Phase::Plain,
            plain: Plain::default(),
            checkpoint: 1,
            pilot: Vec::new(),
            ladders: Vec::new(),
            ladder: None,
            main: Vec::new(),
            doubted: 0,
            particles: PILOT_PARTICLES,
            pool,
            settings,
            asked: Vec::new(),
        })
    }

    /// Rows of the base measure on the space.
    pub fn draws(&self, n: usize) -> Vec<f64> {
        let d = self.ground.bounds.len();
        let mut rng = crate::rng::stream(&self.settings.key, crate::rng::Purpose::Noise, 0);
        let mut rows = vec![0.0; n * d];
        for row in rows.chunks_exact_mut(d) {
            self.ground.draw_admitted(row, &mut rng);
        }
        rows
    }

    /// Goes on for about `time`; true when it is over. For questions that the core evaluates.
    pub fn advance(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !matches!(self.phase, Phase::Done(_)) {
            match &mut self.phase {
                Phase::Plain | Phase::Rest => self.draw_pieces(),
                Phase::Pilot(islands) | Phase::Main(islands) => {
                    let (ground, event, native) = (&self.ground, &self.event, &self.native);
                    let waiting = islands.iter().filter(|island| !island.found.done).count();
                    let threads = self.pool.as_ref().map_or(1, ThreadPool::current_num_threads);
                    let share = time / waiting.div_ceil(threads).max(1) as u32;
                    let one = |island: &mut Island| {
                        let begin = Instant::now();
                        island.advance(ground, event, native, || begin.elapsed() >= share);
                    };
                    match &self.pool {
                        None => islands.iter_mut().for_each(one),
                        Some(pool) => pool.install(|| islands.par_iter_mut().for_each(one)),
                    }
                }
                Phase::Done(_) => {}
            }
            self.conclude();
            if Instant::now() >= end {
                break;
            }
        }
        matches!(self.phase, Phase::Done(_))
    }

    /// One piece for each thread, as far as nothing is to be decided between them.
    fn draw_pieces(&mut self) {
        let threads = self.pool.as_ref().map_or(1, ThreadPool::current_num_threads) as u64;
        let n = threads.min(self.checkpoint - self.plain.pieces);
        let d = self.ground.bounds.len();
        let (key, ground, native) = (&self.settings.key, &self.ground, &self.native);
        let one = |piece: u64| {
            let rows = Plain::rows(key, piece, ground);
            let energies = Plain::energies(native, &rows, d);
            (rows, energies)
        };
        let first = self.plain.pieces;
        let drawn: Vec<_> = match &self.pool {
            None => (first..first + n).map(one).collect(),
            Some(pool) => pool.install(|| (first..first + n).into_par_iter().map(one).collect()),
        };
        for (rows, energies) in drawn {
            self.plain.count(&self.event, &rows, &energies, |_| true, d);
        }
        self.plain.pieces += n;
    }

    /// Rows whose G is needed, where the core does not evaluate it; `None` when it is over.
    pub fn ask(&mut self) -> Option<Asked> {
        loop {
            if self.asked.is_empty() {
                match &mut self.phase {
                    Phase::Done(_) => return None,
                    Phase::Plain | Phase::Rest => {
                        let first = self.plain.pieces;
                        let n = (self.checkpoint - self.plain.pieces).min(16);
                        for piece in first..first + n {
                            self.asked.extend(Plain::rows(&self.settings.key, piece, &self.ground));
                        }
                        self.plain.pieces += n;
                    }
                    Phase::Pilot(islands) | Phase::Main(islands) => {
                        for island in islands {
                            island.ask(&self.ground, &mut self.asked);
                        }
                    }
                }
            }
            if !self.asked.is_empty() {
                let guided = matches!(self.phase, Phase::Pilot(_) | Phase::Main(_));
                return Some(Asked { rows: self.asked.clone(), guided });
            }
            self.conclude();
        }
    }

    /// Takes G of the rows of [`Measure::ask`], what the guide says of them (anything where it is not needed), and
    /// which of them lie in the space.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of values.
    pub fn tell(&mut self, energies: &[f64], guide: Option<&[f64]>, admitted: Option<&[bool]>) -> Result<()> {
        let d = self.ground.bounds.len();
        let n = self.asked.len() / d;
        if energies.len() != n
            || guide.is_some_and(|guide| guide.len() != n)
            || admitted.is_some_and(|admitted| admitted.len() != n)
        {
            return Err(Error::Data(format!("{} values of G for {n} rows", energies.len())));
        }
        let rows = std::mem::take(&mut self.asked);
        let inside = |i: usize| admitted.is_none_or(|admitted| admitted[i]);
        match &mut self.phase {
            Phase::Done(_) => {}
            Phase::Plain | Phase::Rest => self.plain.count(&self.event, &rows, energies, inside, d),
            Phase::Pilot(islands) | Phase::Main(islands) => {
                let mut told = (0..n).map(|i| {
                    if !inside(i) {
                        return Score::outside(f64::INFINITY);
                    }
                    self.event.score(energies[i], guide.map_or(f64::INFINITY, |guide| guide[i]))
                });
                for island in islands {
                    island.tell(&self.ground, &mut told);
                }
            }
        }
        self.conclude();
        Ok(())
    }

    /// How far it is: parts done, and all of them.
    pub fn progress(&self) -> (u64, u64) {
        const WHOLE: f64 = 1000.0;
        let share = match &self.phase {
            Phase::Plain => 0.1 * self.plain.pieces as f64 / self.of(FIRST_PIECES) as f64,
            Phase::Pilot(islands) => 0.1 + 0.2 * done(islands),
            Phase::Main(islands) => 0.3 + 0.7 * done(islands),
            Phase::Rest => {
                let error = self.plain.log_se() / self.settings.relative_error;
                let pieces = self.plain.pieces as f64 / self.of(MOST_PIECES) as f64;
                pieces.max(1.0 / (error * error)).min(0.99)
            }
            Phase::Done(_) => 1.0,
        };
        ((WHOLE * share) as u64, WHOLE as u64)
    }

    /// Hands over what was found so far.
    pub fn finish(self) -> Measured {
        let mut found = [&self.main, &self.pilot].map(|own| mean(own).map(|mean| (mean, own)));
        found.sort_by(|a, b| {
            let se = |found: &Option<(Mean, &Vec<Found>)>| found.map_or(f64::INFINITY, |(m, _)| m.log_se);
            se(a).total_cmp(&se(b))
        });
        let calls = self.calls();
        let status = match self.phase {
            Phase::Done(status) => status,
            _ => Status::Running,
        };
        let plain = &self.plain;
        if let Some((mean, own)) = found[0]
            && mean.log_se < plain.log_se()
        {
            let reach = 1.959_963_984_540_054 * mean.log_se;
            let levels = own.iter().map(|found| found.levels).max().unwrap_or(0);
            return Measured {
                log_p: mean.log_p,
                log_se: mean.log_se,
                interval: ((mean.log_p - reach).exp(), (mean.log_p + reach).exp().min(1.0)),
                levels,
                calls,
                status,
                examples: own.iter().flat_map(|found| found.examples.iter().copied()).collect(),
            };
        }
        let share = plain.hits as f64 / plain.drawn as f64;
        Measured {
            log_p: share.ln(),
            log_se: plain.log_se(),
            interval: spread::interval(plain.hits, plain.drawn),
            levels: 0,
            calls,
            status,
            examples: self.plain.examples,
        }
    }

    fn calls(&self) -> u64 {
        let running = match &self.phase {
            Phase::Pilot(islands) | Phase::Main(islands) => islands.iter().map(|i| i.found.calls).sum(),
            Phase::Plain | Phase::Rest | Phase::Done(_) => 0,
        };
        let over: u64 = self.pilot.iter().chain(&self.main).map(|found| found.calls).sum();
        self.plain.calls + self.doubted + over + running
    }
}

fn done(islands: &[Island]) -> f64 {
    let done = islands.iter().filter(|island| island.found.done).count();
    done as f64 / islands.len().max(1) as f64
}
