//! Values of nodes for eight rows.

use super::op::{Activation, Graph, KernelKind, Matrix, Op};
use super::pairs;
use crate::simd::{LANES, Lanes, Simd, math};

impl Graph {
    /// [`Graph::evaluate`] at one level. Large: called from one place, so that it is compiled once a level.
    #[inline(always)]
    pub(super) fn evaluate_lanes<S: Simd>(&self, s: S, order: &[usize], values: &mut [Lanes<f64>]) {
        for &i in order {
            let node = &self.nodes[i];
            let (before, rest) = values.split_at_mut(node.offset);
            self.one(s, &node.op, before, &mut rest[..node.width]);
        }
    }

    #[inline(always)]
    pub(super) fn entries<'a>(&self, node: usize, values: &'a [Lanes<f64>]) -> &'a [Lanes<f64>] {
        let node = &self.nodes[node];
        &values[node.offset..node.offset + node.width]
    }

    #[inline(always)]
    fn one<S: Simd>(&self, s: S, op: &Op, before: &[Lanes<f64>], out: &mut [Lanes<f64>]) {
        let of = |source: usize| self.entries(source, before);
        match op {
            Op::Row | Op::Trees(_) | Op::Foreign { .. } => {}
            Op::Encode(features) => {
                let row = of(0);
                for (feature, out) in features.iter().zip(out) {
                    s.store(feature.value(s, row), out);
                }
            }
            Op::Linear { source, weights, bias } => product(s, weights, Some(bias), of(*source), out),
            Op::Kernel { source, kind, vectors } => kernel(s, *kind, vectors, of(*source), out),
            Op::Activation { source, kind } => {
                for (x, out) in of(*source).iter().zip(out) {
                    s.store(activation(s, *kind, s.load(x)), out);
                }
            }
            Op::Affine { source, scale, shift } => {
                for (k, (x, out)) in of(*source).iter().zip(out).enumerate() {
                    let k = if scale.len() == 1 { 0 } else { k };
                    let y = s.add(s.mul(s.splat(scale[k]), s.load(x)), s.splat(shift[k]));
                    s.store(y, out);
                }
            }
            Op::Clip { source, lower, upper } => {
                for (x, out) in of(*source).iter().zip(out) {
                    let x = s.load(x);
                    let x = s.select(s.lt(x, s.splat(*lower)), s.splat(*lower), x);
                    s.store(s.select(s.lt(s.splat(*upper), x), s.splat(*upper), x), out);
                }
            }
            Op::Softmax { source } => {
                let z = of(*source);
                let most = largest(s, z);
                let mut sum = s.splat(0.0);
                for (z, out) in z.iter().zip(out.iter_mut()) {
                    let e = math::exp(s, s.sub(s.load(z), most));
                    sum = s.add(sum, e);
                    s.store(e, out);
                }
                for out in out {
                    s.store(s.div(s.load(out), sum), out);
                }
            }
            Op::LogSoftmax { source } => {
                let z = of(*source);
                let total = log_sum_exp(s, z);
                for (z, out) in z.iter().zip(out) {
                    s.store(s.sub(s.load(z), total), out);
                }
            }
            Op::SingleSoftmax { source } => single_softmax(of(*source), out),
            Op::LogisticPair { source } => {
                let z = s.load(&of(*source)[0]);
                s.store(logistic(s, s.sub(s.splat(0.0), z)), &mut out[0]);
                s.store(logistic(s, z), &mut out[1]);
            }
            Op::LogLogisticPair { source } => {
                let z = s.load(&of(*source)[0]);
                s.store(s.sub(s.splat(0.0), softplus(s, z)), &mut out[0]);
                s.store(s.sub(s.splat(0.0), softplus(s, s.sub(s.splat(0.0), z))), &mut out[1]);
            }
            Op::Normalize { source } => {
                let x = of(*source);
                let mut sum = s.splat(0.0);
                for x in x {
                    sum = s.add(sum, s.load(x));
                }
                let empty = s.le(s.abs(sum), s.splat(0.0));
                let equal = s.splat(1.0 / x.len() as f64);
                for (x, out) in x.iter().zip(out) {
                    s.store(s.select(empty, equal, s.div(s.load(x), sum)), out);
                }
            }
            Op::Pick { source, indices } => {
                let x = of(*source);
                for (index, out) in indices.iter().zip(out) {
                    *out = index.map_or(Lanes::splat(0.0), |i| x[i]);
                }
            }
            Op::Concat { sources } => {
                let mut at = 0;
                for &source in sources {
                    let x = of(source);
                    out[at..at + x.len()].copy_from_slice(x);
                    at += x.len();
                }
            }
            Op::Combine { sources, weights, divisor } => {
                for (k, out) in out.iter_mut().enumerate() {
                    let mut sum = s.splat(0.0);
                    for (&source, &weight) in sources.iter().zip(weights) {
                        // Rounded twice, as in libraries: their ties are ours.
                        sum = s.add(sum, s.mul(s.splat(weight), s.load(&of(source)[k])));
                    }
                    s.store(s.div(sum, s.splat(*divisor)), out);
                }
            }
            Op::Multiply { a, b } => {
                for ((a, b), out) in of(*a).iter().zip(of(*b)).zip(out) {
                    s.store(s.mul(s.load(a), s.load(b)), out);
                }
            }
            Op::OneHotArgmax { source } => {
                let x = of(*source);
                out.fill(Lanes::splat(0.0));
                for lane in 0..LANES {
                    let mut best = 0;
                    for k in 1..x.len() {
                        if x[k][lane] > x[best][lane] {
                            best = k;
                        }
                    }
                    out[best][lane] = 1.0;
                }
            }
            Op::Step { source, threshold } => {
                for (x, out) in of(*source).iter().zip(out) {
                    let above = s.lt(s.splat(*threshold), s.load(x));
                    s.store(s.select(above, s.splat(1.0), s.splat(0.0)), out);
                }
            }
            Op::PairVotes { source, n_classes } => {
                out.fill(Lanes::splat(0.0));
                let decisions = of(*source);
                for (p, (i, j)) in pairs::pairs(*n_classes).enumerate() {
                    for lane in 0..LANES {
                        out[if decisions[p][lane] > 0.0 { i } else { j }][lane] += 1.0;
                    }
                }
            }
            Op::PairScores { source, n_classes } => {
                out.fill(Lanes::splat(0.0));
                let decisions = of(*source);
                for (p, (i, j)) in pairs::pairs(*n_classes).enumerate() {
                    let d = s.load(&decisions[p]);
                    s.store(s.add(s.load(&out[i]), d), &mut out[i]);
                    s.store(s.sub(s.load(&out[j]), d), &mut out[j]);
                }
            }
            Op::PairCoupling { source, n_classes } => pairs::couple(of(*source), *n_classes, out),
            Op::Interpolate { source, x, y } => {
                let at = &of(*source)[0];
                for lane in 0..LANES {
                    out[0][lane] = interpolate(x, y, at[lane]).0;
                }
            }
        }
    }
}

