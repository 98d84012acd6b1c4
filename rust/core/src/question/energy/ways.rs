//! How each column is drawn from its exact conditional law (MATH.md 3.5).

use std::iter::once;
use std::sync::Arc;

use super::{Energy, Workspace};
use crate::model::tree::{Forest, Points};
use crate::question::{ColumnMeasure, Term};
use crate::simd::{LANES, Lanes};
use crate::space::{Bounds, Constraint, Kind};

use super::parts::Parts;

/// Values of a column that sums of trees are known at.
const MOST_POINTS: usize = 4096;
/// Values of a column that a question is evaluated at, each from scratch.
const MOST_VALUES: usize = 512;

#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Between its cuts, from the running sums of trees; with its lowest value and NaN where it may be missing.
    Cuts(Option<Points>),
    /// Value by value, from the running sums of trees.
    Points(Points),
    /// Value by value, each a whole evaluation.
    Values,
    /// It is not.
    None,
}

/// A way for each column, and whether all that move are drawn from sums of trees.
pub(super) fn ways(parts: &Parts, forest: &Forest, foreign: bool) -> (Vec<Way>, bool) {
    let bounds = &parts.bounds;
    let none = || vec![Way::None; bounds.len()];
    if foreign || parts.decoder.is_some() {
        return (none(), false);
    }
    let nodes = || parts.terms.iter().flat_map(Term::nodes);
    if parts.means.is_empty() && nodes().all(|(m, node)| parts.models[m].stepwise(node)) {
        let ways: Vec<Way> = (0..bounds.len()).map(|d| in_trees(parts, forest, d)).collect();
        if bounds.free().iter().all(|&d| !matches!(ways[d], Way::None)) {
            return (ways, true);
        }
    }
    let mut ways = none();
    for &d in bounds.free() {
        if bounds.kind(d) != Kind::Continuous && bounds.count(d) <= MOST_VALUES {
            ways[d] = Way::Values;
        }
    }
    (ways, false)
}

/// How a column is drawn where models are step functions.
fn in_trees(parts: &Parts, forest: &Forest, d: usize) -> Way {
    let bounds = &parts.bounds;
    let convex = parts.localizers.iter().all(|l| l.coefficient(d) >= 0.0);
    let plain = !forest.has_sets(d) && parts.looked_up(d).next().is_none();
    match bounds.kind(d) {
        Kind::Continuous if plain && convex => cuts(parts, forest, d),
        Kind::Integer
            if plain
                && ColumnMeasure::countable(d, bounds, &parts.localizers)
                // At points a constraint costs no draw.
                && (parts.limits(d).is_empty() || bounds.count(d) > MOST_POINTS) =>
        {
            cuts(parts, forest, d)
        }
        Kind::Integer | Kind::Level if bounds.count(d) <= MOST_POINTS => {
            let values: Vec<f64> = values(bounds, d).collect();
            let looked_up = parts
                .looked_up(d)
                .map(|(column, lookup)| (column, values.iter().map(|&x| lookup.value(x)).collect()));
            Way::Points(forest.points(once((d, values.clone())).chain(looked_up).collect()))
        }
        _ => Way::None,
    }
}

fn cuts(parts: &Parts, forest: &Forest, d: usize) -> Way {
    let missing = parts.bounds.missing(d) > 0.0;
    Way::Cuts(missing.then(|| forest.points(vec![(d, vec![f64::NEG_INFINITY, f64::NAN])])))
}

/// The order in which a sweep goes through the columns of a row: each with those that are looked up in it.
pub(super) fn sweep_order(parts: &Parts) -> Vec<usize> {
    if parts.decoder.is_some() {
        return (0..parts.n_row()).collect();
    }
    (0..parts.bounds.len())
        .flat_map(|d| once(d).chain(parts.looked_up(d).map(|(column, _)| column)))
        .collect()
}

/// The values of an integer or level column, NaN last.
fn values(bounds: &Bounds, d: usize) -> impl Iterator<Item = f64> {
    let lower = bounds.lower(d);
    let missing = (bounds.missing(d) > 0.0).then_some(f64::NAN);
    (0..bounds.count(d)).map(move |k| lower + k as f64).chain(missing)
}

/// The cells of a column's base measure.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    /// The cell that holds each interval between cuts, or each point.
    of: Vec<u32>,
    /// Ranks of the cuts at which a cell begins.
    starts: Vec<u32>,
}

