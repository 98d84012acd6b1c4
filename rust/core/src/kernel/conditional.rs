//! Exact conditional draws, column by column (MATH.md 3.5): no step size, no rejection.

use super::{Reply, Request, State, Streams, Tally, Target};
use crate::adapt::Phase;
use crate::mutant::{self, Fault};
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, Op, Simd, dispatch, math};

#[derive(Clone, Debug)]
pub struct Conditional {
    /// Position in the free columns of the one that is drawn next.
    next: usize,
    swept: bool,
    /// The stretch that each chain chose in the last slice.
    chosen: Lanes<u64>,
    masses: Vec<f64>,
    cumulative: Vec<Lanes<f64>>,
    pub(super) tally: Tally,
}

impl Default for Conditional {
    fn default() -> Self {
        Self {
            next: 0,
            swept: false,
            chosen: Lanes::splat(0),
            masses: Vec::new(),
            cumulative: Vec::new(),
            tally: Tally::default(),
        }
    }
}

impl Conditional {
    pub(crate) fn chosen(&self) -> &Lanes<u64> {
        &self.chosen
    }

    pub(super) fn ask(&mut self, target: &Target) -> Request {
        if std::mem::take(&mut self.swept) {
            self.next = 0;
            return Request::Done;
        }
        match target.bounds.free().get(self.next) {
            Some(&column) => Request::Slice { column, first: self.next == 0 },
            None => Request::SweepEnergy,
        }
    }

    pub(super) fn tell(
        &mut self,
        target: &Target,
        phase: Phase,
        state: &mut State,
        reply: Reply<'_>,
        streams: &mut Streams,
    ) {
        match reply {
            Reply::Slice { first, energies } => {
                let column = target.bounds.free()[self.next];
                self.draw(target, column, state, first, energies, &mut streams.propose);
                self.next += 1;
            }
            Reply::Energy(energy) => {
                state.energy = energy;
                state.version += 1;
                self.swept = true;
                if !phase.warming() {
                    self.tally.steps += 1;
                }
            }
            Reply::Drift(_) | Reply::EnergyAndDrift(..) => {}
        }
    }

    fn draw(
        &mut self,
        target: &Target,
        column: usize,
        state: &mut State,
        first: &[u32],
        energies: &mut [Lanes<f64>],
        streams: &mut [Stream; LANES],
    ) {
        let measure = &target.measures[column];
        self.masses.clear();
        for (e, ends) in first.windows(2).enumerate() {
            let (from, to) = (ends[0] as usize, ends[1] as usize);
            match measure.mass(from, to) {
                _ if mutant::is(Fault::ForgetMass) => self.masses.push(1.0),
                Some(mass) => self.masses.push(mass),
                None => {
                    self.masses.push(1.0);
                    let shift = target.temperature * measure.log_mass(from, to);
                    for lane in 0..LANES {
                        energies[e][lane] -= shift;
                    }
                }
            }
        }
        let u = Lanes(std::array::from_fn(|lane| streams[lane].uniform()));
        let pick = Pick {
            energies,
            masses: &self.masses,
            temperature: target.temperature,
            u,
            cumulative: &mut self.cumulative,
        };
        self.chosen = dispatch(target.level, pick);
        for lane in 0..LANES {
            let e = self.chosen[lane] as usize;
            let (from, to) = (first[e] as usize, first[e + 1] as usize);
            state.x[column][lane] = if mutant::is(Fault::UniformInside) {
                measure.draw_uniform(from, to, &mut streams[lane])
            } else {
                measure.draw(from, to, &mut streams[lane])
            };
        }
    }
}

/// The stretch of each lane with `mass · exp(−G/τ)` as its weight.
struct Pick<'a> {
    energies: &'a [Lanes<f64>],
    masses: &'a [f64],
    temperature: f64,
    u: Lanes<f64>,
    cumulative: &'a mut Vec<Lanes<f64>>,
}

impl Op for Pick<'_> {
    type Output = Lanes<u64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<u64> {
        let Pick { energies, masses, temperature, u, cumulative } = self;
        let mut least = s.splat(f64::INFINITY);
        for energy in energies {
            least = s.min(s.load(energy), least);
        }
        cumulative.clear();
        cumulative.resize(energies.len(), Lanes::splat(0.0));
        let rate = s.splat(-1.0 / temperature);
        let mut total = s.splat(0.0);
        for ((energy, &mass), to) in energies.iter().zip(masses).zip(cumulative.iter_mut()) {
            let weight = math::exp(s, s.mul(s.sub(s.load(energy), least), rate));
            total = s.add(total, s.mul(s.splat(mass), weight));
            s.store(total, to);
        }
        // Stretches whose cumulative weight is at most u · total lie before the chosen one.
        let aim = s.mul(s.load(&u), total);
        let mut chosen = s.splat_u(0);
        for cumulative in cumulative.iter() {
            let before = s.le(s.load(cumulative), aim);
            chosen = s.add_u(chosen, s.select_u(before, s.splat_u(1), s.splat_u(0)));
        }
        let mut out = Lanes::splat(0);
        s.store_u(chosen, &mut out);
        for lane in 0..LANES {
            out[lane] = out[lane].min(energies.len() as u64 - 1);
        }
        out
    }
}
