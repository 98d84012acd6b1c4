//! A tree ensemble as it was imported: node arrays, checked once.

use std::sync::{Arc, OnceLock};

use super::predict::Predictor;
use super::sets::Sets;
use crate::error::{Error, Result};

/// Node arrays of all trees, concatenated; children are absolute indices, a leaf has `left < 0`.
#[derive(Clone, Debug, Default)]
pub struct TreeParts {
    pub n_features: usize,
    pub n_outputs: usize,
    pub roots: Vec<i64>,
    pub feature: Vec<i64>,
    /// A row goes right iff `x[feature] > cut`.
    pub cut: Vec<f64>,
    pub left: Vec<i64>,
    pub right: Vec<i64>,
    /// `(n_nodes, width)`, row-major; only leaf rows are read.
    pub value: Vec<f64>,
    /// First output that each tree's leaf vector adds to.
    pub first_output: Vec<i64>,
    pub base: Vec<f64>,
    pub divisor: f64,
    /// Whether NaN goes right; empty: nowhere.
    pub missing_right: Vec<bool>,
    /// -1 at thresholds, else the set of codes that go right; empty: thresholds only. A value is cut
    /// to a whole number first; what is negative, not finite or not listed goes left.
    pub set_index: Vec<i64>,
    /// Set i has the codes `set_codes[set_starts[i]..set_starts[i + 1]]`.
    pub set_starts: Vec<i64>,
    pub set_codes: Vec<i64>,
    /// Whether the library adds in single precision.
    pub float32: bool,
    /// Whether the library adds `base` after the trees; it does so too where there is a `divisor`
    /// other than 1, which never divides `base`.
    pub base_last: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) feature: u32,
    /// Index of the left child; [`LEAF`] for a leaf.
    pub(crate) left: u32,
    pub(crate) right: u32,
    /// The set that the node tests; [`NO_SET`] at a threshold.
    pub(crate) set: u32,
    pub(crate) cut: f64,
    /// Whether NaN goes right.
    pub(crate) missing_right: bool,
}

pub(crate) const LEAF: u32 = u32::MAX;
pub(crate) const NO_SET: u32 = u32::MAX;

/// `output[k] = base[k] + unit · Σ_t value[leaf_t(x), k - first_output[t]]`, the sum over the trees
/// that reach output k.
///
/// Leaf values are fixed-point integers (the divisor included), so a sum does not depend on the
/// order of its terms: every way to evaluate the ensemble gives the same bits. The unit is a power
/// of two at which the largest possible sum uses 62 bits; rounding a leaf to it costs less than
/// rounding the sum to a double.
#[derive(Clone, Debug)]
pub struct TreeEnsemble {
    parts: TreeParts,
    pub(crate) nodes: Vec<Node>,
    pub(crate) sets: Sets,
    pub(crate) roots: Vec<u32>,
    pub(crate) first_output: Vec<u32>,
    pub(crate) width: usize,
    pub(crate) values: Vec<i64>,
    pub(crate) unit: f64,
    n_leaves_max: usize,
    /// Compiled at the first prediction.
    pub(super) predictor: OnceLock<Option<Arc<Predictor>>>,
}

