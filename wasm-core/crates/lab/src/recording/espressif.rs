//! One `CSI_DATA` line of Espressif's esp-csi examples, after the mark.
//!
//! The array is one quoted cell: `"[n0,n1,...]"`. Two sets of scalars exist:
//!
//! | columns | chips            | scalars after the mark                                          |
//! |---------|------------------|-----------------------------------------------------------------|
//! | 25      | ESP32, S2, S3, C3 | id, mac, rssi, rate, sig_mode, mcs, bandwidth, smoothing, not_sounding, aggregation, stbc, fec_coding, sgi, noise_floor, ampdu_cnt, channel, secondary_channel, local_timestamp, ant, sig_len, rx_state, len, first_word |
//! | 15      | C5, C6, C61      | seq, mac, rssi, rate, noise_floor, fft_gain, agc_gain, channel, local_timestamp, sig_len, rx_state, len, first_word |
//!
//! `len` counts the values; a line where it does not is left out. `first_word = 1` marks the
//! first four values as garbage. Values of newer firmware may exceed a byte.

use super::SkipReason;
use super::serial::{self, Scalars, integer};
use super::subcarrier::Layout;

/// Reads the text after `CSI_DATA,`; returns the scalars and the text behind the array.
pub(super) fn parse<'a>(
    rest: &'a [u8],
    values: &mut Vec<i16>,
) -> Result<(Scalars, &'a [u8]), SkipReason> {
    let open = rest.iter().position(|b| *b == b'[').ok_or(SkipReason::CutShort)?;
    let scalars = rest[..open].strip_suffix(b",\"").ok_or(SkipReason::WrongCellCount)?;
    let array = &rest[open + 1..];
    let close = array.iter().position(|b| *b == b']').ok_or(SkipReason::CutShort)?;
    let after = array[close + 1..].strip_prefix(b"\"").ok_or(SkipReason::CutShort)?;
    let (length, scalars) = if let Some(cells) = serial::cells::<23>(scalars) {
        let [
            id,
            mac,
            rssi,
            _,
            _,
            _,
            bandwidth,
            _,
            _,
            _,
            stbc,
            _,
            _,
            _,
            _,
            _,
            secondary,
            time,
            ..,
            len,
            first,
        ] = cells;
        let layout = serial::layout(secondary, bandwidth, stbc);
        (len, read(id, mac, rssi, time, first, layout)?)
    } else if let Some(cells) = serial::cells::<13>(scalars) {
        let [seq, mac, rssi, _, _, _, _, _, time, _, _, len, first] = cells;
        (len, read(seq, mac, rssi, time, first, Layout::default())?)
    } else {
        return Err(SkipReason::WrongCellCount);
    };
    serial::integers(&array[..close], b',', values)?;
    if integer(length) != Some(values.len() as i64) {
        return Err(SkipReason::LengthMismatch);
    }
    Ok((scalars, after))
}

fn read(
    id: &[u8],
    mac: &[u8],
    rssi: &[u8],
    time: &[u8],
    first: &[u8],
    layout: Layout,
) -> Result<Scalars, SkipReason> {
    Ok(Scalars {
        sender: serial::mac(mac),
        rssi_dbm: serial::rssi(rssi),
        time: serial::micros_32(time).ok_or(SkipReason::NotANumber)?,
        sequence: integer(id).and_then(|id| u32::try_from(id).ok()),
        layout,
        first_word_invalid: first != b"0",
        amplitudes: false,
    })
}
