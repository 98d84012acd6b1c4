//! Deliberate faults, compiled only with the feature `mutants`: the oracles must catch every one.

/// A mistake that a kernel can be told to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// MALA or Barker without the reverse proposal density.
    DropReverse,
    /// MALA or Barker with the ratio of densities upside down.
    FlipRatio,
    /// Reflection with the unfolded density; Barker steps whose way back is not turned by it.
    ForgetFold,
    /// Barker steps that climb the gradient and are judged as if they fell.
    ClimbBarker,
    /// Acceptance without the temperature.
    ForgetTemperature,
    /// The noise of a step `sqrt(ητ)` instead of `sqrt(2ητ)`.
    HalveNoise,
    /// Conditional draws that ignore the intervals' masses.
    ForgetMass,
    /// Conditional draws uniform inside an interval in spite of a localizer.
    UniformInside,
    /// A random walk that accepts everything.
    AcceptAll,
    /// Conditional draws and walks that take what NaN weighs for 1.
    ForgetMissing,
    /// A random walk that folds whole numbers at their bounds instead of half a unit beyond.
    FoldWhole,
    /// Conditional draws that forget a constraint when they draw again.
    ForgetConstraint,
    /// Conditional draws from what a constraint leaves of an interval, weighed by the whole of it.
    WeighWhole,
    /// Steps of two columns against each other in proportion to where the first one is.
    SkewSlides,
    /// A random walk that proposes the first and last level half as often as others.
    SkewLevels,
    /// An independence sampler that forgets the density of its proposals.
    ForgetBase,
    /// Neighbours of a ladder that exchange rows with the ratio upside down.
    FlipSwap,
    /// Neighbours of a ladder that exchange rows and keep their energies.
    KeepEnergies,
    /// Neighbours of a ladder that exchange rows and keep the drifts that they know there.
    KeepDrifts,
    /// Neighbours of a ladder whose base measure keeps the weight of the other temperature.
    KeepBase,
    /// A probability of values below a number in place of at most that number.
    ForgetTies,
    /// Particles that move without regard to the level they have reached.
    ForgetLevel,
}

#[cfg(feature = "mutants")]
mod active {
    use super::Fault;
    use std::sync::Mutex;

    static FAULT: Mutex<Option<Fault>> = Mutex::new(None);

    /// Makes every kernel of this process commit `fault` from now on.
    pub fn commit(fault: Option<Fault>) {
        *FAULT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = fault;
    }

    pub(crate) fn is(fault: Fault) -> bool {
        *FAULT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(fault)
    }
}

#[cfg(feature = "mutants")]
pub use active::commit;

#[cfg(feature = "mutants")]
pub(crate) fn is(fault: Fault) -> bool {
    active::is(fault)
}

#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) fn is(_: Fault) -> bool {
    false
}
