//! Columns as small whole numbers. A row is above a cut exactly where the number of cuts below its value
//! is above the cut's place among them; so once a value has been ranked, every split on its column
//! compares bytes. Sets compare the numbers of categories.

use std::collections::HashMap;

use super::super::arrays::{LEAF, NO_SET, Node, TreeEnsemble};
use super::isa::{GROUP, Isa};
use super::walk::{code_number, listed_codes};

/// Which row of a block's numbers a split reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Input {
    Byte(u32),
    Word(u32),
}

/// Ranks of one column, or the numbers of its categories.
#[derive(Clone, Debug)]
struct Column {
    column: usize,
    source: Source,
    /// Numbers as they are, NaN lowest.
    low: Option<Input>,
    /// The same with NaN highest.
    high: Option<Input>,
}

#[derive(Clone, Debug)]
enum Source {
    Cuts(Cuts),
    Codes(Vec<u32>),
}

/// Distinct cuts, ascending, filled up with infinity to one less than a power of two.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    padded: Vec<f64>,
    len: usize,
}

impl Cuts {
    fn new(mut cuts: Vec<f64>) -> Self {
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        let len = cuts.len();
        cuts.resize((len + 1).next_power_of_two() - 1, f64::INFINITY);
        Self { padded: cuts, len }
    }

    pub(super) fn padded(&self) -> &[f64] {
        &self.padded
    }

    fn place(&self, cut: f64) -> usize {
        self.padded[..self.len].partition_point(|&c| c < cut)
    }
}

/// What every split of the ensemble reads.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    n_features: usize,
    columns: Vec<Column>,
    /// Indices in `columns` of each feature's cuts and codes.
    by_feature: Vec<[usize; 2]>,
    pub(super) n_bytes: usize,
    pub(super) n_words: usize,
}

/// What `words`-wide numbers can be.
const LARGEST: usize = u16::MAX as usize;
/// Categories, the unlisted and NaN included, that a byte table of one register distinguishes.
pub(super) const FEW_CODES: usize = 64;

impl Inputs {
    /// None where a column has too many cuts or categories.
    pub(super) fn new(model: &TreeEnsemble) -> Option<Self> {
        let d = model.n_features();
        let mut cuts = vec![Vec::new(); d];
        let mut used = HashMap::<(u32, bool), (bool, bool)>::new();
        for node in model.nodes.iter().filter(|node| node.left != LEAF) {
            let is_set = node.set != NO_SET;
            if !is_set {
                cuts[node.feature as usize].push(node.cut);
            }
            let (low, high) = used.entry((node.feature, is_set)).or_default();
            // Sets have their own entry for NaN.
            *(if node.missing_right && !is_set { high } else { low }) = true;
        }
        let codes = listed_codes(model);
        let mut inputs =
            Self { n_features: d, columns: Vec::new(), by_feature: vec![[0; 2]; d], n_bytes: 0, n_words: 0 };
        let mut keys: Vec<_> = used.into_iter().collect();
        keys.sort_unstable();
        for ((feature, is_set), (low, high)) in keys {
            let column = feature as usize;
            let (source, narrow, largest) = if is_set {
                let codes = codes[column].clone();
                let n = codes.len() + 2;
                (Source::Codes(codes), n <= FEW_CODES, n)
            } else {
                let cuts = Cuts::new(std::mem::take(&mut cuts[column]));
                let n = cuts.len;
                (Source::Cuts(cuts), n <= u8::MAX as usize, n)
            };
            if largest > LARGEST {
                return None;
            }
            let mut input = |wanted: bool| wanted.then(|| inputs.input(narrow));
            let (low, high) = (input(low), input(high));
            inputs.by_feature[column][usize::from(is_set)] = inputs.columns.len();
            inputs.columns.push(Column { column, source, low, high });
        }
        Some(inputs)
    }

    fn input(&mut self, narrow: bool) -> Input {
        let next = if narrow { &mut self.n_bytes } else { &mut self.n_words };
        *next += 1;
        let index = *next as u32 - 1;
        if narrow { Input::Byte(index) } else { Input::Word(index) }
    }

    /// The input that a split reads, and for a threshold the smallest number that goes right.
    pub(super) fn of(&self, node: &Node) -> (Input, u16) {
        let column = &self.columns[self.by_feature[node.feature as usize][usize::from(node.set != NO_SET)]];
        let at = match &column.source {
            Source::Cuts(cuts) => cuts.place(node.cut) as u16 + 1,
            Source::Codes(_) => 0,
        };
        let high = node.missing_right && node.set == NO_SET;
        let input = if high { column.high } else { column.low };
        (input.unwrap_or(Input::Byte(0)), at)
    }

    /// The codes that sets on a feature list.
    pub(super) fn codes(&self, feature: u32) -> &[u32] {
        match self.columns.get(self.by_feature[feature as usize][1]).map(|column| &column.source) {
            Some(Source::Codes(codes)) => codes,
            _ => &[],
        }
    }

    /// Numbers of one row, a byte each; for inputs of bytes only.
    pub(super) fn fill_row(&self, row: &[f64], bytes: &mut [u8; GROUP]) {
        for column in &self.columns {
            let x = row[column.column];
            let (rank, top) = match &column.source {
                Source::Cuts(cuts) => {
                    let mut at = 0;
                    let mut half = cuts.padded.len().div_ceil(2);
                    while half > 0 {
                        at += if cuts.padded[at + half - 1] < x { half } else { 0 };
                        half /= 2;
                    }
                    (at, cuts.len)
                }
                Source::Codes(codes) => (code_number(codes, x) as usize, 0),
            };
            let mut put = |input: Option<Input>, number: usize| {
                if let Some(byte) = input.and_then(|input| match input {
                    Input::Byte(i) => bytes.get_mut(i as usize),
                    Input::Word(_) => None,
                }) {
                    *byte = number as u8;
                }
            };
            put(column.low, rank);
            put(column.high, if x.is_nan() { top } else { rank });
        }
    }

    /// Numbers of up to [`GROUP`] rows, written to group `group` of each input's row; `bytes` and `words`
    /// hold one row of `groups` groups an input.
    #[inline(always)]
    pub(super) fn fill<I: Isa>(
        &self,
        isa: I,
        rows: &[f64],
        (group, groups): (usize, usize),
        bytes: &mut [[u8; GROUP]],
        words: &mut [[u16; GROUP]],
    ) {
        let d = self.n_features;
        let mut x = [0.0; GROUP];
        let mut ranks = [0_u16; GROUP];
        for column in &self.columns {
            let mut missing = false;
            for (x, row) in x.iter_mut().zip(rows.chunks_exact(d)) {
                *x = row[column.column];
                missing |= x.is_nan();
            }
            let top = match &column.source {
                Source::Cuts(cuts) => {
                    isa.ranks(&x, cuts.padded(), &mut ranks);
                    cuts.len
                }
                Source::Codes(codes) => {
                    for (rank, &x) in ranks.iter_mut().zip(&x) {
                        *rank = code_number(codes, x) as u16;
                    }
                    0
                }
            };
            let mut put = |input: Input, ranks: &[u16; GROUP]| match input {
                Input::Byte(i) => bytes[i as usize * groups + group] = ranks.map(|rank| rank as u8),
                Input::Word(i) => words[i as usize * groups + group] = *ranks,
            };
            if let Some(low) = column.low {
                put(low, &ranks);
            }
            if let Some(high) = column.high {
                if missing {
                    for (rank, x) in ranks.iter_mut().zip(&x) {
                        if x.is_nan() {
                            *rank = top as u16;
                        }
                    }
                }
                put(high, &ranks);
            }
        }
    }
}
