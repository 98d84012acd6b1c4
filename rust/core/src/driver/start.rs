//! Where chains start: independent points of finite energy.

use std::sync::Arc;

use super::Settings;
use super::block::{Seats, lanes_of};
use super::feasible::Feasible;
use crate::error::{Error, Result};
use crate::kernel::{State, Stretches, Target};
use crate::question::{Energy, Loss, Parts, Term, Workspace};
use crate::rng::{Purpose, Stream, at_rung, stream};
use crate::simd::{LANES, Lanes, math};
use crate::space::Reference;

/// Points of the base measure tried for each chain before the search is guided.
const UNIFORM: usize = 1_000;
/// Guided sweeps, from hot to cold.
const SWEEPS: usize = 200;

/// Starts being looked for: rows to evaluate, and what was found among them. The same for models that
/// answer at once and for those that answer later.
#[derive(Debug)]
pub(super) struct Search {
    /// Number of the first chain among those of the run.
    first: usize,
    n: usize,
    /// Whether the rows are the user's.
    given: bool,
    tried: usize,
    /// What rows they are, for an error.
    tried_rows: &'static str,
    streams: [Stream; LANES],
    candidate: Vec<Lanes<f64>>,
    x: Vec<Lanes<f64>>,
    energy: Lanes<f64>,
    found: [bool; LANES],
    feasible: Feasible,
}

impl Search {
    /// # Errors
    /// [`Error::Sampling`] for given starts that are no rows of the box.
    pub(super) fn new(target: &Target, settings: &Settings, seats: Seats) -> Result<Self> {
        let Seats { rung, first, n } = seats;
        let bounds = &target.bounds;
        let d = bounds.len();
        let mut found = [false; LANES];
        found[n..].fill(true);
        let x: Vec<Lanes<f64>> = bounds.lowers().iter().map(|&lower| Lanes::splat(lower)).collect();
        let mut search = Self {
            first,
            n,
            given: settings.start.is_some(),
            tried: 0,
            tried_rows: match target.base.reference() {
                Some(_) => "rows of the reference",
                None => "uniform rows of the space",
            },
            streams: std::array::from_fn(|lane| {
                stream(&settings.key, Purpose::Start, at_rung(rung, (first + lane) as u64))
            }),
            candidate: x.clone(),
            x,
            energy: Lanes::splat(f64::INFINITY),
            found,
            feasible: Feasible::new(target),
        };
        let Some(start) = &settings.start else {
            search.propose(target);
            return Ok(search);
        };
        if start.len() != settings.chains * d {
            return Err(Error::Sampling(format!(
                "start holds {} numbers, not chains × columns = {} × {d}",
                start.len(),
                settings.chains
            )));
        }
        for (lane, chain) in lanes_of(n).enumerate() {
            for (column, x) in search.candidate.iter_mut().enumerate() {
                let value = start[(first + chain) * d + column];
                if !bounds.holds(column, value) {
                    return Err(Error::Sampling(format!(
                        "start of chain {} has {value} in column {column}, not one of its values in [{}, {}]",
                        first + chain,
                        bounds.lower(column),
                        bounds.upper(column)
                    )));
                }
                x[lane] = value;
            }
            let broken = target.constraints.iter().find(|c| !c.admits(|d| search.candidate[d][lane]));
            if let Some(constraint) = broken {
                return Err(Error::Sampling(format!(
                    "start of chain {} breaks the constraint {:?}",
                    first + chain,
                    constraint.name()
                )));
            }
        }
        Ok(search)
    }

    /// Rows whose energy [`Self::tell`] takes.
    pub(super) fn candidate(&self) -> &[Lanes<f64>] {
        &self.candidate
    }

    /// Whether a lane still looks for its start.
    pub(super) fn seeks(&self, lane: usize) -> bool {
        !self.found[lane] && !self.feasible.gave_up(lane)
    }

    /// Takes the energies of the candidates; true when there is nothing more to try.
    ///
    /// # Errors
    /// [`Error::Sampling`] for a given start without finite energy.
    pub(super) fn tell(&mut self, target: &Target, energies: &Lanes<f64>) -> Result<bool> {
        take(&mut self.x, &mut self.energy, &mut self.found, &self.candidate, energies);
        self.tried += 1;
        if self.given
            && let Some(lane) = self.missing()
        {
            return Err(Error::Sampling(format!(
                "start of chain {} has energy {}: a start must satisfy every requirement",
                self.first + lane,
                energies[lane]
            )));
        }
        if !(0..self.n).any(|lane| self.seeks(lane)) || self.tried == UNIFORM {
            return Ok(true);
        }
        self.propose(target);
        Ok(false)
    }

