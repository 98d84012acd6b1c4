//! The plain way to evaluate an ensemble: one row, one tree, one node at a time. The reference that
//! every faster way must equal to the last bit.

use super::arrays::{LEAF, TreeEnsemble};

impl TreeEnsemble {
    /// Outputs of `rows` (`n × n_features`, row-major) into `out` (`n × n_outputs`).
    pub fn forward_reference(&self, rows: &[f64], out: &mut [f64]) {
        let (d, k) = (self.n_features(), self.n_outputs());
        let mut sums = vec![0_i64; k];
        for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(k)) {
            sums.fill(0);
            for (tree, &root) in self.roots.iter().enumerate() {
                let first = self.first_output[tree] as usize;
                let leaf = self.exit_leaf(root, row);
                for (sum, &value) in sums[first..].iter_mut().zip(self.leaf_values(leaf)) {
                    *sum += value;
                }
            }
            for (j, (out, &sum)) in out.iter_mut().zip(&sums).enumerate() {
                *out = self.output(j, sum);
            }
        }
    }

    fn exit_leaf(&self, root: u32, row: &[f64]) -> u32 {
        let mut i = root;
        loop {
            let node = self.nodes[i as usize];
            if node.left == LEAF {
                return i;
            }
            i = if row[node.feature as usize] > node.cut { node.right } else { node.left };
        }
    }
}
