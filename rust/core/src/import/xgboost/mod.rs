//! XGBoost models as JSON or UBJSON, written by versions 1 to 3.

mod trees;

pub use trees::Trees;

use super::value::{Reading, Value, refuse, whole};
use super::{read_json, read_ubjson};
use crate::error::{Error, Result};

/// Columns that a model may read: what is made of a file must not depend on one number in it, and a
/// comparison on some hundred rows of so many columns still fits.
const MAX_FEATURES: usize = 1 << 16;
/// Outputs of a model that has fewer trees than that.
const MAX_GROUPS: usize = 1 << 12;

/// Categories of a column in the order of their codes; XGBoost stores them from 3.1 on.
#[derive(Clone, Debug, PartialEq)]
pub enum Levels {
    None,
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
}

#[derive(Clone, Debug)]
pub struct XGBoostModel {
    pub version: [usize; 3],
    pub objective: String,
    /// gbtree, dart or gblinear; the last without trees here.
    pub booster: String,
    pub n_features: usize,
    /// 0 without classes, and for a binary classifier.
    pub n_classes: usize,
    pub n_targets: usize,
    /// Entries of a leaf; trees are read where it is 1.
    pub leaf_width: usize,
    /// As the user gives it, before the objective's link: one, or one per output.
    pub base_score: Vec<f32>,
    /// Empty, or one per column.
    pub names: Vec<String>,
    pub types: Vec<String>,
    pub levels: Vec<Levels>,
    pub best_iteration: Option<usize>,
    /// First tree of every iteration, and the number of trees.
    pub iterations: Vec<i64>,
    pub trees: Trees,
}

/// Reads a model, JSON or UBJSON by its first bytes.
///
/// # Errors
/// [`Error::Model`] for anything that is not a whole model of a known version.
pub fn read(bytes: &[u8]) -> Result<XGBoostModel> {
    parsed(bytes).map_err(|error| Error::Model(format!("not a readable XGBoost model: {error}")))
}

fn parsed(bytes: &[u8]) -> Result<XGBoostModel> {
    let document = match bytes {
        [b'{', b'i' | b'U' | b'I' | b'l' | b'L', ..] => read_ubjson(bytes)?,
        [b'{' | b' ' | b'\t' | b'\n' | b'\r', ..] => read_json(bytes, Reading::Single)?,
        [] => return refuse("it is empty"),
        _ => return refuse("neither JSON nor UBJSON; write it with save_model(\"model.json\")"),
    };
    from_document(&document)
}

fn from_document(document: &Value) -> Result<XGBoostModel> {
    let learner = document.get("learner")?;
    let version = version(document.get("version")?)?;
    let parameters = learner.get("learner_model_param")?;
    let n_features = parameters.get("num_feature")?.count("num_feature")?;
    if n_features > MAX_FEATURES {
        return refuse(format!("it reads {n_features} columns; up to {MAX_FEATURES} are supported"));
    }
    let n_classes = parameters.get("num_class")?.count("num_class")?;
    let n_targets = match parameters.find("num_target") {
        Some(value) => value.count("num_target")?,
        None => 1,
    };
    let booster = learner.get("gradient_booster")?;
    let name = booster.get("name")?.text("gradient_booster.name")?;
    let mut model = XGBoostModel {
        version,
        objective: learner.get("objective")?.get("name")?.text("objective.name")?.to_owned(),
        booster: name.to_owned(),
        n_features,
        n_classes,
        n_targets,
        leaf_width: 1,
        base_score: base_score(parameters.get("base_score")?)?,
        names: per_column(learner, "feature_names", n_features)?,
        types: per_column(learner, "feature_types", n_features)?,
        levels: Vec::new(),
        best_iteration: best_iteration(learner)?,
        iterations: vec![0],
        trees: Trees::default(),
    };
    let (forest, weights) = match name {
        "gbtree" => (booster.get("model")?, None),
        "dart" => {
            let forest = booster.get("gbtree")?.get("model")?;
            (forest, Some(booster.get("weight_drop")?.numbers("weight_drop")?))
        }
        "gblinear" => return Ok(model),
        _ => return refuse(format!("the booster is `{name}`; gbtree, dart and gblinear are known")),
    };
    read_forest(&mut model, forest, weights)?;
    Ok(model)
}

