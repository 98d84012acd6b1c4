//! Blocks of rows through all trees.

use super::inputs::Inputs;
use super::isa::{GROUP, Isa, Numbers, Work, place32, place64};
use super::program::{FIRST_TEST, Pool, Program, Programs, Select};
use super::walk::{WALKS, Walker};
use crate::model::tree::TreeEnsemble;

/// Groups whose masks are handled together: one register.
pub(super) const WIDE: usize = 8;
/// Groups of one pass through the trees.
const PASS: usize = 4 * WIDE;
/// What a pass writes to; kept for the next call.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<[u8; GROUP]>,
    words: Vec<[u16; GROUP]>,
    /// Extended rows, where some rows walk.
    rows: Vec<f64>,
    singles: Vec<[f32; GROUP]>,
    doubles: Vec<[f64; GROUP]>,
    low: Vec<[u8; GROUP]>,
    high: Vec<[u8; GROUP]>,
    narrow: Vec<[u64; 1]>,
    wide: Vec<[u64; WIDE]>,
}

/// All rows of a call.
pub(super) struct Predict<'a> {
    pub(super) model: &'a TreeEnsemble,
    pub(super) inputs: &'a Inputs,
    pub(super) programs: &'a Programs,
    pub(super) walker: &'a Walker,
    pub(super) rows: &'a [f64],
    pub(super) out: &'a mut [f64],
    pub(super) scratch: &'a mut Scratch,
}

impl Work for Predict<'_> {
    #[inline(always)]
    fn call<I: Isa>(self, isa: I) {
        let Self { model, inputs, programs, walker, rows, out, scratch } = self;
        let pass = PASS * GROUP;
        let (d, k) = (model.n_features(), model.n_outputs());
        for (rows, out) in rows.chunks(pass * d).zip(out.chunks_mut(pass * k)) {
            Pass { model, inputs, programs, walker, rows, n: rows.len() / d }.run(isa, out, scratch);
        }
    }
}

struct Pass<'a> {
    model: &'a TreeEnsemble,
    inputs: &'a Inputs,
    programs: &'a Programs,
    walker: &'a Walker,
    rows: &'a [f64],
    n: usize,
}

/// Groups `first..first + len` of a pass, whose inputs begin at `bytes` and `words`.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    len: usize,
}

