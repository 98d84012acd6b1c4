//! The localizers' share of one column: mass of every interval between cuts, and draws inside it.

use crate::mutant::{self, Fault};
use crate::question::Localizer;
use crate::rng::Stream;
use crate::simd::math;
use crate::space::Bounds;

/// `exp(-R_d(t)/τ)` on column d, where `R_d` is the sum of all localizers' parts: quadratics and
/// absolute values with non-negative coefficients, so convex, and a single quadratic on each interval
/// (the kinks of the absolute values are cuts).
#[derive(Clone, Debug)]
pub struct ColumnMeasure {
    /// `lower, cuts…, upper`.
    edges: Vec<f64>,
    pieces: Vec<Piece>,
    log_mass: Vec<f64>,
    /// Masses relative to the largest; empty when they span too many orders of magnitude to add.
    mass: Vec<f64>,
    flat: bool,
}

/// On `[lower, upper]`: `R(t)/τ = R(centre)/τ + slope·(t - centre) + curvature·(t - centre)²`, with the
/// centre where R is least, so `slope·(t - centre) ≥ 0` throughout.
#[derive(Clone, Copy, Debug)]
struct Piece {
    lower: f64,
    upper: f64,
    centre: f64,
    slope: f64,
    curvature: f64,
}

/// Largest range of log masses that sums of plain masses are trusted with.
const NARROW: f64 = 600.0;

impl ColumnMeasure {
    pub fn new(
        column: usize,
        bounds: &Bounds,
        cuts: &[f64],
        localizers: &[Localizer],
        temperature: f64,
    ) -> Self {
        let mut edges = Vec::with_capacity(cuts.len() + 2);
        edges.push(bounds.lower(column));
        edges.extend_from_slice(cuts);
        edges.push(bounds.upper(column));
        let active: Vec<&Localizer> = localizers.iter().filter(|l| l.coefficient(column) != 0.0).collect();
        let flat = active.is_empty();
        let mut pieces = Vec::with_capacity(edges.len() - 1);
        let mut log_mass = Vec::with_capacity(edges.len() - 1);
        for edge in edges.windows(2) {
            let (piece, least) = Piece::new(column, edge[0], edge[1], &active, temperature);
            log_mass.push(piece.log_mass() - least);
            pieces.push(piece);
        }
        let largest = log_mass.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let least = log_mass.iter().fold(f64::INFINITY, |a, &b| a.min(b));
        let mass = if largest - least < NARROW {
            log_mass.iter().map(|m| math::exp1(m - largest)).collect()
        } else {
            Vec::new()
        };
        Self { edges, pieces, log_mass, mass, flat }
    }

    /// Relative mass of every interval; empty when they span too many orders of magnitude: then use
    /// [`Self::log_masses`].
    pub fn masses(&self) -> &[f64] {
        &self.mass
    }

    /// Log mass of every interval.
    pub fn log_masses(&self) -> &[f64] {
        &self.log_mass
    }

    /// A draw from the measure on one interval: above the cut below it, at or under the one above.
    pub fn draw(&self, interval: usize, rng: &mut Stream) -> f64 {
        if self.flat || mutant::is(Fault::UniformInside) {
            let u = rng.uniform();
            return self.above_cut(interval, between(self.edges[interval], self.edges[interval + 1], u));
        }
        let piece = &self.pieces[interval];
        self.above_cut(interval, piece.draw(rng).clamp(piece.lower, piece.upper))
    }

    /// A value equal to a cut belongs to the interval below it.
    fn above_cut(&self, interval: usize, x: f64) -> f64 {
        if interval > 0 && x <= self.edges[interval] { self.edges[interval].next_up() } else { x }
    }
}

/// `upper - u (upper - lower)`, in `(lower, upper]` but for rounding.
fn between(lower: f64, upper: f64, u: f64) -> f64 {
    (upper - u * (upper - lower)).max(lower)
}

