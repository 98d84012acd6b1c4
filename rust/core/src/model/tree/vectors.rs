//! Bit vectors: what each split, code and missing value leaves of a tree's leaves.

use super::arrays::NO_SET;
use super::forest::{BIT_LEAVES, BitTree, Forest, LEAF_COLUMN, Split, TreeNode};

impl Forest {
    /// Turns the trees that are small enough into bit vectors.
    pub(super) fn build_bits(&mut self) {
        // (rank, split) per column, before grouping by cut.
        let mut splits: Vec<Vec<(u32, Split)>> = vec![Vec::new(); self.n_columns];
        // (code, split) per column.
        let mut by_code: Vec<Vec<(u32, Split)>> = vec![Vec::new(); self.n_columns];
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
                let split = Split { keep: !left, tree: bit, local };
                if node.set == NO_SET {
                    splits[node.column as usize].push((node.rank, split));
                } else {
                    let codes = self.sets.codes(node.set);
                    by_code[node.column as usize].extend(codes.iter().map(|&code| (code, split)));
                }
                if node.missing_right {
                    let missing = &mut self.columns[node.column as usize].missing;
                    match missing.last_mut().filter(|last| last.tree == bit) {
                        Some(last) => last.keep &= split.keep,
                        None => missing.push(split),
                    }
                }
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
        for ((column, mut splits), mut by_code) in self.columns.iter_mut().zip(splits).zip(by_code) {
            splits.sort_by_key(|&(rank, split)| (rank, split.tree));
            column.starts = vec![0; column.cuts.len() + 1];
            for &(rank, _) in &splits {
                column.starts[rank as usize + 1] += 1;
            }
            for i in 1..column.starts.len() {
                column.starts[i] += column.starts[i - 1];
            }
            column.splits = splits.into_iter().map(|(_, split)| split).collect();
            by_code.sort_by_key(|&(code, split)| (code, split.tree));
            for (code, split) in by_code {
                if column.codes.last() != Some(&code) {
                    column.codes.push(code);
                    column.code_starts.push(column.by_code.len() as u32);
                }
                let start = column.code_starts[column.codes.len() - 1] as usize;
                match column.by_code[start..].last_mut().filter(|last| last.tree == split.tree) {
                    Some(last) => last.keep &= split.keep,
                    None => column.by_code.push(split),
                }
            }
            column.code_starts.push(column.by_code.len() as u32);
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
