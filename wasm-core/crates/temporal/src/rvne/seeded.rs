//! Weights made from a seed.

use alloc::vec::Vec;

use super::{BlobError, Dtype, HeadShape, Trailer, WeightBlob};
use crate::half;

/// The seed used where none is given.
pub const DEFAULT_SEED: u64 = 0xC511_0007_DEAD_BEEF;

/// The most weights that [`WeightBlob::seeded`] makes: 64 MiB of f32, four times a node's flash.
/// A shape is typed in by a person, and a slip of the finger must not fill the memory.
pub const MAX_SEEDED_WEIGHTS: usize = 1 << 24;

impl WeightBlob {
    /// Makes a blob with weights in `[-0.1, 0.1]` and no trailer. The same shape, seed and dtype
    /// give the same bytes on every target.
    ///
    /// The generator is xorshift64* (shifts left 13, right 7, left 17; multiplier
    /// 2685821657736338717). Each weight takes the high half `u` of one product, in `f32`:
    /// `(u / 4294967296 - 0.5) * 0.2`. For f16 the result is then rounded.
    ///
    /// # Errors
    ///
    /// As [`HeadShape::validate`]; [`BlobError::ShapeTooLarge`] above [`MAX_SEEDED_WEIGHTS`];
    /// [`BlobError::ZeroSeed`].
    pub fn seeded(shape: HeadShape, seed: u64, dtype: Dtype) -> Result<Self, BlobError> {
        shape.validate()?;
        let count = shape.weight_count()?;
        if count > MAX_SEEDED_WEIGHTS {
            let (weights, limit) = (count as u64, MAX_SEEDED_WEIGHTS as u64);
            return Err(BlobError::ShapeTooLarge { weights, limit });
        }
        if seed == 0 {
            return Err(BlobError::ZeroSeed);
        }
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let high = (state.wrapping_mul(2_685_821_657_736_338_717) >> 32) as u32;
            let weight = (high as f32 / u32::MAX as f32 - 0.5) * 0.2;
            match dtype {
                Dtype::F32 => weight,
                Dtype::F16 => half::f16_to_f32(half::f32_to_f16(weight)),
            }
        };
        let weights: Vec<f32> = (0..count).map(|_| next()).collect();
        Ok(Self { shape, dtype, weights, trailer: Trailer::default() })
    }
}
