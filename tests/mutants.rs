//! Deliberate faults must fail the oracles (MATH.md section 11, item 8): proof that the oracles bite.
//!
//! `cargo nextest run --features mutants --test mutants`: each test runs in a process of its own, since a
//! fault is committed by the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

mod common;

use common::ladder::{normals, occupancies};
use common::measure::{dice, small_ball};
use common::missing::{MissingModel, missing_table};
use common::mixed::{MixedModel, constrained_table, mixed_table, mixed_table_from_reference, shares};
use common::{small_tree_leaves, step_function, truncated_normal};
use sondage_core::drift::Drift;
use sondage_core::kernel::Spec;
use sondage_core::mutant::{Fault, commit};
use sondage_core::space::Boundary;

/// Above every bound of `tests/oracles.rs`, with room.
const CAUGHT: f64 = 6.0;

const WALK: Spec = Spec::RandomWalk { scale: Some(0.4) };
const MALA: Spec = Spec::Mala { step: Some(0.4), drift: Drift::Gradient, precondition: true };

const BARKER: Spec = Spec::Barker { step: Some(0.4) };

fn caught(fault: Fault, score: impl Fn() -> f64) {
    commit(Some(fault));
    let score = score().abs();
    commit(None);
    assert!(score > CAUGHT, "{fault:?} went unnoticed: {score}");
}

#[test]
fn drop_the_reverse_density() {
    caught(Fault::DropReverse, || truncated_normal(&MALA, Boundary::Reflect, 100_000, 40));
}

#[test]
fn flip_the_ratio() {
    caught(Fault::FlipRatio, || truncated_normal(&MALA, Boundary::Reflect, 100_000, 40));
}

#[test]
fn forget_the_fold() {
    caught(Fault::ForgetFold, || truncated_normal(&MALA, Boundary::Reflect, 100_000, 40));
}

#[test]
fn drop_the_reverse_density_of_barker() {
    caught(Fault::DropReverse, || truncated_normal(&BARKER, Boundary::Reject, 100_000, 40));
}

#[test]
fn flip_the_ratio_of_barker() {
    caught(Fault::FlipRatio, || truncated_normal(&BARKER, Boundary::Reject, 100_000, 40));
}

#[test]
fn climb_in_spite_of_the_ratio() {
    caught(Fault::ClimbBarker, || truncated_normal(&BARKER, Boundary::Reject, 100_000, 40));
}

#[test]
fn forget_that_reflection_turns_the_way_back() {
    caught(Fault::ForgetFold, || truncated_normal(&BARKER, Boundary::Reflect, 100_000, 40));
}

#[test]
fn forget_the_temperature() {
    caught(Fault::ForgetTemperature, || truncated_normal(&WALK, Boundary::Reject, 100_000, 40));
}

#[test]
fn mismatch_noise_and_density() {
    caught(Fault::HalveNoise, || truncated_normal(&MALA, Boundary::Reflect, 100_000, 40));
}

#[test]
fn accept_everything() {
    caught(Fault::AcceptAll, || step_function(&WALK, Boundary::Reflect, 40));
}

#[test]
fn forget_the_intervals_masses() {
    caught(Fault::ForgetMass, || small_tree_leaves(&Spec::Conditional, Boundary::Reflect, 12, false));
}

#[test]
fn draw_uniformly_in_spite_of_a_localizer() {
    caught(Fault::UniformInside, || truncated_normal(&Spec::Conditional, Boundary::Reflect, 100_000, 1));
}

#[test]
fn fold_whole_numbers_at_their_bounds() {
    caught(Fault::FoldWhole, || mixed_table(MixedModel::Trees, &WALK, Boundary::Reflect, 40));
}

#[test]
fn forget_the_density_of_draws_from_the_base_measure() {
    caught(Fault::ForgetBase, || mixed_table_from_reference(MixedModel::Trees, &Spec::Independence, 40));
}

#[test]
fn propose_levels_unequally() {
    caught(Fault::SkewLevels, || mixed_table(MixedModel::Trees, &WALK, Boundary::Reflect, 40));
}

#[test]
fn forget_what_levels_and_numbers_weigh() {
    caught(Fault::ForgetMass, || mixed_table(MixedModel::Trees, &Spec::Conditional, Boundary::Reflect, 12));
}

#[test]
fn draw_whole_numbers_uniformly_in_spite_of_a_localizer() {
    caught(Fault::UniformInside, || {
        mixed_table(MixedModel::Trees, &Spec::Conditional, Boundary::Reflect, 12)
    });
}

#[test]
fn draw_again_without_the_constraint() {
    caught(Fault::ForgetConstraint, || {
        constrained_table(MixedModel::Trees, &Spec::Conditional, Boundary::Reflect, 6)
    });
}

#[test]
fn draw_missing_values_without_their_weight() {
    caught(Fault::ForgetMissing, || {
        missing_table(MissingModel::Trees, &Spec::Conditional, Boundary::Reflect, 6)
    });
}

#[test]
fn weigh_all_of_an_interval_that_is_cut() {
    caught(Fault::WeighWhole, || {
        constrained_table(MixedModel::Trees, &Spec::Conditional, Boundary::Reflect, 12)
    });
}

#[test]
fn slide_further_from_one_side() {
    caught(Fault::SkewSlides, || shares(&WALK, 600));
}

#[test]
fn exchange_rows_with_the_ratio_upside_down() {
    caught(Fault::FlipSwap, || occupancies(&WALK, false, 8_000, 100));
}

#[test]
fn exchange_rows_without_their_energies() {
    caught(Fault::KeepEnergies, || occupancies(&WALK, true, 8_000, 100));
}

#[test]
fn exchange_rows_without_their_drifts() {
    let mala = Spec::Mala { step: Some(0.5), drift: Drift::Gradient, precondition: true };
    caught(Fault::KeepDrifts, || normals(&mala, 40_000, 60));
    caught(Fault::KeepDrifts, || normals(&Spec::Barker { step: Some(0.5) }, 90_000, 60));
}

#[test]
fn exchange_rows_with_the_weight_of_the_other_base_measure() {
    caught(Fault::KeepBase, || occupancies(&WALK, true, 8_000, 100));
}

#[test]
fn leap_to_missing_values_without_their_weight() {
    caught(Fault::ForgetMissing, || missing_table(MissingModel::Trees, &WALK, Boundary::Reflect, 40));
}

#[test]
fn count_what_is_below_a_level_and_not_what_is_at_it() {
    caught(Fault::ForgetTies, || dice(6, 10).0);
}

#[test]
fn move_particles_without_regard_to_the_level() {
    caught(Fault::ForgetLevel, || small_ball(1e-8, 3).0);
}
