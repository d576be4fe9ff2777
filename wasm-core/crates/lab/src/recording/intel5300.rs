//! Intel 5300 `.dat` logs, as `log_to_file` of linux-80211n-csitool writes them.
//!
//! A record is a **big-endian** `u16` length `n`, a code byte and `n - 1` bytes. Code `0xBB`
//! carries CSI; `0xC1` (a frame's payload) and other codes are counted and left out. The body
//! of a `0xBB` record, little-endian:
//!
//! | bytes    | field        | meaning                                                      |
//! |----------|--------------|--------------------------------------------------------------|
//! | `00..04` | timestamp    | u32 microseconds, wraps every 71.6 min                       |
//! | `04..06` | count        | u16, records since the driver started                        |
//! | `08`     | receivers    | u8, 1 to 3                                                   |
//! | `09`     | transmitters | u8, 1 to 3                                                   |
//! | `10..13` | RSSI A, B, C | u8 dB, 0 = chain off                                         |
//! | `13`     | noise        | i8 dBm, -127 = unknown                                       |
//! | `14`     | AGC          | u8 dB                                                        |
//! | `15`     | permutation  | 2 bits a chain: the antenna it was connected to              |
//! | `16..18` | CSI length   | u16, always `60 * receivers * transmitters + 12`             |
//! | `18..20` | rate         | u16; bit 11 set = 40 MHz                                     |
//! | `20..`   | CSI          | bit stream, least significant bit first                      |
//!
//! The bit stream has 30 groups of subcarriers; each skips 3 bits and then holds, receiver by
//! receiver and transmitter inside, an i8 real and an i8 imaginary part.
//!
//! Every record becomes one frame on the stream `rx 0 tx 0` and one on the stream of each
//! further antenna pair. Amplitudes are the card's raw numbers: they are **not** scaled to
//! absolute units by RSSI and AGC, and the 30 groups are not interpolated to 56.
//!
//! Source: Halperin, Hu, Sheth, Wetherall 2011, "Tool Release: Gathering 802.11n Traces with
//! Channel State Information".

use csi_temporal::frame::CsiValues;

use super::carry::{RecordFormat, Step, signed_bits, u16_be, u16_le, u32_le};
use super::{Chain, FrameMeta, FrameTime, Layout, Position, Sink, SkipReason, SubcarrierRule};

/// Groups of subcarriers in one record.
pub(super) const GROUPS: usize = 30;

/// Subcarrier index of each group at 20 MHz, in the record's order.
pub(super) const GROUP_INDICES: [i16; GROUPS] = [
    -28, -26, -24, -22, -20, -18, -16, -14, -12, -10, -8, -6, -4, -2, -1, //
    1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 28,
];

/// Subcarrier index of each group at 40 MHz.
pub(super) const GROUP_INDICES_40: [i16; GROUPS] = [
    -58, -54, -50, -46, -42, -38, -34, -30, -26, -22, -18, -14, -10, -6, -2, //
    2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58,
];

/// The bit of the rate field that says that a frame was 40 MHz wide.
const RATE_40_MHZ: u16 = 0x800;
/// Record code of CSI.
const CODE_CSI: u8 = 0xBB;
/// Record code of a received frame's payload.
const CODE_PAYLOAD: u8 = 0xC1;
/// The longest payload record taken for real: the longest frame of 802.11n, rounded up.
const MAX_PAYLOAD_BYTES: usize = 8192;
/// Bytes of a CSI record's body before the bit stream.
const HEADER_BYTES: usize = 20;

/// One CSI record's body, borrowed from the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct CsiRecord<'a> {
    /// The card's clock in microseconds; wraps.
    pub(super) timestamp_micros: u32,
    /// Receiving chains, 1 to 3.
    pub(super) receivers: u8,
    /// Transmitting chains, 1 to 3.
    pub(super) transmitters: u8,
    /// RSSI of the chains A, B, C in dB; 0 = chain off.
    pub(super) rssi_db: [u8; 3],
    /// Receive gain in dB.
    pub(super) agc_db: u8,
    /// The frame's bandwidth: 20 or 40.
    pub(super) bandwidth_mhz: u16,
    permutation: u8,
    bits: &'a [u8],
}

