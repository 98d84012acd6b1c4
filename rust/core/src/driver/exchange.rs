//! Exchange of rows between neighbouring temperatures (replica exchange, MATH.md 3.7).
//!
//! Rungs `τ_1 < … < τ_m` hold rows of `Π_k exp(−G(x_k)/τ_k)`, which an exchange of neighbours with
//! `log α = (1/τ_i − 1/τ_j)(G(x_i) − G(x_j))` leaves invariant. Pairs that begin at an even and at an odd rung take
//! turns: a row then travels in one direction until it is refused, and passes the ladder faster than by chance
//! (Syed, Bouchard-Côté, Deligiannidis and Doucet 2022).

use super::block::Block;
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::kernel::Target;
use crate::mutant::{self, Fault};
use crate::rng::{Purpose, Stream, stream};
use crate::simd::{LANES, Lanes, math};

pub(super) struct Exchange {
    streams: [Stream; LANES],
    rounds: u64,
    /// Whether steps of the warm-up count.
    pub(super) counts_warmup: bool,
    /// By pair of neighbours: sums of acceptance probabilities, and how many.
    accepted: Vec<Lanes<f64>>,
    tried: Vec<u64>,
    /// By pair of neighbours: what the hotter one says of the colder one's normalising constant.
    stones: Vec<LogMean>,
    travels: Travels,
    /// Of the rows on each rung: G, and `log p` of the base measure where that is not uniform.
    energies: Vec<Lanes<f64>>,
    logs: Vec<Lanes<f64>>,
}

impl Exchange {
    pub(super) fn new(rungs: usize, key: &[u8; 32], first_chain: u64) -> Self {
        Self {
            streams: std::array::from_fn(|lane| stream(key, Purpose::Swap, first_chain + lane as u64)),
            rounds: 0,
            counts_warmup: false,
            accepted: vec![Lanes::splat(0.0); rungs - 1],
            tried: vec![0; rungs - 1],
            stones: vec![LogMean::default(); rungs - 1],
            travels: Travels::new(rungs),
            energies: vec![Lanes::splat(0.0); rungs],
            logs: vec![Lanes::splat(0.0); rungs],
        }
    }

    /// Forgets what was counted.
    pub(super) fn reset(&mut self) {
        self.accepted.fill(Lanes::splat(0.0));
        self.tried.fill(0);
    }

    /// Every other pair of neighbours exchanges its rows, or does not, lane by lane.
    pub(super) fn round(&mut self, rungs: &mut [Block], targets: &[Target]) {
        let counts = self.counts_warmup || !rungs[0].phase().warming();
        let based = targets[0].base.reference();
        for (k, block) in rungs.iter().enumerate() {
            self.energies[k] = block.state.energy;
            if let Some(reference) = based {
                self.logs[k] = reference.log_density(&block.state.x);
                for lane in 0..LANES {
                    self.energies[k][lane] += targets[k].temperature * self.logs[k][lane];
                }
            }
        }
        for k in ((self.rounds % 2) as usize..targets.len() - 1).step_by(2) {
            let rate = rate(targets, k);
            let mut swapped = [false; LANES];
            for (lane, swapped) in swapped.iter_mut().enumerate() {
                let u = self.streams[lane].uniform();
                let p = probability(rate, self.energies[k][lane], self.energies[k + 1][lane]);
                *swapped = u < p;
                if counts {
                    self.accepted[k][lane] += p;
                }
            }
            if counts {
                self.tried[k] += 1;
            }
            self.swap(rungs, targets, k, &swapped, based.is_some());
        }
        self.rounds += 1;
        if counts {
            for (k, stone) in self.stones.iter_mut().enumerate() {
                let rate = rate(targets, k);
                stone.add(&Lanes(self.energies[k + 1].0.map(|g| -rate * g)));
            }
            self.travels.see();
        }
    }

