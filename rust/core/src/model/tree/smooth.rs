//! Closed form of a forest averaged over normal noise in its input (MATH.md section 4):
//! `T_s(x) = Σ_leaves v Π_d (Φ((b_d - x_d)/σ_d) - Φ((a_d - x_d)/σ_d))` over the leaf's box.
//!
//! A set, and a value that is missing, is not averaged over: the row goes where it goes.
//!
//! Depth first with the present interval of every column; a lane in which some factor falls below
//! [`TOLERANCE`] is dead below that node, and a subtree dead in every lane is skipped.

use super::arrays::NO_SET;
use super::forest::{Forest, LEAF_COLUMN, Tree, TreeNode};
use crate::simd::{LANES, Lanes, Level, Op, Simd, dispatch, math};

const TOLERANCE: f64 = 1e-14;

/// Scratch of a smoothed evaluation.
#[derive(Clone, Debug, Default)]
pub struct SmoothState {
    /// Φ and φ/σ at every cut, column by column; then the ends of each column's present interval.
    at_cuts: Vec<Edge>,
    offsets: Vec<usize>,
    /// Columns in which some lane's value is missing.
    missing: Vec<bool>,
    lower: Vec<Edge>,
    upper: Vec<Edge>,
    path: Vec<u32>,
    before: Vec<Lanes<f64>>,
    tasks: Vec<Task>,
    /// Smoothed outputs, slot by slot.
    pub(crate) outputs: Vec<Lanes<f64>>,
}

/// `Φ((cut - x)/σ)` and its derivative by the cut, in every lane.
#[derive(Clone, Copy, Debug)]
struct Edge {
    cdf: Lanes<f64>,
    pdf: Lanes<f64>,
}

impl Edge {
    fn set_lane(&mut self, lane: usize, from: &Edge) {
        self.cdf[lane] = from.cdf[lane];
        self.pdf[lane] = from.pdf[lane];
    }
}

const BELOW: Edge = Edge { cdf: Lanes::splat(0.0), pdf: Lanes::splat(0.0) };
const ABOVE: Edge = Edge { cdf: Lanes::splat(1.0), pdf: Lanes::splat(0.0) };

#[derive(Clone, Debug)]
enum Task {
    Enter {
        node: u32,
        alive: Lanes<f64>,
    },
    /// Put the edges of a column where they belong for what comes next.
    Edges {
        column: u32,
        lower: Edge,
        upper: Edge,
    },
    Leave,
}

impl Forest {
    /// Smoothed outputs at eight rows, into `state.outputs`; `sigma[column]` per lane, positive.
    pub(crate) fn smooth(
        &self,
        level: Level,
        x: &[Lanes<f64>],
        sigma: &[Lanes<f64>],
        state: &mut SmoothState,
    ) {
        dispatch(level, Smooth { forest: self, x, sigma, state, gradient: None });
    }

    /// After [`Self::smooth`] at the same rows: adds `Σ_slot cotangent · ∂T_s/∂x` to `gradient`.
    pub(crate) fn smooth_gradient(
        &self,
        level: Level,
        x: &[Lanes<f64>],
        sigma: &[Lanes<f64>],
        cotangent: &[Lanes<f64>],
        state: &mut SmoothState,
        gradient: &mut [Lanes<f64>],
    ) {
        dispatch(level, Smooth { forest: self, x, sigma, state, gradient: Some((cotangent, gradient)) });
    }
}

/// A cotangent of the outputs, and the gradient that it is pulled back to.
type Backward<'a> = (&'a [Lanes<f64>], &'a mut [Lanes<f64>]);

struct Smooth<'a> {
    forest: &'a Forest,
    x: &'a [Lanes<f64>],
    sigma: &'a [Lanes<f64>],
    state: &'a mut SmoothState,
    gradient: Option<Backward<'a>>,
}

impl Op for Smooth<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Smooth { forest, x, sigma, state, mut gradient } = self;
        if gradient.is_none() {
            edges_at_cuts(s, forest, x, sigma, state);
            state.outputs.clear();
            for (slot, &constant) in forest.slots.iter().zip(&forest.constant) {
                state.outputs.push(Lanes::splat((constant as f64).mul_add(slot.unit, slot.base)));
            }
        }
        state.lower.clear();
        state.lower.resize(forest.n_columns, BELOW);
        state.upper.clear();
        state.upper.resize(forest.n_columns, ABOVE);
        for tree in &forest.trees {
            smooth_tree(s, forest, tree, x, state, &mut gradient);
        }
    }
}

#[inline(always)]
fn edges_at_cuts<S: Simd>(
    s: S,
    forest: &Forest,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    state: &mut SmoothState,
) {
    state.at_cuts.clear();
    state.offsets.clear();
    state.missing.clear();
    state.missing.extend(x.iter().map(|x| x.0.iter().any(|x| x.is_nan())));
    for ((column, x), sigma) in forest.columns.iter().zip(x).zip(sigma) {
        state.offsets.push(state.at_cuts.len());
        let (x, sigma) = (s.load(x), s.load(sigma));
        for &cut in &column.cuts {
            let (cdf, pdf) = math::normal_cdf_pdf(s, s.div(s.sub(s.splat(cut), x), sigma));
            let mut edge = BELOW;
            s.store(cdf, &mut edge.cdf);
            s.store(s.div(pdf, sigma), &mut edge.pdf);
            state.at_cuts.push(edge);
        }
    }
}