impl Pass<'_> {
    #[inline(always)]
    fn run<I: Isa>(&self, isa: I, out: &mut [f64], scratch: &mut Scratch) {
        let blocks: Vec<Block> = blocks(self.n.div_ceil(GROUP)).collect();
        let groups = blocks.iter().map(|block| block.len).sum();
        let k = self.model.n_outputs();
        let float32 = self.model.parts().float32;
        resize(&mut scratch.bytes, groups * self.inputs.n_bytes, [0; GROUP]);
        resize(&mut scratch.words, groups * self.inputs.n_words, [0; GROUP]);
        resize(&mut scratch.low, WIDE, [0; GROUP]);
        resize(&mut scratch.high, WIDE, [0; GROUP]);
        resize(&mut scratch.wide, self.programs.n_masks, [0; WIDE]);
        resize(&mut scratch.narrow, self.programs.n_masks, [0; 1]);
        scratch.wide[1] = [u64::MAX; WIDE];
        scratch.narrow[1] = [u64::MAX];
        if float32 {
            resize(&mut scratch.singles, groups * k, [0.0; GROUP]);
        } else {
            resize(&mut scratch.doubles, groups * k, [0.0; GROUP]);
        }
        self.start(groups, scratch);
        for &block in &blocks {
            self.fill(isa, block, scratch);
        }
        for &block in &blocks {
            if block.len == WIDE {
                self.trees::<I, WIDE>(isa, block, groups, scratch, |s| &mut s.wide);
            } else {
                self.trees::<I, 1>(isa, block, groups, scratch, |s| &mut s.narrow);
            }
        }
        self.finish(groups, scratch, out);
    }

    fn start(&self, groups: usize, scratch: &mut Scratch) {
        let parts = self.model.parts();
        for (k, &base) in parts.base.iter().enumerate() {
            let base = if self.model.base_last() { 0.0 } else { base };
            if parts.float32 {
                scratch.singles[k * groups..(k + 1) * groups].fill([base as f32; GROUP]);
            } else {
                scratch.doubles[k * groups..(k + 1) * groups].fill([base; GROUP]);
            }
        }
    }

    #[inline(always)]
    fn fill<I: Isa>(&self, isa: I, block: Block, scratch: &mut Scratch) {
        let d = self.model.n_features();
        let bytes = &mut scratch.bytes[block.first * self.inputs.n_bytes..];
        let words = &mut scratch.words[block.first * self.inputs.n_words..];
        for g in 0..block.len {
            let first = ((block.first + g) * GROUP).min(self.n);
            let rows = &self.rows[first * d..(first + GROUP).min(self.n) * d];
            self.inputs.fill(isa, rows, (g, block.len), bytes, words);
        }
        if !self.programs.starts.is_empty() {
            let stride = self.walker.stride();
            resize(&mut scratch.rows, self.n.next_multiple_of(GROUP) * stride, 0.0);
            for i in block.first * GROUP..((block.first + block.len) * GROUP).min(self.n) {
                let to = &mut scratch.rows[i * stride..(i + 1) * stride];
                self.walker.extend_row(&self.rows[i * d..(i + 1) * d], to);
            }
        }
    }

    #[inline(always)]
    fn trees<I: Isa, const W: usize>(
        &self,
        isa: I,
        block: Block,
        groups: usize,
        scratch: &mut Scratch,
        masks: impl Fn(&mut Scratch) -> &mut Vec<[u64; W]>,
    ) {
        let mut taken = std::mem::take(masks(scratch));
        for pool in &self.programs.pools {
            self.test(isa, pool, block, scratch, &mut taken);
            for tree in range(&self.programs.trees, pool.trees) {
                select(isa, range(&self.programs.selects, tree.selects), self.programs.n_masks, &mut taken);
                let n = tree.n_planes as usize;
                let plane = |j: usize| &taken[usize::from(tree.planes.get(j).copied().unwrap_or(0))];
                if let Some(low) = scratch.low.first_chunk_mut() {
                    isa.numbers(std::array::from_fn(plane), n.min(8), low);
                }
                if let Some(high) = scratch.high.first_chunk_mut().filter(|_| n > 8) {
                    isa.numbers(std::array::from_fn(|j| plane(8 + j)), n - 8, high);
                }
                self.add::<I, W>(isa, tree, block, groups, scratch);
            }
        }
        *masks(scratch) = taken;
    }

    /// Which rows each test sends right.
    #[inline(always)]
    fn test<I: Isa, const W: usize>(
        &self,
        isa: I,
        tests: &Pool,
        block: Block,
        scratch: &Scratch,
        masks: &mut [[u64; W]],
    ) {
        let programs = self.programs;
        let bytes = &scratch.bytes[block.first * self.inputs.n_bytes..];
        let words = &scratch.words[block.first * self.inputs.n_words..];
        let mut slot = FIRST_TEST;
        for test in range(&programs.bytes, tests.bytes) {
            let numbers = &bytes[test.input as usize * W..][..W];
            masks[slot] = std::array::from_fn(|w| isa.at_least(&numbers[w], test.at as u8));
            slot += 1;
        }
        for test in range(&programs.words, tests.words) {
            let numbers = &words[test.input as usize * W..][..W];
            masks[slot] = std::array::from_fn(|w| isa.at_least_wide(&numbers[w], test.at));
            slot += 1;
        }
        for test in range(&programs.few, tests.few) {
            let numbers = &bytes[test.input as usize * W..][..W];
            let table = &programs.few_tables[test.table as usize];
            masks[slot] = std::array::from_fn(|w| isa.listed(&numbers[w], table));
            slot += 1;
        }
        for test in range(&programs.many, tests.many) {
            let numbers = &words[test.input as usize * W..][..W];
            let table = &programs.many_tables[test.table as usize..];
            masks[slot] = std::array::from_fn(|w| {
                let mut mask = 0;
                for (i, &number) in numbers[w].iter().enumerate() {
                    mask |= (table[usize::from(number) / 64] >> (number % 64) & 1) << i;
                }
                mask
            });
            slot += 1;
        }
    }

    /// Adds the leaf values of a tree.
    #[inline(always)]
    fn add<I: Isa, const W: usize>(
        &self,
        isa: I,
        tree: &Program,
        block: Block,
        groups: usize,
        scratch: &mut Scratch,
    ) {
        if tree.size == 0 {
            return self.walk_on(tree, block, groups, scratch);
        }
        let (size, first) = (tree.size as usize, tree.first_output as usize);
        let numbers = Numbers { low: &scratch.low[..W], high: &scratch.high[..W] };
        for k in 0..self.model.width {
            let at = (first + k) * groups + block.first;
            let table = tree.table as usize + k * size;
            if self.model.parts().float32 {
                let table = &self.programs.singles[table..table + size];
                isa.add_single(numbers, table, &mut scratch.singles[at..at + W]);
            } else {
                let table = &self.programs.doubles[table..table + size];
                isa.add_double(numbers, table, &mut scratch.doubles[at..at + W]);
            }
        }
    }

    /// Adds the leaf values of a tree that is too large for a program: its rows walk on from where the
    /// program brought them.
    fn walk_on(&self, tree: &Program, block: Block, groups: usize, scratch: &mut Scratch) {
        let stride = self.walker.stride();
        let n_starts = 1 << tree.n_planes;
        let starts = &self.programs.starts[tree.table as usize..][..n_starts];
        let last = self.n - 1;
        for g in 0..block.len {
            let group = block.first + g;
            for begin in (0..GROUP).step_by(WALKS) {
                let numbers = Numbers { low: &scratch.low, high: &scratch.high };
                let from = std::array::from_fn(|i| starts[numbers.index(g, begin + i, n_starts)]);
                // Rows beyond the last are not read from: they repeat it.
                let offsets = std::array::from_fn(|i| (group * GROUP + begin + i).min(last) * stride);
                let leaves = self.walker.descend(from, &scratch.rows, offsets);
                for (i, leaf) in leaves.into_iter().enumerate() {
                    let mut add = |k: usize, value: f64| {
                        let at = (tree.first_output as usize + k) * groups + group;
                        if self.model.parts().float32 {
                            scratch.singles[at][place32(begin + i)] += value as f32;
                        } else {
                            scratch.doubles[at][place64(begin + i)] += value;
                        }
                    };
                    if self.model.width == 1 {
                        add(0, self.walker.value(leaf));
                    } else {
                        for (k, &value) in self.walker.values(leaf).iter().enumerate() {
                            add(k, value);
                        }
                    }
                }
            }
        }
    }

    fn finish(&self, groups: usize, scratch: &Scratch, out: &mut [f64]) {
        let parts = self.model.parts();
        let (n_outputs, last) = (self.model.n_outputs(), self.model.base_last());
        for (k, &base) in parts.base.iter().enumerate() {
            for g in 0..groups {
                let rows = out.chunks_exact_mut(n_outputs).skip(g * GROUP).take(GROUP);
                if parts.float32 {
                    let sums = &scratch.singles[k * groups + g];
                    let (divisor, base) = (parts.divisor as f32, if last { base as f32 } else { 0.0 });
                    for (i, out) in rows.enumerate() {
                        let sum = sums[place32(i)] / divisor;
                        out[k] = f64::from(if last { sum + base } else { sum });
                    }
                } else {
                    let sums = &scratch.doubles[k * groups + g];
                    for (i, out) in rows.enumerate() {
                        let sum = sums[place64(i)] / parts.divisor;
                        out[k] = if last { sum + base } else { sum };
                    }
                }
            }
        }
    }
}