/// `matrix · x (+ bias)`; every output sums its inputs in order.
#[inline(always)]
pub(super) fn product<S: Simd>(
    s: S,
    matrix: &Matrix,
    bias: Option<&[f64]>,
    x: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    let n = matrix.columns;
    let x = &x[..n];
    let mut j = 0;
    // Eight rows of the matrix at a time: an input is loaded once for all of them.
    while j + 8 <= matrix.rows {
        let rows: [&[f64]; 8] = std::array::from_fn(|r| &matrix.values[(j + r) * n..(j + r + 1) * n]);
        let mut sums: [S::F; 8] = std::array::from_fn(|r| s.splat(bias.map_or(0.0, |b| b[j + r])));
        for (i, x) in x.iter().enumerate() {
            let x = s.load(x);
            for r in 0..8 {
                sums[r] = s.mul_add(s.splat(rows[r][i]), x, sums[r]);
            }
        }
        for r in 0..8 {
            s.store(sums[r], &mut out[j + r]);
        }
        j += 8;
    }
    while j < matrix.rows {
        let mut sum = s.splat(bias.map_or(0.0, |b| b[j]));
        for (&w, x) in matrix.row(j).iter().zip(x) {
            sum = s.mul_add(s.splat(w), s.load(x), sum);
        }
        s.store(sum, &mut out[j]);
        j += 1;
    }
}

