//! From what the models give to G, for eight rows in lanes.

use super::Energy;
use crate::model::tree::Slice;
use crate::question::program::{OfSums, Place};
use crate::simd::{Lanes, Op, Simd};

impl Energy {
    #[inline(always)]
    fn models_part<S: Simd>(&self, s: S, sums: &[Lanes<u64>], values: &[Lanes<f64>]) -> S::F {
        let mut g = s.splat(0.0);
        for (term, places) in self.parts.terms.iter().zip(&self.places) {
            let second = &values[places.second.clone()];
            let loss = match &places.first {
                Place::Slots { first, n } => {
                    let outputs =
                        OfSums { forest: &self.forest, first: *first, sums: &sums[*first..first + n] };
                    term.loss.value(s, &outputs, second)
                }
                Place::Values(range) => term.loss.value(s, &&values[range.clone()], second),
            };
            g = s.mul_add(s.splat(term.weight), loss, g);
        }
        g
    }
}

pub(super) struct AtSums<'a> {
    pub(super) energy: &'a Energy,
    pub(super) x: &'a [Lanes<f64>],
    pub(super) sums: &'a [Lanes<u64>],
    pub(super) values: &'a [Lanes<f64>],
}

impl Op for AtSums<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let mut g = self.energy.models_part(s, self.sums, self.values);
        for localizer in &self.energy.parts.localizers {
            g = s.add(g, localizer.value(s, self.x));
        }
        let mut out = Lanes::splat(0.0);
        s.store(g, &mut out);
        out
    }
}

pub(super) struct ModelsPart<'a> {
    pub(super) energy: &'a Energy,
    pub(super) sums: &'a [Lanes<u64>],
    pub(super) values: &'a [Lanes<f64>],
}

impl Op for ModelsPart<'_> {
    type Output = Lanes<f64>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Lanes<f64> {
        let mut out = Lanes::splat(0.0);
        s.store(self.energy.models_part(s, self.sums, self.values), &mut out);
        out
    }
}

pub(super) struct OnSlice<'a> {
    pub(super) energy: &'a Energy,
    pub(super) slice: &'a Slice,
    pub(super) energies: &'a mut Vec<Lanes<f64>>,
}

impl Op for OnSlice<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let OnSlice { energy, slice, energies } = self;
        let n_slots = energy.forest.n_slots();
        energies.clear();
        energies.resize(slice.len(), Lanes::splat(0.0));
        for (e, g) in energies.iter_mut().enumerate() {
            let sums = &slice.sums[e * n_slots..(e + 1) * n_slots];
            s.store(energy.models_part(s, sums, &[]), g);
        }
    }
}
