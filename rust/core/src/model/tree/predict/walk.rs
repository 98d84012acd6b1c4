//! Several walks at once: trees of one row, or rows of one tree. One walk waits for each load; eight of
//! them keep the loads coming.

use super::super::arrays::{LEAF, NO_SET, Node, TreeEnsemble};
use super::super::sets;
use crate::simd::Level;

/// Walks side by side.
pub(super) const WALKS: usize = 8;
/// Trees that one row goes through at once: four registers of sixteen, or eight of eight.
pub(super) const AT_ONCE: usize = 64;

/// A node of 16 bytes; the right child follows the left one. A leaf is its own child and reads an entry
/// of the row that is never greater than anything.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct WalkNode {
    /// The cut; the bits are a set's offset in `words` at a set, and a leaf's value (width 1) or the
    /// offset of its values at a leaf.
    cut: f64,
    child: u32,
    /// Entry of the extended row, with [`SET`] at a set.
    entry: u32,
}

const SET: u32 = 1 << 31;

/// What an entry of the extended row is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// The value; NaN is never greater than a cut and goes left.
    Plain,
    /// The value with NaN above all cuts but infinity.
    MissingHigh,
    /// 1 where the value is missing, else 0: for nodes that send right nothing else.
    Missing,
    /// The category's number in bits: 0 for what no set lists, then the listed codes, then NaN.
    Code,
}

/// All trees, breadth first, for rows extended by what missing values and categories need.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    nodes: Vec<WalkNode>,
    roots: Vec<u32>,
    /// New number of every imported node.
    numbers: Vec<u32>,
    entries: Vec<(u32, Entry)>,
    codes: Vec<Vec<u32>>,
    /// Bit tables of sets.
    words: Vec<u64>,
    has_sets: bool,
    vectors: Vec<f64>,
    width: usize,
}

impl Walker {
    pub(super) fn new(model: &TreeEnsemble) -> Self {
        let d = model.n_features();
        let entries = (0..d as u32).map(|column| (column, Entry::Plain)).collect();
        let mut walker = Self {
            nodes: Vec::with_capacity(model.nodes.len()),
            roots: Vec::with_capacity(model.roots.len()),
            numbers: vec![0; model.nodes.len()],
            entries,
            codes: listed_codes(model),
            words: vec![0],
            has_sets: false,
            vectors: Vec::new(),
            width: model.width,
        };
        let mut extra = std::collections::HashMap::new();
        let mut offsets = std::collections::HashMap::new();
        for &root in &model.roots {
            walker.roots.push(walker.nodes.len() as u32);
            let mut queue = vec![root];
            let first = walker.nodes.len();
            walker.nodes.push(BLANK);
            let mut next = 0;
            while let Some(&old) = queue.get(next) {
                let here = first + next;
                next += 1;
                walker.numbers[old as usize] = here as u32;
                let node = model.nodes[old as usize];
                if node.left == LEAF {
                    let cut = walker.leaf(model, old);
                    walker.nodes[here] = WalkNode { cut, child: here as u32, entry: u32::MAX };
                    continue;
                }
                let child = walker.nodes.len() as u32;
                queue.extend([node.left, node.right]);
                walker.nodes.extend([BLANK; 2]);
                let (kind, cut) = walker.test(model, &node, &mut offsets);
                let entry = if kind == Entry::Plain {
                    node.feature
                } else {
                    *extra.entry((node.feature, kind as u8)).or_insert_with(|| {
                        walker.entries.push((node.feature, kind));
                        walker.entries.len() as u32 - 1
                    })
                };
                let entry = if kind == Entry::Code { entry | SET } else { entry };
                walker.nodes[here] = WalkNode { cut, child, entry };
            }
        }
        // The entry that leaves read comes last.
        let last = walker.entries.len() as u32;
        for node in &mut walker.nodes {
            if node.entry == u32::MAX {
                node.entry = last;
            }
        }
        walker
    }

