//! The loops of [`Isa`] on AVX2 and AVX-512 registers.
//!
//! SAFETY of every `unsafe` block below: [`Avx512`] and [`Avx2`] exist only inside `run_avx512` and
//! `run_avx2` of `isa`, which run only where the CPU has their features. Loads and stores are unaligned
//! ones through references to arrays of the size that is read or written, or as said beside them.

use std::arch::x86_64::*;

use super::isa::{GROUP, Isa, Numbers};

/// What is needed beyond `Level::Avx512`: operations on bytes, and their permutation.
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
}

#[derive(Clone, Copy)]
pub(super) struct Avx512(());

#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx512 {
    /// # Safety
    /// The CPU must have the features of `run_avx512`.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

impl Avx2 {
    /// # Safety
    /// The CPU must have the features of `run_avx2`.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

impl Isa for Avx512 {
    #[inline(always)]
    fn at_least(self, numbers: &[u8; GROUP], at: u8) -> u64 {
        // SAFETY: see the module.
        unsafe {
            let numbers = _mm512_loadu_si512(numbers.as_ptr().cast());
            _mm512_cmpge_epu8_mask(numbers, _mm512_set1_epi8(at as i8))
        }
    }

    #[inline(always)]
    fn at_least_wide(self, numbers: &[u16; GROUP], at: u16) -> u64 {
        // SAFETY: see the module; the second half starts 32 words in.
        unsafe {
            let at = _mm512_set1_epi16(at as i16);
            let low = _mm512_cmpge_epu16_mask(_mm512_loadu_si512(numbers.as_ptr().cast()), at);
            let high = _mm512_cmpge_epu16_mask(_mm512_loadu_si512(numbers.as_ptr().add(32).cast()), at);
            u64::from(low) | (u64::from(high) << 32)
        }
    }

    #[inline(always)]
    fn listed(self, numbers: &[u8; GROUP], table: &[u8; 64]) -> u64 {
        // SAFETY: see the module; `vpermb` takes the low six bits of a number.
        unsafe {
            let numbers = _mm512_loadu_si512(numbers.as_ptr().cast());
            let entries = _mm512_permutexvar_epi8(numbers, _mm512_loadu_si512(table.as_ptr().cast()));
            _mm512_test_epi8_mask(entries, entries)
        }
    }

    #[inline(always)]
    fn select<const W: usize>(self, mask: &[u64; W], right: &[u64; W], left: &[u64; W]) -> [u64; W] {
        let mut out = [0; W];
        let mut w = 0;
        while w + 8 <= W {
            // SAFETY: see the module; eight words from `w` on are inside.
            unsafe {
                let m = _mm512_loadu_si512(mask.as_ptr().add(w).cast());
                let r = _mm512_loadu_si512(right.as_ptr().add(w).cast());
                let l = _mm512_loadu_si512(left.as_ptr().add(w).cast());
                _mm512_storeu_si512(
                    out.as_mut_ptr().add(w).cast(),
                    _mm512_ternarylogic_epi64::<0xca>(m, r, l),
                );
            }
            w += 8;
        }
        while w < W {
            out[w] = (mask[w] & right[w]) | (!mask[w] & left[w]);
            w += 1;
        }
        out
    }

    #[inline(always)]
    fn numbers<const W: usize>(self, planes: [&[u64; W]; 8], n: usize, numbers: &mut [[u8; GROUP]; W]) {
        match n {
            0..=3 => spread::<3, W>(planes, numbers),
            4..=6 => spread::<6, W>(planes, numbers),
            _ => spread::<8, W>(planes, numbers),
        }
    }

    #[inline(always)]
    fn add_single(self, numbers: Numbers<'_>, table: &[f32], sums: &mut [[f32; GROUP]]) {
        assert!(table.len() >= 16 && table.len().is_power_of_two());
        // SAFETY: see the module; `table` has the entries that are loaded, and the gather's index is masked
        // to be below its length.
        unsafe {
            let t = table.as_ptr();
            match table.len() {
                16 => {
                    let a = _mm512_loadu_ps(t);
                    single(numbers, sums, |i| _mm512_permutexvar_ps(i, a));
                }
                32 => {
                    let (a, b) = (_mm512_loadu_ps(t), _mm512_loadu_ps(t.add(16)));
                    single(numbers, sums, |i| _mm512_permutex2var_ps(a, i, b));
                }
                64 => {
                    let (a, b) = (_mm512_loadu_ps(t), _mm512_loadu_ps(t.add(16)));
                    let (c, d) = (_mm512_loadu_ps(t.add(32)), _mm512_loadu_ps(t.add(48)));
                    single(numbers, sums, |i| {
                        let high = _mm512_test_epi32_mask(i, _mm512_set1_epi32(32));
                        let low = _mm512_permutex2var_ps(a, i, b);
                        _mm512_mask_blend_ps(high, low, _mm512_permutex2var_ps(c, i, d))
                    });
                }
                128 | 256 => {
                    let last = _mm512_set1_epi32((table.len() - 1) as i32);
                    single(numbers, sums, |i| _mm512_i32gather_ps::<4>(_mm512_and_si512(i, last), t));
                }
                n => {
                    let last = _mm512_set1_epi32((n - 1).min(0xffff) as i32);
                    single_wide(numbers, sums, |i| _mm512_i32gather_ps::<4>(_mm512_and_si512(i, last), t));
                }
            }
        }
    }

