//! LightGBM's text format, versions v3 and v4.
//!
//! A header of `key=value` lines, one block of lines per tree, `end of trees`, then the training
//! parameters and, in models trained on pandas frames, the levels of the categorical columns as
//! JSON. Numbers are written with enough digits to come back exactly.

mod lines;
mod tree;

use lines::{Lines, shown, wrong};

use crate::error::Result;

/// A model as the file has it. Nodes of all trees one after another: the splits of a tree, then its
/// leaves; a node is a leaf if `left < 0`. Every node is reached from exactly one root.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LightGbm {
    pub trees_per_iteration: usize,
    pub n_features: usize,
    /// As written, "binary sigmoid:1"; empty for an objective of the user's.
    pub objective: String,
    /// Whether outputs are means over the iterations (random forests).
    pub average: bool,
    /// Whether some leaves are linear functions; their coefficients are not read.
    pub linear: bool,
    pub feature_names: Vec<String>,
    /// `[low:high]`, the categories `1:0:2`, or `none`, as written.
    pub feature_infos: Vec<String>,
    /// JSON text; empty if there is none.
    pub pandas_categorical: String,
    /// Training parameters.
    pub parameters: Vec<(String, String)>,
    pub roots: Vec<i64>,
    pub feature: Vec<i64>,
    /// `x <= threshold` goes left.
    pub threshold: Vec<f64>,
    /// The library's decision type; 0 at leaves. Bit 0: a set of categories goes left; bit 1: missing
    /// values go left; bits 2 and 3: missing are none (0), zeros (1), NaN (2).
    pub decision: Vec<u8>,
    pub left: Vec<i64>,
    pub right: Vec<i64>,
    /// Output of a leaf; 0 at splits.
    pub value: Vec<f64>,
    /// Set of a categorical split, else -1.
    pub set_index: Vec<i64>,
    /// Set `i` holds `set_codes[set_starts[i]..set_starts[i + 1]]`, in rising order.
    pub set_starts: Vec<i64>,
    pub set_codes: Vec<i64>,
}

/// Read a model.
///
/// # Errors
///
/// [`Error::Model`](crate::error::Error::Model) for anything but a whole model of a known version. Memory stays proportional
/// to the length of the input.
pub fn read(bytes: &[u8]) -> Result<LightGbm> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(wrong(format!("byte {} is not UTF-8", error.valid_up_to()))),
    };
    let mut lines = Lines::new(text);
    match lines.next() {
        Some("tree") => {}
        first => {
            let first = shown(first.unwrap_or(""));
            return Err(wrong(format!("its first line is {first}, not \"tree\"")));
        }
    }
    let mut model = LightGbm { set_starts: vec![0], ..LightGbm::default() };
    let sizes = header(&mut lines, &mut model)?;
    let mut starts = vec![];
    loop {
        let start = lines.start();
        let Some(line) = lines.next() else { break };
        if line.is_empty() {
            continue;
        }
        starts.push(start);
        if line == "end of trees" {
            same_sizes(sizes, &starts)?;
            return footer(lines, model);
        }
        if line.strip_prefix("Tree=").and_then(|index| index.parse().ok()) != Some(model.roots.len()) {
            let expected = model.roots.len();
            return Err(lines.wrong(&format!("{} instead of tree {expected}", shown(line))));
        }
        tree::read(&mut lines, &mut model)?;
    }
    Err(wrong("it ends before its \"end of trees\"; is the file whole?".into()))
}

/// The library finds trees by their sizes in bytes, so a file in which these are off is not one.
fn same_sizes(sizes: Option<&str>, starts: &[usize]) -> Result<()> {
    let Some(sizes) = sizes else { return Ok(()) };
    let mut sizes = sizes.split_ascii_whitespace();
    let same = starts
        .windows(2)
        .all(|pair| sizes.next().and_then(|size| size.parse().ok()) == Some(pair[1] - pair[0]));
    if same && sizes.next().is_none() {
        return Ok(());
    }
    Err(wrong("its trees are not as long as tree_sizes says".into()))
}

/// Everything before the first tree; the sizes of the trees, if the file has them.
fn header<'a>(lines: &mut Lines<'a>, model: &mut LightGbm) -> Result<Option<&'a str>> {
    let mut version = None;
    let mut n_features = None;
    let mut sizes = None;
    let mut names = None;
    let mut infos = None;
    while let Some(line) = lines.peek() {
        if line.starts_with("Tree=") || line == "end of trees" {
            break;
        }
        lines.next();
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match key {
            "version" => version = Some(value),
            "num_tree_per_iteration" => model.trees_per_iteration = lines.number(key, value)?,
            "max_feature_idx" => n_features = lines.number::<usize>(key, value)?.checked_add(1),
            "objective" => model.objective = value.to_owned(),
            "average_output" => model.average = true,
            "feature_names" => names = Some(value),
            "feature_infos" => infos = Some(value),
            "tree_sizes" => sizes = Some(value),
            _ => {}
        }
    }
    match version {
        Some("v3" | "v4") => {}
        Some(other) => {
            return Err(wrong(format!(
                "its version is {}; v3 and v4 are read: load it with lightgbm and save it again",
                shown(other)
            )));
        }
        None => return Err(wrong("its header names no version".into())),
    }
    let per_feature = |key: &str, value: Option<&str>| -> Result<Vec<String>> {
        let value = value.ok_or_else(|| wrong(format!("its header lacks {key}")))?;
        // Names hold no blanks: the library replaces them.
        let own: Vec<String> = value.split(' ').map(str::to_owned).collect();
        if n_features == Some(own.len()) {
            return Ok(own);
        }
        Err(wrong(format!("max_feature_idx is not that of its {} {key}", own.len())))
    };
    model.feature_names = per_feature("feature_names", names)?;
    model.feature_infos = per_feature("feature_infos", infos)?;
    model.n_features = model.feature_names.len();
    Ok(sizes)
}

/// Parameters and levels, after the trees.
fn footer(mut lines: Lines<'_>, mut model: LightGbm) -> Result<LightGbm> {
    let mut in_parameters = false;
    let mut last = "";
    while let Some(line) = lines.next() {
        match line {
            "" => continue,
            "parameters:" => in_parameters = true,
            "end of parameters" => in_parameters = false,
            _ if in_parameters => {
                let inner = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
                if let Some((key, value)) = inner.and_then(|inner| inner.split_once(": ")) {
                    model.parameters.push((key.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
        last = line;
    }
    if in_parameters {
        return Err(wrong("it ends within its parameters; is the file whole?".into()));
    }
    if let Some(levels) = last.strip_prefix("pandas_categorical:") {
        model.pandas_categorical = levels.trim().to_owned();
    }
    let (n, k) = (model.roots.len(), model.trees_per_iteration);
    if n == 0 {
        return Err(wrong("it has no trees".into()));
    }
    if k == 0 || n % k != 0 {
        return Err(wrong(format!("{n} trees are no whole number of iterations of {k} trees")));
    }
    Ok(model)
}
