//! CSI datagrams of espectre, sent to UDP port 5001.
//!
//! | bytes    | field      | meaning                                                       |
//! |----------|------------|---------------------------------------------------------------|
//! | `00..02` | magic      | the bytes `SC`                                                |
//! | `02`     | chip       | u8: 1 ESP32, 2 S2, 3 S3, 4 C3, 5 C5, 6 C6, 0 unknown          |
//! | `03`     | flags      | u8, bit 0: gain locked; missing in old versions               |
//! | then     | sequence   | u8, wraps                                                     |
//! | then     | pairs      | u16 little-endian, N                                          |
//! | then     | CSI        | 2 N bytes, imaginary part first                               |
//!
//! The length tells the versions apart: 7 + 2 N bytes, or 6 + 2 N without the flags.
//!
//! Chips up to the C3 send the driver's FFT order; the C5's and C6's firmware has put the pairs
//! in ascending order, -32 to 31. The 8-bit sequence number is not used: it is too short to
//! count lost frames by.

use super::carry::u16_le;
use super::subcarrier::ASCENDING_64;
use super::{FrameMeta, FrameTime, Layout, SubcarrierRule};

/// The port that espectre sends to.
pub(super) const PORT: u16 = 5001;

/// Reads a UDP payload: what is known about the frame, and its bytes. `None` if it is none.
pub(super) fn parse(payload: &[u8], time: FrameTime) -> Option<(FrameMeta<'static>, Vec<i8>)> {
    let chip = *payload.strip_prefix(b"SC")?.first()?;
    let csi = [7, 6].into_iter().find_map(|header| {
        let pairs = usize::from(u16_le(payload, header - 2)?);
        payload.get(header..).filter(|csi| pairs > 0 && csi.len() == 2 * pairs)
    })?;
    let ascending = chip >= 5 && csi.len() == 2 * ASCENDING_64.len();
    let layout = Layout {
        rule: if ascending {
            SubcarrierRule::Listed(&ASCENDING_64)
        } else {
            SubcarrierRule::Espressif
        },
        ..Layout::default()
    };
    let meta = FrameMeta { time, layout, first_word_invalid: chip == 1, ..FrameMeta::default() };
    Some((meta, csi.iter().map(|&byte| byte as i8).collect()))
}
