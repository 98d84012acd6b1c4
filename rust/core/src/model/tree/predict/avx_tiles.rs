//! One row through [`Tiles`] on AVX-512 registers.
//!
//! What its unsafe code relies on, by construction of [`Tiles`]: an exit without [`super::tiles::LEAF_BIT`] is
//! the number of a tile that has exits, and lies behind the roots' tiles; roots are padded to whole groups of
//! [`GROUP`], so at most [`AT_ONCE`] trees are on their way and the arrays of a [`Walk`], longer by a group,
//! take a whole register behind the last of them; an input's column is one of the model's, its chunk of
//! pivots stands before its first chunk of cuts, and it has one chunk more than is full of cuts.

use std::arch::x86_64::*;

use super::tiles::{EXITS, GROUP, NUMBERS, QUAD, Tiles};

/// Trees on their way at the same time: enough for loads to overlap, few enough to stay in the nearest
/// cache.
pub(super) const AT_ONCE: usize = 128;

/// Calls `each` with the number of a first tree, and the leaves that `row` reaches in it and in those after
/// it.
///
/// # Safety
/// The CPU must have the features below, and `row` every column of the inputs.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi,avx2,bmi1,bmi2,popcnt,lzcnt")]
pub(super) unsafe fn leaves(tiles: &Tiles, row: &[f64], mut each: impl FnMut(usize, &[u32])) {
    // SAFETY: by the caller.
    let numbers = unsafe { numbers(tiles, row) };
    let mut walk = Walk {
        masks: [0; AT_ONCE / QUAD],
        at: [0; AT_ONCE + GROUP],
        tree: [0; AT_ONCE + GROUP],
        leaf: [0; AT_ONCE],
    };
    let n_roots = tiles.roots.len() * QUAD;
    for (i, roots) in tiles.roots.chunks(AT_ONCE / QUAD).enumerate() {
        let first = i * AT_ONCE;
        for (quad, mask) in roots.iter().zip(&mut walk.masks) {
            let (input, at) = unsafe {
                (_mm512_load_si512(quad.input.as_ptr().cast()), _mm512_load_si512(quad.at.as_ptr().cast()))
            };
            *mask = _mm512_cmpge_epu8_mask(_mm512_permutexvar_epi8(input, numbers), at);
        }
        // SAFETY: from here on as said above.
        let mut open = 0;
        for group in 0..roots.len() * QUAD / GROUP {
            let tree = _mm512_add_epi32(_mm512_set1_epi32((group * GROUP) as i32), iota());
            let tile = _mm512_add_epi32(_mm512_set1_epi32(first as i32), tree);
            let exit = unsafe { walk.exits(tiles, group, tile) };
            unsafe {
                _mm512_storeu_si512(walk.leaf.as_mut_ptr().add(group * GROUP).cast(), exit);
                open = walk.keep(open, !_mm512_movepi32_mask(exit), exit, tree);
            }
        }
        while open > 0 {
            let n = open;
            // Tiles beyond the last: any will do.
            walk.at.copy_within(n - 1..n, n);
            for i in n + 1..n.next_multiple_of(QUAD) {
                walk.at[i] = walk.at[n - 1];
            }
            let inner = tiles.inner.as_ptr().wrapping_sub(n_roots);
            for (at, mask) in walk.at[..n.next_multiple_of(QUAD)].chunks_exact(QUAD).zip(&mut walk.masks) {
                unsafe {
                    let pair = |i: usize| {
                        let low = _mm256_load_si256(inner.wrapping_add(at[i] as usize).cast());
                        let high = _mm256_load_si256(inner.wrapping_add(at[i + 1] as usize).cast());
                        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
                    };
                    let (low, high) = (pair(0), pair(2));
                    let input = _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high);
                    let at = _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high);
                    *mask = _mm512_cmpge_epu8_mask(_mm512_permutexvar_epi8(input, numbers), at);
                }
            }
            open = 0;
            for group in 0..n.div_ceil(GROUP) {
                unsafe {
                    let tile = _mm512_loadu_si512(walk.at.as_ptr().add(group * GROUP).cast());
                    let tree = _mm512_loadu_si512(walk.tree.as_ptr().add(group * GROUP).cast());
                    let valid = (u32::MAX >> (32 - (n - group * GROUP).min(GROUP))) as __mmask16;
                    let index = _mm512_maskz_mov_epi32(valid, tile);
                    let exit = walk.exits(tiles, group, index);
                    let leaf = _mm512_movepi32_mask(exit);
                    _mm512_mask_i32scatter_epi32::<4>(
                        walk.leaf.as_mut_ptr().cast(),
                        leaf & valid,
                        tree,
                        exit,
                    );
                    open = walk.keep(open, !leaf & valid, exit, tree);
                }
            }
        }
        let n = (tiles.n_trees - first).min(AT_ONCE);
        each(first, &walk.leaf[..n]);
    }
}

struct Walk {
    /// Splits of four tiles at once where the row goes above.
    masks: [u64; AT_ONCE / QUAD],
    /// Tiles that trees on their way are at.
    at: [u32; AT_ONCE + GROUP],
    tree: [u32; AT_ONCE + GROUP],
    leaf: [u32; AT_ONCE],
}

impl Walk {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi")]
    unsafe fn exits(&self, tiles: &Tiles, group: usize, tile: __m512i) -> __m512i {
        unsafe {
            let one = _mm512_set1_epi32(1);
            let masks = _mm512_cvtepu16_epi32(_mm256_loadu_si256(
                self.masks.as_ptr().add(group * GROUP / QUAD).cast(),
            ));
            let mut place = one;
            for _ in 0..4 {
                let bit = _mm512_srlv_epi32(masks, place);
                let twice = _mm512_add_epi32(place, place);
                // twice | (bit & one)
                place = _mm512_ternarylogic_epi32::<0xf8>(twice, bit, one);
            }
            let index = _mm512_add_epi32(
                _mm512_slli_epi32::<4>(tile),
                _mm512_sub_epi32(place, _mm512_set1_epi32(EXITS as i32)),
            );
            _mm512_i32gather_epi32::<4>(index, tiles.exits.as_ptr().cast())
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi,popcnt")]
    unsafe fn keep(&mut self, open: usize, keep: __mmask16, at: __m512i, tree: __m512i) -> usize {
        unsafe {
            _mm512_storeu_si512(self.at.as_mut_ptr().add(open).cast(), _mm512_maskz_compress_epi32(keep, at));
            _mm512_storeu_si512(
                self.tree.as_mut_ptr().add(open).cast(),
                _mm512_maskz_compress_epi32(keep, tree),
            );
        }
        open + keep.count_ones() as usize
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn iota() -> __m512i {
    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi,popcnt")]
unsafe fn numbers(tiles: &Tiles, row: &[f64]) -> __m512i {
    let mut numbers = [0_u8; NUMBERS];
    for (input, number) in tiles.inputs.iter().zip(&mut numbers) {
        unsafe {
            let value = *row.get_unchecked(input.column as usize);
            let x = _mm512_set1_pd(value);
            let below = |chunk: usize| {
                let cuts = tiles.chunks.as_ptr().add(chunk).cast::<f64>();
                let low = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(_mm512_load_pd(cuts), x);
                let high = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(_mm512_load_pd(cuts.add(8)), x);
                (u32::from(low) | u32::from(high) << 8).count_ones() as usize
            };
            let first = input.first as usize;
            let high = below(first - 1);
            let rank = (16 * high + below(first + high)) as u8;
            *number = if value.is_nan() { input.missing } else { rank };
        }
    }
    unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
}
