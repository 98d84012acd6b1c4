//! Rows without needless changes.

use super::block::Block;
use crate::simd::{LANES, Lanes};

/// A row of one lane on its way.
#[derive(Default)]
struct Present {
    /// Columns of changes to try yet.
    left: Vec<usize>,
    /// Whether a change was undone since all were tried: what was needed may not be any more.
    undone: bool,
}

impl Block<'_> {
    /// The rows without the changes without which they still meet the requirements, in order and each once, at most
    /// `most` for each lane.
    ///
    /// A lane goes through its own rows and their changes, so that an evaluation tries one of every lane. A single
    /// change is never needless, since a query itself does not meet the requirements.
    pub(super) fn without_needless(
        &mut self,
        rows: [Vec<Vec<f64>>; LANES],
        most: usize,
    ) -> [Vec<Vec<f64>>; LANES] {
        let (search, home) = (self.search, &self.queries.home);
        let free = search.hard.bounds().free();
        let mut rows = rows.map(Vec::into_iter);
        let mut out: [Vec<Vec<f64>>; LANES] = Default::default();
        let mut present: [Option<Present>; LANES] = Default::default();
        let mut x = home.clone();
        let differs = |x: &[Lanes<f64>], d: usize, lane: usize| x[d][lane] != home[d][lane];
        let changed = |x: &[Lanes<f64>], lane: usize| -> Vec<usize> {
            free.iter().copied().filter(|&d| differs(x, d, lane)).collect()
        };
        loop {
            let mut tried = [None; LANES];
            for lane in 0..LANES {
                while tried[lane].is_none() {
                    let Some(own) = &mut present[lane] else {
                        if out[lane].len() == most {
                            break;
                        }
                        let Some(row) = rows[lane].next() else { break };
                        for (x, value) in x.iter_mut().zip(row) {
                            x[lane] = value;
                        }
                        present[lane] = Some(Present { left: changed(&x, lane), undone: false });
                        continue;
                    };
                    if own.left.is_empty() && std::mem::take(&mut own.undone) {
                        own.left = changed(&x, lane);
                    }
                    if free.iter().filter(|&&d| differs(&x, d, lane)).nth(1).is_none() {
                        own.left.clear();
                    }
                    tried[lane] =
                        own.left.pop().map(|d| (d, std::mem::replace(&mut x[d][lane], home[d][lane])));
                    if tried[lane].is_none() {
                        present[lane] = None;
                        let row: Vec<f64> = x.iter().map(|x| x[lane]).collect();
                        if !out[lane].contains(&row) {
                            out[lane].push(row);
                        }
                    }
                }
            }
            if tried.iter().all(Option::is_none) {
                return out;
            }
            let met = search.hard.at(&x, &mut self.workspaces[1]);
            for lane in 0..LANES {
                match (tried[lane], &mut present[lane]) {
                    (Some((d, value)), _) if !met[lane].is_finite() => x[d][lane] = value,
                    (Some(_), Some(own)) => own.undone = true,
                    _ => {}
                }
            }
        }
    }
}
