//! What comes after what: plain draws, a pilot, islands that follow it, and where these find nothing, more plain draws.

use std::sync::Arc;

use super::island::Island;
use super::ladder::{Found, Ladder, Plan};
use super::plain::PIECE;
use super::spread::{self, Mean};
use super::{Measure, Status};

/// Pieces of plain draws before islands are thought of, and in all; of rows that are evaluated by the core or not.
pub(super) const FIRST_PIECES: [u64; 2] = [256, 64];
pub(super) const MOST_PIECES: [u64; 2] = [32_768, 1_024];
/// The share of plain draws after which it is decided again whether to go on.
const STRIDE: u64 = 16;
/// Plain draws in the event from which on more of them are less work than islands.
const SEEN: u64 = 8;
/// Share of the box from which on first rows are drawn until constraints admit them.
const ADMITTED: f64 = 0.01;
/// Islands of the pilot, those of them that decide whether there is anything to find, their particles, and islands that
/// are averaged.
const PILOT: usize = 16;
const SCOUTS: usize = 8;
pub(super) const PILOT_PARTICLES: usize = 256;
const ISLANDS: usize = 48;
const MOST_ISLANDS: usize = 16 * ISLANDS;
const MOST_PARTICLES: usize = 1 << 15;
/// What is aimed for, as a share of the error that is asked for.
const MARGIN: f64 = 0.85;
/// Times that tied particles are moved in search of better ones.
const PATIENCE: [usize; 2] = [64, 16];
/// What plain draws say of an estimate at this level is believed rather than the islands.
const DOUBT: f64 = 1e-5;

#[derive(Debug)]
pub(super) enum Phase {
    Plain,
    Pilot(Vec<Island>),
    Main(Vec<Island>),
    /// Plain draws to the end: islands found nothing, or too little.
    Rest,
    Done(Status),
}

impl Measure {
    pub(super) fn of(&self, numbers: [u64; 2]) -> u64 {
        numbers[usize::from(self.settings.foreign)]
    }

    /// Goes to the next phase where the present one is over.
    pub(super) fn conclude(&mut self) {
        let drawing = matches!(self.phase, Phase::Plain | Phase::Rest);
        if drawing && self.plain.pieces < self.checkpoint {
            return;
        }
        if drawing {
            // Long strides would let those runs end early that happen to see much.
            self.checkpoint += (self.checkpoint / STRIDE).max(1);
        }
        match &mut self.phase {
            Phase::Done(_) => {}
            Phase::Plain => self.conclude_plain(),
            Phase::Rest => self.conclude_rest(),
            Phase::Pilot(islands) | Phase::Main(islands) if islands.iter().any(|i| !i.found.done) => {}
            Phase::Pilot(islands) => {
                let islands = std::mem::take(islands);
                self.conclude_pilot(islands);
            }
            Phase::Main(islands) => {
                self.main.extend(islands.drain(..).map(|island| island.found));
                self.conclude_main();
            }
        }
    }

    fn seen_enough(&self) -> bool {
        // A share near one needs few draws, but not a handful.
        self.plain.drawn >= 1000 && self.plain.log_se() <= self.settings.relative_error
    }

    fn conclude_plain(&mut self) {
        if self.seen_enough() {
            self.phase = Phase::Done(Status::Complete);
        } else if self.plain.pieces >= self.of(FIRST_PIECES) {
            self.phase = if self.settings.steered && self.plain.hits < SEEN {
                Phase::Pilot(self.islands(0, SCOUTS, None))
            } else {
                Phase::Rest
            };
        }
    }

    fn conclude_rest(&mut self) {
        // Where the event was seen at all, how long it takes is known.
        let most = self.of(MOST_PIECES) * if self.plain.hits >= SEEN { 16 } else { 1 };
        if self.seen_enough() {
            self.phase = Phase::Done(Status::Complete);
        } else if self.plain.pieces >= most {
            self.phase = Phase::Done(match self.plain.hits {
                _ if !self.settings.steered => Status::NeedsGuide,
                0 => Status::NotSeen,
                _ => Status::Imprecise,
            });
        }
    }

    fn islands(&self, first: usize, n: usize, ladder: Option<&Arc<Ladder>>) -> Vec<Island> {
        let drawn = self.plain.pieces as f64 * PIECE as f64;
        let [patience, foreign_patience] = PATIENCE;
        let plan = |number: usize| Plan {
            key: self.settings.key,
            number: number as u64,
            particles: self.particles,
            // Rows that constraints refuse were not evaluated.
            admitted: self.plain.calls as f64 >= ADMITTED * drawn,
            certain: !self.settings.foreign,
            patience: if self.settings.foreign { foreign_patience } else { patience },
            at_most: self.settings.at_most,
            ladder: ladder.cloned(),
        };
        (first..first + n).map(|number| Island::new(plan(number), &self.ground)).collect()
    }

    fn conclude_pilot(&mut self, islands: Vec<Island>) {
        let (ladders, founds): (Vec<Ladder>, Vec<Found>) =
            islands.into_iter().map(|island| (island.ladder, island.found)).unzip();
        self.pilot.extend(founds);
        self.ladders.extend(ladders);
        let Some(found) = mean(&self.pilot) else {
            self.phase = Phase::Rest;
            return;
        };
        if self.pilot.len() < PILOT {
            self.phase = Phase::Pilot(self.islands(self.pilot.len(), PILOT - SCOUTS, None));
            return;
        }
        let off = |own: &Found| (own.log_share - found.log_p).abs();
        let ladders = std::mem::take(&mut self.ladders);
        let middle = ladders.into_iter().zip(&self.pilot).min_by(|a, b| off(a.1).total_cmp(&off(b.1)));
        self.ladder = middle.map(|(ladder, _)| Arc::new(ladder));
        let error = MARGIN * self.settings.relative_error;
        let wanted = PILOT_PARTICLES as f64 * found.variance / (ISLANDS as f64 * error * error);
        self.particles = ((wanted / 16.0).ceil() as usize * 16).clamp(PILOT_PARTICLES, MOST_PARTICLES);
        self.phase = Phase::Main(self.islands(PILOT, ISLANDS, self.ladder.as_ref()));
    }

    fn conclude_main(&mut self) {
        let Some(found) = mean(&self.main) else {
            self.phase = Phase::Rest;
            return;
        };
        let n = self.main.len();
        if found.log_se > self.settings.relative_error && n < MOST_ISLANDS {
            let ratio = found.log_se / (0.9 * self.settings.relative_error);
            let more = (n as f64 * (ratio * ratio - 1.0)).ceil() as usize;
            let more = more.clamp(8, 3 * n).min(MOST_ISLANDS - n);
            self.phase = Phase::Main(self.islands(PILOT + n, more, self.ladder.as_ref()));
            return;
        }
        let likely = (found.log_p + 4.0 * found.log_se).exp() * self.plain.drawn as f64;
        self.phase = if spread::poisson_tail(self.plain.hits, likely) < DOUBT {
            self.doubted = self.calls() - self.plain.calls;
            self.main.clear();
            self.pilot.clear();
            Phase::Rest
        } else if found.log_se <= self.settings.relative_error {
            Phase::Done(Status::Complete)
        } else {
            Phase::Done(Status::Imprecise)
        };
    }
}

pub(super) fn mean(found: &[Found]) -> Option<Mean> {
    let logs: Vec<f64> = found.iter().map(|found| found.log_share).collect();
    let variances: Vec<f64> = found.iter().map(|found| found.variance).collect();
    spread::mean(&logs, &variances)
}
