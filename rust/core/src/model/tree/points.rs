//! One column of eight rows left free that takes few values: the outputs at each of them.
//!
//! Like a slice along cuts (`slice.rs`), but value by value, so that sets of codes and columns that are looked up in
//! it take part: what a value does to a tree's word is known once and for all.

use super::bits::leaf_value;
use super::forest::{Forest, LEAF_COLUMN};
use super::slice::{Slice, SweepState};
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch};

/// The values of a column, and of the columns that move with it.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    n: usize,
    /// `values[k]` of each column.
    columns: Vec<(usize, Vec<f64>)>,
    /// `keep[k · words + i]`: leaves that stay in tree `trees[i]` when value k sends it right.
    keep: Vec<u64>,
    /// Bit-vector trees that read the columns, and where each one's word of that column is.
    trees: Vec<(u32, usize)>,
}

impl Points {
    /// The columns that move, with the values of the points chosen.
    pub(crate) fn chosen<'a>(
        &'a self,
        chosen: &'a Lanes<u64>,
    ) -> impl Iterator<Item = (usize, Lanes<f64>)> + 'a {
        self.columns.iter().map(|(column, values)| (*column, Lanes(chosen.0.map(|k| values[k as usize]))))
    }
}

impl Forest {
    /// Prepares columns that stand one after another in a sweep and of which no tree reads two.
    pub(crate) fn points(&self, columns: Vec<(usize, Vec<f64>)>) -> Points {
        let n = columns.first().map_or(0, |(_, values)| values.len());
        let mut trees = Vec::new();
        for (d, _) in &columns {
            let column = &self.columns[*d];
            trees.extend(column.used.iter().enumerate().map(|(local, &tree)| (tree, column.words + local)));
        }
        let mut keep = Vec::with_capacity(n * trees.len());
        for k in 0..n {
            for (d, values) in &columns {
                let (column, x) = (&self.columns[*d], values[k]);
                let mut words = vec![u64::MAX; column.used.len()];
                let passed = column.cuts.partition_point(|&cut| cut < x);
                let right = column.starts.get(passed).map_or(0, |&end| end as usize);
                for split in column.splits[..right].iter().chain(column.lane_splits(x)) {
                    words[split.local as usize] &= split.keep;
                }
                keep.extend(words);
            }
        }
        Points { n, columns, keep, trees }
    }

    /// The slice along points at the present rows: a stretch each.
    pub(crate) fn slice_points(
        &self,
        level: Level,
        points: &Points,
        row: &[Lanes<f64>],
        state: &mut SweepState,
        slice: &mut Slice,
    ) {
        slice.first.clear();
        slice.first.extend(0..=points.n as u32);
        dispatch(level, AtPoints { forest: self, points, state, slice });
        self.add_walked_points(points, row, slice);
    }

    /// Adds to every point's sums how the walked trees' leaves differ there from those at the present rows.
    fn add_walked_points(&self, points: &Points, row: &[Lanes<f64>], slice: &mut Slice) {
        let n_slots = self.n_slots();
        for (d, values) in &points.columns {
            for &index in &self.columns[*d].walked {
                let tree = self.trees[index as usize];
                for lane in 0..LANES {
                    let leaf = |x: f64| {
                        let mut node = self.nodes[tree.root as usize];
                        while node.column != LEAF_COLUMN {
                            let column = node.column as usize;
                            let right =
                                self.goes_right(&node, if column == *d { x } else { row[column][lane] });
                            node = self.nodes[(if right { node.above } else { node.below }) as usize];
                        }
                        self.leaf(node, tree.width)
                    };
                    let here = leaf(row[*d][lane]);
                    for (k, &value) in values.iter().enumerate() {
                        let sums = &mut slice.sums[k * n_slots + tree.slot as usize..];
                        for ((&there, &here), sum) in leaf(value).iter().zip(here).zip(sums) {
                            sum[lane] = sum[lane].wrapping_add(there.wrapping_sub(here) as u64);
                        }
                    }
                }
            }
        }
    }
}

struct AtPoints<'a> {
    forest: &'a Forest,
    points: &'a Points,
    state: &'a mut SweepState,
    slice: &'a mut Slice,
}

impl Op for AtPoints<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let AtPoints { forest, points, state, slice } = self;
        let n_slots = forest.slots.len();
        let SweepState { own, rest, done, sums, bits, here, .. } = state;
        bits.clear();
        here.clear();
        here.extend_from_slice(sums);
        for &(tree, word) in &points.trees {
            let free = s.and_u(s.load_u(&done[tree as usize]), s.load_u(&rest[word]));
            let leaf = s.trailing_zeros(s.and_u(free, s.load_u(&own[word])));
            let tree = &forest.bit_trees[tree as usize];
            for k in 0..tree.width {
                let sum = &mut here[(tree.slot + k) as usize];
                s.store_u(s.sub_u(s.load_u(sum), leaf_value(s, forest, tree, k, leaf)), sum);
            }
            let mut kept = Lanes::splat(0);
            s.store_u(free, &mut kept);
            bits.push(kept);
        }
        let n_trees = points.trees.len();
        slice.sums.resize(points.n * n_slots, Lanes::splat(0));
        for k in 0..points.n {
            let sums = &mut slice.sums[k * n_slots..(k + 1) * n_slots];
            sums.copy_from_slice(here);
            let keep = &points.keep[k * n_trees..(k + 1) * n_trees];
            for ((&(tree, _), bits), &keep) in points.trees.iter().zip(bits.iter()).zip(keep) {
                let leaf = s.trailing_zeros(s.and_u(s.load_u(bits), s.splat_u(keep)));
                let tree = &forest.bit_trees[tree as usize];
                for k in 0..tree.width {
                    let sum = &mut sums[(tree.slot + k) as usize];
                    s.store_u(s.add_u(s.load_u(sum), leaf_value(s, forest, tree, k, leaf)), sum);
                }
            }
        }
    }
}
