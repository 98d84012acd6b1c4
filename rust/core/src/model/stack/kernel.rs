//! Matrices times the activations of all chains of a tile: where the time goes.
//!
//! Activations lie unit by unit; those of a unit are *slots*, a number for every chain and every member that is
//! computed abreast. The loop holds a panel of rows × slots in registers and goes along the inner dimension
//! once: a sum is one sequence of fused multiply-adds in ascending order whatever the panel, so a chain's
//! numbers depend on neither its neighbours, nor their number, nor the instruction set.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use super::vector::{Four, Vector};
use crate::simd::Level;

/// Numbers with a loop for every level: `f32` and `f64`.
pub(super) trait Kernel: Copy + Default {
    /// Members whose parameters lie number by number side by side and are computed at once: eight chains
    /// then fill a register of single numbers as well as one of double ones.
    const ABREAST: usize;

    /// The loop compiled for a level that the CPU has, on slices of the lengths that [`Product::run`] asserts.
    fn multiply(level: Level, product: &Product<'_, Self>, x: &[Self], out: &mut [Self]);
}

/// `out[j] = bias[j] + Σ_k matrix[j · row_stride + k · inner_stride] · x[k]`, with the matrix and the bias of the
/// member of a slot; with the strides exchanged, the transposed matrix.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    matrix: &'a [T],
    rows: usize,
    inner: usize,
    row_stride: usize,
    inner_stride: usize,
    bias: Option<&'a [T]>,
    slots: usize,
    /// How many numbers behind this matrix that of the next members lies, which is fetched on the way.
    ahead: usize,
}

impl<'a, T: Kernel> Product<'a, T> {
    /// By a matrix `rows × columns`, row-major.
    pub(super) fn forward(matrix: &'a [T], bias: &'a [T], slots: usize, ahead: usize) -> Self {
        let (rows, inner) = (bias.len() / T::ABREAST, matrix.len() / bias.len());
        let (row_stride, inner_stride) = (inner, 1);
        Self { matrix, rows, inner, row_stride, inner_stride, bias: Some(bias), slots, ahead }
    }

    /// By the same matrix, transposed: from `inner` entries to as many as it has columns.
    pub(super) fn backward(matrix: &'a [T], inner: usize, slots: usize, ahead: usize) -> Self {
        let rows = matrix.len() / T::ABREAST / inner;
        let (row_stride, inner_stride) = (1, rows);
        Self { matrix, rows, inner, row_stride, inner_stride, bias: None, slots, ahead }
    }

    pub(super) fn run(&self, level: Level, x: &[T], out: &mut [T]) {
        // What the pointers below rely on.
        assert!(self.slots.is_multiple_of(8 * T::ABREAST));
        assert!(self.matrix.len() == self.rows * self.inner * T::ABREAST);
        assert!(x.len() == self.inner * self.slots && out.len() == self.rows * self.slots);
        assert!(self.bias.is_none_or(|bias| bias.len() == self.rows * T::ABREAST));
        T::multiply(level.min(Level::detect()), self, x, out);
    }

    /// All rows of `C · V::LEN` slots from `slot` on.
    ///
    /// # Safety
    /// The CPU has the instructions of V, the slots exist, and the lengths are those of `run`.
    #[inline(always)]
    unsafe fn block<V: Vector<Number = T>, const R: usize, const C: usize>(
        &self,
        slot: usize,
        x: &[T],
        out: &mut [T],
    ) {
        let mut row = 0;
        // SAFETY: rows `row .. row + R` exist in each call.
        unsafe {
            while row + R <= self.rows {
                self.panel::<V, R, C>(row, slot, x, out);
                row += R;
            }
            if R > 4 && row + 4 <= self.rows {
                self.panel::<V, 4, C>(row, slot, x, out);
                row += 4;
            }
            if row + 2 <= self.rows {
                self.panel::<V, 2, C>(row, slot, x, out);
                row += 2;
            }
            if row < self.rows {
                self.panel::<V, 1, C>(row, slot, x, out);
            }
        }
    }