/// The cells of every column that is drawn from sums of trees; none without a reference that weighs anything.
pub(super) fn cells(parts: &Parts, forest: &Forest, ways: &[Way]) -> Vec<Cells> {
    let Some((_, reference)) = parts.reference.as_ref().filter(|(weight, _)| *weight != 0.0) else {
        return Vec::new();
    };
    let bounds = &parts.bounds;
    let cells = |d: usize| {
        let cell = |value: f64| reference.cell(d, value) as u32;
        match &ways[d] {
            Way::Points(_) => Cells { of: values(bounds, d).map(cell).collect(), starts: Vec::new() },
            Way::Cuts(_) => {
                let begins = once(bounds.lower(d)).chain(forest.cuts(d).iter().copied());
                // Any value of an interval: all of it is in one cell.
                let of: Vec<u32> = begins.map(|x| cell(x.next_up())).collect();
                let starts = (1..of.len()).filter(|&i| of[i] != of[i - 1]).map(|i| i as u32).collect();
                Cells { of, starts }
            }
            Way::Values | Way::None => Cells::default(),
        }
    };
    (0..bounds.len()).map(cells).collect()
}

impl Energy {
    /// Columns that can be drawn from their conditional laws, in the order of a sweep, with what their values
    /// weigh beside what [`Energy::slice`] gives.
    pub fn drawn(&self, temperature: f64) -> Vec<(usize, ColumnMeasure)> {
        let (bounds, localizers) = (&self.parts.bounds, &self.parts.localizers);
        let measure = |d: usize| {
            let cuts = self.forest.cuts(d);
            match (&self.ways[d], bounds.kind(d)) {
                (Way::None, _) => None,
                (Way::Cuts(_), Kind::Continuous) => {
                    let measure = ColumnMeasure::new(d, bounds, cuts, localizers, temperature);
                    Some(measure.under(self.limits[d].clone()))
                }
                (Way::Cuts(_), _) => {
                    let measure = ColumnMeasure::whole(d, bounds, Some(cuts), localizers, temperature);
                    Some(measure.under(self.limits[d].clone()))
                }
                (Way::Points(_), _) => Some(ColumnMeasure::whole(d, bounds, None, localizers, temperature)),
                // What is evaluated is the whole of G.
                (Way::Values, _) => Some(ColumnMeasure::whole(d, bounds, None, &[], temperature)),
            }
        };
        bounds.free().iter().filter_map(|&d| Some((d, measure(d)?))).collect()
    }

    /// Whether a column can be drawn from its conditional law.
    pub fn draws(&self, column: usize) -> bool {
        !matches!(self.ways[column], Way::None)
    }

    /// How often a sweep evaluates G, beside what it draws from running sums of trees.
    pub fn evaluated(&self) -> usize {
        let bounds = &self.parts.bounds;
        let values = |&&d: &&usize| matches!(self.ways[d], Way::Values);
        bounds.free().iter().filter(values).map(|&d| bounds.count(d)).sum()
    }

    /// Where stretches of a column that is drawn from sums of trees can begin; `None` where it is drawn at each of its
    /// values.
    pub(crate) fn cuts_of_draws(&self, column: usize) -> Option<&[f64]> {
        matches!(self.ways[column], Way::Cuts(_)).then(|| self.forest.cuts(column))
    }

    /// Prepares a sweep; with `again`, from the rows that the last sweep in this workspace left.
    pub(crate) fn begin_sweep(&self, x: &[Lanes<f64>], again: bool, workspace: &mut Workspace) {
        if self.stepwise {
            self.decode(x, workspace);
            let Workspace { row, sweep, .. } = workspace;
            self.forest.begin_sweep(self.level, row, again, sweep);
        }
    }