    fn swap(
        &mut self,
        rungs: &mut [Block],
        targets: &[Target],
        k: usize,
        swapped: &[bool; LANES],
        based: bool,
    ) {
        let Self { energies, logs, travels, .. } = self;
        let (colder, hotter) = rungs.split_at_mut(k + 1);
        let (cold, hot) = (&mut colder[k], &mut hotter[0]);
        let (a, b) = (&mut cold.state, &mut hot.state);
        for lane in (0..LANES).filter(|&lane| swapped[lane]) {
            for (x, y) in a.x.iter_mut().zip(&mut b.x) {
                std::mem::swap(&mut x[lane], &mut y[lane]);
            }
            swap_lane(energies, k, lane);
            swap_lane(logs, k, lane);
            travels.swap(k, lane);
            if mutant::is(Fault::KeepEnergies) {
                continue;
            }
            std::mem::swap(&mut a.energy[lane], &mut b.energy[lane]);
            if based && !mutant::is(Fault::KeepBase) {
                for (state, at) in [(&mut *a, k), (&mut *b, k + 1)] {
                    state.energy[lane] = energies[at][lane] - targets[at].temperature * logs[at][lane];
                }
            }
        }
        // Whether any lane moved must not decide what is computed for the others.
        cold.schedule.exchange(&mut hot.schedule, swapped, (a.version, b.version), based);
        a.version += 1;
        b.version += 1;
    }

    /// Of every pair of neighbours, the share of exchanges that are refused, over all lanes.
    pub(super) fn rejections(&self) -> Vec<f64> {
        let share = |(accepted, &tried): (&Lanes<f64>, &u64)| {
            1.0 - accepted.0.iter().sum::<f64>() / (LANES as u64 * tried.max(1)) as f64
        };
        self.accepted.iter().zip(&self.tried).map(share).collect()
    }

    /// Of one chain: acceptance by pair of neighbours, log of what the stones say, and round trips.
    pub(super) fn of_lane(&self, lane: usize) -> (Vec<f64>, Vec<f64>, u64) {
        let share = |(accepted, &tried): (&Lanes<f64>, &u64)| accepted[lane] / tried as f64;
        (
            self.accepted.iter().zip(&self.tried).map(share).collect(),
            self.stones.iter().map(|stone| stone.log_mean(lane)).collect(),
            self.travels.trips[lane],
        )
    }
}

impl Saved for Exchange {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        // Energies and logs are read from the rows at every round.
        let Self {
            streams,
            rounds,
            counts_warmup: _,
            accepted,
            tried,
            stones,
            travels,
            energies: _,
            logs: _,
        } = self;
        streams.pass(codec)?;
        rounds.pass(codec)?;
        accepted.pass(codec)?;
        tried.pass(codec)?;
        stones.pass(codec)?;
        travels.pass(codec)
    }
}

impl Saved for LogMean {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { most, sum, count } = self;
        most.pass(codec)?;
        sum.pass(codec)?;
        count.pass(codec)
    }
}

impl Saved for Travels {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { on, been, trips } = self;
        let last = on.len() - 1;
        on.iter_mut().flatten().try_for_each(|rung| codec.count(rung, last))?;
        been.pass(codec)?;
        trips.pass(codec)
    }
}

impl Saved for Been {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut at = match self {
            Been::Between => 0,
            Been::Low => 1,
            Been::High => 2,
        };
        codec.count(&mut at, 2)?;
        *self = [Been::Between, Been::Low, Been::High][at];
        Ok(())
    }
}

/// How much more often the colder rung of a pair asks.
fn rate(targets: &[Target], k: usize) -> f64 {
    1.0 / targets[k].temperature - 1.0 / targets[k + 1].temperature
}

/// With which neighbours exchange their rows, of energy `cold` and `hot`.
fn probability(rate: f64, cold: f64, hot: f64) -> f64 {
    let sign = if mutant::is(Fault::FlipSwap) { -1.0 } else { 1.0 };
    // Both may be infinite: what cannot be told apart stays.
    let log = sign * rate * (cold - hot);
    if log.is_nan() { 0.0 } else { math::exp1(log.min(0.0)) }
}

fn swap_lane(values: &mut [Lanes<f64>], k: usize, lane: usize) {
    let (first, second) = values.split_at_mut(k + 1);
    std::mem::swap(&mut first[k][lane], &mut second[0][lane]);
}

/// `log mean exp` of a stream of numbers.
#[derive(Clone, Debug)]
struct LogMean {
    most: Lanes<f64>,
    sum: Lanes<f64>,
    count: f64,
}

impl Default for LogMean {
    fn default() -> Self {
        Self { most: Lanes::splat(f64::NEG_INFINITY), sum: Lanes::splat(0.0), count: 0.0 }
    }
}