impl Piece {
    /// The piece and `R(centre)/τ`.
    fn new(
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

    fn exponent(&self, t: f64) -> f64 {
        let u = t - self.centre;
        self.slope * u + self.curvature * u * u
    }

    /// `log ∫ exp(-exponent)` over the piece.
    fn log_mass(&self) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    fn measure(
        lower: f64,
        upper: f64,
        cuts: &[f64],
        localizers: &[Localizer],
        temperature: f64,
    ) -> ColumnMeasure {
        let bounds = Bounds::new(vec![lower], vec![upper]).unwrap();
        ColumnMeasure::new(0, &bounds, cuts, localizers, temperature)
    }

    fn localizer(weight: f64, power: u32, anchor: f64) -> Localizer {
        Localizer::new(weight, power, vec![anchor], vec![1.0]).unwrap()
    }

    fn by_midpoints(lower: f64, upper: f64, f: impl Fn(f64) -> f64) -> f64 {
        let n = 200_000;
        let h = (upper - lower) / f64::from(n);
        (0..n).map(|i| f(lower + (f64::from(i) + 0.5) * h)).sum::<f64>() * h
    }

    #[test]
    fn masses_match_numerical_integration() {
        let cases: Vec<(Vec<Localizer>, f64)> = vec![
            (vec![], 1.0),
            (vec![localizer(1.0, 2, 0.3)], 0.5),
            (vec![localizer(1.0, 2, 0.3)], 0.002),
            (vec![localizer(1.0, 2, 5.0)], 0.2),
            (vec![localizer(1.0, 1, 0.3)], 0.05),
            (vec![localizer(2.0, 1, -3.0)], 0.3),
            (vec![localizer(1.0, 1, 0.3), localizer(3.0, 2, 0.7), localizer(0.5, 1, 0.6)], 0.1),
        ];
        for (localizers, temperature) in cases {
            let mut cuts = vec![0.1, 0.25, 0.5, 0.500_1, 0.9];
            cuts.extend(localizers.iter().filter(|l| l.power() == 1).map(|l| l.anchor(0)));
            cuts.retain(|c| 0.0 < *c && *c < 1.0);
            cuts.sort_by(f64::total_cmp);
            let m = measure(0.0, 1.0, &cuts, &localizers, temperature);
            let density = |t: f64| {
                let r: f64 = localizers
                    .iter()
                    .map(|l| l.coefficient(0) * (t - l.anchor(0)).abs().powi(l.power() as i32))
                    .sum();
                (-r / temperature).exp()
            };
            for i in 0..m.pieces.len() {
                let want = by_midpoints(m.edges[i], m.edges[i + 1], density).ln();
                let got = m.log_masses()[i];
                assert!(
                    (got - want).abs() < 1e-8 * want.abs().max(1.0),
                    "{localizers:?} piece {i}: {got} not {want}"
                );
            }
        }
    }

    #[test]
    fn far_tails_keep_their_ratios() {
        // exp(-(t-0)²/τ) on [20, 21] with τ = 1/50: log masses near -20000, their ratio known.
        let m = measure(20.0, 21.0, &[20.001, 20.9], &[localizer(1.0, 2, 0.0)], 0.02);
        assert!(m.masses().is_empty());
        let rest = (m.log_masses()[1] - m.log_masses()[0]).exp();
        let beyond = (-(20.001_f64.powi(2) - 400.0) / 0.02).exp();
        assert!((rest - beyond / (1.0 - beyond)).abs() < 1e-3, "{rest}");
    }

    #[test]
    fn draws_follow_the_measure() {
        let cases: Vec<(Vec<Localizer>, f64)> = vec![
            (vec![], 1.0),
            (vec![localizer(1.0, 2, 0.3)], 0.02),
            (vec![localizer(1.0, 2, 3.0)], 0.5),
            (vec![localizer(1.0, 2, -2.0)], 1.0),
            (vec![localizer(1.0, 1, 0.3)], 0.05),
            (vec![localizer(1.0, 2, 0.5)], 5.0),
        ];
        let mut rng = stream(&[7; 32], Purpose::Propose, 0);
        for (localizers, temperature) in cases {
            let cuts: Vec<f64> = localizers.iter().filter(|l| l.power() == 1).map(|l| l.anchor(0)).collect();
            let m = measure(0.0, 1.0, &cuts, &localizers, temperature);
            let n = 100_000;
            let mut draws: Vec<f64> = (0..n)
                .map(|_| {
                    let masses = m.masses();
                    let mut left = rng.uniform() * masses.iter().sum::<f64>();
                    let mut i = 0;
                    while i + 1 < masses.len() && left >= masses[i] {
                        left -= masses[i];
                        i += 1;
                    }
                    m.draw(i, &mut rng)
                })
                .collect();
            draws.sort_by(f64::total_cmp);
            let density = |t: f64| {
                let r: f64 = localizers
                    .iter()
                    .map(|l| l.coefficient(0) * (t - l.anchor(0)).abs().powi(l.power() as i32))
                    .sum();
                (-r / temperature).exp()
            };
            let grid = 2_000;
            let mut cdf = vec![0.0];
            for i in 0..grid {
                let t = (f64::from(i) + 0.5) / f64::from(grid);
                cdf.push(cdf[i as usize] + density(t));
            }
            let whole = cdf[grid as usize];
            let mut distance = 0.0_f64;
            for (i, c) in cdf.iter().enumerate() {
                let t = i as f64 / f64::from(grid);
                let below = draws.partition_point(|&x| x <= t) as f64 / n as f64;
                distance = distance.max((below - c / whole).abs());
            }
            // Kolmogorov: P(D > 2.2/√n) < 2e-4.
            assert!(distance < 2.2 / (n as f64).sqrt(), "{localizers:?} τ {temperature}: {distance}");
        }
    }
}
