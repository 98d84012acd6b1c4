//! A draw of one column for eight queries.

use super::column::{Grid, Masses};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};

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

    fn value(&self, interval: usize, lane: usize, rng: &mut Stream) -> f64 {
        let (d, own) = (self.grid.column, self.queries);
        self.grid.draw(interval, own.home[d][lane], own.lower[d][lane], own.upper[d][lane], rng)
    }
}

/// Scratch of draws.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws {
    cumulative: Vec<Lanes<f64>>,
    pub(super) energies: Vec<Lanes<f64>>,
}

/// The queries of a block.
#[derive(Clone, Debug)]
pub(super) struct Queries {
    pub(super) home: Vec<Lanes<f64>>,
    pub(super) lower: Vec<Lanes<f64>>,
    pub(super) upper: Vec<Lanes<f64>>,
}

impl Draws {
    /// Weighs all intervals by `exp(−energies)` and their masses; returns the least energies, of all that has mass, and
    /// those at the queries' values.
    fn weigh(&mut self, along: &Along<'_>) -> (Lanes<f64>, Lanes<f64>) {
        let Self { cumulative, energies } = self;
        let Along { grid, masses, first, .. } = *along;
        let home =
            Lanes(std::array::from_fn(|lane| energies[along.stretch(masses.home[lane]) as usize][lane]));
        let mut least = home;
        cumulative.resize(grid.n_intervals(), Lanes::splat(0.0));
        dispatch(along.level, Weigh { first, energies, slab: &masses.slab, least: &mut least, cumulative });
        (least, home)
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

    /// Draws a column of the lanes in `active` from `exp(−energies)` times its masses, those of the query's own value
    /// where it is `open`. Other lanes take no random numbers and stay where they are.
    pub(super) fn draw(
        &mut self,
        along: &Along<'_>,
        active: &[bool; LANES],
        open: &[bool; LANES],
        x: &mut Lanes<f64>,
        streams: &mut [Stream; LANES],
    ) {
        let (least, home) = self.weigh(along);
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let rng = &mut streams[lane];
            let own = if open[lane] { along.masses.spike[lane] } else { 0.0 };
            let spike = own * math::exp1(least[lane] - home[lane]);
            let changes = self.cumulative[self.cumulative.len() - 1][lane];
            let aim = rng.uniform() * (spike + changes) - spike;
            x[lane] = if changes <= 0.0 && !open[lane] {
                x[lane]
            } else if aim < 0.0 || changes <= 0.0 {
                along.queries.home[along.grid.column][lane]
            } else {
                along.value(self.interval(lane, aim), lane, rng)
            };
        }
    }

    /// Draws changes of a column, `n` for each lane in `active` that has any, and the logarithm of what they weigh.
    pub(super) fn changes(
        &mut self,
        along: &Along<'_>,
        active: &[bool; LANES],
        n: usize,
        streams: &mut [Stream; LANES],
        mut take: impl FnMut(usize, f64, &[f64], &mut Stream),
    ) {
        let (least, _) = self.weigh(along);
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let rng = &mut streams[lane];
            let all = self.cumulative[self.cumulative.len() - 1][lane];
            if all <= 0.0 {
                continue;
            }
            let draws: Vec<f64> = (0..n)
                .map(|_| {
                    let aim = rng.uniform() * all;
                    along.value(self.interval(lane, aim), lane, rng)
                })
                .collect();
            take(lane, math::ln1(all) - least[lane], &draws, rng);
        }
    }
}

impl Queries {
    pub(super) fn masses(&self, grids: &[Grid]) -> Vec<Masses> {
        let of = |grid: &Grid| {
            let d = grid.column;
            grid.masses(&self.home[d], &self.lower[d], &self.upper[d])
        };
        grids.iter().map(of).collect()
    }
}

/// Weights of all intervals up to and including each, interval by interval in the same order whatever the stretches
/// are, and the least energy: at first that of the queries' values. Stretches without mass do not count, or the others
/// would vanish beside them.
struct Weigh<'a> {
    first: &'a [u32],
    energies: &'a [Lanes<f64>],
    slab: &'a [Lanes<f64>],
    least: &'a mut Lanes<f64>,
    cumulative: &'a mut [Lanes<f64>],
}

impl Op for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Weigh { first, energies, slab, least, cumulative } = self;
        let mut low = s.load(least);
        for (ends, energy) in first.windows(2).zip(energies) {
            let mut mass = s.splat(0.0);
            for own in &slab[ends[0] as usize..ends[1] as usize] {
                mass = s.add(s.load(own), mass);
            }
            let counts = s.lt(s.splat(0.0), mass);
            low = s.min(s.select(counts, s.load(energy), s.splat(f64::INFINITY)), low);
        }
        s.store(low, least);
        let mut total = s.splat(0.0);
        for (ends, energy) in first.windows(2).zip(energies) {
            // Stretches that break a requirement weigh nothing, also where all do.
            let own = s.load(energy);
            let weight = math::exp(s, s.min(s.sub(low, own), s.splat(0.0)));
            let weight = s.select(s.lt(own, s.splat(f64::INFINITY)), weight, s.splat(0.0));
            let intervals = ends[0] as usize..ends[1] as usize;
            for (mass, to) in slab[intervals.clone()].iter().zip(&mut cumulative[intervals]) {
                total = s.mul_add(s.load(mass), weight, total);
                s.store(total, to);
            }
        }
    }
}