impl LogMean {
    fn add(&mut self, logs: &Lanes<f64>) {
        self.count += 1.0;
        for lane in 0..LANES {
            let (log, most) = (logs[lane], self.most[lane]);
            if log > most {
                let before = if most.is_finite() { math::exp1(most - log) } else { 0.0 };
                self.sum[lane] = self.sum[lane] * before + 1.0;
                self.most[lane] = log;
            } else if log.is_finite() {
                self.sum[lane] += math::exp1(log - most);
            }
        }
    }

    fn log_mean(&self, lane: usize) -> f64 {
        if self.sum[lane] > 0.0 {
            self.most[lane] + math::ln1(self.sum[lane] / self.count)
        } else if self.count > 0.0 {
            f64::NEG_INFINITY
        } else {
            f64::NAN
        }
    }
}

/// Where rows come from that travel on the ladder.
struct Travels {
    /// Which traveller is on each rung.
    on: Vec<[usize; LANES]>,
    been: Vec<[Been; LANES]>,
    /// From the lowest rung to the highest and back.
    trips: [u64; LANES],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Been {
    Between,
    Low,
    /// High, and low before.
    High,
}

impl Travels {
    fn new(rungs: usize) -> Self {
        Self {
            on: (0..rungs).map(|rung| [rung; LANES]).collect(),
            been: vec![[Been::Between; LANES]; rungs],
            trips: [0; LANES],
        }
    }

    fn swap(&mut self, k: usize, lane: usize) {
        let (first, second) = self.on.split_at_mut(k + 1);
        std::mem::swap(&mut first[k][lane], &mut second[0][lane]);
    }

    fn see(&mut self) {
        let top = self.on.len() - 1;
        for lane in 0..LANES {
            let high = &mut self.been[self.on[top][lane]][lane];
            if *high == Been::Low {
                *high = Been::High;
            }
            let low = &mut self.been[self.on[0][lane]][lane];
            self.trips[lane] += u64::from(*low == Been::High);
            *low = Been::Low;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs of rows of a finite space: the exchange as a matrix, written out from the table alone.
    #[test]
    fn an_exchange_leaves_the_joint_law_as_it_is() {
        let energies = [0.3, -1.7, 2.5, 0.3, 0.0, f64::INFINITY, 40.0];
        let n = energies.len();
        for (cold, hot) in [(0.5_f64, 1.25_f64), (0.02, 3.0), (1.0, 1.0 + 1e-9)] {
            let law = |tau: f64| -> Vec<f64> {
                let weights: Vec<f64> = energies.iter().map(|g| (-(g + 1.7) / tau).exp()).collect();
                let whole: f64 = weights.iter().sum();
                weights.iter().map(|w| w / whole).collect()
            };
            let (a, b) = (law(cold), law(hot));
            let mut after = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let p = probability(1.0 / cold - 1.0 / hot, energies[i], energies[j]);
                    assert!((0.0..=1.0).contains(&p));
                    after[j * n + i] += a[i] * b[j] * p;
                    after[i * n + j] += a[i] * b[j] * (1.0 - p);
                }
            }
            for i in 0..n {
                for j in 0..n {
                    let error = (after[i * n + j] - a[i] * b[j]).abs();
                    assert!(error < 1e-12, "{cold} {hot}: {error}");
                }
            }
        }
        assert_eq!(probability(1.0, f64::INFINITY, 1.0), 1.0);
        assert_eq!(probability(1.0, 1.0, f64::INFINITY), 0.0);
    }

    #[test]
    fn means_of_exponentials_neither_overflow_nor_forget() {
        let logs = [-1000.0, 700.0, f64::NEG_INFINITY, 705.0, 704.0];
        let mut mean = LogMean::default();
        assert!(mean.log_mean(0).is_nan());
        for log in logs {
            mean.add(&Lanes(std::array::from_fn(|lane| if lane == 0 { log } else { f64::NEG_INFINITY })));
        }
        let want = 705.0 + ((1.0 + (-1.0_f64).exp() + (-5.0_f64).exp()) / 5.0).ln();
        assert!((mean.log_mean(0) - want).abs() < 1e-12);
        assert_eq!(mean.log_mean(1), f64::NEG_INFINITY);
    }

    #[test]
    fn a_round_trip_is_there_and_back() {
        let mut travels = Travels::new(3);
        // Traveller 0 goes up and down again; 2, which began high, comes down once.
        for k in [0, 1, 1, 0] {
            travels.see();
            travels.swap(k, 0);
        }
        travels.see();
        assert_eq!(travels.trips, [1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
