//! The localizers' share of one column: mass of every interval between cuts, and draws inside it.

mod part;
mod piece;
mod whole;

pub(crate) use part::Part;

use std::ops::Range;
use std::sync::Arc;

use piece::Piece;
use whole::Cell;

use crate::mutant::{self, Fault};
use crate::question::Localizer;
use crate::rng::Stream;
use crate::simd::math;
use crate::space::{Bounds, Constraint};

/// `exp(-R_d(t)/τ)` on column d, where `R_d` is the sum of all localizers' parts. Where a value may be missing, the
/// last interval is NaN.
#[derive(Clone, Debug)]
pub struct ColumnMeasure {
    inside: Inside,
    missing: bool,
    /// Whether some interval holds nothing.
    gaps: bool,
    log_mass: Vec<f64>,
    /// Masses relative to the largest; empty when they span too many orders of magnitude to add.
    mass: Vec<f64>,
    /// What restricts a column that is drawn between its cuts, given the others.
    limits: Vec<Arc<Constraint>>,
}

/// What intervals hold.
#[derive(Clone, Debug)]
enum Inside {
    /// Real numbers between `edges`, that is `lower, cuts…, upper`. R is a sum of quadratics and absolute values with
    /// non-negative coefficients, so convex, and a single quadratic on each interval (the kinks of the absolute
    /// values are cuts).
    Pieces { edges: Vec<f64>, pieces: Vec<Piece>, flat: bool },
    /// Whole numbers.
    Cells(Vec<Cell>),
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
        let (lower, upper) = (bounds.lower(column), bounds.upper(column));
        edges.extend(cuts.iter().map(|cut| cut.clamp(lower, upper)));
        edges.push(upper);
        // The distance of all numbers from NaN is one number.
        let apart = |l: &&Localizer| l.coefficient(column) != 0.0 && l.anchor(column).is_nan();
        let active: Vec<&Localizer> =
            localizers.iter().filter(|l| l.coefficient(column) != 0.0 && !apart(l)).collect();
        let flat = active.is_empty();
        let mut pieces = Vec::with_capacity(edges.len() - 1);
        let mut log_mass = Vec::with_capacity(edges.len() - 1);
        for edge in edges.windows(2) {
            let (piece, least) = Piece::new(column, edge[0], edge[1], &active, temperature);
            let empty = edge[0] >= edge[1];
            log_mass.push(if empty { f64::NEG_INFINITY } else { piece.log_mass() - least });
            pieces.push(piece);
        }
        let numbers: f64 = localizers.iter().filter(apart).map(|l| l.part(column, lower)).sum();
        let missing = missing_mass(column, bounds, localizers, numbers, temperature);
        Self::with(Inside::Pieces { edges, pieces, flat }, log_mass, missing)
    }

    fn with(inside: Inside, mut log_mass: Vec<f64>, missing: Option<f64>) -> Self {
        log_mass.extend(missing);
        let gaps = log_mass.contains(&f64::NEG_INFINITY);
        let missing = missing.is_some();
        let largest = log_mass.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        // Cells without a whole number have no mass, and are never drawn.
        let some = log_mass.iter().copied().filter(|&m| m > f64::NEG_INFINITY);
        let least = some.fold(f64::INFINITY, f64::min);
        let mass = if largest - least < NARROW {
            log_mass.iter().map(|m| math::exp1(m - largest)).collect()
        } else {
            Vec::new()
        };
        Self { inside, missing, gaps, log_mass, mass, limits: Vec::new() }
    }

    /// The measure where these hold.
    #[must_use]
    pub(crate) fn under(self, limits: Vec<Arc<Constraint>>) -> Self {
        Self { limits, ..self }
    }

    /// What restricts draws beside the weights of intervals.
    pub(crate) fn limits(&self) -> &[Arc<Constraint>] {
        &self.limits
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

    /// Whether some of these intervals hold nothing.
    pub(crate) fn empty(&self, mut intervals: Range<usize>) -> bool {
        self.gaps && intervals.all(|i| self.log_mass[i] == f64::NEG_INFINITY)
    }

    /// A draw from the measure on one interval: above the cut below it, at or under the one above.
    pub fn draw(&self, interval: usize, rng: &mut Stream) -> f64 {
        if self.missing && interval + 1 == self.log_mass.len() {
            return f64::NAN;
        }
        let (edges, pieces, flat) = match &self.inside {
            Inside::Pieces { edges, pieces, flat } => (edges, pieces, *flat),
            Inside::Cells(cells) => return cells[interval].draw(rng),
        };
        if flat || mutant::is(Fault::UniformInside) {
            let u = rng.uniform();
            return self.above_cut(interval, piece::between(edges[interval], edges[interval + 1], u));
        }
        self.above_cut(interval, pieces[interval].draw_inside(rng))
    }

    /// A value equal to a cut belongs to the interval below it.
    fn above_cut(&self, interval: usize, x: f64) -> f64 {
        match &self.inside {
            Inside::Pieces { edges, .. } if interval > 0 && x <= edges[interval] => edges[interval].next_up(),
            _ => x,
        }
    }
}

