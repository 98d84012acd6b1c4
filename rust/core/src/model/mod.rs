//! Models that are evaluated natively: from rows to outputs.

pub mod graph;
pub mod stack;
pub mod tree;

pub use graph::Graph;
pub use stack::Stack;
pub use tree::{Forest, TreeEnsemble, TreeParts};