/// Blocks of [`WIDE`] groups, and single ones for a rest of few.
fn blocks(groups: usize) -> impl Iterator<Item = Block> {
    let rest = groups % WIDE;
    let wide = groups / WIDE + usize::from(rest > FEW_GROUPS);
    (0..wide)
        .map(|i| Block { first: i * WIDE, len: WIDE })
        .chain((wide * WIDE..groups).map(|first| Block { first, len: 1 }))
}

/// More groups than these are as quick as a whole block.
const FEW_GROUPS: usize = 2;

/// Selects masks, one operation after the other.
#[inline(always)]
fn select<I: Isa, const W: usize>(isa: I, selects: &[Select], n_masks: usize, masks: &mut [[u64; W]]) {
    assert!(masks.len() >= n_masks);
    let words = masks.as_mut_ptr().cast::<u64>();
    for select in selects {
        // SAFETY: the compiler of a program numbers masks below `n_masks`, so that mask i's `W` words
        // from `i * W` on lie in `masks`; no other reference into it is alive here.
        unsafe {
            let [mask, right, left, to] =
                select.parts().map(|part| words.add(part * W / 8).cast::<[u64; W]>());
            let chosen = isa.select(&*mask, &*right, &*left);
            *to = chosen;
        }
    }
}

fn range<T>(items: &[T], (begin, end): (u32, u32)) -> &[T] {
    &items[begin as usize..end as usize]
}

fn resize<T: Copy>(items: &mut Vec<T>, n: usize, fill: T) {
    if items.len() < n {
        items.resize(n, fill);
    }
}
