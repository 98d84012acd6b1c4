//! What a stack computes in: single precision where that is what the parameters are, else double.

use super::kernel::Kernel;
use super::single;
use crate::model::graph::{Activation, activation, activation_slope};
use crate::simd::{LANES, Lanes, Op, Simd};

/// The numbers of a stack: `f32` or `f64`.
pub(super) trait Number: Kernel + PartialOrd + std::ops::MulAssign {
    /// Rounded to nearest; in single precision 0 below `2^-100`: products of such numbers with weights are
    /// subnormal, which is slow.
    fn narrow(value: f64) -> Self;
    /// Of a number that is one of this type.
    fn exactly(value: f64) -> Self;
    fn widen(self) -> f64;
    /// Replaces every `x` by the slope of the function there and writes its value to `y`.
    fn activate<S: Simd>(s: S, kind: Activation, x: &mut [Self], y: &mut [Self]);
}

impl Number for f64 {
    #[inline(always)]
    fn narrow(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn exactly(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn activate<S: Simd>(s: S, kind: Activation, x: &mut [f64], y: &mut [f64]) {
        in_double(s, kind, x, y);
    }
}

impl Number for f32 {
    #[inline(always)]
    fn narrow(value: f64) -> f32 {
        const LEAST: f64 = f64::from_bits((1023 - 100) << 52);
        if value.abs() < LEAST { 0.0 } else { value as f32 }
    }
    #[inline(always)]
    fn exactly(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn activate<S: Simd>(s: S, kind: Activation, x: &mut [f32], y: &mut [f32]) {
        if single::activate(kind, x, y).is_none() {
            in_double(s, kind, x, y);
        }
    }
}

/// By the functions of a graph, eight numbers at a time; slices are multiples of eight.
#[inline(always)]
fn in_double<T: Number, S: Simd>(s: S, kind: Activation, x: &mut [T], y: &mut [T]) {
    for (x, y) in x.as_chunks_mut::<LANES>().0.iter_mut().zip(y.as_chunks_mut::<LANES>().0) {
        let at = s.load(&Lanes(x.map(T::widen)));
        let value = activation(s, kind, at);
        let slope = activation_slope(s, kind, at, value);
        let mut lanes = Lanes::splat(0.0);
        s.store(value, &mut lanes);
        *y = lanes.0.map(T::narrow);
        s.store(slope, &mut lanes);
        *x = lanes.0.map(T::narrow);
    }
}

/// [`Number::activate`] for a level.
pub(super) struct Activate<'a, T> {
    pub(super) kind: Activation,
    pub(super) x: &'a mut [T],
    pub(super) y: &'a mut [T],
}

impl<T: Number> Op for Activate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        T::activate(s, self.kind, self.x, self.y);
    }
}

/// `max(x, 0)`; a NaN stays one.
pub(super) struct Rectify<'a, T> {
    pub(super) x: &'a mut [T],
}

impl<T: Number> Op for Rectify<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        for x in self.x {
            *x = if *x < T::default() { T::default() } else { *x };
        }
    }
}

/// Sets `to` to 0 where [`Rectify`] gave 0 (or NaN).
pub(super) struct Stop<'a, T> {
    pub(super) at: &'a [T],
    pub(super) to: &'a mut [T],
}

impl<T: Number> Op for Stop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        for (to, &at) in self.to.iter_mut().zip(self.at) {
            *to = if T::default() < at { *to } else { T::default() };
        }
    }
}

/// `to *= by`, entry by entry.
pub(super) struct Scale<'a, T> {
    pub(super) by: &'a [T],
    pub(super) to: &'a mut [T],
}

impl<T: Number> Op for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        for (to, &by) in self.to.iter_mut().zip(self.by) {
            *to *= by;
        }
    }
}

/// `to += weight · from` in double precision, for the slots of one of the members abreast.
pub(super) struct Add<'a, T> {
    pub(super) member: usize,
    pub(super) weight: f64,
    pub(super) from: &'a [T],
    pub(super) to: &'a mut [f64],
}

impl<T: Number> Op for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from.chunks_exact(T::ABREAST)) {
            *to = from[self.member].widen().mul_add(self.weight, *to);
        }
    }
}