impl TreeEnsemble {
    /// Checks the arrays and compiles them.
    ///
    /// # Errors
    /// [`Error::Model`] for arrays of unequal length, indices out of range, nodes that are shared or
    /// form a cycle, and numbers that are not finite.
    pub fn new(parts: TreeParts) -> Result<Self> {
        let n_nodes = parts.feature.len();
        let n_trees = parts.roots.len();
        if parts.n_outputs == 0 || n_trees == 0 || n_nodes == 0 {
            return Err(Error::Model("a tree ensemble needs at least one tree, node and output".into()));
        }
        if n_nodes >= LEAF as usize {
            return Err(Error::Model(format!("{n_nodes} nodes are more than the supported {}", LEAF - 1)));
        }
        for (name, len) in
            [("cut", parts.cut.len()), ("left", parts.left.len()), ("right", parts.right.len())]
        {
            if len != n_nodes {
                return Err(Error::Model(format!("`{name}` has {len} entries, `feature` has {n_nodes}")));
            }
        }
        if !parts.value.len().is_multiple_of(n_nodes) || parts.value.is_empty() {
            return Err(Error::Model("`value` must hold one row per node".into()));
        }
        let width = parts.value.len() / n_nodes;
        for (name, len) in
            [("missing_right", parts.missing_right.len()), ("set_index", parts.set_index.len())]
        {
            if len != n_nodes && len != 0 {
                return Err(Error::Model(format!("`{name}` has {len} entries, `feature` has {n_nodes}")));
            }
        }
        if parts.first_output.len() != n_trees {
            return Err(Error::Model("`first_output` must hold one entry per tree".into()));
        }
        if parts.base.len() != parts.n_outputs || !parts.base.iter().all(|b| b.is_finite()) {
            return Err(Error::Model("`base` must hold one finite number per output".into()));
        }
        if !(parts.divisor.is_finite() && parts.divisor > 0.0) {
            return Err(Error::Model(format!("`divisor` must be positive, not {}", parts.divisor)));
        }
        if parts.float32 {
            let rounds_well = |x: f64| (x as f32).is_finite();
            if !parts.base.iter().all(|&base| rounds_well(base)) {
                return Err(Error::Model("`base` must be finite in single precision".into()));
            }
            if !rounds_well(parts.divisor) || parts.divisor as f32 == 0.0 {
                return Err(Error::Model(format!(
                    "`divisor` must be positive in single precision, not {}",
                    parts.divisor
                )));
            }
        }
        let mut first_output = Vec::with_capacity(n_trees);
        for &first in &parts.first_output {
            match usize::try_from(first) {
                Ok(first) if first + width <= parts.n_outputs => first_output.push(first as u32),
                _ => {
                    return Err(Error::Model(format!(
                        "a tree adds to outputs {first}..{} of {}",
                        first.saturating_add(width as i64),
                        parts.n_outputs
                    )));
                }
            }
        }
        let sets = Sets::new(&parts.set_starts, &parts.set_codes)?;
        let nodes = checked_nodes(&parts, width, sets.len())?;
        let mut roots = Vec::with_capacity(n_trees);
        let mut seen = vec![false; n_nodes];
        let mut n_leaves_max = 0;
        for &root in &parts.roots {
            let root = usize::try_from(root)
                .ok()
                .filter(|&root| root < n_nodes)
                .ok_or_else(|| Error::Model(format!("root {root} is not one of the {n_nodes} nodes")))?;
            n_leaves_max = n_leaves_max.max(count_leaves(&nodes, root, &mut seen)?);
            roots.push(root as u32);
        }
        let unit = unit_of(&parts, &nodes, &roots, width)?;
        let values = parts
            .value
            .iter()
            .enumerate()
            .map(
                |(i, &v)| {
                    if nodes[i / width].left == LEAF { fixed_point(v, unit, parts.divisor) } else { 0 }
                },
            )
            .collect();
        Ok(Self {
            parts,
            nodes,
            sets,
            roots,
            first_output,
            width,
            values,
            unit,
            n_leaves_max,
            predictor: OnceLock::new(),
        })
    }

    pub fn parts(&self) -> &TreeParts {
        &self.parts
    }

    pub fn n_features(&self) -> usize {
        self.parts.n_features
    }

    pub fn n_outputs(&self) -> usize {
        self.parts.n_outputs
    }

    pub fn n_trees(&self) -> usize {
        self.roots.len()
    }

    /// Leaves of the largest tree.
    pub fn n_leaves_max(&self) -> usize {
        self.n_leaves_max
    }

    /// Whether a value of the node's feature goes right.
    #[inline]
    pub(crate) fn goes_right(&self, node: &Node, x: f64) -> bool {
        if x.is_nan() {
            node.missing_right
        } else if node.set == NO_SET {
            x > node.cut
        } else {
            self.sets.contains(node.set, x)
        }
    }

    /// Whether the library's own sum starts from zero and adds the base at the end.
    pub(crate) fn base_last(&self) -> bool {
        self.parts.base_last || self.parts.divisor != 1.0
    }

    pub(crate) fn leaf_values(&self, node: u32) -> &[i64] {
        &self.values[node as usize * self.width..(node as usize + 1) * self.width]
    }

    /// The double that a sum of leaf values stands for.
    pub(crate) fn output(&self, k: usize, sum: i64) -> f64 {
        (sum as f64).mul_add(self.unit, self.parts.base[k])
    }
}

