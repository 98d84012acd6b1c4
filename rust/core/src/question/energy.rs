//! `G(x) = Σ_i w_i loss_i(outputs of models) + Σ_j localizer_j(x)` on a box, eight rows at a time.

use std::sync::{Arc, OnceLock};

use super::localizer::Localizer;
use super::loss::{Loss, Outputs, Term};
use crate::error::{Error, Result};
use crate::model::tree::{Forest, Member, Slice, SmoothState, SweepState, TreeEnsemble, fill_lanes};
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch};
use crate::space::Bounds;

/// What an [`Energy`] is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub bounds: Bounds,
    pub models: Vec<Arc<TreeEnsemble>>,
    /// `columns[m][f]` is the column that feature f of model m reads.
    pub columns: Vec<Vec<usize>>,
    pub terms: Vec<Term>,
    pub localizers: Vec<Localizer>,
}

/// A question bound to a space.
#[derive(Debug)]
pub struct Energy {
    parts: Parts,
    /// First slot of each model's outputs.
    first_slot: Vec<usize>,
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
    pub(crate) sweep: SweepState,
    pub(crate) slice: Slice,
    pub(crate) smooth: SmoothState,
    pub(crate) drift: DriftScratch,
}

/// Scratch of a drift field.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriftScratch {
    pub(crate) cotangent: Vec<Lanes<f64>>,
    pub(crate) outputs: Vec<f64>,
    pub(crate) slopes: Vec<f64>,
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
            term.loss.check(model.n_outputs())?;
        }
        for localizer in &parts.localizers {
            if localizer.n_columns() != n_columns {
                return Err(Error::Question(format!(
                    "a localizer of {} columns on a space of {n_columns}",
                    localizer.n_columns()
                )));
            }
        }
        let mut first_slot = Vec::new();
        let mut slots = 0;
        for model in &parts.models {
            first_slot.push(slots);
            slots += model.n_outputs();
        }
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
        let forest = compile(&parts, parts.bounds.lowers(), parts.bounds.uppers(), &kinks)?;
        Ok(Self { parts, first_slot, forest, everywhere: OnceLock::new(), level: Level::detect() })
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
        self.parts.localizers.iter().all(|l| (0..d).all(|d| l.coefficient(d) >= 0.0))
    }

    /// Whether G has a gradient almost everywhere that is not simply zero.
    pub fn differentiable(&self) -> bool {
        self.parts.terms.is_empty()
    }

    /// Whether part of the work is done lane by lane.
    pub fn walks(&self) -> bool {
        self.forest.walks()
    }

    pub(crate) fn slots(&self, model: usize) -> std::ops::Range<usize> {
        self.first_slot[model]..self.first_slot[model] + self.parts.models[model].n_outputs()
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Order of magnitude of what a model's first output can differ by.
    pub(crate) fn output_scale(&self, model: usize) -> f64 {
        let parts = self.parts.models[model].parts();
        let (low, high) = parts
            .value
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let spread = (high - low) * parts.roots.len() as f64 / parts.divisor;
        if spread.is_finite() && spread > 0.0 { spread / 10.0 } else { 1.0 }
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.parts.terms
    }

    /// G at eight rows of the box.
    pub fn at(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        self.at_in(&self.forest, x, workspace)
    }

    fn at_in(&self, forest: &Forest, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        workspace.sums.resize(forest.n_slots(), Lanes::splat(0));
        forest.sums(self.level, x, &mut workspace.words, &mut workspace.sums);
        dispatch(self.level, AtSums { energy: self, x, sums: &workspace.sums })
    }

    /// G at the rows of a sweep, from its running sums.
    pub(crate) fn at_sweep(&self, x: &[Lanes<f64>], workspace: &Workspace) -> Lanes<f64> {
        dispatch(self.level, AtSums { energy: self, x, sums: &workspace.sweep.sums })
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
        let Workspace { sweep, slice, .. } = workspace;
        self.forest.slice(self.level, column, x, sweep, slice);
        dispatch(self.level, OnSlice { energy: self, slice, energies });
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

    /// G of any rows (`n × columns`, row-major), inside the box or not.
    ///
    /// # Errors
    /// [`Error::Data`] when the rows do not have the space's number of columns.
    pub fn evaluate(&self, rows: &[f64]) -> Result<Vec<f64>> {
        let d = self.parts.bounds.len();
        if d == 0 || !rows.len().is_multiple_of(d) {
            return Err(Error::Data(format!("{} numbers are not rows of {d} columns", rows.len())));
        }
        let forest = match self.everywhere.get() {
            Some(forest) => forest,
            None => {
                let (low, high) = (vec![f64::NEG_INFINITY; d], vec![f64::INFINITY; d]);
                let forest = compile(&self.parts, &low, &high, &vec![Vec::new(); d])?;
                self.everywhere.get_or_init(|| forest)
            }
        };
        let mut workspace = Workspace::default();
        let mut x = vec![Lanes::splat(0.0); d];
        let mut out = Vec::with_capacity(rows.len() / d);
        for block in rows.chunks(d * LANES) {
            fill_lanes(block, d, &mut x);
            let g = self.at_in(forest, &x, &mut workspace);
            out.extend_from_slice(&g.0[..block.len() / d]);
        }
        Ok(out)
    }

    /// ∇G of any rows.
    ///
    /// # Errors
    /// [`Error::Question`] when a tree model is in the question: its gradient is zero or does not exist.
    pub fn gradient(&self, rows: &[f64]) -> Result<Vec<f64>> {
        if !self.differentiable() {
            return Err(Error::Question(
                "this question asks tree models, which are constant between their splits and have no \
                 gradient; sample it with Conditional(), RandomWalk(), or MALA(drift=Smoothed())"
                    .into(),
            ));
        }
        let d = self.parts.bounds.len();
        let slope = |(i, &x)| self.parts.localizers.iter().map(|l| l.slope(i % d, x)).sum();
        Ok(rows.iter().enumerate().map(slope).collect())
    }

    #[inline(always)]
    fn models_part<S: Simd>(&self, s: S, sums: &[Lanes<u64>]) -> S::F {
        let mut g = s.splat(0.0);
        for term in &self.parts.terms {
            let first = self.first_slot[term.model];
            let n = self.parts.models[term.model].n_outputs();
            let outputs = OfSums { forest: &self.forest, first, sums: &sums[first..first + n] };
            g = s.mul_add(s.splat(term.weight), term.loss.value(s, &outputs), g);
        }
        g
    }
}

fn compile(parts: &Parts, lower: &[f64], upper: &[f64], kinks: &[Vec<f64>]) -> Result<Forest> {
    let members: Vec<Member<'_>> =
        parts.models.iter().zip(&parts.columns).map(|(model, columns)| Member { model, columns }).collect();
    Forest::new(&members, lower, upper, kinks)
}

/// One model's outputs, from the sums in its slots.
struct OfSums<'a> {
    forest: &'a Forest,
    first: usize,
    sums: &'a [Lanes<u64>],
}

