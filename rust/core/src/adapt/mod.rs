//! Adaptation during warm-up, each chain by itself; afterwards everything is frozen (MATH.md section 6).

mod scales;
mod spread;

pub(crate) use scales::{Scale, Scales};
pub(crate) use spread::Spread;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Steps taken so far.
    pub step: u64,
    /// Steps of the warm-up.
    pub warmup: u64,
}

impl Phase {
    pub(crate) fn warming(self) -> bool {
        self.step < self.warmup
    }

    /// Whether this step of the warm-up ends a window after which scales are taken anew.
    pub(crate) fn refreshes(self) -> bool {
        self.warming() && [1, 2, 3].iter().any(|part| self.step + 1 == self.warmup * part / 4)
    }

    /// Whether this is the last step of the warm-up.
    pub(crate) fn freezes(self) -> bool {
        self.step + 1 == self.warmup
    }
}
