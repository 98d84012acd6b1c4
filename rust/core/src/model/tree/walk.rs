//! Trees with more leaves than a bit vector holds: walked lane by lane.

use super::forest::{Forest, LEAF_COLUMN};
use crate::simd::{LANES, Lanes};

/// Where a walk over the leaves along a column goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    node: u32,
    /// Cuts of the column that the values have passed.
    passed: u32,
    /// The first cut that they have not.
    below: u32,
}

impl Forest {
    /// Adds the walked trees' leaf values to `sums`.
    pub(super) fn add_walked(&self, x: &[Lanes<f64>], sums: &mut [Lanes<u64>]) {
        for &index in &self.walked {
            let tree = self.trees[index as usize];
            for lane in 0..LANES {
                let mut node = self.nodes[tree.root as usize];
                while node.column != LEAF_COLUMN {
                    let right = self.goes_right(&node, x[node.column as usize][lane]);
                    node = self.nodes[(if right { node.above } else { node.below }) as usize];
                }
                for (sum, &value) in sums[tree.slot as usize..].iter_mut().zip(self.leaf(node, tree.width)) {
                    sum[lane] = sum[lane].wrapping_add(value as u64);
                }
            }
        }
    }

    /// For every walked tree that uses `column`: how its leaf values change at each cut of that column
    /// when all other columns stay. `deltas[rank · n_slots + slot]` must be zero on entry; ranks at
    /// which some lane changed are marked in `touched`.
    pub(super) fn walked_deltas(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        stack: &mut Vec<Walked>,
        deltas: &mut [Lanes<u64>],
        touched: &mut [bool],
    ) {
        let n_slots = self.n_slots();
        for &index in &self.columns[column].walked {
            let tree = self.trees[index as usize];
            for lane in 0..LANES {
                let mut previous: Option<&[i64]> = None;
                stack.clear();
                stack.push(Walked { node: tree.root, passed: 0, below: u32::MAX });
                // In-order over the leaves that numbers in the column can reach: ranks ascend. Splits that an
                // earlier one decides are there where NaN can take them.
                while let Some(Walked { node, passed, mut below }) = stack.pop() {
                    let mut node = self.nodes[node as usize];
                    while node.column != LEAF_COLUMN {
                        let right = if node.column as usize == column {
                            if node.rank < passed {
                                true
                            } else {
                                if node.rank < below {
                                    stack.push(Walked { node: node.above, passed: node.rank + 1, below });
                                    below = node.rank;
                                }
                                false
                            }
                        } else {
                            self.goes_right(&node, x[node.column as usize][lane])
                        };
                        node = self.nodes[(if right { node.above } else { node.below }) as usize];
                    }
                    let leaf = self.leaf(node, tree.width);
                    if let Some(previous) = previous {
                        let entered = passed as usize - 1;
                        let at = entered * n_slots + tree.slot as usize;
                        for (k, (&new, &old)) in leaf.iter().zip(previous).enumerate() {
                            let delta = &mut deltas[at + k][lane];
                            *delta = delta.wrapping_add(new.wrapping_sub(old) as u64);
                        }
                        touched[entered] = true;
                    }
                    previous = Some(leaf);
                }
            }
        }
    }
}
