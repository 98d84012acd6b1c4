//! G at eight rows, and on slices of them.

use super::lanes::{AtSums, ModelsPart, OnSlice};
use super::{Energy, Workspace};
use crate::model::tree::Forest;
use crate::question::program::SlotOutputs;
use crate::simd::{LANES, Lanes, dispatch};
use crate::space::hold;

impl Energy {
    /// G at eight rows of the box; +∞ where a constraint is broken.
    pub fn at(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        let mut g = self.at_in(&self.forest, x, false, workspace);
        self.constrain(x, &mut g);
        g
    }

    /// The same, with what [`Energy::add_gradient`] needs.
    pub(crate) fn at_with_slopes(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        let mut g = self.at_in(&self.forest, x, true, workspace);
        self.constrain(x, &mut g);
        g
    }

    pub(super) fn at_in(
        &self,
        forest: &Forest,
        x: &[Lanes<f64>],
        slopes: bool,
        workspace: &mut Workspace,
    ) -> Lanes<f64> {
        self.prepare_in(forest, x, workspace);
        if self.averages() {
            self.means(&mut [&mut *workspace], slopes, false);
        }
        self.conclude_in(forest, workspace)
    }

    /// What has to be known of eight rows before the means.
    pub(crate) fn prepare(&self, x: &[Lanes<f64>], workspace: &mut Workspace) {
        self.prepare_in(&self.forest, x, workspace);
    }

    /// G at the rows that were prepared, after the means.
    pub(crate) fn conclude(&self, workspace: &mut Workspace) -> Lanes<f64> {
        let mut g = self.conclude_in(&self.forest, workspace);
        let n_data = self.parts.n_before_lookups() - self.parts.bounds.len();
        self.constrain(&workspace.row[n_data..], &mut g);
        g
    }

    /// +∞ where a constraint is broken, but for what is NaN already.
    pub(super) fn constrain(&self, x: &[Lanes<f64>], g: &mut Lanes<f64>) {
        if self.parts.constraints.is_empty() {
            return;
        }
        for (g, holds) in g.0.iter_mut().zip(hold(&self.parts.constraints, x)) {
            if !holds && !g.is_nan() {
                *g = f64::INFINITY;
            }
        }
    }

    fn prepare_in(&self, forest: &Forest, x: &[Lanes<f64>], workspace: &mut Workspace) {
        self.decode(x, workspace);
        let Workspace { words, sums, values, foreign, row, .. } = workspace;
        sums.resize(forest.n_slots(), Lanes::splat(0));
        if forest.n_slots() > 0 {
            forest.sums(self.level, row, words, sums);
        }
        let foreign = foreign.get(self.decoder_width()..).unwrap_or(&[]);
        self.compute(Some(row), &SlotOutputs::Sums { forest, sums }, foreign, values);
    }

    fn conclude_in(&self, forest: &Forest, workspace: &mut Workspace) -> Lanes<f64> {
        let Workspace { sums, values, foreign, row, means, base_weight, .. } = workspace;
        debug_assert_eq!(forest.n_slots(), sums.len());
        let mut g = dispatch(self.level, AtSums { energy: self, x: row, sums, values });
        if let Some(value) = &means.value {
            for lane in 0..LANES {
                g[lane] += value[lane];
            }
        }
        self.add_reference(row, *base_weight, &mut g);
        // Comparisons inside losses would take NaN for one side or the other.
        for output in foreign.iter() {
            for lane in 0..LANES {
                if output[lane].is_nan() {
                    g[lane] = f64::NAN;
                }
            }
        }
        if let Some(decoder) = &self.parts.decoder {
            let inside = decoder.inside(row);
            for lane in 0..LANES {
                if !inside[lane] && !g[lane].is_nan() {
                    g[lane] = f64::INFINITY;
                }
            }
        }
        g
    }

    /// The row that models see, into the workspace.
    pub(super) fn decode(&self, x: &[Lanes<f64>], workspace: &mut Workspace) {
        let Workspace { foreign, decoded, row, .. } = workspace;
        match &self.parts.decoder {
            Some(decoder) => decoder.forward(self.level, x, foreign, decoded, row),
            None => {
                row.clear();
                row.extend_from_slice(x);
            }
        }
        for lookup in &self.parts.lookups {
            row.push(lookup.lanes(&x[lookup.column()]));
        }
    }

    /// Numbers of [`Energy::foreign_width`] that a decoder of another library gives: the first.
    pub(super) fn decoder_width(&self) -> usize {
        self.parts.decoder.as_ref().filter(|d| d.foreign()).map_or(0, |d| d.n_data())
    }

    /// G at the rows of a sweep, from its running sums.
    pub(super) fn at_running_sums(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        // Without lookups the rows are those that models see.
        let seen = !self.parts.lookups.is_empty();
        if seen {
            self.decode(x, workspace);
        }
        let Workspace { sweep, values, row, base_weight, .. } = workspace;
        let (x, sums) = (if seen { &row[..] } else { x }, &sweep.sums);
        self.compute(Some(x), &SlotOutputs::Sums { forest: &self.forest, sums }, &[], values);
        let mut g = dispatch(self.level, AtSums { energy: self, x, sums, values });
        self.add_reference(x, *base_weight, &mut g);
        self.constrain(x, &mut g);
        g
    }

    fn add_reference(&self, row: &[Lanes<f64>], weight: Option<f64>, g: &mut Lanes<f64>) {
        if let Some((own, reference)) = &self.parts.reference
            && *own != 0.0
        {
            let weight = weight.unwrap_or(*own);
            let log = reference.log_density(row);
            for lane in 0..LANES {
                g[lane] -= weight * log[lane];
            }
        }
    }

    /// The models' part of G on every stretch of the workspace's slice.
    pub(super) fn on_slice(&self, workspace: &mut Workspace, energies: &mut Vec<Lanes<f64>>) {
        let Workspace { slice, values, .. } = workspace;
        if self.direct {
            dispatch(self.level, OnSlice { energy: self, slice, energies });
            return;
        }
        energies.clear();
        for sums in slice.sums.chunks_exact(self.forest.n_slots().max(1)) {
            self.compute(None, &SlotOutputs::Sums { forest: &self.forest, sums }, &[], values);
            energies.push(dispatch(self.level, ModelsPart { energy: self, sums, values }));
        }
    }

    /// Values of every model's nodes that the terms need; without `x` those of the row stay. `foreign` are
    /// those of models alone.
    pub(super) fn compute(
        &self,
        x: Option<&[Lanes<f64>]>,
        slots: &SlotOutputs<'_>,
        foreign: &[Lanes<f64>],
        values: &mut Vec<Lanes<f64>>,
    ) {
        if self.direct {
            return;
        }
        values.resize(self.n_values, Lanes::splat(0.0));
        let mut first = 0;
        for ((program, model), columns) in
            self.programs.iter().zip(&self.parts.models).zip(&self.parts.columns)
        {
            if !program.trivial() {
                program.evaluate(self.level, model, columns, x, slots, &foreign[first..], values);
            }
            first += program.foreign_width(model);
        }
    }
}
