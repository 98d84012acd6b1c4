//! Eight queries.

use super::column::Masses;
use super::draw::{Along, Draws, Queries};
use super::{Found, Query, Search, select};
use crate::question::{Energy, Workspace};
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, math};

/// Guided sweeps, from hot to cold.
const GUIDED: usize = 40;
/// What the last of them weighs the distance from the requirements by; the first by one.
const COLDEST: f64 = 1e4;
/// Changes of each single column that are drawn, where they are enough.
const SINGLES: usize = 2;
/// Sweeps between the first row that meets the requirements and those that are kept.
const BURN: usize = 3;
/// Sweeps that are kept for each row that is wanted.
const KEPT: usize = 3;
/// Rounds of kept sweeps, until there are rows enough.
const ROUNDS: usize = 2;

pub(super) struct Block<'a> {
    pub(super) search: &'a Search,
    /// How many lanes hold queries.
    pub(super) n: usize,
    pub(super) queries: Queries,
    /// Of guided draws, once there are any, and of hard ones.
    pub(super) masses: [Vec<Masses>; 2],
    pub(super) streams: [Stream; LANES],
    pub(super) x: Vec<Lanes<f64>>,
    pub(super) workspaces: [Workspace; 2],
    pub(super) draws: Draws,
}

impl<'a> Block<'a> {
    pub(super) fn new(search: &'a Search, queries: &[Query<'_>]) -> Self {
        // Lanes without a query do as the first, and are left out in the end.
        let lane = |lane: usize| queries.get(lane).unwrap_or(&queries[0]);
        let d = search.hard.bounds().len();
        let lanes = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Lanes<f64>> {
            (0..d).map(|d| Lanes(std::array::from_fn(|l| of(l, d)))).collect()
        };
        let home = lanes(&|l, d| lane(l).row[d]);
        let own = Queries {
            lower: lanes(&|l, d| lane(l).lower[d]),
            upper: lanes(&|l, d| lane(l).upper[d]),
            home: home.clone(),
        };
        let masses = [Vec::new(), own.masses(&search.grids[1])];
        Self {
            search,
            n: queries.len(),
            queries: own,
            masses,
            streams: std::array::from_fn(|l| stream(lane(l).key, Purpose::Propose, 0)),
            x: home,
            workspaces: Default::default(),
            draws: Draws::default(),
        }
    }

    pub(super) fn run(mut self) -> Vec<Found> {
        let mut pools: [Vec<Vec<f64>>; LANES] = Default::default();
        let mut found = self.singles(&mut pools);
        let arrived = self.approach(&found);
        for lane in 0..LANES {
            found[lane] |= arrived[lane];
        }
        for round in 0..ROUNDS {
            if found == [false; LANES] {
                break;
            }
            let burn = if round == 0 { BURN } else { 0 };
            for sweep in 0..burn + KEPT * self.search.n {
                self.sweep(1, 1.0, &found, sweep > 0);
                if sweep >= burn {
                    self.keep(&found, &mut pools);
                }
            }
            for (lane, pool) in pools.iter().enumerate() {
                found[lane] &= pool.len() < self.search.n;
            }
        }
        (0..self.n)
            .map(|lane| {
                let at = |x: &[Lanes<f64>]| -> Vec<f64> { x.iter().map(|x| x[lane]).collect() };
                let home = at(&self.queries.home);
                let search = self.search;
                let score = |row: &[f64]| search.log_base(row) - search.distance(&home, row);
                let rows = select::best(&pools[lane], search.n, score, |a, b| search.distance(a, b));
                let nearest = if rows.is_empty() { at(&self.x) } else { Vec::new() };
                Found { rows, nearest }
            })
            .collect()
    }

    /// Where chains are after so many hard sweeps.
    #[cfg(test)]
    pub(super) fn last_rows(mut self, sweeps: usize) -> Vec<Vec<f64>> {
        let mut found = self.singles(&mut Default::default());
        let arrived = self.approach(&found);
        for lane in 0..self.n {
            found[lane] |= arrived[lane];
            assert!(found[lane]);
        }
        for sweep in 0..sweeps {
            self.sweep(1, 1.0, &found, sweep > 0);
        }
        (0..self.n).map(|lane| self.x.iter().map(|x| x[lane]).collect()).collect()
    }

    /// Draws changes of single columns that are enough, some of each, and starts from one of them in proportion to
    /// what they weigh; says which lanes have any.
    fn singles(&mut self, pools: &mut [Vec<Vec<f64>>; LANES]) -> [bool; LANES] {
        let mut active = [false; LANES];
        active[..self.n].fill(true);
        let (hard, prior) = (&self.search.hard, self.search.prior.as_ref());
        let energy = prior.unwrap_or(hard);
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [spare, workspace] = workspaces;
        energy.begin_sweep(x, false, workspace);
        let mut starts = [(f64::NEG_INFINITY, 0, 0.0); LANES];
        for (grid, masses) in self.search.grids[1].iter().zip(&self.masses[1]) {
            let d = grid.column;
            energy.slice(d, x, workspace, &mut draws.energies);
            let first = &workspace.slice.first;
            let along = Along { level: energy.level(), grid, masses, first, queries };
            let mut found = [[f64::NAN; SINGLES]; LANES];
            let mut logs = Lanes::splat(f64::NEG_INFINITY);
            draws.changes(&along, &active, SINGLES, streams, |lane, log, own, rng| {
                found[lane].copy_from_slice(own);
                // The largest of logarithms with Gumbel noise falls to each in proportion to what it stands for.
                logs[lane] = log - math::ln1(-math::ln1(1.0 - rng.uniform()));
            });
            if prior.is_some() || !self.search.constraints().is_empty() {
                refuse(hard, d, queries, spare, &mut found);
            }
            for lane in 0..LANES {
                let mut kept = found[lane].into_iter().filter(|value| !value.is_nan()).peekable();
                if let Some(&value) = kept.peek()
                    && logs[lane] > starts[lane].0
                {
                    starts[lane] = (logs[lane], d, value);
                }
                for value in kept {
                    let mut row: Vec<f64> = queries.home.iter().map(|home| home[lane]).collect();
                    row[d] = value;
                    if !pools[lane].contains(&row) {
                        pools[lane].push(row);
                    }
                }
            }
            let chosen = along.stretches(&x[d]);
            energy.commit(d, &x[d], &chosen, workspace);
        }
        for (lane, &(log, d, value)) in starts.iter().enumerate() {
            if log > f64::NEG_INFINITY {
                x[d][lane] = value;
            }
        }
        starts.map(|(log, ..)| log > f64::NEG_INFINITY)
    }

    /// Leads the lanes that have not arrived from their queries to rows that meet the requirements; says which do.
    fn approach(&mut self, there: &[bool; LANES]) -> [bool; LANES] {
        let mut arrived = [false; LANES];
        let mut active = there.map(|there| !there);
        active[self.n..].fill(false);
        if active == [false; LANES] {
            return arrived;
        }
        self.masses[0] = self.queries.masses(&self.search.grids[0]);
        for sweep in 0..GUIDED {
            let weight = math::exp1(math::ln1(COLDEST) * sweep as f64 / (GUIDED - 1) as f64);
            self.sweep(0, weight, &active, sweep > 0);
            let met = self.search.hard.at(&self.x, &mut self.workspaces[1]);
            for lane in 0..LANES {
                if active[lane] && met[lane].is_finite() {
                    arrived[lane] = true;
                    active[lane] = false;
                }
            }
            if active == [false; LANES] {
                break;
            }
        }
        arrived
    }
}

/// Takes away the values of column `d` at which the queries' rows break a requirement.
fn refuse(
    hard: &Energy,
    d: usize,
    queries: &Queries,
    workspace: &mut Workspace,
    found: &mut [[f64; SINGLES]; LANES],
) {
    let mut x = queries.home.clone();
    for k in 0..SINGLES {
        if found.iter().all(|own| own[k].is_nan()) {
            continue;
        }
        for lane in 0..LANES {
            x[d][lane] = if found[lane][k].is_nan() { queries.home[d][lane] } else { found[lane][k] };
        }
        let met = hard.at(&x, workspace);
        for lane in 0..LANES {
            if !met[lane].is_finite() {
                found[lane][k] = f64::NAN;
            }
        }
    }
}
