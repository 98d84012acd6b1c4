//! Cuts a tree down to a box: splits that the box or the path has decided already disappear, and
//! sibling leaves of equal value become one.

use super::arrays::{LEAF, NO_SET, TreeEnsemble};

/// A node of a pruned tree; children are indices into the same arena, leaves point to an imported node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pruned {
    Leaf { node: u32 },
    Split { column: u32, test: Test, left: u32, right: u32 },
}

/// What sends a row right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) cut: f64,
    /// Index in the model's sets; [`NO_SET`] for a threshold.
    pub(super) set: u32,
    pub(super) missing_right: bool,
}

/// The values of one column that can reach a node: an interval, which may be empty, and NaN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) missing: bool,
}

impl Reach {
    /// NaN can occur in a column whose bounds are NaN (then nothing else can), or not both finite and
    /// apart, or where it `may`.
    pub(super) fn new(lower: f64, upper: f64, may: bool) -> Self {
        let open = lower != upper && !(lower.is_finite() && upper.is_finite());
        Self { lower, upper, missing: may || open }
    }

    /// Whether some value goes left, and whether some goes right.
    fn ways(self, model: &TreeEnsemble, test: Test) -> (bool, bool) {
        let Self { lower, upper, missing } = self;
        let (left, right) = if test.set == NO_SET {
            (lower <= upper && lower <= test.cut, lower <= upper && upper > test.cut)
        } else if lower == upper {
            let listed = model.sets.contains(test.set, lower);
            (!listed, listed)
        } else {
            (lower < upper, lower < upper)
        };
        (left || missing && !test.missing_right, right || missing && test.missing_right)
    }

    fn below(self, test: Test) -> Self {
        let upper = if test.set == NO_SET { self.upper.min(test.cut) } else { self.upper };
        Self { upper, missing: self.missing && !test.missing_right, ..self }
    }

    fn above(self, test: Test) -> Self {
        let lower = if test.set == NO_SET { self.lower.max(test.cut.next_up()) } else { self.lower };
        Self { lower, missing: self.missing && test.missing_right, ..self }
    }
}

enum Task {
    /// Visit an imported node and hang the result below `parent` (left or right).
    Enter {
        node: u32,
        parent: u32,
        left: bool,
    },
    Reach {
        column: u32,
        reach: Reach,
    },
    Merge {
        at: u32,
    },
}

const NO_PARENT: u32 = u32::MAX;

/// The tree below `root` for values within `reach`; `columns[f]` is the column that feature f reads.
/// Returns the arena and the index of its root. An explicit stack: a degenerate tree may be as deep as
/// it has nodes.
pub(super) fn prune(
    model: &TreeEnsemble,
    root: u32,
    columns: &[usize],
    reach: &mut [Reach],
) -> (Vec<Pruned>, u32) {
    let mut arena: Vec<Pruned> = Vec::new();
    let mut top = 0;
    let mut tasks = vec![Task::Enter { node: root, parent: NO_PARENT, left: false }];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Reach { column, reach: now } => reach[column as usize] = now,
            Task::Enter { mut node, parent, left } => {
                let pruned = loop {
                    let n = model.nodes[node as usize];
                    if n.left == LEAF {
                        break Pruned::Leaf { node };
                    }
                    let column = columns[n.feature as usize];
                    let test = Test { cut: n.cut, set: n.set, missing_right: n.missing_right };
                    match reach[column].ways(model, test) {
                        (_, false) => node = n.left,
                        (false, true) => node = n.right,
                        (true, true) => {
                            break Pruned::Split {
                                column: column as u32,
                                test,
                                left: n.left,
                                right: n.right,
                            };
                        }
                    }
                };
                let at = arena.len() as u32;
                arena.push(pruned);
                hang(&mut arena, &mut top, parent, left, at);
                if let Pruned::Split { column, test, left: below, right: above } = pruned {
                    let here = reach[column as usize];
                    tasks.push(Task::Merge { at });
                    tasks.push(Task::Reach { column, reach: here });
                    tasks.push(Task::Enter { node: above, parent: at, left: false });
                    tasks.push(Task::Reach { column, reach: here.above(test) });
                    tasks.push(Task::Enter { node: below, parent: at, left: true });
                    tasks.push(Task::Reach { column, reach: here.below(test) });
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
