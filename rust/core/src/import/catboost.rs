//! CatBoost's JSON export, of models on numeric columns.
//!
//! Symmetric trees test one split per level; split `l` of a tree gives bit `l` of the leaf's number.
//! They become binary trees without the leaves that no row reaches. Other trees are nested objects.

use super::json::read_json;
use super::value::{Reading, Value, refuse};
use crate::error::{Error, Result};

/// The library's own limit is 16.
const MAX_LEVELS: usize = 32;

/// A model as the file has it. Nodes of all trees one after another, each below its parent; a node
/// is a leaf if `left < 0`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatBoost {
    /// What of the model has no native form; then there are no trees here.
    pub unsupported: String,
    /// Columns, by the library's flat number.
    pub n_features: usize,
    /// Empty texts where the model has no names.
    pub feature_names: Vec<String>,
    /// Where missing values go, by column.
    pub missing_right: Vec<bool>,
    pub n_outputs: usize,
    /// Outputs are `scale · Σ leaves + bias`.
    pub scale: f64,
    pub bias: Vec<f64>,
    /// "Logloss", "RMSE"; empty if the file does not say.
    pub loss: String,
    /// "String", "Integer", "Float", "Boolean"; empty for models without classes.
    pub class_kind: String,
    pub class_names: Vec<String>,
    /// Probability above which the second of two classes is predicted.
    pub threshold: f64,
    pub roots: Vec<i64>,
    pub feature: Vec<i64>,
    /// `float32(x) > border` goes right.
    pub border: Vec<f64>,
    pub left: Vec<i64>,
    pub right: Vec<i64>,
    /// `n_outputs` numbers for every leaf, in the order of the leaves among the nodes.
    pub leaf_values: Vec<f64>,
}

/// Read a model.
///
/// # Errors
///
/// [`Error::Model`] for anything but a whole model. Memory stays
/// proportional to the length of the input.
pub fn read(bytes: &[u8]) -> Result<CatBoost> {
    parsed(bytes).map_err(|error| Error::Model(format!("not a readable CatBoost model: {error}")))
}

fn parsed(bytes: &[u8]) -> Result<CatBoost> {
    let document = read_json(bytes, Reading::Double)?;
    let mut model = CatBoost { threshold: 0.5, ..CatBoost::default() };
    let columns = columns(&document, &mut model)?;
    information(document.find("model_info"), &mut model)?;
    if !model.unsupported.is_empty() {
        return Ok(model);
    }
    outputs(document.get("scale_and_bias")?, &mut model)?;
    let mut builder = Builder { columns, model, open: vec![] };
    match (document.find("oblivious_trees"), document.find("trees")) {
        (Some(trees), None) => {
            for tree in trees.list("oblivious_trees")? {
                builder.symmetric(tree)?;
            }
        }
        (None, Some(trees)) => {
            for tree in trees.list("trees")? {
                let root = builder.nested(tree)?;
                builder.model.roots.push(root);
            }
        }
        _ => return refuse("one of `oblivious_trees` and `trees` is expected"),
    }
    if builder.model.roots.is_empty() {
        return refuse("the model has no trees");
    }
    Ok(builder.model)
}

/// Fills in what concerns columns; the flat number of every numeric feature.
fn columns(document: &Value, model: &mut CatBoost) -> Result<Vec<usize>> {
    let information = document.get("features_info")?;
    for (key, what) in [
        ("ctrs", "statistics of categorical columns"),
        ("categorical_features", "categorical columns"),
        ("text_features", "text columns"),
        ("embedding_features", "embedding columns"),
    ] {
        if information.find(key).is_some_and(|value| *value != Value::Null) {
            model.unsupported = what.to_owned();
            return Ok(vec![]);
        }
    }
    let features = information.get("float_features")?.list("float_features")?;
    let mut columns = vec![usize::MAX; features.len()];
    model.n_features = features.len();
    model.feature_names = vec![String::new(); features.len()];
    model.missing_right = vec![false; features.len()];
    let mut seen = vec![false; features.len()];
    for feature in features {
        let number = feature.get("feature_index")?.count("feature_index")?;
        let flat = feature.get("flat_feature_index")?.count("flat_feature_index")?;
        if number >= columns.len() || flat >= seen.len() || columns[number] != usize::MAX || seen[flat] {
            return refuse(format!(
                "feature {number} as column {flat} is no place of its own among {} features",
                columns.len()
            ));
        }
        columns[number] = flat;
        seen[flat] = true;
        if let Some(name) = feature.find("feature_name").or_else(|| feature.find("feature_id")) {
            model.feature_names[flat] = name.text("feature_name")?.to_owned();
        }
        let has_nans = !matches!(feature.find("has_nans"), Some(Value::Bool(false)));
        model.missing_right[flat] = match feature.get("nan_value_treatment")?.text("nan_value_treatment")? {
            "AsTrue" => has_nans,
            "AsFalse" | "AsIs" => false,
            other => return refuse(format!("nan_value_treatment {other:?} is unknown")),
        };
    }
    Ok(columns)
}

/// Loss and classes, as far as they are there.
fn information(information: Option<&Value>, model: &mut CatBoost) -> Result<()> {
    let Some(information) = information else { return Ok(()) };
    let params = information.find("params").unwrap_or(information);
    model.loss = match params.find("loss_function") {
        // Sums of models have it as a document of its own.
        Some(Value::Text(text)) => loss(&read_json(text.as_bytes(), Reading::Double)?)?,
        Some(function) => loss(function)?,
        None => String::new(),
    };
    if let Some(threshold) = information.find("binclass_probability_threshold") {
        let threshold = threshold.text("binclass_probability_threshold")?;
        model.threshold = match threshold.parse() {
            Ok(number) if (0.0..=1.0).contains(&number) => number,
            _ => return refuse("binclass_probability_threshold must be a probability"),
        };
    }
    let Some(classes) = information.find("class_params") else { return Ok(()) };
    model.class_kind = classes.get("class_label_type")?.text("class_label_type")?.to_owned();
    model.class_names = match classes.find("class_names").unwrap_or(&Value::Null) {
        Value::Null => vec![],
        Value::Numbers(numbers) => numbers.iter().map(|number| format!("{number}")).collect(),
        names => names.texts("class_names")?,
    };
    Ok(())
}

