//! Where chains start: independent points of finite energy.

use super::Settings;
use super::block::lanes_of;
use crate::error::{Error, Result};
use crate::kernel::{State, Target};
use crate::question::{ColumnMeasure, Energy, Loss, Parts, Term, Workspace};
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, math};

/// Uniform points tried for each chain before the search is guided.
const UNIFORM: usize = 1_000;
/// Guided sweeps, from hot to cold.
const SWEEPS: usize = 200;

pub(super) fn find_start(
    energy: &Energy,
    target: &Target,
    settings: &Settings,
    first: usize,
    n: usize,
    workspace: &mut Workspace,
) -> Result<State> {
    let bounds = &target.bounds;
    let d = bounds.len();
    let mut x: Vec<Lanes<f64>> = bounds.lowers().iter().map(|&lower| Lanes::splat(lower)).collect();
    if let Some(start) = &settings.start {
        if start.len() != settings.chains * d {
            return Err(Error::Sampling(format!(
                "start holds {} numbers, not chains × columns = {} × {d}",
                start.len(),
                settings.chains
            )));
        }
        for (lane, chain) in lanes_of(n).enumerate() {
            for (column, x) in x.iter_mut().enumerate() {
                let value = start[(first + chain) * d + column];
                if !(bounds.lower(column) <= value && value <= bounds.upper(column)) {
                    return Err(Error::Sampling(format!(
                        "start of chain {} has {value} in column {column}, outside [{}, {}]",
                        first + chain,
                        bounds.lower(column),
                        bounds.upper(column)
                    )));
                }
                x[lane] = value;
            }
        }
        let g = energy.at(&x, workspace);
        if let Some(lane) = (0..n).find(|&lane| !g[lane].is_finite()) {
            return Err(Error::Sampling(format!(
                "start of chain {} has energy {}: a start must satisfy every requirement",
                first + lane,
                g[lane]
            )));
        }
        return Ok(State { x, energy: g, version: 0 });
    }
    let mut streams: [Stream; LANES] =
        std::array::from_fn(|lane| stream(&settings.key, Purpose::Start, (first + lane) as u64));
    let mut found = [false; LANES];
    found[n..].fill(true);
    let mut g = Lanes::splat(f64::INFINITY);
    let mut candidate = x.clone();
    for _ in 0..UNIFORM {
        for lane in 0..LANES {
            for &d in bounds.free() {
                candidate[d][lane] = bounds.lower(d) + streams[lane].uniform() * bounds.width(d);
            }
        }
        let energies = energy.at(&candidate, workspace);
        take(&mut x, &mut g, &mut found, &candidate, &energies);
        if found.iter().all(|&f| f) {
            break;
        }
    }
    if !found.iter().all(|&f| f) && energy.stepwise() {
        guided(energy, target, &mut streams, workspace, &mut candidate, |candidate, energies| {
            take(&mut x, &mut g, &mut found, candidate, energies);
            found.iter().all(|&f| f)
        })?;
    }
    if let Some(lane) = (0..n).find(|&lane| !found[lane]) {
        return Err(Error::Sampling(format!(
            "no row with finite energy was found for chain {}: tried {UNIFORM} uniform rows of the space and \
             {SWEEPS} exact conditional sweeps guided towards what is asked, from hot to cold. A requirement may \
             be impossible in this space, or the label have probability 0 (then the losses 'hinge' and \
             'squared' stay finite): widen the bounds, free a fixed column, ask for another label or band, or \
             give start=",
            first + lane
        )));
    }
    for lane in n..LANES {
        for x in &mut x {
            x[lane] = x[0];
        }
        g[lane] = g[0];
    }
    Ok(State { x, energy: g, version: 0 })
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
    target: &Target,
    streams: &mut [Stream; LANES],
    workspace: &mut Workspace,
    x: &mut [Lanes<f64>],
    mut done: impl FnMut(&[Lanes<f64>], &Lanes<f64>) -> bool,
) -> Result<()> {
    let guide = energy.graded()?;
    let bounds = &target.bounds;
    let measures: Vec<ColumnMeasure> =
        (0..bounds.len()).map(|d| ColumnMeasure::new(d, bounds, guide.forest().cuts(d), &[], 1.0)).collect();
    let mut scratch = Workspace::default();
    let mut energies = Vec::new();
    for sweep in 0..SWEEPS {
        let temperature = math::exp1(-9.0 * sweep as f64 / SWEEPS as f64);
        guide.begin_sweep(x, sweep > 0, &mut scratch);
        for &d in bounds.free() {
            guide.slice(d, x, &mut scratch, &mut energies);
            let first = &scratch.slice.first;
            let mut chosen = Lanes::splat(0);
            for lane in 0..LANES {
                let least = energies.iter().map(|g| g[lane]).fold(f64::INFINITY, f64::min);
                let masses = measures[d].masses();
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
                x[d][lane] = measures[d].draw(at.1, &mut streams[lane]);
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
    /// The question with every hard edge turned into a slope towards it.
    fn graded(&self) -> Result<Energy> {
        let terms = self
            .terms()
            .iter()
            .filter_map(|term| {
                let loss = match term.loss {
                    Loss::RequireLabel { label } | Loss::CrossEntropy { label } => Loss::Hinge { label },
                    Loss::RequireBand { lower, upper } => {
                        Loss::Band { lower, upper, scale: self.output_scale(term.model) }
                    }
                    _ => return None,
                };
                Some(Term { weight: 1.0, model: term.model, loss })
            })
            .collect();
        Energy::new(Parts { terms, localizers: Vec::new(), ..self.parts().clone() })
    }
}
