//! Means over members: forward, loss and backward of one member at a time, for all chains of a tile.

use std::ops::Range;

use super::members::{Parameters, Stack};
use super::number::Number;
use super::pass::Pass;
use super::scratch::{StackScratch, Tile};
use crate::model::tree::fill_lanes;
use crate::question::Loss;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch};

/// `weight · Σ_k shares[k] · loss(node of member k)`.
#[derive(Clone, Copy, Debug)]
pub struct MeanRequest {
    /// One that [`Stack::width`] knows.
    pub node: usize,
    pub loss: Loss,
    pub weight: f64,
    /// Whether the derivatives are wanted as well.
    pub gradient: bool,
}

/// What [`Stack::mean`] adds to.
#[derive(Debug)]
pub struct MeanParts<'a> {
    /// A number for each group of chains.
    pub value: &'a mut [Lanes<f64>],
    /// By the row, `column · groups + group`; not touched without a gradient.
    pub gradient: &'a mut [Lanes<f64>],
    /// By the outputs of the second node, `output · groups + group`; not touched without a gradient.
    pub other: &'a mut [Lanes<f64>],
}

impl Stack {
    /// Adds the part of a mean that is due to `members`, for groups of eight chains.
    ///
    /// `x` holds the rows, `column · groups + group`, and `other` the outputs of the node that the loss
    /// compares with, if it does. What a chain gets does not depend on the other chains of the call.
    #[allow(clippy::too_many_arguments)]
    pub fn mean(
        &self,
        level: Level,
        members: Range<usize>,
        request: &MeanRequest,
        x: &[Lanes<f64>],
        other: &[Lanes<f64>],
        scratch: &mut StackScratch,
        out: &mut MeanParts<'_>,
    ) {
        let StackScratch { tile, single, double } = scratch;
        match &self.parameters {
            Parameters::Single(p) => {
                mean(Pass::new(self, level, p, x, tile, single), members, request, other, out);
            }
            Parameters::Double(p) => {
                mean(Pass::new(self, level, p, x, tile, double), members, request, other, out);
            }
        }
    }

    /// `Σ_k shares[k] · node` of rows.
    pub(super) fn mean_of(&self, rows: &[f64], node: usize) -> Vec<f64> {
        let mut scratch = StackScratch::default();
        let StackScratch { tile, single, double } = &mut scratch;
        let (d, width) = (self.template().n_columns(), self.template().nodes[node].width);
        let mut out = vec![0.0; rows.len() / d * width];
        for (rows, out) in rows.chunks(ROWS * d).zip(out.chunks_mut(ROWS * width)) {
            let x = grouped(rows, d);
            match &self.parameters {
                Parameters::Single(p) => {
                    let pass = Pass::new(self, Level::detect(), p, &x, tile, single);
                    average(pass, node, out);
                }
                Parameters::Double(p) => {
                    let pass = Pass::new(self, Level::detect(), p, &x, tile, double);
                    average(pass, node, out);
                }
            }
        }
        out
    }
}

/// Rows that are predicted together.
const ROWS: usize = 16 * LANES;

/// Rows as chains: `column · groups + group`; the last one also in the lanes that are left.
fn grouped(rows: &[f64], d: usize) -> Vec<Lanes<f64>> {
    let groups = (rows.len() / d).div_ceil(LANES);
    let mut out = vec![Lanes::splat(0.0); d * groups];
    let mut row = vec![Lanes::splat(0.0); d];
    for (group, rows) in rows.chunks(LANES * d).enumerate() {
        fill_lanes(rows, d, &mut row);
        for (column, &x) in row.iter().enumerate() {
            out[column * groups + group] = x;
        }
    }
    out
}

