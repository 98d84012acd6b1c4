//! The gradient of G at eight rows, and the cotangents of what other libraries compute.

use super::{DriftScratch, Energy, Workspace};
use crate::question::program::{AddCotangents, SlotOutputs};
use crate::simd::{LANES, Lanes, dispatch};

impl Energy {
    /// The gradient at the rows where [`Energy::at_with_slopes`] was last called with this workspace, but for
    /// what goes through other libraries: it is added to `out`. For differentiable questions. The cotangents of
    /// what other libraries have computed can then be read with [`Energy::foreign_cotangents`].
    pub(crate) fn add_gradient(&self, workspace: &mut Workspace, out: &mut [Lanes<f64>]) {
        let mut seen = std::mem::take(&mut workspace.drift.row);
        seen.clear();
        seen.resize(self.n_row(), Lanes::splat(0.0));
        workspace.drift.slots.clear();
        workspace.drift.slots.resize(self.forest.n_slots(), Lanes::splat(0.0));
        // Trees stand in requirements and decisions only, whose slope is 0: no output of theirs is looked at.
        self.reverse(&[], workspace, &mut seen);
        self.add_localizers(&workspace.row, &mut seen);
        let Workspace { drift, decoded, .. } = workspace;
        match &self.parts.decoder {
            None => add(out, &seen),
            Some(decoder) if self.asks_latent() || self.foreign.is_empty() => {
                decoder.reverse(self.level, decoded, &seen, &mut drift.scratch, out);
            }
            // Other libraries have a part in what the decoder takes back.
            Some(_) => {}
        }
        drift.row = seen;
    }

    /// Whether other libraries are asked about the rows that are sampled, not those that models see: there is
    /// no decoder, or it is theirs.
    pub(crate) fn asks_latent(&self) -> bool {
        self.parts.decoder.as_ref().is_none_or(|d| d.foreign())
    }

    /// Columns of the rows that other libraries are asked about.
    pub fn n_asked(&self) -> usize {
        if self.asks_sampled() { self.parts.bounds.len() } else { self.parts.n_row() }
    }

    /// Whether other libraries are asked about the rows that are sampled as they are.
    fn asks_sampled(&self) -> bool {
        self.asks_latent() && (self.parts.decoder.is_some() || self.parts.lookups.is_empty())
    }

    /// Rows that other libraries are asked about, of the rows `x` that are sampled.
    pub(crate) fn asked<'a>(&self, x: &'a [Lanes<f64>], workspace: &'a mut Workspace) -> &'a [Lanes<f64>] {
        if self.asks_sampled() {
            return x;
        }
        self.decode(x, workspace);
        &workspace.row
    }

    /// Adds what goes through other libraries, by the rows that they were asked about, to the gradient.
    pub(crate) fn add_foreign_gradient(
        &self,
        given: &[Lanes<f64>],
        workspace: &mut Workspace,
        out: &mut [Lanes<f64>],
    ) {
        let Workspace { drift, decoded, .. } = workspace;
        add(if self.asks_latent() { &mut *out } else { &mut drift.row }, given);
        if let Some(decoder) = &self.parts.decoder
            && !decoder.foreign()
        {
            decoder.reverse(self.level, decoded, &drift.row, &mut drift.scratch, out);
        }
    }

    /// Cotangents of the outputs of other libraries, in their order, after [`Energy::add_gradient`].
    pub(crate) fn foreign_cotangents<'a>(
        &'a self,
        workspace: &'a Workspace,
    ) -> impl Iterator<Item = &'a Lanes<f64>> {
        let DriftScratch { cotangents, row, .. } = &workspace.drift;
        self.foreign.iter().flat_map(move |node| match node.model {
            None => row[..node.width].iter(),
            Some(model) => {
                cotangents[self.programs[model].range(&self.parts.models[model], node.node)].iter()
            }
        })
    }

    /// The models' part of the gradient where trees give `smoothed` outputs: what comes straight from the row
    /// is added to `out`, the cotangents of the trees' outputs stand in `drift.slots`.
    pub(crate) fn smoothed_gradient(
        &self,
        x: &[Lanes<f64>],
        smoothed: &[Lanes<f64>],
        workspace: &mut Workspace,
        out: &mut [Lanes<f64>],
    ) {
        self.decode(x, workspace);
        let slots = SlotOutputs::Smoothed(smoothed);
        self.compute(Some(&workspace.row), &slots, &[], &mut workspace.values);
        if self.averages() {
            self.means(&mut [&mut *workspace], true, false);
        }
        workspace.drift.slots.clear();
        workspace.drift.slots.resize(self.forest.n_slots(), Lanes::splat(0.0));
        self.reverse(smoothed, workspace, out);
    }

    /// From the losses of models and means to the row and the slots of trees.
    fn reverse(&self, slot_outputs: &[Lanes<f64>], workspace: &mut Workspace, out: &mut [Lanes<f64>]) {
        let Workspace { values, drift, means, .. } = workspace;
        let DriftScratch { slots, cotangents, scratch, .. } = drift;
        cotangents.clear();
        cotangents.resize(self.n_values, Lanes::splat(0.0));
        let (terms, places) = (&self.parts.terms, &self.places);
        dispatch(
            self.level,
            AddCotangents { terms, places, slot_outputs, values, slots, cotangents, scratch },
        );
        let mut first = 0;
        for second in self.parts.means.iter().filter_map(|mean| mean.second) {
            let range = self.range(second);
            let n = range.len();
            add(&mut cotangents[range], &means.second[first..first + n]);
            first += n;
        }
        for ((program, model), columns) in
            self.programs.iter().zip(&self.parts.models).zip(&self.parts.columns)
        {
            if !program.trivial() {
                program.reverse(self.level, model, columns, values, cotangents, slots, scratch, out);
            }
        }
        if self.averages() {
            add(out, &means.gradient);
        }
    }

    /// The slopes of the localizers at the rows that models see.
    pub(crate) fn add_localizers(&self, row: &[Lanes<f64>], out: &mut [Lanes<f64>]) {
        for localizer in &self.parts.localizers {
            for (d, (x, out)) in row.iter().zip(out.iter_mut()).enumerate() {
                if localizer.coefficient(d) != 0.0 {
                    for lane in 0..LANES {
                        out[lane] += localizer.slope(d, x[lane]);
                    }
                }
            }
        }
    }
}

fn add(to: &mut [Lanes<f64>], from: &[Lanes<f64>]) {
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to[lane] += from[lane];
        }
    }
}
