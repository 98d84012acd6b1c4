//! Model files, read from bytes that nobody vouches for.
//!
//! Every reader checks counts against the bytes that are left before it makes room, follows nesting
//! only so deep, and uses at most [`MEMORY_PER_BYTE`] bytes of memory for a byte of input. What it
//! hands on is whole: children in range, every node in one tree, numbers finite. Everything else is
//! an [`Error::Model`](crate::error::Error::Model) that says what is wrong.

pub mod catboost;
mod json;
pub mod lightgbm;
mod ubjson;
mod value;
pub mod xgboost;

pub use json::read_json;
pub use ubjson::read_ubjson;
pub use value::{Reading, Value};

/// Bound on what a reader allocates, for every byte of its input.
pub const MEMORY_PER_BYTE: usize = 96;