    fn leaf(&mut self, model: &TreeEnsemble, node: u32) -> f64 {
        let at = node as usize * self.width;
        let values = &model.parts().value[at..at + self.width];
        let rounded = values.iter().map(|&v| if model.parts().float32 { f64::from(v as f32) } else { v });
        if self.width == 1 {
            rounded.last().unwrap_or_default()
        } else {
            let offset = self.vectors.len() as u64;
            self.vectors.extend(rounded);
            f64::from_bits(offset)
        }
    }

    fn test(
        &mut self,
        model: &TreeEnsemble,
        node: &Node,
        offsets: &mut std::collections::HashMap<(u32, u32, bool), u64>,
    ) -> (Entry, f64) {
        if node.set == NO_SET {
            return match (node.missing_right, node.cut == f64::INFINITY) {
                (false, _) => (Entry::Plain, node.cut),
                (true, false) => (Entry::MissingHigh, node.cut),
                (true, true) => (Entry::Missing, 0.5),
            };
        }
        self.has_sets = true;
        let key = (node.feature, node.set, node.missing_right);
        let offset = *offsets.entry(key).or_insert_with(|| {
            let offset = self.words.len() as u64;
            self.words.extend(set_table(model, &self.codes[node.feature as usize], node));
            offset
        });
        (Entry::Code, f64::from_bits(offset))
    }

    /// Entries of an extended row.
    pub(super) fn stride(&self) -> usize {
        self.entries.len() + 1
    }

    pub(super) fn has_sets(&self) -> bool {
        self.has_sets
    }

    /// Nodes of all trees.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Roots of trees `first..first + AT_ONCE`, the last one again beyond the last.
    pub(super) fn roots(&self, first: usize) -> [u32; AT_ONCE] {
        let last = self.roots.len() - 1;
        std::array::from_fn(|i| self.roots[(first + i).min(last)])
    }

    /// The number here of an imported node.
    pub(super) fn number(&self, node: u32) -> u32 {
        self.numbers[node as usize]
    }

    /// Fills `to` ([`Self::stride`] long) from a row.
    pub(super) fn extend_row(&self, row: &[f64], to: &mut [f64]) {
        to[..row.len()].copy_from_slice(row);
        for (to, &(column, entry)) in to.iter_mut().zip(&self.entries).skip(row.len()) {
            let x = row[column as usize];
            *to = match entry {
                Entry::Plain => x,
                Entry::MissingHigh => {
                    if x.is_nan() {
                        f64::INFINITY
                    } else {
                        x
                    }
                }
                Entry::Missing => {
                    if x.is_nan() {
                        1.0
                    } else {
                        0.0
                    }
                }
                Entry::Code => f64::from_bits(code_number(&self.codes[column as usize], x)),
            };
        }
        to[self.entries.len()] = f64::NAN;
    }

    /// Leaves that one extended row reaches in trees `first..`, as many as `leaves` has room for.
    #[inline]
    pub(super) fn exits(&self, level: Level, first: usize, row: &[f64], leaves: &mut [u32; AT_ONCE]) {
        let n = (self.roots.len() - first).min(AT_ONCE);
        let root = |i: usize| self.roots[first + i.min(n - 1)];
        assert!(row.len() >= self.stride(), "an extended row");
        #[cfg(target_arch = "x86_64")]
        if super::isa::is_wide(level) && !self.has_sets {
            // SAFETY: the CPU has the features. Nodes and entries are as in `walk`: every root, and the
            // child of every node and the one after it, is a node; every entry is below `stride()`.
            *leaves = unsafe { super::avx_walk::exits(&self.nodes, std::array::from_fn(root), row) };
            return;
        }
        let _ = level;
        for begin in (0..n).step_by(WALKS) {
            let starts = std::array::from_fn(|i| root(begin + i));
            leaves[begin..begin + WALKS].copy_from_slice(&self.descend(starts, row, [0; WALKS]));
        }
    }

    /// Leaves that walks from `starts` reach; walk i reads `rows[offsets[i]..offsets[i] + stride]`.
    #[inline]
    pub(super) fn descend(
        &self,
        starts: [u32; WALKS],
        rows: &[f64],
        offsets: [usize; WALKS],
    ) -> [u32; WALKS] {
        let inside = starts.iter().all(|&start| (start as usize) < self.nodes.len())
            && offsets.iter().all(|&offset| offset <= rows.len() && rows.len() - offset >= self.stride());
        assert!(inside, "walks start at nodes, within the rows");
        // SAFETY: the lines above checked what `walk` asks for.
        unsafe {
            if self.has_sets {
                self.walk::<true>(starts, rows, offsets)
            } else {
                self.walk::<false>(starts, rows, offsets)
            }
        }
    }

