//! The operations of a graph and their shapes, checked once.

use std::sync::Arc;

use super::check::width;
use super::encode::Feature;
use crate::error::{Error, Result};
use crate::model::TreeEnsemble;

/// A function of every entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Relu,
    Tanh,
    Logistic,
    Softplus,
    /// `x Φ(x)`.
    Gelu,
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`.
    GeluTanh,
    Silu,
    Exp,
    Expm1,
    Log1p,
    /// `sign(x) x²`.
    SignedSquare,
    /// `-2^(-x)`.
    Exp2Neg,
}

impl Activation {
    pub const ALL: [(&'static str, Activation); 12] = [
        ("relu", Activation::Relu),
        ("tanh", Activation::Tanh),
        ("logistic", Activation::Logistic),
        ("softplus", Activation::Softplus),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
        ("exp", Activation::Exp),
        ("expm1", Activation::Expm1),
        ("log1p", Activation::Log1p),
        ("signed_square", Activation::SignedSquare),
        ("exp2_neg", Activation::Exp2Neg),
    ];
}

/// `k(u, v)`: `u·v`, `(γ u·v + c)^degree`, `exp(-γ |u - v|²)`, `tanh(γ u·v + c)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KernelKind {
    Linear,
    Poly { gamma: f64, coef0: f64, degree: u32 },
    Rbf { gamma: f64 },
    Sigmoid { gamma: f64, coef0: f64 },
}

/// `rows × columns`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Matrix {
    /// # Errors
    /// [`Error::Model`] when the values do not fill the shape, or one is not finite.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self> {
        if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(values.len()) {
            return Err(Error::Model(format!("{} numbers are no {rows} × {columns} matrix", values.len())));
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(Error::Model("a matrix holds a number that is not finite".into()));
        }
        Ok(Self { rows, columns, values })
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    fn transposed(&self) -> Self {
        let values = (0..self.columns)
            .flat_map(|j| (0..self.rows).map(move |i| self.values[i * self.columns + j]))
            .collect();
        Self { rows: self.columns, columns: self.rows, values }
    }
}

/// One operation; sources are numbers of earlier nodes.
#[derive(Clone, Debug)]
pub enum Op {
    /// The raw row; node 0 and no other.
    Row,
    /// Features of the row.
    Encode(Vec<Feature>),
    /// Sums of leaf values of the row.
    Trees(Arc<TreeEnsemble>),
    /// Outputs that another library computes from the row, and hands over; with `gradient` it also carries
    /// cotangents of them back to the row.
    Foreign {
        width: usize,
        gradient: bool,
    },
    /// `weights · source + bias`.
    Linear {
        source: usize,
        weights: Matrix,
        bias: Vec<f64>,
    },
    /// `k(source, v)` for every row v.
    Kernel {
        source: usize,
        kind: KernelKind,
        vectors: Matrix,
    },
    Activation {
        source: usize,
        kind: Activation,
    },
    /// `scale · source + shift`, entry by entry (one entry serves all).
    Affine {
        source: usize,
        scale: Vec<f64>,
        shift: Vec<f64>,
    },
    Clip {
        source: usize,
        lower: f64,
        upper: f64,
    },
    Softmax {
        source: usize,
    },
    LogSoftmax {
        source: usize,
    },
    /// The softmax of a library that computes in single precision, ties included: which label it gives
    /// where two logits are nearly equal. No gradient.
    SingleSoftmax {
        source: usize,
    },
    /// `z → [1/(1 + e^z), 1/(1 + e^-z)]`.
    LogisticPair {
        source: usize,
    },
    /// Logarithms of [`Op::LogisticPair`].
    LogLogisticPair {
        source: usize,
    },
    /// Divided by the sum; all equal where that is 0.
    Normalize {
        source: usize,
    },
    /// Entries by position; `None` is 0.
    Pick {
        source: usize,
        indices: Vec<Option<usize>>,
    },
    Concat {
        sources: Vec<usize>,
    },
    /// `(Σ weights[i] · sources[i]) / divisor`, added in order: a mean as libraries compute it.
    Combine {
        sources: Vec<usize>,
        weights: Vec<f64>,
        divisor: f64,
    },
    Multiply {
        a: usize,
        b: usize,
    },
    /// 1 at the first largest entry, 0 elsewhere.
    OneHotArgmax {
        source: usize,
    },
    /// 1 above the threshold, else 0.
    Step {
        source: usize,
        threshold: f64,
    },
    /// Votes of the decisions between pairs `(0, 1), (0, 2) … (1, 2) …`; above 0 for the first.
    PairVotes {
        source: usize,
        n_classes: usize,
    },
    /// Sums of those decisions, `+` for the first of a pair and `-` for the second.
    PairScores {
        source: usize,
        n_classes: usize,
    },
    /// Class probabilities from those of the first of each pair (Wu, Lin and Weng 2004, method 2).
    PairCoupling {
        source: usize,
        n_classes: usize,
    },
    /// Piecewise linear through `(x, y)`, constant beyond.
    Interpolate {
        source: usize,
        x: Vec<f64>,
        y: Vec<f64>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) width: usize,
    /// Where its entries begin in the buffer of all nodes.
    pub(crate) offset: usize,
    /// `weights` of a linear node the other way round, for gradients.
    pub(super) transposed: Option<Matrix>,
}

