//! Trees in tiles of four levels, for one row at a time: all fifteen splits of a tile are compared at once,
//! those of four trees in one register, and what comes out of sixteen tiles is looked up together.
//!
//! Rows are read as ranks of a byte each, as in [`super::inputs`]; a column with more cuts than a byte
//! counts is several inputs, one for every 255 of its cuts.

use std::collections::HashMap;

use super::super::arrays::{LEAF, NO_SET, Node, TreeEnsemble};

/// Bytes of a row's numbers, one register; the last is always 0 and no column's.
pub(super) const NUMBERS: usize = 64;
const NOTHING: u8 = NUMBERS as u8 - 1;
/// Cuts that the ranks of one input count.
const CUTS: usize = 255;
/// Cuts in a register pair, compared at once.
pub(super) const CHUNK: usize = 16;
/// Tiles side by side in a [`Quad`], and ways out of a tile.
pub(super) const QUAD: usize = 4;
pub(super) const EXITS: usize = 16;
/// Trees that are looked up together.
pub(super) const GROUP: usize = 16;
/// Set in an exit that is a leaf.
pub(super) const LEAF_BIT: u32 = 1 << 31;

/// Numbers of one column: how many of some cuts are below its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    pub(super) column: u32,
    /// The first chunk of its cuts; before it stands the chunk of pivots, the last cut of each chunk.
    pub(super) first: u32,
    /// The number of a missing value.
    pub(super) missing: u8,
}

/// A split per byte from the second on: child 2i of split i is the one below the cut, 2i + 1 the other.
/// A row goes above where its number is at least `at`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Tile {
    pub(super) input: [u8; EXITS],
    pub(super) at: [u8; EXITS],
}

/// Four tiles.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Quad {
    pub(super) input: [[u8; EXITS]; QUAD],
    pub(super) at: [[u8; EXITS]; QUAD],
}

/// Ascending cuts, infinity behind the last.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Chunk(pub(super) [f64; CHUNK]);

/// The ways out of a tile from the lowest to the highest: the number of a tile, or of a leaf with
/// [`LEAF_BIT`].
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Exits(pub(super) [u32; EXITS]);

/// An ensemble in tiles. Tile i is that at the root of tree i, padded to whole groups of trees, and beyond
/// those `inner[i - groups]`.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) n_trees: usize,
    pub(super) inputs: Vec<Input>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) roots: Vec<Quad>,
    pub(super) inner: Vec<Tile>,
    pub(super) exits: Vec<Exits>,
    /// `width` entries a leaf.
    pub(super) values: Vec<f64>,
}

/// Which leaf an exit is.
#[inline(always)]
pub(super) fn leaf_number(exit: u32) -> usize {
    (exit & !LEAF_BIT) as usize
}

/// Entries behind the values of the last leaf, so that each is the first of as many.
const SPARE: usize = 8;
const BLANK: Tile = Tile { input: [NOTHING; EXITS], at: [u8::MAX; EXITS] };

impl Tiles {
    /// None for ensembles with sets, or with more inputs than fit.
    pub(super) fn new(model: &TreeEnsemble) -> Option<Self> {
        let places = Places::new(model)?;
        let n_trees = model.roots.len();
        let n_roots = n_trees.next_multiple_of(GROUP);
        let mut builder = Builder {
            model,
            places: &places,
            tiles: vec![BLANK; n_roots],
            exits: vec![Exits([LEAF_BIT; EXITS]); n_roots],
            values: Vec::new(),
        };
        for (tree, &root) in model.roots.iter().enumerate() {
            builder.tree(tree, root)?;
        }
        builder.values.resize(builder.values.len() + SPARE, 0.0);
        let roots = builder.tiles[..n_roots].chunks_exact(QUAD).map(|tiles| Quad {
            input: std::array::from_fn(|i| tiles[i].input),
            at: std::array::from_fn(|i| tiles[i].at),
        });
        Some(Self {
            n_trees,
            roots: roots.collect(),
            inner: builder.tiles[n_roots..].to_vec(),
            exits: builder.exits,
            values: builder.values,
            inputs: places.inputs,
            chunks: places.chunks,
        })
    }
}

struct Builder<'a> {
    model: &'a TreeEnsemble,
    places: &'a Places,
    tiles: Vec<Tile>,
    exits: Vec<Exits>,
    values: Vec<f64>,
}

