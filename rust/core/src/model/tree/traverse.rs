//! The plain way to evaluate an ensemble: one row, one tree, one node at a time. The reference that
//! every faster way must equal to the last bit.

use super::arrays::{LEAF, TreeEnsemble};

impl TreeEnsemble {
    /// Outputs of `rows` (`n × n_features`, row-major) into `out` (`n × n_outputs`): exact sums.
    pub fn forward_reference(&self, rows: &[f64], out: &mut [f64]) {
        let k = self.n_outputs();
        let mut sums = vec![0_i64; k];
        for (i, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &rows[i * self.n_features()..(i + 1) * self.n_features()];
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

    /// The same in the library's own arithmetic: from the base, or from zero with the base last, tree
    /// after tree in single or double precision.
    pub fn predict_reference(&self, rows: &[f64], out: &mut [f64]) {
        let k = self.n_outputs();
        for (i, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &rows[i * self.n_features()..(i + 1) * self.n_features()];
            if self.parts().float32 { self.predict_row_f32(row, out) } else { self.predict_row_f64(row, out) }
        }
    }

    fn predict_row_f64(&self, row: &[f64], out: &mut [f64]) {
        let parts = self.parts();
        let last = self.base_last();
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            *out = if last { 0.0 } else { base };
        }
        for (tree, &root) in self.roots.iter().enumerate() {
            let leaf = self.exit_leaf(root, row) as usize;
            let values = &parts.value[leaf * self.width..(leaf + 1) * self.width];
            for (out, &value) in out[self.first_output[tree] as usize..].iter_mut().zip(values) {
                *out += value;
            }
        }
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            *out /= parts.divisor;
            if last {
                *out += base;
            }
        }
    }

    /// Every number rounded to single precision once; `out` holds only such numbers throughout.
    fn predict_row_f32(&self, row: &[f64], out: &mut [f64]) {
        let parts = self.parts();
        let last = self.base_last();
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            *out = f64::from(if last { 0.0 } else { base as f32 });
        }
        for (tree, &root) in self.roots.iter().enumerate() {
            let leaf = self.exit_leaf(root, row) as usize;
            let values = &parts.value[leaf * self.width..(leaf + 1) * self.width];
            for (out, &value) in out[self.first_output[tree] as usize..].iter_mut().zip(values) {
                *out = f64::from(*out as f32 + value as f32);
            }
        }
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            let mut sum = *out as f32 / parts.divisor as f32;
            if last {
                sum += base as f32;
            }
            *out = f64::from(sum);
        }
    }

    fn exit_leaf(&self, root: u32, row: &[f64]) -> u32 {
        let mut i = root;
        loop {
            let node = self.nodes[i as usize];
            if node.left == LEAF {
                return i;
            }
            i = if self.goes_right(&node, row[node.feature as usize]) { node.right } else { node.left };
        }
    }
}
