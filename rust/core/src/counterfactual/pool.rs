//! The best rows found for a query.

/// Scores of one row, summed in different orders, differ by less.
pub(super) const SAME: f64 = 1e-7;

/// About as many rows as are wanted, those of the highest scores.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    most: usize,
    rows: Vec<(f64, Vec<f64>)>,
    /// Rows of lower scores are not wanted.
    least: f64,
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { most, rows: Vec::with_capacity(2 * most), least: f64::NEG_INFINITY }
    }

    /// Takes a row, unless it has it or has enough that are better.
    pub(super) fn offer(&mut self, score: f64, value: impl Fn(usize) -> f64, columns: usize) {
        if score <= self.least {
            return;
        }
        let equal = |row: &[f64]| row.iter().enumerate().all(|(d, &x)| x == value(d));
        if self.rows.iter().any(|(other, row)| (score - other).abs() < SAME && equal(row)) {
            return;
        }
        self.rows.push((score, (0..columns).map(value).collect()));
        if self.rows.len() == 2 * self.most {
            self.sort();
            self.rows.truncate(self.most);
            self.least = self.rows[self.most - 1].0;
        }
    }

    /// Best first; of equal ones the first found.
    fn sort(&mut self) {
        self.rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    }

    pub(super) fn best_first(&mut self) -> impl Iterator<Item = &[f64]> {
        self.sort();
        self.rows.iter().take(self.most).map(|(_, row)| &row[..])
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn the_best_rows_stay_each_once() {
        let mut pool = Pool::new(3);
        for i in [4, 1, 7, 7, 3, 9, 4, 2, 8, 8, 0, 6] {
            let x = f64::from(i);
            pool.offer(x, |_| x, 1);
        }
        assert_eq!(pool.best_first().collect::<Vec<_>>(), [[9.0], [8.0], [7.0]]);
        assert_eq!(pool.rows.len(), 5);
    }
}