    #[inline(always)]
    fn add_double(self, numbers: Numbers<'_>, table: &[f64], sums: &mut [[f64; GROUP]]) {
        assert!(table.len() >= 16 && table.len().is_power_of_two());
        // SAFETY: as in `add_single`.
        unsafe {
            let t = table.as_ptr();
            match table.len() {
                16 => {
                    let (a, b) = (_mm512_loadu_pd(t), _mm512_loadu_pd(t.add(8)));
                    double(numbers, sums, |i| _mm512_permutex2var_pd(a, i, b));
                }
                32 => {
                    let (a, b) = (_mm512_loadu_pd(t), _mm512_loadu_pd(t.add(8)));
                    let (c, d) = (_mm512_loadu_pd(t.add(16)), _mm512_loadu_pd(t.add(24)));
                    double(numbers, sums, |i| {
                        let high = _mm512_test_epi64_mask(i, _mm512_set1_epi64(16));
                        let low = _mm512_permutex2var_pd(a, i, b);
                        _mm512_mask_blend_pd(high, low, _mm512_permutex2var_pd(c, i, d))
                    });
                }
                64..=256 => {
                    let last = _mm512_set1_epi64((table.len() - 1) as i64);
                    double(numbers, sums, |i| _mm512_i64gather_pd::<8>(_mm512_and_si512(i, last), t));
                }
                n => {
                    let last = _mm512_set1_epi64((n - 1).min(0xffff) as i64);
                    double_wide(numbers, sums, |i| _mm512_i64gather_pd::<8>(_mm512_and_si512(i, last), t));
                }
            }
        }
    }

    #[inline(always)]
    fn ranks(self, x: &[f64; GROUP], cuts: &[f64], ranks: &mut [u16; GROUP]) {
        assert!((cuts.len() + 1).is_power_of_two());
        let steps = (cuts.len() + 1).trailing_zeros();
        // SAFETY: see the module. Before the step of a half, a place is a sum of larger halves, so that
        // place + half - 1 is below `cuts.len()`, the sum of all halves.
        unsafe {
            let x: [__m512d; 8] = std::array::from_fn(|v| _mm512_loadu_pd(x.as_ptr().add(8 * v)));
            let mut at = [_mm512_setzero_si512(); 8];
            for step in (0..steps).rev() {
                let half = 1_i64 << step;
                let base = cuts.as_ptr().add(half as usize - 1);
                let half = _mm512_set1_epi64(half);
                for v in 0..8 {
                    let cut = _mm512_i64gather_pd::<8>(at[v], base.cast());
                    let above = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(cut, x[v]);
                    at[v] = _mm512_mask_add_epi64(at[v], above, at[v], half);
                }
            }
            for (v, at) in at.into_iter().enumerate() {
                _mm_storeu_si128(ranks.as_mut_ptr().add(8 * v).cast(), _mm512_cvtepi64_epi16(at));
            }
        }
    }
}

/// Numbers from the first `N` planes; only for [`Avx512`].
#[inline(always)]
fn spread<const N: usize, const W: usize>(planes: [&[u64; W]; 8], numbers: &mut [[u8; GROUP]; W]) {
    for (w, numbers) in numbers.iter_mut().enumerate() {
        // SAFETY: see the module.
        unsafe {
            let mut sum = _mm512_maskz_set1_epi8(planes[0][w], 1);
            for (j, plane) in planes.iter().enumerate().take(N).skip(1) {
                sum = _mm512_mask_add_epi8(sum, plane[w], sum, _mm512_set1_epi8((1_u8 << j) as i8));
            }
            _mm512_storeu_si512(numbers.as_mut_ptr().cast(), sum);
        }
    }
}

/// Adds `look(numbers)` to sums of single precision; register s takes rows 4i + s, whose numbers are the
/// low bytes of the numbers' words after a shift by s bytes. Higher bytes are for `look` to ignore.
///
/// # Safety
/// As for [`Avx512`].
#[inline(always)]
unsafe fn single(numbers: Numbers<'_>, sums: &mut [[f32; GROUP]], look: impl Fn(__m512i) -> __m512) {
    for (numbers, sums) in numbers.low.iter().zip(sums) {
        // SAFETY: see the module; four registers of sixteen sums are one group.
        unsafe {
            let n = _mm512_loadu_si512(numbers.as_ptr().cast());
            for s in 0..4 {
                let n = _mm512_srl_epi32(n, _mm_cvtsi32_si128(8 * s as i32));
                let sum = sums.as_mut_ptr().add(16 * s);
                _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), look(n)));
            }
        }
    }
}

