//! `G(x) = Σ_i w_i loss_i(outputs of models) + Σ_j localizer_j(x)` on a box, eight rows at a time.

mod compile;
mod lanes;
mod rows;

use std::sync::{Arc, OnceLock};

use compile::compile;
use lanes::{AtSums, ModelsPart, OnSlice};

use super::foreign::{self, ForeignNode};
use super::localizer::Localizer;
use super::loss::Term;
use super::program::{Place, Program, SlotOutputs, add_cotangents};
use crate::error::{Error, Result};
use crate::model::Graph;
use crate::model::tree::{Forest, Slice, SmoothState, SweepState};
use crate::simd::{LANES, Lanes, Level, dispatch};
use crate::space::Bounds;

/// What an [`Energy`] is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub bounds: Bounds,
    pub models: Vec<Arc<Graph>>,
    /// `columns[m][j]` is the column of the space that column j of model m's rows is.
    pub columns: Vec<Vec<usize>>,
    pub terms: Vec<Term>,
    pub localizers: Vec<Localizer>,
}

/// A question bound to a space.
#[derive(Debug)]
pub struct Energy {
    parts: Parts,
    /// What each model computes.
    programs: Vec<Program>,
    /// Where each term finds its outputs.
    places: Vec<Place>,
    /// Values of all models' nodes.
    n_values: usize,
    /// Whether every term reads trees directly, so that nothing else has to be computed.
    direct: bool,
    foreign: Vec<ForeignNode>,
    /// Trees cut down to the box: what the samplers evaluate.
    forest: Forest,
    /// Trees as they are, for rows anywhere.
    everywhere: OnceLock<Forest>,
    level: Level,
}

/// Scratch of one block of chains.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    words: Vec<Lanes<u64>>,
    sums: Vec<Lanes<u64>>,
    pub(crate) values: Vec<Lanes<f64>>,
    /// What other libraries say of the rows: [`Energy::foreign_width`] entries, before each evaluation.
    pub(crate) foreign: Vec<Lanes<f64>>,
    pub(crate) sweep: SweepState,
    pub(crate) slice: Slice,
    pub(crate) smooth: SmoothState,
    pub(crate) drift: DriftScratch,
}

/// Scratch of a drift field.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriftScratch {
    pub(crate) slots: Vec<Lanes<f64>>,
    cotangents: Vec<Lanes<f64>>,
    product: Vec<Lanes<f64>>,
    outputs: (Vec<f64>, Vec<f64>),
    pub(crate) rows: Vec<Lanes<f64>>,
}

impl Energy {
    /// # Errors
    /// [`Error::Question`] or [`Error::Model`] when the parts do not fit together.
    pub fn new(mut parts: Parts) -> Result<Self> {
        let n_columns = parts.bounds.len();
        // A term of weight 0 says nothing; kept, it would turn an infinite loss into NaN.
        parts.terms.retain(|t| t.weight != 0.0);
        if parts.models.len() != parts.columns.len() {
            return Err(Error::Question("one list of columns per model".into()));
        }
        for term in &parts.terms {
            let Some(model) = parts.models.get(term.model) else {
                return Err(Error::Question(format!(
                    "a term asks model {} of {}",
                    term.model,
                    parts.models.len()
                )));
            };
            if !term.weight.is_finite() {
                return Err(Error::Question(format!(
                    "the weight of a term must be finite, not {}",
                    term.weight
                )));
            }
            let Some(width) = model.width(term.node) else {
                return Err(Error::Question(format!("a term asks for node {} of a model", term.node)));
            };
            term.loss.check(width)?;
        }
        for localizer in &parts.localizers {
            if localizer.n_columns() != n_columns {
                return Err(Error::Question(format!(
                    "a localizer of {} columns on a space of {n_columns}",
                    localizer.n_columns()
                )));
            }
        }
        for (model, columns) in parts.models.iter().zip(&parts.columns) {
            if columns.len() != model.n_columns() || columns.iter().any(|&c| c >= n_columns) {
                return Err(Error::Model(format!(
                    "a model of {} columns reads columns {columns:?} of a space of {n_columns}",
                    model.n_columns()
                )));
            }
        }
        let (mut n_values, mut slot) = (0, 0);
        let mut programs = Vec::with_capacity(parts.models.len());
        for (m, model) in parts.models.iter().enumerate() {
            let mut targets: Vec<usize> =
                parts.terms.iter().filter(|t| t.model == m).map(|t| t.node).collect();
            targets.sort_unstable();
            targets.dedup();
            programs.push(Program::new(model, &targets, n_values, &mut slot));
            n_values += model.size();
        }
        let places =
            parts.terms.iter().map(|t| programs[t.model].place(&parts.models[t.model], t.node)).collect();
        let kinks = (0..n_columns)
            .map(|d| {
                let (lower, upper) = (parts.bounds.lower(d), parts.bounds.upper(d));
                parts
                    .localizers
                    .iter()
                    .filter(|l| l.power() == 1 && l.coefficient(d) != 0.0)
                    .map(|l| l.anchor(d))
                    .filter(|&a| lower < a && a < upper)
                    .collect()
            })
            .collect::<Vec<_>>();
        let direct = programs.iter().all(Program::trivial);
        let forest = compile(&parts, &programs, parts.bounds.lowers(), parts.bounds.uppers(), &kinks)?;
        Ok(Self {
            foreign: foreign::nodes(&parts.models, &programs),
            parts,
            programs,
            places,
            n_values,
            direct,
            forest,
            everywhere: OnceLock::new(),
            level: Level::detect(),
        })
    }

