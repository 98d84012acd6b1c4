//! All trees of a question, compiled for one box of the space.

use super::arrays::TreeEnsemble;
use super::build::{Pruned, prune};
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
    /// Leaf vectors, `width` integers per leaf, for walks and smoothing.
    pub(super) leaves: Vec<i64>,
    /// Trees small enough for bit vectors, in the order of `bit_trees`.
    pub(super) bit_trees: Vec<BitTree>,
    pub(super) bit_values: Vec<u64>,
    /// Indices in `trees` of those that are walked.
    pub(super) walked: Vec<u32>,
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
    /// which an interval must end.
    ///
    /// # Errors
    /// [`Error::Model`] when a feature reads a column that the box does not have.
    pub fn new(members: &[Member<'_>], lower: &[f64], upper: &[f64], kinks: &[Vec<f64>]) -> Result<Self> {
        let n_columns = lower.len();
        let mut forest = Forest {
            n_columns,
            slots: Vec::new(),
            constant: Vec::new(),
            columns: vec![ColumnSplits::default(); n_columns],
            trees: Vec::new(),
            nodes: Vec::new(),
            leaves: Vec::new(),
            bit_trees: Vec::new(),
            bit_values: Vec::new(),
            walked: Vec::new(),
        };
        let (mut lower_now, mut upper_now) = (lower.to_vec(), upper.to_vec());
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
            for (tree, &root) in member.model.roots.iter().enumerate() {
                let (arena, top) = prune(member.model, root, member.columns, &mut lower_now, &mut upper_now);
                let slot = first_slot + member.model.first_output[tree] as usize;
                forest.add_tree(member.model, &arena, top, slot);
            }
        }
        forest.sort_cuts(kinks);
        forest.build_bits();
        Ok(forest)
    }

    pub fn n_slots(&self) -> usize {
        self.slots.len()
    }

    /// Distinct cuts of a column, ascending; a value equal to a cut belongs below it.
    pub fn cuts(&self, column: usize) -> &[f64] {
        &self.columns[column].cuts
    }

    /// Whether some trees have too many leaves for bit vectors and are walked lane by lane.
    pub fn walks(&self) -> bool {
        !self.walked.is_empty()
    }

    pub(super) fn leaf(&self, node: TreeNode, width: u32) -> &[i64] {
        &self.leaves[node.below as usize..(node.below + width) as usize]
    }

    fn add_tree(&mut self, model: &TreeEnsemble, arena: &[Pruned], top: u32, slot: usize) {
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
                    self.nodes.push(TreeNode { cut: 0.0, column: LEAF_COLUMN, rank: 0, below, above: 0 });
                }
                Pruned::Split { column, cut, left, right } => {
                    self.nodes.push(TreeNode { cut, column, rank: 0, below: 0, above: 0 });
                    stack.push((right, here, false));
                    stack.push((left, here, true));
                }
            }
        }
        self.trees.push(tree);
    }

    fn sort_cuts(&mut self, kinks: &[Vec<f64>]) {
        for node in self.nodes.iter().filter(|n| n.column != LEAF_COLUMN) {
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
            if node.column != LEAF_COLUMN {
                let cuts = &self.columns[node.column as usize].cuts;
                node.rank = cuts.partition_point(|&c| c < node.cut) as u32;
            }
        }
    }

    fn build_bits(&mut self) {
        // (rank, split) per column, before grouping by cut.
        let mut splits: Vec<Vec<(u32, Split)>> = vec![Vec::new(); self.n_columns];
        for (index, tree) in self.trees.iter().enumerate() {
            let mut found = Vec::new();
            let leaves = leaf_ranges(&self.nodes, tree.root, &mut found);
            let mut columns: Vec<u32> = found.iter().map(|f| self.nodes[f.node as usize].column).collect();
            columns.sort_unstable();
            columns.dedup();
            if leaves.len() > BIT_LEAVES {
                self.walked.push(index as u32);
                for column in columns {
                    self.columns[column as usize].walked.push(index as u32);
                }
                continue;
            }
            let bit = self.bit_trees.len() as u32;
            for &column in &columns {
                self.columns[column as usize].used.push(bit);
            }
            for f in &found {
                let node = self.nodes[f.node as usize];
                let left = (u64::MAX >> (64 - (f.middle - f.first))) << f.first;
                let local = self.columns[node.column as usize].used.len() as u32 - 1;
                splits[node.column as usize].push((node.rank, Split { keep: !left, tree: bit, local }));
            }
            let stride = if leaves.len() <= 8 { 8 } else { leaves.len() };
            let values = self.bit_values.len() as u32;
            for k in 0..tree.width {
                let start = self.bit_values.len();
                self.bit_values.extend(
                    leaves
                        .iter()
                        .map(|&leaf| self.leaves[(self.nodes[leaf as usize].below + k) as usize] as u64),
                );
                self.bit_values.resize(start + stride, 0);
            }
            self.bit_trees.push(BitTree {
                slot: tree.slot,
                width: tree.width,
                values,
                stride: stride as u32,
            });
        }
        // Room for a full 64-entry window behind the last table.
        self.bit_values.resize(self.bit_values.len() + BIT_LEAVES, 0);
        let mut words = 0;
        for (column, mut splits) in self.columns.iter_mut().zip(splits) {
            splits.sort_by_key(|&(rank, split)| (rank, split.tree));
            column.starts = vec![0; column.cuts.len() + 1];
            for &(rank, _) in &splits {
                column.starts[rank as usize + 1] += 1;
            }
            for i in 1..column.starts.len() {
                column.starts[i] += column.starts[i - 1];
            }
            column.splits = splits.into_iter().map(|(_, split)| split).collect();
            column.words = words;
            words += column.used.len();
        }
    }
}

/// A split and the leaves below it: `first..middle` left, `middle..` right.
struct Found {
    node: u32,
    first: u32,
    middle: u32,
}

/// The leaves of a tree from left to right, and for each split where its halves begin.
fn leaf_ranges(nodes: &[TreeNode], root: u32, found: &mut Vec<Found>) -> Vec<u32> {
    enum Visit {
        Enter(u32),
        Between(usize),
    }
    let mut leaves = Vec::new();
    let mut stack = vec![Visit::Enter(root)];
    while let Some(visit) = stack.pop() {
        match visit {
            Visit::Between(at) => found[at].middle = leaves.len() as u32,
            Visit::Enter(i) => {
                let node = nodes[i as usize];
                if node.column == LEAF_COLUMN {
                    leaves.push(i);
                } else {
                    found.push(Found { node: i, first: leaves.len() as u32, middle: 0 });
                    stack.push(Visit::Enter(node.above));
                    stack.push(Visit::Between(found.len() - 1));
                    stack.push(Visit::Enter(node.below));
                }
            }
        }
    }
    leaves
}
