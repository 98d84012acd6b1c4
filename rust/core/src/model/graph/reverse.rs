//! Gradients: cotangents of nodes carried back to their sources.

use super::evaluate::{activation_slope, interpolate, power, product};
use super::op::{Graph, KernelKind, Matrix, Op};
use super::pairs;
use crate::simd::{Lanes, Simd, math};

impl Graph {
    /// [`Graph::reverse`] at one level. Large: called from one place, so that it is compiled once a level.
    #[inline(always)]
    pub(super) fn reverse_lanes<S: Simd>(
        &self,
        s: S,
        order: &[usize],
        values: &[Lanes<f64>],
        cotangents: &mut [Lanes<f64>],
        scratch: &mut Vec<Lanes<f64>>,
    ) {
        for &i in order.iter().rev() {
            let node = &self.nodes[i];
            let (before, rest) = cotangents.split_at_mut(node.offset);
            let y = &values[node.offset..node.offset + node.width];
            self.back(s, i, values, y, &rest[..node.width], before, scratch);
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn back<S: Simd>(
        &self,
        s: S,
        node: usize,
        values: &[Lanes<f64>],
        y: &[Lanes<f64>],
        g: &[Lanes<f64>],
        before: &mut [Lanes<f64>],
        scratch: &mut Vec<Lanes<f64>>,
    ) {
        let of = |source: usize| self.entries(source, values);
        let at = |source: usize| {
            let node = &self.nodes[source];
            node.offset..node.offset + node.width
        };
        match &self.nodes[node].op {
            Op::Row | Op::Trees(_) | Op::Foreign { .. } => {}
            Op::Encode(features) => {
                let range = at(0);
                for (feature, g) in features.iter().zip(g) {
                    feature.reverse(s, of(0), g, &mut before[range.clone()]);
                }
            }
            Op::Linear { source, .. } => {
                if let Some(transposed) = &self.nodes[node].transposed {
                    add_product(s, transposed, g, &mut before[at(*source)], scratch);
                }
            }
            Op::Kernel { source, kind, vectors } => {
                kernel(s, *kind, vectors, of(*source), y, g, &mut before[at(*source)]);
            }
            Op::Activation { source, kind } => {
                let into = &mut before[at(*source)];
                for (((x, y), g), into) in of(*source).iter().zip(y).zip(g).zip(into) {
                    let slope = activation_slope(s, *kind, s.load(x), s.load(y));
                    add(s, s.mul(slope, s.load(g)), into);
                }
            }
            Op::Affine { source, scale, .. } => {
                for (k, (g, into)) in g.iter().zip(&mut before[at(*source)]).enumerate() {
                    let scale = scale[if scale.len() == 1 { 0 } else { k }];
                    add(s, s.mul(s.splat(scale), s.load(g)), into);
                }
            }
            Op::Clip { source, lower, upper } => {
                let into = &mut before[at(*source)];
                for ((x, g), into) in of(*source).iter().zip(g).zip(into) {
                    let x = s.load(x);
                    let inside = s.and_m(s.le(s.splat(*lower), x), s.le(x, s.splat(*upper)));
                    add(s, s.select(inside, s.load(g), s.splat(0.0)), into);
                }
            }
            Op::Softmax { source } => {
                let mut mean = s.splat(0.0);
                for (y, g) in y.iter().zip(g) {
                    mean = s.mul_add(s.load(y), s.load(g), mean);
                }
                for ((y, g), into) in y.iter().zip(g).zip(&mut before[at(*source)]) {
                    add(s, s.mul(s.load(y), s.sub(s.load(g), mean)), into);
                }
            }
            Op::LogSoftmax { source } => {
                let mut sum = s.splat(0.0);
                for g in g {
                    sum = s.add(sum, s.load(g));
                }
                for ((y, g), into) in y.iter().zip(g).zip(&mut before[at(*source)]) {
                    let p = math::exp(s, s.load(y));
                    add(s, s.sub(s.load(g), s.mul(p, sum)), into);
                }
            }
            Op::LogisticPair { source } => {
                let slope = s.mul(s.load(&y[0]), s.load(&y[1]));
                let difference = s.sub(s.load(&g[1]), s.load(&g[0]));
                add(s, s.mul(slope, difference), &mut before[at(*source)][0]);
            }
            Op::LogLogisticPair { source } => {
                // d ln σ(z) = σ(-z), d ln σ(-z) = -σ(z).
                let (low, high) = (math::exp(s, s.load(&y[0])), math::exp(s, s.load(&y[1])));
                let slope = s.sub(s.mul(s.load(&g[1]), low), s.mul(s.load(&g[0]), high));
                add(s, slope, &mut before[at(*source)][0]);
            }
            Op::Normalize { source } => {
                let (mut sum, mut mean) = (s.splat(0.0), s.splat(0.0));
                for ((x, y), g) in of(*source).iter().zip(y).zip(g) {
                    sum = s.add(sum, s.load(x));
                    mean = s.mul_add(s.load(y), s.load(g), mean);
                }
                let empty = s.le(s.abs(sum), s.splat(0.0));
                for (g, into) in g.iter().zip(&mut before[at(*source)]) {
                    let slope = s.div(s.sub(s.load(g), mean), sum);
                    add(s, s.select(empty, s.splat(0.0), slope), into);
                }
            }
            Op::Pick { source, indices } => {
                let into = &mut before[at(*source)];
                for (index, g) in indices.iter().zip(g) {
                    if let Some(i) = *index {
                        add(s, s.load(g), &mut into[i]);
                    }
                }
            }
            Op::Concat { sources } => {
                let mut first = 0;
                for &source in sources {
                    let range = at(source);
                    let n = range.len();
                    for (g, into) in g[first..first + n].iter().zip(&mut before[range]) {
                        add(s, s.load(g), into);
                    }
                    first += n;
                }
            }
            Op::Combine { sources, weights, divisor } => {
                for (&source, &weight) in sources.iter().zip(weights) {
                    let weight = weight / divisor;
                    for (g, into) in g.iter().zip(&mut before[at(source)]) {
                        add(s, s.mul(s.splat(weight), s.load(g)), into);
                    }
                }
            }
            Op::Multiply { a, b } => {
                for (to, other) in [(*a, *b), (*b, *a)] {
                    for ((x, g), into) in of(other).iter().zip(g).zip(&mut before[at(to)]) {
                        add(s, s.mul(s.load(x), s.load(g)), into);
                    }
                }
            }
            Op::PairScores { source, n_classes } => {
                let into = &mut before[at(*source)];
                for (p, (i, j)) in pairs::pairs(*n_classes).enumerate() {
                    add(s, s.sub(s.load(&g[i]), s.load(&g[j])), &mut into[p]);
                }
            }
            Op::Interpolate { source, x, y } => {
                let t = of(*source)[0];
                let slope = Lanes(std::array::from_fn(|lane| interpolate(x, y, t[lane]).1 * g[0][lane]));
                add(s, s.load(&slope), &mut before[at(*source)][0]);
            }
            // Flat where they are continuous, or without a derivative here (`Graph::differentiable`).
            Op::OneHotArgmax { .. }
            | Op::Step { .. }
            | Op::PairVotes { .. }
            | Op::PairCoupling { .. }
            | Op::SingleSoftmax { .. } => {}
        }
    }
}

#[inline(always)]
fn add<S: Simd>(s: S, value: S::F, into: &mut Lanes<f64>) {
    s.store(s.add(s.load(into), value), into);
}

#[inline(always)]
fn add_product<S: Simd>(
    s: S,
    matrix: &Matrix,
    x: &[Lanes<f64>],
    into: &mut [Lanes<f64>],
    scratch: &mut Vec<Lanes<f64>>,
) {
    scratch.resize(into.len().max(scratch.len()), Lanes::splat(0.0));
    let out = &mut scratch[..into.len()];
    product(s, matrix, None, x, out);
    for (value, into) in out.iter().zip(into) {
        add(s, s.load(value), into);
    }
}

#[inline(always)]
fn kernel<S: Simd>(
    s: S,
    kind: KernelKind,
    vectors: &Matrix,
    x: &[Lanes<f64>],
    y: &[Lanes<f64>],
    g: &[Lanes<f64>],
    into: &mut [Lanes<f64>],
) {
    for (i, (y, g)) in y.iter().zip(g).enumerate() {
        let v = vectors.row(i);
        let (y, g) = (s.load(y), s.load(g));
        let slope = match kind {
            KernelKind::Linear => g,
            KernelKind::Sigmoid { gamma, .. } => {
                s.mul(s.mul(g, s.splat(gamma)), s.sub(s.splat(1.0), s.mul(y, y)))
            }
            KernelKind::Rbf { gamma } => s.mul(s.mul(g, y), s.splat(-2.0 * gamma)),
            KernelKind::Poly { gamma, coef0, degree } => {
                if degree == 0 {
                    s.splat(0.0)
                } else {
                    let mut dot = s.splat(0.0);
                    for (&v, x) in v.iter().zip(x) {
                        dot = s.mul_add(s.splat(v), s.load(x), dot);
                    }
                    let base = s.add(s.mul(dot, s.splat(gamma)), s.splat(coef0));
                    let slope = s.mul(power(s, base, degree - 1), s.splat(f64::from(degree) * gamma));
                    s.mul(g, slope)
                }
            }
        };
        for ((&v, x), into) in v.iter().zip(x).zip(into.iter_mut()) {
            let direction = match kind {
                KernelKind::Rbf { .. } => s.sub(s.load(x), s.splat(v)),
                _ => s.splat(v),
            };
            s.store(s.mul_add(slope, direction, s.load(into)), into);
        }
    }
}
