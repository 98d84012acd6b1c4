//! Adaptation during warm-up, each chain by itself; afterwards everything is frozen (MATH.md section 6).

use crate::simd::{LANES, Lanes, math};
use crate::space::Bounds;

/// Dual averaging of a log step towards a target acceptance rate (Nesterov 2009; Hoffman and Gelman
/// 2014, their constants).
#[derive(Clone, Debug)]
pub(crate) struct DualAveraging {
    target: f64,
    start: Lanes<f64>,
    error: Lanes<f64>,
    average: Lanes<f64>,
    now: Lanes<f64>,
    count: f64,
}

impl DualAveraging {
    pub(crate) fn new(step: f64, target: f64) -> Self {
        let log = Lanes::splat(step.ln());
        Self { target, start: log, error: Lanes::splat(0.0), average: log, now: log, count: 0.0 }
    }

    /// Steps of the chains at present.
    pub(crate) fn steps(&self) -> Lanes<f64> {
        Lanes(self.now.0.map(math::exp1))
    }

    pub(crate) fn update(&mut self, acceptance: &Lanes<f64>) {
        const GAMMA: f64 = 0.05;
        const DELAY: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        self.count += 1.0;
        let share = 1.0 / (self.count + DELAY);
        let keep = math::exp1(-KAPPA * math::ln1(self.count));
        for lane in 0..LANES {
            let error = &mut self.error[lane];
            *error = (1.0 - share) * *error + share * (self.target - acceptance[lane]);
            let now = self.start[lane] - self.count.sqrt() / GAMMA * *error;
            self.now[lane] = now.clamp(-40.0, 40.0);
            self.average[lane] = keep * self.now[lane] + (1.0 - keep) * self.average[lane];
        }
    }

    /// Settles on the averaged step; a later update starts afresh from there.
    pub(crate) fn settle(&mut self) {
        self.now = self.average;
        self.start = self.average;
        self.error = Lanes::splat(0.0);
        self.count = 0.0;
    }
}

/// Scale of every column in every chain: the width of the box at first, then the spread of the chain's
/// own warm-up (in units in which a uniform column has its width).
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    scale: Vec<Lanes<f64>>,
    mean: Vec<Lanes<f64>>,
    squares: Vec<Lanes<f64>>,
    count: f64,
}

impl Spread {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let d = bounds.len();
        Self {
            scale: (0..d).map(|d| Lanes::splat(bounds.width(d))).collect(),
            mean: vec![Lanes::splat(0.0); d],
            squares: vec![Lanes::splat(0.0); d],
            count: 0.0,
        }
    }

    pub(crate) fn scale(&self) -> &[Lanes<f64>] {
        &self.scale
    }

    pub(crate) fn update(&mut self, bounds: &Bounds, x: &[Lanes<f64>]) {
        self.count += 1.0;
        for &d in bounds.free() {
            for lane in 0..LANES {
                let delta = x[d][lane] - self.mean[d][lane];
                self.mean[d][lane] += delta / self.count;
                self.squares[d][lane] += delta * (x[d][lane] - self.mean[d][lane]);
            }
        }
    }

    /// Takes the spread seen since the last refresh as the new scale.
    pub(crate) fn refresh(&mut self, bounds: &Bounds) {
        if self.count < 20.0 {
            return;
        }
        for &d in bounds.free() {
            let width = bounds.width(d);
            for lane in 0..LANES {
                let uniform = (12.0 * self.squares[d][lane] / self.count).sqrt();
                self.scale[d][lane] = uniform.clamp(1e-6 * width, width);
            }
            self.mean[d] = Lanes::splat(0.0);
            self.squares[d] = Lanes::splat(0.0);
        }
        self.count = 0.0;
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Steps taken so far.
    pub step: u64,
    /// Steps of the warm-up.
    pub warmup: u64,
}

impl Phase {
    pub(crate) fn warming(self) -> bool {
        self.step < self.warmup
    }

    /// Whether this step of the warm-up ends a window after which scales are taken anew.
    pub(crate) fn refreshes(self) -> bool {
        self.warming() && [4, 2].iter().any(|part| self.step + 1 == self.warmup / part)
    }

    /// Whether this is the last step of the warm-up.
    pub(crate) fn freezes(self) -> bool {
        self.step + 1 == self.warmup
    }
}
