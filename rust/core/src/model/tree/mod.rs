//! Tree ensembles: as imported (`arrays`), walked plainly (`traverse`), compiled for a box of the
//! space (`forest`, `vectors`), evaluated in lockstep (`bits`, `walk`), sliced along a column (`slice`)
//! or at each of its values (`points`), and smoothed (`smooth`).

mod arrays;
mod bits;
mod build;
mod forest;
#[cfg(test)]
mod mixed_tests;
mod points;
mod predict;
mod sets;
mod slice;
mod smooth;
#[cfg(test)]
mod tests;
mod traverse;
mod vectors;
mod walk;

pub(crate) use bits::fill_lanes;

pub use arrays::{TreeEnsemble, TreeParts};
pub use forest::{Forest, Member};
pub(crate) use points::Points;
pub use slice::{Slice, SweepState};
pub use smooth::SmoothState;
