//! What the hot loops are made of, for each instruction set: the same results from each.
//!
//! A *group* is 64 rows: one bit each in a mask. Sums of a group lie in another order than its rows
//! ([`place32`], [`place64`]), so that numbers of a byte each become register indices by shifts alone.

#[cfg(target_arch = "x86_64")]
use super::avx::{Avx2, Avx512};
use crate::simd::Level;

/// Rows of a group.
pub(super) const GROUP: usize = 64;

/// Where row `row` of a group stands among single-precision sums.
#[inline(always)]
pub(super) fn place32(row: usize) -> usize {
    (row % 4) * 16 + row / 4
}

/// Where row `row` of a group stands among double-precision sums.
#[inline(always)]
pub(super) fn place64(row: usize) -> usize {
    (row % 8) * 8 + row / 8
}

/// Numbers of leaves, group by group: low bytes and high ones.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub(super) low: &'a [[u8; GROUP]],
    pub(super) high: &'a [[u8; GROUP]],
}

impl Numbers<'_> {
    /// The number of a row, below the power of two `n`.
    #[inline(always)]
    pub(super) fn index(self, group: usize, row: usize, n: usize) -> usize {
        let low = usize::from(self.low[group][row]);
        let high = if n > 256 { usize::from(self.high[group][row]) } else { 0 };
        (low | high << 8) & (n - 1)
    }
}

/// One instruction set. The provided functions are the reference.
pub(super) trait Isa: Copy {
    /// One bit for every number that is at least `at`.
    #[inline(always)]
    fn at_least(self, numbers: &[u8; GROUP], at: u8) -> u64 {
        mask(|i| numbers[i] >= at)
    }

    #[inline(always)]
    fn at_least_wide(self, numbers: &[u16; GROUP], at: u16) -> u64 {
        mask(|i| numbers[i] >= at)
    }

    /// One bit for every number below 64 whose entry in `table` is not zero.
    #[inline(always)]
    fn listed(self, numbers: &[u8; GROUP], table: &[u8; 64]) -> u64 {
        mask(|i| table[usize::from(numbers[i] & 63)] != 0)
    }

    /// `mask ? right : left`, bit by bit.
    #[inline(always)]
    fn select<const W: usize>(self, mask: &[u64; W], right: &[u64; W], left: &[u64; W]) -> [u64; W] {
        std::array::from_fn(|w| (mask[w] & right[w]) | (!mask[w] & left[w]))
    }

    /// Numbers from their binary digits, lowest first, at most 8; planes from `n` on are empty.
    #[inline(always)]
    fn numbers<const W: usize>(self, planes: [&[u64; W]; 8], n: usize, numbers: &mut [[u8; GROUP]; W]) {
        for (w, numbers) in numbers.iter_mut().enumerate() {
            *numbers = [0; GROUP];
            for (j, plane) in planes.iter().enumerate().take(n) {
                for (i, number) in numbers.iter_mut().enumerate() {
                    *number |= ((plane[w] >> i & 1) as u8) << j;
                }
            }
        }
    }

    /// Adds `table[number]` to each row's sum. `table` has a power of two of entries, at least 16; the
    /// high bytes of numbers count where it has more than 256.
    #[inline(always)]
    fn add_single(self, numbers: Numbers<'_>, table: &[f32], sums: &mut [[f32; GROUP]]) {
        for (w, sums) in sums.iter_mut().enumerate() {
            for row in 0..GROUP {
                sums[place32(row)] += table[numbers.index(w, row, table.len())];
            }
        }
    }

    #[inline(always)]
    fn add_double(self, numbers: Numbers<'_>, table: &[f64], sums: &mut [[f64; GROUP]]) {
        for (w, sums) in sums.iter_mut().enumerate() {
            for row in 0..GROUP {
                sums[place64(row)] += table[numbers.index(w, row, table.len())];
            }
        }
    }

    /// For each value the number of cuts below it; `cuts` ascend and are one less than a power of two,
    /// at most 65,535.
    #[inline(always)]
    fn ranks(self, x: &[f64; GROUP], cuts: &[f64], ranks: &mut [u16; GROUP]) {
        let mut at = [0_usize; GROUP];
        let mut half = cuts.len().div_ceil(2);
        while half > 0 {
            for (at, x) in at.iter_mut().zip(x) {
                // At most the sum of all halves, `cuts.len()`, before the last step is added.
                *at += if cuts[*at + half - 1] < *x { half } else { 0 };
            }
            half /= 2;
        }
        *ranks = at.map(|at| at as u16);
    }
}

#[inline(always)]
fn mask(bit: impl Fn(usize) -> bool) -> u64 {
    let mut mask = 0;
    for i in 0..GROUP {
        mask |= u64::from(bit(i)) << i;
    }
    mask
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Isa for Portable {}

/// Work written once for every instruction set; `call` must be `#[inline(always)]`.
pub(super) trait Work {
    fn call<I: Isa>(self, isa: I);
}

/// Whether `level` means AVX-512 with operations on bytes, and the machine has it.
pub(super) fn is_wide(level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    if level.min(Level::detect()) == Level::Avx512 {
        return super::avx::has_avx512();
    }
    let _ = level;
    false
}

/// Runs `work` with the instructions of `level`, or fewer where the machine has fewer.
pub(super) fn dispatch<T: Work>(level: Level, work: T) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_wide(level) {
            // SAFETY: the machine has what `Level::Avx512` stands for and what `has_avx512` checks.
            return unsafe { run_avx512(work) };
        }
        if level.min(Level::detect()) >= Level::Avx2 {
            // SAFETY: `Level::detect` returned at least `Avx2`, so the machine has these features.
            return unsafe { run_avx2(work) };
        }
    }
    let _ = level;
    work.call(Portable);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512cd,avx512bw,avx512vl,avx512vbmi,avx2,fma,bmi1,bmi2,lzcnt")]
unsafe fn run_avx512<T: Work>(work: T) {
    // SAFETY: this function runs only where its features are available.
    work.call(unsafe { Avx512::new() });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt")]
unsafe fn run_avx2<T: Work>(work: T) {
    // SAFETY: this function runs only where its features are available.
    work.call(unsafe { Avx2::new() });
}
