//! One column between its cuts: what the intervals weigh for eight queries, and draws inside them.
//!
//! The measure of a column around the query's value a is `m δ_a + exp(−c (1 + |t − a| / w)) dt`, where m is the
//! measure of the cell of the base measure that holds a, c the cost of changing the column and w its width: a
//! query's value weighs as much as its whole cell, and every change costs. Categories have no distance.

use crate::rng::Stream;
use crate::simd::math::{self, Scalar};
use crate::simd::{LANES, Lanes};
use crate::space::{Bounds, Kind, Reference, measure};

/// What all queries share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) column: usize,
    kind: Kind,
    /// `lower, cuts…, upper`; half a unit wider for whole numbers.
    edges: Vec<f64>,
    /// Measures of the cells of the base measure, and where they end.
    cells: Vec<f64>,
    cuts: Vec<f64>,
    cost: f64,
    width: f64,
}

/// Queries' own measure of a column, a number for each interval.
#[derive(Clone, Debug)]
pub(super) struct Masses {
    /// Of changes.
    pub(super) slab: Vec<Lanes<f64>>,
    /// Of the query's value.
    pub(super) spike: Lanes<f64>,
    /// The interval of the query's value.
    pub(super) home: [usize; LANES],
}

/// Values that a query may change a column to, within an interval: from `first` to `last` away from its own value,
/// below and above it.
#[derive(Clone, Copy, Debug)]
struct Sides {
    below: (f64, f64),
    above: (f64, f64),
}

impl Grid {
    /// Of a column drawn between `cuts`, or for `None` at each of its values.
    pub(super) fn new(
        column: usize,
        bounds: &Bounds,
        cuts: Option<&[f64]>,
        reference: Option<&Reference>,
        cost: f64,
    ) -> Self {
        let kind = bounds.kind(column);
        let half = if kind == Kind::Continuous { 0.0 } else { 0.5 };
        let (lower, upper) = (bounds.lower(column) - half, bounds.upper(column) + half);
        let inner: Vec<f64> = match cuts {
            Some(cuts) => cuts.to_vec(),
            None => (1..bounds.count(column)).map(|k| lower + k as f64).collect(),
        };
        let edges = [&[lower], &inner[..], &[upper]].concat();
        let own = reference.map_or(&[][..], |r| r.cuts(column)).to_vec();
        let cells = match reference {
            Some(reference) => (0..=own.len()).map(|cell| measure(reference, bounds, column, cell)).collect(),
            None => vec![bounds.measure(column)],
        };
        Self { column, kind, edges, cells, cuts: own, cost, width: bounds.width(column) }
    }

    pub(super) fn n_intervals(&self) -> usize {
        self.edges.len() - 1
    }

    /// The interval of a value: one equal to a cut belongs below it.
    pub(super) fn interval(&self, x: f64) -> usize {
        self.edges[1..self.edges.len() - 1].partition_point(|&cut| cut < x)
    }

    /// What a change from one value to another costs.
    pub(super) fn change(&self, from: f64, to: f64) -> f64 {
        if from == to {
            return 0.0;
        }
        self.cost * (1.0 + if self.kind == Kind::Level { 0.0 } else { (from - to).abs() / self.width })
    }

    /// How fast weights fall with the distance.
    fn rate(&self) -> f64 {
        if self.kind == Kind::Level { 0.0 } else { self.cost / self.width }
    }

    /// The masses of eight queries at `home` whose bounds these are.
    pub(super) fn masses(&self, home: &Lanes<f64>, lower: &Lanes<f64>, upper: &Lanes<f64>) -> Masses {
        let once = math::exp1(-self.cost);
        let slab = vec![Lanes::splat(0.0); self.n_intervals()];
        let mut out = Masses { slab, spike: Lanes::splat(0.0), home: [0; LANES] };
        for lane in 0..LANES {
            let a = home[lane];
            out.home[lane] = self.interval(a);
            let cell = self.cuts.partition_point(|&cut| cut < a);
            out.spike[lane] = self.cells[cell];
            if lower[lane] == upper[lane] {
                continue;
            }
            let (first, last) = (self.interval(lower[lane]), self.interval(upper[lane]));
            for i in first..=last {
                let sides = self.sides(i, a, lower[lane], upper[lane]);
                out.slab[i][lane] = once * (self.mass(sides.below) + self.mass(sides.above));
            }
        }
        out
    }

    /// A draw from an interval, other than the query's value.
    pub(super) fn draw(&self, i: usize, home: f64, lower: f64, upper: f64, rng: &mut Stream) -> f64 {
        let sides = self.sides(i, home, lower, upper);
        let (below, above) = (self.mass(sides.below), self.mass(sides.above));
        let (u, v) = (rng.uniform(), rng.uniform());
        let down = u * (below + above) < below;
        let distance = self.distance(if down { sides.below } else { sides.above }, v);
        let x = if down { home - distance } else { home + distance };
        if self.kind != Kind::Continuous {
            return x;
        }
        // Rounding must not carry a value over a cut: one equal to it belongs below.
        let (from, to) = (lower.max(self.edges[i]), upper.min(self.edges[i + 1]));
        let least = if i > 0 && from <= self.edges[i] { self.edges[i].next_up() } else { from };
        x.max(least).min(to)
    }

