//! Registers of single and double numbers, for the inner loop of [`super::kernel`] alone.

/// Several numbers that are loaded, multiplied and added together.
///
/// # Safety
/// Of every method: the CPU has the instructions of the implementing type, and pointers are to as many
/// numbers of one allocation as are read or written: [`LEN`], or [`ABREAST`] in `spread`.
///
/// [`LEN`]: Vector::LEN
/// [`ABREAST`]: super::kernel::Kernel::ABREAST
pub(super) trait Vector: Copy {
    type Number: Copy;
    const LEN: usize;

    unsafe fn zero() -> Self;
    /// The numbers of the members abreast, over and over.
    unsafe fn spread(from: *const Self::Number) -> Self;
    unsafe fn load(from: *const Self::Number) -> Self;
    unsafe fn store(self, to: *mut Self::Number);
    /// `self · b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// Brings the line of an address, whatever it is, into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch(_address: *const Self::Number) {}
}

/// Four numbers as a plain array: what every CPU has.
#[derive(Clone, Copy)]
pub(super) struct Four<T>([T; 4]);

macro_rules! plain {
    ($number:ty, [$($member:literal),+]) => {
        impl Vector for Four<$number> {
            type Number = $number;
            const LEN: usize = 4;

            #[inline(always)]
            unsafe fn zero() -> Self {
                Self([0.0; 4])
            }
            #[inline(always)]
            unsafe fn spread(from: *const $number) -> Self {
                // SAFETY: see the trait.
                unsafe { Self([$(from.add($member).read()),+]) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $number) -> Self {
                // SAFETY: see the trait; an array needs no more alignment than its entries.
                unsafe { Self(from.cast::<[$number; 4]>().read()) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                // SAFETY: as above.
                unsafe { to.cast::<[$number; 4]>().write(self.0) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                let mut all = c.0;
                for (i, number) in all.iter_mut().enumerate() {
                    *number = self.0[i].mul_add(b.0[i], *number);
                }
                Self(all)
            }
        }
    };
}

plain!(f32, [0, 1, 0, 1]);
plain!(f64, [0, 0, 0, 0]);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// Intrinsics in the order of the trait's methods. Pairs of single numbers are spread as one double.
    macro_rules! register {
        ($name:ty, $number:ty, $len:literal, $zero:ident, |$from:ident| $spread:expr, $load:ident, $store:ident,
         $mul_add:ident) => {
            impl Vector for $name {
                type Number = $number;
                const LEN: usize = $len;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: here and below: see the trait.
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn spread($from: *const $number) -> Self {
                    // SAFETY: as above.
                    unsafe { $spread }
                }
                #[inline(always)]
                unsafe fn load(from: *const $number) -> Self {
                    // SAFETY: as above.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $number) {
                    // SAFETY: as above.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $mul_add(self, b, c) }
                }
                #[inline(always)]
                unsafe fn prefetch(address: *const $number) {
                    // SAFETY: an instruction without effect on what a program sees.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
                }
            }
        };
    }

    register!(
        __m512,
        f32,
        16,
        _mm512_setzero_ps,
        |from| _mm512_castpd_ps(_mm512_set1_pd(from.cast::<f64>().read_unaligned())),
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps
    );
    register!(
        __m256,
        f32,
        8,
        _mm256_setzero_ps,
        |from| _mm256_castpd_ps(_mm256_set1_pd(from.cast::<f64>().read_unaligned())),
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps
    );
    register!(
        __m512d,
        f64,
        8,
        _mm512_setzero_pd,
        |from| _mm512_set1_pd(from.read()),
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd
    );
    register!(
        __m256d,
        f64,
        4,
        _mm256_setzero_pd,
        |from| _mm256_set1_pd(from.read()),
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd
    );
}
