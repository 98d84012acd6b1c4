//! How an island is made, what it finds, its levels, and rows that it collects on the way.

use std::sync::Arc;

use super::score::Score;

/// An island ends where so many levels do not bring it nearer by this share of the way: G ends above what is asked.
const STUCK: usize = 12;
const NEARER: f64 = 1e-6;

/// How an island is made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) key: [u8; 32],
    pub(super) number: u64,
    /// A multiple of sixteen.
    pub(super) particles: usize,
    /// Whether first rows are drawn from the space; if not, from its box, and led to it.
    pub(super) admitted: bool,
    /// Whether that is known of rows without a look at their scores.
    pub(super) certain: bool,
    /// How often particles that are nearly all tied are moved before there is nothing below.
    pub(super) patience: usize,
    /// Of G, in the event.
    pub(super) at_most: f64,
    /// The levels to follow; it finds its own where there are none.
    pub(super) ladder: Option<Arc<Ladder>>,
}

/// What an island has found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) done: bool,
    /// Logarithm of the share of the space below the level.
    pub(super) log_share: f64,
    /// Variance of it, were particles independent.
    pub(super) variance: f64,
    pub(super) levels: u64,
    /// Rows evaluated.
    pub(super) calls: u64,
    /// Rows of the event, one after another.
    pub(super) examples: Vec<f64>,
}

/// The levels of an island, and how its particles moved: with these given, another one is unbiased.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    /// Rows of the base measure.
    pub(super) start: Vec<f64>,
    pub(super) rungs: Vec<Rung>,
}

#[derive(Clone, Debug)]
pub(super) struct Rung {
    /// What particles are selected below.
    pub(super) bound: Score,
    /// How often they are looked at before.
    pub(super) times: usize,
    /// Whether the share that is kept counts.
    pub(super) inside: bool,
    /// Of the moves after it.
    pub(super) rounds: f64,
    pub(super) factor: f64,
    /// Rows below the bound.
    pub(super) rows: Vec<f64>,
}

impl Ladder {
    /// Rows that lead the walks after so many rungs.
    pub(super) fn rows(&self, rung: usize) -> &[f64] {
        let last = rung.checked_sub(1).and_then(|last| self.rungs.get(last));
        last.map_or(&self.start, |rung| &rung.rows)
    }

    /// Whether its last levels have not come nearer to where G is `at_most`.
    pub(super) fn stuck(&self, at_most: f64) -> bool {
        let bounds = self.rungs.iter().rev().map(|rung| rung.bound);
        let (Some(last), Some(before)) = (bounds.clone().next(), bounds.clone().nth(STUCK)) else {
            return false;
        };
        last.tier() == before.tier() && before.value() - last.value() <= NEARER * last.gap(at_most)
    }
}

/// Rows found below a level while nearly all particles are tied there.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) rows: Vec<f64>,
    pub(super) scores: Vec<Score>,
    pub(super) found: usize,
    pub(super) drawn: usize,
    pub(super) times: usize,
}

impl Pool {
    /// Looks at all particles, and keeps up to `most` below a bound.
    pub(super) fn add(&mut self, rows: &[f64], scores: &[Score], bound: Score, most: usize) {
        let d = rows.len() / scores.len();
        for (row, &score) in rows.chunks_exact(d).zip(scores).filter(|(_, score)| **score < bound) {
            self.found += 1;
            if self.scores.len() < most {
                self.rows.extend_from_slice(row);
                self.scores.push(score);
            }
        }
        self.drawn += scores.len();
        self.times += 1;
    }
}