/// The same with numbers of two bytes.
///
/// # Safety
/// As for [`Avx512`].
#[inline(always)]
unsafe fn single_wide(numbers: Numbers<'_>, sums: &mut [[f32; GROUP]], look: impl Fn(__m512i) -> __m512) {
    for ((low, high), sums) in numbers.low.iter().zip(numbers.high).zip(sums) {
        // SAFETY: see the module; four registers of sixteen sums are one group.
        unsafe {
            let byte = _mm512_set1_epi32(255);
            let (low, high) =
                (_mm512_loadu_si512(low.as_ptr().cast()), _mm512_loadu_si512(high.as_ptr().cast()));
            for s in 0..4 {
                let shift = _mm_cvtsi32_si128(8 * s as i32);
                let low = _mm512_and_si512(_mm512_srl_epi32(low, shift), byte);
                let high = _mm512_and_si512(_mm512_srl_epi32(high, shift), byte);
                let n = _mm512_or_si512(low, _mm512_slli_epi32::<8>(high));
                let sum = sums.as_mut_ptr().add(16 * s);
                _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), look(n)));
            }
        }
    }
}

/// [`single`] in double precision, eight rows a register.
///
/// # Safety
/// As for [`Avx512`].
#[inline(always)]
unsafe fn double(numbers: Numbers<'_>, sums: &mut [[f64; GROUP]], look: impl Fn(__m512i) -> __m512d) {
    for (numbers, sums) in numbers.low.iter().zip(sums) {
        // SAFETY: see the module; eight registers of eight sums are one group.
        unsafe {
            let n = _mm512_loadu_si512(numbers.as_ptr().cast());
            for s in 0..8 {
                let n = _mm512_srl_epi64(n, _mm_cvtsi32_si128(8 * s as i32));
                let sum = sums.as_mut_ptr().add(8 * s);
                _mm512_storeu_pd(sum, _mm512_add_pd(_mm512_loadu_pd(sum), look(n)));
            }
        }
    }
}

/// The same with numbers of two bytes.
///
/// # Safety
/// As for [`Avx512`].
#[inline(always)]
unsafe fn double_wide(numbers: Numbers<'_>, sums: &mut [[f64; GROUP]], look: impl Fn(__m512i) -> __m512d) {
    for ((low, high), sums) in numbers.low.iter().zip(numbers.high).zip(sums) {
        // SAFETY: see the module; eight registers of eight sums are one group.
        unsafe {
            let byte = _mm512_set1_epi64(255);
            let (low, high) =
                (_mm512_loadu_si512(low.as_ptr().cast()), _mm512_loadu_si512(high.as_ptr().cast()));
            for s in 0..8 {
                let shift = _mm_cvtsi32_si128(8 * s as i32);
                let low = _mm512_and_si512(_mm512_srl_epi64(low, shift), byte);
                let high = _mm512_and_si512(_mm512_srl_epi64(high, shift), byte);
                let n = _mm512_or_si512(low, _mm512_slli_epi64::<8>(high));
                let sum = sums.as_mut_ptr().add(8 * s);
                _mm512_storeu_pd(sum, _mm512_add_pd(_mm512_loadu_pd(sum), look(n)));
            }
        }
    }
}

impl Isa for Avx2 {
    #[inline(always)]
    fn at_least(self, numbers: &[u8; GROUP], at: u8) -> u64 {
        // SAFETY: see the module; the second half starts 32 bytes in.
        unsafe {
            let at = _mm256_set1_epi8(at as i8);
            let half = |p: *const u8| {
                let x = _mm256_loadu_si256(p.cast());
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(x, at), x)) as u32
            };
            u64::from(half(numbers.as_ptr())) | (u64::from(half(numbers.as_ptr().add(32))) << 32)
        }
    }

    #[inline(always)]
    fn at_least_wide(self, numbers: &[u16; GROUP], at: u16) -> u64 {
        // SAFETY: see the module; the second half starts 32 words in, and each is two registers of 16.
        unsafe {
            let at = _mm256_set1_epi16(at as i16);
            let quarter = |p: *const u16| {
                let x = _mm256_loadu_si256(p.cast());
                _mm256_cmpeq_epi16(_mm256_max_epu16(x, at), x)
            };
            let half = |p: *const u16| {
                // Packing interleaves the registers' halves: put them back.
                let packed = _mm256_packs_epi16(quarter(p), quarter(p.add(16)));
                _mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed)) as u32
            };
            u64::from(half(numbers.as_ptr())) | (u64::from(half(numbers.as_ptr().add(32))) << 32)
        }
    }

    #[inline(always)]
    fn numbers<const W: usize>(self, planes: [&[u64; W]; 8], n: usize, numbers: &mut [[u8; GROUP]; W]) {
        for (w, numbers) in numbers.iter_mut().enumerate() {
            for (byte, numbers) in numbers.chunks_exact_mut(8).enumerate() {
                let mut sum = 0;
                for (j, plane) in planes.iter().enumerate().take(n) {
                    let bits = plane[w] >> (8 * byte) & 255;
                    // SAFETY: see the module.
                    sum |= unsafe { _pdep_u64(bits, 0x0101_0101_0101_0101) } << j;
                }
                numbers.copy_from_slice(&sum.to_le_bytes());
            }
        }
    }
}