impl Builder<'_> {
    /// Lays out a tree from its root's tile on, breadth first.
    fn tree(&mut self, tile: usize, root: u32) -> Option<()> {
        let mut open = vec![(tile, root)];
        let mut next = 0;
        while let Some(&(tile, top)) = open.get(next) {
            next += 1;
            let mut stack = vec![(1, top)];
            while let Some((place, number)) = stack.pop() {
                let node = &self.model.nodes[number as usize];
                if place >= EXITS {
                    let exit = if node.left == LEAF {
                        self.leaf(number)?
                    } else {
                        open.push((self.tiles.len(), number));
                        self.tiles.push(BLANK);
                        self.exits.push(Exits([LEAF_BIT; EXITS]));
                        u32::try_from(self.tiles.len() - 1).ok().filter(|&tile| tile < LEAF_BIT / 16)?
                    };
                    self.exits[tile].0[place - EXITS] = exit;
                } else if node.left == LEAF {
                    // Below a leaf nothing goes above.
                    stack.push((2 * place, number));
                } else {
                    let (input, at) = self.places.of(node)?;
                    self.tiles[tile].input[place] = input;
                    self.tiles[tile].at[place] = at;
                    stack.push((2 * place + 1, node.right));
                    stack.push((2 * place, node.left));
                }
            }
        }
        Some(())
    }

    fn leaf(&mut self, node: u32) -> Option<u32> {
        let width = self.model.width;
        let at = node as usize * width;
        let number = u32::try_from(self.values.len() / width).ok().filter(|&leaf| leaf < LEAF_BIT)?;
        self.values.extend_from_slice(&self.model.parts().value[at..at + width]);
        Some(number | LEAF_BIT)
    }
}

/// Which input counts which cuts.
struct Places {
    inputs: Vec<Input>,
    chunks: Vec<Chunk>,
    /// Distinct cuts of every column, ascending.
    cuts: Vec<Vec<f64>>,
    /// The first input of a column, by whether missing values count as above.
    first: HashMap<(u32, bool), usize>,
}

impl Places {
    fn new(model: &TreeEnsemble) -> Option<Self> {
        let mut cuts = vec![Vec::new(); model.n_features()];
        let mut used = Vec::new();
        for node in model.nodes.iter().filter(|node| node.left != LEAF) {
            if node.set != NO_SET {
                return None;
            }
            cuts[node.feature as usize].push(node.cut);
            used.push((node.feature, node.missing_right));
        }
        for cuts in &mut cuts {
            cuts.sort_by(f64::total_cmp);
            cuts.dedup();
        }
        used.sort_unstable();
        used.dedup();
        let mut places = Self { inputs: Vec::new(), chunks: Vec::new(), cuts, first: HashMap::new() };
        for (feature, missing_right) in used {
            places.first.insert((feature, missing_right), places.inputs.len());
            for cuts in places.cuts[feature as usize].chunks(CUTS) {
                let first = places.chunks.len() as u32 + 1;
                let missing = if missing_right { u8::MAX } else { 0 };
                places.inputs.push(Input { column: feature, first, missing });
                let mut pivots = Chunk([f64::INFINITY; CHUNK]);
                for (pivot, cuts) in pivots.0.iter_mut().zip(cuts.chunks_exact(CHUNK)) {
                    *pivot = cuts[CHUNK - 1];
                }
                places.chunks.push(pivots);
                // One more than is full: all cuts of the full ones may be below.
                for i in 0..=cuts.len() / CHUNK {
                    let cut = |k: usize| cuts.get(CHUNK * i + k).copied().unwrap_or(f64::INFINITY);
                    places.chunks.push(Chunk(std::array::from_fn(cut)));
                }
            }
        }
        (places.inputs.len() < NUMBERS).then_some(places)
    }

    /// The input that a split reads, and the smallest number that goes above.
    fn of(&self, node: &Node) -> Option<(u8, u8)> {
        let place = self.cuts[node.feature as usize].partition_point(|&cut| cut < node.cut);
        let first = self.first.get(&(node.feature, node.missing_right))?;
        Some(((first + place / CUTS) as u8, (place % CUTS) as u8 + 1))
    }
}
