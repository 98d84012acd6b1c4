//! Outputs of models that only their own library evaluates.

use std::sync::Arc;

use super::program::Program;
use crate::model::Graph;

/// A node whose values come from outside, in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignNode {
    pub model: usize,
    pub node: usize,
    pub width: usize,
}

/// The nodes that programs read, model by model: their outputs stand one after the other in a row of
/// [`super::Energy::foreign_width`] numbers.
pub(super) fn nodes(models: &[Arc<Graph>], programs: &[Program]) -> Vec<ForeignNode> {
    let mut found = Vec::new();
    for (model, (graph, program)) in models.iter().zip(programs).enumerate() {
        for &node in &program.foreign {
            found.push(ForeignNode { model, node, width: graph.nodes[node].width });
        }
    }
    found
}
