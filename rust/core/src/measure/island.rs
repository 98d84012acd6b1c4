//! One repetition of multilevel splitting, which finds its levels or follows those of another.

use super::ground::Ground;
use super::ladder::{Found, Ladder, Plan, Pool, Rung};
use super::moves::{Block, Level};
use super::score::{Event, Native, Score};
use super::spread;
use crate::question::Workspace;
use crate::rng::{Purpose, Stream, stream};
use crate::simd::LANES;

/// Share of the particles that a level keeps, ties aside.
const SHARE: f64 = 0.3;
/// Fewest particles a level may keep, as a share; above this share it drops too few.
const FEW: f64 = 1.0 / 16.0;
const MANY: f64 = 0.9;
/// Rows that are collected where nearly all particles are tied, as a share of the particles.
const COLLECTED: f64 = 1.0 / 8.0;
/// Logarithm of the share of the space at which it ends.
const DEEPEST: f64 = -92.0;
/// Correlation between where particles begin and end a level that is aimed for.
const CORRELATION: f64 = 0.25;
/// Most rounds of moves in a level, for scores and for columns to forget where they began.
const MOST_ROUNDS: f64 = 16.0;
const SOME_ROUNDS: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Island {
    plan: Plan,
    rng: Stream,
    blocks: Vec<Block>,
    /// The block that goes on, where they go one by one.
    at: usize,
    started: bool,
    rows: Vec<f64>,
    scores: Vec<Score>,
    began: Vec<f64>,
    began_scores: Vec<Score>,
    /// How many survivors all particles descend from, in turn.
    kin: usize,
    bound: Option<Score>,
    pool: Option<(Score, Pool)>,
    rounds: f64,
    factor: f64,
    workspaces: Box<[Workspace; 2]>,
    /// Whether all particles are in the space.
    inside: bool,
    /// Rungs that were followed.
    rung: usize,
    /// Its own, as far as it has found them.
    pub(super) ladder: Ladder,
    pub(super) found: Found,
}

/// Rows of the event that an island keeps.
const EXAMPLES: usize = 16;

impl Island {
    pub(super) fn new(plan: Plan, ground: &Ground) -> Self {
        let (n, d) = (plan.particles, ground.bounds.len());
        let blocks = (0..n / LANES)
            .map(|b| {
                let rng = stream(&plan.key, Purpose::Propose, plan.number << 24 | b as u64);
                Block::new(b * LANES, ground, rng)
            })
            .collect();
        let mut island = Self {
            rng: stream(&plan.key, Purpose::Schedule, plan.number),
            blocks,
            at: 0,
            started: false,
            rows: vec![0.0; n * d],
            scores: vec![Score::SPACE; n],
            began: Vec::new(),
            began_scores: Vec::new(),
            kin: n,
            bound: None,
            pool: None,
            rounds: 2.0,
            factor: 1.0,
            workspaces: Box::default(),
            inside: plan.admitted && plan.certain,
            rung: 0,
            ladder: Ladder::default(),
            plan,
            found: Found::default(),
        };
        island.start(ground);
        island
    }

    fn start(&mut self, ground: &Ground) {
        let d = ground.bounds.len();
        let parts = self.rows.chunks_exact_mut(LANES * d).zip(self.scores.chunks_exact_mut(LANES));
        for (block, (rows, scores)) in self.blocks.iter_mut().zip(parts) {
            block.start(ground, self.plan.admitted, rows, scores);
        }
    }

    fn moves(&self, ground: &Ground) -> usize {
        if self.started { self.rounds as usize * ground.round.len() } else { 0 }
    }

    /// Goes on until `over` says so, which it is asked now and then, or there is an estimate.
    pub(super) fn advance(
        &mut self,
        ground: &Ground,
        event: &Event,
        native: &Native,
        mut over: impl FnMut() -> bool,
    ) {
        let d = ground.bounds.len();
        let mut turns = 0_u32;
        while !self.found.done {
            let moves = self.moves(ground);
            let Self {
                blocks, rows, scores, began, workspaces, found, bound, factor, kin, plan, rung, ..
            } = self;
            let (led_by, kin) = leaders(plan, *rung, began, *kin);
            let level = Level { ground, bound: *bound, moves, factor: *factor, led_by, kin };
            for (b, block) in blocks.iter_mut().enumerate().skip(self.at) {
                let rows = &mut rows[b * LANES * d..(b + 1) * LANES * d];
                let scores = &mut scores[b * LANES..(b + 1) * LANES];
                while block.propose(&level, rows, scores) {
                    found.calls += block.waits.iter().filter(|&&waits| waits).count() as u64;
                    let told = native.scores(event, &block.proposal, &block.waits, workspaces);
                    block.tell(&level, rows, scores, &told);
                    turns += 1;
                    if turns.is_multiple_of(4) && over() {
                        self.at = b;
                        return;
                    }
                }
            }
            self.at = 0;
            self.conclude(ground);
        }
    }