    /// Whether no energy has been told yet.
    pub(super) fn fresh(&self) -> bool {
        self.tried == 0
    }

    fn propose(&mut self, target: &Target) {
        let mut row = vec![0.0; self.candidate.len()];
        for lane in 0..LANES {
            if !self.feasible.free() {
                if self.seeks(lane) {
                    self.propose_feasible(target, lane);
                }
                continue;
            }
            for (to, x) in row.iter_mut().zip(&self.candidate) {
                *to = x[lane];
            }
            target.base.draw_row(&mut row, &mut self.streams[lane]);
            for (x, value) in self.candidate.iter_mut().zip(&row) {
                x[lane] = *value;
            }
        }
    }

    fn propose_feasible(&mut self, target: &Target, lane: usize) {
        let bounds = &target.bounds;
        let draw = |stream: &mut Stream| {
            let mut row = bounds.lowers().to_vec();
            target.base.draw_row(&mut row, stream);
            row
        };
        let row = self.feasible.row(target, lane, &mut self.streams[lane], draw);
        for &d in bounds.free() {
            self.candidate[d][lane] = row[d];
        }
    }

    fn missing(&self) -> Option<usize> {
        (0..self.n).find(|&lane| !self.found[lane])
    }

    /// What was found; `also` says what was tried beside rows of the base measure.
    ///
    /// # Errors
    /// [`Error::Start`] when a chain has no start.
    pub(super) fn finish(&mut self, energy: &Energy, also: &str) -> Result<State> {
        if let Some(lane) = (0..self.n).find(|&lane| self.feasible.gave_up(lane)) {
            return Err(Error::Start(format!(
                "no row that meets the constraints of the space was found for chain {}: {}. Loosen it, widen the \
                 bounds, free a fixed column, or give start=",
                self.first + lane,
                self.feasible.binding()
            )));
        }
        if let Some(lane) = self.missing() {
            let met = if self.feasible.free() { "" } else { " that meet its constraints" };
            let names: Vec<String> =
                energy.decoded_constraints().iter().map(|own| format!("{:?}", own.name())).collect();
            let decoded = match names.as_slice() {
                [] => String::new(),
                names => format!("Decoded rows must meet {}. ", names.join(" and ")),
            };
            return Err(Error::Start(format!(
                "no row with finite energy was found for chain {}: tried {UNIFORM} {}{met}{also}. {decoded}A requirement may be impossible in this space, or the label have probability 0 \
                 (then the losses 'hinge' and 'squared' stay finite): widen the bounds, free a fixed column, \
                 ask for another label or band, or give start=",
                self.first + lane,
                self.tried_rows
            )));
        }
        let mut x = std::mem::take(&mut self.x);
        for lane in self.n..LANES {
            for x in &mut x {
                x[lane] = x[0];
            }
            self.energy[lane] = self.energy[0];
        }
        Ok(State { x, energy: self.energy, version: 0 })
    }
}

/// Starts for models that answer at once.
///
/// # Errors
/// [`Error::Sampling`] for given starts that cannot be, [`Error::Start`] when there are none.
pub(super) fn find_start(
    energy: &Energy,
    target: &Target,
    settings: &Settings,
    seats: Seats,
    workspace: &mut Workspace,
) -> Result<State> {
    let mut search = Search::new(target, settings, seats)?;
    loop {
        let energies = energy.at(search.candidate(), workspace);
        if search.tell(target, &energies)? {
            break;
        }
    }
    let gave_up = (0..seats.n).any(|lane| search.feasible.gave_up(lane));
    if search.missing().is_none() || gave_up || !energy.stepwise() {
        return search.finish(energy, "");
    }
    let Search { streams, candidate, x, energy: g, found, .. } = &mut search;
    guided(energy, streams, workspace, candidate, |candidate, energies| {
        take(x, g, found, candidate, energies);
        found.iter().all(|&f| f)
    })?;
    search.finish(
        energy,
        &format!(" and {SWEEPS} exact conditional sweeps guided towards what is asked, from hot to cold"),
    )
}

