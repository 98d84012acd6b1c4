//! What the evaluation of a tile writes to on its way.

use super::number::Number;
use crate::simd::Lanes;

/// Scratch of [`super::Stack::mean`].
#[derive(Clone, Debug, Default)]
pub struct StackScratch {
    pub(super) tile: Tile,
    pub(super) single: Buffers<f32>,
    pub(super) double: Buffers<f64>,
}

/// What is computed by the graph that all members are like.
#[derive(Clone, Debug, Default)]
pub(super) struct Tile {
    /// Values and cotangents of its nodes, group after group.
    pub(super) values: Vec<Lanes<f64>>,
    pub(super) cotangents: Vec<Lanes<f64>>,
    pub(super) product: Vec<Lanes<f64>>,
    /// Outputs of the second node, group after group, and what one member says of their cotangents.
    pub(super) other: Vec<Lanes<f64>>,
    pub(super) to_other: Vec<Lanes<f64>>,
    /// Sum of the members' cotangents at the node that they all read, unit by unit.
    pub(super) entry: Vec<f64>,
}

/// Activations of one member, and the cotangents of a layer's two sides.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers<T> {
    pub(super) activations: Aligned<T>,
    pub(super) cotangents: [Aligned<T>; 2],
}

/// Numbers from the beginning of a cache line on.
#[derive(Clone, Debug, Default)]
pub(super) struct Aligned<T>(Vec<T>);

impl<T: Number> Aligned<T> {
    /// The first `len` numbers, whatever they are.
    pub(super) fn take(&mut self, len: usize) -> &mut [T] {
        const LINE: usize = 64;
        let spare = LINE / size_of::<T>();
        self.0.resize(self.0.len().max(len + spare), T::default());
        let first = self.0.as_ptr().align_offset(LINE).min(spare);
        &mut self.0[first..first + len]
    }
}
