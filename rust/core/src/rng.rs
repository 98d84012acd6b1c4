//! Random streams: one ChaCha8 stream per (purpose, chain) under the run's 256-bit key, so that no draw
//! depends on threads, blocks, other chains, or what other purposes consume.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::checkpoint::{Codec, Saved};
use crate::error::Result;

/// What a stream's numbers decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    Start = 0,
    Propose = 1,
    Accept = 2,
    /// Directions of the smoothed gradient.
    Noise = 3,
    /// Which kernel of a mixture moves; one stream for all chains.
    Schedule = 4,
    /// Whether neighbours of a ladder of temperatures exchange their rows.
    Swap = 5,
    /// The key of the run that places the temperatures of a ladder.
    Pilot = 6,
    /// Rows of the base measure, for comparison.
    Base = 7,
}

/// Where the streams of a ladder's rungs lie among those of chains; the coldest rung has the chains' own.
pub(crate) fn at_rung(rung: usize, chain: u64) -> u64 {
    (rung as u64) << 40 | chain
}

/// A stream of uniform and normal numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

/// The stream of `chain` for `purpose`; chains are numbered below 2^48.
pub fn stream(key: &[u8; 32], purpose: Purpose, chain: u64) -> Stream {
    let mut rng = ChaCha8Rng::from_seed(*key);
    rng.set_stream((purpose as u64) << 48 | chain);
    Stream(rng)
}

impl Stream {
    /// Uniform on `[0, 1)`, 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// The key of other streams.
    pub(crate) fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.0.fill_bytes(&mut key);
        key
    }

    /// Standard normal.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }
}

/// The position: which stream it is, the run knows.
impl Saved for Stream {
    fn pass(&mut self, codec: &mut Codec<'_>) -> Result<()> {
        let mut position = self.0.get_word_pos();
        position.pass(codec)?;
        if codec.reads() {
            self.0.set_word_pos(position);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_go_on_from_any_position() {
        let mut rng = stream(&[4; 32], Purpose::Accept, 9);
        for k in 0..300 {
            let mut codec = Codec::Write(Vec::new());
            rng.pass(&mut codec).unwrap();
            let Codec::Write(bytes) = codec else { unreachable!() };
            let (mut copy, mut back) = (rng.clone(), stream(&[4; 32], Purpose::Accept, 9));
            back.uniform();
            back.pass(&mut Codec::Read(&bytes)).unwrap();
            for _ in 0..40 {
                assert_eq!(back.normal().to_bits(), copy.normal().to_bits(), "from {k}");
            }
            assert_eq!(back.uniform().to_bits(), copy.uniform().to_bits());
            if k % 3 == 0 {
                rng.normal();
            } else {
                rng.uniform();
            }
        }
    }

    #[test]
    fn golden_numbers() {
        let mut rng = stream(&[1; 32], Purpose::Propose, 3);
        let got: Vec<f64> = (0..3).map(|_| rng.uniform()).collect();
        assert_eq!(got, GOLDEN, "changing the streams changes every answer: bump the version and say so");
    }

    const GOLDEN: [f64; 3] = [0.483_260_110_608_186_63, 0.075_402_524_008_498_67, 0.417_582_508_926_356_6];

    #[test]
    fn purposes_and_chains_do_not_share_a_stream() {
        let mut heads: Vec<u64> = Vec::new();
        for purpose in [
            Purpose::Start,
            Purpose::Propose,
            Purpose::Accept,
            Purpose::Noise,
            Purpose::Schedule,
            Purpose::Swap,
            Purpose::Pilot,
            Purpose::Base,
        ] {
            for chain in 0..50 {
                for rung in [0, 1, 254] {
                    heads.push(stream(&[9; 32], purpose, at_rung(rung, chain)).uniform().to_bits());
                }
            }
        }
        heads.sort_unstable();
        heads.dedup();
        assert_eq!(heads.len(), 8 * 50 * 3);
    }
}
