//! Means over the members of a stack: all of a question's work that is worth doing for many chains at once.

use std::sync::Arc;

use rayon::prelude::*;

use super::{Energy, Workspace};
use crate::model::stack::{MeanParts, MeanRequest, Stack, StackScratch};
use crate::question::Loss;
use crate::simd::{LANES, Lanes, Level};

/// `weight · Σ_k share_k · loss(node of member k)`, perhaps compared with a node of one of the models.
#[derive(Clone, Debug)]
pub struct Mean {
    pub weight: f64,
    pub stack: Arc<Stack>,
    /// The column of the row that each column of the members' rows is.
    pub columns: Vec<usize>,
    pub node: usize,
    pub second: Option<(usize, usize)>,
    pub loss: Loss,
}

/// Blocks of eight chains whose members' weights are read once.
const GROUPS: usize = 8;
/// Members of a piece of work: fixed, so that sums do not depend on threads.
const MEMBERS: usize = 64;

/// What the means of a question come to, for eight chains.
#[derive(Clone, Debug, Default)]
pub(super) struct MeansScratch {
    pub(super) value: Option<Lanes<f64>>,
    /// By the row that models see.
    pub(super) gradient: Vec<Lanes<f64>>,
    /// By the second node of each mean, one after another.
    pub(super) second: Vec<Lanes<f64>>,
}

/// The chains of up to [`GROUPS`] blocks as a stack sees them: `number · groups + group`.
struct Tile {
    first: usize,
    groups: usize,
    x: Vec<Lanes<f64>>,
    other: Vec<Lanes<f64>>,
}

/// What a piece of work found; as [`MeanParts`].
struct Part {
    value: Vec<Lanes<f64>>,
    gradient: Vec<Lanes<f64>>,
    other: Vec<Lanes<f64>>,
}

impl Energy {
    /// Whether there are means over stacks.
    pub fn averages(&self) -> bool {
        !self.parts.means.is_empty()
    }

    /// Computes the means at the rows that workspaces have prepared, side by side where `parallel`. What a
    /// chain gets does not depend on that, nor on the other chains.
    pub(crate) fn means(&self, workspaces: &mut [&mut Workspace], gradient: bool, parallel: bool) {
        for workspace in workspaces.iter_mut() {
            let means = &mut workspace.means;
            means.value = Some(Lanes::splat(0.0));
            means.gradient.clear();
            means.gradient.resize(self.n_row(), Lanes::splat(0.0));
            means.second.clear();
        }
        for mean in &self.parts.means {
            let request = MeanRequest { node: mean.node, loss: mean.loss, weight: mean.weight, gradient };
            let tiles = self.tiles(mean, workspaces);
            let pieces: Vec<(&Tile, usize)> = tiles
                .iter()
                .flat_map(|tile| (0..mean.stack.len()).step_by(MEMBERS).map(move |first| (tile, first)))
                .collect();
            let one = |scratch: &mut StackScratch, (tile, first): (&Tile, usize)| {
                piece(self.level, mean, &request, tile, first, scratch)
            };
            let found: Vec<Part> = if parallel {
                pieces
                    .par_iter()
                    .map_init(StackScratch::default, |scratch, &piece| one(scratch, piece))
                    .collect()
            } else {
                let mut scratch = StackScratch::default();
                pieces.iter().map(|&piece| one(&mut scratch, piece)).collect()
            };
            for workspace in workspaces.iter_mut() {
                let n = mean.second.map_or(0, |second| self.range(second).len());
                let filled = workspace.means.second.len();
                workspace.means.second.resize(filled + n, Lanes::splat(0.0));
            }
            for ((tile, _), part) in pieces.iter().zip(&found) {
                for group in 0..tile.groups {
                    gather(&mut workspaces[tile.first + group].means, mean, part, tile.groups, group);
                }
            }
        }
    }

    fn tiles(&self, mean: &Mean, workspaces: &[&mut Workspace]) -> Vec<Tile> {
        workspaces
            .chunks(GROUPS)
            .enumerate()
            .map(|(i, blocks)| {
                let spread = |values: &dyn Fn(&Workspace) -> Vec<Lanes<f64>>| {
                    let blocks: Vec<_> = blocks.iter().map(|workspace| values(workspace)).collect();
                    let n = blocks[0].len();
                    (0..n).flat_map(|k| blocks.iter().map(move |block| block[k])).collect()
                };
                Tile {
                    first: i * GROUPS,
                    groups: blocks.len(),
                    x: spread(&|workspace| {
                        mean.columns.iter().map(|&column| workspace.row[column]).collect()
                    }),
                    other: spread(&|workspace| match mean.second {
                        Some(second) => workspace.values[self.range(second)].to_vec(),
                        None => Vec::new(),
                    }),
                }
            })
            .collect()
    }
}

fn piece(
    level: Level,
    mean: &Mean,
    request: &MeanRequest,
    tile: &Tile,
    first: usize,
    scratch: &mut StackScratch,
) -> Part {
    let zeros = |n: usize| vec![Lanes::splat(0.0); n];
    let mut part =
        Part { value: zeros(tile.groups), gradient: zeros(tile.x.len()), other: zeros(tile.other.len()) };
    let members = first..(first + MEMBERS).min(mean.stack.len());
    let Part { value, gradient, other } = &mut part;
    let mut out = MeanParts { value, gradient, other };
    mean.stack.mean(level, members, request, &tile.x, &tile.other, scratch, &mut out);
    part
}

fn gather(means: &mut MeansScratch, mean: &Mean, part: &Part, groups: usize, group: usize) {
    let add = |to: &mut Lanes<f64>, from: &Lanes<f64>| {
        for lane in 0..LANES {
            to[lane] += from[lane];
        }
    };
    if let Some(value) = &mut means.value {
        add(value, &part.value[group]);
    }
    for (j, &column) in mean.columns.iter().enumerate() {
        add(&mut means.gradient[column], &part.gradient[j * groups + group]);
    }
    let n = part.other.len() / groups;
    let first = means.second.len() - n;
    for (k, to) in means.second[first..].iter_mut().enumerate() {
        add(to, &part.other[k * groups + group]);
    }
}
