//! Conditions against the same comparisons written out, along columns and on boxes.

use super::{Constraint, Step};
use crate::rng::{Purpose, Stream, stream};
use crate::space::{Bounds, Kind};

use Step::{
    Abs, Add, AtMost, Both, Column, Constant, Differs, Divide, Either, Equal, Is, IsNot, Least, Less, Most,
    Multiply, Negative, Subtract,
};

fn constraint(steps: &[Step]) -> Constraint {
    Constraint::new("it".into(), steps, 3).unwrap()
}

fn bounds() -> Bounds {
    let bounds = Bounds::new(vec![-2.0, -1.0, 0.0], vec![2.0, 3.0, 4.0]).unwrap();
    bounds.with_kinds(vec![Kind::Continuous, Kind::Continuous, Kind::Integer]).unwrap()
}

fn rows(n: usize) -> Vec<[f64; 3]> {
    let (bounds, mut rng) = (bounds(), stream(&[3; 32], Purpose::Start, 0));
    (0..n).map(|_| [0, 1, 2].map(|d| bounds.uniform(d, &mut rng))).collect()
}

type ByHand = fn([f64; 3]) -> bool;

/// Conditions, what they say, and whether they are made of what is linear in each column.
fn cases() -> Vec<(Vec<Step>, ByHand, bool)> {
    let twice = [Constant(2.0), Column(1), Multiply];
    vec![
        // a <= 2 b + 1
        (
            [&[Column(0)], &twice[..], &[Constant(1.0), Add, AtMost]].concat(),
            |[a, b, _]| a <= 2.0 * b + 1.0,
            true,
        ),
        // |a - b| < c / 3
        (
            vec![Column(0), Column(1), Subtract, Abs, Column(2), Constant(3.0), Divide, Less],
            |[a, b, c]| (a - b).abs() < c / 3.0,
            true,
        ),
        // 1 < |a| - b
        (vec![Constant(1.0), Column(1), Add, Column(0), Abs, Less], |[a, b, _]| 1.0 + b < a.abs(), true),
        // -|a| <= -1 or min(a, b) > 0.5
        (
            vec![
                Column(0),
                Abs,
                Negative,
                Constant(-1.0),
                AtMost,
                Constant(0.5),
                Column(0),
                Column(1),
                Least,
            ]
            .into_iter()
            .chain([Less, Either])
            .collect(),
            |[a, b, _]| a.abs() >= 1.0 || a.min(b) > 0.5,
            true,
        ),
        // max(a, -b) <= 0.3 and c != 2
        (
            vec![
                Column(0),
                Column(1),
                Negative,
                Most,
                Constant(0.3),
                AtMost,
                Column(2),
                Constant(2.0),
                Differs,
            ]
            .into_iter()
            .chain([Both])
            .collect(),
            |[a, b, c]| a.max(-b) <= 0.3 && c != 2.0,
            true,
        ),
        // 0.5 <= max(a, b)
        (vec![Constant(0.5), Column(0), Column(1), Most, AtMost], |[a, b, _]| a.max(b) >= 0.5, true),
        // min(a, b) <= 0
        (vec![Column(0), Column(1), Least, Constant(0.0), AtMost], |[a, b, _]| a.min(b) <= 0.0, true),
        // c == 1 => a <= 0, c a code
        (
            vec![Column(2), Constant(1.0), IsNot, Column(0), Constant(0.0), AtMost, Either],
            |[a, _, c]| c != 1.0 || a <= 0.0,
            true,
        ),
        // c == 3 or a a < b
        (
            vec![Column(2), Constant(3.0), Is, Column(0), Column(0), Multiply, Column(1), Less, Either],
            |[a, b, c]| c == 3.0 || a * a < b,
            false,
        ),
        // c - 1 == 2
        (vec![Column(2), Constant(1.0), Subtract, Constant(2.0), Equal], |[_, _, c]| c - 1.0 == 2.0, true),
    ]
}

#[test]
fn a_condition_holds_where_its_violation_is_zero() {
    for (steps, by_hand, _) in cases() {
        let own = constraint(&steps);
        let held = rows(2000)
            .into_iter()
            .filter(|&row| {
                let violation = own.violation(|d| row[d]);
                assert_eq!(violation == 0.0, by_hand(row), "{steps:?} {row:?}");
                assert_eq!(own.scaled(&bounds()).admits(|d| row[d]), by_hand(row));
                violation == 0.0
            })
            .count();
        assert!((1..2000).contains(&held), "{steps:?} {held}");
    }
}

