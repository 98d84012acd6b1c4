//! One column of eight rows left free: the outputs on every interval between its cuts.
//!
//! For each column and each bit-vector tree that uses it, `own` keeps the AND over that column's
//! splits that send the row right. A systematic sweep goes through the columns in order: `done` is the
//! AND over the columns already updated, `rest` that over the columns to come, so `done & rest` is
//! every tree with the present column free. Going through the column's cuts in ascending order, each
//! split moves its tree to the next leaf or leaves it where it is.

use super::bits::leaf_value;
use super::forest::{BitTree, Forest};
use super::points::Points;
use super::walk::Walked;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch};

/// The intervals of one column for eight rows. Stretch e goes from the cut before `first[e]` to the cut
/// before `first[e + 1]` (the box's ends outermost); within it no output changes in any lane.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// `len() + 1` ranks of cuts, ascending from 0; the last is the number of cuts + 1.
    pub first: Vec<u32>,
    /// `sums[e · n_slots + slot]`.
    pub sums: Vec<Lanes<u64>>,
    /// Where [`Self::refine`] puts its result.
    spare: (Vec<u32>, Vec<Lanes<u64>>),
}

impl Slice {
    pub fn len(&self) -> usize {
        self.first.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.first.len() < 2
    }
}

impl Slice {
    /// Ends stretches before the cuts of these ranks too (ascending); outputs stay what they are.
    pub(crate) fn refine(&mut self, starts: &[u32], n_slots: usize) {
        let (first, sums) = &mut self.spare;
        first.clear();
        sums.clear();
        let mut starts = starts.iter().copied().peekable();
        for (e, ends) in self.first.windows(2).enumerate() {
            let own = &self.sums[e * n_slots..(e + 1) * n_slots];
            first.push(ends[0]);
            sums.extend_from_slice(own);
            while let Some(start) = starts.next_if(|&start| start < ends[1]) {
                if start > ends[0] {
                    first.push(start);
                    sums.extend_from_slice(own);
                }
            }
        }
        first.extend(self.first.last());
        std::mem::swap(&mut self.first, first);
        std::mem::swap(&mut self.sums, sums);
    }
}

/// Where a sweep stands: valid for the rows it was begun with.
#[derive(Clone, Debug, Default)]
pub struct SweepState {
    pub(super) own: Vec<Lanes<u64>>,
    pub(super) rest: Vec<Lanes<u64>>,
    pub(super) done: Vec<Lanes<u64>>,
    /// Sums over all trees at the present rows.
    pub(crate) sums: Vec<Lanes<u64>>,
    /// Scratch of a slice: each tree's word, the sums so far, and those of the interval that holds x.
    pub(super) bits: Vec<Lanes<u64>>,
    running: Vec<Lanes<u64>>,
    pub(super) here: Vec<Lanes<u64>>,
    deltas: Vec<Lanes<u64>>,
    touched: Vec<bool>,
    stack: Vec<Walked>,
    /// Sums at the lowest value and at NaN.
    ends: Vec<Lanes<u64>>,
}

impl Forest {
    /// Prepares a sweep from the rows `x[column]`; with `again`, the rows that the last sweep left.
    pub(crate) fn begin_sweep(&self, level: Level, x: &[Lanes<f64>], again: bool, state: &mut SweepState) {
        dispatch(level, Begin { forest: self, x, again, state });
        if !again {
            self.add_walked(x, &mut state.sums);
        }
    }

    /// The slice along `column` at the present rows; not for a column that [`Self::has_sets`]. Where a row misses
    /// the column's value, its sums are off by the same number everywhere.
    pub(crate) fn slice(
        &self,
        level: Level,
        column: usize,
        x: &[Lanes<f64>],
        state: &mut SweepState,
        slice: &mut Slice,
    ) {
        let walked = !self.columns[column].walked.is_empty();
        if walked {
            let n = self.columns[column].cuts.len();
            state.deltas.clear();
            state.deltas.resize(n * self.n_slots(), Lanes::splat(0));
            state.touched.clear();
            state.touched.resize(n, false);
            self.walked_deltas(column, x, &mut state.stack, &mut state.deltas, &mut state.touched);
        }
        dispatch(level, Walk { forest: self, column, x: &x[column], walked, state, slice });
    }

