//! The part of a tree that bits evaluate: all of it, unless it is very large or deep.

use std::collections::BinaryHeap;

use super::super::arrays::{LEAF, TreeEnsemble};

/// Leaves, and splits one below the other, that a program covers; where a tree has more, rows walk on.
pub(super) const LEAVES: usize = 4_096;
const LEVELS: u32 = 200;

/// Leaves below every node that is part of a tree.
pub(super) fn subtree_leaves(model: &TreeEnsemble) -> Vec<u32> {
    let mut leaves = vec![0_u32; model.nodes.len()];
    let mut order = Vec::with_capacity(model.nodes.len());
    for &root in &model.roots {
        let start = order.len();
        order.push(root);
        let mut at = start;
        while let Some(&node) = order.get(at) {
            let node = model.nodes[node as usize];
            if node.left != LEAF {
                order.extend([node.left, node.right]);
            }
            at += 1;
        }
    }
    for &i in order.iter().rev() {
        let node = model.nodes[i as usize];
        leaves[i as usize] =
            if node.left == LEAF { 1 } else { leaves[node.left as usize] + leaves[node.right as usize] };
    }
    leaves
}

/// The part of a tree that a program evaluates: all of it, or the splits with the most leaves below.
#[derive(Debug, Default)]
pub(super) struct Top {
    pub(super) splits: Vec<u32>,
    /// From left to right: leaves, or splits where rows walk on.
    pub(super) leaves: Vec<u32>,
}

impl Top {
    /// Sets `covered`, zero before, to the number of entries of `leaves` below each split of the top.
    pub(super) fn new(model: &TreeEnsemble, sizes: &[u32], root: u32, covered: &mut [u32]) -> Self {
        let mut heap = BinaryHeap::from([(sizes[root as usize], root, 0)]);
        let mut n = 1;
        while n < LEAVES {
            let Some((size, node, level)) = heap.pop() else { break };
            if size < 2 {
                break;
            }
            if level == LEVELS {
                continue;
            }
            covered[node as usize] = 1;
            n += 1;
            let node = model.nodes[node as usize];
            heap.push((sizes[node.left as usize], node.left, level + 1));
            heap.push((sizes[node.right as usize], node.right, level + 1));
        }
        let mut top = Self::default();
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if covered[node as usize] > 0 {
                top.splits.push(node);
                stack.push(model.nodes[node as usize].right);
                stack.push(model.nodes[node as usize].left);
            } else {
                top.leaves.push(node);
            }
        }
        // Children come after their parents.
        for &split in top.splits.iter().rev() {
            let node = model.nodes[split as usize];
            let below = covered[node.left as usize].max(1);
            covered[split as usize] = below + covered[node.right as usize].max(1);
        }
        top
    }
}