fn version(value: &Value) -> Result<[usize; 3]> {
    let numbers = value.numbers("version")?;
    let mut version = [0; 3];
    for (part, &number) in version.iter_mut().zip(numbers) {
        match whole(number) {
            Some(number @ 0..) => *part = number as usize,
            _ => return refuse("`version` must hold whole numbers"),
        }
    }
    if numbers.len() != 3 || !(1..=3).contains(&version[0]) {
        let written: Vec<String> = numbers.iter().take(3).map(f64::to_string).collect();
        return refuse(format!("it is of version {}; versions 1 to 3 are read", written.join(".")));
    }
    Ok(version)
}

/// `5E-1`, or from version 3.1 on `[5E-1,2E0]`.
fn base_score(value: &Value) -> Result<Vec<f32>> {
    let text = value.text("base_score")?;
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    inner
        .split(',')
        .map(|part| match part.trim().parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => refuse("`base_score` must hold finite numbers"),
        })
        .collect()
}

fn per_column(learner: &Value, key: &str, n: usize) -> Result<Vec<String>> {
    let texts = match learner.find(key) {
        Some(value) => value.texts(key)?,
        None => Vec::new(),
    };
    if !texts.is_empty() && texts.len() != n {
        return refuse(format!("`{key}` has {} entries for {n} columns", texts.len()));
    }
    Ok(texts)
}

fn best_iteration(learner: &Value) -> Result<Option<usize>> {
    let attributes = learner.find("attributes");
    attributes.and_then(|own| own.find("best_iteration")).map(|v| v.count("best_iteration")).transpose()
}

fn read_forest(model: &mut XGBoostModel, forest: &Value, weights: Option<&[f64]>) -> Result<()> {
    let parameters = forest.get("gbtree_model_param")?;
    let trees = forest.get("trees")?.list("trees")?;
    let n_trees = trees.len();
    let stated = parameters.get("num_trees")?.count("num_trees")?;
    if stated != n_trees {
        return refuse(format!("it holds {n_trees} trees and says {stated}"));
    }
    let n_groups = model.n_classes.max(model.n_targets).max(1);
    if n_groups > MAX_GROUPS.max(n_trees) {
        return refuse(format!("it has {n_groups} outputs and {n_trees} trees"));
    }
    if ![1, n_groups].contains(&model.base_score.len()) {
        return refuse(format!("`base_score` has {} entries for {n_groups} outputs", model.base_score.len()));
    }
    if let Some(cats) = forest.find("cats") {
        model.levels = levels(cats, model.n_features)?;
    }
    if let Some(first) = trees.first() {
        let size = first.get("tree_param")?.get("size_leaf_vector")?.count("size_leaf_vector")?;
        model.leaf_width = size.max(1);
        if model.leaf_width > 1 {
            return Ok(());
        }
    }
    let groups = forest.get("tree_info")?.numbers("tree_info")?;
    if groups.len() != n_trees || weights.is_some_and(|weights| weights.len() != n_trees) {
        return refuse(format!(
            "`tree_info` and `weight_drop` must have an entry for each of {n_trees} trees"
        ));
    }
    model.trees.set_starts.push(0);
    for (number, (tree, &group)) in trees.iter().zip(groups).enumerate() {
        let Some(group) = whole(group).filter(|&group| group >= 0 && (group as usize) < n_groups) else {
            return refuse(format!("tree {number} adds to output {group} of {n_groups}"));
        };
        let weight = weights.map_or(1.0, |weights| weights[number] as f32);
        if !weight.is_finite() {
            return refuse(format!("the weight of tree {number} is {weight}"));
        }
        model
            .trees
            .append(tree, number, model.n_features)
            .map_err(|error| Error::Model(format!("tree {number}: {error}")))?;
        model.trees.group.push(group);
        model.trees.weight.push(weight);
    }
    let parallel = match parameters.find("num_parallel_tree") {
        Some(value) => value.count("num_parallel_tree")?.max(1),
        None => 1,
    };
    model.iterations = iterations(forest, n_trees, parallel.saturating_mul(n_groups))?;
    Ok(())
}

