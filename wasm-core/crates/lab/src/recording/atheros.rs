//! Atheros CSI tool `.dat` logs (ath9k cards).
//!
//! A record is a `u16` length and that many bytes. The tool writes its numbers in the order of
//! the machine it ran on, so both byte orders exist; the first sound record decides. The bytes:
//!
//! | bytes    | field          | meaning                                         |
//! |----------|----------------|-------------------------------------------------|
//! | `00..08` | timestamp      | u64 microseconds                                |
//! | `08..10` | CSI length     | u16; 0 = a packet without CSI                   |
//! | `10..12` | channel        | u16 MHz                                         |
//! | `12`     | PHY error      | u8                                              |
//! | `13`     | noise floor    | u8                                              |
//! | `14`     | rate           | u8                                              |
//! | `15`     | bandwidth      | u8, 0 = 20 MHz, 1 = 40 MHz                      |
//! | `16`     | tones          | u8, 56 or 114                                   |
//! | `17`     | receivers      | u8, 1 to 3                                      |
//! | `18`     | transmitters   | u8, 1 to 3                                      |
//! | `19`     | RSSI           | u8 dB above the noise floor                     |
//! | `20..23` | RSSI per chain | u8, same unit                                   |
//! | `23..25` | payload length | u16                                             |
//! | `25..`   | CSI            | 10-bit numbers, least significant bit first     |
//! | then     | payload        | the packet itself, not read                     |
//!
//! The CSI is, tone by tone, receiver by receiver, transmitter inside, an imaginary and a real
//! part in two's complement; its bytes are little-endian in either kind of file.
//!
//! Every record becomes one frame on the stream `rx 0 tx 0` and one on the stream of each
//! further antenna pair. RSSI is left unknown: the file gives it above an unnamed noise floor,
//! not in dBm.
//!
//! Source: Xie, Li, Li 2015, "Precise Power Delay Profiling with Commodity WiFi".

use csi_temporal::frame::CsiValues;

use super::carry::{RecordFormat, Step, signed_bits, u16_be, u16_le};
use super::{Chain, FrameMeta, FrameTime, Layout, Position, Sink, SkipReason, SubcarrierRule};

/// Subcarrier index of each tone at 20 MHz: -28 to 28 without the centre.
const TONES_20: [i16; 56] = tones(28, 1);
/// Subcarrier index of each tone at 40 MHz: -58 to 58 without -1, 0 and 1.
const TONES_40: [i16; 114] = tones(58, 2);

/// The indices from `-last` to `last` whose distance from the centre is at least `first`.
const fn tones<const N: usize>(last: i16, first: i16) -> [i16; N] {
    let (mut indices, mut p, mut k) = ([0; N], 0, -last);
    while p < N {
        indices[p] = k;
        k = if k == -first { first } else { k + 1 };
        p += 1;
    }
    indices
}

/// Bytes of a record before the CSI.
const HEADER_BYTES: usize = 25;
/// Bytes that a record may be longer than its parts.
const SPARE_BYTES: usize = 8;

/// One record, borrowed from the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct CsiRecord<'a> {
    /// The machine's clock in microseconds.
    pub(super) timestamp_micros: u64,
    /// 20 or 40.
    pub(super) bandwidth_mhz: u16,
    /// Subcarriers: 56 at 20 MHz, 114 at 40 MHz.
    pub(super) tones: u8,
    /// Receiving chains, 1 to 3.
    pub(super) receivers: u8,
    /// Transmitting chains, 1 to 3.
    pub(super) transmitters: u8,
    bits: &'a [u8],
}

/// What stands at a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// A sound header; its record has this many bytes, the length field included.
    Record { bytes: usize, has_csi: bool },
    /// Bytes that are no record header.
    Noise,
    /// Too few bytes to tell.
    Short,
}

/// The order in which a file's machine wrote its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        match self {
            Self::Little => u16_le(bytes, at),
            Self::Big => u16_be(bytes, at),
        }
    }
}

impl<'a> CsiRecord<'a> {
    /// Reads a record behind its length field; `None` if its lengths contradict each other or
    /// it has no CSI.
    pub(super) fn parse(record: &'a [u8], order: ByteOrder) -> Option<Self> {
        let (header, rest) = record.split_first_chunk::<HEADER_BYTES>()?;
        let csi = csi_bytes(header, order)?;
        let clock = *header.first_chunk()?;
        Some(Self {
            timestamp_micros: match order {
                ByteOrder::Little => u64::from_le_bytes(clock),
                ByteOrder::Big => u64::from_be_bytes(clock),
            },
            bandwidth_mhz: if header[15] == 0 { 20 } else { 40 },
            tones: header[16],
            receivers: header[17],
            transmitters: header[18],
            bits: rest.get(..csi).filter(|csi| !csi.is_empty())?,
        })
    }

