//! Eight chains in lockstep, and the native engine that answers their kernels.

use std::time::{Duration, Instant};

use super::Settings;
use super::start::{Search, find_start};
use crate::adapt::Phase;
use crate::drift::Drift;
use crate::error::Result;
use crate::kernel::{Mover, Reply, Request, Schedule, Spec, State, Streams, Target};
use crate::question::{Energy, Workspace};
use crate::simd::{LANES, Lanes};

pub(super) struct Block {
    /// Chains of the run in this block; the other lanes idle along and are never read.
    n: usize,
    pub(super) state: State,
    pub(super) streams: Streams,
    pub(super) schedule: Schedule,
    pub(super) workspace: Workspace,
    pub(super) scratch: Scratch,
    step: u64,
    pub(super) warmup: u64,
    pub(super) seconds: f64,
    pub(super) seconds_warmup: f64,
    /// What is waited for, when models answer later.
    pub(super) waiting: Waiting,
    /// Rows that it was last told of.
    pub(super) told: usize,
}

/// What a block cannot go on without.
pub(super) enum Waiting {
    Nothing,
    /// The first step.
    Begin,
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
        first: usize,
        n: usize,
    ) -> Result<Self> {
        let mut workspace = Workspace::default();
        let (state, waiting) = if energy.foreign_width() == 0 {
            (find_start(energy, target, settings, first, n, &mut workspace)?, Waiting::Begin)
        } else {
            let search = Search::new(target, settings, first, n)?;
            let x = search.candidate().to_vec();
            let unknown = State { x, energy: Lanes::splat(f64::NAN), version: 0 };
            (unknown, Waiting::Start(Box::new(search)))
        };
        Ok(Self {
            waiting,
            told: 0,
            n,
            streams: Streams::new(&settings.key, first as u64),
            schedule: Schedule::new(spec, target, &settings.key),
            scratch: Scratch { drift: vec![Lanes::splat(0.0); target.bounds.len()], ..Scratch::default() },
            state,
            workspace,
            step: 0,
            warmup: settings.warmup,
            seconds: 0.0,
            seconds_warmup: 0.0,
        })
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

    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(super) fn seconds_warmup(&self) -> f64 {
        self.seconds_warmup
    }

    /// Steps for about `time`, at least one; kept rows go to `draws` `(chain, draw, column)` and
    /// `energies` `(chain, draw)`. Time decides only where a call ends, never what a step does.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn advance(
        &mut self,
        energy: &Energy,
        target: &Target,
        time: Duration,
        n_draws: usize,
        thin: u64,
        draws: &mut [f64],
        energies: &mut [f64],
    ) {
        let total = self.warmup + n_draws as u64 * thin;
        let begin = Instant::now();
        let mut last = begin;
        let mut stride = 1;
        while self.step < total {
            let warming = self.step < self.warmup;
            let end = if warming { self.warmup } else { total };
            for _ in 0..stride.min(end - self.step) {
                self.one_step(energy, target);
                self.end_step(n_draws, thin, draws, energies);
            }
            let now = Instant::now();
            let spent = now - last;
            last = now;
            self.seconds += spent.as_secs_f64();
            if warming {
                self.seconds_warmup += spent.as_secs_f64();
            }
            if now - begin >= time {
                break;
            }
            if spent < Duration::from_micros(500) {
                stride = (stride * 2).min(1 << 16);
            } else if spent > Duration::from_millis(2) {
                stride = (stride / 2).max(1);
            }
        }
    }

    /// Counts a step, and keeps its row where it is one to keep.
    pub(super) fn end_step(&mut self, n_draws: usize, thin: u64, draws: &mut [f64], energies: &mut [f64]) {
        self.step += 1;
        let sampled = self.step.saturating_sub(self.warmup);
        if sampled > 0 && sampled.is_multiple_of(thin) {
            self.keep((sampled / thin - 1) as usize, n_draws, draws, energies);
        }
    }

    fn keep(&self, draw: usize, n_draws: usize, draws: &mut [f64], energies: &mut [f64]) {
        let d = self.state.x.len();
        for lane in 0..self.n {
            let row = &mut draws[(lane * n_draws + draw) * d..][..d];
            for (to, x) in row.iter_mut().zip(&self.state.x) {
                *to = x[lane];
            }
            energies[lane * n_draws + draw] = self.state.energy[lane];
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase { step: self.step, warmup: self.warmup }
    }

    fn one_step(&mut self, energy: &Energy, target: &Target) {
        let phase = self.phase();
        let Self { schedule, state, streams, workspace, scratch, .. } = self;
        schedule.begin();
        while let Some(mover) = schedule.next_mover() {
            make_move(mover, energy, target, phase, state, streams, workspace, scratch);
        }
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
    if let Mover::Mala(kernel) = mover {
        kernel.field().evaluate(energy, workspace, x, kernel.sigma(), kernel.directions(), out);
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
    if let Mover::Mala(kernel) = mover
        && kernel.field() == Drift::Gradient
    {
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
