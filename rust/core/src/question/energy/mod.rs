//! `G(x) = Σ_i w_i loss_i(outputs of models) + Σ_j localizer_j(x)` on a box, eight rows at a time; x is what is
//! sampled, or what a decoder makes of it.

mod compile;
mod evaluate;
mod gradient;
mod lanes;
mod means;
mod parts;
mod rows;
mod ways;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use compile::compile;
use means::MeansScratch;

use super::foreign::{self, ForeignNode};
use super::localizer::Localizer;
use super::loss::{Loss, Term};
use super::program::{Place, Places, Program};
use crate::error::Result;
use crate::model::tree::{Forest, Slice, SmoothState, SweepState};
use crate::simd::{Lanes, Level};
use crate::space::{Bounds, Constraint, Kind, Reference};

pub use means::Mean;
pub use parts::Parts;
use ways::{Cells, Way, cells, sweep_order, ways};

/// A question bound to a space.
#[derive(Debug)]
pub struct Energy {
    parts: Parts,
    /// What each model computes.
    programs: Vec<Program>,
    /// Where each term finds its outputs.
    places: Vec<Places>,
    /// Values of all models' nodes.
    n_values: usize,
    /// Whether every term reads trees directly, so that nothing else has to be computed.
    direct: bool,
    /// How each sampled column is drawn from its conditional law.
    ways: Vec<Way>,
    /// Where there is a reference: the cells of it along each column.
    cells: Vec<Cells>,
    /// Constraints that read each sampled column.
    limits: Vec<Vec<Arc<Constraint>>>,
    stepwise: bool,
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
    /// What `log p` of the base measure weighs, where that is not [`Parts::reference`]'s.
    pub(crate) base_weight: Option<f64>,
    /// The rows that models see, and the values of the decoder that makes them.
    row: Vec<Lanes<f64>>,
    decoded: Vec<Lanes<f64>>,
    /// The rows that are sampled, with one column varied.
    varied: Vec<Lanes<f64>>,
    /// What the base measure says along a column.
    along: Vec<Lanes<f64>>,
    means: MeansScratch,
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
    scratch: Vec<Lanes<f64>>,
    /// Cotangents of the rows that models see.
    row: Vec<Lanes<f64>>,
    pub(crate) rows: Vec<Lanes<f64>>,
}

