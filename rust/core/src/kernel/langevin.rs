//! A Langevin proposal and its density for eight chains, column by column.

use crate::mutant::{self, Fault};
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};
use crate::space::{Boundary, Bounds, LOST, MOST, Narrow, images, narrow};

/// What a step's proposals follow: `y ~ N(x + shift, 2ητ · unit²)`, `shift = −η unit² b` of at most one width
/// of the column: a field may be bounded as one likes, and a longer step would only lose its noise to
/// rounding.
#[derive(Clone, Copy)]
pub(super) struct Langevin<'a> {
    pub(super) level: Level,
    pub(super) bounds: &'a Bounds,
    pub(super) boundary: Boundary,
    /// η of each chain.
    pub(super) step: &'a Lanes<f64>,
    /// `2ητ`.
    pub(super) variance: &'a Lanes<f64>,
    /// Square root of the preconditioner, by column.
    pub(super) unit: &'a [Lanes<f64>],
}

impl Langevin<'_> {
    /// Proposals from `x` with standard normal `noise`; true for a chain whose proposal is outside and has to
    /// be rejected.
    pub(super) fn propose(
        &self,
        x: &[Lanes<f64>],
        drift: &[Lanes<f64>],
        noise: &[Lanes<f64>],
        proposal: &mut [Lanes<f64>],
    ) -> [bool; LANES] {
        dispatch(self.level, Propose { law: self, x, drift, noise, proposal })
    }

    /// `log q(to | from)`, up to constants of each column and chain that the reverse has as well.
    pub(super) fn log_density(
        &self,
        from: &[Lanes<f64>],
        drift: &[Lanes<f64>],
        to: &[Lanes<f64>],
    ) -> Lanes<f64> {
        dispatch(self.level, LogDensity { law: self, from, drift, to })
    }

    #[inline(always)]
    fn mean<S: Simd>(&self, s: S, d: usize, x: &Lanes<f64>, drift: &Lanes<f64>) -> S::F {
        let (unit, width) = (s.load(&self.unit[d]), self.bounds.width(d));
        let shift = s.mul(s.mul(s.load(self.step), s.mul(unit, unit)), s.load(drift));
        let shift = s.max(s.min(shift, s.splat(width)), s.splat(-width));
        s.sub(s.load(x), shift)
    }
}

struct Propose<'a> {
    law: &'a Langevin<'a>,
    x: &'a [Lanes<f64>],
    drift: &'a [Lanes<f64>],
    noise: &'a [Lanes<f64>],
    proposal: &'a mut [Lanes<f64>],
}

impl Op for Propose<'_> {
    type Output = [bool; LANES];

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> [bool; LANES] {
        let Self { law, x, drift, noise, proposal } = self;
        let mut outside = [false; LANES];
        let share = if mutant::is(Fault::HalveNoise) { 0.5 } else { 1.0 };
        let sd = s.load(&Lanes(law.variance.0.map(|variance| (share * variance).sqrt())));
        for &d in law.bounds.continuous() {
            let (lower, upper) = (law.bounds.lower(d), law.bounds.upper(d));
            let step = s.mul(s.mul(sd, s.load(&law.unit[d])), s.load(&noise[d]));
            let y = s.add(law.mean(s, d, &x[d], &drift[d]), step);
            let beyond = s.or_m(s.lt(y, s.splat(lower)), s.lt(s.splat(upper), y));
            s.store(y, &mut proposal[d]);
            if s.any(beyond) {
                for lane in 0..LANES {
                    let inside = law.boundary.bring_inside(proposal[d][lane], lower, upper);
                    outside[lane] |= inside.is_none();
                    proposal[d][lane] = inside.unwrap_or(x[d][lane]);
                }
            }
        }
        outside
    }
}

struct LogDensity<'a> {
    law: &'a Langevin<'a>,
    from: &'a [Lanes<f64>],
    drift: &'a [Lanes<f64>],
    to: &'a [Lanes<f64>],
}

impl Op for LogDensity<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let Self { law, from, drift, to } = self;
        let folds = law.boundary == Boundary::Reflect && !mutant::is(Fault::ForgetFold);
        let (mut log, mut factor) = (s.splat(0.0), s.splat(1.0));
        let mut shares = Shares::default();
        for (i, &d) in law.bounds.continuous().iter().enumerate() {
            let unit = s.load(&law.unit[d]);
            let variance = s.mul(s.load(law.variance), s.mul(unit, unit));
            let (mean, y) = (law.mean(s, d, &from[d], &drift[d]), s.load(&to[d]));
            if !folds {
                let r = s.sub(y, mean);
                log = s.add(log, s.div(s.mul(s.mul(r, r), s.splat(-0.5)), variance));
                continue;
            }
            let (lower, upper) = (law.bounds.lower(d), law.bounds.upper(d));
            let Narrow { holds, direct, shares: own } = narrow(s, y, mean, variance, lower, upper);
            let mut direct = direct;
            let mut outside = Lanes::splat(0.0);
            s.store(s.select(holds, s.splat(0.0), s.splat(1.0)), &mut outside);
            if outside != Lanes::splat(0.0) {
                let (all, sum) = images(s, y, mean, variance, lower, upper);
                direct = s.select(holds, direct, all);
                factor = s.mul(factor, s.select(holds, s.splat(1.0), sum));
            }
            log = s.add(log, direct);
            for share in own {
                let share = s.select(holds, share, s.splat(f64::NEG_INFINITY));
                if s.any(s.lt(s.splat(LOST), share)) {
                    let mut kept = Lanes::splat(0.0);
                    s.store(share, &mut kept);
                    shares.add(&kept);
                }
            }
            if i % FACTORS == FACTORS - 1 {
                factor = s.mul(factor, shares.product(s));
                log = s.add(log, math::ln(s, factor));
                factor = s.splat(1.0);
            }
        }
        factor = s.mul(factor, shares.product(s));
        let mut out = Lanes::splat(0.0);
        s.store(s.add(log, math::ln(s, factor)), &mut out);
        out
    }
}

