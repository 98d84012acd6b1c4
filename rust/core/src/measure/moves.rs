//! Eight particles on their way through a level.
//!
//! A lane proposes rows and is told their scores, like a kernel; lanes do not wait for each other, so that those
//! whose columns need many proposals do not hold up the rest.

use super::ground::{Ground, Kind};
use super::line::Line;
use super::score::Score;
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, math};
use crate::space::fold;

/// Proposals of one draw of a column before it stays. The stretch they come from is shorter each time.
const SHRINKS: u32 = 60;
/// Share of the walks that go the whole difference of two particles: from one island to another.
const JUMPS: f64 = 0.1;
/// Share of the walks in which all columns take part, and the share of columns in the others.
const JOINT: f64 = 0.5;
const SOME: f64 = 0.3;
/// Share of the walks whose columns have signs of their own.
const TURNED: f64 = 0.5;

/// What all particles of a level share while they move.
pub(super) struct Level<'a> {
    pub(super) ground: &'a Ground,
    /// Scores stay below it.
    pub(super) bound: Option<Score>,
    /// Moves of each particle.
    pub(super) moves: usize,
    /// Length of walks.
    pub(super) factor: f64,
    /// Rows whose differences walks follow, row-major.
    pub(super) led_by: &'a [f64],
    /// Where these are the particles themselves, as they began: those whose numbers differ by a multiple of this
    /// descend from one survivor.
    pub(super) kin: Option<usize>,
}

#[derive(Clone, Debug, Default)]
enum Step {
    #[default]
    Between,
    /// The first row, which is taken as it is.
    Start,
    Single {
        walks: bool,
    },
    Column {
        low: f64,
        high: f64,
        /// Where the column was, and where it is proposed to be.
        home: f64,
        aim: f64,
        shrinks: u32,
    },
}

#[derive(Clone, Debug, Default)]
struct Lane {
    done: usize,
    step: Step,
    line: Line,
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Number of its first particle.
    first: usize,
    rng: Stream,
    lanes: [Lane; LANES],
    row: Vec<f64>,
    /// Columns of a walk.
    chosen: Vec<usize>,
    pub(super) proposal: Vec<Lanes<f64>>,
    /// Lanes whose proposals wait for their scores.
    pub(super) waits: [bool; LANES],
    pub(super) walks: u64,
    pub(super) walked: u64,
}

impl Block {
    pub(super) fn new(first: usize, ground: &Ground, rng: Stream) -> Self {
        Self {
            first,
            rng,
            lanes: Default::default(),
            row: ground.bounds.lowers().to_vec(),
            chosen: Vec::new(),
            proposal: ground.bounds.lowers().iter().map(|&x| Lanes::splat(x)).collect(),
            waits: [false; LANES],
            walks: 0,
            walked: 0,
        }
    }

    /// Draws first rows from the base measure, all `admitted` or as they come; those that are refused have their
    /// scores at once.
    pub(super) fn start(&mut self, ground: &Ground, admitted: bool, rows: &mut [f64], scores: &mut [Score]) {
        for (lane, row) in rows.chunks_exact_mut(ground.bounds.len()).enumerate() {
            if admitted {
                ground.draw_admitted(row, &mut self.rng);
            } else {
                ground.draw(row, &mut self.rng);
            }
            if let Some(score) = ground.refused(row) {
                scores[lane] = score;
                continue;
            }
            self.row.copy_from_slice(row);
            self.put(lane);
            self.lanes[lane].step = Step::Start;
        }
    }

    /// Begins the moves of a level.
    pub(super) fn begin(&mut self) {
        for lane in &mut self.lanes {
            lane.done = 0;
            lane.step = Step::Between;
        }
        (self.walks, self.walked) = (0, 0);
    }