/// Log mass of NaN where a value may be missing, if numbers leave out `numbers` of the localizers.
fn missing_mass(
    column: usize,
    bounds: &Bounds,
    localizers: &[Localizer],
    numbers: f64,
    temperature: f64,
) -> Option<f64> {
    let weight = if mutant::is(Fault::ForgetMissing) { 1.0 } else { bounds.missing(column) };
    let near: f64 = localizers.iter().map(|l| l.part(column, f64::NAN)).sum();
    (bounds.missing(column) > 0.0).then(|| weight.ln() - (near - numbers) / temperature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use crate::space::Kind;

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
            let edges: Vec<f64> = [&[0.0], &cuts[..], &[1.0]].concat();
            let density = |t: f64| {
                let r: f64 = localizers
                    .iter()
                    .map(|l| l.coefficient(0) * (t - l.anchor(0)).abs().powi(l.power() as i32))
                    .sum();
                (-r / temperature).exp()
            };
            for i in 0..m.log_mass.len() {
                let want = by_midpoints(edges[i], edges[i + 1], density).ln();
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

    #[test]
    fn whole_numbers_are_weighed_one_by_one() {
        let bounds = Bounds::new(vec![-3.0], vec![9.0]).unwrap().with_kinds(vec![Kind::Integer]).unwrap();
        let localizers = [localizer(0.7, 2, 1.3), localizer(0.4, 1, 4.0)];
        let weight = |k: f64| (-(0.7 * (k - 1.3).powi(2) + 0.4 * (k - 4.0).abs()) / 0.9).exp();
        // Two cuts without a whole number between them: an empty cell.
        let cuts = [-2.0, 0.25, 0.75, 6.5];
        let cells = [vec![-3, -2], vec![-1, 0], vec![], vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]];
        let m = ColumnMeasure::whole(0, &bounds, Some(&cuts), &localizers, 0.9);
        let own = ColumnMeasure::whole(0, &bounds, None, &localizers, 0.9);
        let mut rng = stream(&[5; 32], Purpose::Start, 0);
        for (i, cell) in cells.iter().enumerate() {
            let mass: f64 = cell.iter().map(|&k| weight(f64::from(k))).sum();
            assert!((m.log_masses()[i] - mass.ln()).abs() < 1e-12 || cell.is_empty(), "cell {i}");
            if cell.is_empty() {
                assert_eq!((m.log_masses()[i], m.masses()[i]), (f64::NEG_INFINITY, 0.0));
                continue;
            }
            let n = 20_000;
            let draws: Vec<f64> = (0..n).map(|_| m.draw(i, &mut rng)).collect();
            for &k in cell {
                let p = weight(f64::from(k)) / mass;
                let found = draws.iter().filter(|&&x| x == f64::from(k)).count() as f64 / f64::from(n);
                let z = (found - p) / (p * (1.0 - p) / f64::from(n)).sqrt();
                assert!(p == 1.0 && found == 1.0 || z.abs() < 4.0, "value {k}: z = {z}");
                let at = (k + 3) as usize;
                assert!((own.log_masses()[at] - weight(f64::from(k)).ln()).abs() < 1e-12);
                assert_eq!(own.draw(at, &mut rng), f64::from(k));
            }
        }
    }

    #[test]
    fn a_wide_column_of_whole_numbers_needs_no_weights() {
        let bounds = Bounds::new(vec![0.0], vec![1e12]).unwrap().with_kinds(vec![Kind::Integer]).unwrap();
        assert!(ColumnMeasure::countable(0, &bounds, &[]));
        assert!(!ColumnMeasure::countable(0, &bounds, &[localizer(1.0, 1, 0.0)]));
        let m = ColumnMeasure::whole(0, &bounds, Some(&[4.0]), &[], 1.0);
        assert!((m.log_masses()[1] - (1e12_f64 - 4.0).ln()).abs() < 1e-12);
        let mut rng = stream(&[6; 32], Purpose::Start, 0);
        for _ in 0..100 {
            let x = m.draw(1, &mut rng);
            assert!(x.fract() == 0.0 && (5.0..=1e12).contains(&x));
        }
    }
}
