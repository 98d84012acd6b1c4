//! Eight chains in lockstep, and the native engine that answers their kernels.

use super::Settings;
use super::start::{Search, find_start};
use super::tower::Kept;
use crate::adapt::Phase;
use crate::checkpoint::{Codec, Saved};
use crate::drift::Drift;
use crate::error::Result;
use crate::kernel::{Mover, Reply, Request, Schedule, Spec, State, Streams, Target};
use crate::question::{Energy, Workspace};
use crate::rng::at_rung;
use crate::simd::{LANES, Lanes};

/// Which chains a block holds, and on which rung of a ladder of temperatures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seats {
    pub(super) rung: usize,
    /// Number of the first chain among those of the run.
    pub(super) first: usize,
    /// Chains of the run in this block; the other lanes idle along and are never read.
    pub(super) n: usize,
}

pub(super) struct Block {
    n: usize,
    pub(super) state: State,
    pub(super) streams: Streams,
    pub(super) schedule: Schedule,
    pub(super) workspace: Workspace,
    pub(super) scratch: Scratch,
    step: u64,
    warmup: u64,
    /// What is waited for, when models answer later.
    pub(super) waiting: Waiting,
    /// Rows that it was last told of.
    pub(super) told: usize,
}

/// What a block cannot go on without.
pub(super) enum Waiting {
    Nothing,
    /// The next step.
    Begin,
    /// The other rungs' step.
    Others,
    /// Energies of rows to start from.
    Start(Box<Search>),
    /// Those of the current kernel's proposals, and their drift where it wants a gradient.
    Move {
        gradient: bool,
    },
    /// The drift at the present rows.
    Drift,
    /// The part of a gradient that goes through other libraries; the energy is known where it is wanted.
    Gradient {
        energy: Option<Lanes<f64>>,
    },
}

#[derive(Default)]
pub(super) struct Scratch {
    pub(super) drift: Vec<Lanes<f64>>,
    /// What other libraries give of a drift.
    pub(super) given: Vec<Lanes<f64>>,
    energies: Vec<Lanes<f64>>,
    /// `State::version` that the last sweep left, if any.
    swept: Option<u64>,
    /// Drifts with a component that was not finite.
    pub(super) nonfinite: [u64; LANES],
}

impl Scratch {
    /// A component of the drift that is not finite becomes 0, which is still a field.
    pub(super) fn settle_drift(&mut self) {
        let mut bad = [false; LANES];
        for drift in &mut self.drift {
            for lane in 0..LANES {
                if !drift[lane].is_finite() {
                    drift[lane] = 0.0;
                    bad[lane] = true;
                }
            }
        }
        for (count, bad) in self.nonfinite.iter_mut().zip(bad) {
            *count += u64::from(bad);
        }
    }
}

impl Block {
    pub(super) fn new(
        energy: &Energy,
        spec: &Spec,
        target: &Target,
        settings: &Settings,
        seats: Seats,
    ) -> Result<Self> {
        let mut workspace = Workspace::default();
        workspace.base_weight = (target.temperature != settings.temperature).then_some(target.temperature);
        let (state, waiting) = if energy.foreign_width() == 0 {
            (find_start(energy, target, settings, seats, &mut workspace)?, Waiting::Begin)
        } else {
            let search = Search::new(target, settings, seats)?;
            let x = search.candidate().to_vec();
            let unknown = State { x, energy: Lanes::splat(f64::NAN), version: 0 };
            (unknown, Waiting::Start(Box::new(search)))
        };
        Ok(Self {
            waiting,
            told: 0,
            n: seats.n,
            streams: Streams::new(&settings.key, at_rung(seats.rung, seats.first as u64)),
            schedule: Schedule::new(spec, target, &settings.key),
            scratch: Scratch { drift: vec![Lanes::splat(0.0); target.bounds.len()], ..Scratch::default() },
            state,
            workspace,
            step: 0,
            warmup: settings.warmup,
        })
    }

    /// Goes over to another temperature.
    pub(super) fn retarget(&mut self, old: &Target, temperature: f64, own: f64) {
        self.weigh_base(temperature, own);
        if let Some(reference) = old.base.reference() {
            let log = reference.log_density(&self.state.x);
            for lane in 0..LANES {
                self.state.energy[lane] += (old.temperature - temperature) * log[lane];
            }
            self.state.version += 1;
        }
    }

    /// The weight of a base measure at a temperature that need not be the run's own.
    pub(super) fn weigh_base(&mut self, temperature: f64, own: f64) {
        self.workspace.base_weight = (temperature != own).then_some(temperature);
    }

    pub(super) fn n(&self) -> usize {
        self.n
    }

    pub(super) fn step(&self) -> u64 {
        self.step
    }

    pub(super) fn kept(&self, thin: u64) -> usize {
        (self.step.saturating_sub(self.warmup) / thin) as usize
    }

    pub(super) fn movers(&self) -> &[Mover] {
        self.schedule.movers()
    }

    /// Counts a step, and keeps its row where it is one to keep.
    pub(super) fn end_step(&mut self, kept: &mut Kept<'_>) {
        self.step += 1;
        let sampled = self.step.saturating_sub(self.warmup);
        if sampled > 0 && sampled.is_multiple_of(kept.thin) && !kept.energies.is_empty() {
            self.keep((sampled / kept.thin - 1) as usize, kept);
        }
    }

