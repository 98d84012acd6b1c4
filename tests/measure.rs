//! Probabilities against exact ones: no bias, and errors as large as they are said to be (MATH.md section 13).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::measure::{ball, dice, measured, small_ball};

/// Bounds of about four standard errors for ten runs.
fn trusted((bias, spread): (f64, f64)) {
    assert!(bias.abs() < 4.0, "off by {bias} standard errors");
    assert!(spread < 1.9, "errors are {spread} times what is stated");
}

#[test]
fn a_ball() {
    trusted(small_ball(1e-8, 10));
}

#[test]
fn ties_at_the_level() {
    trusted(dice(6, 10));
}

#[test]
fn ties_among_what_is_counted() {
    trusted(dice(24, 10));
}

#[test]
fn threads_do_not_matter() {
    let run = |threads| measured(ball(6), 0.003, 0.2, 5, threads);
    let (one, three) = (run(1), run(3));
    assert_eq!((one.log_p, one.log_se, one.calls), (three.log_p, three.log_se, three.calls));
    assert_eq!(one.examples, three.examples);
    assert!(one.levels > 5);
}
