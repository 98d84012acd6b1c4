//! Values and gradients of many rows: what predictions and checks ask for.

use std::sync::{Arc, Mutex};

use super::op::{Graph, Node, Op};
use crate::error::{Error, Result};
use crate::model::TreeEnsemble;
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
        let route = Route::new(self, node)?;
        let mut out = vec![0.0; route.n_rows(self, rows)? * self.nodes[node].width];
        route.forward(self, rows, &mut out, &mut Scratch::default());
        Ok(out)
    }

    /// `cotangent · ∂node/∂row` for every row, `n × columns`; 0 through trees and votes.
    ///
    /// # Errors
    /// As [`Graph::forward`]; [`Error::Data`] when the cotangents are not `n × width`.
    pub fn vjp(&self, rows: &[f64], node: usize, cotangent: &[f64]) -> Result<Vec<f64>> {
        let route = Route::new(self, node)?;
        let n = route.n_rows(self, rows)?;
        let width = self.nodes[node].width;
        if cotangent.len() != n * width {
            return Err(Error::Data(format!("{} cotangents for {n} rows of {width}", cotangent.len())));
        }
        let d = self.n_columns();
        let mut values = Scratch::default();
        route.trees(self, rows, &mut values);
        let mut cotangents = vec![Lanes::splat(0.0); self.size()];
        let mut scratch = Vec::new();
        let mut out = vec![0.0; n * d];
        for (block, out) in out.chunks_mut(LANES * d).enumerate() {
            route.block(self, rows, block, &mut values);
            cotangents.fill(Lanes::splat(0.0));
            let given = &cotangent[block * LANES * width..];
            for lane in 0..out.len() / d {
                for k in 0..width {
                    cotangents[self.nodes[node].offset + k][lane] = given[lane * width + k];
                }
            }
            self.reverse(Level::detect(), &route.order, &values.lanes, &mut cotangents, &mut scratch);
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
}

/// A node of a graph, ready for many calls.
#[derive(Debug)]
pub struct Evaluator {
    graph: Arc<Graph>,
    route: Route,
    /// Of calls that are over.
    scratch: Mutex<Vec<Scratch>>,
}

impl Evaluator {
    /// # Errors
    /// [`Error::Model`] for a node that does not exist or needs outputs of another library.
    pub fn new(graph: Arc<Graph>, node: usize) -> Result<Self> {
        let route = Route::new(&graph, node)?;
        Ok(Self { graph, route, scratch: Mutex::new(Vec::new()) })
    }

    pub fn n_columns(&self) -> usize {
        self.graph.n_columns()
    }

    /// Entries of the node.
    pub fn width(&self) -> usize {
        self.graph.nodes[self.route.node].width
    }

    /// As [`Graph::forward`], into `out`.
    ///
    /// # Errors
    /// [`Error::Data`] when `rows` or `out` has another size.
    pub fn forward(&self, rows: &[f64], out: &mut [f64]) -> Result<()> {
        let n = self.route.n_rows(&self.graph, rows)?;
        if out.len() != n * self.width() {
            return Err(Error::Data(format!("{} outputs for {n} rows of {}", out.len(), self.width())));
        }
        let kept = self.scratch.lock().ok().and_then(|mut kept| kept.pop());
        let mut scratch = kept.unwrap_or_default();
        self.route.forward(&self.graph, rows, out, &mut scratch);
        if let Ok(mut kept) = self.scratch.lock() {
            kept.push(scratch);
        }
        Ok(())
    }
}

/// The nodes that one node needs.
#[derive(Debug)]
struct Route {
    node: usize,
    order: Vec<usize>,
    /// Whether any of them reads the row other than through trees.
    reads_row: bool,
}

/// What evaluation writes to.
#[derive(Debug, Default)]
struct Scratch {
    lanes: Vec<Lanes<f64>>,
    /// Outputs of one tree node after the other, for all rows.
    trees: Vec<f64>,
}

impl Route {
    fn new(graph: &Graph, node: usize) -> Result<Self> {
        if node >= graph.nodes.len() {
            return Err(Error::Model(format!("node {node} of a model graph of {}", graph.nodes.len())));
        }
        let order = graph.needed(&[node]);
        if order.iter().any(|&i| matches!(graph.nodes[i].op, Op::Foreign { .. })) {
            return Err(Error::Model(format!("node {node} needs outputs that another library computes")));
        }
        let reads_row = order.iter().any(|&i| matches!(graph.nodes[i].op, Op::Row | Op::Encode(_)));
        Ok(Self { node, order, reads_row })
    }

    fn n_rows(&self, graph: &Graph, rows: &[f64]) -> Result<usize> {
        let d = graph.n_columns();
        if !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        Ok(rows.len() / d)
    }

    fn forward(&self, graph: &Graph, rows: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        let node = &graph.nodes[self.node];
        if let Op::Trees(ensemble) = &node.op {
            return ensemble.predict(rows, out);
        }
        self.trees(graph, rows, scratch);
        for (block, out) in out.chunks_mut(LANES * node.width).enumerate() {
            self.block(graph, rows, block, scratch);
            for (lane, out) in out.chunks_exact_mut(node.width).enumerate() {
                for (out, value) in out.iter_mut().zip(&scratch.lanes[node.offset..]) {
                    *out = value[lane];
                }
            }
        }
    }

    /// Evaluates the trees for all rows.
    fn trees(&self, graph: &Graph, rows: &[f64], scratch: &mut Scratch) {
        let n = rows.len() / graph.n_columns();
        let total: usize = self.ensembles(graph).map(|(node, _)| n * node.width).sum();
        scratch.lanes.resize(graph.size(), Lanes::splat(0.0));
        scratch.trees.resize(total, 0.0);
        let mut rest = &mut scratch.trees[..];
        for (node, ensemble) in self.ensembles(graph) {
            let (out, after) = rest.split_at_mut(n * node.width);
            ensemble.predict(rows, out);
            rest = after;
        }
    }

    /// Evaluates all nodes for the rows of a block, after [`Self::trees`].
    fn block(&self, graph: &Graph, rows: &[f64], block: usize, scratch: &mut Scratch) {
        let d = graph.n_columns();
        let n = rows.len() / d;
        let of_block = |all: &[f64], width: usize, to: &mut [Lanes<f64>]| {
            let first = block * LANES * width;
            fill_lanes(&all[first..all.len().min(first + LANES * width)], width, to);
        };
        if self.reads_row {
            of_block(rows, d, &mut scratch.lanes[..d]);
        }
        let mut rest = &scratch.trees[..];
        for (node, _) in self.ensembles(graph) {
            let (outputs, after) = rest.split_at(n * node.width);
            of_block(outputs, node.width, &mut scratch.lanes[node.offset..node.offset + node.width]);
            rest = after;
        }
        graph.evaluate(Level::detect(), &self.order, &mut scratch.lanes);
    }

    fn ensembles<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = (&'a Node, &'a TreeEnsemble)> {
        self.order.iter().filter_map(|&i| match &graph.nodes[i].op {
            Op::Trees(ensemble) => Some((&graph.nodes[i], &**ensemble)),
            _ => None,
        })
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