    /// # Safety
    /// Every start is below `nodes.len()`, and `rows` has `stride()` entries from each offset on.
    #[inline(always)]
    unsafe fn walk<const SETS: bool>(
        &self,
        starts: [u32; WALKS],
        rows: &[f64],
        offsets: [usize; WALKS],
    ) -> [u32; WALKS] {
        let mut at = starts;
        loop {
            let mut moved = 0;
            for _ in 0..2 {
                moved = 0;
                for i in 0..WALKS {
                    // SAFETY: `at[i]` is a start or, with `new` having made two nodes for every `child` of a
                    // split and a leaf its own child, a child or the one after it where the test is true,
                    // which at a leaf, comparing with NaN, it never is: always an index of `nodes`.
                    let node = unsafe { self.nodes.get_unchecked(at[i] as usize) };
                    // SAFETY: `new` gave every node an entry below `stride()`; [`SET`] is taken off.
                    let x = unsafe { *rows.get_unchecked(offsets[i] + (node.entry & !SET) as usize) };
                    let right = if SETS {
                        let is_set = u64::from(node.entry >> 31);
                        let code = x.to_bits() & is_set.wrapping_neg();
                        let word = (node.cut.to_bits() & is_set.wrapping_neg()) + (code >> 6);
                        // SAFETY: word 0 exists; a set's offset has words for every code number of its
                        // column, and its entry holds nothing but those.
                        let bits = unsafe { *self.words.get_unchecked(word as usize) };
                        ((bits >> (code & 63)) & is_set) as u32
                            | (u32::from(x > node.cut) & (1 - is_set as u32))
                    } else {
                        u32::from(x > node.cut)
                    };
                    let next = node.child + right;
                    moved |= next ^ at[i];
                    at[i] = next;
                }
            }
            if moved == 0 {
                return at;
            }
        }
    }

    /// The value of a leaf, of width 1.
    #[inline]
    pub(super) fn value(&self, leaf: u32) -> f64 {
        self.nodes[leaf as usize].cut
    }

    /// The values of a leaf, of any width but 1.
    #[inline]
    pub(super) fn values(&self, leaf: u32) -> &[f64] {
        let offset = self.nodes[leaf as usize].cut.to_bits() as usize;
        &self.vectors[offset..offset + self.width]
    }
}

const BLANK: WalkNode = WalkNode { cut: 0.0, child: 0, entry: 0 };

/// The codes that sets list, column by column, ascending.
pub(super) fn listed_codes(model: &TreeEnsemble) -> Vec<Vec<u32>> {
    let mut codes = vec![Vec::new(); model.n_features()];
    for node in model.nodes.iter().filter(|node| node.left != LEAF && node.set != NO_SET) {
        codes[node.feature as usize].extend_from_slice(model.sets.codes(node.set));
    }
    for codes in &mut codes {
        codes.sort_unstable();
        codes.dedup();
    }
    codes
}

/// The number of a category among a column's: 0 for what no set lists, then the listed ones, then NaN.
pub(super) fn code_number(codes: &[u32], x: f64) -> u64 {
    if x.is_nan() {
        return codes.len() as u64 + 1;
    }
    match sets::code(x).and_then(|code| codes.binary_search(&code).ok()) {
        Some(i) => i as u64 + 1,
        None => 0,
    }
}

/// One bit for every category number: whether it goes right at `node`.
pub(super) fn set_table(model: &TreeEnsemble, codes: &[u32], node: &Node) -> Vec<u64> {
    let mut words = vec![0_u64; (codes.len() + 2).div_ceil(64)];
    let mut set = |number: usize| words[number / 64] |= 1 << (number % 64);
    for code in model.sets.codes(node.set) {
        if let Ok(i) = codes.binary_search(code) {
            set(i + 1);
        }
    }
    if node.missing_right {
        set(codes.len() + 1);
    }
    words
}
