//! One lane alone, by the same operations: for code that is not worth lockstep.

use super::{Lanes, Simd};

#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Simd for Scalar {
    type F = f64;
    type U = u64;
    type M = bool;

    fn splat(self, value: f64) -> f64 {
        value
    }
    fn load(self, from: &Lanes<f64>) -> f64 {
        from.0[0]
    }
    fn store(self, value: f64, to: &mut Lanes<f64>) {
        to.0[0] = value;
    }
    fn add(self, a: f64, b: f64) -> f64 {
        a + b
    }
    fn sub(self, a: f64, b: f64) -> f64 {
        a - b
    }
    fn mul(self, a: f64, b: f64) -> f64 {
        a * b
    }
    fn div(self, a: f64, b: f64) -> f64 {
        a / b
    }
    fn mul_add(self, a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    fn min(self, a: f64, b: f64) -> f64 {
        if a < b { a } else { b }
    }
    fn max(self, a: f64, b: f64) -> f64 {
        if a > b { a } else { b }
    }
    fn abs(self, a: f64) -> f64 {
        a.abs()
    }
    fn lt(self, a: f64, b: f64) -> bool {
        a < b
    }
    fn le(self, a: f64, b: f64) -> bool {
        a <= b
    }
    fn select(self, mask: bool, yes: f64, no: f64) -> f64 {
        if mask { yes } else { no }
    }
    fn to_bits(self, a: f64) -> u64 {
        a.to_bits()
    }
    fn with_bits(self, a: u64) -> f64 {
        f64::from_bits(a)
    }
    fn convert_i64(self, a: u64) -> f64 {
        a as i64 as f64
    }
    fn splat_u(self, value: u64) -> u64 {
        value
    }
    fn load_u(self, from: &Lanes<u64>) -> u64 {
        from.0[0]
    }
    fn store_u(self, value: u64, to: &mut Lanes<u64>) {
        to.0[0] = value;
    }
    fn add_u(self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }
    fn sub_u(self, a: u64, b: u64) -> u64 {
        a.wrapping_sub(b)
    }
    fn and_u(self, a: u64, b: u64) -> u64 {
        a & b
    }
    fn shl_u<const BITS: u32>(self, a: u64) -> u64 {
        a << BITS
    }
    fn shr_u<const BITS: u32>(self, a: u64) -> u64 {
        a >> BITS
    }
    fn select_u(self, mask: bool, yes: u64, no: u64) -> u64 {
        if mask { yes } else { no }
    }
    fn ne_u(self, a: u64, b: u64) -> bool {
        a != b
    }
    fn trailing_zeros(self, a: u64) -> u64 {
        u64::from(a.trailing_zeros())
    }
    fn permute(self, table: &Lanes<u64>, index: u64) -> u64 {
        table.0[(index & 7) as usize]
    }
    fn gather64(self, table: &[u64; 64], index: u64) -> u64 {
        table[(index & 63) as usize]
    }
    fn and_m(self, a: bool, b: bool) -> bool {
        a & b
    }
    fn or_m(self, a: bool, b: bool) -> bool {
        a | b
    }
    fn any(self, mask: bool) -> bool {
        mask
    }
}
