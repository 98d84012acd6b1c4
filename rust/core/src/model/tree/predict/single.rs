//! Rows one at a time, many trees at once.

use super::super::arrays::TreeEnsemble;
use super::finish;
use super::tiles::{Tiles, leaf_number};

/// Outputs that are summed in a register.
const FEW_OUTPUTS: usize = 8;

/// # Safety
/// The CPU must have what `isa::is_wide` checks.
pub(super) unsafe fn predict(model: &TreeEnsemble, tiles: &Tiles, rows: &[f64], out: &mut [f64]) {
    let (d, k) = (model.n_features(), model.n_outputs());
    let parts = model.parts();
    let last = model.base_last();
    for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(k)) {
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            let start = if last { 0.0 } else { base };
            *out = if parts.float32 { f64::from(start as f32) } else { start };
        }
        let values = &tiles.values[..];
        // SAFETY: by the caller; a row has every column of the model.
        unsafe {
            match &mut *out {
                [out] if parts.float32 => {
                    let mut sum = *out as f32;
                    super::avx_tiles::leaves(tiles, row, |_, leaves| {
                        for &leaf in leaves {
                            sum += values[leaf_number(leaf)] as f32;
                        }
                    });
                    *out = f64::from(sum);
                }
                [out] => {
                    let mut sum = *out;
                    super::avx_tiles::leaves(tiles, row, |_, leaves| {
                        for &leaf in leaves {
                            sum += values[leaf_number(leaf)];
                        }
                    });
                    *out = sum;
                }
                out if model.width == k && k <= FEW_OUTPUTS && !parts.float32 => {
                    let mut sums = [0.0; FEW_OUTPUTS];
                    sums[..k].copy_from_slice(out);
                    super::avx_tiles::leaves(tiles, row, |_, leaves| {
                        for &leaf in leaves {
                            let values = &values[leaf_number(leaf) * k..][..FEW_OUTPUTS];
                            for (sum, value) in sums.iter_mut().zip(values) {
                                *sum += value;
                            }
                        }
                    });
                    out.copy_from_slice(&sums[..k]);
                }
                out => super::avx_tiles::leaves(tiles, row, |first, leaves| {
                    let width = model.width;
                    for (&leaf, &output) in leaves.iter().zip(&model.first_output[first..]) {
                        let values = &values[leaf_number(leaf) * width..][..width];
                        for (out, &value) in out[output as usize..].iter_mut().zip(values) {
                            *out = if parts.float32 {
                                f64::from(*out as f32 + value as f32)
                            } else {
                                *out + value
                            };
                        }
                    }
                }),
            }
        }
        for (out, &base) in out.iter_mut().zip(&parts.base) {
            *out = finish(parts.float32, last, *out, parts.divisor, base);
        }
    }
}
