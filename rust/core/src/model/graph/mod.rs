//! A model as a small graph of vector operations: what an imported model computes, written once for
//! forward evaluation, gradients, and the samplers.

mod check;
mod encode;
mod evaluate;
mod forward;
mod op;
mod pairs;
mod reverse;
#[cfg(test)]
mod tests;

pub use encode::{Feature, Step};
pub(crate) use evaluate::{activation, activation_slope};
pub use forward::Evaluator;
pub use op::{Activation, Graph, KernelKind, Matrix, Op};
