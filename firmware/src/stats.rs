//! What a node counts.

use alloc::vec::Vec;

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What a node counts, since it started. Counters stay at their highest value.
        ///
        /// On the wire: one u32 each, in this order. Readers take fields that are missing at the
        /// end as 0 and ignore more of them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u32,)+
        }

        impl Stats {
            /// The fields' names, in the order of the wire.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Returns the fields' values, in the order of the wire.
            pub const fn values(&self) -> [u32; Self::NAMES.len()] {
                [$(self.$name),+]
            }

            /// Reads them; a rest of one to three bytes is ignored.
            pub fn from_bytes(bytes: &[u8]) -> Self {
                let mut values = bytes
                    .chunks_exact(4)
                    .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                Self { $($name: values.next().unwrap_or_default()),+ }
            }
        }
    };
}

stats! {
    /// Seconds since the node started.
    uptime_seconds,
    /// Whole frames of the protocol with a right CRC.
    frames,
    /// What looked like a frame but had a wrong CRC or length.
    crc_errors,
    /// Bytes between frames.
    skipped_bytes,
    /// Rows and CSI frames that arrived.
    arrived,
    /// Of these, refused with an error.
    refused,
    /// Rows and CSI frames that never arrived, by their sequence numbers.
    lost,
    /// Rows and CSI frames that were left out because their time was not later than the one's
    /// before.
    out_of_order,
    /// Rows that entered the window, after resampling.
    rows,
    /// Of these, interpolated across a gap of more than two periods of the trained rate.
    held,
    /// Times that the sender's clock jumped by more than ten seconds, and the window was emptied.
    breaks,
    /// Classifications.
    classifications,
    /// Classifications left out because the input was too slow.
    held_back,
    /// Replies that found no room in the output and were dropped.
    output_dropped,
    /// Times that weights were taken.
    weights_loaded,
    /// Microseconds of the last classification; 0 without a clock.
    last_classify_micros,
    /// Microseconds of the longest classification.
    longest_classify_micros,
    /// Bytes of heap in use.
    heap_used,
    /// The most bytes of heap that were in use.
    heap_peak,
    /// The most bytes of stack that were in use.
    stack_peak,
}

impl Stats {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.values().iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    }
}

/// Counts one more, or some.
pub(crate) fn count(counter: &mut u32, more: usize) {
    *counter = counter.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
}
