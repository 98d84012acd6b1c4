//! One tree: a block of `key=value` lines.

use std::str::FromStr;

use super::LightGbm;
use super::lines::Lines;
use crate::error::{Error, Result};

/// Bit of a decision: the split sends the categories of a set left.
const CATEGORICAL: u8 = 1;
/// Bits 2 and 3 of a decision say what counts as missing: nothing (0), zeros (1) or NaN (2).
const MISSING_SHIFT: u8 = 2;
const MISSING_NAN: u8 = 2;

const TREE_KEYS: [&str; 11] = [
    "num_leaves",
    "num_cat",
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "cat_boundaries",
    "cat_threshold",
    "is_linear",
];

/// What evaluation needs of a tree, up to the first empty line.
pub(super) fn read(lines: &mut Lines<'_>, model: &mut LightGbm) -> Result<()> {
    let mut values = vec![];
    while let Some(line) = lines.peek() {
        if line.starts_with("Tree=") || line == "end of trees" {
            break;
        }
        lines.next();
        if line.is_empty() {
            break;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if TREE_KEYS.contains(&key) {
            if values.iter().any(|(known, _)| *known == key) {
                return Err(lines.wrong(&format!("a second {key}")));
            }
            values.push((key, value));
        }
    }
    let block = Block { lines, number: model.roots.len(), values };
    let n_leaves: usize = block.one("num_leaves")?;
    if n_leaves == 0 {
        return Err(block.wrong("has no leaves"));
    }
    let value: Vec<f64> = block.many("leaf_value", n_leaves)?;
    let n_splits = n_leaves - 1;
    let threshold: Vec<f64> = block.many("threshold", n_splits)?;
    // A split between missing values and all others has an infinite threshold.
    if !value.iter().all(|leaf| leaf.is_finite()) || threshold.iter().any(|own| own.is_nan()) {
        return Err(block.wrong("has a threshold or leaf that is no number"));
    }
    let feature: Vec<usize> = block.many("split_feature", n_splits)?;
    if let Some(feature) = feature.iter().find(|feature| **feature >= model.n_features) {
        let n = model.n_features;
        return Err(block.wrong(&format!("splits feature {feature}; the model has {n}")));
    }
    let decision: Vec<u8> = block.many("decision_type", n_splits)?;
    let left: Vec<i64> = block.many("left_child", n_splits)?;
    let right: Vec<i64> = block.many("right_child", n_splits)?;
    block.reached_once(&left, &right, n_leaves)?;

    let first_set = model.set_starts.len() - 1;
    let n_sets = if block.has("num_cat") { block.one("num_cat")? } else { 0 };
    if n_sets > 0 {
        block.sets(n_sets, model)?;
    }
    model.linear |= block.has("is_linear") && block.one("is_linear")? != 0;

    let base = model.feature.len() as i64;
    // Splits count up from 0, leaves down from -1.
    let absolute = |child: i64| base + if child < 0 { n_splits as i64 + !child } else { child };
    model.roots.push(base);
    for split in 0..n_splits {
        let kind = decision[split];
        if kind >> MISSING_SHIFT > MISSING_NAN {
            return Err(block.wrong(&format!("has decision type {kind}")));
        }
        let set = if kind & CATEGORICAL == 0 {
            -1
        } else {
            let set = threshold[split];
            if !(set >= 0.0 && set < n_sets as f64 && set.fract() == 0.0) {
                return Err(block.wrong(&format!("has no set {set} of categories")));
            }
            first_set as i64 + set as i64
        };
        model.feature.push(feature[split] as i64);
        model.threshold.push(threshold[split]);
        model.decision.push(kind);
        model.left.push(absolute(left[split]));
        model.right.push(absolute(right[split]));
        model.value.push(0.0);
        model.set_index.push(set);
    }
    for leaf in value {
        model.feature.push(0);
        model.threshold.push(0.0);
        model.decision.push(0);
        model.left.push(-1);
        model.right.push(-1);
        model.value.push(leaf);
        model.set_index.push(-1);
    }
    Ok(())
}

/// The lines of a tree.
struct Block<'a> {
    lines: &'a Lines<'a>,
    number: usize,
    values: Vec<(&'a str, &'a str)>,
}

impl Block<'_> {
    fn wrong(&self, what: &str) -> Error {
        self.lines.wrong(&format!("tree {} {what}", self.number))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn text(&self, key: &str) -> Result<&str> {
        self.get(key).ok_or_else(|| self.wrong(&format!("lacks {key}")))
    }

    fn one(&self, key: &str) -> Result<usize> {
        self.lines.number(key, self.text(key)?)
    }

    /// Exactly `n` numbers, which are counted before anything of length `n` is allocated.
    fn many<T: FromStr>(&self, key: &str, n: usize) -> Result<Vec<T>> {
        if n == 0 {
            return Ok(vec![]);
        }
        let text = self.text(key)?;
        let count = text.split_ascii_whitespace().count();
        if count != n {
            return Err(self.wrong(&format!("has {count} numbers in {key}, not {n}")));
        }
        text.split_ascii_whitespace().map(|own| self.lines.number(key, own)).collect()
    }

    /// Children must make one tree of all splits and leaves.
    fn reached_once(&self, left: &[i64], right: &[i64], n_leaves: usize) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let mut seen = vec![false; left.len() + n_leaves];
        let mut open = vec![0_usize];
        seen[0] = true;
        let mut n_seen = 1;
        while let Some(split) = open.pop() {
            for child in [left[split], right[split]] {
                let is_leaf = child < 0;
                let index = usize::try_from(if is_leaf { !child } else { child });
                let node = match index {
                    Ok(index) if is_leaf && index < n_leaves => left.len() + index,
                    Ok(index) if !is_leaf && index < left.len() => index,
                    _ => return Err(self.wrong(&format!("has no child {child}"))),
                };
                if std::mem::replace(&mut seen[node], true) {
                    return Err(self.wrong(&format!("reaches child {child} twice")));
                }
                n_seen += 1;
                if !is_leaf {
                    open.push(node);
                }
            }
        }
        if n_seen == seen.len() {
            return Ok(());
        }
        Err(self.wrong("has splits or leaves that are never reached"))
    }

    /// Bit `b` of word `w` of a set stands for category `32 w + b`.
    fn sets(&self, n: usize, model: &mut LightGbm) -> Result<()> {
        let n_bounds = n.checked_add(1).ok_or_else(|| self.wrong("has too many sets"))?;
        let bounds: Vec<usize> = self.many("cat_boundaries", n_bounds)?;
        let n_words = bounds[n];
        let rising = bounds[0] == 0 && bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        if !rising {
            return Err(self.wrong("has cat_boundaries that do not rise from 0"));
        }
        let words: Vec<u32> = self.many("cat_threshold", n_words)?;
        for pair in bounds.windows(2) {
            for (w, word) in words[pair[0]..pair[1]].iter().enumerate() {
                let codes = (0..32).filter(|bit| word >> bit & 1 == 1);
                model.set_codes.extend(codes.map(|bit| 32 * w as i64 + bit));
            }
            model.set_starts.push(model.set_codes.len() as i64);
        }
        Ok(())
    }
}
