//! Losses: outputs of one model, or of two, to a number (MATH.md section 2), and their derivatives.

mod slope;
#[cfg(test)]
mod tests;
mod value;

use crate::error::{Error, Result};
use crate::simd::{Lanes, Simd};

/// A loss of one node of a model: class probabilities, their logarithms, margins, or the value of a
/// regressor in output 0. Some compare it (`a`) with a second node (`b`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// `-log p_label`; +∞ where the probability is 0.
    CrossEntropy { label: usize },
    /// `-output_label`, of log-probabilities: finite where the probability itself is rounded to 0.
    NegativeLog { label: usize },
    /// `max(0, 1 - s · output_0)`, s = 1 where `positive`, else -1: the hinge of a margin.
    Margin { positive: bool },
    /// `max(0, 1 - (p_label - max_{j ≠ label} p_j))`.
    Hinge { label: usize },
    /// `((1 - p_label) / scale)²`.
    Squared { label: usize, scale: f64 },
    /// `½ (distance of output 0 to [lower, upper] / scale)²`.
    Band { lower: f64, upper: f64, scale: f64 },
    /// `|f_output - level|^power`.
    Level { output: usize, level: f64, power: f64 },
    /// `Σ_k p_k log p_k`, with `0 log 0 = 0`.
    NegativeEntropy,
    /// Output 0 itself.
    Value,
    /// 0 where the label is the first largest output, +∞ elsewhere.
    RequireLabel { label: usize },
    /// 0 where output 0 lies in `[lower, upper]`, +∞ elsewhere.
    RequireBand { lower: f64, upper: f64 },
    /// `-log a_w` of two probabilities, or `-a_w` of their logarithms where `log`; w is the label that the
    /// decision b is not for.
    OtherLabel { log: bool },
    /// `max(0, 1 - s · a_0)` of a margin, s = ±1 the sign of the label that the decision b is not for.
    OtherMargin,
    /// `max(0, 1 - (a_w - a_v))` of two scores, v the label of the decision b and w the other.
    OtherHinge,
    /// `exp(-|a - b|² / sigma²)`.
    Likeness { sigma: f64 },
}

/// Where a loss reads a model's outputs; every method is `#[inline(always)]` (see `simd::Op`).
pub(crate) trait Outputs<S: Simd> {
    fn len(&self) -> usize;
    fn get(&self, s: S, k: usize) -> S::F;
}

impl<S: Simd> Outputs<S> for &[Lanes<f64>] {
    #[inline(always)]
    fn len(&self) -> usize {
        <[Lanes<f64>]>::len(self)
    }

    #[inline(always)]
    fn get(&self, s: S, k: usize) -> S::F {
        s.load(&self[k])
    }
}

impl Loss {
    /// Whether the loss is a hard requirement.
    pub fn is_requirement(&self) -> bool {
        matches!(self, Loss::RequireLabel { .. } | Loss::RequireBand { .. })
    }

    /// Whether it compares with a second node.
    pub fn compares(&self) -> bool {
        matches!(self, Loss::OtherLabel { .. } | Loss::OtherMargin | Loss::OtherHinge | Loss::Likeness { .. })
    }

    /// Whether the second is a decision, which is flat.
    pub fn decided(&self) -> bool {
        matches!(self, Loss::OtherLabel { .. } | Loss::OtherMargin | Loss::OtherHinge)
    }

    /// # Errors
    /// [`Error::Question`] when the nodes, of which the second may be missing, have no such outputs or a
    /// number is out of range.
    pub fn check(&self, n_outputs: usize, second: Option<usize>) -> Result<()> {
        let fail = |message: String| Err(Error::Question(message));
        let highest = match *self {
            Loss::CrossEntropy { label }
            | Loss::NegativeLog { label }
            | Loss::Hinge { label }
            | Loss::Squared { label, .. }
            | Loss::RequireLabel { label } => label,
            Loss::Level { output, .. } => output,
            Loss::OtherLabel { .. } | Loss::OtherHinge => 1,
            _ => 0,
        };
        if highest >= n_outputs {
            return fail(format!("output {highest} of a model that has {n_outputs}"));
        }
        if matches!(self, Loss::Hinge { .. }) && n_outputs < 2 {
            return fail("a hinge needs at least two classes".into());
        }
        match (self, second) {
            (Loss::Likeness { .. }, Some(n)) if n == n_outputs => {}
            (Loss::OtherLabel { .. } | Loss::OtherMargin | Loss::OtherHinge, Some(2)) => {}
            (loss, None) if !loss.compares() => {}
            (loss, second) => {
                return fail(format!("{loss:?} of {n_outputs} outputs does not go with {second:?} others"));
            }
        }
        match *self {
            Loss::Squared { scale, .. } | Loss::Band { scale, .. } | Loss::Likeness { sigma: scale }
                if !(scale.is_finite() && scale > 0.0) =>
            {
                fail(format!("scale must be a positive number, not {scale}"))
            }
            Loss::Band { lower, upper, .. } | Loss::RequireBand { lower, upper }
                if lower.is_nan() || upper.is_nan() || lower > upper =>
            {
                fail(format!("the band ({lower}, {upper}) is empty: lower must not exceed upper"))
            }
            Loss::Level { level, power, .. } if !(level.is_finite() && power.is_finite() && power > 0.0) => {
                fail(format!("level {level} and power {power} must be finite, power positive"))
            }
            _ => Ok(()),
        }
    }
}

/// `weight · loss(a node of one model)`, or of two nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    pub weight: f64,
    /// Model and node.
    pub first: (usize, usize),
    /// What the first is compared with.
    pub second: Option<(usize, usize)>,
    pub loss: Loss,
}

impl Term {
    /// A loss of one node.
    pub fn new(weight: f64, model: usize, node: usize, loss: Loss) -> Self {
        Self { weight, first: (model, node), second: None, loss }
    }

    /// Models and nodes that it reads.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, usize)> {
        std::iter::once(self.first).chain(self.second)
    }
}
