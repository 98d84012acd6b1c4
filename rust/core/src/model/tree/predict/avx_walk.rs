//! Walks of one row through many trees on AVX-512 registers.

use std::arch::x86_64::*;

use super::isa::GROUP;
use super::walk::{AT_ONCE, WalkNode};

/// Leaves that walks from `starts` reach, all reading the same row; no node tests a set.
///
/// # Safety
/// The CPU must have avx512f and avx512dq. Every start, every node's child and the node after the child of
/// a split must be below `nodes.len()`, and every node's entry below `row.len()`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) unsafe fn exits(nodes: &[WalkNode], starts: [u32; AT_ONCE], row: &[f64]) -> [u32; AT_ONCE] {
    const REGISTERS: usize = AT_ONCE / 8;
    // SAFETY: loads and stores of eight are within `starts` and `leaves`. A gather reads the two words of
    // 16-byte nodes, or entries of the row: within them by what the caller promises, as a comparison
    // with the NaN that leaves read is false and leaves them where they are.
    unsafe {
        let (words, row) = (nodes.as_ptr().cast::<i64>(), row.as_ptr());
        let mut at: [__m512i; REGISTERS] = std::array::from_fn(|i| {
            _mm512_cvtepu32_epi64(_mm256_loadu_si256(starts.as_ptr().add(8 * i).cast()))
        });
        let low = _mm512_set1_epi64(0xffff_ffff);
        let one = _mm512_set1_epi64(1);
        loop {
            let mut moved = 0;
            for _ in 0..2 {
                moved = 0;
                for at in &mut at {
                    let word = _mm512_slli_epi64::<1>(*at);
                    let cut = _mm512_i64gather_pd::<8>(word, words.cast());
                    let rest = _mm512_i64gather_epi64::<8>(word, words.add(1));
                    let x = _mm512_i64gather_pd::<8>(_mm512_srli_epi64::<32>(rest), row);
                    let right = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(cut, x);
                    let child = _mm512_and_si512(rest, low);
                    let next = _mm512_mask_add_epi64(child, right, child, one);
                    moved |= _mm512_cmpneq_epi64_mask(next, *at);
                    *at = next;
                }
            }
            if moved == 0 {
                break;
            }
        }
        let mut leaves = [0; AT_ONCE];
        for (i, at) in at.into_iter().enumerate() {
            _mm256_storeu_si256(leaves.as_mut_ptr().add(8 * i).cast(), _mm512_cvtepi64_epi32(at));
        }
        leaves
    }
}

/// Leaves that walks from `roots` reach through the nodes of `Compact`.
///
/// # Safety
/// The CPU must have avx512f, avx512bw and avx512vbmi. For every root, root + child must be below
/// `nodes.len()` for each node that can be reached, and root + child + 1 too unless it is a leaf.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) unsafe fn compact_exits(
    nodes: &[u32],
    roots: &[u32; AT_ONCE],
    numbers: &[u8; GROUP],
) -> [u32; AT_ONCE] {
    const REGISTERS: usize = AT_ONCE / 16;
    // SAFETY: loads and stores of sixteen are within `roots` and `leaves`, the gathers within `nodes` by
    // what the caller promises: a leaf asks for number 0 to be 255 or more, which keeps it in place.
    unsafe {
        let base = nodes.as_ptr().cast::<i32>();
        let numbers = _mm512_loadu_si512(numbers.as_ptr().cast());
        let roots: [__m512i; REGISTERS] =
            std::array::from_fn(|i| _mm512_loadu_si512(roots.as_ptr().add(16 * i).cast()));
        let mut at = roots;
        let byte = _mm512_set1_epi32(255);
        let one = _mm512_set1_epi32(1);
        loop {
            let mut moved = 0;
            for _ in 0..2 {
                moved = 0;
                for (at, &root) in at.iter_mut().zip(&roots) {
                    let node = _mm512_i32gather_epi32::<4>(*at, base);
                    // `vpermb` takes the low six bits of a byte: those of the input.
                    let number = _mm512_and_si512(
                        _mm512_permutexvar_epi8(_mm512_srli_epi32::<8>(node), numbers),
                        byte,
                    );
                    let right = _mm512_cmpge_epu32_mask(number, _mm512_and_si512(node, byte));
                    let child = _mm512_add_epi32(root, _mm512_srli_epi32::<14>(node));
                    let next = _mm512_mask_add_epi32(child, right, child, one);
                    moved |= _mm512_cmpneq_epi32_mask(next, *at);
                    *at = next;
                }
            }
            if moved == 0 {
                break;
            }
        }
        let mut leaves = [0; AT_ONCE];
        for (i, at) in at.into_iter().enumerate() {
            _mm512_storeu_si512(leaves.as_mut_ptr().add(16 * i).cast(), at);
        }
        leaves
    }
}
