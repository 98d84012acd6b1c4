//! Draws of one column for eight queries.

use super::column::{Grid, Masses};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};
use crate::space::Reference;

/// One column of the rows of a block: its slice, and what its intervals weigh beside it.
#[derive(Clone, Copy)]
pub(super) struct Along<'a> {
    pub(super) level: Level,
    pub(super) grid: &'a Grid,
    pub(super) masses: &'a Masses,
    /// Where its stretches begin.
    pub(super) first: &'a [u32],
    pub(super) queries: &'a Queries,
}

impl Along<'_> {
    /// The stretches in which the lanes' values are.
    pub(super) fn stretches(&self, x: &Lanes<f64>) -> Lanes<u64> {
        Lanes(std::array::from_fn(|lane| self.stretch(self.grid.interval(x[lane]))))
    }

    fn stretch(&self, interval: usize) -> u64 {
        self.first[1..self.first.len() - 1].partition_point(|&start| start as usize <= interval) as u64
    }

    fn home(&self, lane: usize) -> f64 {
        self.queries.home[self.grid.column][lane]
    }
}

/// Scratch of draws.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    /// What the models say of each stretch.
    pub(super) energies: Vec<Lanes<f64>>,
    /// Log density of the base measure in each of its cells, and in proportion to the largest.
    logs: Vec<Lanes<f64>>,
    base: Vec<Lanes<f64>>,
    /// Weights of changes in all intervals up to and including each, and of the queries' own values.
    cumulative: Vec<Lanes<f64>>,
    spike: Lanes<f64>,
}

/// The queries of a block.
#[derive(Clone, Debug)]
pub(super) struct Queries {
    pub(super) home: Vec<Lanes<f64>>,
    pub(super) lower: Vec<Lanes<f64>>,
    pub(super) upper: Vec<Lanes<f64>>,
}

impl Default for Draws {
    fn default() -> Self {
        let (energies, logs, base, cumulative) = Default::default();
        Self { energies, logs, base, cumulative, spike: Lanes::splat(0.0) }
    }
}

impl Draws {
    /// Looks up what the base measure says along a column, but for what does not depend on it.
    pub(super) fn look_up(
        &mut self,
        level: Level,
        reference: Option<&Reference>,
        column: usize,
        x: &[Lanes<f64>],
    ) {
        match reference {
            Some(reference) => reference.along(column, x, &mut self.logs),
            None => {
                self.logs.clear();
                self.logs.push(Lanes::splat(0.0));
            }
        }
        self.base.resize(self.logs.len(), Lanes::splat(0.0));
        dispatch(level, Proportions { logs: &self.logs, to: &mut self.base });
    }

    /// By how much a row's score (see `Block::scores`) grows with a change of the column last looked up.
    pub(super) fn gain(&self, grid: &Grid, home: f64, from: f64, to: f64, lane: usize) -> f64 {
        let score = |x: f64| self.logs[grid.cell(x)][lane] - grid.change(home, x);
        if from == to { 0.0 } else { score(to) - score(from) }
    }

    /// Weighs all intervals by `exp(−energies)`, the base measure and their masses; energies that are `hard` are 0 or +∞.
    pub(super) fn weigh(&mut self, along: &Along<'_>, hard: bool) {
        let Self { cumulative, energies, base, spike, .. } = self;
        let Along { grid, masses, first, .. } = *along;
        let home =
            Lanes(std::array::from_fn(|lane| energies[along.stretch(masses.home[lane]) as usize][lane]));
        let mut least = if hard { Lanes::splat(0.0) } else { home };
        cumulative.resize(grid.n_intervals(), Lanes::splat(0.0));
        let (slab, cell_of) = (&masses.slab[..], &grid.cell_of[..]);
        let weigh = Weigh { first, energies, slab, cell_of, base, hard, least: &mut least, cumulative };
        dispatch(along.level, weigh);
        *spike = Lanes(std::array::from_fn(|lane| {
            let base = base[grid.cell_of[masses.home[lane]] as usize][lane];
            masses.spike[lane] * base * math::exp1(least[lane] - home[lane])
        }));
    }

    /// What all changes weigh.
    fn changes(&self) -> &Lanes<f64> {
        &self.cumulative[self.cumulative.len() - 1]
    }

    /// The same in logarithms, beside the queries' own values.
    pub(super) fn log_changes(&self, along: &Along<'_>, lane: usize) -> f64 {
        let home = along.masses.home[lane];
        let own = along.masses.spike[lane] * self.base[along.grid.cell_of[home] as usize][lane];
        math::ln1(self.changes()[lane]) - math::ln1(own)
    }

    /// The interval at which the running weight of a lane exceeds `aim`.
    fn interval(&self, lane: usize, aim: f64) -> usize {
        let sums = &self.cumulative;
        let mut i = sums.partition_point(|sum| sum[lane] <= aim).min(sums.len() - 1);
        // Rounding of the aim must not choose an interval without mass.
        while i > 0 && sums[i][lane] == sums[i - 1][lane] {
            i -= 1;
        }
        i
    }