    /// Writes one antenna pair's values to `out`, tone by tone: imaginary part first, then real.
    pub(super) fn chain(&self, rx: u8, tx: u8, out: &mut Vec<i16>) {
        let chains = usize::from(self.receivers) * usize::from(self.transmitters);
        let chain = usize::from(rx) * usize::from(self.transmitters) + usize::from(tx);
        out.clear();
        for tone in 0..usize::from(self.tones) {
            let offset = 20 * (tone * chains + chain);
            out.push(signed_bits(self.bits, offset, 10));
            out.push(signed_bits(self.bits, offset + 10, 10));
        }
    }
}

/// Bytes of CSI that a header announces, 0 for none; `None` if the header contradicts itself.
fn csi_bytes(header: &[u8; HEADER_BYTES], order: ByteOrder) -> Option<usize> {
    let written = usize::from(order.u16(header, 8)?);
    let [tones, receivers, transmitters] = [header[16], header[17], header[18]];
    let known = matches!(tones, 56 | 114)
        && (1..=3).contains(&receivers)
        && (1..=3).contains(&transmitters);
    let pairs = usize::from(tones) * usize::from(receivers) * usize::from(transmitters);
    (written == 0 || known && written == pairs * 20 / 8).then_some(written)
}

/// Tells what stands at the start of `bytes`.
fn sight(bytes: &[u8], order: ByteOrder) -> Sight {
    let Some(header) = bytes.get(2..).and_then(|rest| rest.first_chunk()) else {
        return Sight::Short;
    };
    let lengths = || {
        let record = usize::from(order.u16(bytes, 0)?);
        let csi = csi_bytes(header, order)?;
        let payload = usize::from(order.u16(header, 23)?);
        let channel = order.u16(header, 10)?;
        let spare = record.checked_sub(HEADER_BYTES + csi + payload)?;
        let sound = spare <= SPARE_BYTES && (2000..=7200).contains(&channel);
        sound.then_some(Sight::Record { bytes: 2 + record, has_csi: csi > 0 })
    };
    lengths().unwrap_or(Sight::Noise)
}

/// Reads a log record by record.
#[derive(Debug, Default)]
pub(super) struct AtherosLog {
    /// The file's byte order, once a record has shown it.
    order: Option<ByteOrder>,
    values: Vec<i16>,
}

/// Whether `head` starts a log: two sound records in a row, or one that fills it to the end.
pub(super) fn recognises(head: &[u8]) -> bool {
    [ByteOrder::Little, ByteOrder::Big].into_iter().any(|order| match sight(head, order) {
        Sight::Record { bytes, .. } => match head.get(bytes..) {
            Some(next) if next.len() > HEADER_BYTES => {
                matches!(sight(next, order), Sight::Record { .. })
            }
            next => next.is_some(),
        },
        _ => false,
    })
}

impl RecordFormat for AtherosLog {
    fn record(&mut self, position: u64, bytes: &[u8], _lost: bool, sink: &mut Sink) -> Step {
        let orders = [ByteOrder::Little, ByteOrder::Big].into_iter();
        let mut orders = orders.filter(|order| self.order.is_none_or(|known| known == *order));
        let found = orders.find_map(|order| match sight(bytes, order) {
            Sight::Noise => None,
            other => Some((order, other)),
        });
        let (order, length, has_csi) = match found {
            Some((_, Sight::Short)) => return Step::More,
            Some((order, Sight::Record { bytes, has_csi })) => (order, bytes, has_csi),
            _ => return Step::Damage,
        };
        let Some(record) = bytes.get(2..length) else {
            return Step::More;
        };
        self.order = Some(order);
        match CsiRecord::parse(record, order).filter(|_| has_csi) {
            Some(record) => self.frames(&record, Position::Byte(position), sink),
            None => sink.skip(SkipReason::OtherRecord, Position::Byte(position)),
        }
        Step::Take(length)
    }
}

impl AtherosLog {
    /// Hands over one record: a frame for each antenna pair.
    fn frames(&mut self, record: &CsiRecord<'_>, position: Position, sink: &mut Sink) {
        let indices: &'static [i16] = if record.tones == 56 { &TONES_20 } else { &TONES_40 };
        let layout = Layout {
            rule: SubcarrierRule::Listed(indices),
            bandwidth_mhz: Some(record.bandwidth_mhz),
            ..Layout::default()
        };
        for rx in 0..record.receivers {
            for tx in 0..record.transmitters {
                record.chain(rx, tx, &mut self.values);
                let meta = FrameMeta {
                    time: i64::try_from(record.timestamp_micros)
                        .map_or(FrameTime::None, FrameTime::Micros),
                    chain: Some(Chain { rx, tx }),
                    layout,
                    ..FrameMeta::default()
                };
                let values = CsiValues::Iq16(&self.values);
                match (rx, tx) {
                    (0, 0) => sink.frame(meta, values, position),
                    _ => sink.further_chain(meta, values, position),
                }
            }
        }
    }
}
