//! Forward evaluation in lockstep: eight rows against bit-vector trees.
//!
//! The exit leaf of a row is the lowest set bit of the AND of `keep` over all splits that send the
//! row right: a leaf left of the exit leaf is cleared by the split at which they part, and no split
//! clears the exit leaf itself.

use super::arrays::TreeEnsemble;
use super::forest::{BIT_LEAVES, BitTree, Forest, Member, Slot};
use crate::error::Result;
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};

impl Forest {
    /// Sums over all trees for eight rows: `x[column]` lane by lane in, `sums[slot]` out. `words` is
    /// scratch.
    pub(crate) fn sums(
        &self,
        level: Level,
        x: &[Lanes<f64>],
        words: &mut Vec<Lanes<u64>>,
        sums: &mut [Lanes<u64>],
    ) {
        dispatch(level, Sums { forest: self, x, words, sums });
        self.add_walked(x, sums);
    }

    /// The doubles that eight sums stand for.
    #[inline(always)]
    pub(crate) fn output<S: Simd>(&self, s: S, slot: usize, sum: S::U) -> S::F {
        let Slot { base, unit } = self.slots[slot];
        s.mul_add(s.convert_i64(sum), s.splat(unit), s.splat(base))
    }
}

struct Sums<'a> {
    forest: &'a Forest,
    x: &'a [Lanes<f64>],
    words: &'a mut Vec<Lanes<u64>>,
    sums: &'a mut [Lanes<u64>],
}

impl Op for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Sums { forest, x, words, sums } = self;
        words.clear();
        words.resize(forest.bit_trees.len(), Lanes::splat(u64::MAX));
        for (column, lanes) in forest.columns.iter().zip(x) {
            let x = s.load(lanes);
            for (i, &cut) in column.cuts.iter().enumerate() {
                let right = s.lt(s.splat(cut), x);
                if !s.any(right) {
                    break;
                }
                for split in &column.splits[column.starts[i] as usize..column.starts[i + 1] as usize] {
                    let word = &mut words[split.tree as usize];
                    let bits = s.load_u(word);
                    let kept = s.and_u(bits, s.splat_u(split.keep));
                    s.store_u(s.select_u(right, kept, bits), word);
                }
            }
            if column.by_lane() {
                for (lane, &x) in lanes.0.iter().enumerate() {
                    for split in column.lane_splits(x) {
                        words[split.tree as usize][lane] &= split.keep;
                    }
                }
            }
        }
        for (sum, &constant) in sums.iter_mut().zip(&forest.constant) {
            *sum = Lanes::splat(constant as u64);
        }
        for (tree, word) in forest.bit_trees.iter().zip(words.iter()) {
            let leaf = s.trailing_zeros(s.load_u(word));
            for k in 0..tree.width {
                let sum = &mut sums[(tree.slot + k) as usize];
                s.store_u(s.add_u(s.load_u(sum), leaf_value(s, forest, tree, k, leaf)), sum);
            }
        }
    }
}

/// Output k of a tree at each lane's leaf.
#[inline(always)]
pub(super) fn leaf_value<S: Simd>(s: S, forest: &Forest, tree: &BitTree, k: u32, leaf: S::U) -> S::U {
    let start = (tree.values + k * tree.stride) as usize;
    if tree.stride == 8 {
        let table: [u64; 8] = chunk(&forest.bit_values, start);
        s.permute(&Lanes(table), leaf)
    } else {
        match forest.bit_values[start..].first_chunk::<BIT_LEAVES>() {
            Some(table) => s.gather64(table, leaf),
            None => s.splat_u(0),
        }
    }
}

#[inline(always)]
fn chunk(values: &[u64], start: usize) -> [u64; 8] {
    let mut table = [0; 8];
    table.copy_from_slice(&values[start..start + 8]);
    table
}

impl Forest {
    /// Outputs of `rows` (`n × columns`, row-major) into `out` (`n × slots`).
    pub fn forward(&self, rows: &[f64], out: &mut [f64]) {
        let (d, k) = (self.n_columns, self.n_slots());
        let level = Level::detect();
        let mut x = vec![Lanes::splat(0.0); d];
        let mut sums = vec![Lanes::splat(0); k];
        let mut words = Vec::new();
        for (rows, out) in rows.chunks(d * LANES).zip(out.chunks_mut(k * LANES)) {
            fill_lanes(rows, d, &mut x);
            self.sums(level, &x, &mut words, &mut sums);
            for (lane, out) in out.chunks_exact_mut(k).enumerate() {
                for (slot, out) in out.iter_mut().enumerate() {
                    *out = self.output(math::Scalar, slot, sums[slot][lane]);
                }
            }
        }
    }
}

impl TreeEnsemble {
    /// The ensemble compiled over its own features, without bounds.
    ///
    /// # Errors
    /// None for an ensemble that could be built.
    pub fn forest(&self) -> Result<Forest> {
        let d = self.n_features();
        let columns: Vec<usize> = (0..d).collect();
        let member = Member { model: self, columns: &columns };
        Forest::new(&[member], &vec![f64::NEG_INFINITY; d], &vec![f64::INFINITY; d], &vec![Vec::new(); d])
    }
}

/// Puts up to eight rows into lanes; the last row fills the lanes that are left.
pub(crate) fn fill_lanes(rows: &[f64], d: usize, x: &mut [Lanes<f64>]) {
    let n = rows.len() / d;
    for lane in 0..LANES {
        let row = &rows[lane.min(n - 1) * d..][..d];
        for (x, &value) in x.iter_mut().zip(row) {
            x[lane] = value;
        }
    }
}
