//! Counterfactuals of many query rows at once: rows near a query that a model answers as required.
//!
//! For a query a they follow `p(x) ∝ 1[x meets the requirements] p_ref(x) Π_d μ_d(dx_d)` with the measures μ of
//! [`column`]: few changes, small ones, among plausible rows. Eight queries share a block, a lane each, and are swept
//! column by column. What a query gets depends on its key and its row alone.

mod block;
mod column;
mod draw;
mod needless;
mod pool;
mod select;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::question::{Energy, Parts};
use crate::simd::{LANES, Lanes};
use crate::space::{Constraint, Kind, Reference};

use block::Block;
use column::Grid;

/// How much more is tried where there were too few rows.
const AGAIN: usize = 4;

/// How long to look, and for how much.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rows wanted for each query.
    pub n: usize,
    /// What changing a column costs, in logarithms of probability.
    pub costs: Vec<f64>,
    pub threads: usize,
}

/// A row, and the bounds around it.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub row: &'a [f64],
    pub lower: &'a [f64],
    pub upper: &'a [f64],
    pub key: &'a [u8; 32],
}

/// What was found for a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Rows that meet the requirements, all different, at most as many as are wanted.
    pub rows: Vec<Vec<f64>>,
    /// Without any: the row that came nearest.
    pub nearest: Vec<f64>,
}

/// A model, its requirements and a space, ready for queries.
#[derive(Debug)]
pub struct Search {
    /// +∞ where a requirement is broken.
    hard: Energy,
    /// How far from it models are; constraints know that themselves.
    guide: Energy,
    /// Of the columns that move, for draws guided and hard.
    grids: [Vec<Grid>; 2],
    reference: Option<Arc<Reference>>,
    n: usize,
    pool: Option<ThreadPool>,
}

impl Search {
    /// Of a question that is requirements and nothing else.
    ///
    /// # Errors
    /// [`Error::Question`] for parts that do not fit together or models that other libraries evaluate.
    pub fn new(question: &Energy, settings: &Settings) -> Result<Self> {
        let parts = question.parts();
        // Its cuts are cuts of draws; what it says is looked up beside them.
        let based = || parts.reference.as_ref().map(|(_, reference)| (0.0, reference.clone()));
        let hard = Energy::new(Parts { reference: based(), ..parts.clone() })?;
        if hard.foreign_width() > 0 || hard.decodes() || hard.bounds().missed().next().is_some() {
            return Err(Error::Question(
                "other libraries evaluate a model of the question, or values may be missing".into(),
            ));
        }
        let alone = Parts { constraints: Vec::new(), ..parts.clone() };
        let guide = Energy::new(alone)?.graded(based())?;
        if settings.costs.len() != parts.bounds.len() {
            return Err(Error::Question(format!(
                "{} costs of {} columns",
                settings.costs.len(),
                parts.bounds.len()
            )));
        }
        let grids = [&guide, &hard].map(|energy| grids(energy, &settings.costs));
        let pool = ThreadPoolBuilder::new().num_threads(settings.threads).build().ok();
        let pool = pool.filter(|_| settings.threads > 1);
        Ok(Self { reference: hard.reference(), hard, guide, grids, n: settings.n, pool })
    }

    fn constraints(&self) -> &[Arc<Constraint>] {
        &self.hard.parts().constraints
    }

    /// How far the rows are from meeting the constraints.
    fn violation(&self, x: &[Lanes<f64>]) -> Lanes<f64> {
        let own = |lane: usize| self.constraints().iter().map(|c| c.violation(|d| x[d][lane])).sum();
        Lanes(std::array::from_fn(own))
    }

    /// What all changes from one row to another cost.
    fn distance(&self, from: &[f64], to: &[f64]) -> f64 {
        self.grids[1].iter().map(|grid| grid.change(from[grid.column], to[grid.column])).sum()
    }

    /// Log density of the base measure at a row.
    fn log_base(&self, row: &[f64]) -> f64 {
        self.reference.as_ref().map_or(0.0, |reference| reference.log_densities(row)[0])
    }

    /// # Errors
    /// [`Error::Space`] for rows of another width or outside of their bounds.
    pub fn run(&self, queries: &[Query<'_>]) -> Result<Vec<Found>> {
        let bounds = self.hard.bounds();
        for (i, query) in queries.iter().enumerate() {
            let inside = |d: usize| {
                bounds.lower(d) <= query.lower[d]
                    && query.lower[d] <= query.row[d]
                    && query.row[d] <= query.upper[d]
                    && query.upper[d] <= bounds.upper(d)
            };
            if let Some(d) = (0..bounds.len()).find(|&d| !inside(d)) {
                return Err(Error::Space(format!(
                    "query {i} has {} in column {d}, out of bounds",
                    query.row[d]
                )));
            }
        }
        let mut found = self.attempt(queries, 0, 1);
        let again: Vec<usize> = (0..queries.len()).filter(|&i| found[i].rows.len() < self.n).collect();
        let short: Vec<Query<'_>> = again.iter().map(|&i| queries[i]).collect();
        for (i, more) in again.into_iter().zip(self.attempt(&short, 1, AGAIN)) {
            if more.rows.len() > found[i].rows.len() {
                found[i] = more;
            }
        }
        Ok(found)
    }

    fn attempt(&self, queries: &[Query<'_>], attempt: u64, effort: usize) -> Vec<Found> {
        let answer = |block: &[Query<'_>]| Block::new(self, block, attempt).run(effort);
        match &self.pool {
            Some(pool) => pool.install(|| queries.par_chunks(LANES).flat_map_iter(answer).collect()),
            None => queries.chunks(LANES).flat_map(answer).collect(),
        }
    }
}

/// Grids of the columns that move: between the cuts of the energy, or of the base measure alone.
fn grids(energy: &Energy, costs: &[f64]) -> Vec<Grid> {
    let reference = energy.reference();
    let bounds = energy.bounds();
    let grid = |&d: &usize| {
        let inside = |&&cut: &&f64| bounds.lower(d) < cut && cut < bounds.upper(d);
        let own: Vec<f64> = reference.iter().flat_map(|r| r.cuts(d)).filter(inside).copied().collect();
        let cuts = if energy.stepwise() {
            energy.cuts_of_draws(d)
        } else {
            (bounds.kind(d) != Kind::Level).then_some(&own[..])
        };
        Grid::new(d, bounds, cuts, reference.as_deref(), costs[d])
    };
    bounds.free().iter().map(grid).collect()
}