/// Keeps the candidates of finite energy for lanes that have none yet.
fn take(
    x: &mut [Lanes<f64>],
    g: &mut Lanes<f64>,
    found: &mut [bool; LANES],
    candidate: &[Lanes<f64>],
    energies: &Lanes<f64>,
) {
    for lane in 0..LANES {
        if !found[lane] && energies[lane].is_finite() {
            found[lane] = true;
            g[lane] = energies[lane];
            for (x, candidate) in x.iter_mut().zip(candidate) {
                x[lane] = candidate[lane];
            }
        }
    }
}

/// Conditional sweeps on a graded version of the requirements, cooling down, until `done` says so.
fn guided(
    energy: &Energy,
    streams: &mut [Stream; LANES],
    workspace: &mut Workspace,
    x: &mut [Lanes<f64>],
    mut done: impl FnMut(&[Lanes<f64>], &Lanes<f64>) -> bool,
) -> Result<()> {
    let guide = energy.graded(None)?;
    let measures = guide.drawn(1.0);
    let mut scratch = Workspace::default();
    let mut energies = Vec::new();
    for sweep in 0..SWEEPS {
        let temperature = math::exp1(-9.0 * sweep as f64 / SWEEPS as f64);
        guide.begin_sweep(x, sweep > 0, &mut scratch);
        for (d, measure) in &measures {
            let d = *d;
            guide.slice(d, x, &mut scratch, &mut energies);
            let first = &scratch.slice.first;
            let mut chosen = Lanes::splat(0);
            for lane in 0..LANES {
                if !measure.limits().is_empty() {
                    let stretches = Stretches { first, energies: &energies, measure, temperature };
                    let (stretch, value) = stretches.draw(d, x, lane, &mut streams[lane]);
                    chosen[lane] = stretch as u64;
                    x[d][lane] = value;
                    continue;
                }
                let some = |e: &usize| !measure.empty(first[*e] as usize..first[e + 1] as usize);
                let least =
                    (0..energies.len()).filter(some).map(|e| energies[e][lane]).fold(f64::INFINITY, f64::min);
                let masses = measure.masses();
                let weight =
                    |e: usize, i: usize| masses[i] * math::exp1((least - energies[e][lane]) / temperature);
                let intervals = || {
                    (0..energies.len()).flat_map(|e| (first[e]..first[e + 1]).map(move |i| (e, i as usize)))
                };
                let mut left = streams[lane].uniform() * intervals().map(|(e, i)| weight(e, i)).sum::<f64>();
                let mut at = (0, 0);
                for (e, i) in intervals() {
                    at = (e, i);
                    if left < weight(e, i) {
                        break;
                    }
                    left -= weight(e, i);
                }
                chosen[lane] = at.0 as u64;
                x[d][lane] = measure.draw(at.1, &mut streams[lane]);
            }
            guide.commit(d, &x[d], &chosen, &mut scratch);
        }
        if done(x, &energy.at(x, workspace)) {
            break;
        }
    }
    Ok(())
}

impl Energy {
    /// Order of magnitude of what a model's first output can differ by.
    fn output_scale(&self, model: usize) -> f64 {
        let Some((_, ensemble)) = self.parts().models[model].ensembles().next() else { return 1.0 };
        let parts = ensemble.parts();
        let (low, high) = parts
            .value
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let spread = (high - low) * parts.roots.len() as f64 / parts.divisor;
        if spread.is_finite() && spread > 0.0 { spread / 10.0 } else { 1.0 }
    }

    /// The question with every hard edge turned into a slope towards it, on another base measure.
    pub(crate) fn graded(&self, reference: Option<(f64, Arc<Reference>)>) -> Result<Energy> {
        let terms = self
            .terms()
            .iter()
            .filter_map(|term| {
                let loss = match term.loss {
                    Loss::RequireLabel { label } | Loss::CrossEntropy { label } => Loss::Hinge { label },
                    Loss::RequireBand { lower, upper } => {
                        Loss::Band { lower, upper, scale: self.output_scale(term.first.0) }
                    }
                    _ => return None,
                };
                Some(Term { weight: 1.0, loss, ..*term })
            })
            .collect();
        Energy::new(Parts { terms, localizers: Vec::new(), reference, ..self.parts().clone() })
    }
}
