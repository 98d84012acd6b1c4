//! Outputs that only another library computes.

use super::energy::Parts;
use super::program::Program;

/// A node whose values come from outside, in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignNode {
    /// `None` is the decoder.
    pub model: Option<usize>,
    pub node: usize,
    pub width: usize,
}

/// The decoder's node and those that programs read, model by model: their outputs stand one after the other
/// in a row of [`super::Energy::foreign_width`] numbers.
pub(super) fn nodes(parts: &Parts, programs: &[Program]) -> Vec<ForeignNode> {
    let mut found = Vec::new();
    if let Some(decoder) = parts.decoder.as_ref().filter(|decoder| decoder.foreign()) {
        found.push(ForeignNode { model: None, node: decoder.node(), width: decoder.n_data() });
    }
    for (model, (graph, program)) in parts.models.iter().zip(programs).enumerate() {
        for &node in &program.foreign {
            found.push(ForeignNode { model: Some(model), node, width: graph.nodes[node].width });
        }
    }
    found
}
