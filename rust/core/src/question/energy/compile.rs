//! The trees of all models of a question as one forest.

use super::{Parts, Program};
use crate::error::Result;
use crate::model::tree::{Forest, Member};

pub(super) fn compile(
    parts: &Parts,
    programs: &[Program],
    lower: &[f64],
    upper: &[f64],
    missing: &[bool],
    kinks: &[Vec<f64>],
) -> Result<Forest> {
    let mut members = Vec::new();
    for ((program, model), columns) in programs.iter().zip(&parts.models).zip(&parts.columns) {
        for (node, ensemble) in model.ensembles() {
            if program.trees.iter().any(|&(i, _)| i == node) {
                members.push(Member { model: ensemble, columns });
            }
        }
    }
    Forest::with_missing(&members, lower, upper, missing, kinks)
}
