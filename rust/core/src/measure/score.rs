//! How far a row is from an event: what particles are led along.

use std::sync::Arc;

use crate::mutant::{self, Fault};
use crate::question::{Energy, Workspace};
use crate::simd::{LANES, Lanes};

/// The place of a row in a chain of nested sets, lower the nearer to the event: first a tier, then a number in it.
/// A total order, so that ties are ties exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    tier: u8,
    key: i64,
}

const EVENT: u8 = 0;
/// G is finite, and counts.
const FINITE: u8 = 1;
/// The guide counts.
const GUIDED: u8 = 2;
/// Outside of the space.
const OUTSIDE: u8 = 3;

impl Score {
    /// Above all rows of the space, and at most all others.
    pub(super) const SPACE: Self = Self { tier: OUTSIDE, key: i64::MIN };

    /// Above the event, and at most all else.
    pub(super) const EVENT: Self = Self { tier: FINITE, key: i64::MIN };

    fn new(tier: u8, value: f64) -> Self {
        // The order of `f64::total_cmp`; there is one zero, and what is not a number is the worst.
        let value = if value.is_nan() { f64::INFINITY } else { value + 0.0 };
        let bits = value.to_bits() as i64;
        Self { tier, key: bits ^ (((bits >> 63) as u64) >> 1) as i64 }
    }

    /// Of a row that is not in the space, by how much.
    pub(super) fn outside(violation: f64) -> Self {
        Self::new(OUTSIDE, violation)
    }

    /// G, or what the guide says.
    pub(super) fn value(self) -> f64 {
        f64::from_bits((self.key ^ (((self.key >> 63) as u64) >> 1) as i64) as u64)
    }

    /// How far it is to where G is `at_most`, or the size of what the guide says.
    pub(super) fn gap(self, at_most: f64) -> f64 {
        if self.tier == FINITE { self.value() - at_most } else { self.value().abs() }
    }

    pub(super) fn tier(self) -> u8 {
        self.tier
    }

    pub(super) fn is_event(self) -> bool {
        self.tier == EVENT
    }

    pub(super) fn is_outside(self) -> bool {
        self.tier == OUTSIDE
    }
}

/// `G(x) ≤ at_most`, and what leads there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at_most: f64,
    /// Whether the guide leads where G is finite, too.
    pub(super) by_guide: bool,
}

impl Event {
    pub(super) fn holds(&self, g: f64) -> bool {
        if mutant::is(Fault::ForgetTies) { g < self.at_most } else { g <= self.at_most }
    }

    /// Whether the guide has a say where G is this.
    pub(super) fn asks(&self, g: f64) -> bool {
        !self.holds(g) && (self.by_guide || g.is_nan() || g == f64::INFINITY)
    }

    pub(super) fn score(&self, g: f64, guide: f64) -> Score {
        if self.holds(g) {
            Score { tier: EVENT, key: 0 }
        } else if self.asks(g) {
            Score::new(GUIDED, guide)
        } else {
            Score::new(FINITE, g)
        }
    }
}

/// G and the guide, where the core knows them.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) question: Arc<Energy>,
    pub(super) guide: Option<Arc<Energy>>,
}

impl Native {
    /// Scores of the rows of some lanes.
    pub(super) fn scores(
        &self,
        event: &Event,
        x: &[Lanes<f64>],
        wanted: &[bool; LANES],
        workspaces: &mut [Workspace; 2],
    ) -> [Score; LANES] {
        let g = self.question.at(x, &mut workspaces[0]);
        let mut guide = Lanes::splat(f64::INFINITY);
        if let Some(own) = &self.guide
            && (0..LANES).any(|lane| wanted[lane] && event.asks(g[lane]))
        {
            guide = own.at(x, &mut workspaces[1]);
        }
        std::array::from_fn(|lane| event.score(g[lane], guide[lane]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_in_order() {
        let event = Event { at_most: 0.5, by_guide: false };
        let ordered = [
            event.score(0.5, 9.0),
            event.score(0.5_f64.next_up(), 9.0),
            event.score(1e300, 9.0),
            event.score(f64::INFINITY, f64::NEG_INFINITY),
            event.score(f64::INFINITY, -1.0),
            event.score(f64::NAN, 0.0),
            event.score(f64::INFINITY, f64::INFINITY),
            Score::SPACE,
            Score::outside(1e-9),
        ];
        assert!(ordered.is_sorted_by(|a, b| a < b));
        assert_eq!(event.score(f64::INFINITY, -0.0), event.score(f64::INFINITY, 0.0));
        assert_eq!(event.score(f64::INFINITY, f64::NAN), event.score(f64::INFINITY, f64::INFINITY));
        assert!(event.score(-3.0, 9.0) == event.score(0.5, 1.0) && event.score(0.5, 1.0).is_event());
        assert_eq!(event.score(2.0, 0.0).gap(0.5), 1.5);
        assert_eq!(event.score(f64::INFINITY, -3.0).gap(0.5), 3.0);
        let guided = Event { at_most: 0.5, by_guide: true };
        assert!(guided.score(0.6, 2.0) > guided.score(7.0, 1.0));
    }
}
