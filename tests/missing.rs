//! Kernels on columns whose values may be missing, against the whole table.
//!
//! Bounds: a χ² score (as a normal one) above 4 has probability 3e-5. Seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use common::missing::{MissingModel, missing_table};
use sondage_core::drift::{Drift, Noise};
use sondage_core::error::Error;
use sondage_core::kernel::Spec;
use sondage_core::question::{Energy, Localizer, Parts};
use sondage_core::space::{Boundary, Bounds, Kind};

const Z: f64 = 4.0;
const WALK: Spec = Spec::RandomWalk { scale: Some(0.4) };

fn cycle(kernels: Vec<Spec>) -> Spec {
    let repeats = vec![1; kernels.len()];
    Spec::Cycle { kernels, repeats }
}

#[test]
fn trees_on_columns_that_may_be_missing() {
    let smoothed = Drift::Smoothed { sigma: Some(0.2), directions: 4, noise: Noise::Shared };
    let mala = Spec::Mala { step: Some(0.3), drift: smoothed, precondition: true };
    let kernels = [
        (Spec::Conditional, 6),
        (WALK, 40),
        (Spec::Independence, 40),
        (cycle(vec![Spec::Conditional, WALK, mala]), 6),
    ];
    for (spec, steps) in kernels {
        for boundary in [Boundary::Reflect, Boundary::Reject] {
            let z = missing_table(MissingModel::Trees, &spec, boundary, steps);
            assert!(z < Z, "{spec:?} {boundary:?}: {z}");
        }
    }
}

#[test]
fn models_that_impute_on_columns_that_may_be_missing() {
    let mala = Spec::Mala { step: Some(0.2), drift: Drift::Gradient, precondition: true };
    let barker = Spec::Barker { step: Some(0.2) };
    for (spec, steps) in [
        (WALK, 40),
        (cycle(vec![mala, WALK, Spec::Conditional]), 20),
        (cycle(vec![barker, WALK, Spec::Conditional]), 20),
    ] {
        let z = missing_table(MissingModel::Imputed, &spec, Boundary::Reflect, steps);
        assert!(z < Z, "{spec:?}: {z}");
    }
}

#[test]
fn steps_along_gradients_leave_columns_that_may_be_missing() {
    let bounds = Bounds::new(vec![0.0; 2], vec![1.0; 2]).unwrap().with_missing(vec![0.0, 0.3]).unwrap();
    assert_eq!(bounds.continuous(), [0]);
    assert!(bounds.holds(1, f64::NAN) && !bounds.holds(0, f64::NAN));
    let energy = Energy::new(Parts::on(bounds)).unwrap();
    let mala = Spec::Mala { step: None, drift: Drift::Gradient, precondition: true };
    for kernel in [mala, Spec::Barker { step: None }] {
        assert_eq!(kernel.leaves(&energy), Some(1));
        assert_eq!(cycle(vec![kernel, WALK]).leaves(&energy), None);
    }
}

#[test]
fn nan_has_a_weight_where_numbers_move_and_nowhere_else() {
    let bounds = || {
        let kinds = vec![Kind::Continuous, Kind::Level, Kind::Integer];
        Bounds::new(vec![0.0, 0.0, 2.0], vec![1.0, 2.0, 2.0]).unwrap().with_kinds(kinds).unwrap()
    };
    for weights in [
        vec![0.0; 2],
        vec![-1.0, 0.0, 0.0],
        vec![f64::NAN, 0.0, 0.0],
        vec![0.0, 1.0, 0.0],
        vec![0.0, 0.0, 1.0],
    ] {
        assert!(matches!(bounds().with_missing(weights), Err(Error::Space(_))));
    }
    let localizers = vec![Localizer::new(1.0, 2, vec![f64::NAN, 0.0, 2.0], vec![1.0; 3]).unwrap()];
    let parts = Parts { localizers, ..Parts::on(bounds()) };
    assert!(matches!(Energy::new(parts.clone()), Err(Error::Question(_))));
    let bounds = bounds().with_missing(vec![0.5, 0.0, 0.0]).unwrap();
    assert!(Energy::new(Parts { bounds, ..parts }).is_ok());
}
