//! Predictions in the library's own arithmetic, fast: many rows by bits ([`block`]), few by walks side by
//! side ([`walk`]). Both equal `TreeEnsemble::predict_reference` to the last bit.

#[cfg(target_arch = "x86_64")]
mod avx;
#[cfg(target_arch = "x86_64")]
mod avx_tiles;
#[cfg(target_arch = "x86_64")]
mod avx_walk;
mod block;
mod compact;
mod inputs;
mod isa;
mod program;
#[cfg(target_arch = "x86_64")]
mod single;
#[cfg(test)]
mod tests;
mod tiles;
mod top;
mod walk;

use std::sync::{Mutex, OnceLock};

use super::arrays::{LEAF, NO_SET, TreeEnsemble};
use crate::simd::Level;
use block::{Predict, Scratch};
use compact::Compact;
use inputs::Inputs;
use program::Programs;
use tiles::Tiles;
use walk::{AT_ONCE, Walker};

/// Columns beyond which nothing is compiled, and words of set tables.
const MOST_COLUMNS: usize = 1 << 20;
const MOST_WORDS: usize = 1 << 24;

/// An ensemble compiled for prediction.
#[derive(Debug)]
pub(super) struct Predictor {
    walker: Walker,
    inputs: OnceLock<Option<Inputs>>,
    /// Compiled at the first call with enough rows.
    programs: OnceLock<Option<Programs>>,
    /// Compiled at the first call with few rows.
    compact: OnceLock<Option<Compact>>,
    tiles: OnceLock<Option<Tiles>>,
    /// Of calls that are over.
    scratch: Mutex<Vec<Scratch>>,
}

impl Predictor {
    /// None for ensembles beyond all measure, which are walked plainly.
    pub(super) fn new(model: &TreeEnsemble) -> Option<Self> {
        if model.n_features() > MOST_COLUMNS || model.n_features() == 0 || set_words(model) > MOST_WORDS {
            return None;
        }
        let walker = Walker::new(model);
        Some(Self {
            walker,
            inputs: OnceLock::new(),
            programs: OnceLock::new(),
            compact: OnceLock::new(),
            tiles: OnceLock::new(),
            scratch: Mutex::new(Vec::new()),
        })
    }

    fn inputs(&self, model: &TreeEnsemble) -> Option<&Inputs> {
        self.inputs.get_or_init(|| Inputs::new(model)).as_ref()
    }

    fn bits(&self, model: &TreeEnsemble) -> Option<(&Inputs, &Programs)> {
        let inputs = self.inputs(model)?;
        let compile = || Programs::new(model, inputs, &self.walker);
        Some((inputs, self.programs.get_or_init(compile).as_ref()?))
    }

    fn compact(&self, model: &TreeEnsemble) -> Option<(&Inputs, &Compact)> {
        let inputs = self.inputs(model)?;
        let compile = || Compact::new(model, inputs, &self.walker);
        Some((inputs, self.compact.get_or_init(compile).as_ref()?))
    }

    /// Outputs of `rows` into `out`, one row of outputs each.
    pub(super) fn predict(&self, level: Level, model: &TreeEnsemble, rows: &[f64], out: &mut [f64]) {
        let n = out.len() / model.n_outputs();
        let bits = if n >= FEW_ROWS { self.bits(model) } else { None };
        match bits {
            Some((inputs, programs)) => {
                let pop = || self.scratch.lock().ok()?.pop();
                let mut scratch = pop().unwrap_or_default();
                let walker = &self.walker;
                let work = Predict { model, inputs, programs, walker, rows, out, scratch: &mut scratch };
                isa::dispatch(level, work);
                if let Ok(mut kept) = self.scratch.lock() {
                    kept.push(scratch);
                }
            }
            None => {
                #[cfg(target_arch = "x86_64")]
                if isa::is_wide(level)
                    && let Some(tiles) = self.tiles.get_or_init(|| Tiles::new(model))
                {
                    // SAFETY: `is_wide` found the features.
                    return unsafe { single::predict(model, tiles, rows, out) };
                }
                self.walk(level, model, rows, out)
            }
        }
    }