/// A model: operations in an order in which every source comes before its use.
#[derive(Clone, Debug)]
pub struct Graph {
    n_columns: usize,
    pub(crate) nodes: Vec<Node>,
    size: usize,
}

impl Graph {
    /// # Errors
    /// [`Error::Model`] for operations that do not fit together or hold numbers out of range.
    pub fn new(n_columns: usize, operations: Vec<Op>) -> Result<Self> {
        if n_columns == 0 || !matches!(operations.first(), Some(Op::Row)) {
            return Err(Error::Model("a model graph needs columns, and begins with the row".into()));
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(operations.len());
        let mut size = 0;
        for (index, op) in operations.into_iter().enumerate() {
            let width = width(&op, n_columns, &nodes)
                .map_err(|error| Error::Model(format!("node {index} of a model graph: {error}")))?;
            if index > 0 && matches!(op, Op::Row) {
                return Err(Error::Model("a model graph has one row".into()));
            }
            let transposed = match &op {
                Op::Linear { weights, .. } => Some(weights.transposed()),
                _ => None,
            };
            nodes.push(Node { op, width, offset: size, transposed });
            size += width;
        }
        Ok(Self { n_columns, nodes, size })
    }

    /// The graph of a tree ensemble alone: node 1 is its outputs.
    ///
    /// # Errors
    /// As [`Graph::new`].
    pub fn of_trees(ensemble: Arc<TreeEnsemble>) -> Result<Self> {
        Self::new(ensemble.n_features(), vec![Op::Row, Op::Trees(ensemble)])
    }

    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Entries of a node; `None` if there is no such node.
    pub fn width(&self, node: usize) -> Option<usize> {
        self.nodes.get(node).map(|n| n.width)
    }

    /// Entries of all nodes together.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Tree ensembles, with the nodes they stand at.
    pub fn ensembles(&self) -> impl Iterator<Item = (usize, &Arc<TreeEnsemble>)> {
        self.nodes.iter().enumerate().filter_map(|(i, node)| match &node.op {
            Op::Trees(ensemble) => Some((i, ensemble)),
            _ => None,
        })
    }

    /// Every node that these depend on, themselves included, in order.
    pub(crate) fn needed(&self, targets: &[usize]) -> Vec<usize> {
        let mut marked = vec![false; self.nodes.len()];
        for &target in targets {
            marked[target] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if marked[i] {
                self.nodes[i].op.each_source(|source| marked[source] = true);
            }
        }
        (0..self.nodes.len()).filter(|&i| marked[i]).collect()
    }

    /// Whether a node is a step function of every column: it depends on the row through trees alone.
    pub fn stepwise(&self, node: usize) -> bool {
        self.needed(&[node]).iter().all(|&i| {
            let mut reads_row = matches!(self.nodes[i].op, Op::Row) && i == node;
            reads_row |= matches!(self.nodes[i].op, Op::Encode(_) | Op::Foreign { .. });
            self.nodes[i].op.each_source(|source| reads_row |= source == 0);
            !reads_row
        })
    }

    /// Whether a node has a gradient almost everywhere that is not simply zero, and this code knows it:
    /// votes and steps are flat where they are continuous, so something must come past them from the row.
    pub fn differentiable(&self, node: usize) -> bool {
        let unknown = |i: &usize| {
            matches!(
                self.nodes[*i].op,
                Op::Trees(_) | Op::Foreign { gradient: false, .. } | Op::PairCoupling { .. }
            )
        };
        let needed = self.needed(&[node]);
        if needed.iter().any(unknown) {
            return false;
        }
        let mut sloped = vec![false; self.nodes.len()];
        for i in needed {
            sloped[i] = match &self.nodes[i].op {
                Op::Row | Op::Encode(_) | Op::Foreign { .. } => true,
                Op::OneHotArgmax { .. }
                | Op::Step { .. }
                | Op::PairVotes { .. }
                | Op::SingleSoftmax { .. } => false,
                op => {
                    let mut any = false;
                    op.each_source(|source| any |= sloped[source]);
                    any
                }
            };
        }
        sloped[node]
    }
}

impl Op {
    pub(crate) fn each_source(&self, mut visit: impl FnMut(usize)) {
        match self {
            Op::Row | Op::Encode(_) | Op::Trees(_) | Op::Foreign { .. } => {}
            Op::Linear { source, .. }
            | Op::Kernel { source, .. }
            | Op::Activation { source, .. }
            | Op::Affine { source, .. }
            | Op::Clip { source, .. }
            | Op::Softmax { source }
            | Op::LogSoftmax { source }
            | Op::SingleSoftmax { source }
            | Op::LogisticPair { source }
            | Op::LogLogisticPair { source }
            | Op::Normalize { source }
            | Op::Pick { source, .. }
            | Op::OneHotArgmax { source }
            | Op::Step { source, .. }
            | Op::PairVotes { source, .. }
            | Op::PairScores { source, .. }
            | Op::PairCoupling { source, .. }
            | Op::Interpolate { source, .. } => visit(*source),
            Op::Concat { sources } | Op::Combine { sources, .. } => sources.iter().for_each(|&s| visit(s)),
            Op::Multiply { a, b } => {
                visit(*a);
                visit(*b);
            }
        }
    }
}
