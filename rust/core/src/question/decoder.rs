//! From the rows that are sampled to those that models see: φ of MATH.md section 7.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::Graph;
use crate::model::graph::Op;
use crate::simd::{LANES, Lanes, Level};
use crate::space::{Constraint, hold};

/// A share of a column's width by which rounding may carry a decoded number past a bound.
const ROUNDING: f64 = 1e-12;

/// A map from latent rows to data rows, and the space that data rows must lie in.
#[derive(Clone, Debug)]
pub struct Decoder {
    graph: Arc<Graph>,
    node: usize,
    /// Nodes to compute, in order.
    order: Vec<usize>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// What data rows must fulfil beside the bounds.
    constraints: Vec<Arc<Constraint>>,
}

impl Decoder {
    /// The data row is the output of `node`: native, or one that another library computes.
    ///
    /// # Errors
    /// [`Error::Question`] where the node and the box do not fit together, or the node needs trees or only
    /// part of it is computed by another library.
    pub fn new(graph: Arc<Graph>, node: usize, lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        let width = graph.width(node);
        if width != Some(lower.len()) || lower.len() != upper.len() {
            return Err(Error::Question(format!(
                "a decoder gives {width:?} columns; the data space has {}",
                lower.len()
            )));
        }
        let order: Vec<usize> = graph.needed(&[node]).into_iter().filter(|&i| i > 0).collect();
        let is = |i: usize, foreign: bool| match graph.nodes[i].op {
            Op::Trees(_) => true,
            Op::Foreign { .. } => foreign,
            _ => false,
        };
        if matches!(graph.nodes[node].op, Op::Trees(_)) || order.iter().any(|&i| is(i, i != node)) {
            return Err(Error::Question(
                "a decoder is computed by the core or by another library, in one piece and without trees"
                    .into(),
            ));
        }
        Ok(Self { graph, node, order, lower, upper, constraints: Vec::new() })
    }

    /// The same decoder, into the rows that fulfil these constraints.
    #[must_use]
    pub fn under(self, constraints: Vec<Arc<Constraint>>) -> Self {
        Self { constraints, ..self }
    }

    pub fn constraints(&self) -> &[Arc<Constraint>] {
        &self.constraints
    }

    /// Columns of latent rows.
    pub fn n_latent(&self) -> usize {
        self.graph.n_columns()
    }

    /// Columns of data rows.
    pub fn n_data(&self) -> usize {
        self.lower.len()
    }

    pub fn lowers(&self) -> &[f64] {
        &self.lower
    }

    pub fn uppers(&self) -> &[f64] {
        &self.upper
    }

    pub fn node(&self) -> usize {
        self.node
    }

    /// Whether another library computes it.
    pub fn foreign(&self) -> bool {
        matches!(self.graph.nodes[self.node].op, Op::Foreign { .. })
    }

    pub fn differentiable(&self) -> bool {
        self.graph.differentiable(self.node)
    }

    /// The row that models see, `[φ(z)…, z…]`; `values` keep what [`Self::reverse`] needs. `given` is φ(z)
    /// where another library computes it.
    pub(super) fn forward(
        &self,
        level: Level,
        z: &[Lanes<f64>],
        given: &[Lanes<f64>],
        values: &mut Vec<Lanes<f64>>,
        row: &mut Vec<Lanes<f64>>,
    ) {
        row.clear();
        if self.foreign() {
            row.extend_from_slice(&given[..self.n_data()]);
        } else {
            values.resize(self.graph.size(), Lanes::splat(0.0));
            values[..z.len()].copy_from_slice(z);
            self.graph.evaluate(level, &self.order, values);
            row.extend_from_slice(&values[self.range()]);
        }
        for ((x, &lower), &upper) in row.iter_mut().zip(&self.lower).zip(&self.upper) {
            let slack = ROUNDING * (upper - lower);
            for lane in 0..LANES {
                let value = x[lane];
                if value < lower && value >= lower - slack {
                    x[lane] = lower;
                } else if value > upper && value <= upper + slack {
                    x[lane] = upper;
                }
            }
        }
        row.extend_from_slice(z);
    }

    /// Whether each data row lies in its space; NaN does not.
    pub(super) fn inside(&self, row: &[Lanes<f64>]) -> [bool; LANES] {
        let mut inside = hold(&self.constraints, row);
        for ((x, &lower), &upper) in row.iter().zip(&self.lower).zip(&self.upper) {
            for lane in 0..LANES {
                inside[lane] &= lower <= x[lane] && x[lane] <= upper;
            }
        }
        inside
    }

    /// From a cotangent of `[φ(z)…, z…]` to one of z, which is added to `out`. What goes through another
    /// library is left out.
    pub(super) fn reverse(
        &self,
        level: Level,
        values: &[Lanes<f64>],
        cotangent: &[Lanes<f64>],
        scratch: &mut Vec<Lanes<f64>>,
        out: &mut [Lanes<f64>],
    ) {
        let n = self.n_data();
        let add = |out: &mut [Lanes<f64>], from: &[Lanes<f64>]| {
            for (to, from) in out.iter_mut().zip(from) {
                for lane in 0..LANES {
                    to[lane] += from[lane];
                }
            }
        };
        add(out, &cotangent[n..]);
        if self.foreign() {
            return;
        }
        let mut cotangents = vec![Lanes::splat(0.0); self.graph.size()];
        cotangents[self.range()].copy_from_slice(&cotangent[..n]);
        self.graph.reverse(level, &self.order, values, &mut cotangents, scratch);
        add(out, &cotangents[..self.n_latent()]);
    }

    fn range(&self) -> std::ops::Range<usize> {
        let node = &self.graph.nodes[self.node];
        node.offset..node.offset + node.width
    }
}
