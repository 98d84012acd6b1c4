//! Draws of all columns of eight queries, one after another.

use super::block::{Block, slice};
use super::draw::Along;
use super::pool::{Pool, SAME};
use crate::simd::{LANES, Lanes, math};

/// Draws of a column, until one meets the requirements.
const TRIES: usize = 8;

impl Block<'_> {
    /// Draws every column of the active lanes once; with `again`, from where the last such sweep ended. What it comes
    /// by that meets the requirements goes to the pools: each row that it moves to, and beside the draw of each
    /// column a change of it.
    pub(super) fn sweep(
        &mut self,
        active: &[bool; LANES],
        again: bool,
        mut pools: Option<&mut [Pool; LANES]>,
    ) {
        let search = self.search;
        let (hard, exact) = (&search.hard, search.hard.stepwise());
        let free = search.constraints().is_empty();
        let mut scores = self.scores();
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [spare, workspace] = workspaces;
        // What is asked of a row leaves the sums of the sweep as they are.
        hard.begin_sweep(x, again, workspace);
        for (grid, masses) in search.grids[1].iter().zip(&self.masses[1]) {
            let (d, old) = (grid.column, x[grid.column]);
            let home = queries.home[d];
            draws.look_up(hard.level(), search.reference.as_deref(), d, x);
            slice(hard, grid, x, workspace, draws);
            let along = Along { level: hard.level(), grid, masses, first: &workspace.slice.first, queries };
            draws.weigh(&along, true);
            if exact && let Some(pools) = &mut pools {
                let changes = draws.change(&along, active, streams);
                for lane in (0..LANES).filter(|&lane| !changes[lane].is_nan()) {
                    let row = |k: usize| if k == d { changes[lane] } else { x[k][lane] };
                    if free || search.constraints().iter().all(|c| c.admits(row)) {
                        let gain = draws.gain(grid, home[lane], old[lane], changes[lane], lane);
                        pools[lane].offer(scores[lane] + gain, row, x.len());
                    }
                }
            }
            if exact && free {
                draws.draw(&along, active, &[true; LANES], &mut x[d], streams);
            } else {
                // Draws until one meets the requirements, at most so many, and stays where none does. That leaves the
                // law as it is, as in `kernel/restricted.rs`: what is drawn from, and the chance of a refusal, depend
                // on the other columns alone.
                let mut met = |x: &[Lanes<f64>]| {
                    let how = if exact { search.violation(x) } else { hard.at(x, spare) };
                    how.0.map(|how| if exact { how == 0.0 } else { how.is_finite() })
                };
                // The query's value is most of the mass, and often refused: whether it is, is known beforehand.
                let mut open = [true; LANES];
                if !exact && (0..LANES).any(|lane| active[lane] && old[lane] != home[lane]) {
                    x[d] = home;
                    open = met(x);
                    x[d] = old;
                }
                let mut left = *active;
                for _ in 0..TRIES {
                    draws.draw(&along, &left, &open, &mut x[d], streams);
                    if (0..LANES).all(|lane| x[d][lane] == old[lane]) {
                        break;
                    }
                    let met = met(x);
                    for lane in 0..LANES {
                        left[lane] &= x[d][lane] != old[lane] && !met[lane];
                    }
                    if left == [false; LANES] {
                        break;
                    }
                }
                for lane in (0..LANES).filter(|&lane| left[lane]) {
                    x[d][lane] = old[lane];
                }
            }
            for lane in (0..LANES).filter(|&lane| active[lane] && x[d][lane] != old[lane]) {
                scores[lane] += draws.gain(grid, home[lane], old[lane], x[d][lane], lane);
                if let Some(pools) = &mut pools {
                    pools[lane].offer(scores[lane], |k| x[k][lane], x.len());
                }
            }
            let chosen = along.stretches(&x[d]);
            hard.commit(d, &x[d], &chosen, workspace);
        }
        debug_assert!(same(active, &scores, &self.scores()), "gains add up to the scores of rows");
    }

    /// The same towards the requirements, with this weight of the distance from them.
    pub(super) fn guided_sweep(&mut self, weight: f64, active: &[bool; LANES], again: bool) {
        if self.search.guide.stepwise() {
            self.guided_draws(weight, active, again);
        } else {
            self.guided_tries(weight, active);
        }
    }

    fn guided_draws(&mut self, weight: f64, active: &[bool; LANES], again: bool) {
        let search = self.search;
        let guide = &search.guide;
        let free = search.constraints().is_empty();
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [workspace, _] = workspaces;
        guide.begin_sweep(x, again, workspace);
        for (grid, masses) in search.grids[0].iter().zip(&self.masses[0]) {
            let (d, old) = (grid.column, x[grid.column]);
            draws.look_up(guide.level(), search.reference.as_deref(), d, x);
            slice(guide, grid, x, workspace, draws);
            for energy in &mut draws.energies {
                for value in &mut energy.0 {
                    *value *= weight;
                }
            }
            let along = Along { level: guide.level(), grid, masses, first: &workspace.slice.first, queries };
            draws.weigh(&along, false);
            let before = if free { None } else { Some(search.violation(x)) };
            draws.draw(&along, active, &[true; LANES], &mut x[d], streams);
            if let Some(before) = before {
                let now = search.violation(x);
                for lane in 0..LANES {
                    let worse = (weight * (before[lane] - now[lane])).min(0.0);
                    let moved = active[lane] && x[d][lane] != old[lane];
                    if moved && streams[lane].uniform() >= math::exp1(worse) {
                        x[d][lane] = old[lane];
                    }
                }
            }
            let chosen = along.stretches(&x[d]);
            guide.commit(d, &x[d], &chosen, workspace);
        }
    }

    /// Proposes to change each column, or to undo its change, and takes what comes nearer to the requirements, or a
    /// little less near while this weight is small.
    fn guided_tries(&mut self, weight: f64, active: &[bool; LANES]) {
        let search = self.search;
        let level = search.guide.level();
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [workspace, _] = workspaces;
        let far = |x: &[Lanes<f64>], workspace: &mut _| {
            let (models, limits) = (search.guide.at(x, workspace), search.violation(x));
            Lanes(std::array::from_fn(|lane| models[lane] + limits[lane]))
        };
        let mut here = far(x, workspace);
        for (grid, masses) in search.grids[0].iter().zip(&self.masses[0]) {
            let (d, old) = (grid.column, x[grid.column]);
            draws.look_up(level, search.reference.as_deref(), d, x);
            slice(&search.guide, grid, x, workspace, draws);
            let along = Along { level, grid, masses, first: &workspace.slice.first, queries };
            draws.weigh(&along, true);
            let changes = draws.change(&along, active, streams);
            for lane in (0..LANES).filter(|&lane| !changes[lane].is_nan()) {
                let undo = streams[lane].uniform() < 0.5;
                x[d][lane] = if undo { queries.home[d][lane] } else { changes[lane] };
            }
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
}

fn same(active: &[bool; LANES], a: &Lanes<f64>, b: &Lanes<f64>) -> bool {
    (0..LANES).all(|lane| !active[lane] || (a[lane] - b[lane]).abs() < SAME)
}
