//! How long the steps of kernels with a drift are: η for each chain, given or adapted, and a unit for each column.

use super::Target;
use crate::adapt::{Adaptation, Phase, Scale};
use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::rng::Stream;
use crate::simd::{LANES, Lanes};

#[derive(Clone, Debug)]
pub(super) struct Pace {
    fixed: Option<f64>,
    precondition: bool,
    mean_width: f64,
    /// Standard deviation of the noise, a multiple of each column's unit: `sqrt(2ητ)`.
    pub(super) adaptation: Adaptation,
    scale: [Scale; LANES],
    /// η of the present steps, the variance of their noise, and the square root of the preconditioner.
    pub(super) step: Lanes<f64>,
    pub(super) variance: Lanes<f64>,
    pub(super) unit: Vec<Lanes<f64>>,
}

impl Pace {
    pub(super) fn new(fixed: Option<f64>, precondition: bool, target: &Target) -> Self {
        let moved = target.bounds.continuous();
        Self {
            fixed,
            precondition,
            mean_width: moved.iter().map(|&d| target.bounds.width(d)).sum::<f64>()
                / moved.len().max(1) as f64,
            adaptation: Adaptation::new(
                fixed.map(|step| (2.0 * step * target.temperature).sqrt()),
                // A long step against a gradient leads nowhere.
                0.0,
                &target.bounds,
            ),
            scale: [Scale { factor: 0.0, by_spread: false }; LANES],
            step: Lanes::splat(0.0),
            variance: Lanes::splat(0.0),
            unit: vec![Lanes::splat(1.0); target.bounds.len()],
        }
    }

    /// η of the steps, averaged where several are in use.
    pub(super) fn steps(&self, target: &Target) -> Lanes<f64> {
        let factors = self.adaptation.factors();
        Lanes(factors.0.map(|f| self.fixed.unwrap_or(f * f / (2.0 * target.temperature))))
    }

    /// Fixes the law of the next step. True if the spread may have changed since the last one.
    pub(super) fn begin(&mut self, target: &Target, phase: Phase, streams: &mut [Stream; LANES]) -> bool {
        let adapted = self.adaptation.begin(phase, &target.bounds);
        for (lane, stream) in streams.iter_mut().enumerate() {
            self.scale[lane] = self.adaptation.choose(lane, stream);
            let factor = self.scale[lane].factor;
            self.step[lane] = self.fixed.unwrap_or(factor * factor / (2.0 * target.temperature));
            self.variance[lane] = 2.0 * self.step[lane] * target.temperature;
        }
        let by_spread = self.scale.iter().any(|scale| scale.by_spread);
        for &d in target.bounds.continuous() {
            let plain = match (self.precondition, self.fixed) {
                (true, _) => target.bounds.width(d),
                (false, Some(_)) => 1.0,
                (false, None) => self.mean_width,
            };
            self.unit[d] = Lanes::splat(plain);
            if self.precondition && by_spread {
                for lane in 0..LANES {
                    if self.scale[lane].by_spread {
                        self.unit[d][lane] = self.adaptation.spread(d, lane);
                    }
                }
            }
        }
        adapted
    }
}

impl Saved for Pace {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { fixed: _, precondition: _, mean_width: _, adaptation, scale, step, variance, unit } = self;
        adaptation.pass(codec)?;
        scale.pass(codec)?;
        step.pass(codec)?;
        variance.pass(codec)?;
        unit.pass(codec)
    }
}
