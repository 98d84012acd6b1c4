//! Lane arithmetic as plain loops: the reference, and what the compiler vectorises for AVX2.

use super::{LANES, Lanes, Simd};

#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[inline(always)]
fn map<A: Copy, R: Copy + Default>(a: Lanes<A>, f: impl Fn(A) -> R) -> Lanes<R> {
    let mut out = Lanes([R::default(); LANES]);
    for lane in 0..LANES {
        out.0[lane] = f(a.0[lane]);
    }
    out
}

#[inline(always)]
fn zip<A: Copy, B: Copy, R: Copy + Default>(a: Lanes<A>, b: Lanes<B>, f: impl Fn(A, B) -> R) -> Lanes<R> {
    let mut out = Lanes([R::default(); LANES]);
    for lane in 0..LANES {
        out.0[lane] = f(a.0[lane], b.0[lane]);
    }
    out
}

#[inline(always)]
fn mask(condition: bool) -> u64 {
    (condition as u64).wrapping_neg()
}

impl Simd for Portable {
    type F = Lanes<f64>;
    type U = Lanes<u64>;
    /// All bits of a lane, or none.
    type M = Lanes<u64>;

    #[inline(always)]
    fn splat(self, value: f64) -> Self::F {
        Lanes::splat(value)
    }
    #[inline(always)]
    fn load(self, from: &Lanes<f64>) -> Self::F {
        *from
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut Lanes<f64>) {
        *to = value;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut out = Lanes([0.0; LANES]);
        for lane in 0..LANES {
            out.0[lane] = a.0[lane].mul_add(b.0[lane], c.0[lane]);
        }
        out
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        map(a, f64::abs)
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        zip(a, b, |a, b| mask(a < b))
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        zip(a, b, |a, b| mask(a <= b))
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        self.with_bits(self.select_u(mask, self.to_bits(yes), self.to_bits(no)))
    }
    #[inline(always)]
    fn to_bits(self, a: Self::F) -> Self::U {
        map(a, f64::to_bits)
    }
    #[inline(always)]
    fn with_bits(self, a: Self::U) -> Self::F {
        map(a, f64::from_bits)
    }
    #[inline(always)]
    fn convert_i64(self, a: Self::U) -> Self::F {
        map(a, |a| a as i64 as f64)
    }

    #[inline(always)]
    fn splat_u(self, value: u64) -> Self::U {
        Lanes::splat(value)
    }
    #[inline(always)]
    fn load_u(self, from: &Lanes<u64>) -> Self::U {
        *from
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut Lanes<u64>) {
        *to = value;
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, u64::wrapping_add)
    }
    #[inline(always)]
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, u64::wrapping_sub)
    }
    #[inline(always)]
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn shl_u<const BITS: u32>(self, a: Self::U) -> Self::U {
        map(a, |a| a << BITS)
    }
    #[inline(always)]
    fn shr_u<const BITS: u32>(self, a: Self::U) -> Self::U {
        map(a, |a| a >> BITS)
    }
    #[inline(always)]
    fn select_u(self, mask: Self::M, yes: Self::U, no: Self::U) -> Self::U {
        let mut out = Lanes([0; LANES]);
        for lane in 0..LANES {
            out.0[lane] = (yes.0[lane] & mask.0[lane]) | (no.0[lane] & !mask.0[lane]);
        }
        out
    }
    #[inline(always)]
    fn ne_u(self, a: Self::U, b: Self::U) -> Self::M {
        zip(a, b, |a, b| mask(a != b))
    }
    #[inline(always)]
    fn trailing_zeros(self, a: Self::U) -> Self::U {
        map(a, |a| u64::from(a.trailing_zeros()))
    }
    #[inline(always)]
    fn permute(self, table: &Lanes<u64>, index: Self::U) -> Self::U {
        map(index, |index| table.0[(index & 7) as usize])
    }
    #[inline(always)]
    fn gather64(self, table: &[u64; 64], index: Self::U) -> Self::U {
        map(index, |index| table[(index & 63) as usize])
    }

    #[inline(always)]
    fn and_m(self, a: Self::M, b: Self::M) -> Self::M {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or_m(self, a: Self::M, b: Self::M) -> Self::M {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn any(self, mask: Self::M) -> bool {
        mask.0.iter().fold(0, |any, &lane| any | lane) != 0
    }
}
