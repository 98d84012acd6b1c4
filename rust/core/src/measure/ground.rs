//! The base measure on the space, and moves that leave it as it is.

use std::sync::Arc;

use crate::question::Energy;
use crate::rng::Stream;
use crate::space::{Base, Bounds, Constraint, Reference, Slide};

use super::score::Score;

/// Rows drawn for one that meets the constraints.
const TRIES: usize = 100_000;

/// What is known of a space.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) bounds: Bounds,
    pub(super) base: Base,
    pub(super) constraints: Vec<Arc<Constraint>>,
    pub(super) slides: Vec<Slide>,
    /// Kinds of moves, in the order in which they are made again and again.
    pub(super) round: Vec<Kind>,
}

/// How a particle moves. Each kind is reversible for the base measure, and so for what it is on any set when moves
/// that leave the set are not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By a multiple of the difference of two other particles, in some continuous columns.
    Walk,
    /// One column, drawn from an ever shorter stretch around it until the row stays in the set.
    Column,
    /// A column and all that depend on it, drawn from the base measure.
    Branch,
    /// Two columns against each other, along what constraints compare.
    Slide,
}

/// Walks of a round, and draws of single columns.
const WALKS: usize = 8;
const COLUMNS: usize = 4;

impl Ground {
    pub(super) fn new(question: &Energy, reference: Option<Arc<Reference>>) -> Self {
        let bounds = question.bounds().clone();
        let base = Base::new(bounds.clone(), reference);
        let constraints = question.constraints().to_vec();
        let mut slides = Vec::new();
        for constraint in &constraints {
            constraint.slides(&bounds, &mut slides);
        }
        let walks = match bounds.continuous().len() {
            0 => 0,
            1 => 2,
            _ => WALKS,
        };
        let columns = bounds.free().len().min(COLUMNS);
        let branches = (0..base.n_branches()).any(|b| base.branch(b).len() > 1);
        let mut round = vec![Kind::Walk; walks];
        round.extend(std::iter::repeat_n(Kind::Column, columns));
        round.extend(branches.then_some(Kind::Branch));
        round.extend(std::iter::repeat_n(Kind::Slide, if slides.is_empty() { 0 } else { 2 }));
        Self { bounds, base, constraints, slides, round }
    }

    pub(super) fn reference(&self) -> Option<&Reference> {
        self.base.reference()
    }

    pub(super) fn admits(&self, row: &[f64]) -> bool {
        self.constraints.iter().all(|c| c.admits(|d| row[d]))
    }

    /// The score of a row that constraints refuse.
    pub(super) fn refused(&self, row: &[f64]) -> Option<Score> {
        if self.constraints.is_empty() {
            return None;
        }
        let violation: f64 = self.constraints.iter().map(|c| c.violation(|d| row[d])).sum();
        (violation > 0.0).then(|| Score::outside(violation))
    }

    /// A draw from the base measure of the box.
    pub(super) fn draw(&self, row: &mut [f64], rng: &mut Stream) {
        row.copy_from_slice(self.bounds.lowers());
        self.base.draw_row(row, rng);
    }

    /// A draw from the base measure of the space, where it is a fair share of the box.
    pub(super) fn draw_admitted(&self, row: &mut [f64], rng: &mut Stream) {
        for _ in 0..TRIES {
            self.draw(row, rng);
            if self.admits(row) {
                return;
            }
        }
    }

    /// `log p(to) − log p(from)` of the base measure.
    pub(super) fn log_ratio(&self, from: &[f64], to: &[f64]) -> f64 {
        match self.reference() {
            None => 0.0,
            Some(own) => own.log_densities(to)[0] - own.log_densities(from)[0],
        }
    }
}
