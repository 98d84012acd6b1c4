//! A density `exp(-quadratic)` on an interval.

use crate::question::Localizer;
use crate::rng::Stream;
use crate::simd::math;

/// On `[lower, upper]`: `R(t)/τ = R(centre)/τ + slope·(t - centre) + curvature·(t - centre)²`, with the
/// centre where R is least, so `slope·(t - centre) ≥ 0` throughout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    lower: f64,
    upper: f64,
    centre: f64,
    slope: f64,
    curvature: f64,
}

/// `upper - u (upper - lower)`, in `(lower, upper]` but for rounding.
pub(super) fn between(lower: f64, upper: f64, u: f64) -> f64 {
    (upper - u * (upper - lower)).max(lower)
}

impl Piece {
    /// The piece and `R(centre)/τ`.
    pub(super) fn new(
        column: usize,
        lower: f64,
        upper: f64,
        localizers: &[&Localizer],
        temperature: f64,
    ) -> (Self, f64) {
        let middle = 0.5 * (lower + upper);
        let curvature: f64 =
            localizers.iter().filter(|l| l.power() == 2).map(|l| l.coefficient(column)).sum();
        let slope_at = |t: f64| -> f64 {
            localizers
                .iter()
                .map(|l| {
                    let c = l.coefficient(column);
                    if l.power() == 2 {
                        2.0 * c * (t - l.anchor(column))
                    } else if middle >= l.anchor(column) {
                        c
                    } else {
                        -c
                    }
                })
                .sum()
        };
        let centre = if slope_at(lower) >= 0.0 {
            lower
        } else if slope_at(upper) <= 0.0 {
            upper
        } else {
            (middle - slope_at(middle) / (2.0 * curvature)).clamp(lower, upper)
        };
        let inside = lower < centre && centre < upper;
        let least: f64 = localizers
            .iter()
            .map(|l| {
                let r = (centre - l.anchor(column)).abs();
                l.coefficient(column) * if l.power() == 2 { r * r } else { r }
            })
            .sum();
        let slope = if inside { 0.0 } else { slope_at(centre) };
        (
            Self { lower, upper, centre, slope: slope / temperature, curvature: curvature / temperature },
            least / temperature,
        )
    }

    /// The piece on part of its interval, and `R/τ` where it is least there beyond what it is at the centre.
    pub(super) fn within(&self, lower: f64, upper: f64) -> (Self, f64) {
        let centre = self.centre.clamp(lower, upper);
        let least = self.exponent(centre);
        let slope = if lower < centre && centre < upper {
            0.0
        } else {
            self.slope + 2.0 * self.curvature * (centre - self.centre)
        };
        (Self { lower, upper, centre, slope, ..*self }, least)
    }

    fn exponent(&self, t: f64) -> f64 {
        let u = t - self.centre;
        self.slope * u + self.curvature * u * u
    }

    /// `log ∫ exp(-exponent)` over the piece.
    pub(super) fn log_mass(&self) -> f64 {
        let length = self.upper - self.lower;
        let steepest = self.exponent(self.lower).max(self.exponent(self.upper));
        if steepest == 0.0 {
            return length.ln();
        }
        if steepest < 1.0 {
            return (length * self.mean_by_quadrature()).ln();
        }
        if self.curvature == 0.0 {
            return (-(-steepest).exp_m1() / self.slope.abs()).ln();
        }
        let sd = (0.5 / self.curvature).sqrt();
        if self.slope == 0.0 && self.lower < self.centre && self.centre < self.upper {
            let mass = math::normal_cdf1((self.upper - self.centre) / sd)
                - math::normal_cdf1((self.lower - self.centre) / sd);
            return (sd * (2.0 * std::f64::consts::PI).sqrt() * mass).ln();
        }
        // One-sided: ∫_0^L exp(-(s u + A u²)) du with the Mills ratio, free of cancellation and overflow
        // because the exponent spans at least 1.
        let near = self.slope.abs() / (2.0 * self.curvature) / sd;
        let far = near + length / sd;
        (sd * (mills(near) - mills(far) * math::exp1(-steepest))).ln()
    }

    /// Mean of `exp(-exponent)` by ten-point Gauss–Legendre, exact to rounding while the exponent spans
    /// less than 1.
    fn mean_by_quadrature(&self) -> f64 {
        const NODES: [(f64, f64); 5] = [
            (0.148_874_338_981_631_21, 0.295_524_224_714_752_87),
            (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
            (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
            (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
            (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
        ];
        let (middle, half) = (0.5 * (self.lower + self.upper), 0.5 * (self.upper - self.lower));
        let at = |t: f64| math::exp1(-self.exponent(t));
        NODES.iter().map(|&(z, w)| w * (at(middle - half * z) + at(middle + half * z))).sum::<f64>() * 0.5
    }

    pub(super) fn draw_inside(&self, rng: &mut Stream) -> f64 {
        self.draw(rng).clamp(self.lower, self.upper)
    }

    fn draw(&self, rng: &mut Stream) -> f64 {
        let steepest = self.exponent(self.lower).max(self.exponent(self.upper));
        if steepest < 1.0 {
            // Uniform proposals are accepted with probability above 1/e.
            loop {
                let t = between(self.lower, self.upper, rng.uniform());
                if rng.uniform() < math::exp1(-self.exponent(t)) {
                    return t;
                }
            }
        }
        let away = if self.centre == self.lower { 1.0 } else { -1.0 };
        let length = self.upper - self.lower;
        if self.curvature == 0.0 {
            let v = rng.uniform() * -(-steepest).exp_m1();
            return self.centre - away * (-v).ln_1p() / self.slope.abs();
        }
        let sd = (0.5 / self.curvature).sqrt();
        if self.lower < self.centre && self.centre < self.upper {
            loop {
                let t = self.centre + sd * rng.normal();
                if self.lower <= t && t <= self.upper {
                    return t;
                }
            }
        }
        // A normal's tail from `near` standard deviations on: exponential proposals at the best rate.
        let near = self.slope.abs() / (2.0 * self.curvature) / sd;
        let rate = 0.5 * (near + (near * near + 4.0).sqrt());
        let reach = -(-rate * length / sd).exp_m1();
        loop {
            let z = near - (-rng.uniform() * reach).ln_1p() / rate;
            if rng.uniform() < math::exp1(-0.5 * (z - rate) * (z - rate)) {
                return self.centre + away * (z - near) * sd;
            }
        }
    }
}

/// `∫_z^∞ exp(-(t² - z²)/2) dt`, z ≥ 0.
fn mills(z: f64) -> f64 {
    if z > 1e8 {
        return 1.0 / z;
    }
    math::mills1(z)
}
