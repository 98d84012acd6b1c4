//! What the models of a question must compute: which nodes of their graphs, from which sums of trees.

use std::ops::Range;

use super::loss::{Outputs, Term};
use crate::model::Graph;
use crate::model::graph::Op;
use crate::model::tree::Forest;
use crate::simd::{LANES, Lanes, Level, Op as Work, Simd, dispatch};

/// One model of a question.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Where the model's values begin among those of all models.
    pub(super) offset: usize,
    /// Nodes to compute, in order: neither the row nor trees, nor what others compute.
    order: Vec<usize>,
    /// Tree nodes, and the first slot of each in the forest.
    pub(super) trees: Vec<(usize, usize)>,
    /// Those that other nodes read.
    read_trees: Vec<(usize, usize)>,
    pub(super) reads_row: bool,
    /// Nodes that other libraries compute, in order.
    pub(super) foreign: Vec<usize>,
}

impl Program {
    /// The part of `graph` that the nodes `targets` and `compared` need, of which the latter are wanted among
    /// the values even where they are trees; slots are counted on from `slot`.
    pub(super) fn new(
        graph: &Graph,
        targets: &[usize],
        compared: &[usize],
        offset: usize,
        slot: &mut usize,
    ) -> Self {
        let needed = graph.needed(&[targets, compared].concat());
        let mut program = Self {
            offset,
            order: Vec::new(),
            trees: Vec::new(),
            read_trees: Vec::new(),
            foreign: Vec::new(),
            reads_row: needed.iter().any(|&i| i == 0 || matches!(graph.nodes[i].op, Op::Encode(_))),
        };
        for &i in &needed {
            if matches!(graph.nodes[i].op, Op::Trees(_)) {
                program.trees.push((i, *slot));
                *slot += graph.nodes[i].width;
            } else if matches!(graph.nodes[i].op, Op::Foreign { .. }) {
                program.foreign.push(i);
            } else if i > 0 {
                program.order.push(i);
            }
        }
        let read = |node: usize| {
            compared.contains(&node)
                || needed.iter().any(|&i| {
                    let mut found = false;
                    graph.nodes[i].op.each_source(|source| found |= source == node);
                    found
                })
        };
        program.read_trees = program.trees.iter().copied().filter(|&(node, _)| read(node)).collect();
        program
    }

    /// Where the entries of a target node are found.
    pub(super) fn place(&self, graph: &Graph, node: usize) -> Place {
        match self.trees.iter().find(|&&(i, _)| i == node) {
            Some(&(_, first)) => Place::Slots { first, n: graph.nodes[node].width },
            None => Place::Values(self.range(graph, node)),
        }
    }

    /// Where a node's entries are among the values of all models.
    pub(super) fn range(&self, graph: &Graph, node: usize) -> Range<usize> {
        let first = self.offset + graph.nodes[node].offset;
        first..first + graph.nodes[node].width
    }

    /// Numbers that other libraries compute of a row.
    pub(super) fn foreign_width(&self, graph: &Graph) -> usize {
        self.foreign.iter().map(|&node| graph.nodes[node].width).sum()
    }

    /// Whether there is nothing to compute: every term reads trees directly.
    pub(super) fn trivial(&self) -> bool {
        self.order.is_empty() && !self.reads_row && self.foreign.is_empty() && self.read_trees.is_empty()
    }

    /// Computes the values of the model's nodes: from the row where it reads it (`x`), from what the slots
    /// hold, and from what other libraries have computed.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn evaluate(
        &self,
        level: Level,
        graph: &Graph,
        columns: &[usize],
        x: Option<&[Lanes<f64>]>,
        slots: &SlotOutputs<'_>,
        foreign: &[Lanes<f64>],
        values: &mut [Lanes<f64>],
    ) {
        let values = &mut values[self.offset..self.offset + graph.size()];
        if let Some(x) = x
            && self.reads_row
        {
            for (value, &column) in values.iter_mut().zip(columns) {
                *value = x[column];
            }
        }
        for &(node, first) in &self.read_trees {
            let node = &graph.nodes[node];
            slots.fill(level, first, &mut values[node.offset..node.offset + node.width]);
        }
        let mut first = 0;
        for &node in &self.foreign {
            let node = &graph.nodes[node];
            values[node.offset..node.offset + node.width]
                .copy_from_slice(&foreign[first..first + node.width]);
            first += node.width;
        }
        graph.evaluate(level, &self.order, values);
    }

    /// Carries cotangents of nodes back to the row (where they are added to `out`, by column) and to the
    /// slots of trees.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn reverse(
        &self,
        level: Level,
        graph: &Graph,
        columns: &[usize],
        values: &[Lanes<f64>],
        cotangents: &mut [Lanes<f64>],
        slots: &mut [Lanes<f64>],
        scratch: &mut Vec<Lanes<f64>>,
        out: &mut [Lanes<f64>],
    ) {
        let range = self.offset..self.offset + graph.size();
        let cotangents = &mut cotangents[range.clone()];
        graph.reverse(level, &self.order, &values[range], cotangents, scratch);
        let add = |to: &mut Lanes<f64>, value: &Lanes<f64>| {
            for lane in 0..LANES {
                to[lane] += value[lane];
            }
        };
        for &(node, first) in &self.read_trees {
            let node = &graph.nodes[node];
            for (k, value) in cotangents[node.offset..node.offset + node.width].iter().enumerate() {
                add(&mut slots[first + k], value);
            }
        }
        if self.reads_row {
            for (value, &column) in cotangents.iter().zip(columns) {
                add(&mut out[column], value);
            }
        }
    }
}

