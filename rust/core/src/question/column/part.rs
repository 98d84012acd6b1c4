//! Parts of intervals: what a constraint leaves of them.

use super::{ColumnMeasure, Inside, Piece, piece};
use crate::mutant::{self, Fault};
use crate::question::column::whole::Cell;
use crate::rng::Stream;

/// An interval, or what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) interval: usize,
    pub(crate) log_mass: f64,
    left: Left,
}

#[derive(Clone, Debug)]
enum Left {
    All,
    Numbers(Box<Piece>),
    Flat(f64, f64),
    Values(Box<Cell>),
}

impl ColumnMeasure {
    /// The interval that holds a value.
    pub(crate) fn interval(&self, x: f64) -> usize {
        match &self.inside {
            // A value equal to a cut belongs to the interval below it.
            Inside::Pieces { edges, .. } => edges[1..edges.len() - 1].partition_point(|&cut| cut < x),
            Inside::Cells(cells) => cells.partition_point(|cell| cell.end() <= x).min(cells.len() - 1),
        }
    }

    /// What is left of the intervals in `[lower, upper]`, in ascending order.
    pub(crate) fn parts(&self, lower: f64, upper: f64, out: &mut Vec<Part>) {
        match &self.inside {
            Inside::Pieces { edges, pieces, flat } => {
                let (lower, upper) = (lower.max(edges[0]), upper.min(edges[edges.len() - 1]));
                if lower >= upper {
                    return;
                }
                for interval in self.interval(lower)..=self.interval(upper) {
                    let (from, to) = (edges[interval].max(lower), edges[interval + 1].min(upper));
                    if from >= to {
                        continue;
                    }
                    let whole = from == edges[interval] && to == edges[interval + 1];
                    let (left, lost) = match (whole, flat) {
                        (true, _) => (Left::All, 0.0),
                        (false, true) => {
                            let width = edges[interval + 1] - edges[interval];
                            (Left::Flat(from, to), (width / (to - from)).ln())
                        }
                        (false, false) => {
                            let (piece, least) = pieces[interval].within(from, to);
                            let lost = pieces[interval].log_mass() - piece.log_mass() + least;
                            (Left::Numbers(Box::new(piece)), lost)
                        }
                    };
                    let lost = if mutant::is(Fault::WeighWhole) { 0.0 } else { lost };
                    out.push(Part { interval, log_mass: self.log_mass[interval] - lost, left });
                }
            }
            Inside::Cells(cells) => {
                for (interval, cell) in cells.iter().enumerate() {
                    let Some((cell, share)) = cell.within(lower, upper) else { continue };
                    let log_mass = self.log_mass[interval] + share.ln();
                    out.push(Part { interval, log_mass, left: Left::Values(Box::new(cell)) });
                }
            }
        }
    }

    /// A draw from the measure on a part.
    pub(crate) fn draw_part(&self, part: &Part, rng: &mut Stream) -> f64 {
        let x = match &part.left {
            Left::All => return self.draw(part.interval, rng),
            Left::Values(cell) => return cell.draw(rng),
            Left::Flat(lower, upper) => piece::between(*lower, *upper, rng.uniform()),
            Left::Numbers(piece) => piece.draw_inside(rng),
        };
        self.above_cut(part.interval, x)
    }
}