fn average<T: Number>(mut pass: Pass<'_, T>, node: usize, out: &mut [f64]) {
    let (stack, at) = (pass.stack, pass.stack.template().range(node));
    let tail = stack.form.tail(node);
    for (block, shares) in stack.shares.chunks(T::ABREAST).enumerate() {
        pass.forward(block * T::ABREAST);
        // A share of 0 says nothing, of an infinite output either.
        for (member, &share) in shares.iter().enumerate().filter(|(_, share)| **share != 0.0) {
            for (group, out) in out.chunks_mut(LANES * at.len()).enumerate() {
                let here = pass.behind(member, group, tail);
                let values = &pass.tile.values[here][at.clone()];
                for (lane, out) in out.chunks_exact_mut(at.len()).enumerate() {
                    for (out, value) in out.iter_mut().zip(values) {
                        *out += share * value[lane];
                    }
                }
            }
        }
    }
}

fn mean<T: Number>(
    mut pass: Pass<'_, T>,
    members: Range<usize>,
    request: &MeanRequest,
    other: &[Lanes<f64>],
    out: &mut MeanParts<'_>,
) {
    let (stack, level, groups) = (pass.stack, pass.level, pass.groups);
    let (graph, tail) = (stack.template(), stack.form.tail(request.node));
    let at = graph.range(request.node);
    let gradient = request.gradient && !request.loss.is_requirement();
    let n_other = other.len() / groups;
    pass.tile.other.clear();
    for group in 0..groups {
        pass.tile.other.extend((0..n_other).map(|k| other[k * groups + group]));
    }
    let blocks = members.start / T::ABREAST..members.end.div_ceil(T::ABREAST);
    for first in blocks.map(|block| block * T::ABREAST) {
        let mut weights = [None; 2];
        for (k, weight) in (first..first + T::ABREAST).zip(&mut weights) {
            // A share of 0 says nothing, of an infinite loss either.
            *weight =
                (members.contains(&k) && stack.shares[k] != 0.0).then(|| request.weight * stack.shares[k]);
        }
        pass.forward(first);
        for (member, &weight) in weights[..T::ABREAST].iter().enumerate() {
            for group in 0..groups {
                let Some(weight) = weight else {
                    pass.seed(member, group, false);
                    continue;
                };
                let here = pass.behind(member, group, tail);
                let Tile { values, cotangents, product, other, to_other, .. } = &mut *pass.tile;
                let (values, cotangents) = (&values[here.clone()], &mut cotangents[here]);
                if gradient {
                    to_other.clear();
                    to_other.resize(n_other, Lanes::splat(0.0));
                    for &node in tail.iter().chain([&stack.form.exit]) {
                        cotangents[graph.range(node)].fill(Lanes::splat(0.0));
                    }
                }
                let one = OneLoss {
                    loss: request.loss,
                    weight,
                    a: &values[at.clone()],
                    b: &other[group * n_other..(group + 1) * n_other],
                    value: &mut out.value[group],
                    gradient,
                    to_a: &mut cotangents[at.clone()],
                    to_b: to_other,
                };
                dispatch(level, one);
                if gradient {
                    graph.reverse(level, tail, values, cotangents, product);
                    for (j, slope) in to_other.iter().enumerate() {
                        let out = &mut out.other[j * groups + group];
                        *out = Lanes(std::array::from_fn(|lane| slope[lane].mul_add(weight, out[lane])));
                    }
                    pass.seed(member, group, true);
                }
            }
        }
        if gradient {
            pass.backward(first, &weights);
        }
    }
    if gradient {
        pass.finish(out.gradient);
    }
}

/// Adds `weight · loss` to `value`, and with a gradient the loss's own derivatives to `to_a` and `to_b`: weights
/// come in where members add up, so that cotangents on the way do not depend on how many there are.
struct OneLoss<'a> {
    loss: Loss,
    weight: f64,
    a: &'a [Lanes<f64>],
    b: &'a [Lanes<f64>],
    value: &'a mut Lanes<f64>,
    gradient: bool,
    to_a: &'a mut [Lanes<f64>],
    to_b: &'a mut [Lanes<f64>],
}

impl Op for OneLoss<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let loss = self.loss.value(s, &self.a, self.b);
        s.store(s.mul_add(s.splat(self.weight), loss, s.load(self.value)), self.value);
        if self.gradient {
            self.loss.add_cotangents(s, 1.0, self.a, self.b, self.to_a, self.to_b);
        }
    }
}
