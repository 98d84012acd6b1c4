//! One tile of chains on its way through the members: forward, and the cotangents back.

use std::ops::Range;

use super::form::Step;
use super::kernel::Product;
use super::members::Stack;
use super::number::{Activate, Add, Number, Rectify, Scale, Stop};
use super::scratch::{Buffers, Tile};
use crate::model::Graph;
use crate::simd::{LANES, Lanes, Level, dispatch};

pub(super) struct Pass<'a, T> {
    pub(super) stack: &'a Stack,
    pub(super) level: Level,
    /// Eights of chains.
    pub(super) groups: usize,
    pub(super) tile: &'a mut Tile,
    parameters: &'a [T],
    /// Numbers of a unit: chain after chain, the members abreast of each side by side.
    slots: usize,
    /// Of the entry and of each step, one after another; a step's are replaced by its slopes once the
    /// activation behind it has read them.
    activations: &'a mut [T],
    cotangents: [&'a mut [T]; 2],
}

impl<'a, T: Number> Pass<'a, T> {
    /// Computes what all members share of rows `x` (`column · groups + group`).
    pub(super) fn new(
        stack: &'a Stack,
        level: Level,
        parameters: &'a [T],
        x: &[Lanes<f64>],
        tile: &'a mut Tile,
        buffers: &'a mut Buffers<T>,
    ) -> Self {
        let (graph, form) = (stack.template(), &stack.form);
        let (size, entry) = (graph.size(), graph.range(form.entry));
        let groups = x.len() / graph.n_columns();
        let slots = groups * LANES * T::ABREAST;
        let widths = std::iter::once(entry.len()).chain(form.steps.iter().map(|step| step.kept()));
        let (total, most) = widths.fold((0, 0), |(total, most), width| (total + width, most.max(width)));
        let activations = buffers.activations.take(total * slots);
        tile.values.resize(groups * size, Lanes::splat(0.0));
        tile.cotangents.resize(groups * size, Lanes::splat(0.0));
        tile.entry.clear();
        tile.entry.resize(entry.len() * groups * LANES, 0.0);
        for (group, values) in tile.values.chunks_exact_mut(size).enumerate() {
            for (column, value) in values[..graph.n_columns()].iter_mut().enumerate() {
                *value = x[column * groups + group];
            }
            graph.evaluate(level, &form.shared, values);
            for (unit, value) in values[entry.clone()].iter().enumerate() {
                let at = &mut activations[unit * slots..][of::<T>(group)];
                for (to, &value) in at.chunks_exact_mut(T::ABREAST).zip(&value.0) {
                    to.fill(T::narrow(value));
                }
            }
        }
        let cotangents = buffers.cotangents.each_mut().map(|buffer| buffer.take(most * slots));
        Self { stack, level, groups, tile, parameters, slots, activations, cotangents }
    }

    /// Computes the layers of the members from `first` on that are abreast.
    pub(super) fn forward(&mut self, first: usize) {
        let (graph, form, slots) = (self.stack.template(), &self.stack.form, self.slots);
        let parameters = &self.parameters[first * form.size..][..form.size * T::ABREAST];
        let (mut x, mut rest) = self.activations.split_at_mut(graph.range(form.entry).len() * slots);
        for &step in &form.steps {
            let (y, behind) = rest.split_at_mut(step.kept() * slots);
            match step {
                Step::Linear { first, rows, columns } => {
                    let [first, weights, biases] = [first, rows * columns, rows].map(|n| n * T::ABREAST);
                    let (matrix, bias) = parameters[first..first + weights + biases].split_at(weights);
                    Product::forward(matrix, bias, slots, parameters.len()).run(self.level, x, y);
                }
                Step::Activation { kind, .. } => dispatch(self.level, Activate { kind, x, y }),
                Step::Relu { .. } => {
                    dispatch(self.level, Rectify { x });
                    rest = behind;
                    continue;
                }
            }
            (x, rest) = (y, behind);
        }
    }

    /// Values of a group's chains at the template's nodes, those of `tail` computed from the last layer of
    /// one of the members abreast; with the cotangents there, and scratch.
    pub(super) fn behind(&mut self, member: usize, group: usize, tail: &[usize]) -> Range<usize> {
        let (graph, exit) = (self.stack.template(), self.stack.form.exit);
        let at = group * graph.size()..(group + 1) * graph.size();
        let values = &mut self.tile.values[at.clone()];
        let exit = graph.range(exit);
        let last = &self.activations[self.activations.len() - exit.len() * self.slots..];
        for (value, slots) in values[exit].iter_mut().zip(last.chunks_exact(self.slots)) {
            let slots = &slots[of::<T>(group)];
            *value = Lanes(std::array::from_fn(|lane| slots[lane * T::ABREAST + member].widen()));
        }
        graph.evaluate(self.level, tail, values);
        at
    }