#[inline(always)]
fn kernel<S: Simd>(s: S, kind: KernelKind, vectors: &Matrix, x: &[Lanes<f64>], out: &mut [Lanes<f64>]) {
    if let KernelKind::Rbf { gamma } = kind {
        for (i, out) in out.iter_mut().enumerate() {
            let mut square = s.splat(0.0);
            for (&v, x) in vectors.row(i).iter().zip(x) {
                let r = s.sub(s.load(x), s.splat(v));
                square = s.mul_add(r, r, square);
            }
            s.store(math::exp(s, s.mul(square, s.splat(-gamma))), out);
        }
        return;
    }
    product(s, vectors, None, x, out);
    match kind {
        KernelKind::Linear | KernelKind::Rbf { .. } => {}
        KernelKind::Poly { gamma, coef0, degree } => {
            for out in out {
                let base = s.add(s.mul(s.load(out), s.splat(gamma)), s.splat(coef0));
                s.store(power(s, base, degree), out);
            }
        }
        KernelKind::Sigmoid { gamma, coef0 } => {
            for out in out {
                let base = s.add(s.mul(s.load(out), s.splat(gamma)), s.splat(coef0));
                s.store(tanh(s, base), out);
            }
        }
    }
}

#[inline(always)]
pub(super) fn power<S: Simd>(s: S, base: S::F, exponent: u32) -> S::F {
    let (mut result, mut factor, mut left) = (s.splat(1.0), base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = s.mul(result, factor);
        }
        factor = s.mul(factor, factor);
        left >>= 1;
    }
    result
}

#[inline(always)]
fn largest<S: Simd>(s: S, z: &[Lanes<f64>]) -> S::F {
    let mut most = s.splat(f64::NEG_INFINITY);
    for z in z {
        most = s.max(s.load(z), most);
    }
    most
}

/// In float32 with a sum in double, as XGBoost: entries that differ by less than a rounding are equal.
#[inline(never)]
fn single_softmax(z: &[Lanes<f64>], out: &mut [Lanes<f64>]) {
    for lane in 0..LANES {
        let most = z.iter().fold(f32::NEG_INFINITY, |most, z| most.max(z[lane] as f32));
        let mut sum = 0.0;
        for (z, out) in z.iter().zip(out.iter_mut()) {
            let e = f64::from(f64::from(z[lane] as f32 - most).exp() as f32);
            sum += e;
            out[lane] = e;
        }
        for out in out.iter_mut() {
            out[lane] = f64::from(out[lane] as f32 / sum as f32);
        }
    }
}

#[inline(always)]
fn log_sum_exp<S: Simd>(s: S, z: &[Lanes<f64>]) -> S::F {
    let most = largest(s, z);
    let mut sum = s.splat(0.0);
    for z in z {
        sum = s.add(sum, math::exp(s, s.sub(s.load(z), most)));
    }
    s.add(most, math::ln(s, sum))
}

#[inline(always)]
pub(super) fn logistic<S: Simd>(s: S, z: S::F) -> S::F {
    let e = math::exp(s, s.sub(s.splat(0.0), s.abs(z)));
    let r = s.div(s.splat(1.0), s.add(s.splat(1.0), e));
    s.select(s.lt(z, s.splat(0.0)), s.mul(e, r), r)
}

/// `ln(1 + e^z)`.
#[inline(always)]
fn softplus<S: Simd>(s: S, z: S::F) -> S::F {
    let e = math::exp(s, s.sub(s.splat(0.0), s.abs(z)));
    s.add(s.select(s.lt(z, s.splat(0.0)), s.splat(0.0), z), math::ln_1p(s, e))
}