impl Energy {
    /// # Errors
    /// [`crate::error::Error::Question`] or [`crate::error::Error::Model`] when the parts do not fit together.
    pub fn new(mut parts: Parts) -> Result<Self> {
        // A term of weight 0 says nothing; kept, it would turn an infinite loss into NaN.
        parts.terms.retain(|t| t.weight != 0.0);
        parts.means.retain(|m| m.weight != 0.0);
        parts.check()?;
        let (kinds, gaps) = (parts.row_kinds(), parts.row_gaps());
        // Violations of different units are added up.
        let scaled = |c: Arc<Constraint>| Arc::new(c.scaled(&parts.bounds));
        parts.constraints = std::mem::take(&mut parts.constraints).into_iter().map(scaled).collect();
        parts.localizers = parts.localizers.into_iter().map(|l| l.on(&kinds, &gaps)).collect();
        let (mut n_values, mut slot) = (0, 0);
        let mut programs = Vec::with_capacity(parts.models.len());
        for (m, model) in parts.models.iter().enumerate() {
            let (mut targets, mut compared) = (Vec::new(), Vec::new());
            for term in &parts.terms {
                let own = term.nodes().filter(|&(of, _)| of == m).map(|(_, node)| node);
                if term.second.is_some() { compared.extend(own) } else { targets.extend(own) }
            }
            let seconds = parts.means.iter().filter_map(|mean| mean.second);
            compared.extend(seconds.filter(|&(of, _)| of == m).map(|(_, node)| node));
            programs.push(Program::new(model, &targets, &compared, n_values, &mut slot));
            n_values += model.size();
        }
        let range = |(model, node): (usize, usize)| programs[model].range(&parts.models[model], node);
        let places = parts
            .terms
            .iter()
            .map(|term| match term.second {
                Some(second) => Places { first: Place::Values(range(term.first)), second: range(second) },
                None => {
                    let (model, node) = term.first;
                    Places { first: programs[model].place(&parts.models[model], node), second: 0..0 }
                }
            })
            .collect();
        let (lower, upper) = parts.row_box();
        let kinks = (0..lower.len())
            .map(|d| {
                parts
                    .localizers
                    .iter()
                    .filter(|l| kinds[d] == Kind::Continuous && l.power() == 1 && l.coefficient(d) != 0.0)
                    .map(|l| l.anchor(d))
                    .chain(parts.reference_cuts(d).iter().copied().filter(|_| kinds[d] != Kind::Level))
                    .filter(|&a| lower[d] < a && a < upper[d])
                    .collect()
            })
            .collect::<Vec<_>>();
        let direct = programs.iter().all(Program::trivial);
        let forest = compile(&parts, &programs, &lower, &upper, &parts.row_missing(), &kinks)?
            .swept(sweep_order(&parts));
        let foreign = foreign::nodes(&parts, &programs);
        let (ways, stepwise) = ways(&parts, &forest, !foreign.is_empty());
        let limits = (0..parts.bounds.len()).map(|d| parts.limits(d)).collect();
        Ok(Self {
            foreign,
            cells: cells(&parts, &forest, &ways),
            limits,
            parts,
            programs,
            places,
            n_values,
            direct,
            ways,
            stepwise,
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

    /// Bounds of the rows that are sampled.
    pub fn bounds(&self) -> &Bounds {
        &self.parts.bounds
    }

    /// The base measure, where it is not uniform.
    pub fn reference(&self) -> Option<Arc<Reference>> {
        self.parts.reference.as_ref().map(|(_, reference)| reference.clone())
    }

    /// What the rows that are sampled must fulfil beside the bounds.
    pub fn constraints(&self) -> &[Arc<Constraint>] {
        &self.parts.constraints
    }

    /// What the rows that a decoder gives must fulfil beside their bounds.
    pub fn decoded_constraints(&self) -> &[Arc<Constraint>] {
        self.parts.decoder.as_ref().map_or(&[], super::Decoder::constraints)
    }

    /// Columns of the rows that models see.
    pub fn n_row(&self) -> usize {
        self.parts.n_row()
    }

    pub fn localizers(&self) -> &[Localizer] {
        &self.parts.localizers
    }

    pub(crate) fn forest(&self) -> &Forest {
        &self.forest
    }

    /// Whether G is a step function of each column plus a localizer, convex on the continuous ones, so that all
    /// columns have exact conditional draws (MATH.md 3.5).
    pub fn stepwise(&self) -> bool {
        self.stepwise
    }

    /// Whether G has a gradient almost everywhere that is not simply zero. Requirements are flat where
    /// they are finite, and so are the decisions that a loss compares with.
    pub fn differentiable(&self) -> bool {
        let known = |(model, node): (usize, usize)| self.parts.models[model].differentiable(node);
        let graded = |t: &&Term| !t.loss.is_requirement();
        let other = |second: Option<(usize, usize)>, loss: &Loss| {
            second.is_none_or(|second| loss.decided() || known(second))
        };
        self.parts.decoder.as_ref().is_none_or(super::Decoder::differentiable)
            && self.parts.terms.iter().filter(graded).all(|t| known(t.first) && other(t.second, &t.loss))
            && self
                .parts
                .means
                .iter()
                .all(|m| m.stack.template().differentiable(m.node) && other(m.second, &m.loss))
    }

    /// Whether a model, a base measure or a constraint ties columns together.
    pub fn asks(&self) -> bool {
        let alone = |c: &Arc<Constraint>| c.columns().len() < 2;
        !self.parts.terms.is_empty()
            || self.averages()
            || self.parts.reference.is_some()
            || !self.parts.constraints.iter().all(alone)
    }

    /// Whether anything in G slopes: without, a gradient says nothing of where to go.
    pub fn sloped(&self) -> bool {
        let d = self.parts.n_row();
        self.parts.terms.iter().any(|t| !t.loss.is_requirement())
            || self.averages()
            || self.parts.localizers.iter().any(|l| (0..d).any(|d| l.coefficient(d) != 0.0))
    }

    /// Whether part of the work is done lane by lane.
    pub fn walks(&self) -> bool {
        self.forest.walks()
    }

    /// Whether rows are decoded before models see them.
    pub fn decodes(&self) -> bool {
        self.parts.decoder.is_some()
    }

    /// Nodes that other libraries compute, in the order in which their outputs are handed over.
    pub fn foreign(&self) -> &[ForeignNode] {
        &self.foreign
    }

    /// Numbers that other libraries hand over for a row.
    pub fn foreign_width(&self) -> usize {
        self.foreign.iter().map(|node| node.width).sum()
    }

    /// Where the entries of a model's node are among the values.
    fn range(&self, (model, node): (usize, usize)) -> Range<usize> {
        self.programs[model].range(&self.parts.models[model], node)
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.parts.terms
    }
}
