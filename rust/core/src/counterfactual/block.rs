//! Eight queries.

use super::column::{Grid, Masses};
use super::draw::{Along, Draws, Queries};
use super::pool::Pool;
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
/// Sweeps for each query, beside one for every other row wanted.
const SWEEPS: usize = 5;
/// Rows kept for each that is wanted, until needless changes are undone, and after.
const KEPT: usize = 4;
const CHOICE: usize = 2;

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
    pub(super) fn new(search: &'a Search, queries: &[Query<'_>], attempt: u64) -> Self {
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
        let masses = [Vec::new(), own.masses(search.hard.level(), &search.grids[1])];
        Self {
            search,
            n: queries.len(),
            queries: own,
            masses,
            streams: std::array::from_fn(|l| stream(lane(l).key, Purpose::Propose, attempt)),
            x: home,
            workspaces: Default::default(),
            draws: Draws::default(),
        }
    }

    pub(super) fn run(mut self, effort: usize) -> Vec<Found> {
        let search = self.search;
        let mut pools: [Pool; LANES] = std::array::from_fn(|_| Pool::new(KEPT * effort * search.n));
        let mut found = self.singles(Some(&mut pools));
        let arrived = self.approach(&found, effort);
        for lane in 0..LANES {
            found[lane] |= arrived[lane];
        }
        let mut rows: [Vec<Vec<f64>>; LANES] = Default::default();
        if found != [false; LANES] {
            for sweep in 0..effort * (SWEEPS + search.n / 2) {
                self.sweep(&found, sweep > 0, Some(&mut pools));
            }
            let candidates = pools.map(|mut pool| pool.best_first().map(<[f64]>::to_vec).collect());
            rows = self.without_needless(candidates, CHOICE * search.n);
        }
        (0..self.n)
            .map(|lane| {
                let at = |x: &[Lanes<f64>]| -> Vec<f64> { x.iter().map(|x| x[lane]).collect() };
                let home = at(&self.queries.home);
                let score = |row: &[f64]| search.log_base(row) - search.distance(&home, row);
                let chosen = select::best(&rows[lane], search.n, CHOICE, score, |a, b| search.distance(a, b));
                let nearest = if chosen.is_empty() { at(&self.x) } else { Vec::new() };
                Found { rows: chosen, nearest }
            })
            .collect()
    }

    /// Where chains are after so many sweeps.
    #[cfg(test)]
    pub(super) fn last_rows(mut self, sweeps: usize) -> Vec<Vec<f64>> {
        let mut found = self.singles(None);
        let arrived = self.approach(&found, 1);
        for lane in 0..self.n {
            found[lane] |= arrived[lane];
            assert!(found[lane]);
        }
        for sweep in 0..sweeps {
            self.sweep(&found, sweep > 0, None);
        }
        (0..self.n).map(|lane| self.x.iter().map(|x| x[lane]).collect()).collect()
    }

    /// Draws changes of single columns that are enough, some of each, and starts from one of them in proportion to
    /// what they weigh; says which lanes have any.
    fn singles(&mut self, mut pools: Option<&mut [Pool; LANES]>) -> [bool; LANES] {
        let mut active = [false; LANES];
        active[..self.n].fill(true);
        let search = self.search;
        let (hard, exact) = (&search.hard, search.hard.stepwise());
        let homes = self.scores();
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [spare, workspace] = workspaces;
        hard.begin_sweep(x, false, workspace);
        let mut starts = [(f64::NEG_INFINITY, 0, 0.0); LANES];
        for (grid, masses) in search.grids[1].iter().zip(&self.masses[1]) {
            let d = grid.column;
            draws.look_up(hard.level(), search.reference.as_deref(), d, x);
            slice(hard, grid, x, workspace, draws);
            let along = Along { level: hard.level(), grid, masses, first: &workspace.slice.first, queries };
            draws.weigh(&along, true);
            let mut found = [Lanes::splat(f64::NAN); SINGLES].map(|_| draws.change(&along, &active, streams));
            if !exact || !search.constraints().is_empty() {
                refuse(hard, d, queries, spare, &mut found);
            }
            for lane in (0..LANES).filter(|&lane| active[lane]) {
                let home = queries.home[d][lane];
                for value in found.iter().map(|own| own[lane]).filter(|value| !value.is_nan()) {
                    let score = homes[lane] + draws.gain(grid, home, home, value, lane);
                    if let Some(pools) = &mut pools {
                        let row = |k: usize| if k == d { value } else { queries.home[k][lane] };
                        pools[lane].offer(score, row, queries.home.len());
                    }
                }
                let first = found.iter().map(|own| own[lane]).find(|value| !value.is_nan());
                if let Some(value) = first {
                    // The largest of logarithms with Gumbel noise falls to each in proportion to what it stands for.
                    let noise = math::ln1(-math::ln1(1.0 - streams[lane].uniform()));
                    let log = draws.log_changes(&along, lane) - noise;
                    if log > starts[lane].0 {
                        starts[lane] = (log, d, value);
                    }
                }
            }
            let chosen = along.stretches(&x[d]);
            hard.commit(d, &x[d], &chosen, workspace);
        }
        for (lane, &(log, d, value)) in starts.iter().enumerate() {
            if log > f64::NEG_INFINITY {
                x[d][lane] = value;
            }
        }
        starts.map(|(log, ..)| log > f64::NEG_INFINITY)
    }

    /// Leads the lanes that have not arrived from their queries to rows that meet the requirements; says which do.
    fn approach(&mut self, there: &[bool; LANES], effort: usize) -> [bool; LANES] {
        let mut arrived = [false; LANES];
        let mut active = there.map(|there| !there);
        active[self.n..].fill(false);
        if active == [false; LANES] {
            return arrived;
        }
        self.masses[0] = self.queries.masses(self.search.hard.level(), &self.search.grids[0]);
        let sweeps = effort * GUIDED;
        for sweep in 0..sweeps {
            let weight = math::exp1(math::ln1(COLDEST) * sweep as f64 / (sweeps - 1) as f64);
            self.guided_sweep(weight, &active, sweep > 0);
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

    /// How the present rows are ranked: their log density in the base measure less what their changes cost.
    pub(super) fn scores(&self) -> Lanes<f64> {
        let (search, home) = (self.search, &self.queries.home);
        let base = search.reference.as_ref().map(|reference| reference.log_density(&self.x));
        let mut scores = base.unwrap_or(Lanes::splat(0.0));
        for grid in &search.grids[1] {
            let d = grid.column;
            for lane in 0..LANES {
                scores[lane] -= grid.change(home[d][lane], self.x[d][lane]);
            }
        }
        scores
    }
}

/// The stretches of a column and what the energy says of them: where it has no exact draws, one, of which nothing is
/// known.
pub(super) fn slice(
    energy: &Energy,
    grid: &Grid,
    x: &[Lanes<f64>],
    workspace: &mut Workspace,
    draws: &mut Draws,
) {
    if energy.stepwise() {
        energy.slice(grid.column, x, workspace, &mut draws.energies);
        return;
    }
    draws.energies.clear();
    draws.energies.push(Lanes::splat(0.0));
    workspace.slice.first.clear();
    workspace.slice.first.extend([0, grid.n_intervals() as u32]);
}

/// Takes away the values of column `d` at which the queries' rows break a requirement.
fn refuse(
    hard: &Energy,
    d: usize,
    queries: &Queries,
    workspace: &mut Workspace,
    found: &mut [Lanes<f64>; SINGLES],
) {
    let mut x = queries.home.clone();
    for own in found {
        if own.0.iter().all(|value| value.is_nan()) {
            continue;
        }
        for lane in 0..LANES {
            x[d][lane] = if own[lane].is_nan() { queries.home[d][lane] } else { own[lane] };
        }
        let met = hard.at(&x, workspace);
        for lane in 0..LANES {
            if !met[lane].is_finite() {
                own[lane] = f64::NAN;
            }
        }
    }
}