/// Outputs of trees, slot by slot.
pub(super) enum SlotOutputs<'a> {
    Sums { forest: &'a Forest, sums: &'a [Lanes<u64>] },
    Smoothed(&'a [Lanes<f64>]),
}

impl SlotOutputs<'_> {
    fn fill(&self, level: Level, first: usize, out: &mut [Lanes<f64>]) {
        match self {
            SlotOutputs::Smoothed(values) => out.copy_from_slice(&values[first..first + out.len()]),
            SlotOutputs::Sums { forest, sums } => {
                dispatch(level, FillSlots { forest, first, sums: &sums[first..first + out.len()], out });
            }
        }
    }
}

struct FillSlots<'a> {
    forest: &'a Forest,
    first: usize,
    sums: &'a [Lanes<u64>],
    out: &'a mut [Lanes<f64>],
}

impl Work for FillSlots<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for (k, (sum, out)) in self.sums.iter().zip(self.out).enumerate() {
            s.store(self.forest.output(s, self.first + k, s.load_u(sum)), out);
        }
    }
}

/// Where a loss reads its outputs.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Sums of trees, without detour.
    Slots {
        first: usize,
        n: usize,
    },
    Values(Range<usize>),
}

/// Where a term reads the outputs of its nodes.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) first: Place,
    /// Among the values; empty for a loss of one node.
    pub(super) second: Range<usize>,
}

/// A tree node's outputs, from the sums in its slots.
pub(super) struct OfSums<'a> {
    pub(super) forest: &'a Forest,
    pub(super) first: usize,
    pub(super) sums: &'a [Lanes<u64>],
}

impl<S: Simd> Outputs<S> for OfSums<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.sums.len()
    }

    #[inline(always)]
    fn get(&self, s: S, k: usize) -> S::F {
        self.forest.output(s, self.first + k, s.load_u(&self.sums[k]))
    }
}

/// Adds every term's derivative by its outputs: to `slots` for outputs of trees, else to `cotangents`.
pub(super) struct AddCotangents<'a> {
    pub(super) terms: &'a [Term],
    pub(super) places: &'a [Places],
    pub(super) slot_outputs: &'a [Lanes<f64>],
    pub(super) values: &'a [Lanes<f64>],
    pub(super) slots: &'a mut [Lanes<f64>],
    pub(super) cotangents: &'a mut [Lanes<f64>],
    pub(super) scratch: &'a mut Vec<Lanes<f64>>,
}

impl Work for AddCotangents<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Self { terms, places, slot_outputs, values, slots, cotangents, scratch } = self;
        for (term, places) in terms.iter().zip(places) {
            if term.loss.is_requirement() {
                continue;
            }
            let (a, to) = match &places.first {
                Place::Slots { first, n } => {
                    (&slot_outputs[*first..first + n], &mut slots[*first..first + n])
                }
                Place::Values(range) => (&values[range.clone()], &mut cotangents[range.clone()]),
            };
            let b = &values[places.second.clone()];
            // Both nodes may be one: their cotangents are collected apart.
            scratch.clear();
            scratch.resize(a.len() + b.len(), Lanes::splat(0.0));
            let (to_a, to_b) = scratch.split_at_mut(a.len());
            term.loss.add_cotangents(s, term.weight, a, b, to_a, to_b);
            add_all(s, to_a, to);
            add_all(s, to_b, &mut cotangents[places.second.clone()]);
        }
    }
}

#[inline(always)]
fn add_all<S: Simd>(s: S, from: &[Lanes<f64>], to: &mut [Lanes<f64>]) {
    for (from, to) in from.iter().zip(to) {
        s.store(s.add(s.load(from), s.load(to)), to);
    }
}
