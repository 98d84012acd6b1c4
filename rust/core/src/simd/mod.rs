//! Eight chains side by side: lane types, the operations the hot loops need, and run-time dispatch.
//!
//! Every operation is one IEEE operation (or exact integer arithmetic) per lane, fused only where the code
//! says `mul_add`, so each level gives the same bits; `tests/streams.rs` holds them to it.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod math;
mod portable;
mod scalar;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

pub use portable::Portable;

/// Number of chains (or rows) that advance in lockstep.
pub const LANES: usize = 8;

/// One value per lane, aligned for a full vector load.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes<T>(pub [T; LANES]);

impl<T: Copy> Lanes<T> {
    pub const fn splat(value: T) -> Self {
        Self([value; LANES])
    }
}

impl<T> std::ops::Index<usize> for Lanes<T> {
    type Output = T;
    #[inline(always)]
    fn index(&self, lane: usize) -> &T {
        &self.0[lane]
    }
}

impl<T> std::ops::IndexMut<usize> for Lanes<T> {
    #[inline(always)]
    fn index_mut(&mut self, lane: usize) -> &mut T {
        &mut self.0[lane]
    }
}

/// Lane-wise arithmetic on eight `f64` (`F`), eight `u64` (`U`) and eight truth values (`M`).
pub trait Simd: Copy {
    type F: Copy;
    type U: Copy;
    type M: Copy;

    fn splat(self, value: f64) -> Self::F;
    fn load(self, from: &Lanes<f64>) -> Self::F;
    fn store(self, value: Self::F, to: &mut Lanes<f64>);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`: a NaN in `a` gives `b`.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a > b { a } else { b }`: a NaN in `a` gives `b`.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    fn le(self, a: Self::F, b: Self::F) -> Self::M;
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
    fn to_bits(self, a: Self::F) -> Self::U;
    fn with_bits(self, a: Self::U) -> Self::F;
    /// Signed 64-bit integers to the nearest double.
    fn convert_i64(self, a: Self::U) -> Self::F;

    fn splat_u(self, value: u64) -> Self::U;
    fn load_u(self, from: &Lanes<u64>) -> Self::U;
    fn store_u(self, value: Self::U, to: &mut Lanes<u64>);
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn shl_u<const BITS: u32>(self, a: Self::U) -> Self::U;
    fn shr_u<const BITS: u32>(self, a: Self::U) -> Self::U;
    fn select_u(self, mask: Self::M, yes: Self::U, no: Self::U) -> Self::U;
    fn ne_u(self, a: Self::U, b: Self::U) -> Self::M;
    /// Position of the lowest set bit; 64 when there is none.
    fn trailing_zeros(self, a: Self::U) -> Self::U;
    /// `table[index & 7]` per lane.
    fn permute(self, table: &Lanes<u64>, index: Self::U) -> Self::U;
    /// `table[index & 63]` per lane; only the low six bits of an index count.
    fn gather64(self, table: &[u64; 64], index: Self::U) -> Self::U;

    fn and_m(self, a: Self::M, b: Self::M) -> Self::M;
    fn or_m(self, a: Self::M, b: Self::M) -> Self::M;
    fn any(self, mask: Self::M) -> bool;
}

/// A piece of work written once for every level.
pub trait Op {
    type Output;
    /// Must be `#[inline(always)]`, and so must every lane function it calls: only code that ends up
    /// inside the `target_feature` function of [`dispatch`] is compiled for that level.
    fn call<S: Simd>(self, s: S) -> Self::Output;
}

/// Instruction sets that the hot loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The best level of this machine.
    pub fn detect() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Level::available().last().copied().unwrap_or(Level::Portable))
    }

    /// Every level this machine can run, lowest first.
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut)]
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
            {
                levels.push(Level::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512cd")
                {
                    levels.push(Level::Avx512);
                }
            }
        }
        levels
    }
}

/// Runs `op` compiled for `level`. A level that the machine lacks runs the portable code.
#[inline]
pub fn dispatch<O: Op>(level: Level, op: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    {
        match level.min(Level::detect()) {
            // SAFETY: `Level::detect` returned at least this level, so the CPU has the features.
            Level::Avx512 => return unsafe { run_avx512(op) },
            // SAFETY: as above.
            Level::Avx2 => return unsafe { run_avx2(op) },
            Level::Portable => {}
        }
    }
    let _ = level;
    op.call(Portable)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512cd,avx2,fma,bmi1,bmi2,lzcnt")]
unsafe fn run_avx512<O: Op>(op: O) -> O::Output {
    // SAFETY: this function runs only where its features are available.
    op.call(unsafe { avx512::Avx512::new() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt")]
unsafe fn run_avx2<O: Op>(op: O) -> O::Output {
    op.call(Portable)
}
