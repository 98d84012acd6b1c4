//! A base measure that data gave: a forest of conditional tables over cells of columns.

use crate::error::{Error, Result};
use crate::simd::{LANES, Lanes};

/// `p(x) = Π_d p(cell of x_d | cell of its parent) / measure of that cell`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    columns: Vec<Column>,
}

/// What one column of a [`Reference`] is.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    /// Ascending; a value equal to a cut belongs to the cell below.
    cuts: Vec<f64>,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Logarithms, `parent cells × cells`, row-major.
    table: Vec<f64>,
}

impl Column {
    fn cells(&self) -> usize {
        self.cuts.len() + 1
    }

    fn cell(&self, x: f64) -> usize {
        self.cuts.partition_point(|&cut| cut < x)
    }
}

impl Reference {
    /// # Errors
    /// [`Error::Space`] for cuts that do not ascend, parents that lead in a circle, and tables that do not fit.
    pub fn new(cuts: Vec<Vec<f64>>, parents: Vec<Option<usize>>, tables: Vec<Vec<f64>>) -> Result<Self> {
        let n = cuts.len();
        if parents.len() != n || tables.len() != n {
            return Err(Error::Space(format!(
                "{n} columns with {} parents and {} tables",
                parents.len(),
                tables.len()
            )));
        }
        for d in 0..n {
            let ascends =
                cuts[d].windows(2).all(|pair| pair[0] < pair[1]) && cuts[d].iter().all(|c| c.is_finite());
            let rows = match parents[d] {
                Some(parent) if parent >= n => {
                    return Err(Error::Space(format!("column {d} has the parent {parent}")));
                }
                Some(parent) => cuts[parent].len() + 1,
                None => 1,
            };
            let numbers = tables[d].iter().all(|v| v.is_finite());
            if !ascends || !numbers || tables[d].len() != rows * (cuts[d].len() + 1) {
                return Err(Error::Space(format!(
                    "column {d} of a reference has cuts or a table out of shape"
                )));
            }
            let mut above = d;
            for _ in 0..=n {
                match parents[above] {
                    Some(parent) => above = parent,
                    None => break,
                }
                if above == d {
                    return Err(Error::Space(format!("column {d} of a reference is its own ancestor")));
                }
            }
        }
        let children = |d: usize| (0..n).filter(|&c| parents[c] == Some(d)).collect();
        let columns = cuts
            .into_iter()
            .zip(tables)
            .enumerate()
            .map(|(d, (cuts, table))| Column { cuts, parent: parents[d], children: children(d), table })
            .collect();
        Ok(Self { columns })
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Where the density of a column changes.
    pub fn cuts(&self, column: usize) -> &[f64] {
        &self.columns[column].cuts
    }

    /// Log density of eight rows.
    pub fn log_density(&self, x: &[Lanes<f64>]) -> Lanes<f64> {
        Lanes(std::array::from_fn(|lane| {
            (0..self.columns.len()).map(|d| self.part(d, self.columns[d].cell(x[d][lane]), x, lane)).sum()
        }))
    }

    /// Log density of rows, one after another.
    pub fn log_densities(&self, rows: &[f64]) -> Vec<f64> {
        let cell = |row: &[f64], d: usize| self.columns[d].cell(row[d]);
        let part = |row: &[f64], d: usize| {
            let column = &self.columns[d];
            column.table[column.parent.map_or(0, |p| cell(row, p)) * column.cells() + cell(row, d)]
        };
        rows.chunks_exact(self.len().max(1)).map(|row| (0..row.len()).map(|d| part(row, d)).sum()).collect()
    }

    /// The part of column `d` in cell `cell`, with its parent as in the row.
    fn part(&self, d: usize, cell: usize, x: &[Lanes<f64>], lane: usize) -> f64 {
        let column = &self.columns[d];
        let row = column.parent.map_or(0, |p| self.columns[p].cell(x[p][lane]));
        column.table[row * column.cells() + cell]
    }

    /// Log density in every cell of column `d`, the others as they are, but for what does not depend on it.
    pub(crate) fn along(&self, d: usize, x: &[Lanes<f64>], out: &mut Vec<Lanes<f64>>) {
        let column = &self.columns[d];
        out.clear();
        out.resize(column.cells(), Lanes::splat(0.0));
        for lane in 0..LANES {
            for (cell, to) in out.iter_mut().enumerate() {
                to[lane] = self.part(d, cell, x, lane);
            }
            for &child in &column.children {
                let own = &self.columns[child];
                let at = own.cell(x[child][lane]);
                for (cell, to) in out.iter_mut().enumerate() {
                    to[lane] += own.table[cell * own.cells() + at];
                }
            }
        }
    }

    pub(crate) fn parent(&self, d: usize) -> Option<usize> {
        self.columns[d].parent
    }

    /// Columns that depend on column `d`.
    pub(crate) fn children(&self, d: usize) -> &[usize] {
        &self.columns[d].children
    }

    /// Log density of the cells of column `d`, parent cells × cells.
    pub(crate) fn table(&self, d: usize) -> &[f64] {
        &self.columns[d].table
    }

    /// The cell of a value of column `d`.
    pub(crate) fn cell(&self, d: usize, x: f64) -> usize {
        self.columns[d].cell(x)
    }
}