    /// Fills the proposals of lanes that go on; whether any waits for a score.
    pub(super) fn propose(&mut self, level: &Level<'_>, rows: &mut [f64], scores: &mut [Score]) -> bool {
        let d = level.ground.bounds.len();
        for lane in 0..LANES {
            while !self.waits[lane] && !(self.over(level, lane)) {
                let row = &rows[lane * d..(lane + 1) * d];
                if !self.next(level, lane, row) {
                    continue;
                }
                match level.ground.refused(&self.row) {
                    Some(score) => self.judge(level, lane, rows, scores, score),
                    None => self.put(lane),
                }
            }
        }
        self.waits != [false; LANES]
    }

    /// Takes the scores of the proposals that waited.
    pub(super) fn tell(
        &mut self,
        level: &Level<'_>,
        rows: &mut [f64],
        scores: &mut [Score],
        told: &[Score; LANES],
    ) {
        for lane in 0..LANES {
            if std::mem::take(&mut self.waits[lane]) {
                for (to, from) in self.row.iter_mut().zip(&self.proposal) {
                    *to = from[lane];
                }
                self.judge(level, lane, rows, scores, told[lane]);
            }
        }
    }

    fn over(&self, level: &Level<'_>, lane: usize) -> bool {
        matches!(self.lanes[lane].step, Step::Between) && self.lanes[lane].done >= level.moves
    }

    fn put(&mut self, lane: usize) {
        for (to, from) in self.proposal.iter_mut().zip(&self.row) {
            to[lane] = *from;
        }
        self.waits[lane] = true;
    }

    /// Makes the next proposal of a lane; false where the move is over without one.
    fn next(&mut self, level: &Level<'_>, lane: usize, row: &[f64]) -> bool {
        let ground = level.ground;
        self.row.copy_from_slice(row);
        if let Step::Column { .. } = self.lanes[lane].step {
            self.aim(ground, lane);
            return true;
        }
        let kind = ground.round[self.lanes[lane].done % ground.round.len()];
        let proposed = match kind {
            Kind::Walk => {
                let regular = self.rng.uniform() >= JUMPS;
                self.walks += u64::from(regular);
                self.lanes[lane].step = Step::Single { walks: regular };
                self.walk(level, lane, regular) && self.taken(ground, row)
            }
            Kind::Column => {
                let free = ground.bounds.free();
                let d = free[pick(free.len(), &mut self.rng)];
                let line = &mut self.lanes[lane].line;
                line.set(d, &ground.bounds, ground.reference(), row);
                let home = line.at(row[d], &ground.bounds, ground.reference(), &mut self.rng);
                let (low, high) = (0.0, line.total);
                self.lanes[lane].step = Step::Column { low, high, home, aim: home, shrinks: 0 };
                self.aim(ground, lane);
                true
            }
            Kind::Branch => {
                let branch = pick(ground.base.n_branches(), &mut self.rng);
                ground.base.draw(branch, &mut self.row, &mut self.rng);
                self.lanes[lane].step = Step::Single { walks: false };
                true
            }
            Kind::Slide => {
                self.lanes[lane].step = Step::Single { walks: false };
                self.slide(ground, row)
            }
        };
        if !proposed {
            self.end(lane);
        }
        proposed
    }

    fn end(&mut self, lane: usize) {
        self.lanes[lane].step = Step::Between;
        self.lanes[lane].done += 1;
    }

    /// A point of what is left of a column's stretch.
    fn aim(&mut self, ground: &Ground, lane: usize) {
        let Lane { step, line, .. } = &mut self.lanes[lane];
        if let Step::Column { low, high, aim, .. } = step {
            *aim = *low + self.rng.uniform() * (*high - *low);
            self.row[line.column] = line.value(*aim, &ground.bounds, ground.reference());
        }
    }

