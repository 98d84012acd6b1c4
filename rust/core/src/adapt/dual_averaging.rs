//! Step sizes by acceptance rate.

use crate::simd::{LANES, Lanes, math};

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
