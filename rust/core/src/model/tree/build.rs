//! Cuts a tree down to a box: splits that the box or the path has decided already disappear, and
//! sibling leaves of equal value become one.

use super::arrays::{LEAF, TreeEnsemble};

/// A node of a pruned tree; children are indices into the same arena, leaves point to an imported node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pruned {
    Leaf { node: u32 },
    Split { column: u32, cut: f64, left: u32, right: u32 },
}

enum Task {
    /// Visit an imported node and hang the result below `parent` (left or right).
    Enter {
        node: u32,
        parent: u32,
        left: bool,
    },
    Bounds {
        column: u32,
        lower: f64,
        upper: f64,
    },
    Merge {
        at: u32,
    },
}

const NO_PARENT: u32 = u32::MAX;

/// The tree below `root` on the box `[lower, upper]` of the space; `columns[f]` is the column that
/// feature f reads. Returns the arena, its root last-but-reachable at the returned index. An explicit
/// stack: a degenerate tree may be as deep as it has nodes.
pub(super) fn prune(
    model: &TreeEnsemble,
    root: u32,
    columns: &[usize],
    lower: &mut [f64],
    upper: &mut [f64],
) -> (Vec<Pruned>, u32) {
    let mut arena: Vec<Pruned> = Vec::new();
    let mut top = 0;
    let mut tasks = vec![Task::Enter { node: root, parent: NO_PARENT, left: false }];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Bounds { column, lower: lo, upper: hi } => {
                lower[column as usize] = lo;
                upper[column as usize] = hi;
            }
            Task::Enter { mut node, parent, left } => {
                let pruned = loop {
                    let n = model.nodes[node as usize];
                    if n.left == LEAF {
                        break Pruned::Leaf { node };
                    }
                    let column = columns[n.feature as usize];
                    if upper[column] <= n.cut {
                        node = n.left;
                    } else if lower[column] > n.cut {
                        node = n.right;
                    } else {
                        break Pruned::Split {
                            column: column as u32,
                            cut: n.cut,
                            left: n.left,
                            right: n.right,
                        };
                    }
                };
                let at = arena.len() as u32;
                arena.push(pruned);
                hang(&mut arena, &mut top, parent, left, at);
                if let Pruned::Split { column, cut, left: below, right: above } = pruned {
                    let (lo, hi) = (lower[column as usize], upper[column as usize]);
                    tasks.push(Task::Merge { at });
                    tasks.push(Task::Bounds { column, lower: lo, upper: hi });
                    tasks.push(Task::Enter { node: above, parent: at, left: false });
                    tasks.push(Task::Bounds { column, lower: cut.next_up(), upper: hi });
                    tasks.push(Task::Enter { node: below, parent: at, left: true });
                    tasks.push(Task::Bounds { column, lower: lo, upper: cut });
                }
            }
            Task::Merge { at } => {
                if let Pruned::Split { left, right, .. } = arena[at as usize]
                    && let (Pruned::Leaf { node: a }, Pruned::Leaf { node: b }) =
                        (arena[left as usize], arena[right as usize])
                    && model.leaf_values(a) == model.leaf_values(b)
                {
                    arena[at as usize] = Pruned::Leaf { node: a };
                }
            }
        }
    }
    (arena, top)
}

fn hang(arena: &mut [Pruned], top: &mut u32, parent: u32, is_left: bool, at: u32) {
    if parent == NO_PARENT {
        *top = at;
        return;
    }
    if let Pruned::Split { left, right, .. } = &mut arena[parent as usize] {
        *(if is_left { left } else { right }) = at;
    }
}