    /// The same question, evaluated with another instruction set.
    #[must_use]
    pub fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    pub fn level(&self) -> Level {
        self.level
    }

    pub fn bounds(&self) -> &Bounds {
        &self.parts.bounds
    }

    pub fn localizers(&self) -> &[Localizer] {
        &self.parts.localizers
    }

    pub(crate) fn forest(&self) -> &Forest {
        &self.forest
    }

    /// Whether G is a step function of each column plus a convex localizer, so that exact conditional
    /// draws exist (MATH.md 3.5).
    pub fn stepwise(&self) -> bool {
        let d = self.parts.bounds.len();
        self.foreign.is_empty()
            && self.parts.localizers.iter().all(|l| (0..d).all(|d| l.coefficient(d) >= 0.0))
            && self.parts.terms.iter().all(|t| self.parts.models[t.model].stepwise(t.node))
            // A slice moves along thresholds; sets of codes have none.
            && self.parts.bounds.free().iter().all(|&d| !self.forest.has_sets(d))
    }

    /// Whether G has a gradient almost everywhere that is not simply zero. Requirements are flat where
    /// they are finite.
    pub fn differentiable(&self) -> bool {
        let graded = |t: &&Term| !t.loss.is_requirement();
        self.foreign.is_empty()
            && self
                .parts
                .terms
                .iter()
                .filter(graded)
                .all(|t| self.parts.models[t.model].differentiable(t.node))
    }

    /// Whether anything in G slopes: without, a gradient says nothing of where to go.
    pub fn sloped(&self) -> bool {
        let d = self.parts.bounds.len();
        self.parts.terms.iter().any(|t| !t.loss.is_requirement())
            || self.parts.localizers.iter().any(|l| (0..d).any(|d| l.coefficient(d) != 0.0))
    }

    /// Whether part of the work is done lane by lane.
    pub fn walks(&self) -> bool {
        self.forest.walks()
    }

    /// Nodes that other libraries compute, in the order in which their outputs are handed over.
    pub fn foreign(&self) -> &[ForeignNode] {
        &self.foreign
    }

    /// Numbers that other libraries hand over for a row.
    pub fn foreign_width(&self) -> usize {
        self.foreign.iter().map(|node| node.width).sum()
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.parts.terms
    }

    /// G at eight rows of the box.
    pub fn at(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        self.at_in(&self.forest, x, workspace)
    }