    fn keep(&self, draw: usize, kept: &mut Kept<'_>) {
        let d = self.state.x.len();
        for lane in 0..self.n {
            let at = lane * kept.n_draws + draw;
            for (to, x) in kept.draws[at * d..][..d].iter_mut().zip(&self.state.x) {
                *to = x[lane];
            }
            kept.energies[at] = self.state.energy[lane];
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase { step: self.step, warmup: self.warmup }
    }

    pub(super) fn one_step(&mut self, energy: &Energy, target: &Target) {
        let phase = self.phase();
        let Self { schedule, state, streams, workspace, scratch, .. } = self;
        schedule.begin();
        while let Some(mover) = schedule.next_mover() {
            make_move(mover, energy, target, phase, state, streams, workspace, scratch);
        }
    }
}

impl Saved for Block {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        // What is left of the workspace is scratch; the weight of a base measure follows the target.
        let Self { n, state, streams, schedule, workspace, scratch, step, warmup, waiting, told: _ } = self;
        codec.same(*n as u64, "chains in a block")?;
        codec.same(*warmup, "steps of warm-up")?;
        state.pass(codec)?;
        streams.pass(codec)?;
        schedule.pass(codec)?;
        codec.list(&mut workspace.foreign, &Lanes::splat(0.0), 1 << 32)?;
        scratch.pass(codec)?;
        step.pass(codec)?;
        waiting.pass(codec)
    }
}

impl Saved for Scratch {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { drift, given, energies: _, swept, nonfinite } = self;
        drift.pass(codec)?;
        codec.list(given, &Lanes::splat(0.0), 1 << 32)?;
        // Sums over trees are exact, and found anew.
        if codec.reads() {
            *swept = None;
        }
        nonfinite.pass(codec)
    }
}

/// One kernel's move: asks until it has what it needs.
#[allow(clippy::too_many_arguments)]
fn make_move(
    mover: &mut Mover,
    energy: &Energy,
    target: &Target,
    phase: Phase,
    state: &mut State,
    streams: &mut Streams,
    workspace: &mut Workspace,
    scratch: &mut Scratch,
) {
    loop {
        match mover.ask(target, phase, state, streams) {
            Request::Done => break,
            Request::Energy => {
                let g = energy.at(mover.proposal(), workspace);
                mover.tell(target, phase, state, Reply::Energy(g), streams);
            }
            Request::DriftHere => {
                drift(mover, energy, workspace, &state.x, &mut scratch.drift);
                scratch.settle_drift();
                mover.tell(target, phase, state, Reply::Drift(&scratch.drift), streams);
            }
            Request::EnergyAndDrift => {
                let g = energy_and_drift(mover, energy, workspace, &mut scratch.drift);
                scratch.settle_drift();
                mover.tell(target, phase, state, Reply::EnergyAndDrift(g, &scratch.drift), streams);
            }
            Request::Slice { column, first } => {
                if first {
                    energy.begin_sweep(&state.x, scratch.swept == Some(state.version), workspace);
                }
                let nonfinite = energy.slice(column, &state.x, workspace, &mut scratch.energies);
                let (first, energies) = (&workspace.slice.first, &scratch.energies);
                let reply = Reply::Slice { first, energies, nonfinite };
                mover.tell(target, phase, state, reply, streams);
                if let Mover::Conditional(kernel) = mover {
                    energy.commit(column, &state.x[column], kernel.chosen(), workspace);
                }
            }
            Request::SweepEnergy => {
                let g = energy.at_sweep(&state.x, workspace);
                mover.tell(target, phase, state, Reply::Energy(g), streams);
                scratch.swept = Some(state.version);
            }
        }
    }
}

fn drift(
    mover: &Mover,
    energy: &Energy,
    workspace: &mut Workspace,
    x: &[Lanes<f64>],
    out: &mut [Lanes<f64>],
) {
    match mover {
        Mover::Mala(kernel) => {
            kernel.field().evaluate(energy, workspace, x, kernel.sigma(), kernel.directions(), out);
        }
        Mover::Barker(_) => Drift::Gradient.evaluate(energy, workspace, x, &[], &[], out),
        Mover::RandomWalk(_) | Mover::Conditional(_) | Mover::Independence(_) => {}
    }
}

/// Both at the proposals; a gradient comes with the energy from one evaluation of the models.
fn energy_and_drift(
    mover: &Mover,
    energy: &Energy,
    workspace: &mut Workspace,
    out: &mut [Lanes<f64>],
) -> Lanes<f64> {
    let x = mover.proposal();
    let gradient = match mover {
        Mover::Mala(kernel) => kernel.field() == Drift::Gradient,
        other => matches!(other, Mover::Barker(_)),
    };
    if gradient {
        let g = energy.at_with_slopes(x, workspace);
        out.fill(Lanes::splat(0.0));
        energy.add_gradient(workspace, out);
        return g;
    }
    let g = energy.at(x, workspace);
    drift(mover, energy, workspace, x, out);
    g
}

/// Chains that a lane stands for: those beyond the block repeat its first chain's start.
pub(super) fn lanes_of(n: usize) -> impl Iterator<Item = usize> {
    (0..LANES).map(move |lane| if lane < n { lane } else { 0 })
}
