//! Counterfactuals of many query rows at once: rows near a query that a model answers as required.
//!
//! For a query a they follow `p(x) ∝ 1[x meets the requirements] p_ref(x) Π_d μ_d(dx_d)` with the measures μ of
//! [`column`]: few changes, small ones, among plausible rows. Eight queries share a block, a lane each, and are swept
//! column by column. What a query gets depends on its key and its row alone.

mod block;
mod column;
mod draw;
mod needless;
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
use crate::space::{Constraint, Reference};

use block::Block;
use column::Grid;

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
    /// +∞ where a requirement is broken, beside the base measure.
    hard: Energy,
    /// How far from it models are; constraints know that themselves.
    guide: Energy,
    /// The base measure alone, where models have no exact draws along columns.
    prior: Option<Energy>,
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
        let based = |weight: f64| parts.reference.as_ref().map(|(_, r)| (weight, r.clone()));
        let hard = Energy::new(Parts { reference: based(1.0), ..parts.clone() })?;
        if hard.foreign_width() > 0 || hard.decodes() || hard.bounds().missed().next().is_some() {
            return Err(Error::Question(
                "other libraries evaluate a model of the question, or values may be missing".into(),
            ));
        }
        let alone = Parts { constraints: Vec::new(), ..parts.clone() };
        let guide = Energy::new(alone)?.graded(based(0.0))?;
        let prior = if hard.stepwise() {
            None
        } else {
            let alone = Parts::on(parts.bounds.clone());
            Some(Energy::new(Parts { reference: based(1.0), ..alone })?)
        };
        if settings.costs.len() != parts.bounds.len() {
            return Err(Error::Question(format!(
                "{} costs of {} columns",
                settings.costs.len(),
                parts.bounds.len()
            )));
        }
        let grids = [&guide, &hard].map(|energy| grids(prior.as_ref().unwrap_or(energy), &settings.costs));
        let pool = ThreadPoolBuilder::new().num_threads(settings.threads).build().ok();
        let pool = pool.filter(|_| settings.threads > 1);
        Ok(Self { reference: hard.reference(), hard, guide, prior, grids, n: settings.n, pool })
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
        let answer = |block: &[Query<'_>]| Block::new(self, block).run();
        Ok(match &self.pool {
            Some(pool) => pool.install(|| queries.par_chunks(LANES).flat_map_iter(answer).collect()),
            None => queries.chunks(LANES).flat_map(answer).collect(),
        })
    }
}

fn grids(energy: &Energy, costs: &[f64]) -> Vec<Grid> {
    let reference = energy.reference();
    let bounds = energy.bounds();
    bounds
        .free()
        .iter()
        .map(|&d| Grid::new(d, bounds, energy.cuts_of_draws(d), reference.as_deref(), costs[d]))
        .collect()
}
