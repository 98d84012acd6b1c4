//! The state of a run as bytes, from which it goes on as if it had never stopped.
//!
//! What a run holds is passed through a [`Codec`], which writes it or puts what was written in its place: one
//! description of a type serves both ways. It takes types apart field by field, so that a new field does not compile
//! until it is saved or said to be scratch. Numbers are little-endian; every length and position is checked on reading.

use crate::error::{Error, Result};
use crate::simd::{LANES, Lanes};

/// Where states are written to or read from.
pub(crate) enum Codec<'a> {
    Write(Vec<u8>),
    Read(&'a [u8]),
}

/// A part of a run's state.
pub(crate) trait Saved {
    /// Writes the value, or replaces it by what was written.
    ///
    /// # Errors
    /// [`Error::Sampling`] for bytes that no such value has written; it may then be replaced in part.
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()>;
}

/// What is wrong with bytes that cannot be a state of this run.
pub(crate) fn foreign(what: &str) -> Error {
    Error::Sampling(format!("not a state of this run: {what}"))
}

impl Codec<'_> {
    pub(crate) fn reads(&self) -> bool {
        matches!(self, Codec::Read(_))
    }

    fn bytes<const N: usize>(&mut self, value: [u8; N]) -> Result<[u8; N]> {
        match self {
            Codec::Write(out) => {
                out.extend_from_slice(&value);
                Ok(value)
            }
            Codec::Read(left) => {
                let (&head, rest) = left.split_first_chunk().ok_or_else(|| foreign("it ends early"))?;
                *left = rest;
                Ok(head)
            }
        }
    }

    /// A number that the run knows by itself.
    pub(crate) fn same(&mut self, value: u64, what: &str) -> Result<()> {
        let mut kept = value;
        kept.pass(self)?;
        if kept == value { Ok(()) } else { Err(foreign(&format!("{kept} {what} instead of {value}"))) }
    }

    /// A whole number of at most `most`.
    pub(crate) fn count(&mut self, value: &mut usize, most: usize) -> Result<()> {
        let mut kept = *value as u64;
        kept.pass(self)?;
        match usize::try_from(kept) {
            Ok(kept) if kept <= most => *value = kept,
            _ => return Err(foreign(&format!("{kept} where at most {most} can be"))),
        }
        Ok(())
    }

    /// Values whose number changes as a run goes, at most `most`.
    pub(crate) fn list<T: Saved + Clone>(
        &mut self,
        values: &mut Vec<T>,
        blank: &T,
        most: usize,
    ) -> Result<()> {
        let mut n = values.len();
        self.count(&mut n, most)?;
        values.resize(n, blank.clone());
        values.iter_mut().try_for_each(|value| value.pass(self))
    }

    /// # Errors
    /// [`Error::Sampling`] where there is more to read.
    pub(crate) fn end(&self) -> Result<()> {
        match self {
            Codec::Read(left) if !left.is_empty() => Err(foreign("it goes on after its end")),
            _ => Ok(()),
        }
    }
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Saved for $kind {
            fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
                *self = <$kind>::from_le_bytes(codec.bytes(self.to_le_bytes())?);
                Ok(())
            }
        }
    )*};
}
numbers!(u8, u64, u128, f64);

impl Saved for bool {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut kept = usize::from(*self);
        codec.count(&mut kept, 1)?;
        *self = kept == 1;
        Ok(())
    }
}

impl<T: Saved, const N: usize> Saved for [T; N] {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        self.iter_mut().try_for_each(|value| value.pass(codec))
    }
}

impl<T: Saved> Saved for Lanes<T> {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        debug_assert_eq!(self.0.len(), LANES);
        self.0.pass(codec)
    }
}

/// As many as the run has.
impl<T: Saved> Saved for Vec<T> {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        codec.same(self.len() as u64, "values")?;
        self.iter_mut().try_for_each(|value| value.pass(codec))
    }
}

impl<T: Saved + Default> Saved for Option<T> {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut some = self.is_some();
        some.pass(codec)?;
        if !some {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().pass(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &mut impl Saved) -> Vec<u8> {
        let mut codec = Codec::Write(Vec::new());
        value.pass(&mut codec).unwrap();
        let Codec::Write(bytes) = codec else { unreachable!() };
        bytes
    }

    #[test]
    fn values_come_back_bit_by_bit() {
        let numbers = vec![f64::NAN, -0.0, f64::INFINITY, 0.1, f64::MIN_POSITIVE / 2.0];
        let bytes = written(&mut numbers.clone());
        let mut back = vec![0.0; 5];
        let mut codec = Codec::Read(&bytes);
        back.pass(&mut codec).unwrap();
        codec.end().unwrap();
        let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&numbers));
        let bytes = written(&mut vec![Some(u64::MAX), None]);
        let mut back = vec![None, Some(3)];
        back.pass(&mut Codec::Read(&bytes)).unwrap();
        assert_eq!(back, [Some(u64::MAX), None]);
        let bytes = written(&mut Lanes([true, false, true, true, false, false, false, true]));
        let mut back = Lanes::splat(false);
        back.pass(&mut Codec::Read(&bytes)).unwrap();
        assert_eq!(back.0, [true, false, true, true, false, false, false, true]);
    }

    #[test]
    fn other_lengths_and_positions_are_refused() {
        let bytes = written(&mut vec![1_u64, 2]);
        assert!(vec![0_u64; 3].pass(&mut Codec::Read(&bytes)).is_err());
        assert!(vec![0_u64; 2].pass(&mut Codec::Read(&bytes[..bytes.len() - 1])).is_err());
        let mut codec = Codec::Read(&bytes);
        assert!(codec.same(2, "values").is_ok() && codec.end().is_err());
        let mut value = 0;
        assert!(codec.count(&mut value, 0).is_err());
        assert!(codec.count(&mut value, 2).is_ok() && value == 2 && codec.end().is_ok());
        let mut most = u64::MAX;
        let huge = written(&mut most);
        assert!(Codec::Read(&huge).list(&mut vec![0_u64], &0, 10).is_err());
        assert!(true.pass(&mut Codec::Read(&huge)).is_err());
    }
}
