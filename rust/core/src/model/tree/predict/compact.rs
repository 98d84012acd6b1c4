//! Nodes of four bytes, for one row at a time: its numbers fit one register, so that a step of sixteen
//! walks is one gather and one permutation.

use super::super::arrays::{LEAF, TreeEnsemble};
use super::inputs::{Input, Inputs};
use super::isa::GROUP;
use super::walk::{AT_ONCE, Walker};

/// Children count from the root of their tree, in so many bits.
const CHILD_BITS: u32 = 18;
/// The entry of a row's numbers that leaves read: always 0, below their 255.
const NOTHING: u32 = GROUP as u32 - 1;

/// From the low end: the smallest number that goes right in 8 bits, the input in 6, the left child.
#[derive(Clone, Debug)]
pub(super) struct Compact {
    nodes: Vec<u32>,
}

impl Compact {
    /// None for ensembles with sets, with more inputs or cuts than fit, or with larger trees.
    pub(super) fn new(model: &TreeEnsemble, inputs: &Inputs, walker: &Walker) -> Option<Self> {
        if walker.has_sets() || inputs.n_words > 0 || inputs.n_bytes > NOTHING as usize {
            return None;
        }
        let mut nodes = vec![0; walker.len()];
        for &root in &model.roots {
            let first = walker.number(root);
            let mut open = vec![root];
            while let Some(old) = open.pop() {
                let node = model.nodes[old as usize];
                let here = walker.number(old);
                let (at, input, child) = if node.left == LEAF {
                    (255, NOTHING, here - first)
                } else {
                    open.extend([node.left, node.right]);
                    let (Input::Byte(input), at) = inputs.of(&node) else { return None };
                    (u32::from(at), input, walker.number(node.left) - first)
                };
                if child >> CHILD_BITS != 0 {
                    return None;
                }
                nodes[here as usize] = at | input << 8 | child << (32 - CHILD_BITS);
            }
        }
        (nodes.len() < i32::MAX as usize).then_some(Self { nodes })
    }

    /// Leaves that walks from `roots` reach.
    ///
    /// # Safety
    /// The CPU must have what `has_avx512` checks and `Level::Avx512` stands for, and `roots` must be
    /// numbers that the walker gave to roots.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) unsafe fn exits(&self, roots: &[u32; AT_ONCE], numbers: &[u8; GROUP]) -> [u32; AT_ONCE] {
        // SAFETY: by the caller; `new` put nothing but nodes of the same tree, the right child after the
        // left one, into the children of splits, and a leaf's own place into a leaf.
        unsafe { super::avx_walk::compact_exits(&self.nodes, roots, numbers) }
    }
}