#[inline(always)]
pub(super) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let t = math::exp_m1(s, s.mul(s.min(s.abs(x), s.splat(30.0)), s.splat(2.0)));
    let r = s.div(t, s.add(t, s.splat(2.0)));
    let signed = s.select(s.lt(x, s.splat(0.0)), s.sub(s.splat(0.0), r), r);
    s.select(s.le(x, x), signed, x)
}

#[inline(always)]
pub(crate) fn activation<S: Simd>(s: S, kind: Activation, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    match kind {
        // A NaN stays one.
        Activation::Relu => s.select(s.lt(x, zero), zero, x),
        Activation::Tanh => tanh(s, x),
        Activation::Logistic => logistic(s, x),
        Activation::Softplus => softplus(s, x),
        Activation::Gelu => s.mul(x, math::normal_cdf_pdf(s, x).0),
        Activation::GeluTanh => {
            let (t, _) = gelu_tanh(s, x);
            s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), t))
        }
        Activation::Silu => s.mul(x, logistic(s, x)),
        Activation::Exp => math::exp(s, x),
        Activation::Expm1 => math::exp_m1(s, x),
        Activation::Log1p => math::ln_1p(s, x),
        Activation::SignedSquare => s.mul(x, s.abs(x)),
        Activation::Exp2Neg => s.sub(zero, math::exp(s, s.mul(x, s.splat(-std::f64::consts::LN_2)))),
    }
}

const GELU_A: f64 = 0.797_884_560_802_865_4;
const GELU_B: f64 = 0.044_715;

/// `tanh(u)` and `du/dx` for `u = √(2/π) (x + 0.044715 x³)`.
#[inline(always)]
fn gelu_tanh<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let square = s.mul(x, x);
    let u = s.mul(s.mul(s.splat(GELU_A), x), s.mul_add(s.splat(GELU_B), square, s.splat(1.0)));
    let slope = s.mul(s.splat(GELU_A), s.mul_add(s.splat(3.0 * GELU_B), square, s.splat(1.0)));
    (tanh(s, u), slope)
}

/// Derivative of an activation at x, whose value there is y.
#[inline(always)]
pub(crate) fn activation_slope<S: Simd>(s: S, kind: Activation, x: S::F, y: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    match kind {
        Activation::Relu => s.select(s.lt(zero, x), one, zero),
        Activation::Tanh => s.sub(one, s.mul(y, y)),
        Activation::Logistic => s.mul(y, logistic(s, s.sub(zero, x))),
        Activation::Softplus => logistic(s, x),
        Activation::Gelu => {
            let (cdf, pdf) = math::normal_cdf_pdf(s, x);
            s.mul_add(x, pdf, cdf)
        }
        Activation::GeluTanh => {
            let (t, slope) = gelu_tanh(s, x);
            let sech2 = s.sub(one, s.mul(t, t));
            s.mul(s.splat(0.5), s.add(s.add(one, t), s.mul(s.mul(x, sech2), slope)))
        }
        Activation::Silu => {
            let p = logistic(s, x);
            s.mul(p, s.add(one, s.mul(x, s.sub(one, p))))
        }
        Activation::Exp => y,
        Activation::Expm1 => s.add(y, one),
        Activation::Log1p => s.div(one, s.add(one, x)),
        Activation::SignedSquare => s.mul(s.splat(2.0), s.abs(x)),
        Activation::Exp2Neg => s.mul(s.splat(-std::f64::consts::LN_2), y),
    }
}

/// Value and slope of the piecewise linear function at `t`.
pub(super) fn interpolate(x: &[f64], y: &[f64], t: f64) -> (f64, f64) {
    if t.is_nan() {
        return (t, 0.0);
    }
    let above = x.partition_point(|&x| x <= t);
    if above == 0 {
        return (y[0], 0.0);
    }
    if above == x.len() {
        return (y[above - 1], 0.0);
    }
    let slope = (y[above] - y[above - 1]) / (x[above] - x[above - 1]);
    (slope * (t - x[above - 1]) + y[above - 1], slope)
}
