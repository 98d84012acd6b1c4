//! What graphs that can be stacked have in common, and where they differ.

use crate::error::{Error, Result};
use crate::model::Graph;
use crate::model::graph::{Activation, Op};

/// One operation between the node that all members share and the last one that is theirs alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// A matrix `rows × columns` and `rows` biases, from `first` on among the parameters of a member.
    Linear {
        first: usize,
        rows: usize,
        columns: usize,
    },
    Activation {
        kind: Activation,
        width: usize,
    },
    /// [`Activation::Relu`] in place: its slope shows in its value.
    Relu {
        width: usize,
    },
}

impl Step {
    /// Units that it adds to those that are kept.
    pub(super) fn kept(self) -> usize {
        match self {
            Step::Linear { rows, .. } => rows,
            Step::Activation { width, .. } => width,
            Step::Relu { .. } => 0,
        }
    }
}

/// A graph in three parts: what does not depend on the member, a chain of layers that does, and what is
/// computed of the chain's end by operations that are the same in all members.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Nodes up to `entry`, without the row.
    pub(super) shared: Vec<usize>,
    /// The node that the chain reads.
    pub(super) entry: usize,
    /// Linear nodes of the chain.
    pub(super) linear: Vec<usize>,
    pub(super) steps: Vec<Step>,
    /// The chain's last node, linear.
    pub(super) exit: usize,
    /// Parameters of a member.
    pub(super) size: usize,
    /// Nodes behind the exit that each node needs; `None` for those that cannot be asked for.
    pub(super) tails: Vec<Option<Vec<usize>>>,
}

impl Form {
    /// # Errors
    /// [`Error::Model`] saying what keeps the graphs from being stacked.
    pub(super) fn new<'a>(template: &Graph, members: impl Iterator<Item = &'a Graph>) -> Result<Self> {
        if let Some(i) = template.nodes.iter().position(|n| matches!(n.op, Op::Trees(_) | Op::Foreign { .. }))
        {
            return fail(format!("node {i} is not a dense layer or a function of one"));
        }
        let chain = chain(template, &varying(template, members)?)?;
        let (first, exit) = (chain[0], chain[chain.len() - 1]);
        let mut entry = 0;
        template.nodes[first].op.each_source(|source| entry = source);
        let (mut linear, mut steps, mut size) = (Vec::new(), Vec::new(), 0);
        for &node in &chain {
            let width = template.nodes[node].width;
            steps.push(match &template.nodes[node].op {
                Op::Activation { kind: Activation::Relu, .. } => Step::Relu { width },
                Op::Activation { kind, .. } => Step::Activation { kind: *kind, width },
                Op::Linear { weights, .. } => {
                    linear.push(node);
                    let first = size;
                    size += weights.values.len() + weights.rows;
                    Step::Linear { first, rows: weights.rows, columns: weights.columns }
                }
                _ => return fail(format!("node {node} is no layer")),
            });
        }
        let shared = template.needed(&[entry]).into_iter().filter(|&i| i > 0).collect();
        let tails = tails(template, &chain)?;
        Ok(Self { shared, entry, linear, steps, exit, size, tails })
    }

    /// Parameters of a member, layer by layer.
    pub(super) fn parameters(&self, member: &Graph) -> impl Iterator<Item = f64> {
        self.linear.iter().filter_map(|&node| parameters(&member.nodes[node].op)).flatten().copied()
    }

    /// Nodes behind the exit that `node` needs; none for nodes that cannot be asked for.
    pub(super) fn tail(&self, node: usize) -> &[usize] {
        self.tails[node].as_deref().unwrap_or_default()
    }
}

fn fail<T>(reason: String) -> Result<T> {
    Err(Error::Model(format!("these models cannot be stacked: {reason}")))
}

/// Linear nodes whose parameters differ between members; the first linear node where there are none.
fn varying<'a>(template: &Graph, members: impl Iterator<Item = &'a Graph>) -> Result<Vec<usize>> {
    let operations: Vec<String> = template.nodes.iter().map(|node| without_parameters(&node.op)).collect();
    let mut differs = vec![false; template.len()];
    for (k, member) in members.enumerate() {
        let shape = |graph: &Graph| (graph.n_columns(), graph.len());
        if shape(member) != shape(template) {
            let ((columns, nodes), (own_columns, own)) = (shape(template), shape(member));
            return fail(format!(
                "member {k} has {own_columns} columns and {own} operations, the first {columns} and {nodes}"
            ));
        }
        for (i, (ours, theirs)) in template.nodes.iter().zip(&member.nodes).enumerate() {
            if without_parameters(&theirs.op) != operations[i] {
                return fail(format!("operation {i} of member {k} is not that of the first"));
            }
            if let (Some(ours), Some(theirs)) = (parameters(&ours.op), parameters(&theirs.op)) {
                differs[i] |= !ours.eq(theirs);
            }
        }
    }
    let mut varying: Vec<usize> = (0..template.len()).filter(|&i| differs[i]).collect();
    if varying.is_empty() {
        varying.extend(template.nodes.iter().position(|node| matches!(node.op, Op::Linear { .. })));
    }
    Ok(varying)
}

/// What must be the same: constants as they print, to the last digit, where a NaN is like itself.
fn without_parameters(op: &Op) -> String {
    match op {
        Op::Linear { source, weights, .. } => format!("{source} {} {}", weights.rows, weights.columns),
        op => format!("{op:?}"),
    }
}

/// Weights and biases of a linear operation.
fn parameters(op: &Op) -> Option<impl Iterator<Item = &f64>> {
    match op {
        Op::Linear { weights, bias, .. } => Some(weights.values.iter().chain(bias)),
        _ => None,
    }
}

/// Nodes from the first that varies to the last, each of which reads the one before.
fn chain(template: &Graph, varying: &[usize]) -> Result<Vec<usize>> {
    let (Some(&first), Some(&last)) = (varying.first(), varying.last()) else {
        return fail("there is no linear layer".into());
    };
    let mut chain = vec![last];
    let mut node = last;
    while node != first {
        node = match template.nodes[node].op {
            Op::Linear { source, .. } | Op::Activation { source, .. } if source >= first => source,
            _ => return fail(format!("node {node} stands between layers that differ and is none")),
        };
        chain.push(node);
    }
    chain.reverse();
    match varying.iter().find(|node| !chain.contains(node)) {
        Some(node) => fail(format!("node {node} differs and is not one of the layers {chain:?}")),
        None => Ok(chain),
    }
}

/// Nodes behind the end of the chain that each node needs.
fn tails(template: &Graph, chain: &[usize]) -> Result<Vec<Option<Vec<usize>>>> {
    let exit = chain[chain.len() - 1];
    let mut behind = vec![false; template.len()];
    behind[exit] = true;
    for (i, node) in template.nodes.iter().enumerate().filter(|(i, _)| !chain.contains(i)) {
        let (mut any, mut all, mut inside) = (false, true, false);
        node.op.each_source(|source| {
            any |= behind[source];
            all &= behind[source];
            inside |= source != exit && chain.contains(&source);
        });
        if inside || any != (any && all) {
            return fail(format!("node {i} reads past the layers {chain:?}"));
        }
        behind[i] = any;
    }
    let tail = |i: usize| {
        let needed = template.needed(&[i]).into_iter();
        behind[i].then(|| needed.filter(|&i| behind[i] && i != exit).collect())
    };
    Ok((0..template.len()).map(tail).collect())
}
