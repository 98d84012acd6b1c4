//! Draws of all columns of eight queries, one after another.

use super::block::Block;
use super::draw::Along;
use crate::question::{Energy, Workspace};
use crate::simd::{LANES, Lanes, math};

/// Draws of a column, until one meets the requirements.
const TRIES: usize = 8;

impl Block<'_> {
    /// Draws every column of the active lanes once: guided (0), with this weight of the distance from the
    /// requirements, or hard (1). With `again`, from where the last such sweep ended.
    pub(super) fn sweep(&mut self, phase: usize, weight: f64, active: &[bool; LANES], again: bool) {
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
            let along = Along { level: energy.level(), grid, masses, first, queries };
            let (old, before) = (x[d], if free { None } else { Some(search.violation(x)) });
            let mut open = *active;
            // As in `sweep_tries`, where constraints take part of what the models leave.
            for _ in 0..if phase == 0 { 1 } else { TRIES } {
                draws.draw(&along, &open, &[true; LANES], &mut x[d], streams);
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
            let chosen = along.stretches(&x[d]);
            energy.commit(d, &x[d], &chosen, workspace);
        }
    }

    /// Draws columns from the base measure until one meets the requirements, at most so many times, and stays where
    /// none does. That leaves the law as it is, as in `kernel/restricted.rs`: what is drawn from, and the chance of a
    /// refusal, depend on the other columns alone.
    fn sweep_tries(&mut self, prior: &Energy, active: &[bool; LANES]) {
        let hard = &self.search.hard;
        let Self { queries, x, streams, draws, workspaces, .. } = self;
        let [for_prior, workspace] = workspaces;
        prior.begin_sweep(x, false, for_prior);
        for (grid, masses) in self.search.grids[1].iter().zip(&self.masses[1]) {
            let d = grid.column;
            prior.slice(d, x, for_prior, &mut draws.energies);
            let first = &for_prior.slice.first;
            let along = Along { level: prior.level(), grid, masses, first, queries };
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
                draws.draw(&along, &open, &home, &mut x[d], streams);
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
            let along = Along { level: prior.level(), grid, masses, first, queries };
            let old = x[d];
            draws.changes(&along, active, 1, streams, |lane, _, own, rng| {
                x[d][lane] = if rng.uniform() < 0.5 { queries.home[d][lane] } else { own[0] };
            });
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