fn loss(function: &Value) -> Result<String> {
    Ok(function.get("type")?.text("loss_function")?.to_owned())
}

fn outputs(scale_and_bias: &Value, model: &mut CatBoost) -> Result<()> {
    let (scale, bias) = match scale_and_bias {
        Value::Numbers(numbers) if numbers.len() == 2 => (numbers[0], vec![numbers[1]]),
        Value::List(values) => match values.as_slice() {
            [Value::Number(scale), Value::Numbers(bias)] => (*scale, bias.clone()),
            _ => return refuse("`scale_and_bias` must be a number and a list of numbers"),
        },
        _ => return refuse("`scale_and_bias` must be a number and a list of numbers"),
    };
    if bias.is_empty() || !bias.iter().chain([&scale]).all(|number| number.is_finite()) {
        return refuse("`scale_and_bias` must be finite, with a bias for every output");
    }
    (model.scale, model.n_outputs, model.bias) = (scale, bias.len(), bias);
    Ok(())
}

struct Builder {
    columns: Vec<usize>,
    model: CatBoost,
    /// On the way to the current node: column, and border below which (false) or above which the
    /// rows are that get here.
    open: Vec<(usize, f64, bool)>,
}

impl Builder {
    /// The column and border of a split.
    fn split(&self, split: &Value) -> Result<(usize, f64)> {
        let kind = split.get("split_type")?.text("split_type")?;
        if kind != "FloatFeature" {
            return refuse(format!("split_type {kind:?} of a model without such columns"));
        }
        let feature = split.get("float_feature_index")?.count("float_feature_index")?;
        let border = match split.get("border")? {
            Value::Number(border) if border.is_finite() => *border,
            _ => return refuse("`border` must be a finite number"),
        };
        match self.columns.get(feature) {
            Some(column) => Ok((*column, border)),
            None => refuse(format!("split of feature {feature} of {}", self.columns.len())),
        }
    }

    /// Adds a node; its children follow.
    fn node(&mut self, feature: usize, border: f64) -> usize {
        let model = &mut self.model;
        model.feature.push(feature as i64);
        model.border.push(border);
        model.left.push(-1);
        model.right.push(-1);
        model.feature.len() - 1
    }

    fn leaf(&mut self, values: &[f64]) -> Result<i64> {
        let n = self.model.n_outputs;
        if values.len() != n || !values.iter().all(|value| value.is_finite()) {
            return refuse(format!("a leaf must have {n} finite numbers"));
        }
        self.model.leaf_values.extend_from_slice(values);
        Ok(self.node(0, 0.0) as i64)
    }

    fn symmetric(&mut self, tree: &Value) -> Result<()> {
        let splits = match tree.get("splits")? {
            Value::Null => &[],
            splits => splits.list("splits")?,
        };
        let splits: Vec<(usize, f64)> =
            splits.iter().map(|split| self.split(split)).collect::<Result<_>>()?;
        let values = tree.get("leaf_values")?.numbers("leaf_values")?;
        let n = self.model.n_outputs;
        if splits.len() > MAX_LEVELS || Some(values.len()) != n.checked_shl(splits.len() as u32) {
            let (count, levels) = (values.len(), splits.len());
            return refuse(format!("{count} leaf values in a tree of {levels} levels, {n} outputs"));
        }
        let root = self.level(&splits, 0, 0, values)?;
        self.model.roots.push(root);
        Ok(())
    }

    /// Adds the nodes from a level down, for rows with these bits of the leaf's number.
    fn level(&mut self, splits: &[(usize, f64)], level: usize, bits: usize, values: &[f64]) -> Result<i64> {
        let Some(&(column, border)) = splits.get(level) else {
            let n = self.model.n_outputs;
            return self.leaf(&values[bits * n..(bits + 1) * n]);
        };
        // Missing values count as ∓∞, so what holds for numbers holds for them.
        let side = self.open.iter().find_map(|&(own, bound, above)| match own == column {
            true if above && bound >= border => Some(true),
            true if !above && bound <= border => Some(false),
            _ => None,
        });
        let right_bits = bits | 1 << level;
        if let Some(right) = side {
            return self.level(splits, level + 1, if right { right_bits } else { bits }, values);
        }
        let node = self.node(column, border);
        for (right, bits) in [(false, bits), (true, right_bits)] {
            self.open.push((column, border, right));
            let child = self.level(splits, level + 1, bits, values)?;
            self.open.pop();
            let children = if right { &mut self.model.right } else { &mut self.model.left };
            children[node] = child;
        }
        Ok(node as i64)
    }

    /// The document's own limit on nesting bounds the depth.
    fn nested(&mut self, tree: &Value) -> Result<i64> {
        match tree.find("value") {
            Some(Value::Number(value)) => return self.leaf(&[*value]),
            Some(values) => return self.leaf(values.numbers("value")?),
            None => {}
        }
        let (column, border) = self.split(tree.get("split")?)?;
        let node = self.node(column, border);
        self.model.left[node] = self.nested(tree.get("left")?)?;
        self.model.right[node] = self.nested(tree.get("right")?)?;
        Ok(node as i64)
    }
}
