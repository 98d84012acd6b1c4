//! One column between its cuts: what the intervals weigh for eight queries, and draws inside them.
//!
//! The measure of a column around the query's value a is `m e^c δ_a + exp(−c |t − a| / w) dt`, where m is the
//! measure of the cell of the base measure that holds a, c the cost of changing the column and w its width: a
//! query's value weighs as much as its whole cell, and every change costs. Categories have no distance.

use crate::simd::math::{self, Scalar};
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch};
use crate::space::{Bounds, Kind, Reference, measure};

/// Costs beyond leave no number of a change.
const MOST_COST: f64 = 600.0;

/// What all queries share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) column: usize,
    kind: Kind,
    /// `lower, cuts…, upper`; half a unit wider for whole numbers.
    edges: Vec<f64>,
    /// The cell of the base measure that holds each interval.
    pub(super) cell_of: Vec<u32>,
    /// Measures of these cells.
    cells: Vec<f64>,
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
        let own = reference.map_or(&[][..], |r| r.cuts(column));
        let cells = match reference {
            Some(reference) => (0..=own.len()).map(|cell| measure(reference, bounds, column, cell)).collect(),
            None => vec![bounds.measure(column)],
        };
        // Any value of an interval: all of it is in one cell.
        let cell = |from: &f64| own.partition_point(|&cut| cut < from.next_up()) as u32;
        let cell_of = edges[..edges.len() - 1].iter().map(cell).collect();
        let cost = cost.min(MOST_COST);
        Self { column, kind, edges, cell_of, cells, cost, width: bounds.width(column) }
    }

    pub(super) fn n_intervals(&self) -> usize {
        self.edges.len() - 1
    }

    /// The interval of a value: one equal to a cut belongs below it.
    pub(super) fn interval(&self, x: f64) -> usize {
        self.edges[1..self.edges.len() - 1].partition_point(|&cut| cut < x)
    }

    /// The cell of the base measure that holds a value.
    pub(super) fn cell(&self, x: f64) -> usize {
        self.cell_of[self.interval(x)] as usize
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
    pub(super) fn masses(
        &self,
        level: Level,
        home: &Lanes<f64>,
        lower: &Lanes<f64>,
        upper: &Lanes<f64>,
    ) -> Masses {
        let mut slab = vec![Lanes::splat(0.0); self.n_intervals()];
        dispatch(level, Slab { grid: self, home, lower, upper, slab: &mut slab });
        let own = math::exp1(self.cost);
        Masses {
            slab,
            spike: Lanes(home.0.map(|a| self.cells[self.cell(a)] * own)),
            home: home.0.map(|a| self.interval(a)),
        }
    }

    /// Draws from the intervals `at`, other than the queries' values; `u` and `v` are uniform.
    pub(super) fn draw(
        &self,
        level: Level,
        at: &[usize; LANES],
        [home, lower, upper]: [&Lanes<f64>; 3],
        u: &Lanes<f64>,
        v: &Lanes<f64>,
    ) -> Lanes<f64> {
        let from = Lanes(at.map(|i| self.end(self.edges[i])));
        let to = Lanes(at.map(|i| self.end(self.edges[i + 1])));
        let mut x = dispatch(level, Inside { grid: self, ends: [&from, &to], home, lower, upper, u, v });
        if self.kind == Kind::Continuous {
            for lane in 0..LANES {
                // Rounding must not carry a value over a cut: one equal to it belongs below.
                let (i, first) = (at[lane], lower[lane].max(from[lane]));
                let least = if i > 0 && first <= from[lane] { from[lane].next_up() } else { first };
                x[lane] = x[lane].max(least).min(upper[lane].min(to[lane]));
            }
        }
        x
    }

    /// Where an interval ends: a whole number belongs below an edge that it equals.
    fn end(&self, edge: f64) -> f64 {
        if self.kind == Kind::Continuous { edge } else { edge.floor() }
    }

    /// Distances from a query's value at which an interval, cut to the bounds, begins and ends below and above it: the
    /// first below, its last, the first above, its last. Whole numbers end before their last.
    #[inline(always)]
    fn sides<S: Simd>(&self, s: S, [from, to]: [S::F; 2], [a, lower, upper]: [S::F; 3]) -> [S::F; 4] {
        let zero = s.splat(0.0);
        let positive = |x: S::F| s.max(x, zero);
        if self.kind == Kind::Continuous {
            let (from, to) = (s.max(from, lower), s.min(to, upper));
            let sides = [s.sub(a, to), s.sub(a, from), s.sub(from, a), s.sub(to, a)];
            return sides.map(positive);
        }
        let one = s.splat(1.0);
        let (from, to) = (s.max(from, s.sub(lower, one)), s.min(to, upper));
        // The value `a` itself stands between distances 1 below and 1 above.
        let below = [s.sub(a, to), s.sub(a, from)].map(|x| s.max(x, one));
        let above = [s.add(s.sub(from, a), one), s.add(s.sub(to, a), one)].map(|x| s.max(x, one));
        [below[0], below[1], above[0], above[1]]
    }
}

/// `Grid::masses`: of each interval `∫ exp(−rate t)` over its distances, or their sum over whole ones.
struct Slab<'a> {
    grid: &'a Grid,
    home: &'a Lanes<f64>,
    lower: &'a Lanes<f64>,
    upper: &'a Lanes<f64>,
    slab: &'a mut [Lanes<f64>],
}

