//! The trees of an XGBoost model.

use crate::error::Result;
use crate::import::value::{Value, refuse, whole};

/// Categories are float32 in XGBoost, which ends them here.
const MAX_CATEGORY: i64 = 1 << 24;

/// Nodes of all trees one after another, those that no root reaches left out.
///
/// A row goes left where the feature is below the threshold, both in float32; at a node with a set,
/// where its category is not in the set.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    pub roots: Vec<i64>,
    /// Output that a tree adds to.
    pub group: Vec<i64>,
    /// Factor of a tree's leaves; 1 except in dart.
    pub weight: Vec<f32>,
    pub feature: Vec<i64>,
    /// The threshold; at a leaf its value.
    pub threshold: Vec<f32>,
    /// Absolute, -1 at leaves.
    pub left: Vec<i64>,
    pub right: Vec<i64>,
    pub default_left: Vec<bool>,
    /// -1, or the set at this node: `set_codes[set_starts[i]..set_starts[i + 1]]`.
    pub set_index: Vec<i64>,
    pub set_starts: Vec<i64>,
    pub set_codes: Vec<i64>,
}

impl Trees {
    /// Appends one tree.
    pub(super) fn append(&mut self, tree: &Value, number: usize, n_features: usize) -> Result<()> {
        if tree.get("id")?.count("id")? != number {
            return refuse("its `id` is not its place");
        }
        let column = |key: &str| tree.get(key)?.numbers(key);
        let left = column("left_children")?;
        let n = left.len();
        let [right, feature, threshold, default_left] =
            ["right_children", "split_indices", "split_conditions", "default_left"].map(|key| {
                column(key).and_then(|list| match list.len() == n {
                    true => Ok(list),
                    false => refuse(format!("`{key}` has {} entries for {n} nodes", list.len())),
                })
            });
        let (right, feature, threshold, default_left) = (right?, feature?, threshold?, default_left?);
        let reached = reached(left, right)?;
        let sets = Sets::of(tree, n)?;

        let first = self.feature.len() as i64;
        let mut place = Vec::with_capacity(n);
        let mut next = first;
        for &own in &reached {
            place.push(next);
            next += i64::from(own);
        }
        self.roots.push(first);
        for node in (0..n).filter(|&node| reached[node]) {
            let leaf = left[node] < 0.0;
            let value = threshold[node] as f32;
            let set = if leaf { None } else { sets.at(node)? };
            // At a node with a set the value means nothing; some versions write NaN there.
            if set.is_none() && (value.is_nan() || (leaf && value.is_infinite())) {
                return refuse(format!("`split_conditions` is {value} at node {node}"));
            }
            let own = if leaf { Some(0) } else { whole(feature[node]) };
            let Some(own) = own.filter(|&own| leaf || (own >= 0 && (own as usize) < n_features)) else {
                return refuse(format!("node {node} reads column {} of {n_features}", feature[node]));
            };
            self.feature.push(own);
            self.threshold.push(if set.is_some() { 0.0 } else { value });
            self.left.push(if leaf { -1 } else { place[left[node] as usize] });
            self.right.push(if leaf { -1 } else { place[right[node] as usize] });
            self.default_left.push(default_left[node] != 0.0);
            self.set_index.push(if set.is_some() { self.set_starts.len() as i64 - 1 } else { -1 });
            for &code in set.unwrap_or(&[]) {
                match whole(code) {
                    Some(code @ 0..MAX_CATEGORY) => self.set_codes.push(code),
                    _ => return refuse(format!("a category at node {node} is {code}")),
                }
            }
            if set.is_some() {
                self.set_starts.push(self.set_codes.len() as i64);
            }
        }
        Ok(())
    }
}

/// Which nodes the root leads to; every one by one way only. Pruned nodes stay in the arrays.
fn reached(left: &[f64], right: &[f64]) -> Result<Vec<bool>> {
    let n = left.len();
    if n == 0 {
        return refuse("it has no nodes");
    }
    let mut reached = vec![false; n];
    reached[0] = true;
    let mut open = vec![0];
    while let Some(node) = open.pop() {
        let children = [left[node], right[node]];
        if children == [-1.0, -1.0] {
            continue;
        }
        for child in children {
            match whole(child).filter(|&child| child > 0 && (child as usize) < n) {
                Some(child) if !reached[child as usize] => {
                    reached[child as usize] = true;
                    open.push(child as usize);
                }
                Some(child) => return refuse(format!("node {child} has two parents")),
                None => return refuse(format!("node {node} has the child {child} of {n}")),
            }
        }
    }
    Ok(reached)
}

/// The categories at a tree's nodes.
struct Sets<'a> {
    kind: &'a [f64],
    /// Position of a node among those with categories, `usize::MAX` for none; empty if none has.
    position: Vec<usize>,
    starts: Vec<usize>,
    codes: &'a [f64],
}

impl<'a> Sets<'a> {
    fn of(tree: &'a Value, n: usize) -> Result<Self> {
        let kind = match tree.find("split_type") {
            Some(value) => value.numbers("split_type")?,
            None => &[],
        };
        if !kind.is_empty() && kind.len() != n {
            return refuse(format!("`split_type` has {} entries for {n} nodes", kind.len()));
        }
        let mut sets = Self { kind, position: Vec::new(), starts: vec![0], codes: &[] };
        if kind.iter().all(|&kind| kind == 0.0) {
            return Ok(sets);
        }
        let column = |key: &str| tree.get(key)?.numbers(key);
        let (nodes, segments, sizes) =
            (column("categories_nodes")?, column("categories_segments")?, column("categories_sizes")?);
        sets.codes = column("categories")?;
        if segments.len() != nodes.len() || sizes.len() != nodes.len() {
            return refuse("`categories_nodes`, `_segments` and `_sizes` differ in length");
        }
        sets.position = vec![usize::MAX; n];
        for (index, ((&node, &segment), &size)) in nodes.iter().zip(segments).zip(sizes).enumerate() {
            let start = sets.starts[index];
            // One after another, so that the sets are no larger than the file.
            let end = match whole(size) {
                Some(size @ 0..) if segment == start as f64 => start + size as usize,
                _ => return refuse("`categories_segments` must follow one another"),
            };
            match whole(node).filter(|&node| node >= 0 && (node as usize) < n) {
                Some(node) if end <= sets.codes.len() && sets.position[node as usize] == usize::MAX => {
                    sets.position[node as usize] = index;
                }
                _ => return refuse(format!("the categories of node {node} cannot be read")),
            }
            sets.starts.push(end);
        }
        Ok(sets)
    }

    fn at(&self, node: usize) -> Result<Option<&'a [f64]>> {
        match self.kind.get(node) {
            None | Some(0.0) => Ok(None),
            Some(1.0) => match self.position[node] {
                usize::MAX => refuse(format!("node {node} has no categories")),
                index => Ok(Some(&self.codes[self.starts[index]..self.starts[index + 1]])),
            },
            Some(kind) => refuse(format!("the split of node {node} is of kind {kind}")),
        }
    }
}
