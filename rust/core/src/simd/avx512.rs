//! Lane arithmetic on AVX-512 registers.
//!
//! SAFETY of every `unsafe` block below: an [`Avx512`] exists only inside `run_avx512` of the parent
//! module, which runs only where the CPU has avx512f, avx512dq and avx512cd. Loads and stores go
//! through references to 64-byte aligned [`Lanes`]. Gathers mask their indices into the table.

use std::arch::x86_64::*;

use super::{Lanes, Simd};

#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have avx512f, avx512dq and avx512cd.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

macro_rules! ops {
    ($($name:ident($($arg:ident: $kind:ident),*) -> $out:ident = $intrinsic:ident $(::<$param:ident>)?;)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: Self::$kind),*) -> Self::$out {
            // SAFETY: see the module.
            unsafe { $intrinsic$(::<$param>)?($($arg),*) }
        })*
    };
}

impl Simd for Avx512 {
    type F = __m512d;
    type U = __m512i;
    type M = __mmask8;

    ops! {
        add(a: F, b: F) -> F = _mm512_add_pd;
        sub(a: F, b: F) -> F = _mm512_sub_pd;
        mul(a: F, b: F) -> F = _mm512_mul_pd;
        div(a: F, b: F) -> F = _mm512_div_pd;
        mul_add(a: F, b: F, c: F) -> F = _mm512_fmadd_pd;
        min(a: F, b: F) -> F = _mm512_min_pd;
        max(a: F, b: F) -> F = _mm512_max_pd;
        abs(a: F) -> F = _mm512_abs_pd;
        to_bits(a: F) -> U = _mm512_castpd_si512;
        with_bits(a: U) -> F = _mm512_castsi512_pd;
        convert_i64(a: U) -> F = _mm512_cvtepi64_pd;
        add_u(a: U, b: U) -> U = _mm512_add_epi64;
        sub_u(a: U, b: U) -> U = _mm512_sub_epi64;
        and_u(a: U, b: U) -> U = _mm512_and_si512;
        ne_u(a: U, b: U) -> M = _mm512_cmpneq_epi64_mask;
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Self::F {
        // SAFETY: see the module.
        unsafe { _mm512_set1_pd(value) }
    }
    #[inline(always)]
    fn load(self, from: &Lanes<f64>) -> Self::F {
        // SAFETY: see the module.
        unsafe { _mm512_load_pd(from.0.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut Lanes<f64>) {
        // SAFETY: see the module.
        unsafe { _mm512_store_pd(to.0.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        // SAFETY: see the module.
        unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        // SAFETY: see the module.
        unsafe { _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        // SAFETY: see the module.
        unsafe { _mm512_mask_blend_pd(mask, no, yes) }
    }
    #[inline(always)]
    fn splat_u(self, value: u64) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_set1_epi64(value as i64) }
    }
    #[inline(always)]
    fn load_u(self, from: &Lanes<u64>) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut Lanes<u64>) {
        // SAFETY: see the module.
        unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn shl_u<const BITS: u32>(self, a: Self::U) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_slli_epi64::<BITS>(a) }
    }
    #[inline(always)]
    fn shr_u<const BITS: u32>(self, a: Self::U) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_srli_epi64::<BITS>(a) }
    }
    #[inline(always)]
    fn select_u(self, mask: Self::M, yes: Self::U, no: Self::U) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_mask_blend_epi64(mask, no, yes) }
    }
    #[inline(always)]
    fn trailing_zeros(self, a: Self::U) -> Self::U {
        // SAFETY: see the module. With no bit set, `lzcnt(0) = 64` gives 63 - 64 = -1, which the
        // last line turns into 64 like the portable code.
        unsafe {
            let lowest = _mm512_and_si512(a, _mm512_sub_epi64(_mm512_setzero_si512(), a));
            let count = _mm512_sub_epi64(_mm512_set1_epi64(63), _mm512_lzcnt_epi64(lowest));
            _mm512_mask_mov_epi64(count, _mm512_testn_epi64_mask(a, a), _mm512_set1_epi64(64))
        }
    }
    #[inline(always)]
    fn permute(self, table: &Lanes<u64>, index: Self::U) -> Self::U {
        // SAFETY: see the module.
        unsafe { _mm512_permutexvar_epi64(index, self.load_u(table)) }
    }
    #[inline(always)]
    fn gather64(self, table: &[u64; 64], index: Self::U) -> Self::U {
        // SAFETY: see the module; the masked index is below 64.
        unsafe {
            let index = _mm512_and_si512(index, _mm512_set1_epi64(63));
            _mm512_i64gather_epi64::<8>(index, table.as_ptr().cast())
        }
    }
    #[inline(always)]
    fn and_m(self, a: Self::M, b: Self::M) -> Self::M {
        a & b
    }
    #[inline(always)]
    fn or_m(self, a: Self::M, b: Self::M) -> Self::M {
        a | b
    }
    #[inline(always)]
    fn any(self, mask: Self::M) -> bool {
        mask != 0
    }
}