    fn at_in(&self, forest: &Forest, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        let Workspace { words, sums, values, foreign, .. } = workspace;
        sums.resize(forest.n_slots(), Lanes::splat(0));
        if forest.n_slots() > 0 {
            forest.sums(self.level, x, words, sums);
        }
        self.compute(Some(x), &SlotOutputs::Sums { forest, sums }, foreign, values);
        let mut g = dispatch(self.level, AtSums { energy: self, x, sums, values });
        // Comparisons inside losses would take NaN for one side or the other.
        for output in foreign {
            for lane in 0..LANES {
                if output[lane].is_nan() {
                    g[lane] = f64::NAN;
                }
            }
        }
        g
    }

    /// G and its gradient at eight rows; the gradient is added to `out`. For differentiable questions.
    pub(crate) fn at_with_gradient(
        &self,
        x: &[Lanes<f64>],
        workspace: &mut Workspace,
        out: &mut [Lanes<f64>],
    ) -> Lanes<f64> {
        let g = self.at(x, workspace);
        let Workspace { values, drift, .. } = workspace;
        drift.slots.clear();
        drift.slots.resize(self.forest.n_slots(), Lanes::splat(0.0));
        // Trees stand in requirements only, whose slope is 0: no output of theirs is looked at.
        self.reverse(&[], values, drift, out);
        for localizer in &self.parts.localizers {
            for &d in self.parts.bounds.free() {
                for lane in 0..LANES {
                    out[d][lane] += localizer.slope(d, x[d][lane]);
                }
            }
        }
        g
    }

    /// The models' part of the gradient where trees are smoothed: what comes straight from the row is
    /// added to `out`, the cotangents of the trees' outputs stand in `drift.slots`.
    pub(crate) fn smoothed_gradient(
        &self,
        x: &[Lanes<f64>],
        smoothed: &[Lanes<f64>],
        drift: &mut DriftScratch,
        values: &mut Vec<Lanes<f64>>,
        out: &mut [Lanes<f64>],
    ) {
        self.compute(Some(x), &SlotOutputs::Smoothed(smoothed), &[], values);
        drift.slots.clear();
        drift.slots.resize(self.forest.n_slots(), Lanes::splat(0.0));
        self.reverse(smoothed, values, drift, out);
    }

    fn reverse(
        &self,
        slot_outputs: &[Lanes<f64>],
        values: &[Lanes<f64>],
        drift: &mut DriftScratch,
        out: &mut [Lanes<f64>],
    ) {
        let DriftScratch { slots, cotangents, product, outputs, .. } = drift;
        cotangents.clear();
        cotangents.resize(self.n_values, Lanes::splat(0.0));
        add_cotangents(&self.parts.terms, &self.places, slot_outputs, values, slots, cotangents, outputs);
        for ((program, model), columns) in
            self.programs.iter().zip(&self.parts.models).zip(&self.parts.columns)
        {
            if !program.trivial() {
                program.reverse(self.level, model, columns, values, cotangents, slots, product, out);
            }
        }
    }

    /// G at the rows of a sweep, from its running sums.
    pub(crate) fn at_sweep(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        let Workspace { sweep, values, .. } = workspace;
        let sums = &sweep.sums;
        self.compute(Some(x), &SlotOutputs::Sums { forest: &self.forest, sums }, &[], values);
        dispatch(self.level, AtSums { energy: self, x, sums, values })
    }

    /// Prepares a sweep; with `again`, from the rows that the last sweep in this workspace left.
    pub(crate) fn begin_sweep(&self, x: &[Lanes<f64>], again: bool, workspace: &mut Workspace) {
        self.forest.begin_sweep(self.level, x, again, &mut workspace.sweep);
    }

    /// The stretches of `column` at the present rows, and the models' part of G on each.
    pub(crate) fn slice(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        workspace: &mut Workspace,
        energies: &mut Vec<Lanes<f64>>,
    ) {
        let Workspace { sweep, slice, values, .. } = workspace;
        self.forest.slice(self.level, column, x, sweep, slice);
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

    pub(crate) fn commit(
        &self,
        column: usize,
        x: &Lanes<f64>,
        chosen: &Lanes<u64>,
        workspace: &mut Workspace,
    ) {
        let Workspace { sweep, slice, .. } = workspace;
        self.forest.commit(self.level, column, x, slice, chosen, sweep);
    }

    /// Values of every model's nodes that the terms need; without `x` those of the row stay.
    fn compute(
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