    /// Draws a column of the lanes in `active` as weighed, the query's own value only where it is `open`. Other lanes
    /// take no random numbers and stay where they are.
    pub(super) fn draw(
        &self,
        along: &Along<'_>,
        active: &[bool; LANES],
        open: &[bool; LANES],
        x: &mut Lanes<f64>,
        streams: &mut [Stream; LANES],
    ) {
        let mut changed = [None; LANES];
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let spike = if open[lane] { self.spike[lane] } else { 0.0 };
            let changes = self.changes()[lane];
            let aim = streams[lane].uniform() * (spike + changes) - spike;
            if aim >= 0.0 && changes > 0.0 {
                changed[lane] = Some(self.interval(lane, aim));
            } else if spike > 0.0 {
                x[lane] = along.home(lane);
            }
        }
        inside(along, &changed, x, streams);
    }

    /// Draws changes of the lanes in `active` that have any; NaN for others.
    pub(super) fn change(
        &self,
        along: &Along<'_>,
        active: &[bool; LANES],
        streams: &mut [Stream; LANES],
    ) -> Lanes<f64> {
        let mut changed = [None; LANES];
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let changes = self.changes()[lane];
            if changes > 0.0 {
                changed[lane] = Some(self.interval(lane, streams[lane].uniform() * changes));
            }
        }
        let mut x = Lanes::splat(f64::NAN);
        inside(along, &changed, &mut x, streams);
        x
    }
}

/// Puts values of these intervals into lanes that have one.
fn inside(
    along: &Along<'_>,
    intervals: &[Option<usize>; LANES],
    x: &mut Lanes<f64>,
    streams: &mut [Stream; LANES],
) {
    if intervals.iter().all(Option::is_none) {
        return;
    }
    let (mut u, mut v) = (Lanes::splat(0.0), Lanes::splat(0.0));
    for lane in (0..LANES).filter(|&lane| intervals[lane].is_some()) {
        u[lane] = streams[lane].uniform();
        v[lane] = streams[lane].uniform();
    }
    let (d, own) = (along.grid.column, along.queries);
    let query = [&own.home[d], &own.lower[d], &own.upper[d]];
    let values = along.grid.draw(along.level, &intervals.map(Option::unwrap_or_default), query, &u, &v);
    for lane in (0..LANES).filter(|&lane| intervals[lane].is_some()) {
        x[lane] = values[lane];
    }
}

impl Queries {
    pub(super) fn masses(&self, level: Level, grids: &[Grid]) -> Vec<Masses> {
        let of = |grid: &Grid| {
            let d = grid.column;
            grid.masses(level, &self.home[d], &self.lower[d], &self.upper[d])
        };
        grids.iter().map(of).collect()
    }
}

/// `exp(log − the largest log)`, in each lane.
struct Proportions<'a> {
    logs: &'a [Lanes<f64>],
    to: &'a mut [Lanes<f64>],
}

impl Op for Proportions<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Proportions { logs, to } = self;
        let most = logs.iter().fold(s.splat(f64::NEG_INFINITY), |most, log| s.max(s.load(log), most));
        for (log, to) in logs.iter().zip(to) {
            s.store(math::exp(s, s.sub(s.load(log), most)), to);
        }
    }
}

/// Weights of all intervals up to and including each, interval by interval in the same order whatever the stretches
/// are, and the least energy: at first that of the queries' values. Stretches without mass do not count, or the others
/// would vanish beside them.
struct Weigh<'a> {
    first: &'a [u32],
    energies: &'a [Lanes<f64>],
    slab: &'a [Lanes<f64>],
    cell_of: &'a [u32],
    base: &'a [Lanes<f64>],
    hard: bool,
    least: &'a mut Lanes<f64>,
    cumulative: &'a mut [Lanes<f64>],
}

impl Op for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Weigh { first, energies, slab, cell_of, base, hard, least, cumulative } = self;
        let mut low = s.load(least);
        if !hard {
            for (ends, energy) in first.windows(2).zip(energies) {
                let mut mass = s.splat(0.0);
                for own in &slab[ends[0] as usize..ends[1] as usize] {
                    mass = s.add(s.load(own), mass);
                }
                let counts = s.lt(s.splat(0.0), mass);
                low = s.min(s.select(counts, s.load(energy), s.splat(f64::INFINITY)), low);
            }
            s.store(low, least);
        }
        let mut total = s.splat(0.0);
        for (ends, energy) in first.windows(2).zip(energies) {
            // Stretches that break a requirement weigh nothing, also where all do.
            let own = s.load(energy);
            let finite = s.lt(own, s.splat(f64::INFINITY));
            let weight = if hard { s.splat(1.0) } else { math::exp(s, s.min(s.sub(low, own), s.splat(0.0))) };
            let weight = s.select(finite, weight, s.splat(0.0));
            let own = ends[0] as usize..ends[1] as usize;
            for ((mass, &cell), to) in
                slab[own.clone()].iter().zip(&cell_of[own.clone()]).zip(&mut cumulative[own])
            {
                let mass = s.mul(s.load(mass), s.load(&base[cell as usize]));
                total = s.mul_add(mass, weight, total);
                s.store(total, to);
            }
        }
    }
}
