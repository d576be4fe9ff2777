//! One CSI frame, borrowed from whoever stores it, and the two numbers taken from a pair.
//!
//! A pair is the two numbers of one subcarrier, **imaginary part first**, as Espressif's driver
//! writes them. Which subcarrier a pair position stands for is not known here: that is decided
//! where the recording is read.

/// One CSI frame.
#[derive(Clone, Copy, Debug)]
pub struct CsiFrame<'a> {
    /// When it was received, in microseconds of any fixed clock.
    pub time_micros: i64,
    /// What was received.
    pub values: CsiValues<'a>,
    /// Received signal strength in dBm, if the source tells.
    pub rssi_dbm: Option<i8>,
}

/// The numbers of one frame, in the type in which they were stored.
#[derive(Clone, Copy, Debug)]
pub enum CsiValues<'a> {
    /// Pairs `imag, real` of one byte each.
    Iq8(&'a [i8]),
    /// Pairs `imag, real` of 16 bits each.
    Iq16(&'a [i16]),
    /// Pairs `imag, real` of floats.
    IqF32(&'a [f32]),
    /// One amplitude a subcarrier; the phase was not recorded.
    Amplitude(&'a [f32]),
    /// The nine floats of packet `0xC511_0006`: no CSI, but features made on the node.
    FeatureState(&'a [f32]),
}

impl CsiValues<'_> {
    /// Returns how many pairs there are; for amplitudes and feature states, how many numbers.
    /// Half a pair at the end does not count.
    pub const fn pairs(&self) -> usize {
        match self {
            Self::Iq8(values) => values.len() / 2,
            Self::Iq16(values) => values.len() / 2,
            Self::IqF32(values) => values.len() / 2,
            Self::Amplitude(values) | Self::FeatureState(values) => values.len(),
        }
    }

    /// Returns the amplitude at position `pair`: `sqrt(real^2 + imag^2)`, in that order and in
    /// `f32`, with [`libm::sqrtf`]; the stored number itself where no pairs were stored.
    ///
    /// The unit is the receiver's own. It is not a calibrated power: automatic gain control
    /// scales whole frames.
    ///
    /// # Panics
    ///
    /// If `pair >= self.pairs()`, as indexing a slice does.
    pub fn amplitude(&self, pair: usize) -> f32 {
        match self.imag_real(pair) {
            Ok((imag, real)) => libm::sqrtf(real * real + imag * imag),
            Err(number) => number,
        }
    }

    /// Returns the phase at position `pair` in radians, `[-pi, pi]`, by [`libm::atan2f`];
    /// `None` where no pairs were stored. A pair of zeros has phase 0.
    ///
    /// The phase is as received: offsets of the sampling clock and the carrier are still in it.
    ///
    /// # Panics
    ///
    /// If `pair >= self.pairs()`.
    pub fn phase_rad(&self, pair: usize) -> Option<f32> {
        let (imag, real) = self.imag_real(pair).ok()?;
        Some(libm::atan2f(imag, real))
    }

    fn imag_real(&self, pair: usize) -> Result<(f32, f32), f32> {
        let at = 2 * pair;
        match self {
            Self::Iq8(values) => Ok((f32::from(values[at]), f32::from(values[at + 1]))),
            Self::Iq16(values) => Ok((f32::from(values[at]), f32::from(values[at + 1]))),
            Self::IqF32(values) => Ok((values[at], values[at + 1])),
            Self::Amplitude(values) | Self::FeatureState(values) => Err(values[pair]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imaginary_part_comes_first() {
        let values = CsiValues::Iq8(&[3, 4, 5, 0, -128, -128, 9]);
        assert_eq!(values.pairs(), 3, "half a pair does not count");
        assert_eq!(values.amplitude(0), 5.0);
        assert_eq!(values.phase_rad(0), Some(libm::atan2f(3.0, 4.0)));
        assert_eq!(values.phase_rad(1), Some(core::f32::consts::FRAC_PI_2));
        assert_eq!(values.amplitude(2), 181.019_33);
    }

    #[test]
    fn every_storage_gives_the_same_amplitude() {
        assert_eq!(CsiValues::Iq16(&[-3, 4]).amplitude(0), 5.0);
        assert_eq!(CsiValues::IqF32(&[-3.0, 4.0]).amplitude(0), 5.0);
        assert_eq!(CsiValues::Amplitude(&[1.0, 5.0]).amplitude(1), 5.0);
        assert_eq!(CsiValues::Amplitude(&[1.0, 5.0]).phase_rad(1), None);
        assert_eq!(CsiValues::FeatureState(&[0.5; 9]).pairs(), 9);
    }
}
