//! Which of the rows found to give.

/// Of the `choice · n` rows of the highest score the `n` that differ as much as they can: first the best, then always the one
/// whose least distance to those chosen is largest.
pub(super) fn best(
    pool: &[Vec<f64>],
    n: usize,
    choice: usize,
    score: impl Fn(&[f64]) -> f64,
    distance: impl Fn(&[f64], &[f64]) -> f64,
) -> Vec<Vec<f64>> {
    let mut ranked: Vec<(f64, &Vec<f64>)> = pool.iter().map(|row| (score(row), row)).collect();
    // Stable: of equal ones the first found.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.truncate(choice * n);
    let mut left: Vec<(f64, &Vec<f64>)> = ranked.iter().map(|&(_, row)| (f64::INFINITY, row)).collect();
    let mut chosen = Vec::with_capacity(n);
    let mut next = 0;
    while chosen.len() < n && !left.is_empty() {
        let (_, row) = left.remove(next);
        chosen.push(row.clone());
        for (least, other) in &mut left {
            *least = least.min(distance(row, other));
        }
        // The first of the farthest, in the order of the scores.
        next = (0..left.len()).rev().max_by(|&i, &j| left[i].0.total_cmp(&left[j].0)).unwrap_or(0);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_best_is_first_and_the_others_lie_apart() {
        let pool: Vec<Vec<f64>> = [0.0, 1.0, 0.1, 5.0, 9.0, 8.9].iter().map(|&x| vec![x]).collect();
        let distance = |a: &[f64], b: &[f64]| (a[0] - b[0]).abs();
        let score = |row: &[f64]| -(row[0] - 1.1).abs();
        // The four best are 1, 0.1, 0 and 5.
        assert_eq!(best(&pool, 2, 2, score, distance), [[1.0], [5.0]]);
        assert_eq!(best(&pool, 9, 2, score, distance).len(), 6);
        assert!(best(&[], 3, 2, score, distance).is_empty());
    }
}
