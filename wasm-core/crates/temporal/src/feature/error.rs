//! Why a pipeline or a frame was refused.

use core::fmt;

/// Why a pipeline or a frame was refused. Frames are counted from 0 since the extractor was
/// made or reset.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FeatureError {
    /// The pipeline reads CSI and names no useful pair, or too many.
    UsefulCount {
        /// Pairs named.
        got: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// More bands than useful pairs.
    Bands {
        /// Bands asked for.
        bands: u16,
        /// Useful pairs there are.
        useful: usize,
    },
    /// A pipeline of feature states asks for steps that need subcarriers.
    NotForFeatureState,
    /// The rate is not finite, negative, or too high.
    Rate {
        /// Rate asked for, in Hz.
        rate_hz: f32,
    },
    /// The time constant is not finite or not above zero.
    TimeConstant {
        /// Time constant asked for, in seconds.
        time_constant_s: f32,
    },
    /// A lag is zero or too long.
    Lag {
        /// Lag asked for, in rows.
        lag: u16,
        /// The longest that is taken.
        limit: u16,
    },
    /// A row would have more numbers than a head can read.
    Width {
        /// Numbers a row.
        features: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// A frame is too short for the useful pairs.
    ShortFrame {
        /// Which frame.
        frame: u64,
        /// Pairs it has.
        pairs: usize,
        /// Pairs it must have.
        needed: usize,
    },
    /// A frame holds CSI where the pipeline reads feature states, or the other way round.
    WrongSource {
        /// Which frame.
        frame: u64,
    },
    /// A feature state has another length than nine.
    FeatureStateLength {
        /// Which frame.
        frame: u64,
        /// Numbers it has.
        got: usize,
    },
    /// A NaN or an infinity was read, or came out of the division by the mean.
    NotFinite {
        /// Which frame.
        frame: u64,
        /// Position in the frame; for a mean that overflows, the first useful one.
        pair: usize,
    },
}

impl FeatureError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UsefulCount { .. } => "feature/useful-count",
            Self::Bands { .. } => "feature/bands",
            Self::NotForFeatureState => "feature/not-for-feature-state",
            Self::Rate { .. } => "feature/rate",
            Self::TimeConstant { .. } => "feature/time-constant",
            Self::Lag { .. } => "feature/lag",
            Self::Width { .. } => "feature/width",
            Self::ShortFrame { .. } => "feature/short-frame",
            Self::WrongSource { .. } => "feature/wrong-source",
            Self::FeatureStateLength { .. } => "feature/feature-state-length",
            Self::NotFinite { .. } => "feature/not-finite",
        }
    }
}

impl fmt::Display for FeatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UsefulCount { got, limit } => {
                write!(f, "the pipeline names {got} useful pairs, not 1 to {limit}")
            }
            Self::Bands { bands, useful } => {
                write!(f, "{useful} useful pairs cannot be pooled into {bands} bands")
            }
            Self::NotForFeatureState => f.write_str(
                "a pipeline of feature states has no subcarriers to select, divide or pool",
            ),
            Self::Rate { rate_hz } => {
                let (rate, limit) = (Thousandths(rate_hz), super::MAX_RATE_HZ as u32);
                write!(f, "the rate of {rate} Hz is not between 0 and {limit} Hz")
            }
            Self::TimeConstant { time_constant_s } => {
                let time = Thousandths(time_constant_s);
                write!(f, "the time constant of {time} s is not above zero")
            }
            Self::Lag { lag, limit } => {
                write!(f, "the lag of {lag} rows is not between 1 and {limit}")
            }
            Self::Width { features, limit } => {
                write!(f, "a row would have {features} features, more than {limit}")
            }
            Self::ShortFrame { frame, pairs, needed } => {
                write!(f, "frame {frame} has {pairs} pairs, the pipeline needs {needed}")
            }
            Self::WrongSource { frame } => {
                write!(f, "frame {frame} is not of the kind that the pipeline reads")
            }
            Self::FeatureStateLength { frame, got } => {
                write!(f, "the feature state of frame {frame} has {got} numbers, not 9")
            }
            Self::NotFinite { frame, pair } => {
                write!(f, "frame {frame} has no finite value at pair {pair}")
            }
        }
    }
}

impl core::error::Error for FeatureError {}

/// Writes a number with three digits behind the point, those after them cut off, and what is beyond
/// `u64` as its largest. The formatting of floats would take a node 12 KB for two messages.
struct Thousandths(f32);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = *self;
        if number.is_nan() {
            return f.write_str("NaN");
        }
        let sign = if number.is_sign_negative() { "-" } else { "" };
        if number.is_infinite() {
            return write!(f, "{sign}inf");
        }
        let thousandths = (number.abs() * 1000.0) as u64;
        write!(f, "{sign}{}.{:03}", thousandths / 1000, thousandths % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_are_written_without_formatting_floats() {
        for (number, text) in [
            (1.5, "1.500"),
            (-0.25, "-0.250"),
            (2048.0, "2048.000"),
            (0.0, "0.000"),
            (-0.0, "-0.000"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-inf"),
            (f32::MAX, "18446744073709551.615"),
        ] {
            assert_eq!(Thousandths(number).to_string(), text);
        }
        let message = FeatureError::Rate { rate_hz: 2048.0 }.to_string();
        assert_eq!(message, "the rate of 2048.000 Hz is not between 0 and 1000 Hz");
    }
}