#[inline(always)]
fn smooth_tree<S: Simd>(
    s: S,
    forest: &Forest,
    tree: &Tree,
    x: &[Lanes<f64>],
    state: &mut SmoothState,
    gradient: &mut Option<Backward<'_>>,
) {
    let SmoothState { at_cuts, offsets, missing, lower, upper, path, before, tasks, outputs } = state;
    path.clear();
    tasks.clear();
    tasks.push(Task::Enter { node: tree.root, alive: Lanes::splat(1.0) });
    while let Some(task) = tasks.pop() {
        match task {
            Task::Edges { column, lower: lo, upper: hi } => {
                lower[column as usize] = lo;
                upper[column as usize] = hi;
            }
            Task::Leave => {
                path.pop();
            }
            Task::Enter { node, alive } => {
                let node = forest.nodes[node as usize];
                let alive_now = if let Some(&column) = path.last() {
                    let f = factor(s, lower, upper, column);
                    s.select(s.le(s.splat(TOLERANCE), f), s.load(&alive), s.splat(0.0))
                } else {
                    s.load(&alive)
                };
                if !s.any(s.lt(s.splat(0.0), alive_now)) {
                    continue;
                }
                if node.column == LEAF_COLUMN {
                    let values = forest.leaf(node, tree.width);
                    match gradient {
                        None => {
                            let mut mass = alive_now;
                            for (i, &column) in path.iter().enumerate() {
                                if !path[..i].contains(&column) {
                                    mass = s.mul(mass, factor(s, lower, upper, column));
                                }
                            }
                            for (k, &value) in values.iter().enumerate() {
                                let slot = tree.slot as usize + k;
                                let v = s.splat(value as f64 * forest.slots[slot].unit);
                                let sum = s.add(s.load(&outputs[slot]), s.mul(v, mass));
                                s.store(sum, &mut outputs[slot]);
                            }
                        }
                        Some((cotangent, gradient)) => {
                            let mut value = s.splat(0.0);
                            for (k, &v) in values.iter().enumerate() {
                                let slot = tree.slot as usize + k;
                                let v = s.splat(v as f64 * forest.slots[slot].unit);
                                value = s.add(value, s.mul(v, s.load(&cotangent[slot])));
                            }
                            leaf_gradient(s, lower, upper, path, before, s.mul(value, alive_now), gradient);
                        }
                    }
                    continue;
                }
                let d = node.column as usize;
                let mut alive = alive;
                s.store(alive_now, &mut alive);
                if node.set != NO_SET {
                    let (below, above) = part(forest, &node, &x[d], &alive);
                    tasks.push(Task::Enter { node: node.above, alive: above });
                    tasks.push(Task::Enter { node: node.below, alive: below });
                    continue;
                }
                let (lo, hi) = (lower[d], upper[d]);
                let cut = at_cuts[offsets[d] + node.rank as usize];
                let (mut to_below, mut to_above) = (cut, cut);
                let (mut below, mut above) = (alive, alive);
                if missing[d] {
                    let (left, right) = part(forest, &node, &x[d], &alive);
                    for lane in 0..LANES {
                        if x[d][lane].is_nan() {
                            (below[lane], above[lane]) = (left[lane], right[lane]);
                            to_below.set_lane(lane, &hi);
                            to_above.set_lane(lane, &lo);
                        }
                    }
                }
                path.push(node.column);
                tasks.push(Task::Leave);
                tasks.push(Task::Edges { column: node.column, lower: lo, upper: hi });
                tasks.push(Task::Enter { node: node.above, alive: above });
                tasks.push(Task::Edges { column: node.column, lower: to_above, upper: hi });
                tasks.push(Task::Enter { node: node.below, alive: below });
                tasks.push(Task::Edges { column: node.column, lower: lo, upper: to_below });
            }
        }
    }
}

/// The lanes of `alive` that go left and those that go right, by the node's own test.
fn part(forest: &Forest, node: &TreeNode, x: &Lanes<f64>, alive: &Lanes<f64>) -> (Lanes<f64>, Lanes<f64>) {
    let (mut below, mut above) = (*alive, *alive);
    for lane in 0..LANES {
        *(if forest.goes_right(node, x[lane]) { &mut below[lane] } else { &mut above[lane] }) = 0.0;
    }
    (below, above)
}

#[inline(always)]
fn factor<S: Simd>(s: S, lower: &[Edge], upper: &[Edge], column: u32) -> S::F {
    s.sub(s.load(&upper[column as usize].cdf), s.load(&lower[column as usize].cdf))
}

/// Product rule over the distinct columns of the path, by products from both ends.
#[inline(always)]
fn leaf_gradient<S: Simd>(
    s: S,
    lower: &[Edge],
    upper: &[Edge],
    path: &[u32],
    before: &mut Vec<Lanes<f64>>,
    value: S::F,
    gradient: &mut [Lanes<f64>],
) {
    before.clear();
    let mut product = value;
    for (i, &column) in path.iter().enumerate() {
        let mut lanes = Lanes::splat(0.0);
        s.store(product, &mut lanes);
        before.push(lanes);
        if !path[..i].contains(&column) {
            product = s.mul(product, factor(s, lower, upper, column));
        }
    }
    let mut after = s.splat(1.0);
    for (i, &column) in path.iter().enumerate().rev() {
        if path[..i].contains(&column) {
            continue;
        }
        let d = column as usize;
        // dΦ((b - x)/σ)/dx = -φ/σ.
        let slope = s.sub(s.load(&lower[d].pdf), s.load(&upper[d].pdf));
        let share = s.mul(s.mul(s.load(&before[i]), after), slope);
        let sum = s.add(s.load(&gradient[d]), share);
        s.store(sum, &mut gradient[d]);
        after = s.mul(after, factor(s, lower, upper, column));
    }
}