    /// The stretches of `column` at the present rows, and G on each but for what the column's measure holds.
    /// Counts values that were NaN or −∞, from a model that fails there: they stand as +∞.
    pub(crate) fn slice(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        workspace: &mut Workspace,
        energies: &mut Vec<Lanes<f64>>,
    ) -> Lanes<u64> {
        match &self.ways[column] {
            Way::Cuts(ends) => {
                // Trees that are walked may read what is looked up.
                let seen = self.forest.walks() && !self.parts.lookups.is_empty();
                if seen {
                    self.decode(x, workspace);
                }
                let Workspace { sweep, slice, row, .. } = workspace;
                let row = if seen { &row[..] } else { x };
                match ends {
                    Some(ends) => self.forest.slice_missing(self.level, column, ends, row, sweep, slice),
                    None => self.forest.slice(self.level, column, row, sweep, slice),
                }
                if let Some(cells) = self.cells.get(column)
                    && !cells.starts.is_empty()
                {
                    slice.refine(&cells.starts, self.forest.n_slots());
                }
                self.on_slice(workspace, energies);
                self.add_reference_along(column, x, workspace, energies);
            }
            Way::Points(points) => {
                if self.forest.walks() {
                    self.decode(x, workspace);
                }
                let Workspace { sweep, slice, row, .. } = workspace;
                self.forest.slice_points(self.level, points, row, sweep, slice);
                self.on_slice(workspace, energies);
                self.add_reference_along(column, x, workspace, energies);
                self.constrain_along(column, x, &self.limits[column], energies);
            }
            Way::Values | Way::None => {
                self.at_values(column, x, workspace, energies);
                return settle(energies);
            }
        }
        // Sums of trees are finite.
        Lanes::splat(0)
    }

    /// +∞ at the points of a column where a constraint is broken.
    fn constrain_along(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        limits: &[Arc<Constraint>],
        energies: &mut [Lanes<f64>],
    ) {
        if limits.is_empty() {
            return;
        }
        for (value, energy) in values(&self.parts.bounds, column).zip(energies) {
            for lane in 0..LANES {
                let row = |d: usize| if d == column { value } else { x[d][lane] };
                if !limits.iter().all(|constraint| constraint.admits(row)) {
                    energy[lane] = f64::INFINITY;
                }
            }
        }
    }

    /// Adds what the base measure says of every stretch of the workspace's slice, but for what does not depend on the
    /// column.
    fn add_reference_along(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        workspace: &mut Workspace,
        energies: &mut [Lanes<f64>],
    ) {
        let Some((own, reference)) = &self.parts.reference else { return };
        let Some(cells) = self.cells.get(column) else { return };
        let weight = workspace.base_weight.unwrap_or(*own);
        let Workspace { along, slice, .. } = workspace;
        reference.along(column, x, along);
        // All of a stretch is in one cell.
        for (energy, &first) in energies.iter_mut().zip(&slice.first) {
            let log = &along[cells.of[first as usize] as usize];
            for lane in 0..LANES {
                energy[lane] -= weight * log[lane];
            }
        }
    }

    /// Moves on: the rows now lie in stretch `chosen` of the column's slice, with `x` in the column.
    pub(crate) fn commit(
        &self,
        column: usize,
        x: &Lanes<f64>,
        chosen: &Lanes<u64>,
        workspace: &mut Workspace,
    ) {
        let Workspace { sweep, slice, .. } = workspace;
        match &self.ways[column] {
            Way::Cuts(_) => self.forest.commit(self.level, once((column, *x)), slice, chosen, sweep),
            Way::Points(points) => {
                self.forest.commit(self.level, points.chosen(chosen), slice, chosen, sweep);
            }
            Way::Values | Way::None => {}
        }
    }

    /// G at the rows of a sweep.
    pub(crate) fn at_sweep(&self, x: &[Lanes<f64>], workspace: &mut Workspace) -> Lanes<f64> {
        if self.stepwise { self.at_running_sums(x, workspace) } else { self.at(x, workspace) }
    }

    fn at_values(
        &self,
        column: usize,
        x: &[Lanes<f64>],
        workspace: &mut Workspace,
        energies: &mut Vec<Lanes<f64>>,
    ) {
        let mut at = std::mem::take(&mut workspace.varied);
        at.clear();
        at.extend_from_slice(x);
        energies.clear();
        for value in values(&self.parts.bounds, column) {
            at[column] = Lanes::splat(value);
            energies.push(self.at(&at, workspace));
        }
        workspace.varied = at;
        let first = &mut workspace.slice.first;
        first.clear();
        first.extend(0..=energies.len() as u32);
    }
}

/// Makes NaN and −∞ +∞; returns how many there were.
fn settle(energies: &mut [Lanes<f64>]) -> Lanes<u64> {
    let mut bad = Lanes::splat(0);
    for energy in energies {
        for lane in 0..LANES {
            if energy[lane].is_nan() || energy[lane] == f64::NEG_INFINITY {
                energy[lane] = f64::INFINITY;
                bad[lane] += 1;
            }
        }
    }
    bad
}
