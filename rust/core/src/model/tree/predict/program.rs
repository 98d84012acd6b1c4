//! A tree as a straight list of operations on masks, one bit a row.
//!
//! Every split is compared with all rows at once. A leaf's number in binary is found plane by plane from
//! the bottom up: below a split, plane j of a row is that of the right subtree where the row goes right,
//! else that of the left one. Leaves are numbered along a Gray code, so that neighbours share all planes
//! but one and most of this selection is between equals and costs nothing.

use std::collections::HashMap;

use super::super::arrays::{LEAF, NO_SET, TreeEnsemble};
use super::inputs::{FEW_CODES, Input, Inputs};
use super::top::{LEAVES, Top, subtree_leaves};
use super::walk::{Walker, set_table};

const ZEROS: u16 = 0;
const ONES: u16 = 1;
/// The first masks are the constants and what selection keeps at a time: with the larger subtree first
/// never more than 12 planes on each of 12 levels, and 12 of either side.
pub(super) const FIRST_TEST: usize = 256;
/// Tests that share one pool of masks: more would leave the second-level cache, and the numbers of masks
/// their sixteen bits.
const MOST_TESTS: usize = 7_900;
/// Binary digits of a leaf's number.
pub(super) const PLANES: usize = LEAVES.trailing_zeros() as usize;

/// `number >= at` for the numbers of one input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compare {
    pub(super) input: u32,
    pub(super) at: u16,
}

/// Whether the category is in the set whose table begins at `table`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) input: u32,
    pub(super) table: u32,
}

/// `to = mask ? right : left`, bit by bit. One word, sixteen bits a mask: taken apart by shifts. Numbers
/// of masks times eight, what is left of an address after its scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Select(u64);

impl Select {
    fn new([mask, right, left, to]: [u16; 4]) -> Self {
        Self([mask, right, left, to].iter().rev().fold(0, |word, &slot| word << 16 | u64::from(slot * 8)))
    }

    /// Eight times the numbers of mask, right, left and to.
    #[inline(always)]
    pub(super) fn parts(self) -> [usize; 4] {
        [self.0, self.0 >> 16, self.0 >> 32, self.0 >> 48].map(|part| usize::from(part as u16))
    }
}

/// The operations of all trees, one kind after another, and where each tree's lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    pub(super) pools: Vec<Pool>,
    pub(super) trees: Vec<Program>,
    /// Masks that a block of rows needs.
    pub(super) n_masks: usize,
    pub(super) bytes: Vec<Compare>,
    pub(super) words: Vec<Compare>,
    pub(super) few: Vec<Listed>,
    pub(super) many: Vec<Listed>,
    pub(super) selects: Vec<Select>,
    /// For `few`: 255 where the category goes right.
    pub(super) few_tables: Vec<[u8; FEW_CODES]>,
    /// For `many`: bit tables.
    pub(super) many_tables: Vec<u64>,
    /// Leaf values, output by output, a power of two of entries each.
    pub(super) singles: Vec<f32>,
    pub(super) doubles: Vec<f64>,
    /// Where a walk begins for each number of a tree that is too large.
    pub(super) starts: Vec<u32>,
}

/// Trees whose tests are done together: all, if they share most of them, else one. Masks of tests follow
/// each other from [`FIRST_TEST`] on in the order of the ranges.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    pub(super) bytes: (u32, u32),
    pub(super) words: (u32, u32),
    pub(super) few: (u32, u32),
    pub(super) many: (u32, u32),
    pub(super) trees: (u32, u32),
}

/// What a split tests: kind, input, and threshold or table.
type Test = (u8, u32, u32);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Program {
    pub(super) selects: (u32, u32),
    /// Slots of the planes, [`ZEROS`] beyond `n_planes`.
    pub(super) planes: [u16; PLANES],
    pub(super) n_planes: u32,
    pub(super) first_output: u32,
    /// Offset of the first table in `singles` or `doubles`, or in `starts` where rows walk on.
    pub(super) table: u32,
    /// Entries of a table; 0 where rows walk on.
    pub(super) size: u32,
}

