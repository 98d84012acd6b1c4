//! Eight queries.

use super::column::Masses;
use super::draw::{Draws, Queries, stretch_of};
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
/// Draws of a column from the base measure, until one meets the requirements.
const TRIES: usize = 8;

pub(super) struct Block<'a> {
    search: &'a Search,
    /// How many lanes hold queries.
    n: usize,
    queries: Queries,
    /// Of guided draws, once there are any, and of hard ones.
    masses: [Vec<Masses>; 2],
    streams: [Stream; LANES],
    x: Vec<Lanes<f64>>,
    workspaces: [Workspace; 2],
    draws: Draws,
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
        let change = |d: usize, from: f64, to: f64| {
            let grid = self.search.grids[1].iter().find(|grid| grid.column == d);
            grid.map_or(0.0, |grid| grid.change(from, to))
        };
        (0..self.n)
            .map(|lane| {
                let at = |x: &[Lanes<f64>]| -> Vec<f64> { x.iter().map(|x| x[lane]).collect() };
                let home = at(&self.queries.home);
                let score = |row: &[f64]| {
                    let cost: f64 = (0..row.len()).map(|d| change(d, home[d], row[d])).sum();
                    self.search.log_base(row) - cost
                };
                let rows = select::best(&pools[lane], self.search.n, score, change);
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
            let mut found = [[f64::NAN; SINGLES]; LANES];
            let mut logs = Lanes::splat(f64::NEG_INFINITY);
            let level = energy.level();
            draws.changes(
                level,
                grid,
                masses,
                first,
                queries,
                &active,
                SINGLES,
                streams,
                |lane, log, own, rng| {
                    found[lane].copy_from_slice(own);
                    // The largest of logarithms with Gumbel noise falls to each in proportion to what it stands for.
                    logs[lane] = log - math::ln1(-math::ln1(1.0 - rng.uniform()));
                },
            );
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
            let chosen = Lanes(masses.home.map(|home| stretch_of(first, home) as u64));
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

    /// Draws every column of the active lanes once: guided (0), with this weight of the distance from the
    /// requirements, or hard (1). With `again`, from where the last such sweep ended.
    fn sweep(&mut self, phase: usize, weight: f64, active: &[bool; LANES], again: bool) {
        match &self.search.prior {
            None => self.sweep_steps(phase, weight, active, again),
            Some(prior) if phase == 0 => self.guided_tries(prior, weight, active),
            Some(prior) => self.sweep_tries(prior, active),
        }
    }

    fn sweep_steps(&mut self, phase: usize, weight: f64, active: &[bool; LANES], again: bool) {
        let search = self.search;
        let energy = if phase == 0 { &search.guide } else { &search.hard };
        let free = search.constraints().is_empty();
        let Self { queries, x, streams, draws, .. } = self;
        let workspace = &mut self.workspaces[phase];
        // What is asked of a row leaves the sums of the sweep as they are.
        energy.begin_sweep(x, again, workspace);
        for (grid, masses) in self.search.grids[phase].iter().zip(&self.masses[phase]) {
            let d = grid.column;
            energy.slice(d, x, workspace, &mut draws.energies);
            if phase == 0 {
                for energy in &mut draws.energies {
                    for value in &mut energy.0 {
                        *value *= weight;
                    }
                }
                energy.add_base_along(1.0, d, x, workspace, &mut draws.energies);
            }
            let first = &workspace.slice.first;
            let (old, before) = (x[d], if free { None } else { Some(search.violation(x)) });
            let mut open = *active;
            // As in `sweep_tries`, where constraints take part of what the models leave.
            for _ in 0..if phase == 0 { 1 } else { TRIES } {
                draws.draw(
                    energy.level(),
                    grid,
                    masses,
                    first,
                    queries,
                    &open,
                    &[true; LANES],
                    &mut x[d],
                    streams,
                );
                let Some(before) = &before else {
                    open = [false; LANES];
                    break;
                };
                let now = search.violation(x);
                for lane in 0..LANES {
                    open[lane] &= x[d][lane] != old[lane]
                        && if phase == 0 {
                            let worse = (weight * (before[lane] - now[lane])).min(0.0);
                            streams[lane].uniform() >= math::exp1(worse)
                        } else {
                            now[lane] != 0.0
                        };
                }
                if open == [false; LANES] {
                    break;
                }
            }
            for lane in (0..LANES).filter(|&lane| open[lane]) {
                x[d][lane] = old[lane];
            }
            let chosen =
                Lanes(std::array::from_fn(|lane| stretch_of(first, grid.interval(x[d][lane])) as u64));
            energy.commit(d, &x[d], &chosen, workspace);
        }
    }

    /// Draws columns from the base measure until one meets the requirements, at most so many times, and stays where
    /// none does. That leaves the law as it is: the chance of a change from x to y is p(y) Σ_k r^k over the tries, and
    /// r, the chance of a refusal, depends on the other columns alone.
    fn sweep_tries(&mut self, prior: &Energy, active: &[bool; LANES]) {
        let hard = &self.search.hard;
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [for_prior, workspace] = workspaces;
        prior.begin_sweep(x, false, for_prior);
        for (grid, masses) in self.search.grids[1].iter().zip(&self.masses[1]) {
            let d = grid.column;
            prior.slice(d, x, for_prior, &mut draws.energies);
            let first = &for_prior.slice.first;
            let old = x[d];
            // The query's value is most of the mass, and often refused: whether it is, is known beforehand.
            let mut home = [true; LANES];
            if (0..LANES).any(|lane| active[lane] && old[lane] != queries.home[d][lane]) {
                x[d] = queries.home[d];
                let met = hard.at(x, workspace);
                home = std::array::from_fn(|lane| met[lane].is_finite());
                x[d] = old;
            }
            let mut open = *active;
            for _ in 0..TRIES {
                draws.draw(prior.level(), grid, masses, first, queries, &open, &home, &mut x[d], streams);
                if (0..LANES).all(|lane| x[d][lane] == old[lane]) {
                    break;
                }
                let met = hard.at(x, workspace);
                for lane in 0..LANES {
                    open[lane] &= x[d][lane] != old[lane] && !met[lane].is_finite();
                }
                if open == [false; LANES] {
                    break;
                }
            }
            for lane in (0..LANES).filter(|&lane| open[lane]) {
                x[d][lane] = old[lane];
            }
        }
    }

    /// Proposes to change each column, or to undo its change, and takes what comes nearer to the requirements, or a
    /// little less near while this weight is small.
    fn guided_tries(&mut self, prior: &Energy, weight: f64, active: &[bool; LANES]) {
        let search = self.search;
        let far = |x: &[Lanes<f64>], workspace: &mut Workspace| {
            let (models, limits) = (search.guide.at(x, workspace), search.violation(x));
            Lanes(std::array::from_fn(|lane| models[lane] + limits[lane]))
        };
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [for_prior, workspace] = workspaces;
        let mut here = far(x, workspace);
        prior.begin_sweep(x, false, for_prior);
        for (grid, masses) in self.search.grids[0].iter().zip(&self.masses[0]) {
            let d = grid.column;
            prior.slice(d, x, for_prior, &mut draws.energies);
            let first = &for_prior.slice.first;
            let old = x[d];
            draws.changes(
                prior.level(),
                grid,
                masses,
                first,
                queries,
                active,
                1,
                streams,
                |lane, _, own, rng| {
                    x[d][lane] = if rng.uniform() < 0.5 { queries.home[d][lane] } else { own[0] };
                },
            );
            let there = far(x, workspace);
            for lane in (0..LANES).filter(|&lane| active[lane]) {
                let worse = (weight * (here[lane] - there[lane])).min(0.0);
                if streams[lane].uniform() < math::exp1(worse) {
                    here[lane] = there[lane];
                } else {
                    x[d][lane] = old[lane];
                }
            }
        }
    }

    /// Puts the rows of the active lanes among those found, without needless changes: those without which a row still
    /// meets the requirements.
    fn keep(&mut self, active: &[bool; LANES], pools: &mut [Vec<Vec<f64>>; LANES]) {
        let mut x = self.x.clone();
        self.undo_needless(active, &mut x);
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let row: Vec<f64> = x.iter().map(|x| x[lane]).collect();
            if !pools[lane].contains(&row) {
                pools[lane].push(row);
            }
        }
    }

    /// Each lane goes through its own changes, so that an evaluation tries one of every lane. A single change is never
    /// needless, since a query itself does not meet the requirements.
    fn undo_needless(&mut self, active: &[bool; LANES], x: &mut [Lanes<f64>]) {
        let (search, home) = (self.search, &self.queries.home);
        let changed = |x: &[Lanes<f64>], lane: usize| -> Vec<usize> {
            let differs = |&d: &usize| x[d][lane] != home[d][lane];
            search.hard.bounds().free().iter().copied().filter(differs).collect()
        };
        let mut left: [Vec<usize>; LANES] = std::array::from_fn(|lane| changed(x, lane));
        let mut undone = [false; LANES];
        loop {
            for lane in 0..LANES {
                // Another round where something was undone: what was needed may not be any more.
                if left[lane].is_empty() && std::mem::take(&mut undone[lane]) {
                    left[lane] = changed(x, lane);
                }
                if !active[lane] || changed(x, lane).len() < 2 {
                    left[lane].clear();
                }
            }
            let tried: [Option<(usize, f64)>; LANES] = std::array::from_fn(|lane| {
                let d = left[lane].pop()?;
                Some((d, std::mem::replace(&mut x[d][lane], home[d][lane])))
            });
            if tried.iter().all(Option::is_none) {
                return;
            }
            let met = search.hard.at(x, &mut self.workspaces[1]);
            for lane in 0..LANES {
                match tried[lane] {
                    Some((d, value)) if !met[lane].is_finite() => x[d][lane] = value,
                    Some(_) => undone[lane] = true,
                    None => {}
                }
            }
        }
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