    /// Appends the rows whose scores are needed now; none where there is an estimate.
    pub(super) fn ask(&mut self, ground: &Ground, out: &mut Vec<f64>) {
        let d = ground.bounds.len();
        while !self.found.done {
            let moves = self.moves(ground);
            let Self { blocks, rows, scores, began, bound, factor, kin, plan, rung, .. } = self;
            let (led_by, kin) = leaders(plan, *rung, began, *kin);
            let level = Level { ground, bound: *bound, moves, factor: *factor, led_by, kin };
            let parts = rows.chunks_exact_mut(LANES * d).zip(scores.chunks_exact_mut(LANES));
            let mut any = false;
            for (block, (rows, scores)) in blocks.iter_mut().zip(parts) {
                any |= block.propose(&level, rows, scores);
                for lane in (0..LANES).filter(|&lane| block.waits[lane]) {
                    out.extend(block.proposal.iter().map(|x| x[lane]));
                }
            }
            if any {
                return;
            }
            self.conclude(ground);
        }
    }

    /// Takes the scores of the rows that [`Self::ask`] gave.
    pub(super) fn tell(&mut self, ground: &Ground, told: &mut impl Iterator<Item = Score>) {
        if self.found.done {
            return;
        }
        let d = ground.bounds.len();
        let moves = self.moves(ground);
        let Self { blocks, rows, scores, began, bound, factor, kin, found, plan, rung, .. } = self;
        let (led_by, kin) = leaders(plan, *rung, began, *kin);
        let level = Level { ground, bound: *bound, moves, factor: *factor, led_by, kin };
        let parts = rows.chunks_exact_mut(LANES * d).zip(scores.chunks_exact_mut(LANES));
        for (block, (rows, scores)) in blocks.iter_mut().zip(parts) {
            let own = block.waits.map(|waits| waits.then(|| told.next()).flatten());
            found.calls += own.iter().flatten().count() as u64;
            let own = own.map(|score| score.unwrap_or(Score::SPACE));
            block.tell(&level, rows, scores, &own);
        }
    }

    /// All particles have moved: what the level was, and where to go next.
    fn conclude(&mut self, ground: &Ground) {
        if let Some(ladder) = self.plan.ladder.clone() {
            self.started = true;
            self.follow(ground, &ladder);
            return;
        }
        if self.started && self.bound.is_some() {
            self.adapt(ground);
        }
        self.remember();
        self.started = true;
        let n = self.plan.particles;
        if let Some((bound, pool)) = self.pool.take() {
            self.collect(ground, bound, pool);
            return;
        }
        let mut sorted = self.scores.clone();
        sorted.sort_unstable();
        let pivot = sorted[(SHARE * n as f64) as usize];
        if !self.inside && !pivot.is_outside() {
            self.select(ground, Score::SPACE, None);
            // From here on it is a share of the space.
            self.inside = true;
            return;
        }
        let below = |bound: Score| sorted.partition_point(|&score| score < bound);
        let share = |found: usize| (found as f64 / n as f64, 1.0 / found as f64 - 1.0 / n as f64);
        if pivot.is_event() {
            let (share, variance) = share(below(Score::EVENT));
            self.count(share, variance);
            self.finish(ground);
            return;
        }
        let fewest = ((FEW * n as f64) as usize).max(LANES);
        let kept = below(pivot);
        let tied = sorted.partition_point(|&score| score <= pivot);
        if kept < fewest && tied as f64 > MANY * n as f64 {
            self.collect(ground, pivot, Pool::default());
            return;
        }
        let (kept, bound) = if kept >= fewest { (kept, pivot) } else { (tied, sorted[tied]) };
        let (share, variance) = share(kept);
        self.count(share, variance);
        self.select(ground, bound, None);
    }

    /// Goes to the next level of a ladder.
    fn follow(&mut self, ground: &Ground, ladder: &Ladder) {
        let rung = ladder.rungs.get(self.rung);
        let (bound, times) = rung.map_or((Score::EVENT, 1), |rung| (rung.bound, rung.times));
        let (_, mut pool) = self.pool.take().unwrap_or((bound, Pool::default()));
        pool.add(&self.rows, &self.scores, bound, self.plan.particles);
        if pool.times < times {
            self.pool = Some((bound, pool));
            self.begin();
            return;
        }
        if pool.found == 0 {
            self.give_up();
            return;
        }
        self.inside = rung.is_none_or(|rung| rung.inside);
        let (found, drawn) = (pool.found as f64, pool.drawn as f64);
        self.count(found / drawn, 1.0 / found - 1.0 / drawn);
        match rung {
            None => self.finish(ground),
            Some(rung) => {
                (self.rounds, self.factor) = (rung.rounds, rung.factor);
                self.rung += 1;
                self.select(ground, bound, Some(pool));
            }
        }
    }

    /// Adds to its own ladder what became of the particles since the last level.
    fn remember(&mut self) {
        match self.ladder.rungs.last_mut() {
            None if self.ladder.start.is_empty() => self.ladder.start.clone_from(&self.rows),
            Some(rung) if rung.rows.is_empty() => {
                (rung.rounds, rung.factor) = (self.rounds, self.factor);
                rung.rows.clone_from(&self.rows);
            }
            _ => {}
        }
    }

