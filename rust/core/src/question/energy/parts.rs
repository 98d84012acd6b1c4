//! What an energy is made of, and whether it fits together.

use std::sync::Arc;

use super::means::Mean;
use crate::error::{Error, Result};
use crate::model::Graph;
use crate::question::{Decoder, Localizer, Term};
use crate::space::{Bounds, Constraint, Kind, Lookup, Reference};

/// What an [`super::Energy`] is made of. Models and localizers see the row that is sampled; behind a decoder
/// the row `[φ(z)…, z…]` of data and latent columns. Models also see what is looked up in columns that are
/// sampled, after all others.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Of the rows that are sampled.
    pub bounds: Bounds,
    pub decoder: Option<Decoder>,
    pub lookups: Vec<Lookup>,
    /// A base measure, and the temperature τ at which it is sampled: G is taken for `G − τ log p`.
    pub reference: Option<(f64, Arc<Reference>)>,
    /// What the rows that are sampled must fulfil beside the bounds.
    pub constraints: Vec<Arc<Constraint>>,
    pub models: Vec<Arc<Graph>>,
    /// `columns[m][j]` is the column of the row that column j of model m's rows is.
    pub columns: Vec<Vec<usize>>,
    pub terms: Vec<Term>,
    pub means: Vec<Mean>,
    pub localizers: Vec<Localizer>,
}

impl Parts {
    /// Of no models and no terms.
    pub fn on(bounds: Bounds) -> Self {
        Self {
            bounds,
            decoder: None,
            lookups: Vec::new(),
            reference: None,
            constraints: Vec::new(),
            models: Vec::new(),
            columns: Vec::new(),
            terms: Vec::new(),
            means: Vec::new(),
            localizers: Vec::new(),
        }
    }

    /// Columns of the rows that models see.
    pub(super) fn n_row(&self) -> usize {
        self.n_before_lookups() + self.lookups.len()
    }

    pub(super) fn n_before_lookups(&self) -> usize {
        self.bounds.len() + self.decoder.as_ref().map_or(0, Decoder::n_data)
    }

    /// Columns of the row that are looked up in a sampled column, and how.
    pub(super) fn looked_up(&self, column: usize) -> impl Iterator<Item = (usize, &Lookup)> {
        let first = self.n_before_lookups();
        let own = move |&(_, lookup): &(usize, &Lookup)| lookup.column() == column;
        self.lookups.iter().enumerate().map(move |(i, lookup)| (first + i, lookup)).filter(own)
    }

    /// Where the base measure changes along a column of the row.
    pub(super) fn reference_cuts(&self, column: usize) -> &[f64] {
        match &self.reference {
            Some((_, reference)) if column < reference.len() => reference.cuts(column),
            _ => &[],
        }
    }

    /// Constraints that tie a column to others.
    pub(super) fn limits(&self, column: usize) -> Vec<Arc<Constraint>> {
        self.constraints.iter().filter(|constraint| constraint.reads(column)).cloned().collect()
    }

    /// Lower and upper ends of the rows that models see.
    pub(super) fn row_box(&self) -> (Vec<f64>, Vec<f64>) {
        let (lower, upper) = self.decoder.as_ref().map_or((&[][..], &[][..]), |d| (d.lowers(), d.uppers()));
        let (mut lower, mut upper) =
            ([lower, self.bounds.lowers()].concat(), [upper, self.bounds.uppers()].concat());
        for lookup in &self.lookups {
            let of = lookup.column();
            let (least, most) = lookup.range(self.bounds.lower(of), self.bounds.upper(of));
            lower.push(least);
            upper.push(most);
        }
        (lower, upper)
    }

    /// Whether a value can be missing (NaN) in the columns of the rows that models see.
    pub(super) fn row_missing(&self) -> Vec<bool> {
        let bounds = &self.bounds;
        let mut missing = vec![false; self.n_before_lookups() - bounds.len()];
        missing.extend((0..bounds.len()).map(|d| bounds.missing(d) > 0.0));
        missing.extend(self.lookups.iter().map(|lookup| {
            let of = lookup.column();
            bounds.missing(of) > 0.0 || lookup.misses(bounds.lower(of), bounds.upper(of))
        }));
        missing
    }

    /// The distance between a number and NaN, column by column of the rows that models see: the width.
    pub(super) fn row_gaps(&self) -> Vec<f64> {
        let bounds = &self.bounds;
        let mut gaps = vec![0.0; self.n_before_lookups() - bounds.len()];
        gaps.extend((0..bounds.len()).map(|d| if bounds.missing(d) > 0.0 { bounds.width(d) } else { 0.0 }));
        gaps.resize(self.n_row(), 0.0);
        gaps
    }