/// Older versions do not write `iteration_indptr`.
fn iterations(forest: &Value, n_trees: usize, at_once: usize) -> Result<Vec<i64>> {
    let Some(written) = forest.find("iteration_indptr") else {
        return Ok((0..n_trees).step_by(at_once).chain([n_trees]).map(|first| first as i64).collect());
    };
    let mut starts = Vec::new();
    for &number in written.numbers("iteration_indptr")? {
        match whole(number).filter(|&start| start >= starts.last().copied().unwrap_or(0)) {
            Some(start) => starts.push(start),
            None => return refuse("`iteration_indptr` must hold growing numbers"),
        }
    }
    if starts.first() != Some(&0) || starts.last() != Some(&(n_trees as i64)) {
        return refuse(format!("`iteration_indptr` must lead from 0 to {n_trees}"));
    }
    Ok(starts)
}

/// Categories that the model was trained with.
fn levels(cats: &Value, n_features: usize) -> Result<Vec<Levels>> {
    let columns = cats.get("enc")?.list("cats.enc")?;
    if !columns.is_empty() && columns.len() != n_features {
        return refuse(format!("`cats` has {} entries for {n_features} columns", columns.len()));
    }
    columns.iter().map(column_levels).collect()
}

fn column_levels(column: &Value) -> Result<Levels> {
    let values = column.get("values")?.numbers("cats.values")?;
    if let Some(offsets) = column.find("offsets") {
        let offsets = offsets.numbers("cats.offsets")?;
        // Bytes of the texts, written as signed integers.
        let bytes: Option<Vec<u8>> =
            values.iter().map(|&v| whole(v).filter(|v| (-128..256).contains(v)).map(|v| v as u8)).collect();
        let bytes = bytes.map_or_else(|| refuse("`cats.values` must hold bytes"), Ok)?;
        // From pandas, XGBoost counts the bytes of a name in characters, and so cuts names in two.
        if !bytes.is_ascii() {
            return refuse("a category has letters outside ASCII, whose name XGBoost does not store whole");
        }
        let mut texts = Vec::new();
        for pair in offsets.windows(2) {
            let ends = (whole(pair[0]).and_then(|v| usize::try_from(v).ok()))
                .zip(whole(pair[1]).and_then(|v| usize::try_from(v).ok()));
            // Growing ends: no byte is copied twice.
            let own = ends.and_then(|(start, end)| bytes.get(start..end));
            match own.and_then(|own| std::str::from_utf8(own).ok()) {
                Some(text) => texts.push(text.to_owned()),
                None => return refuse("`cats.offsets` must cut `cats.values` into texts"),
            }
        }
        return Ok(if texts.is_empty() { Levels::None } else { Levels::Texts(texts) });
    }
    // 7 and 8 are XGBoost's numbers for lists of float32 and float64.
    if matches!(column.get("type")?.count("cats.type")?, 7 | 8) {
        return Ok(Levels::Floats(values.to_vec()));
    }
    let exact = 2f64.powi(53);
    if values.iter().any(|v| v.fract() != 0.0 || v.abs() >= exact) {
        return refuse("`cats.values` must hold integers below 2^53");
    }
    Ok(Levels::Integers(values.iter().map(|&v| v as i64).collect()))
}