/// Columns whose factors make one product, far from overflow: one logarithm serves them all.
const FACTORS: usize = 32;
// A factor of a column is at most `MOST`, below 2^7, or 2 for each of two shares.
const _: () = assert!(MOST < 128.0 && 7 * FACTORS < 1023);

/// Shares of images that are not lost, of all lanes, one after another: few columns are near their bounds in
/// few chains, and their exponentials are taken eight at a time.
struct Shares {
    n: usize,
    exponents: [f64; 2 * FACTORS * LANES + LANES],
    lanes: [u8; 2 * FACTORS * LANES + LANES],
}

impl Default for Shares {
    fn default() -> Self {
        Self { n: 0, exponents: [0.0; 2 * FACTORS * LANES + LANES], lanes: [0; 2 * FACTORS * LANES + LANES] }
    }
}

impl Shares {
    /// Takes a share of every lane; at most two for each of [`FACTORS`] columns until the next product.
    #[inline(always)]
    fn add(&mut self, exponents: &Lanes<f64>) {
        for lane in 0..LANES {
            // Written always, counted if it matters: no branch to mispredict.
            self.exponents[self.n] = exponents[lane];
            self.lanes[self.n] = lane as u8;
            self.n += usize::from(exponents[lane] > LOST);
        }
    }

    /// Π (1 + share) of every lane, in the order in which shares came; starts anew.
    #[inline(always)]
    fn product<S: Simd>(&mut self, s: S) -> S::F {
        let mut product = Lanes::splat(1.0);
        let n = std::mem::take(&mut self.n);
        self.exponents[n..n + LANES].fill(0.0);
        for first in (0..n).step_by(LANES) {
            let mut chunk = Lanes::splat(0.0);
            chunk.0.copy_from_slice(&self.exponents[first..first + LANES]);
            let mut factors = Lanes::splat(0.0);
            s.store(s.add(math::exp(s, s.load(&chunk)), s.splat(1.0)), &mut factors);
            for k in 0..LANES.min(n - first) {
                product[usize::from(self.lanes[first + k]) % LANES] *= factors[k];
            }
        }
        s.load(&product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::log_folded_normal;

    #[test]
    fn densities_are_products_of_folded_normals() {
        let u = |i: usize, k: usize| ((i * 131 + 7) as f64 * 0.618_034 * k as f64).fract();
        for case in 0..60 {
            let d = [1, 3, 31, 32, 33, 70][case % 6];
            let lower: Vec<f64> = (0..d).map(|j| -1.0 - u(case + j, 1)).collect();
            let upper: Vec<f64> = (0..d).map(|j| 0.5 + u(case + j, 2)).collect();
            let bounds = Bounds::new(lower, upper).unwrap();
            let point = |j: usize, lane: usize, k: usize| {
                bounds.lower(j) + u(case + 10 * j + lane, k) * bounds.width(j)
            };
            let rows = |k: usize| -> Vec<Lanes<f64>> {
                (0..d).map(|j| Lanes(std::array::from_fn(|lane| point(j, lane, k)))).collect()
            };
            let (from, to) = (rows(3), rows(5));
            let drift: Vec<Lanes<f64>> = (0..d).map(|j| Lanes::splat(4.0 * u(case + j, 7) - 2.0)).collect();
            let unit: Vec<Lanes<f64>> =
                (0..d).map(|j| Lanes(std::array::from_fn(|lane| 0.2 + u(case + j + lane, 9)))).collect();
            let step = Lanes(std::array::from_fn(|lane| (1.0 - 12.0 * u(case + lane, 11)).exp()));
            let variance = Lanes(step.0.map(|step| 2.0 * step * 0.5));
            for level in Level::available() {
                let law = Langevin {
                    level,
                    bounds: &bounds,
                    boundary: Boundary::Reflect,
                    step: &step,
                    variance: &variance,
                    unit: &unit,
                };
                let got = law.log_density(&from, &drift, &to);
                for lane in 0..LANES {
                    let mut want = 0.0;
                    for j in 0..d {
                        let unit = unit[j][lane];
                        let width = bounds.width(j);
                        let shift = (-step[lane] * unit * unit * drift[j][lane]).clamp(-width, width);
                        let v = variance[lane] * unit * unit;
                        let (l, h) = (bounds.lower(j), bounds.upper(j));
                        // The constant that is left out.
                        want += if v.sqrt() > 3.0 * width {
                            0.0
                        } else {
                            log_folded_normal(to[j][lane], from[j][lane] + shift, v, l, h)
                                + 0.5 * (2.0 * std::f64::consts::PI * v).ln()
                        };
                    }
                    let error = (got[lane] - want).abs();
                    assert!(error < 1e-11 * want.abs().max(1.0), "{want} {} of {d}", got[lane]);
                }
            }
        }
    }
}