    /// A step along the difference of two rows; false where it leaves the box. `regular` for one that is no jump.
    ///
    /// It is as likely as the opposite one, since these rows do not move. Where they are where particles began, they
    /// are of the other half of the survivors: a particle's own kin would lead it away from where it began, or back,
    /// in proportion to how far out that is. Folding at the bounds turns some columns of a step and not the others,
    /// so that only steps whose columns have signs of their own are folded.
    fn walk(&mut self, level: &Level<'_>, lane: usize, regular: bool) -> bool {
        let bounds = &level.ground.bounds;
        let (d, columns, rng) = (bounds.len(), bounds.continuous(), &mut self.rng);
        let n = level.led_by.len() / d;
        let own = self.first + lane;
        let mut partner = || {
            let at = match level.kin {
                None => pick(n, rng),
                Some(kin) => {
                    let half = kin / 2;
                    let (first, others) = if own % kin < half { (half, kin - half) } else { (0, half) };
                    let survivor = first + pick(others.max(1), rng);
                    survivor + kin * pick((n - survivor).div_ceil(kin), rng)
                }
            };
            &level.led_by[at * d..(at + 1) * d]
        };
        let (a, b) = (partner(), partner());
        let joint = !regular || rng.uniform() < JOINT;
        let one = columns[pick(columns.len(), rng)];
        self.chosen.clear();
        self.chosen.extend(columns.iter().filter(|&&d| joint || d == one || rng.uniform() < SOME));
        let length = match regular {
            true => level.factor * 2.38 / (2.0 * self.chosen.len() as f64).sqrt() * (0.5 + rng.uniform()),
            false => 1.0,
        };
        let turned = regular && rng.uniform() < TURNED;
        for &d in &self.chosen {
            let sign = if turned && rng.uniform() < 0.5 { -1.0 } else { 1.0 };
            let (x, lower, upper) = (self.row[d], bounds.lower(d), bounds.upper(d));
            let y = x + sign * length * (a[d] - b[d]);
            let inside = lower <= y && y <= upper;
            if !inside && !turned {
                return false;
            }
            self.row[d] = if inside { y } else { fold(y, lower, upper) };
        }
        true
    }

    fn slide(&mut self, ground: &Ground, row: &[f64]) -> bool {
        let at = pick(ground.slides.len(), &mut self.rng);
        let moves = ground.slides[at].draw(&ground.bounds, &mut self.rng);
        for (d, step) in moves {
            let y = row[d] + step;
            if !(ground.bounds.lower(d) <= y && y <= ground.bounds.upper(d)) {
                return false;
            }
            self.row[d] = y + 0.0;
        }
        self.taken(ground, row)
    }

    /// Whether the base measure lets a particle step from `row` to `self.row`.
    fn taken(&mut self, ground: &Ground, row: &[f64]) -> bool {
        let ratio = ground.log_ratio(row, &self.row);
        ratio >= 0.0 || self.rng.uniform() < math::exp1(ratio)
    }

    /// Decides on the proposal in `self.row`.
    fn judge(
        &mut self,
        level: &Level<'_>,
        lane: usize,
        rows: &mut [f64],
        scores: &mut [Score],
        score: Score,
    ) {
        let first = matches!(self.lanes[lane].step, Step::Start);
        let stays_in = level.bound.is_none_or(|bound| score < bound) || mutant::is(Fault::ForgetLevel);
        if first || stays_in {
            let d = self.row.len();
            rows[lane * d..(lane + 1) * d].copy_from_slice(&self.row);
            scores[lane] = score;
        }
        match &mut self.lanes[lane].step {
            Step::Between => {}
            Step::Start => self.lanes[lane].step = Step::Between,
            Step::Single { walks } => {
                self.walked += u64::from(*walks && stays_in);
                self.end(lane);
            }
            Step::Column { low, high, home, aim, shrinks } => {
                *shrinks += 1;
                if *aim < *home {
                    *low = *aim;
                } else {
                    *high = *aim;
                }
                if stays_in || *shrinks == SHRINKS {
                    self.end(lane);
                }
            }
        }
    }
}

fn pick(n: usize, rng: &mut Stream) -> usize {
    ((rng.uniform() * n as f64) as usize).min(n - 1)
}
