//! All trees of a question, compiled for one box of the space.

use super::arrays::{NO_SET, TreeEnsemble};
use super::build::{Pruned, Reach, Test, prune};
use super::sets::{Sets, code};
use crate::error::{Error, Result};

/// A model and the space columns that its features read.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub model: &'a TreeEnsemble,
    pub columns: &'a [usize],
}

/// The trees of several models over the columns of one space. Outputs of all models lie side by side
/// in *slots*; sums over trees are exact integers in each model's fixed-point unit.
#[derive(Clone, Debug)]
pub struct Forest {
    pub(crate) n_columns: usize,
    pub(super) slots: Vec<Slot>,
    /// Sum of the trees that the box reduces to one leaf.
    pub(super) constant: Vec<i64>,
    pub(super) columns: Vec<ColumnSplits>,
    /// Every tree with at least one split.
    pub(super) trees: Vec<Tree>,
    pub(super) nodes: Vec<TreeNode>,
    /// The sets of all members, and numbered through.
    pub(super) sets: Sets,
    /// Leaf vectors, `width` integers per leaf, for walks and smoothing.
    pub(super) leaves: Vec<i64>,
    /// Trees small enough for bit vectors, in the order of `bit_trees`.
    pub(super) bit_trees: Vec<BitTree>,
    pub(super) bit_values: Vec<u64>,
    /// Indices in `trees` of those that are walked.
    pub(super) walked: Vec<u32>,
    /// All columns, in the order in which a sweep goes through them.
    pub(super) sweep: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) base: f64,
    pub(super) unit: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) root: u32,
    pub(super) slot: u32,
    pub(super) width: u32,
}

/// A split (`below`, `above` are nodes) or, with `column == LEAF_COLUMN`, a leaf (`below` is the
/// offset of its vector in `leaves`).
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeNode {
    pub(super) cut: f64,
    pub(super) column: u32,
    /// Position of `cut` among the column's distinct cuts.
    pub(super) rank: u32,
    pub(super) below: u32,
    pub(super) above: u32,
    /// Index in `sets`; [`NO_SET`] for a threshold.
    pub(super) set: u32,
    pub(super) missing_right: bool,
}

impl TreeNode {
    fn leaf(below: u32) -> Self {
        Self { cut: 0.0, column: LEAF_COLUMN, rank: 0, below, above: 0, set: NO_SET, missing_right: false }
    }

    fn split(column: u32, test: Test, first_set: u32) -> Self {
        let set = if test.set == NO_SET { NO_SET } else { first_set + test.set };
        let Test { cut, missing_right, .. } = test;
        Self { cut, column, rank: 0, below: 0, above: 0, set, missing_right }
    }
}

pub(super) const LEAF_COLUMN: u32 = u32::MAX;
/// Leaves that one bit vector holds.
pub(super) const BIT_LEAVES: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct BitTree {
    pub(super) slot: u32,
    pub(super) width: u32,
    /// Offset in `bit_values` of output 0; output k follows `stride · k` later. Leaves are numbered
    /// from left to right.
    pub(super) values: u32,
    /// 8 for up to eight leaves (one register), else the number of leaves.
    pub(super) stride: u32,
}

/// What one column's splits do.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSplits {
    /// Distinct cuts in ascending order, those of localizers (no split) included.
    pub(super) cuts: Vec<f64>,
    /// `splits[starts[i]..starts[i + 1]]` stand at `cuts[i]`.
    pub(super) starts: Vec<u32>,
    pub(super) splits: Vec<Split>,
    /// Bit-vector trees that split on this column.
    pub(super) used: Vec<u32>,
    /// Walked trees that split on this column.
    pub(super) walked: Vec<u32>,
    /// Where this column's words start in the arrays that hold one per (column, tree using it).
    pub(super) words: usize,
    /// What a missing value does, tree by tree.
    pub(super) missing: Vec<Split>,
    /// Codes that sets list, ascending, and what each does: `by_code[code_starts[i]..code_starts[i + 1]]`.
    pub(super) codes: Vec<u32>,
    pub(super) code_starts: Vec<u32>,
    pub(super) by_code: Vec<Split>,
    /// Whether some split on this column, of a walked tree or another, tests a set.
    pub(super) has_sets: bool,
}

impl ColumnSplits {
    /// Whether [`Self::lane_splits`] can be anything.
    pub(super) fn by_lane(&self) -> bool {
        !(self.missing.is_empty() && self.codes.is_empty())
    }