    /// # Safety
    /// As `block`, and `row + R <= rows`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    unsafe fn panel<V: Vector<Number = T>, const R: usize, const C: usize>(
        &self,
        row: usize,
        slot: usize,
        x: &[T],
        out: &mut [T],
    ) {
        // SAFETY: offsets stay below `rows · inner · ABREAST` in the matrix, `inner · slots` in x and
        // `rows · slots` in `out`, which are their lengths.
        unsafe {
            let matrix = self.matrix.as_ptr().add(row * self.row_stride * T::ABREAST);
            let x = x.as_ptr().add(slot);
            // Loops over indices: closures would not be compiled for the level.
            let mut sums = [[V::zero(); C]; R];
            if let Some(bias) = self.bias {
                for r in 0..R {
                    sums[r] = [V::spread(bias.as_ptr().add((row + r) * T::ABREAST)); C];
                }
            }
            for k in 0..self.inner {
                let mut units = [V::zero(); C];
                for c in 0..C {
                    units[c] = V::load(x.add(k * self.slots + c * V::LEN));
                }
                let weights = matrix.add(k * self.inner_stride * T::ABREAST);
                if slot == 0 {
                    // Along the rows of the panel, or across them: each line once, at a steady pace.
                    let here = if self.inner_stride == 1 { matrix.add(k * R * T::ABREAST) } else { weights };
                    V::prefetch(here.wrapping_add(self.ahead));
                }
                for r in 0..R {
                    let weight = V::spread(weights.add(r * self.row_stride * T::ABREAST));
                    for c in 0..C {
                        sums[r][c] = weight.mul_add(units[c], sums[r][c]);
                    }
                }
            }
            let out = out.as_mut_ptr().add(row * self.slots + slot);
            for r in 0..R {
                for c in 0..C {
                    sums[r][c].store(out.add(r * self.slots + c * V::LEN));
                }
            }
        }
    }
}

/// Goes through the slots of a product in blocks as wide as fit: `(vector, rows of a panel, vectors of a row)`,
/// widest first; with the stride that is 1 as a constant.
macro_rules! blocks {
    ($product:ident, $x:ident, $out:ident, $(($vector:ty, $rows:literal, $vectors:literal)),+) => {{
        let mut slot = 0;
        $(while slot + $vectors * <$vector>::LEN <= $product.slots {
            // SAFETY: the condition of the loop; instructions and lengths are those of the caller.
            unsafe {
                if $product.inner_stride == 1 {
                    let product = Product { inner_stride: 1, ..*$product };
                    product.block::<$vector, $rows, $vectors>(slot, $x, $out);
                } else {
                    let product = Product { row_stride: 1, ..*$product };
                    product.block::<$vector, $rows, $vectors>(slot, $x, $out);
                }
            }
            slot += $vectors * <$vector>::LEN;
        })+
    }};
}

/// `blocks` in functions that are compiled for a level each.
macro_rules! levels {
    ($number:ty, abreast: $abreast:literal, avx512: [$($wide:tt),+], avx2: [$($narrow:tt),+]) => {
        impl Kernel for $number {
            const ABREAST: usize = $abreast;

            fn multiply(level: Level, product: &Product<'_, Self>, x: &[Self], out: &mut [Self]) {
                /// # Safety
                /// The CPU has avx512f; lengths are those of `Product::run`.
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f")]
                unsafe fn avx512(product: &Product<'_, $number>, x: &[$number], out: &mut [$number]) {
                    blocks!(product, x, out, $($wide),+);
                }
                /// # Safety
                /// The CPU has avx2 and fma; lengths are those of `Product::run`.
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(product: &Product<'_, $number>, x: &[$number], out: &mut [$number]) {
                    blocks!(product, x, out, $($narrow),+);
                }
                match level {
                    // SAFETY: `Product::run` has asserted the lengths and capped the level by what the
                    // CPU has.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { avx512(product, x, out) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { avx2(product, x, out) },
                    _ => blocks!(product, x, out, (Four<$number>, 4, 2)),
                }
            }
        }
    };
}

levels!(f32, abreast: 2, avx512: [(__m512, 8, 2), (__m512, 8, 1)], avx2: [(__m256, 4, 2)]);
levels!(f64, abreast: 1, avx512: [(__m512d, 8, 2), (__m512d, 8, 1)], avx2: [(__m256d, 4, 2)]);