    fn give_up(&mut self) {
        self.found.log_share = f64::NEG_INFINITY;
        self.found.done = true;
    }

    fn count(&mut self, share: f64, variance: f64) {
        self.found.levels += 1;
        if self.inside {
            self.found.log_share += share.ln();
            self.found.variance += variance;
        }
    }

    /// Adds the particles below a bound to those found before, until there are enough of them.
    fn collect(&mut self, ground: &Ground, bound: Score, mut pool: Pool) {
        let n = self.plan.particles;
        pool.add(&self.rows, &self.scores, bound, n);
        let enough = pool.found >= ((COLLECTED * n as f64) as usize).max(32);
        if !enough && pool.times < self.plan.patience {
            self.pool = Some((bound, pool));
            self.begin();
            return;
        }
        if pool.found == 0 {
            self.give_up();
            return;
        }
        // Of draws until so many are found, one less of each is unbiased.
        let less = if enough && pool.times > 1 { 1.0 } else { 0.0 };
        let (found, drawn) = (pool.found as f64 - less, pool.drawn as f64 - less);
        self.count(found / drawn, 1.0 / found - 1.0 / drawn);
        self.select(ground, bound, Some(pool));
    }

    /// Puts copies of the rows below a bound in the places of all particles.
    fn select(&mut self, ground: &Ground, bound: Score, pool: Option<Pool>) {
        let (n, d) = (self.plan.particles, ground.bounds.len());
        if self.plan.ladder.is_none() {
            let times = pool.as_ref().map_or(1, |pool| pool.times);
            let (rounds, factor, inside) = (self.rounds, self.factor, self.inside);
            self.ladder.rungs.push(Rung { bound, times, inside, rounds, factor, rows: Vec::new() });
        }
        let (rows, scores) = match pool {
            Some(pool) => (pool.rows, pool.scores),
            None => (self.rows.clone(), self.scores.clone()),
        };
        let mut kept: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] < bound).collect();
        for i in (1..kept.len()).rev() {
            let j = ((self.rng.uniform() * (i + 1) as f64) as usize).min(i);
            kept.swap(i, j);
        }
        for i in 0..n {
            let from = kept[i % kept.len()];
            self.rows[i * d..(i + 1) * d].copy_from_slice(&rows[from * d..(from + 1) * d]);
            self.scores[i] = scores[from];
        }
        self.bound = Some(bound);
        self.kin = kept.len().min(n);
        if self.found.log_share < DEEPEST || self.ladder.stuck(self.plan.at_most) {
            self.give_up();
            return;
        }
        self.begin();
    }

    fn begin(&mut self) {
        self.began.clone_from(&self.rows);
        self.began_scores.clone_from(&self.scores);
        for block in &mut self.blocks {
            block.begin();
        }
    }

    fn finish(&mut self, ground: &Ground) {
        let rows = self.rows.chunks_exact(ground.bounds.len()).zip(&self.scores);
        let event = rows.filter(|(_, score)| score.is_event()).take(EXAMPLES);
        self.found.examples = event.flat_map(|(row, _)| row.iter().copied()).collect();
        self.found.done = true;
    }

    /// Length of walks and number of moves for the next level, from what they did in this one.
    fn adapt(&mut self, ground: &Ground) {
        let walks: u64 = self.blocks.iter().map(|block| block.walks).sum();
        let walked: u64 = self.blocks.iter().map(|block| block.walked).sum();
        if walks > 0 {
            let accepted = walked as f64 / walks as f64;
            self.factor = (self.factor * (2.0 * (accepted - 0.25)).exp()).clamp(0.02, 2.0);
        }
        let d = ground.bounds.len();
        let column = |rows: &[f64], column: usize| -> Vec<f64> {
            rows.chunks_exact(d).map(|row| row[column]).collect()
        };
        let own: Vec<f64> = ground
            .bounds
            .continuous()
            .iter()
            .filter_map(|&d| spread::correlation(&column(&self.began, d), &column(&self.rows, d)))
            .collect();
        let columns = own.iter().sum::<f64>() / own.len().max(1) as f64;
        let scores = spread::correlation(&spread::ranks(&self.began_scores), &spread::ranks(&self.scores));
        let wanted = |correlation: f64, most: f64| {
            let wanted = self.rounds * CORRELATION.ln() / correlation.clamp(0.05, 0.99).ln();
            wanted.clamp(self.rounds / 2.0, self.rounds * 2.0).min(most)
        };
        // Columns that tell modes apart never forget.
        let (by_scores, by_columns) =
            (wanted(scores.unwrap_or(0.0), MOST_ROUNDS), wanted(columns, SOME_ROUNDS));
        self.rounds = by_scores.max(by_columns).max(1.0);
    }
}

/// What leads walks: the rows of a ladder, or where the particles began and how these descend.
fn leaders<'a>(plan: &'a Plan, rung: usize, began: &'a [f64], kin: usize) -> (&'a [f64], Option<usize>) {
    match &plan.ladder {
        None => (began, Some(kin)),
        Some(ladder) => (ladder.rows(rung), None),
    }
}
