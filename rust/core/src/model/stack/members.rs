//! The parameters of all members, one member after another.

use std::sync::Arc;

use super::form::Form;
use super::number::Number;
use crate::error::{Error, Result};
use crate::model::Graph;

/// Graphs that differ in the parameters of successive layers alone, and their shares of a mean.
#[derive(Clone, Debug)]
pub struct Stack {
    template: Arc<Graph>,
    pub(super) shares: Vec<f64>,
    pub(super) form: Form,
    pub(super) parameters: Parameters,
}

/// Weights and biases, layer by layer: [`super::kernel::Kernel::ABREAST`] members number by number, then as
/// many others.
#[derive(Clone, Debug)]
pub(super) enum Parameters {
    /// Every parameter is a number of single precision: so is the arithmetic, as in the library that they
    /// are from.
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Stack {
    /// # Errors
    /// [`Error::Model`] for graphs that differ in more than the parameters of successive linear layers, or
    /// hold trees or models of other libraries, and for shares that are not one number ≥ 0 each.
    pub fn new(members: &[Arc<Graph>], shares: Vec<f64>) -> Result<Self> {
        let Some(template) = members.first() else {
            return Err(Error::Model("a stack needs at least one model".into()));
        };
        if shares.len() != members.len() {
            return Err(Error::Model(format!("{} shares for {} models", shares.len(), members.len())));
        }
        if let Some(share) = shares.iter().find(|share| !(share.is_finite() && **share >= 0.0)) {
            return Err(Error::Model(format!("a share must be a number of at least 0, not {share}")));
        }
        let form = Form::new(template, members.iter().map(Arc::as_ref))?;
        let exact =
            |member: &Arc<Graph>| form.parameters(member).all(|value| f64::from(value as f32) == value);
        let parameters = if members.iter().all(exact) {
            Parameters::Single(abreast(&form, members))
        } else {
            Parameters::Double(abreast(&form, members))
        };
        Ok(Self { template: Arc::clone(template), shares, form, parameters })
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.shares.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// The first member: what all of them are like.
    pub fn template(&self) -> &Arc<Graph> {
        &self.template
    }

    /// Width of a node that can be asked for: one that depends on the layers in which members differ, and
    /// is not hidden among them.
    ///
    /// # Errors
    /// [`Error::Model`] for any other.
    pub fn width(&self, node: usize) -> Result<usize> {
        match (self.template.width(node), self.form.tails.get(node)) {
            (Some(width), Some(Some(_))) => Ok(width),
            _ => Err(Error::Model(format!(
                "node {node} of stacked models of {} nodes is no output of their last layer, node {}",
                self.template.len(),
                self.form.exit
            ))),
        }
    }

    /// `Σ_k shares[k] · node_k` for `rows` (`n × columns`, row-major): `n × width`.
    ///
    /// # Errors
    /// [`Error::Model`] as [`Stack::width`], [`Error::Data`] for rows of another width.
    pub fn forward(&self, rows: &[f64], node: usize) -> Result<Vec<f64>> {
        self.width(node)?;
        let d = self.template.n_columns();
        if !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        Ok(self.mean_of(rows, node))
    }
}

fn abreast<T: Number>(form: &Form, members: &[Arc<Graph>]) -> Vec<T> {
    let mut all = vec![T::default(); members.len().div_ceil(T::ABREAST) * T::ABREAST * form.size];
    for (block, members) in all.chunks_exact_mut(T::ABREAST * form.size).zip(members.chunks(T::ABREAST)) {
        for (k, member) in members.iter().enumerate() {
            for (to, value) in block.chunks_exact_mut(T::ABREAST).zip(form.parameters(member)) {
                to[k] = T::exactly(value);
            }
        }
    }
    all
}
