//! Kernels on spaces of integer, level and continuous columns, against the whole table (MATH.md section 11, item 5).
//!
//! Bounds: a χ² score (as a normal one) above 4 has probability 3e-5. Seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use common::{MixedModel, mixed_table};
use sondage_core::drift::Drift;
use sondage_core::kernel::Spec;
use sondage_core::space::Boundary;

const Z: f64 = 4.0;

fn walk(scale: f64) -> Spec {
    Spec::RandomWalk { scale: Some(scale) }
}

fn cycle(kernels: Vec<Spec>) -> Spec {
    let repeats = vec![1; kernels.len()];
    Spec::Cycle { kernels, repeats }
}

#[test]
fn trees_on_mixed_columns() {
    let kernels = [
        (Spec::Conditional, 6),
        (walk(0.4), 40),
        (cycle(vec![Spec::Conditional, walk(0.5)]), 6),
        (Spec::Mixture { kernels: vec![Spec::Conditional, walk(0.3)], weights: vec![1.0, 2.0] }, 12),
    ];
    for (spec, steps) in kernels {
        for boundary in [Boundary::Reflect, Boundary::Reject] {
            let z = mixed_table(MixedModel::Trees, &spec, boundary, steps);
            assert!(z < Z, "{spec:?} {boundary:?}: {z}");
        }
    }
}

#[test]
fn smooth_models_on_mixed_columns() {
    let mala = Spec::Mala { step: Some(0.2), drift: Drift::Gradient, precondition: true };
    let kernels = [
        (walk(0.4), 40),
        (cycle(vec![Spec::Conditional, mala.clone()]), 10),
        (cycle(vec![Spec::Conditional, mala, walk(0.5)]), 8),
    ];
    for (spec, steps) in kernels {
        for boundary in [Boundary::Reflect, Boundary::Reject] {
            let z = mixed_table(MixedModel::Smooth, &spec, boundary, steps);
            assert!(z < Z, "{spec:?} {boundary:?}: {z}");
        }
    }
}