fn checked_nodes(parts: &TreeParts, width: usize, n_sets: usize) -> Result<Vec<Node>> {
    let n_nodes = parts.feature.len();
    let child = |node: usize, child: i64| {
        usize::try_from(child)
            .ok()
            .filter(|&child| child < n_nodes)
            .map(|child| child as u32)
            .ok_or_else(|| Error::Model(format!("node {node} has child {child}, of {n_nodes} nodes")))
    };
    (0..n_nodes)
        .map(|i| {
            if parts.left[i] < 0 {
                let finite = |v: &f64| if parts.float32 { (*v as f32).is_finite() } else { v.is_finite() };
                if !parts.value[i * width..(i + 1) * width].iter().all(finite) {
                    return Err(Error::Model(format!("leaf {i} has a value that is not finite")));
                }
                return Ok(Node {
                    feature: 0,
                    left: LEAF,
                    right: LEAF,
                    set: NO_SET,
                    cut: 0.0,
                    missing_right: false,
                });
            }
            let feature = usize::try_from(parts.feature[i])
                .ok()
                .filter(|&f| f < parts.n_features)
                .ok_or_else(|| {
                    Error::Model(format!(
                        "node {i} splits on feature {}, of {} features",
                        parts.feature[i], parts.n_features
                    ))
                })?;
            let set = match parts.set_index.get(i).copied().unwrap_or(-1) {
                -1 => NO_SET,
                set => usize::try_from(set)
                    .ok()
                    .filter(|&set| set < n_sets && set < NO_SET as usize)
                    .map(|set| set as u32)
                    .ok_or_else(|| Error::Model(format!("node {i} tests set {set}, of {n_sets} sets")))?,
            };
            if set == NO_SET && parts.cut[i].is_nan() {
                return Err(Error::Model(format!("node {i} has a threshold that is not a number")));
            }
            Ok(Node {
                feature: feature as u32,
                left: child(i, parts.left[i])?,
                right: child(i, parts.right[i])?,
                set,
                cut: parts.cut[i],
                missing_right: parts.missing_right.get(i).copied().unwrap_or(false),
            })
        })
        .collect()
}

fn count_leaves(nodes: &[Node], root: usize, seen: &mut [bool]) -> Result<usize> {
    let mut stack = vec![root as u32];
    let mut leaves = 0;
    while let Some(i) = stack.pop() {
        if std::mem::replace(&mut seen[i as usize], true) {
            return Err(Error::Model(format!("node {i} is reached twice: the arrays are not trees")));
        }
        let node = nodes[i as usize];
        if node.left == LEAF {
            leaves += 1;
        } else {
            stack.push(node.left);
            stack.push(node.right);
        }
    }
    Ok(leaves)
}

/// `value / (unit · divisor)` to the nearest integer. For a whole divisor (an average over trees) the
/// division is exact before it is rounded once, so that n equal leaves average to their own value.
fn fixed_point(value: f64, unit: f64, divisor: f64) -> i64 {
    const SPARE: f64 = 1_048_576.0;
    if divisor.fract() == 0.0 && divisor <= 4_294_967_296.0 {
        let numerator = (value / unit * SPARE).round_ties_even() as i128;
        let denominator = (divisor * SPARE) as i128;
        let half = if numerator < 0 { -denominator / 2 } else { denominator / 2 };
        ((numerator + half) / denominator) as i64
    } else {
        (value / unit / divisor).round_ties_even() as i64
    }
}

/// The power of two at which no output's sum can leave 62 bits.
fn unit_of(parts: &TreeParts, nodes: &[Node], roots: &[u32], width: usize) -> Result<f64> {
    let mut largest = vec![0.0_f64; parts.n_outputs];
    for (tree, &root) in roots.iter().enumerate() {
        let first = parts.first_output[tree] as usize;
        let mut of_tree = vec![0.0_f64; width];
        let mut stack = vec![root];
        while let Some(i) = stack.pop() {
            let node = nodes[i as usize];
            if node.left == LEAF {
                for (k, max) in of_tree.iter_mut().enumerate() {
                    *max = max.max((parts.value[i as usize * width + k] / parts.divisor).abs());
                }
            } else {
                stack.push(node.left);
                stack.push(node.right);
            }
        }
        for (k, max) in of_tree.iter().enumerate() {
            largest[first + k] += max;
        }
    }
    let bound = largest.iter().fold(f64::MIN_POSITIVE, |a, &b| a.max(b));
    if !bound.is_finite() {
        return Err(Error::Model("the sum of the leaf values overflows".into()));
    }
    // The smallest power of two that is at least `bound`; the sum of T leaves may exceed it by T/2
    // units of rounding, far below the spare bit.
    let exponent = (bound.log2().ceil() as i32 + 1).max(-900);
    Ok(f64::powi(2.0, exponent - 62))
}
