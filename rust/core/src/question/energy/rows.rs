//! Questions about rows as they come, inside the box or not.

use super::{Energy, Workspace, compile};
use crate::error::{Error, Result};
use crate::model::tree::fill_lanes;
use crate::simd::{LANES, Lanes};

impl Energy {
    /// G of any rows (`n × columns`, row-major), inside the box or not.
    ///
    /// # Errors
    /// [`Error::Data`] when the rows do not have the space's number of columns, or another library's outputs
    /// are needed.
    pub fn evaluate(&self, rows: &[f64]) -> Result<Vec<f64>> {
        self.evaluate_with(rows, &[])
    }

    /// G of any rows, with what other libraries say of them (`n × foreign_width`, row-major).
    ///
    /// # Errors
    /// [`Error::Data`] when the rows or the outputs do not have their numbers of columns.
    pub fn evaluate_with(&self, rows: &[f64], foreign: &[f64]) -> Result<Vec<f64>> {
        let d = self.parts.bounds.len();
        if d == 0 || !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        let width = self.foreign_width();
        if foreign.len() != rows.len() / d * width {
            return Err(Error::Data(format!(
                "{} outputs of other libraries for {} rows of {width}",
                foreign.len(),
                rows.len() / d
            )));
        }
        let forest = match self.everywhere.get() {
            Some(forest) => forest,
            None => {
                let (low, high) = (vec![f64::NEG_INFINITY; d], vec![f64::INFINITY; d]);
                let forest = compile(&self.parts, &self.programs, &low, &high, &vec![Vec::new(); d])?;
                self.everywhere.get_or_init(|| forest)
            }
        };
        let mut workspace = Workspace::default();
        let mut x = vec![Lanes::splat(0.0); d];
        let mut out = Vec::with_capacity(rows.len() / d);
        workspace.foreign.resize(width, Lanes::splat(0.0));
        for (i, block) in rows.chunks(d * LANES).enumerate() {
            fill_lanes(block, d, &mut x);
            if width > 0 {
                let first = i * LANES * width;
                let outputs = &foreign[first..foreign.len().min(first + LANES * width)];
                fill_lanes(outputs, width, &mut workspace.foreign);
            }
            let g = self.at_in(forest, &x, &mut workspace);
            out.extend_from_slice(&g.0[..block.len() / d]);
        }
        Ok(out)
    }

    /// ∇G of any rows.
    ///
    /// # Errors
    /// [`Error::Question`] when a model that is constant between thresholds is in the question.
    pub fn gradient(&self, rows: &[f64]) -> Result<Vec<f64>> {
        if !self.differentiable() {
            return Err(Error::Question(
                "this question asks models that are constant between their splits and have no gradient; \
                 sample it with Conditional(), RandomWalk(), or MALA(drift=Smoothed())"
                    .into(),
            ));
        }
        let d = self.parts.bounds.len();
        let mut workspace = Workspace::default();
        let mut x = vec![Lanes::splat(0.0); d];
        let mut gradient = vec![Lanes::splat(0.0); d];
        let mut out = Vec::with_capacity(rows.len());
        for block in rows.chunks(d * LANES) {
            fill_lanes(block, d, &mut x);
            gradient.fill(Lanes::splat(0.0));
            self.at_with_gradient(&x, &mut workspace, &mut gradient);
            for lane in 0..block.len() / d {
                out.extend(gradient.iter().map(|g| g[lane]));
            }
        }
        Ok(out)
    }
}