    /// The slice along a column whose value rows may miss: the stretches between cuts, and NaN as the last. `ends`
    /// are the lowest value and NaN.
    pub(crate) fn slice_missing(
        &self,
        level: Level,
        column: usize,
        ends: &Points,
        row: &[Lanes<f64>],
        state: &mut SweepState,
        slice: &mut Slice,
    ) {
        self.slice_points(level, ends, row, state, slice);
        let mut known = std::mem::take(&mut state.ends);
        known.clone_from(&slice.sums);
        self.slice(level, column, row, state, slice);
        // Right but for a constant where a row has NaN, which lies between no cuts.
        let n_slots = self.n_slots();
        let (lowest, missing) = known.split_at(n_slots);
        for (slot, lowest) in lowest.iter().enumerate() {
            let first = slice.sums[slot];
            for sum in slice.sums.iter_mut().skip(slot).step_by(n_slots) {
                for lane in 0..LANES {
                    sum[lane] = sum[lane].wrapping_sub(first[lane]).wrapping_add(lowest[lane]);
                }
            }
        }
        slice.sums.extend_from_slice(missing);
        slice.first.extend(slice.first.last().map(|&end| end + 1));
        state.ends = known;
    }

    /// Moves on: the rows now have other values in the columns `moved`, and lie in stretch `chosen` of the slice.
    pub(crate) fn commit(
        &self,
        level: Level,
        moved: impl Iterator<Item = (usize, Lanes<f64>)>,
        slice: &Slice,
        chosen: &Lanes<u64>,
        state: &mut SweepState,
    ) {
        for (column, x) in moved {
            dispatch(level, Commit { forest: self, column, x: &x, state });
        }
        let n_slots = self.slots.len();
        for (slot, sum) in state.sums.iter_mut().enumerate() {
            for lane in 0..LANES {
                sum[lane] = slice.sums[chosen[lane] as usize * n_slots + slot][lane];
            }
        }
    }
}

struct Begin<'a> {
    forest: &'a Forest,
    x: &'a [Lanes<f64>],
    again: bool,
    state: &'a mut SweepState,
}

impl Op for Begin<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Begin { forest, x, again, state } = self;
        let words = forest.columns.last().map_or(0, |c| c.words + c.used.len());
        let all = Lanes::splat(u64::MAX);
        if !again {
            state.own.clear();
            state.own.resize(words, all);
            for (d, x) in x.iter().enumerate() {
                own_words(s, forest, d, x, &mut state.own);
            }
        }
        resize(&mut state.rest, words);
        state.done.clear();
        state.done.resize(forest.bit_trees.len(), all);
        let (own, rest, done) = (&state.own[..], &mut state.rest[..], &mut state.done[..]);
        for column in forest.sweep.iter().rev().map(|&d| &forest.columns[d]) {
            let (own, rest) = (&own[column.words..], &mut rest[column.words..]);
            for ((&tree, own), rest) in column.used.iter().zip(own).zip(rest) {
                let done = &mut done[tree as usize];
                let bits = s.load_u(done);
                s.store_u(bits, rest);
                s.store_u(s.and_u(bits, s.load_u(own)), done);
            }
        }
        if !again {
            state.sums.clear();
            state.sums.extend(forest.constant.iter().map(|&c| Lanes::splat(c as u64)));
            for (tree, word) in forest.bit_trees.iter().zip(done.iter()) {
                let leaf = s.trailing_zeros(s.load_u(word));
                for k in 0..tree.width {
                    let sum = &mut state.sums[(tree.slot + k) as usize];
                    s.store_u(s.add_u(s.load_u(sum), leaf_value(s, forest, tree, k, leaf)), sum);
                }
            }
        }
        done.fill(all);
    }
}

/// Sets the words of column `d` for the values `x`; they must be all ones on entry.
#[inline(always)]
fn own_words<S: Simd>(s: S, forest: &Forest, d: usize, x: &Lanes<f64>, own: &mut [Lanes<u64>]) {
    let column = &forest.columns[d];
    let own = &mut own[column.words..column.words + column.used.len()];
    if column.by_lane() {
        for (lane, &x) in x.0.iter().enumerate() {
            for split in column.lane_splits(x) {
                own[split.local as usize][lane] &= split.keep;
            }
        }
    }
    let x = s.load(x);
    for (i, &cut) in column.cuts.iter().enumerate() {
        let right = s.lt(s.splat(cut), x);
        if !s.any(right) {
            break;
        }
        for split in &column.splits[column.starts[i] as usize..column.starts[i + 1] as usize] {
            let word = &mut own[split.local as usize];
            let bits = s.load_u(word);
            s.store_u(s.select_u(right, s.and_u(bits, s.splat_u(split.keep)), bits), word);
        }
    }
}

struct Walk<'a> {
    forest: &'a Forest,
    column: usize,
    x: &'a Lanes<f64>,
    walked: bool,
    state: &'a mut SweepState,
    slice: &'a mut Slice,
}