    /// Row by row, many trees at a time.
    fn walk(&self, level: Level, model: &TreeEnsemble, rows: &[f64], out: &mut [f64]) {
        let (d, k) = (model.n_features(), model.n_outputs());
        let parts = model.parts();
        let last = model.base_last();
        let n_trees = model.n_trees();
        let mut few = [0.0; FEW_ENTRIES];
        let mut many = Vec::new();
        let stride = self.walker.stride();
        let row_now = if stride <= FEW_ENTRIES {
            &mut few[..stride]
        } else {
            many.resize(stride, 0.0);
            &mut many[..]
        };
        let compact = if isa::is_wide(level) { self.compact(model) } else { None };
        let mut numbers = [0; isa::GROUP];
        for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(k)) {
            match compact {
                Some((inputs, _)) => inputs.fill_row(row, &mut numbers),
                None => self.walker.extend_row(row, row_now),
            }
            for (out, &base) in out.iter_mut().zip(&parts.base) {
                let start = if last { 0.0 } else { base };
                *out = if parts.float32 { f64::from(start as f32) } else { start };
            }
            let mut leaves = [0; AT_ONCE];
            // One output, the usual case: its sum stays in a register of its precision.
            let alone = k == 1 && model.width == 1;
            let (mut single, mut double) = (out[0] as f32, out[0]);
            for begin in (0..n_trees).step_by(AT_ONCE) {
                let trees = (n_trees - begin).min(AT_ONCE);
                match compact {
                    #[cfg(target_arch = "x86_64")]
                    Some((_, compact)) => {
                        // SAFETY: `is_wide` found the features; these are roots.
                        leaves = unsafe { compact.exits(&self.walker.roots(begin), &numbers) };
                    }
                    _ => self.walker.exits(level, begin, row_now, &mut leaves),
                }
                for (i, &leaf) in leaves[..trees].iter().enumerate() {
                    if alone {
                        let value = self.walker.value(leaf);
                        single += value as f32;
                        double += value;
                        continue;
                    }
                    let first = model.first_output[begin + i] as usize;
                    let mut add = |k: usize, value: f64| {
                        let sum = &mut out[first + k];
                        *sum =
                            if parts.float32 { f64::from(*sum as f32 + value as f32) } else { *sum + value };
                    };
                    if model.width == 1 {
                        add(0, self.walker.value(leaf));
                    } else {
                        for (k, &value) in self.walker.values(leaf).iter().enumerate() {
                            add(k, value);
                        }
                    }
                }
            }
            if alone {
                out[0] = if parts.float32 { f64::from(single) } else { double };
            }
            for (out, &base) in out.iter_mut().zip(&parts.base) {
                *out = finish(parts.float32, last, *out, parts.divisor, base);
            }
        }
    }
}

/// Rows from which on bits are faster than walks.
const FEW_ROWS: usize = 24;
/// Entries of an extended row that are kept on the stack.
const FEW_ENTRIES: usize = 256;

fn finish(float32: bool, last: bool, sum: f64, divisor: f64, base: f64) -> f64 {
    if float32 {
        let sum = sum as f32 / divisor as f32;
        f64::from(if last { sum + base as f32 } else { sum })
    } else {
        let sum = sum / divisor;
        if last { sum + base } else { sum }
    }
}

/// At most so many words hold the tables of all sets.
fn set_words(model: &TreeEnsemble) -> usize {
    let codes = walk::listed_codes(model);
    model
        .nodes
        .iter()
        .filter(|node| node.left != LEAF && node.set != NO_SET)
        .map(|node| codes[node.feature as usize].len() / 64 + 2)
        .fold(0, usize::saturating_add)
}

impl TreeEnsemble {
    /// As [`Self::predict_reference`], to the last bit.
    pub fn predict(&self, rows: &[f64], out: &mut [f64]) {
        self.predict_at(Level::detect(), rows, out);
    }

    /// [`Self::predict`] with the instructions of `level`.
    pub fn predict_at(&self, level: Level, rows: &[f64], out: &mut [f64]) {
        assert_eq!(
            rows.len() / self.n_features().max(1),
            if self.n_features() == 0 { 0 } else { out.len() / self.n_outputs() },
            "as many rows as outputs"
        );
        match self.predictor.get_or_init(|| Predictor::new(self).map(std::sync::Arc::new)) {
            Some(predictor) => predictor.predict(level, self, rows, out),
            None => self.predict_reference(rows, out),
        }
    }
}
