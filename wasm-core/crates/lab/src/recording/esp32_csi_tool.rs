//! One `CSI_DATA` line of the ESP32-CSI-Tool and its forks, after the mark.
//!
//! 24 scalars, then the array in brackets: space separated, a trailing space, no quotes. Further
//! columns may follow.
//!
//! `role, mac, rssi, rate, sig_mode, mcs, bandwidth, smoothing, not_sounding, aggregation, stbc,
//! fec_coding, sgi, noise_floor, ampdu_cnt, channel, secondary_channel, local_timestamp, ant,
//! sig_len, rx_state, real_time_set, real_timestamp, len`
//!
//! The number of values may differ from `len` (the tool prints the LLTF alone); the values count.
//! A build of the firmware can print amplitudes, or phases, in place of pairs: 64 or 192 whole
//! numbers, which no buffer of pairs has. Phases alone are left out.
//!
//! `real_timestamp` has six significant digits and is not used. The first four values are garbage
//! on the original ESP32, and no column says so: they are always taken as garbage.

use super::SkipReason;
use super::serial::{self, Scalars};

/// Values of a line that holds amplitudes: one for each pair of the LLTF, or of all blocks.
const AMPLITUDE_COUNTS: [usize; 2] = [64, 192];

/// Reads the text after `CSI_DATA,`; returns the scalars and the text behind the array.
pub(super) fn parse<'a>(
    rest: &'a [u8],
    values: &mut Vec<i16>,
) -> Result<(Scalars, &'a [u8]), SkipReason> {
    let open = rest.iter().position(|b| *b == b'[').ok_or(SkipReason::CutShort)?;
    let scalars = rest[..open].trim_ascii_end();
    let scalars = scalars.strip_suffix(b"\"").unwrap_or(scalars);
    let scalars = scalars.strip_suffix(b",").ok_or(SkipReason::WrongCellCount)?;
    let array = &rest[open + 1..];
    let close = array.iter().position(|b| *b == b']').ok_or(SkipReason::CutShort)?;
    let cells = serial::cells::<24>(scalars).ok_or(SkipReason::WrongCellCount)?;
    let [_, mac, rssi, _, _, _, bandwidth, _, _, _, stbc, _, _, _, _, _, secondary, time, ..] =
        cells;
    serial::integers(&array[..close], b' ', values).map_err(|reason| match reason {
        SkipReason::ValueBeyondI16 => SkipReason::ValueBeyondI8,
        reason => reason,
    })?;
    if values.len() % 2 == 1 {
        return Err(SkipReason::OddCount);
    }
    let amplitudes = AMPLITUDE_COUNTS.contains(&values.len());
    if amplitudes && values.iter().any(|&value| value < 0) {
        return Err(SkipReason::PhaseOnly);
    }
    let scalars = Scalars {
        sender: serial::mac(mac),
        rssi_dbm: serial::rssi(rssi),
        time: serial::micros_32(time).ok_or(SkipReason::NotANumber)?,
        sequence: None,
        layout: serial::layout(secondary, bandwidth, stbc),
        first_word_invalid: true,
        amplitudes,
    };
    Ok((scalars, array[close + 1..].strip_prefix(b"\"").unwrap_or(&array[close + 1..])))
}
