//! Rows without needless changes.

use super::block::Block;
use crate::simd::{LANES, Lanes};

impl Block<'_> {
    /// Puts the rows of the active lanes among those found, without needless changes: those without which a row still
    /// meets the requirements.
    pub(super) fn keep(&mut self, active: &[bool; LANES], pools: &mut [Vec<Vec<f64>>; LANES]) {
        let mut x = self.x.clone();
        self.undo_needless(active, &mut x);
        for lane in (0..LANES).filter(|&lane| active[lane]) {
            let row: Vec<f64> = x.iter().map(|x| x[lane]).collect();
            if !pools[lane].contains(&row) {
                pools[lane].push(row);
            }
        }
    }

    /// Each lane goes through its own changes, so that an evaluation tries one of every lane. A single change is never
    /// needless, since a query itself does not meet the requirements.
    fn undo_needless(&mut self, active: &[bool; LANES], x: &mut [Lanes<f64>]) {
        let (search, home) = (self.search, &self.queries.home);
        let changed = |x: &[Lanes<f64>], lane: usize| -> Vec<usize> {
            let differs = |&d: &usize| x[d][lane] != home[d][lane];
            search.hard.bounds().free().iter().copied().filter(differs).collect()
        };
        let mut left: [Vec<usize>; LANES] = std::array::from_fn(|lane| changed(x, lane));
        let mut undone = [false; LANES];
        loop {
            for lane in 0..LANES {
                // Another round where something was undone: what was needed may not be any more.
                if left[lane].is_empty() && std::mem::take(&mut undone[lane]) {
                    left[lane] = changed(x, lane);
                }
                if !active[lane] || changed(x, lane).len() < 2 {
                    left[lane].clear();
                }
            }
            let tried: [Option<(usize, f64)>; LANES] = std::array::from_fn(|lane| {
                let d = left[lane].pop()?;
                Some((d, std::mem::replace(&mut x[d][lane], home[d][lane])))
            });
            if tried.iter().all(Option::is_none) {
                return;
            }
            let met = search.hard.at(x, &mut self.workspaces[1]);
            for lane in 0..LANES {
                match tried[lane] {
                    Some((d, value)) if !met[lane].is_finite() => x[d][lane] = value,
                    Some(_) => undone[lane] = true,
                    None => {}
                }
            }
        }
    }
}
