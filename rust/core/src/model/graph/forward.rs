//! Values and gradients of many rows: what predictions and checks ask for.

use super::op::{Graph, Op};
use crate::error::{Error, Result};
use crate::model::tree::fill_lanes;
use crate::simd::{LANES, Lanes, Level, Op as Work, Simd, dispatch};

impl Graph {
    /// Values of a node for `rows` (`n × columns`, row-major): `n × width`. Trees add in their library's
    /// own arithmetic.
    ///
    /// # Errors
    /// [`Error::Model`] for a node that does not exist or needs outputs of another library, [`Error::Data`]
    /// for rows of another width.
    pub fn forward(&self, rows: &[f64], node: usize) -> Result<Vec<f64>> {
        let n = self.check(rows, node)?;
        let width = self.nodes[node].width;
        let mut out = vec![0.0; n * width];
        if let Op::Trees(ensemble) = &self.nodes[node].op {
            ensemble.predict(rows, &mut out);
            return Ok(out);
        }
        let mut batch = Batch::new(self, rows, node);
        let offset = self.nodes[node].offset;
        for (block, out) in out.chunks_mut(LANES * width).enumerate() {
            batch.evaluate(block);
            for (lane, out) in out.chunks_exact_mut(width).enumerate() {
                for (out, value) in out.iter_mut().zip(&batch.values[offset..]) {
                    *out = value[lane];
                }
            }
        }
        Ok(out)
    }

    /// `cotangent · ∂node/∂row` for every row, `n × columns`; 0 through trees and votes.
    ///
    /// # Errors
    /// As [`Graph::forward`]; [`Error::Data`] when the cotangents are not `n × width`.
    pub fn vjp(&self, rows: &[f64], node: usize, cotangent: &[f64]) -> Result<Vec<f64>> {
        let n = self.check(rows, node)?;
        let width = self.nodes[node].width;
        if cotangent.len() != n * width {
            return Err(Error::Data(format!("{} cotangents for {n} rows of {width}", cotangent.len())));
        }
        let d = self.n_columns();
        let mut batch = Batch::new(self, rows, node);
        let mut cotangents = vec![Lanes::splat(0.0); self.size()];
        let mut scratch = Vec::new();
        let mut out = vec![0.0; n * d];
        for (block, out) in out.chunks_mut(LANES * d).enumerate() {
            batch.evaluate(block);
            cotangents.fill(Lanes::splat(0.0));
            let given = &cotangent[block * LANES * width..];
            for lane in 0..out.len() / d {
                for k in 0..width {
                    cotangents[self.nodes[node].offset + k][lane] = given[lane * width + k];
                }
            }
            self.reverse(Level::detect(), &batch.order, &batch.values, &mut cotangents, &mut scratch);
            for (lane, out) in out.chunks_exact_mut(d).enumerate() {
                for (out, g) in out.iter_mut().zip(&cotangents) {
                    *out = g[lane];
                }
            }
        }
        Ok(out)
    }

    /// Computes the nodes in `order`; those of the row and of trees must be in `values` already, and so
    /// must every other source.
    pub(crate) fn evaluate(&self, level: Level, order: &[usize], values: &mut [Lanes<f64>]) {
        dispatch(level, Evaluate { graph: self, order, values });
    }

    /// Carries the cotangents of the nodes in `order` back to the row and the trees, where they add up.
    /// `values` are those of [`Graph::evaluate`]; `scratch` is overwritten.
    pub(crate) fn reverse(
        &self,
        level: Level,
        order: &[usize],
        values: &[Lanes<f64>],
        cotangents: &mut [Lanes<f64>],
        scratch: &mut Vec<Lanes<f64>>,
    ) {
        dispatch(level, Reverse { graph: self, order, values, cotangents, scratch });
    }

    fn check(&self, rows: &[f64], node: usize) -> Result<usize> {
        if node >= self.nodes.len() {
            return Err(Error::Model(format!("node {node} of a model graph of {}", self.nodes.len())));
        }
        if self.needed(&[node]).iter().any(|&i| matches!(self.nodes[i].op, Op::Foreign { .. })) {
            return Err(Error::Model(format!("node {node} needs outputs that another library computes")));
        }
        let d = self.n_columns();
        if !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        Ok(rows.len() / d)
    }
}

/// Rows on their way through the nodes that one node needs, eight at a time.
struct Batch<'a> {
    graph: &'a Graph,
    rows: &'a [f64],
    order: Vec<usize>,
    /// Outputs of the trees at each needed tree node, for all rows.
    trees: Vec<(usize, Vec<f64>)>,
    values: Vec<Lanes<f64>>,
}

impl<'a> Batch<'a> {
    fn new(graph: &'a Graph, rows: &'a [f64], node: usize) -> Self {
        let n = rows.len() / graph.n_columns();
        let order = graph.needed(&[node]);
        let trees = order
            .iter()
            .filter_map(|&i| match &graph.nodes[i].op {
                Op::Trees(ensemble) => {
                    let mut out = vec![0.0; n * ensemble.n_outputs()];
                    ensemble.predict(rows, &mut out);
                    Some((i, out))
                }
                _ => None,
            })
            .collect();
        Self { graph, rows, order, trees, values: vec![Lanes::splat(0.0); graph.size()] }
    }

    fn evaluate(&mut self, block: usize) {
        let slice = |all: &'a [f64], width: usize| {
            let first = block * LANES * width;
            &all[first..all.len().min(first + LANES * width)]
        };
        let d = self.graph.n_columns();
        fill_lanes(slice(self.rows, d), d, &mut self.values[..d]);
        for (node, outputs) in &self.trees {
            let node = &self.graph.nodes[*node];
            let first = block * LANES * node.width;
            let outputs = &outputs[first..outputs.len().min(first + LANES * node.width)];
            fill_lanes(outputs, node.width, &mut self.values[node.offset..node.offset + node.width]);
        }
        self.graph.evaluate(Level::detect(), &self.order, &mut self.values);
    }
}

struct Evaluate<'a> {
    graph: &'a Graph,
    order: &'a [usize],
    values: &'a mut [Lanes<f64>],
}

impl Work for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        self.graph.evaluate_lanes(s, self.order, self.values);
    }
}

struct Reverse<'a> {
    graph: &'a Graph,
    order: &'a [usize],
    values: &'a [Lanes<f64>],
    cotangents: &'a mut [Lanes<f64>],
    scratch: &'a mut Vec<Lanes<f64>>,
}

impl Work for Reverse<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        self.graph.reverse_lanes(s, self.order, self.values, self.cotangents, self.scratch);
    }
}