/// Every value that holds is in the spans; where all is linear, every value in them holds, but at their ends.
#[test]
fn spans_along_a_column_are_what_holds() {
    for (steps, by_hand, linear) in cases() {
        let own = constraint(&steps);
        for row in rows(50) {
            for d in 0..2 {
                let spans = own.along(d, &|d| row[d]);
                for i in 0..=400 {
                    let x = -4.0 + 8.0 * f64::from(i) / 400.0 + 1e-4;
                    let mut moved = row;
                    moved[d] = x;
                    let inside = spans.iter().any(|&(from, to)| from <= x && x <= to);
                    assert!(inside || !by_hand(moved), "{steps:?} {moved:?} {spans:?}");
                    assert!(!(inside && linear) || by_hand(moved), "{steps:?} {moved:?} {spans:?}");
                }
            }
        }
    }
}

fn random(rng: &mut Stream, depth: u32) -> Vec<Step> {
    let pick = |rng: &mut Stream, n: usize| ((rng.uniform() * n as f64) as usize).min(n - 1);
    if depth == 0 || rng.uniform() < 0.2 {
        return vec![if rng.uniform() < 0.6 {
            Column(pick(rng, 3))
        } else {
            Constant((rng.uniform() * 8.0).round() / 2.0 - 2.0)
        }];
    }
    let a = random(rng, depth - 1);
    match pick(rng, 8) {
        0 => [&a[..], &[Negative]].concat(),
        1 => [&a[..], &[Abs]].concat(),
        k => {
            let b = random(rng, depth - 1);
            [&a[..], &b[..], &[[Add, Subtract, Multiply, Divide, Least, Most][k - 2]]].concat()
        }
    }
}

/// No row meets what the box rules out, whatever the expressions.
#[test]
fn what_no_row_can_meet_is_met_by_none() {
    let (bounds, mut rng) = (bounds(), stream(&[4; 32], Purpose::Start, 1));
    let (mut impossible, rows) = (0, rows(200));
    for _ in 0..2000 {
        let order = [Less, AtMost, Equal, Differs][((rng.uniform() * 4.0) as usize).min(3)];
        let steps = [random(&mut rng, 3), random(&mut rng, 3), vec![order]].concat();
        let own = constraint(&steps);
        if !own.possible(&bounds) {
            impossible += 1;
            for row in &rows {
                assert!(!own.admits(|d| row[d]), "{steps:?} {row:?}");
            }
        }
    }
    assert!(impossible > 50, "{impossible}");
}

#[test]
fn an_equality_of_real_numbers_is_thin() {
    let thin = |steps: &[Step]| constraint(steps).thin(&bounds());
    assert!(thin(&[Column(0), Column(1), Equal]));
    assert!(thin(&[Column(0), Column(2), Constant(3.0), Multiply, Equal]));
    assert!(!thin(&[Column(2), Constant(1.0), Equal]));
    assert!(!thin(&[Column(0), Column(0), Subtract, Constant(0.0), Equal]));
    assert!(!thin(&[Column(0), Constant(0.0), Most, Constant(0.0), Equal]));
    assert!(!thin(&[Column(0), Column(1), Equal, Column(0), Column(1), Less, Either]));
    assert!(thin(&[Column(0), Column(1), Equal, Column(0), Column(1), Less, Both]));
}

#[test]
fn comparisons_of_what_is_undefined_do_not_hold() {
    for order in [Less, AtMost, Equal, Differs] {
        let own = constraint(&[Column(0), Column(1), Divide, Constant(1.0), order]);
        assert_eq!(own.violation(|_| 0.0), f64::INFINITY);
    }
}

#[test]
fn steps_that_make_no_condition_are_refused() {
    for steps in [
        &[Column(0)][..],
        &[Column(0), Less],
        &[Column(3), Constant(0.0), Less],
        &[],
        &[Column(0), Column(1), Less, Abs],
    ] {
        assert!(Constraint::new("it".into(), steps, 3).is_err(), "{steps:?}");
    }
}
