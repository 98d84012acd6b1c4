//! Scales of columns by the spread of the chain itself.

use crate::checkpoint::{Codec, Saved};
use crate::error::Result;
use crate::simd::{LANES, Lanes};
use crate::space::{Bounds, Kind};

/// Numbers that a spread is taken from.
const LEAST: f64 = 20.0;

/// Scale of every column in every chain: the width of the box at first, then the spread of the chain's
/// own warm-up (in units in which a uniform column has its width).
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    scale: Vec<Lanes<f64>>,
    mean: Vec<Lanes<f64>>,
    squares: Vec<Lanes<f64>>,
    /// How many numbers were seen; a missing value is none.
    seen: Vec<Lanes<f64>>,
    count: f64,
}

impl Spread {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let d = bounds.len();
        Self {
            scale: (0..d).map(|d| Lanes::splat(bounds.width(d))).collect(),
            mean: vec![Lanes::splat(0.0); d],
            squares: vec![Lanes::splat(0.0); d],
            seen: vec![Lanes::splat(0.0); d],
            count: 0.0,
        }
    }

    pub(crate) fn scale(&self) -> &[Lanes<f64>] {
        &self.scale
    }

    pub(crate) fn update(&mut self, bounds: &Bounds, x: &[Lanes<f64>]) {
        self.count += 1.0;
        for &d in bounds.free() {
            let (x, mean, squares) = (&x[d], &mut self.mean[d], &mut self.squares[d]);
            let seen = &mut self.seen[d];
            for lane in 0..LANES {
                if x[lane].is_nan() {
                    continue;
                }
                seen[lane] += 1.0;
                let delta = x[lane] - mean[lane];
                mean[lane] += delta / seen[lane];
                squares[lane] += delta * (x[lane] - mean[lane]);
            }
        }
    }

    /// Takes the spread seen since the last refresh as the new scale.
    pub(crate) fn refresh(&mut self, bounds: &Bounds) {
        if self.count < LEAST {
            return;
        }
        for &d in bounds.free() {
            let width = bounds.width(d);
            for lane in 0..LANES {
                if self.seen[d][lane] >= LEAST {
                    let uniform = (12.0 * self.squares[d][lane] / self.seen[d][lane]).sqrt();
                    self.scale[d][lane] = uniform.clamp(1e-6 * width, width);
                }
            }
            self.mean[d] = Lanes::splat(0.0);
            self.squares[d] = Lanes::splat(0.0);
            self.seen[d] = Lanes::splat(0.0);
        }
        self.count = 0.0;
    }

    /// Squared length of each chain's jump in units of the widths: units of a spread that was seen inside one
    /// mode would favour steps that never leave it.
    pub(crate) fn jumps(&self, bounds: &Bounds, from: &[Lanes<f64>], to: &[Lanes<f64>]) -> Lanes<f64> {
        let mut sum = Lanes::splat(0.0);
        for &d in bounds.free() {
            // Levels have no distances: another one is as far as can be.
            let level = bounds.kind(d) == Kind::Level;
            for lane in 0..LANES {
                let jump = (to[d][lane] - from[d][lane]) / bounds.width(d);
                // Whether a value is missing has nothing to do with the lengths of steps.
                if jump.is_nan() {
                    continue;
                }
                sum[lane] += if level { f64::from(u8::from(jump != 0.0)) } else { jump * jump };
            }
        }
        sum
    }
}

impl Saved for Spread {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let Self { scale, mean, squares, seen, count } = self;
        [scale, mean, squares, seen].into_iter().try_for_each(|values| values.pass(codec))?;
        count.pass(codec)
    }
}
