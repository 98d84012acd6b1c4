//! What an operation needs of its sources and its numbers, checked once.

use super::op::{KernelKind, Node, Op};

/// Width of a new node, after a check of everything it says.
pub(super) fn width(op: &Op, n_columns: usize, nodes: &[Node]) -> std::result::Result<usize, String> {
    let of = |source: usize| {
        nodes
            .get(source)
            .map(|n| n.width)
            .ok_or_else(|| format!("its source {source} does not come before it"))
    };
    let finite = |values: &[f64]| {
        if values.iter().all(|v| v.is_finite()) { Ok(()) } else { Err("a number is not finite".to_owned()) }
    };
    let pairs = |source: usize, n_classes: usize| {
        if n_classes < 2 || of(source)? != n_classes * (n_classes - 1) / 2 {
            return Err(format!("{} decisions for the pairs of {n_classes} classes", of(source)?));
        }
        Ok(n_classes)
    };
    match op {
        Op::Row => Ok(n_columns),
        Op::Encode(features) => {
            for feature in features {
                feature.check(n_columns)?;
            }
            if features.is_empty() { Err("no features".into()) } else { Ok(features.len()) }
        }
        Op::Trees(ensemble) => {
            if ensemble.n_features() != n_columns {
                return Err(format!("trees of {} columns, not {n_columns}", ensemble.n_features()));
            }
            Ok(ensemble.n_outputs())
        }
        Op::Foreign { width: 0, .. } => Err("no outputs".into()),
        Op::Foreign { width, .. } => Ok(*width),
        Op::Linear { source, weights, bias } => {
            if weights.columns != of(*source)? || weights.rows != bias.len() {
                return Err(format!(
                    "a {} × {} matrix and {} biases on {} entries",
                    weights.rows,
                    weights.columns,
                    bias.len(),
                    of(*source)?
                ));
            }
            finite(bias)?;
            Ok(weights.rows)
        }
        Op::Kernel { source, kind, vectors } => {
            if vectors.columns != of(*source)? {
                return Err(format!("vectors of {} entries on {}", vectors.columns, of(*source)?));
            }
            match *kind {
                KernelKind::Linear => {}
                KernelKind::Poly { gamma, coef0, .. } | KernelKind::Sigmoid { gamma, coef0 } => {
                    finite(&[gamma, coef0])?;
                }
                KernelKind::Rbf { gamma } => finite(&[gamma])?,
            }
            Ok(vectors.rows)
        }
        Op::Affine { source, scale, shift } => {
            let n = of(*source)?;
            if scale.len() != shift.len() || (scale.len() != 1 && scale.len() != n) {
                return Err(format!("{} scales and {} shifts on {n} entries", scale.len(), shift.len()));
            }
            finite(scale)?;
            finite(shift)?;
            Ok(n)
        }
        Op::Clip { source, lower, upper } => {
            if lower.is_nan() || upper.is_nan() || lower > upper {
                return Err(format!("clip to [{lower}, {upper}]"));
            }
            of(*source)
        }
        Op::Activation { source, .. }
        | Op::Softmax { source }
        | Op::LogSoftmax { source }
        | Op::SingleSoftmax { source }
        | Op::Normalize { source }
        | Op::OneHotArgmax { source } => of(*source),
        Op::Step { source, threshold } => {
            finite(&[*threshold])?;
            of(*source)
        }
        Op::LogisticPair { source } | Op::LogLogisticPair { source } => match of(*source)? {
            1 => Ok(2),
            n => Err(format!("a pair of one margin, not {n}")),
        },
        Op::Pick { source, indices } => {
            let n = of(*source)?;
            if indices.is_empty() || indices.iter().flatten().any(|&i| i >= n) {
                return Err(format!("picks {indices:?} of {n} entries"));
            }
            Ok(indices.len())
        }
        Op::Concat { sources } => {
            let mut n = 0;
            for &source in sources {
                n += of(source)?;
            }
            if n == 0 { Err("nothing to join".into()) } else { Ok(n) }
        }
        Op::Combine { sources, weights, divisor } => {
            if !(divisor.is_finite() && *divisor != 0.0) {
                return Err(format!("divides by {divisor}"));
            }
            let Some(&first) = sources.first() else { return Err("nothing to add".into()) };
            let n = of(first)?;
            for &source in sources {
                if of(source)? != n {
                    return Err(format!("adds {n} and {} entries", of(source)?));
                }
            }
            if weights.len() != sources.len() {
                return Err(format!("{} weights for {} nodes", weights.len(), sources.len()));
            }
            finite(weights)?;
            Ok(n)
        }
        Op::Multiply { a, b } => {
            if of(*a)? == of(*b)? {
                of(*a)
            } else {
                Err("multiplies unequal widths".into())
            }
        }
        Op::PairVotes { source, n_classes }
        | Op::PairScores { source, n_classes }
        | Op::PairCoupling { source, n_classes } => pairs(*source, *n_classes),
        Op::Interpolate { source, x, y } => {
            if of(*source)? != 1 || x.is_empty() || x.len() != y.len() || x.windows(2).any(|w| w[0] > w[1]) {
                return Err("interpolation needs one entry and as many ascending x as y".into());
            }
            finite(x)?;
            finite(y)?;
            Ok(1)
        }
    }
}