impl<'a> CsiRecord<'a> {
    /// Reads a `0xBB` record's body; `None` if its lengths contradict each other.
    ///
    /// Bytes behind the CSI are allowed and ignored.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (header, rest) = body.split_first_chunk::<HEADER_BYTES>()?;
        let bits = rest.get(..csi_bytes(header)?)?;
        Some(Self {
            timestamp_micros: u32_le(header, 0)?,
            receivers: header[8],
            transmitters: header[9],
            rssi_db: [header[10], header[11], header[12]],
            agc_db: header[14],
            bandwidth_mhz: if u16_le(header, 18)? & RATE_40_MHZ == 0 { 20 } else { 40 },
            permutation: header[15],
            bits,
        })
    }

    /// Received power over all chains in dBm: the sum of the chains that are on, less 44 dB and
    /// the AGC. `None` if every chain is off.
    pub(super) fn rssi_dbm(&self) -> Option<i8> {
        let on = self.rssi_db.iter().filter(|&&db| db != 0);
        let power: f64 = on.map(|&db| libm::pow(10.0, f64::from(db) / 10.0)).sum();
        let dbm = 10.0 * libm::log10(power) - 44.0 - f64::from(self.agc_db);
        (power > 0.0).then(|| libm::round(dbm).clamp(-128.0, 127.0) as i8)
    }

    /// The antenna that receiving chain `chain` was connected to, from 0.
    ///
    /// A permutation that names an antenna twice, or one the record does not have, is taken as
    /// none: chain `r` is antenna `r`.
    pub(super) fn antenna(&self, chain: u8) -> u8 {
        let named = |r: u8| self.permutation >> (2 * r) & 3;
        let seen = (0..self.receivers).fold(0u8, |seen, r| seen | 1 << named(r));
        if seen == (1 << self.receivers) - 1 { named(chain) } else { chain }
    }

    /// Writes one antenna pair's 30 values to `out`: imaginary part first, then real.
    ///
    /// `rx` counts receiving chains in the record's order, `tx` transmitting ones.
    pub(super) fn chain(&self, rx: u8, tx: u8, out: &mut Vec<i8>) {
        let chains = usize::from(self.receivers) * usize::from(self.transmitters);
        let chain = usize::from(rx) * usize::from(self.transmitters) + usize::from(tx);
        out.clear();
        for group in 0..GROUPS {
            let offset = group * (3 + 16 * chains) + 3 + 16 * chain;
            let real = signed_bits(self.bits, offset, 8) as i8;
            let imaginary = signed_bits(self.bits, offset + 8, 8) as i8;
            out.extend([imaginary, real]);
        }
    }
}

/// Bytes of CSI that a record's header announces; `None` if the header contradicts itself.
fn csi_bytes(header: &[u8; HEADER_BYTES]) -> Option<usize> {
    let (receivers, transmitters) = (usize::from(header[8]), usize::from(header[9]));
    let expected = 60 * receivers * transmitters + 12;
    let in_range = (1..=3).contains(&receivers) && (1..=3).contains(&transmitters);
    let written = usize::from(u16_le(header, 16)?);
    (in_range && written == expected).then_some(expected)
}

/// Reads a log record by record.
#[derive(Debug, Default)]
pub(super) struct IntelLog {
    values: Vec<i8>,
}

/// What stands at a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// A CSI record of this many bytes in all, at hand or not.
    Csi(usize),
    /// A record of another kind, of this many bytes in all.
    Other(usize),
    /// No record starts here.
    Noise,
    /// Too few bytes to tell.
    Short,
}

/// Tells what stands at the start of `bytes`.
fn sight(bytes: &[u8]) -> Sight {
    let (Some(length), Some(&code)) = (u16_be(bytes, 0), bytes.get(2)) else {
        return Sight::Short;
    };
    let length = usize::from(length);
    match (code, bytes.get(3..).and_then(|body| body.first_chunk())) {
        (CODE_CSI, Some(header)) => match csi_bytes(header) {
            Some(csi) if length > HEADER_BYTES + csi => Sight::Csi(2 + length),
            _ => Sight::Noise,
        },
        (CODE_CSI, None) => Sight::Short,
        (CODE_PAYLOAD, _) if (2..=MAX_PAYLOAD_BYTES).contains(&length) => Sight::Other(2 + length),
        _ => Sight::Noise,
    }
}

/// Whether `head` starts a log: a sound CSI record, or a payload record before one.
pub(super) fn recognises(head: &[u8]) -> bool {
    match sight(head) {
        Sight::Csi(_) => true,
        Sight::Other(bytes) => {
            head.get(bytes..).is_some_and(|next| matches!(sight(next), Sight::Csi(_)))
        }
        _ => false,
    }
}

impl RecordFormat for IntelLog {
    fn record(&mut self, position: u64, bytes: &[u8], lost: bool, sink: &mut Sink) -> Step {
        let (length, csi) = match sight(bytes) {
            Sight::Short => return Step::More,
            Sight::Csi(length) => (length, true),
            // After damage only the CSI record's header is evidence enough.
            Sight::Other(length) if !lost => (length, false),
            Sight::Other(_) | Sight::Noise => return Step::Damage,
        };
        let Some(record) = bytes.get(..length) else {
            return Step::More;
        };
        match CsiRecord::parse(&record[3..]).filter(|_| csi) {
            Some(record) => self.frames(&record, Position::Byte(position), sink),
            None => sink.skip(SkipReason::OtherRecord, Position::Byte(position)),
        }
        Step::Take(length)
    }
}

impl IntelLog {
    /// Hands over one record: a frame for each antenna pair.
    fn frames(&mut self, record: &CsiRecord<'_>, position: Position, sink: &mut Sink) {
        let layout = Layout {
            rule: SubcarrierRule::Listed(match record.bandwidth_mhz {
                20 => &GROUP_INDICES,
                _ => &GROUP_INDICES_40,
            }),
            bandwidth_mhz: Some(record.bandwidth_mhz),
            ..Layout::default()
        };
        for rx in 0..record.receivers {
            for tx in 0..record.transmitters {
                record.chain(rx, tx, &mut self.values);
                let meta = FrameMeta {
                    time: FrameTime::WrappingMicros32(record.timestamp_micros),
                    chain: Some(Chain { rx: record.antenna(rx), tx }),
                    layout,
                    rssi_dbm: record.rssi_dbm(),
                    ..FrameMeta::default()
                };
                let values = CsiValues::Iq8(&self.values);
                match (rx, tx) {
                    (0, 0) => sink.frame(meta, values, position),
                    _ => sink.further_chain(meta, values, position),
                }
            }
        }
    }
}