    fn sides(&self, i: usize, a: f64, lower: f64, upper: f64) -> Sides {
        let (from, to) = (self.edges[i], self.edges[i + 1]);
        if self.kind == Kind::Continuous {
            let (from, to) = (from.max(lower), to.min(upper));
            return Sides { below: (a - to.min(a), a - from), above: (from.max(a) - a, to - a) };
        }
        // Whole numbers: distances from the first to before the last.
        let (from, to) = ((from.floor() + 1.0).max(lower), to.floor().min(upper));
        Sides { below: (a - to.min(a - 1.0), a - from + 1.0), above: (from.max(a + 1.0) - a, to - a + 1.0) }
    }

    /// `∫ exp(−rate t)` over distances, or their sum over whole ones.
    fn mass(&self, (first, last): (f64, f64)) -> f64 {
        if last <= first {
            return 0.0;
        }
        let rate = self.rate();
        if rate == 0.0 {
            return last - first;
        }
        let unit = if self.kind == Kind::Continuous { rate } else { -exp_m1(-rate) };
        -math::exp1(-rate * first) * exp_m1(-rate * (last - first)) / unit
    }

    /// The distance below which a share `v` of the mass lies.
    fn distance(&self, (first, last): (f64, f64), v: f64) -> f64 {
        let rate = self.rate();
        let beyond =
            if rate == 0.0 { v * (last - first) } else { -ln_1p(v * exp_m1(-rate * (last - first))) / rate };
        match self.kind {
            Kind::Continuous => first + beyond,
            Kind::Integer | Kind::Level => first + beyond.floor().min(last - first - 1.0).max(0.0),
        }
    }
}

fn exp_m1(x: f64) -> f64 {
    math::exp_m1(Scalar, x)
}

fn ln_1p(x: f64) -> f64 {
    math::ln_1p(Scalar, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    const COST: f64 = 2.0;

    fn grid(kind: Kind, cuts: Option<&[f64]>) -> (Grid, Bounds) {
        let bounds = Bounds::new(vec![0.0], vec![10.0]).unwrap().with_kinds(vec![kind]).unwrap();
        (Grid::new(0, &bounds, cuts, None, COST), bounds)
    }

    /// Masses and draws against sums over a fine grid, or over whole numbers.
    #[test]
    fn changes_weigh_by_their_distance() {
        for (kind, cuts) in [
            (Kind::Continuous, Some(&[1.0, 3.5, 4.0, 8.0][..])),
            (Kind::Integer, Some(&[1.5, 3.0, 3.5, 8.0][..])),
            (Kind::Integer, None),
            (Kind::Level, None),
        ] {
            let (grid, _) = grid(kind, cuts);
            let (home, lower, upper) = (4.0, 1.0, 9.0);
            let masses = grid.masses(&Lanes::splat(home), &Lanes::splat(lower), &Lanes::splat(upper));
            let step = if kind == Kind::Continuous { 1e-4 } else { 1.0 };
            let n = (10.0 / step) as usize + usize::from(kind != Kind::Continuous);
            let values = (0..n).map(|k| match kind {
                Kind::Continuous => (k as f64 + 0.5) * step,
                _ => k as f64,
            });
            let mut want = vec![0.0; grid.n_intervals()];
            for x in values.filter(|&x| lower <= x && x <= upper && x != home) {
                let far = if kind == Kind::Level { 0.0 } else { (x - home).abs() / 10.0 };
                want[grid.interval(x)] += step * (-COST * (1.0 + far)).exp();
            }
            let mut rng = stream(&[3; 32], Purpose::Propose, 0);
            for (i, &mass) in want.iter().enumerate() {
                assert!(
                    (masses.slab[i][0] - mass).abs() < 1e-5,
                    "{kind:?} {i}: {} {mass}",
                    masses.slab[i][0]
                );
                if mass == 0.0 {
                    continue;
                }
                let draws: Vec<f64> = (0..4000).map(|_| grid.draw(i, home, lower, upper, &mut rng)).collect();
                for &x in &draws {
                    assert_eq!(grid.interval(x), i, "{kind:?} {x}");
                    assert!(
                        lower <= x
                            && x <= upper
                            && x != home
                            && (kind == Kind::Continuous || x.fract() == 0.0)
                    );
                }
                let mean = draws.iter().sum::<f64>() / 4000.0;
                let var = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
                let n = (10.0 / step) as usize + 1;
                let (mut sum, mut all) = (0.0, 0.0);
                for k in 0..n {
                    let x = if kind == Kind::Continuous { (k as f64 + 0.5) * step } else { k as f64 };
                    if lower <= x && x <= upper && x != home && grid.interval(x) == i {
                        let far = if kind == Kind::Level { 0.0 } else { (x - home).abs() / 10.0 };
                        sum += x * (-COST * far).exp();
                        all += (-COST * far).exp();
                    }
                }
                let z = (mean - sum / all) / (var / 4000.0).sqrt().max(1e-9);
                assert!(z.abs() < 4.0, "{kind:?} {i}: {mean} {} z {z}", sum / all);
            }
            assert_eq!(masses.spike[0], if kind == Kind::Continuous { 10.0 } else { 11.0 });
        }
    }
}
