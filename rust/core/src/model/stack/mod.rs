//! Many dense models of one form, evaluated as products of matrices over several chains at once.

mod form;
mod kernel;
mod mean;
mod members;
mod number;
mod pass;
mod scratch;
mod single;
#[cfg(test)]
mod tests;
mod vector;

pub use mean::{MeanParts, MeanRequest};
pub use members::Stack;
pub use scratch::StackScratch;
