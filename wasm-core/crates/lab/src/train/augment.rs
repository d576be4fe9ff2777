//! How a window is changed each time it is seen, so that a head learns what stays.

use crate::random::Random;

/// Changes, each switched off by 0 or `false`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Starts a window anywhere inside its stretch.
    pub shift: bool,
    /// Multiplies a window by `1 + s`, `s` in `-scale .. scale`.
    pub scale: f32,
    /// Adds noise of up to this many standard deviations of the feature.
    pub noise: f32,
    /// Replaces the band, with its differences, by the mean, with this probability.
    pub drop: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self { shift: true, scale: 0.3, noise: 0.3, drop: 0.15 }
    }
}

impl Augment {
    /// No change.
    pub const NONE: Self = Self { shift: false, scale: 0.0, noise: 0.0, drop: 0.0 };

    /// Draws where a window starts.
    pub fn start(
        &self,
        start: usize,
        room: &core::ops::Range<usize>,
        random: &mut Random,
    ) -> usize {
        if self.shift { room.start + random.below(room.len()) } else { start }
    }

    /// Changes a window's amplitude, before it is normalised.
    pub fn rescale(&self, rows: &mut [f32], random: &mut Random) {
        if self.scale > 0.0 {
            let factor = 1.0 + self.scale * random.signed();
            rows.iter_mut().for_each(|number| *number *= factor);
        }
    }

    /// Changes a normalised window, `[len][dim]`, whose columns repeat every `bands`.
    pub fn disturb(&self, rows: &mut [f32], dim: usize, bands: usize, random: &mut Random) {
        if self.noise > 0.0 {
            let level = self.noise * random.unit();
            rows.iter_mut().for_each(|number| *number += level * random.normal());
        }
        if self.drop > 0.0 {
            for band in 0..bands {
                if random.unit() < self.drop {
                    for row in rows.chunks_exact_mut(dim) {
                        row[band..].iter_mut().step_by(bands).for_each(|number| *number = 0.0);
                    }
                }
            }
        }
    }
}
