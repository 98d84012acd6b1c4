//! Exact conditional draws, column by column (MATH.md 3.5): no step size, no rejection.

use super::{Reply, Request, State, Streams, Stretches, Tally, Target};
use crate::adapt::Phase;
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::mutant::{self, Fault};
use crate::question::ColumnMeasure;
use crate::rng::Stream;
use crate::simd::{LANES, Lanes, Op, Simd, dispatch, math};

#[derive(Clone, Debug)]
pub struct Conditional {
    /// Position in the target's measures of the column that is drawn next.
    next: usize,
    swept: bool,
    /// The stretch that each chain chose in the last slice.
    chosen: Lanes<u64>,
    cumulative: Vec<Lanes<f64>>,
    aim: Lanes<f64>,
    pub(super) tally: Tally,
}

impl Default for Conditional {
    fn default() -> Self {
        Self {
            next: 0,
            swept: false,
            chosen: Lanes::splat(0),
            cumulative: Vec::new(),
            aim: Lanes::splat(0.0),
            tally: Tally::default(),
        }
    }
}

impl Conditional {
    pub(crate) fn chosen(&self) -> &Lanes<u64> {
        &self.chosen
    }

    /// Leaves a column as it is.
    #[cfg(test)]
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// Probability of every interval of the column that was drawn last.
    #[cfg(test)]
    pub(super) fn probabilities(&self, n: usize, lane: usize) -> Vec<f64> {
        let ends = || self.cumulative[..n].iter().map(|c| c[lane]);
        let total = self.cumulative[n - 1][lane];
        ends().zip(std::iter::once(0.0).chain(ends())).map(|(end, begin)| (end - begin) / total).collect()
    }

    pub(super) fn ask(&mut self, target: &Target) -> Request {
        if std::mem::take(&mut self.swept) {
            self.next = 0;
            return Request::Done;
        }
        match target.measures.get(self.next) {
            Some(&(column, _)) => Request::Slice { column, first: self.next == 0 },
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
            Reply::Slice { first, energies, nonfinite } => {
                for (count, bad) in self.tally.nonfinite.0.iter_mut().zip(nonfinite.0) {
                    *count += bad;
                }
                self.draw(target, state, first, energies, &mut streams.propose);
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
        state: &mut State,
        first: &[u32],
        energies: &[Lanes<f64>],
        streams: &mut [Stream; LANES],
    ) {
        let (column, measure) = &target.measures[self.next];
        if !measure.limits().is_empty() {
            let stretches = Stretches { first, energies, measure, temperature: target.temperature };
            for (lane, stream) in streams.iter_mut().enumerate() {
                let (stretch, value) = stretches.draw(*column, &state.x, lane, stream);
                self.chosen[lane] = stretch as u64;
                state.x[*column][lane] = value;
            }
            return;
        }
        let u = Lanes(std::array::from_fn(|lane| streams[lane].uniform()));
        let pick = Pick {
            first,
            energies,
            measure,
            temperature: target.temperature,
            u: &u,
            cumulative: &mut self.cumulative,
            aim: &mut self.aim,
        };
        self.chosen = dispatch(target.level, pick);
        for (lane, stream) in streams.iter_mut().enumerate() {
            let stretch = self.chosen[lane] as usize;
            let (from, to) = (first[stretch] as usize, first[stretch + 1] as usize);
            let before = |i: &usize| self.cumulative[*i][lane] <= self.aim[lane];
            let interval = (from..to - 1).find(|i| !before(i)).unwrap_or(to - 1);
            state.x[*column][lane] = measure.draw(interval, stream);
        }
    }
}

impl Saved for Conditional {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        // A run stops between steps: within them the rest is written before it is read.
        let Self { next, swept, chosen: _, cumulative: _, aim: _, tally } = self;
        codec.count(next, 0)?;
        swept.pass(codec)?;
        tally.pass(codec)
    }
}

/// The stretch of each lane, with the sum over its intervals of `mass · exp(−G/τ)` as its weight.
///
/// Where a stretch ends depends on what its neighbours' trees do, so no number may: weights are summed
/// interval by interval, in the same order whatever the stretches are.
struct Pick<'a> {
    first: &'a [u32],
    energies: &'a [Lanes<f64>],
    measure: &'a ColumnMeasure,
    temperature: f64,
    u: &'a Lanes<f64>,
    /// Weight of all intervals up to and including each.
    cumulative: &'a mut Vec<Lanes<f64>>,
    aim: &'a mut Lanes<f64>,
}

impl Op for Pick<'_> {
    type Output = Lanes<u64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<u64> {
        let Pick { first, energies, measure, temperature, u, cumulative, aim } = self;
        let stretches = || first.windows(2).map(|ends| ends[0] as usize..ends[1] as usize).zip(energies);
        cumulative.resize(measure.log_masses().len(), Lanes::splat(0.0));
        let cumulative = &mut cumulative[..];
        let rate = s.splat(-1.0 / temperature);
        let mut total = s.splat(0.0);
        if measure.masses().is_empty() {
            let mut most = s.splat(f64::NEG_INFINITY);
            for (intervals, energy) in stretches() {
                let log = s.mul(s.load(energy), rate);
                for &mass in &measure.log_masses()[intervals] {
                    most = s.max(s.add(log, s.splat(mass)), most);
                }
            }
            for (intervals, energy) in stretches() {
                let log = s.sub(s.mul(s.load(energy), rate), most);
                for i in intervals {
                    total = s.add(total, math::exp(s, s.add(log, s.splat(measure.log_masses()[i]))));
                    s.store(total, &mut cumulative[i]);
                }
            }
        } else {
            let mut least = s.splat(f64::INFINITY);
            for (intervals, energy) in stretches() {
                // What cannot be drawn must not make all else vanish beside it.
                if !measure.empty(intervals) {
                    least = s.min(s.load(energy), least);
                }
            }
            for (intervals, energy) in stretches() {
                let weight = math::exp(s, s.mul(s.sub(s.load(energy), least), rate));
                for (&mass, to) in measure.masses()[intervals.clone()].iter().zip(&mut cumulative[intervals])
                {
                    let mass = if mutant::is(Fault::ForgetMass) { 1.0 } else { mass };
                    total = s.mul_add(s.splat(mass), weight, total);
                    s.store(total, to);
                }
            }
        }
        let goal = s.mul(s.load(u), total);
        s.store(goal, aim);
        // Stretches whose cumulative weight is at most u · total lie before the chosen one.
        let mut chosen = s.splat_u(0);
        for end in &first[1..first.len() - 1] {
            let before = s.le(s.load(&cumulative[*end as usize - 1]), goal);
            chosen = s.add_u(chosen, s.select_u(before, s.splat_u(1), s.splat_u(0)));
        }
        let mut out = Lanes::splat(0);
        s.store_u(chosen, &mut out);
        out
    }
}