impl Programs {
    /// None where there is too much to number.
    pub(super) fn new(model: &TreeEnsemble, inputs: &Inputs, walker: &Walker) -> Option<Self> {
        let mut programs = Self::default();
        let sizes = subtree_leaves(model);
        let mut tables = HashMap::new();
        let mut covered = vec![0; model.nodes.len()];
        let tops: Vec<(Top, Vec<Test>)> = model
            .roots
            .iter()
            .map(|&root| {
                let top = Top::new(model, &sizes, root, &mut covered);
                let tests = top
                    .splits
                    .iter()
                    .map(|&split| programs.test(model, inputs, split, &mut tables))
                    .collect();
                (top, tests)
            })
            .collect();
        let all = distinct(tops.iter().flat_map(|(_, tests)| tests));
        let total: usize = tops.iter().map(|(_, tests)| tests.len()).sum();
        let together = all.len() <= MOST_TESTS && (2 * all.len() <= total || tops.len() == 1);
        let mut slots = vec![0; model.nodes.len()];
        for trees in tops.chunks(if together { tops.len() } else { 1 }) {
            let tests =
                if together { all.clone() } else { distinct(trees.iter().flat_map(|(_, tests)| tests)) };
            let mut pool = programs.pool(&tests);
            programs.n_masks = programs.n_masks.max(FIRST_TEST + tests.len());
            for (top, own) in trees {
                for (&split, test) in top.splits.iter().zip(own) {
                    let place = tests.binary_search(test).unwrap_or_default();
                    slots[split as usize] = (FIRST_TEST + place) as u16;
                }
                let tree = programs.trees.len();
                let mut compiler = Compiler::new(model, &covered, &slots);
                let mut program = Program {
                    n_planes: top.leaves.len().next_power_of_two().trailing_zeros(),
                    first_output: model.first_output[tree],
                    ..Program::default()
                };
                program.planes = compiler.planes(model.roots[tree], 0);
                program.selects.0 = programs.selects.len() as u32;
                programs.selects.append(&mut compiler.selects);
                program.selects.1 = programs.selects.len() as u32;
                programs.tables(model, walker, top, &mut program);
                programs.trees.push(program);
            }
            pool.trees = ((programs.trees.len() - trees.len()) as u32, programs.trees.len() as u32);
            programs.pools.push(pool);
        }
        let longest = [
            programs.bytes.len(),
            programs.words.len(),
            programs.selects.len(),
            programs.singles.len(),
            programs.doubles.len(),
            programs.starts.len(),
            programs.many_tables.len(),
        ];
        longest.iter().all(|&n| n < u32::MAX as usize).then_some(programs)
    }

    fn test(
        &mut self,
        model: &TreeEnsemble,
        inputs: &Inputs,
        split: u32,
        tables: &mut HashMap<(u32, u32, bool), u32>,
    ) -> Test {
        let node = &model.nodes[split as usize];
        let (input, at) = inputs.of(node);
        if node.set == NO_SET {
            return match input {
                Input::Byte(i) => (0, i, u32::from(at)),
                Input::Word(i) => (1, i, u32::from(at)),
            };
        }
        let codes = inputs.codes(node.feature);
        let table = *tables.entry((node.feature, node.set, node.missing_right)).or_insert_with(|| {
            let bits = set_table(model, codes, node);
            match input {
                Input::Byte(_) => {
                    let right = |i: usize| if bits[0] >> i & 1 == 1 { 255 } else { 0 };
                    self.few_tables.push(std::array::from_fn(right));
                    self.few_tables.len() as u32 - 1
                }
                Input::Word(_) => {
                    self.many_tables.extend(&bits);
                    (self.many_tables.len() - bits.len()) as u32
                }
            }
        });
        match input {
            Input::Byte(i) => (2, i, table),
            Input::Word(i) => (3, i, table),
        }
    }

    /// Writes down tests, which ascend.
    fn pool(&mut self, tests: &[Test]) -> Pool {
        let mut pool = Pool::default();
        pool.bytes.0 = self.bytes.len() as u32;
        pool.words.0 = self.words.len() as u32;
        pool.few.0 = self.few.len() as u32;
        pool.many.0 = self.many.len() as u32;
        for &(kind, input, value) in tests {
            match kind {
                0 => self.bytes.push(Compare { input, at: value as u16 }),
                1 => self.words.push(Compare { input, at: value as u16 }),
                2 => self.few.push(Listed { input, table: value }),
                _ => self.many.push(Listed { input, table: value }),
            }
        }
        pool.bytes.1 = self.bytes.len() as u32;
        pool.words.1 = self.words.len() as u32;
        pool.few.1 = self.few.len() as u32;
        pool.many.1 = self.many.len() as u32;
        pool
    }

