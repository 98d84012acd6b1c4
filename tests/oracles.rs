//! Every kernel and boundary against exact answers (MATH.md section 11, items 3, 4 and 6).
//!
//! Bounds: a Kolmogorov score above 2.2 has probability 1.3e-4, a |z| above 4 has 6e-5. Seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common;

use common::{small_tree_leaves, step_function, truncated_laplace, truncated_normal};
use sondage_core::drift::{Drift, Noise};
use sondage_core::kernel::Spec;
use sondage_core::space::Boundary;

const KOLMOGOROV: f64 = 2.2;
const Z: f64 = 4.0;

fn walk(scale: f64) -> Spec {
    Spec::RandomWalk { scale: Some(scale) }
}

fn mala(step: f64, drift: Drift) -> Spec {
    Spec::Mala { step: Some(step), drift, precondition: true }
}

fn barker(step: f64) -> Spec {
    Spec::Barker { step: Some(step) }
}

fn smoothed(noise: Noise) -> Drift {
    Drift::Smoothed { sigma: Some(0.2), directions: 4, noise }
}

#[test]
fn truncated_normal_by_random_walk() {
    for boundary in [Boundary::Reflect, Boundary::Reject] {
        let score = truncated_normal(&walk(0.4), boundary, 100_000, 30);
        assert!(score < KOLMOGOROV, "{boundary:?}: {score}");
    }
}

#[test]
fn truncated_normal_by_mala() {
    for boundary in [Boundary::Reflect, Boundary::Reject] {
        let score = truncated_normal(&mala(0.4, Drift::Gradient), boundary, 100_000, 20);
        assert!(score < KOLMOGOROV, "{boundary:?}: {score}");
    }
}

#[test]
fn truncated_normal_by_barker() {
    for boundary in [Boundary::Reflect, Boundary::Reject] {
        // At the longest step, most proposals are reflected, and many of them twice.
        for step in [0.1, 0.5, 4.0] {
            let score = truncated_normal(&barker(step), boundary, 100_000, 25);
            assert!(score < KOLMOGOROV, "{boundary:?} {step}: {score}");
        }
    }
    assert!(barker(0.1).exact(Boundary::Reflect) && barker(0.1).exact(Boundary::Reject));
    assert!(!barker(0.1).exact(Boundary::Clip));
}

#[test]
fn truncated_normal_by_mala_with_estimated_drift() {
    for noise in [Noise::Shared, Noise::Frozen] {
        let score = truncated_normal(&mala(0.4, smoothed(noise)), Boundary::Reflect, 40_000, 20);
        assert!(score < KOLMOGOROV, "{noise:?}: {score}");
    }
}

#[test]
fn truncated_normal_by_conditional_draws() {
    let score = truncated_normal(&Spec::Conditional, Boundary::Reflect, 100_000, 1);
    assert!(score < KOLMOGOROV, "{score}");
}

#[test]
fn truncated_normal_by_a_mixture() {
    let kernels = vec![walk(0.4), mala(0.3, Drift::Gradient), barker(0.3), Spec::Conditional];
    let spec = Spec::Mixture { kernels, weights: vec![2.0, 1.0, 1.0, 0.1] };
    let score = truncated_normal(&spec, Boundary::Reflect, 100_000, 15);
    assert!(score < KOLMOGOROV, "{score}");
}

#[test]
fn clipping_is_not_invariant() {
    for spec in [walk(0.4), barker(0.4)] {
        let score = truncated_normal(&spec, Boundary::Clip, 100_000, 30);
        assert!(score > 10.0, "the papers' rule puts mass on the bounds: {spec:?} {score}");
    }
}

#[test]
fn laplace_shape() {
    for (spec, steps) in
        [(walk(0.4), 30), (mala(0.05, Drift::Gradient), 30), (barker(0.2), 30), (Spec::Conditional, 1)]
    {
        let score = truncated_laplace(&spec, steps);
        assert!(score < KOLMOGOROV, "{spec:?}: {score}");
    }
}

fn tree_kernels() -> Vec<(Spec, u64)> {
    vec![
        (walk(0.4), 30),
        (Spec::Conditional, 6),
        (mala(0.3, Drift::ClosedForm { sigma: Some(0.3) }), 10),
        (mala(0.3, smoothed(Noise::Shared)), 10),
        (mala(0.3, smoothed(Noise::Frozen)), 10),
        (Spec::Mixture { kernels: vec![walk(0.4), Spec::Conditional], weights: vec![1.0, 1.0] }, 15),
        (Spec::Cycle { kernels: vec![walk(0.4), Spec::Conditional], repeats: vec![2, 1] }, 8),
    ]
}

#[test]
fn step_function_occupancy() {
    for (spec, steps) in tree_kernels() {
        for boundary in [Boundary::Reflect, Boundary::Reject] {
            let z = step_function(&spec, boundary, steps);
            assert!(z.abs() < Z, "{spec:?} {boundary:?}: z = {z}");
        }
    }
}

#[test]
fn leaf_occupancies_of_a_small_tree() {
    for (spec, steps) in tree_kernels() {
        for localized in [false, true] {
            for boundary in [Boundary::Reflect, Boundary::Reject] {
                let z = small_tree_leaves(&spec, boundary, steps, localized);
                assert!(z < Z, "{spec:?} {boundary:?} localized {localized}: {z}");
            }
        }
    }
}

#[test]
fn the_papers_rule_of_fresh_noise_is_biased_and_says_so() {
    let spec = mala(0.4, smoothed(Noise::Fresh));
    assert!(!spec.exact(Boundary::Reflect));
    let score = truncated_normal(&spec, Boundary::Reflect, 40_000, 20);
    assert!(score > 10.0, "{score}");
}