impl<S: Simd> Outputs<S> for OfSums<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.sums.len()
    }

    #[inline(always)]
    fn get(&self, s: S, k: usize) -> S::F {
        self.forest.output(s, self.first + k, s.load_u(&self.sums[k]))
    }
}

struct AtSums<'a> {
    energy: &'a Energy,
    x: &'a [Lanes<f64>],
    sums: &'a [Lanes<u64>],
}

impl Op for AtSums<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let mut g = self.energy.models_part(s, self.sums);
        for localizer in &self.energy.parts.localizers {
            g = s.add(g, localizer.value(s, self.x));
        }
        let mut out = Lanes::splat(0.0);
        s.store(g, &mut out);
        out
    }
}

struct OnSlice<'a> {
    energy: &'a Energy,
    slice: &'a Slice,
    energies: &'a mut Vec<Lanes<f64>>,
}

impl Op for OnSlice<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let OnSlice { energy, slice, energies } = self;
        let n_slots = energy.forest.n_slots();
        energies.clear();
        energies.resize(slice.len(), Lanes::splat(0.0));
        for (e, g) in energies.iter_mut().enumerate() {
            let sums = &slice.sums[e * n_slots..(e + 1) * n_slots];
            s.store(energy.models_part(s, sums), g);
        }
    }
}

impl Loss {
    /// Whether the loss is a hard requirement.
    pub fn is_requirement(&self) -> bool {
        matches!(self, Loss::RequireLabel { .. } | Loss::RequireBand { .. })
    }
}
