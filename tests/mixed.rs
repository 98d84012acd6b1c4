//! Kernels on spaces of integer, level and continuous columns, against the whole table (MATH.md section 11, item 5).
//!
//! Bounds: a χ² score (as a normal one) above 4 has probability 3e-5. Seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use std::sync::Arc;

use common::mixed::{MixedModel, mixed_table, mixed_table_from_reference};
use common::{chi_square, sample, settings};
use sondage_core::drift::{Drift, Noise};
use sondage_core::kernel::Spec;
use sondage_core::model::Graph;
use sondage_core::model::graph::{Feature, Op, Step};
use sondage_core::question::{Energy, Loss, Parts, Term};
use sondage_core::space::{Boundary, Bounds, Kind};

const Z: f64 = 4.0;

const BARKER: Spec = Spec::Barker { step: Some(0.2) };

fn walk(scale: f64) -> Spec {
    Spec::RandomWalk { scale: Some(scale) }
}

fn smoothed() -> Spec {
    let drift = Drift::Smoothed { sigma: Some(0.2), directions: 4, noise: Noise::Shared };
    Spec::Mala { step: Some(0.3), drift, precondition: true }
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
        (Spec::Independence, 40),
        (cycle(vec![Spec::Conditional, walk(0.5)]), 6),
        (Spec::Mixture { kernels: vec![Spec::Conditional, walk(0.3)], weights: vec![1.0, 2.0] }, 12),
        (cycle(vec![Spec::Conditional, smoothed()]), 8),
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
        (cycle(vec![Spec::Conditional, BARKER]), 10),
    ];
    for (spec, steps) in kernels {
        for boundary in [Boundary::Reflect, Boundary::Reject] {
            let z = mixed_table(MixedModel::Smooth, &spec, boundary, steps);
            assert!(z < Z, "{spec:?} {boundary:?}: {z}");
        }
    }
}

#[test]
fn rows_from_a_reference() {
    let mala = Spec::Mala { step: Some(0.2), drift: Drift::Gradient, precondition: true };
    let kernels = [
        (MixedModel::Trees, Spec::Conditional, 6),
        (MixedModel::Trees, Spec::Independence, 40),
        (MixedModel::Trees, cycle(vec![Spec::Conditional, smoothed()]), 8),
        (MixedModel::Smooth, walk(0.4), 40),
        (MixedModel::Smooth, Spec::Independence, 40),
        (MixedModel::Smooth, cycle(vec![Spec::Conditional, mala, Spec::Independence]), 8),
        (MixedModel::Smooth, cycle(vec![Spec::Conditional, BARKER]), 12),
    ];
    for (model, spec, steps) in kernels {
        let z = mixed_table_from_reference(model, &spec, steps);
        assert!(z < Z, "{model:?} {spec:?}: {z}");
    }
}

/// `ln(1 + k)` is NaN below −1 and −∞ at it.
#[test]
fn values_where_a_model_fails_are_never_drawn_and_counted() {
    let feature = Feature::Chain { column: 0, steps: vec![Step::Log1p] };
    let graph = Graph::new(1, vec![Op::Row, Op::Encode(vec![feature])]).unwrap();
    let bounds = Bounds::new(vec![-3.0], vec![2.0]).unwrap().with_kinds(vec![Kind::Integer]).unwrap();
    let energy = Energy::new(Parts {
        models: vec![Arc::new(graph)],
        columns: vec![vec![0]],
        terms: vec![Term::new(1.0, 0, 1, Loss::Value)],
        ..Parts::on(bounds)
    })
    .unwrap();
    let sample = sample(energy, &Spec::Conditional, settings(vec![0.0; 6000], 1, 1, 3));
    assert!(sample.nonfinite.iter().all(|&n| n == 3), "{:?}", &sample.nonfinite[..3]);
    let counts = [0.0, 1.0, 2.0].map(|k| sample.draws.iter().filter(|&&x| x == k).count() as f64);
    // exp(−ln(1 + k)) = 1 / (1 + k).
    assert!(chi_square(&counts, &[1.0, 0.5, 1.0 / 3.0]) < Z, "{counts:?}");
    assert_eq!(counts.iter().sum::<f64>(), 6000.0);
}
