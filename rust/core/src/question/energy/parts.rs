//! What an energy is made of, and whether it fits together.

use std::sync::Arc;

use super::means::Mean;
use crate::error::{Error, Result};
use crate::model::Graph;
use crate::question::{Decoder, Localizer, Term};
use crate::space::Bounds;

/// What an [`super::Energy`] is made of. Models and localizers see the row that is sampled; behind a decoder
/// the row `[φ(z)…, z…]` of data and latent columns.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Of the rows that are sampled.
    pub bounds: Bounds,
    pub decoder: Option<Decoder>,
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
            models: Vec::new(),
            columns: Vec::new(),
            terms: Vec::new(),
            means: Vec::new(),
            localizers: Vec::new(),
        }
    }

    /// Columns of the rows that models see.
    pub(super) fn n_row(&self) -> usize {
        self.bounds.len() + self.decoder.as_ref().map_or(0, Decoder::n_data)
    }

    /// Lower and upper ends of the rows that models see.
    pub(super) fn row_box(&self) -> (Vec<f64>, Vec<f64>) {
        let (lower, upper) = self.decoder.as_ref().map_or((&[][..], &[][..]), |d| (d.lowers(), d.uppers()));
        ([lower, self.bounds.lowers()].concat(), [upper, self.bounds.uppers()].concat())
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
            if localizer.n_columns() != n_columns {
                return Err(Error::Question(format!(
                    "a localizer of {} columns on a space of {n_columns}",
                    localizer.n_columns()
                )));
            }
        }
        for (model, columns) in self.models.iter().zip(&self.columns) {
            check_columns(model, columns, n_columns)?;
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