    /// Takes over the cotangents of a group's chains at the last layer of one of the members abreast, 0
    /// where there are none.
    pub(super) fn seed(&mut self, member: usize, group: usize, any: bool) {
        let (graph, exit) = (self.stack.template(), self.stack.form.exit);
        let cotangents = &self.tile.cotangents[group * graph.size()..][graph.range(exit)];
        for (cotangent, slots) in cotangents.iter().zip(self.cotangents[0].chunks_exact_mut(self.slots)) {
            let slots = &mut slots[of::<T>(group)];
            for lane in 0..LANES {
                slots[lane * T::ABREAST + member] = T::narrow(if any { cotangent[lane] } else { 0.0 });
            }
        }
    }

    /// Carries the cotangents at the last layer back to the entry, where they are added up with the
    /// weights of the members abreast, if they have one.
    pub(super) fn backward(&mut self, first: usize, weights: &[Option<f64>]) {
        let (form, slots) = (&self.stack.form, self.slots);
        let parameters = &self.parameters[first * form.size..][..form.size * T::ABREAST];
        let [from, to] = &mut self.cotangents;
        let (mut from, mut to) = (&mut **from, &mut **to);
        let mut end = self.activations.len();
        for &step in form.steps.iter().rev() {
            end -= step.kept() * slots;
            match step {
                Step::Linear { first, rows, columns } => {
                    let [first, weights] = [first, rows * columns].map(|n| n * T::ABREAST);
                    let matrix = &parameters[first..first + weights];
                    let (x, y) = (&from[..rows * slots], &mut to[..columns * slots]);
                    Product::backward(matrix, rows, slots, parameters.len()).run(self.level, x, y);
                    (from, to) = (to, from);
                }
                Step::Activation { width, .. } => {
                    let n = width * slots;
                    dispatch(self.level, Scale { by: &self.activations[end - n..end], to: &mut from[..n] });
                }
                Step::Relu { width } => {
                    let n = width * slots;
                    dispatch(self.level, Stop { at: &self.activations[end - n..end], to: &mut from[..n] });
                }
            }
        }
        let to = &mut self.tile.entry[..];
        let from = &from[..to.len() * T::ABREAST];
        for (member, weight) in weights.iter().enumerate() {
            if let &Some(weight) = weight {
                dispatch(self.level, Add { member, weight, from, to: &mut *to });
            }
        }
    }

    /// Carries what has added up at the entry back to the row and adds it to `out` (`column · groups + group`).
    pub(super) fn finish(&mut self, out: &mut [Lanes<f64>]) {
        let (graph, form, lanes) = (self.stack.template(), &self.stack.form, self.groups * LANES);
        let Tile { values, cotangents, product, entry, .. } = &mut *self.tile;
        let size = graph.size();
        for (group, (values, cotangents)) in
            values.chunks_exact(size).zip(cotangents.chunks_exact_mut(size)).enumerate()
        {
            for &node in form.shared.iter().chain([&0]) {
                cotangents[graph.range(node)].fill(Lanes::splat(0.0));
            }
            for (to, entry) in cotangents[graph.range(form.entry)].iter_mut().zip(entry.chunks_exact(lanes)) {
                to.0.copy_from_slice(&entry[group * LANES..][..LANES]);
            }
            graph.reverse(self.level, &form.shared, values, cotangents, product);
            for (column, cotangent) in cotangents[..graph.n_columns()].iter().enumerate() {
                let out = &mut out[column * self.groups + group];
                *out = Lanes(std::array::from_fn(|lane| out[lane] + cotangent[lane]));
            }
        }
    }
}

/// Slots of a group's chains.
fn of<T: Number>(group: usize) -> Range<usize> {
    let n = LANES * T::ABREAST;
    group * n..(group + 1) * n
}

impl Graph {
    /// Where the entries of a node stand.
    pub(super) fn range(&self, node: usize) -> Range<usize> {
        let node = &self.nodes[node];
        node.offset..node.offset + node.width
    }
}
