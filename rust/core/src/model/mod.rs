//! Models that are evaluated natively: from rows to outputs.

pub mod tree;

pub use tree::{Forest, TreeEnsemble, TreeParts};
