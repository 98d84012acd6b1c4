//! The two models of the wine question, from their exported arrays.

use std::collections::HashMap;

use sondage_core::model::{TreeEnsemble, TreeParts};

/// The forest and the tree.
pub(crate) fn wine() -> (TreeEnsemble, TreeEnsemble) {
    let text = include_str!("../data/wine.txt");
    let arrays: HashMap<&str, Vec<f64>> = text
        .lines()
        .map(|line| {
            let (name, values) = line.split_once(' ').unwrap();
            (name, values.split(' ').map(|v| v.parse().unwrap()).collect())
        })
        .collect();
    (model(&arrays, "forest"), model(&arrays, "tree"))
}

fn model(arrays: &HashMap<&str, Vec<f64>>, name: &str) -> TreeEnsemble {
    let get = |key: &str| arrays[format!("{name}.{key}").as_str()].clone();
    let whole = |key: &str| get(key).into_iter().map(|v| v as i64).collect::<Vec<_>>();
    TreeEnsemble::new(TreeParts {
        n_features: whole("n_features")[0] as usize,
        n_outputs: whole("n_outputs")[0] as usize,
        roots: whole("roots"),
        feature: whole("feature"),
        cut: get("cut"),
        left: whole("left"),
        right: whole("right"),
        value: get("value"),
        first_output: whole("first_output"),
        base: get("base"),
        divisor: get("divisor")[0],
        ..TreeParts::default()
    })
    .unwrap()
}
