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
                let n = self.n_row();
                let (low, high) = (vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n]);
                let forest =
                    compile(&self.parts, &self.programs, &low, &high, &vec![true; n], &vec![Vec::new(); n])?;
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
            let g = self.at_in(forest, &x, false, &mut workspace);
            out.extend_from_slice(&g.0[..block.len() / d]);
        }
        Ok(out)
    }

    /// Rows that other libraries are asked about (`n × n_asked`), of rows that are sampled: decoded where the
    /// core decodes.
    ///
    /// # Errors
    /// As [`Energy::evaluate`].
    pub fn asked_rows(&self, rows: &[f64]) -> Result<Vec<f64>> {
        let d = self.parts.bounds.len();
        if !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        let mut workspace = Workspace::default();
        let mut x = vec![Lanes::splat(0.0); d];
        let mut out = Vec::with_capacity(rows.len() / d * self.n_asked());
        for block in rows.chunks(d * LANES) {
            fill_lanes(block, d, &mut x);
            let asked = self.asked(&x, &mut workspace);
            for lane in 0..block.len() / d {
                out.extend(asked.iter().map(|x| x[lane]));
            }
        }
        Ok(out)
    }

    /// ∇G of any rows.
    ///
    /// # Errors
    /// [`Error::Question`] when a model that is constant between thresholds is in the question,
    /// [`Error::Data`] when another library's outputs are needed.
    pub fn gradient(&self, rows: &[f64]) -> Result<Vec<f64>> {
        if !self.foreign.is_empty() {
            return Err(Error::Data("the gradient goes through another library".into()));
        }
        self.slopes(rows, &[], |_| Ok(Vec::new()))
    }

    /// ∇G of any rows, with what other libraries say of them. `pull` takes the cotangents of their outputs
    /// (`n × foreign_width`) to those of the rows that they were asked about (`n × n_asked`).
    ///
    /// # Errors
    /// As [`Energy::gradient`], and what `pull` raises.
    pub fn slopes<E: From<Error>>(
        &self,
        rows: &[f64],
        foreign: &[f64],
        pull: impl FnOnce(&[f64]) -> std::result::Result<Vec<f64>, E>,
    ) -> std::result::Result<Vec<f64>, E> {
        if !self.differentiable() {
            return Err(Error::Question(
                "this question asks models that are constant between their splits and have no gradient; \
                 sample it with Conditional(), RandomWalk(), or MALA(drift=Smoothed())"
                    .into(),
            )
            .into());
        }
        let (d, width, asked) = (self.parts.bounds.len(), self.foreign_width(), self.n_asked());
        let n = rows.len() / d;
        if foreign.len() != n * width {
            return Err(Error::Data(format!("{} outputs for {n} rows of {width}", foreign.len())).into());
        }
        let mut blocks = Vec::with_capacity(n.div_ceil(LANES));
        let mut cotangents = Vec::with_capacity(n * width);
        for (i, block) in rows.chunks(d * LANES).enumerate() {
            let mut workspace = Workspace::default();
            let mut x = vec![Lanes::splat(0.0); d];
            let mut gradient = x.clone();
            fill_lanes(block, d, &mut x);
            workspace.foreign.resize(width, Lanes::splat(0.0));
            if width > 0 {
                let first = i * LANES * width;
                let outputs = &foreign[first..foreign.len().min(first + LANES * width)];
                fill_lanes(outputs, width, &mut workspace.foreign);
            }
            self.at_with_slopes(&x, &mut workspace);
            self.add_gradient(&mut workspace, &mut gradient);
            let lanes = block.len() / d;
            for lane in 0..lanes {
                cotangents.extend(self.foreign_cotangents(&workspace).map(|c| c[lane]));
            }
            blocks.push((lanes, workspace, gradient));
        }
        let pulled = if width > 0 { pull(&cotangents)? } else { Vec::new() };
        if width > 0 && pulled.len() != n * asked {
            return Err(Error::Data(format!("{} slopes for {n} rows of {asked}", pulled.len())).into());
        }
        let mut out = Vec::with_capacity(rows.len());
        let mut given = vec![Lanes::splat(0.0); asked];
        for (i, (lanes, mut workspace, mut gradient)) in blocks.into_iter().enumerate() {
            if width > 0 {
                let first = i * LANES * asked;
                fill_lanes(&pulled[first..pulled.len().min(first + LANES * asked)], asked, &mut given);
                self.add_foreign_gradient(&given, &mut workspace, &mut gradient);
            }
            for lane in 0..lanes {
                out.extend(gradient.iter().map(|g| g[lane]));
            }
        }
        Ok(out)
    }
}