impl Op for Walk<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Walk { forest, column, x, walked, state, slice } = self;
        let column = &forest.columns[column];
        let n_slots = forest.slots.len();
        let SweepState { rest, done, sums, bits, running, here, deltas, touched, .. } = state;
        let x = s.load(x);
        resize(bits, column.used.len());
        let rest = &rest[column.words..];
        for ((word, rest), &tree) in bits.iter_mut().zip(rest).zip(&column.used) {
            s.store_u(s.and_u(s.load_u(&done[tree as usize]), s.load_u(rest)), word);
        }
        for sums in [&mut *running, &mut *here] {
            resize(sums, n_slots);
            sums.fill(Lanes::splat(0));
        }
        slice.first.clear();
        slice.first.push(0);
        // Every cut may begin a stretch.
        resize(&mut slice.sums, (column.cuts.len() + 1) * n_slots);
        slice.sums[..n_slots].fill(Lanes::splat(0));
        // Plain slices: their addresses stay in registers.
        let (bits, running, here) = (&mut bits[..], &mut running[..], &mut here[..]);
        let mut end = n_slots;
        for (i, &cut) in column.cuts.iter().enumerate() {
            let mut changed = false;
            for split in &column.splits[column.starts[i] as usize..column.starts[i + 1] as usize] {
                let word = &mut bits[split.local as usize];
                let old = s.load_u(word);
                let keep = s.splat_u(split.keep);
                let new = s.and_u(old, keep);
                s.store_u(new, word);
                let lowest = s.and_u(old, s.sub_u(s.splat_u(0), old));
                if s.any(s.ne_u(s.and_u(lowest, keep), lowest)) {
                    changed = true;
                    move_tree(s, forest, &forest.bit_trees[split.tree as usize], old, new, running);
                }
            }
            if walked && touched[i] {
                changed = true;
                for (sum, delta) in running.iter_mut().zip(&deltas[i * n_slots..(i + 1) * n_slots]) {
                    s.store_u(s.add_u(s.load_u(sum), s.load_u(delta)), sum);
                }
            }
            if changed {
                slice.first.push(i as u32 + 1);
                let passed = s.lt(s.splat(cut), x);
                let stretch = &mut slice.sums[end..end + n_slots];
                for ((sum, here), to) in running.iter().zip(here.iter_mut()).zip(stretch) {
                    let sum = s.load_u(sum);
                    s.store_u(sum, to);
                    s.store_u(s.select_u(passed, sum, s.load_u(here)), here);
                }
                end += n_slots;
            }
        }
        slice.sums.truncate(end);
        slice.first.push(column.cuts.len() as u32 + 1);
        // Sums so far count from the lowest interval; the one that holds x must equal the present sum.
        for (sum, here) in sums.iter().zip(here.iter_mut()) {
            s.store_u(s.sub_u(s.load_u(sum), s.load_u(here)), here);
        }
        for stretch in slice.sums.chunks_exact_mut(n_slots.max(1)) {
            for (sum, offset) in stretch.iter_mut().zip(here.iter()) {
                s.store_u(s.add_u(s.load_u(sum), s.load_u(offset)), sum);
            }
        }
    }
}

/// Adds what changes when a tree goes from the exit leaf of `old` to that of `new`.
#[inline(always)]
fn move_tree<S: Simd>(
    s: S,
    forest: &Forest,
    tree: &BitTree,
    old: S::U,
    new: S::U,
    running: &mut [Lanes<u64>],
) {
    let (from, to) = (s.trailing_zeros(old), s.trailing_zeros(new));
    let sums = &mut running[tree.slot as usize..(tree.slot + tree.width) as usize];
    for (k, sum) in sums.iter_mut().enumerate() {
        let before = leaf_value(s, forest, tree, k as u32, from);
        let after = leaf_value(s, forest, tree, k as u32, to);
        s.store_u(s.add_u(s.load_u(sum), s.sub_u(after, before)), sum);
    }
}

fn resize(lanes: &mut Vec<Lanes<u64>>, n: usize) {
    lanes.resize(n, Lanes::splat(0));
}

struct Commit<'a> {
    forest: &'a Forest,
    column: usize,
    x: &'a Lanes<f64>,
    state: &'a mut SweepState,
}

impl Op for Commit<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Commit { forest, column: d, x, state } = self;
        let column = &forest.columns[d];
        state.own[column.words..column.words + column.used.len()].fill(Lanes::splat(u64::MAX));
        own_words(s, forest, d, x, &mut state.own);
        for (local, &tree) in column.used.iter().enumerate() {
            let done = &mut state.done[tree as usize];
            s.store_u(s.and_u(s.load_u(done), s.load_u(&state.own[column.words + local])), done);
        }
    }
}