impl Op for Slab<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Slab { grid, home, lower, upper, slab } = self;
        let (rate, whole) = (grid.rate(), grid.kind != Kind::Continuous);
        // The first distance of a change, and below the bounds.
        let step = s.splat(f64::from(u8::from(whole)));
        let unit = match rate {
            0.0 => 1.0,
            _ if whole => -math::exp_m1(Scalar, -rate),
            _ => rate,
        };
        let unit = s.splat(1.0 / unit);
        let (a, lower, upper) = (s.load(home), s.sub(s.load(lower), step), s.load(upper));
        // Up to a constant; differences of small numbers stay exact, and those far away do not vanish.
        let tail = |distance: S::F| {
            let fall = s.mul(s.splat(-rate), distance);
            match grid.cost {
                _ if rate == 0.0 => s.sub(s.splat(0.0), distance),
                cost if cost < 0.5 => math::exp_m1(s, fall),
                _ => math::exp(s, fall),
            }
        };
        // Whether an edge is above the query's value, and how much lies beyond it.
        let beyond = |edge: f64| {
            let t = s.min(s.max(s.splat(grid.end(edge)), lower), upper);
            let above = s.le(a, t);
            let distance = s.select(above, s.add(s.sub(t, a), step), s.sub(a, t));
            (above, tail(distance))
        };
        let nearest = tail(step);
        let mut from = beyond(grid.edges[0]);
        for (&edge, mass) in grid.edges[1..].iter().zip(slab) {
            let to = beyond(edge);
            let between = s.sub(s.sub(s.add(nearest, nearest), from.1), to.1);
            let own = s.select(to.0, between, s.sub(to.1, from.1));
            let own = s.select(from.0, s.sub(from.1, to.1), own);
            s.store(s.mul(s.max(own, s.splat(0.0)), unit), mass);
            from = to;
        }
    }
}

/// `Grid::draw`.
struct Inside<'a> {
    grid: &'a Grid,
    ends: [&'a Lanes<f64>; 2],
    home: &'a Lanes<f64>,
    lower: &'a Lanes<f64>,
    upper: &'a Lanes<f64>,
    u: &'a Lanes<f64>,
    v: &'a Lanes<f64>,
}

impl Op for Inside<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let Inside { grid, ends, home, lower, upper, u, v } = self;
        let a = s.load(home);
        let [b0, b1, a0, a1] = grid.sides(s, ends.map(|x| s.load(x)), [a, s.load(lower), s.load(upper)]);
        let (zero, rate) = (s.splat(0.0), grid.rate());
        let width = |first: S::F, last: S::F| s.max(s.sub(last, first), zero);
        let (below, above) = (width(b0, b1), width(a0, a1));
        let share = |first: S::F, width: S::F| {
            if rate == 0.0 {
                return width;
            }
            let part = math::exp_m1(s, s.mul(s.splat(-rate), width));
            s.sub(zero, s.mul(math::exp(s, s.mul(s.splat(-rate), first)), part))
        };
        let (mass_below, mass_above) = (share(b0, below), share(a0, above));
        let down = s.lt(s.mul(s.load(u), s.add(mass_below, mass_above)), mass_below);
        let (first, width) = (s.select(down, b0, a0), s.select(down, below, above));
        // The distance below which a share v of the mass lies.
        let v = s.load(v);
        let beyond = if rate == 0.0 {
            s.mul(v, width)
        } else {
            let part = math::exp_m1(s, s.mul(s.splat(-rate), width));
            s.div(math::ln_1p(s, s.mul(v, part)), s.splat(-rate))
        };
        let distance = if grid.kind == Kind::Continuous {
            s.add(first, beyond)
        } else {
            s.add(first, s.max(s.min(floor(s, beyond), s.sub(width, s.splat(1.0))), zero))
        };
        let mut out = Lanes::splat(0.0);
        s.store(s.select(down, s.sub(a, distance), s.add(a, distance)), &mut out);
        out
    }
}

/// Of numbers from 0 to 2⁵¹.
#[inline(always)]
fn floor<S: Simd>(s: S, x: S::F) -> S::F {
    // Where a number has no bits left for a fraction.
    let far = s.splat(4_503_599_627_370_496.0);
    let nearest = s.sub(s.add(x, far), far);
    s.sub(nearest, s.select(s.lt(x, nearest), s.splat(1.0), s.splat(0.0)))
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
            let query = [home, lower, upper].map(Lanes::splat);
            let [a, low, high] = &query;
            let masses = grid.masses(Level::detect(), a, low, high);
            let step = if kind == Kind::Continuous { 1e-4 } else { 1.0 };
            let n = (10.0 / step) as usize + usize::from(kind != Kind::Continuous);
            let values = (0..n).map(|k| match kind {
                Kind::Continuous => (k as f64 + 0.5) * step,
                _ => k as f64,
            });
            let mut want = vec![0.0; grid.n_intervals()];
            for x in values.filter(|&x| lower <= x && x <= upper && x != home) {
                let far = if kind == Kind::Level { 0.0 } else { (x - home).abs() / 10.0 };
                want[grid.interval(x)] += step * (-COST * far).exp();
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
                let mut uniform = || Lanes(std::array::from_fn(|_| rng.uniform()));
                let draws: Vec<f64> = (0..500)
                    .flat_map(|_| {
                        let (u, v) = (uniform(), uniform());
                        grid.draw(Level::detect(), &[i; LANES], [a, low, high], &u, &v).0
                    })
                    .collect();
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
            let own = if kind == Kind::Continuous { 10.0 } else { 11.0 };
            assert!((masses.spike[0] - own * COST.exp()).abs() < 1e-12);
        }
    }
}