    /// Kinds of the columns of the rows that models see; of those that are looked up there is nothing to say.
    pub(super) fn row_kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![Kind::Continuous; self.n_before_lookups() - self.bounds.len()];
        kinds.extend_from_slice(self.bounds.kinds());
        kinds.resize(self.n_row(), Kind::Continuous);
        kinds
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(decoder) = &self.decoder
            && decoder.n_latent() != self.bounds.len()
        {
            return Err(Error::Question(format!(
                "a decoder of {} columns on a latent space of {}",
                decoder.n_latent(),
                self.bounds.len()
            )));
        }
        for lookup in &self.lookups {
            if lookup.column() >= self.bounds.len() {
                let of = self.bounds.len();
                return Err(Error::Question(format!("column {} of {of} is looked up", lookup.column())));
            }
        }
        if let Some((weight, reference)) = &self.reference
            && (reference.len() != self.bounds.len() || self.decoder.is_some() || !weight.is_finite())
        {
            return Err(Error::Question(format!(
                "a reference of {} columns on a space of {} that is sampled as it is",
                reference.len(),
                self.bounds.len()
            )));
        }
        let n = self.bounds.len();
        if let Some(constraint) = self.constraints.iter().find(|c| c.columns().iter().any(|&d| d >= n)) {
            return Err(Error::Question(format!("{:?} reads more than {n} columns", constraint.name())));
        }
        let missed = |c: &Constraint| self.bounds.missed().find(|&d| c.reads(d));
        if let Some((constraint, d)) = self.constraints.iter().find_map(|c| Some((c, missed(c)?))) {
            return Err(Error::Question(format!(
                "{:?} reads column {d}, whose values may be missing",
                constraint.name()
            )));
        }
        if self.bounds.missed().next().is_some() && (self.reference.is_some() || self.decoder.is_some()) {
            return Err(Error::Question(
                "a reference and a decoder need columns in which no value is missing".into(),
            ));
        }
        let n_columns = self.n_row();
        if self.models.len() != self.columns.len() {
            return Err(Error::Question("one list of columns per model".into()));
        }
        for term in &self.terms {
            if !term.weight.is_finite() {
                return Err(Error::Question(format!(
                    "the weight of a term must be finite, not {}",
                    term.weight
                )));
            }
            let second = term.second.map(|second| self.width(second)).transpose()?;
            term.loss.check(self.width(term.first)?, second)?;
        }
        for mean in &self.means {
            let template = mean.stack.template();
            if !mean.weight.is_finite() || mean.loss.is_requirement() {
                return Err(Error::Question(format!("a mean of {:?} weighed by {}", mean.loss, mean.weight)));
            }
            let second = mean.second.map(|second| self.width(second)).transpose()?;
            mean.loss.check(mean.stack.width(mean.node)?, second)?;
            check_columns(template, &mean.columns, n_columns)?;
        }
        for localizer in &self.localizers {
            let n = self.n_before_lookups();
            if localizer.n_columns() != n {
                return Err(Error::Question(format!(
                    "a localizer of {} columns on a space of {n}",
                    localizer.n_columns()
                )));
            }
            let gaps = self.row_gaps();
            if let Some(d) = (0..n).find(|&d| localizer.anchor(d).is_nan() && gaps[d] == 0.0) {
                return Err(Error::Question(format!(
                    "a localizer is about NaN in column {d}, where it cannot be"
                )));
            }
        }
        for (model, columns) in self.models.iter().zip(&self.columns) {
            check_columns(model, columns, n_columns)?;
            // Slices move what is looked up in a column together with it, tree by tree.
            for d in 0..self.bounds.len() {
                let sources = std::iter::once(n_columns - self.lookups.len() - self.bounds.len() + d)
                    .chain(self.looked_up(d).map(|(column, _)| column));
                if sources.filter(|source| columns.contains(source)).count() > 1 {
                    return Err(Error::Model(format!("a model reads column {d} in two ways")));
                }
            }
        }
        Ok(())
    }

    fn width(&self, (model, node): (usize, usize)) -> Result<usize> {
        let Some(graph) = self.models.get(model) else {
            return Err(Error::Question(format!("a term asks model {model} of {}", self.models.len())));
        };
        graph.width(node).ok_or_else(|| Error::Question(format!("a term asks for node {node} of a model")))
    }
}

fn check_columns(model: &Graph, columns: &[usize], n: usize) -> Result<()> {
    if columns.len() != model.n_columns() || columns.iter().any(|&c| c >= n) {
        return Err(Error::Model(format!(
            "a model of {} columns reads columns {columns:?} of a space of {n}",
            model.n_columns()
        )));
    }
    Ok(())
}