    fn tables(&mut self, model: &TreeEnsemble, walker: &Walker, top: &Top, program: &mut Program) {
        let n = top.leaves.len();
        if top.leaves.iter().any(|&leaf| model.nodes[leaf as usize].left != LEAF) {
            program.table = self.starts.len() as u32;
            self.starts.resize(self.starts.len() + n.next_power_of_two(), 0);
            for (i, &leaf) in top.leaves.iter().enumerate() {
                self.starts[program.table as usize + gray(i)] = walker.number(leaf);
            }
            return;
        }
        let size = n.next_power_of_two().max(SMALLEST_TABLE);
        program.size = size as u32;
        let float32 = model.parts().float32;
        program.table = if float32 { self.singles.len() } else { self.doubles.len() } as u32;
        for k in 0..model.width {
            let at = if float32 { self.singles.len() } else { self.doubles.len() };
            if float32 {
                self.singles.resize(at + size, 0.0);
            } else {
                self.doubles.resize(at + size, 0.0);
            }
            for (i, &leaf) in top.leaves.iter().enumerate() {
                let value = model.parts().value[leaf as usize * model.width + k];
                if float32 {
                    self.singles[at + gray(i)] = value as f32;
                } else {
                    self.doubles[at + gray(i)] = value;
                }
            }
        }
    }
}

/// Entries of the smallest leaf table: one register of single precision.
pub(super) const SMALLEST_TABLE: usize = 16;

/// Distinct tests, ascending.
fn distinct<'a>(tests: impl Iterator<Item = &'a Test>) -> Vec<Test> {
    let mut tests: Vec<Test> = tests.copied().collect();
    tests.sort_unstable();
    tests.dedup();
    tests
}

fn gray(i: usize) -> usize {
    i ^ (i >> 1)
}

struct Compiler<'a> {
    model: &'a TreeEnsemble,
    /// Leaves that a program numbers below each of its splits; 0 elsewhere.
    covered: &'a [u32],
    /// Masks of splits.
    slots: &'a [u16],
    selects: Vec<Select>,
    /// Masks that nothing needs any more, and the first one that nothing has needed yet.
    free: Vec<u16>,
    next: u16,
}

impl<'a> Compiler<'a> {
    fn new(model: &'a TreeEnsemble, covered: &'a [u32], slots: &'a [u16]) -> Self {
        Self { model, covered, slots, selects: Vec::new(), free: Vec::new(), next: 2 }
    }

    /// The planes of the numbers below `node`, whose first leaf is number `first`. The recursion is as
    /// deep as the top of a tree.
    fn planes(&mut self, node: u32, first: usize) -> [u16; PLANES] {
        if self.covered[node as usize] == 0 {
            let number = gray(first);
            return std::array::from_fn(|j| if number >> j & 1 == 1 { ONES } else { ZEROS });
        }
        let mask = self.slots[node as usize];
        let node = self.model.nodes[node as usize];
        let [below, above] = [node.left, node.right].map(|child| self.covered[child as usize].max(1));
        let middle = first + below as usize;
        let (left, right);
        if below >= above {
            left = self.planes(node.left, first);
            right = self.planes(node.right, middle);
        } else {
            right = self.planes(node.right, middle);
            left = self.planes(node.left, first);
        }
        let mut planes = [ZEROS; PLANES];
        for j in 0..PLANES {
            let (left, right) = (left[j], right[j]);
            planes[j] = if left == right {
                left
            } else if (left, right) == (ZEROS, ONES) {
                mask
            } else {
                let to = self.free.pop().unwrap_or_else(|| {
                    self.next += 1;
                    self.next - 1
                });
                self.selects.push(Select::new([mask, right, left, to]));
                to
            };
        }
        for side in [left, right] {
            for slot in side {
                let temporary = (2..FIRST_TEST as u16).contains(&slot);
                if temporary && !planes.contains(&slot) && !self.free.contains(&slot) {
                    self.free.push(slot);
                }
            }
        }
        planes
    }
}