    /// What the value `x` does besides passing cuts.
    pub(super) fn lane_splits(&self, x: f64) -> &[Split] {
        if x.is_nan() {
            return &self.missing;
        }
        match code(x).and_then(|code| self.codes.binary_search(&code).ok()) {
            Some(i) => &self.by_code[self.code_starts[i] as usize..self.code_starts[i + 1] as usize],
            None => &[],
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// Leaves that stay when a row goes right: all but those of the left subtree.
    pub(super) keep: u64,
    pub(super) tree: u32,
    /// Position of `tree` in the column's `used`.
    pub(super) local: u32,
}

impl Forest {
    /// Compiles `members` for the box `[lower, upper]`. `kinks[d]` are further points of column d at
    /// which an interval must end. Rows may miss a value (NaN) where the bounds are NaN or not both
    /// finite, and only there.
    ///
    /// # Errors
    /// [`Error::Model`] when a feature reads a column that the box does not have.
    pub fn new(members: &[Member<'_>], lower: &[f64], upper: &[f64], kinks: &[Vec<f64>]) -> Result<Self> {
        Self::with_missing(members, lower, upper, &vec![false; lower.len()], kinks)
    }

    /// The same where rows may also miss a value in the columns `missing`. Then a column's cuts may lie outside the
    /// box, and below or above others that decide them for numbers: NaN takes other ways.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_missing(
        members: &[Member<'_>],
        lower: &[f64],
        upper: &[f64],
        missing: &[bool],
        kinks: &[Vec<f64>],
    ) -> Result<Self> {
        let n_columns = lower.len();
        let mut forest = Forest {
            n_columns,
            slots: Vec::new(),
            constant: Vec::new(),
            columns: vec![ColumnSplits::default(); n_columns],
            trees: Vec::new(),
            nodes: Vec::new(),
            sets: Sets::default(),
            leaves: Vec::new(),
            bit_trees: Vec::new(),
            bit_values: Vec::new(),
            walked: Vec::new(),
            sweep: (0..n_columns).collect(),
        };
        let mut reach: Vec<Reach> =
            lower.iter().zip(upper).zip(missing).map(|((&lo, &hi), &may)| Reach::new(lo, hi, may)).collect();
        for member in members {
            if member.columns.len() != member.model.n_features()
                || member.columns.iter().any(|&c| c >= n_columns)
            {
                return Err(Error::Model(format!(
                    "a model of {} features reads columns {:?} of a space of {n_columns}",
                    member.model.n_features(),
                    member.columns
                )));
            }
            let first_slot = forest.slots.len();
            let parts = member.model.parts();
            forest.slots.extend(parts.base.iter().map(|&base| Slot { base, unit: member.model.unit }));
            forest.constant.resize(forest.slots.len(), 0);
            let first_set = forest.sets.append(&member.model.sets);
            for (tree, &root) in member.model.roots.iter().enumerate() {
                let (arena, top) = prune(member.model, root, member.columns, &mut reach);
                let slot = first_slot + member.model.first_output[tree] as usize;
                forest.add_tree(member.model, &arena, top, slot, first_set);
            }
        }
        forest.sort_cuts(kinks);
        forest.build_bits();
        Ok(forest)
    }

    /// The same forest, swept in another order of its columns: those that move together one after another.
    pub(crate) fn swept(mut self, order: Vec<usize>) -> Self {
        self.sweep = order;
        self
    }

    pub fn n_slots(&self) -> usize {
        self.slots.len()
    }

    /// Distinct cuts of a column, ascending; a value equal to a cut belongs below it.
    pub fn cuts(&self, column: usize) -> &[f64] {
        &self.columns[column].cuts
    }

    /// Whether some split on the column tests a set: then it has no slices.
    pub fn has_sets(&self, column: usize) -> bool {
        self.columns[column].has_sets
    }

    /// Whether a row with the value `x` in the node's column goes right.
    #[inline]
    pub(super) fn goes_right(&self, node: &TreeNode, x: f64) -> bool {
        if x.is_nan() {
            node.missing_right
        } else if node.set == NO_SET {
            x > node.cut
        } else {
            self.sets.contains(node.set, x)
        }
    }

    /// Whether some trees have too many leaves for bit vectors and are walked lane by lane.
    pub fn walks(&self) -> bool {
        !self.walked.is_empty()
    }

    pub(super) fn leaf(&self, node: TreeNode, width: u32) -> &[i64] {
        &self.leaves[node.below as usize..(node.below + width) as usize]
    }

    fn add_tree(&mut self, model: &TreeEnsemble, arena: &[Pruned], top: u32, slot: usize, first_set: u32) {
        let width = model.width;
        if let Pruned::Leaf { node } = arena[top as usize] {
            for (sum, &value) in self.constant[slot..].iter_mut().zip(model.leaf_values(node)) {
                *sum += value;
            }
            return;
        }
        let tree = Tree { root: self.nodes.len() as u32, slot: slot as u32, width: width as u32 };
        // Depth first, left before right: leaves appear from left to right.
        let mut stack = vec![(top, u32::MAX, false)];
        while let Some((at, parent, is_left)) = stack.pop() {
            let here = self.nodes.len() as u32;
            if parent != u32::MAX {
                let parent = &mut self.nodes[parent as usize];
                *(if is_left { &mut parent.below } else { &mut parent.above }) = here;
            }
            match arena[at as usize] {
                Pruned::Leaf { node } => {
                    let below = self.leaves.len() as u32;
                    self.leaves.extend_from_slice(model.leaf_values(node));
                    self.nodes.push(TreeNode::leaf(below));
                }
                Pruned::Split { column, test, left, right } => {
                    self.nodes.push(TreeNode::split(column, test, first_set));
                    self.columns[column as usize].has_sets |= test.set != NO_SET;
                    stack.push((right, here, false));
                    stack.push((left, here, true));
                }
            }
        }
        self.trees.push(tree);
    }

    fn sort_cuts(&mut self, kinks: &[Vec<f64>]) {
        let thresholds = self.nodes.iter().filter(|n| n.column != LEAF_COLUMN && n.set == NO_SET);
        for node in thresholds {
            self.columns[node.column as usize].cuts.push(node.cut);
        }
        for (column, kinks) in self.columns.iter_mut().zip(kinks) {
            column.cuts.extend_from_slice(kinks);
        }
        for column in &mut self.columns {
            column.cuts.sort_by(f64::total_cmp);
            column.cuts.dedup();
        }
        for node in &mut self.nodes {
            if node.column != LEAF_COLUMN && node.set == NO_SET {
                let cuts = &self.columns[node.column as usize].cuts;
                node.rank = cuts.partition_point(|&c| c < node.cut) as u32;
            }
        }
    }
}
