//! Packet captures, pcap and pcapng, down to the UDP datagrams in them.
//!
//! [`Capture::record`] takes one capture record at a time off the front of the bytes at hand and
//! [`udp`] unwraps a link-layer frame: Ethernet (1, VLAN tags included), raw IP (101), Linux
//! cooked (113, 276); IPv4 only. It puts no IP fragments together, checks no checksums and
//! knows nothing about CSI.
//!
//! Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, tcpdump.org/linktypes.html.

use pcap_parser::{
    Block, LegacyPcapBlock, PcapHeader, parse_block_be, parse_block_le, parse_pcap_frame,
    parse_pcap_frame_be, parse_pcap_header,
};

use super::carry::{u16_be, u32_le};

/// Bytes of the file header of classic pcap.
const FILE_HEADER_BYTES: usize = 24;
/// Bytes of a classic record's header.
const RECORD_HEADER_BYTES: usize = 16;
/// The longest record taken for real: tcpdump's own limit.
const MAX_RECORD_BYTES: usize = 256 * 1024;
/// How far a record's time may lie from the last good one when looking for an end of damage.
const RESYNC_SECONDS: u32 = 3600;

/// A capture's container format and what of it later records need.
#[derive(Clone, Debug)]
pub(super) enum Capture {
    /// Classic pcap: one file header, then records.
    Classic { header: PcapHeader, last_seconds: u32 },
    /// pcapng: blocks, of which section headers and interface descriptions are kept.
    Blocks { big_endian: bool, interfaces: Vec<Interface> },
}

/// One pcapng interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    link: i32,
    /// Clock units per second; `None` if the file gives an impossible resolution.
    units_per_second: Option<u64>,
    offset_seconds: i64,
}

/// What stood at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A captured frame; `micros` since 1970, `None` where the capture has no clock.
    Frame { bytes: usize, micros: Option<i64>, link: i32, frame: &'a [u8] },
    /// A header or description block.
    Other { bytes: usize },
    /// The record is not at hand in full.
    More,
    /// No record can start here.
    Damage,
}

/// Whether `start` begins a packet capture of either kind; needs 4 bytes.
pub(super) fn recognises(start: &[u8]) -> bool {
    let known = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xd4c3_b2a1, 0x4d3c_b2a1, 0x0a0d_0d0a];
    u32_le(start, 0).is_some_and(|magic| known.contains(&magic))
}

impl Capture {
    /// Reads the head of a capture; gives the container and how many bytes its header takes.
    ///
    /// `None` until enough bytes are at hand, or if `recognises` is false for them.
    pub(super) fn open(bytes: &[u8]) -> Option<(Self, usize)> {
        if bytes.len() < FILE_HEADER_BYTES || !recognises(bytes) {
            return None;
        }
        match parse_pcap_header(bytes) {
            Ok((_, header)) => Some((Self::Classic { header, last_seconds: 0 }, FILE_HEADER_BYTES)),
            Err(_) => Some((Self::Blocks { big_endian: false, interfaces: Vec::new() }, 0)),
        }
    }

    /// Stable id and name of the container.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Classic { .. } => "pcap",
            Self::Blocks { .. } => "pcapng",
        }
    }

    /// Reads the record at the front of `bytes`.
    ///
    /// After [`Record::Damage`] the caller moves on by one byte and calls again with `lost`. A
    /// classic record is then believed only if its time lies within an hour of the last good
    /// one, a block only if it is a packet whose lengths agree or starts a section.
    pub(super) fn record<'a>(&mut self, bytes: &'a [u8], lost: bool) -> Record<'a> {
        match self {
            Self::Classic { header, last_seconds } => {
                let record = classic(header, bytes, lost.then_some(*last_seconds));
                if let Record::Frame { micros: Some(micros), .. } = record {
                    *last_seconds = (micros / 1_000_000) as u32;
                }
                record
            }
            Self::Blocks { big_endian, interfaces } => block(big_endian, interfaces, bytes, lost),
        }
    }
}

/// Reads a classic record; with `near`, only one whose time in seconds lies close to it.
fn classic<'a>(header: &PcapHeader, bytes: &'a [u8], near: Option<u32>) -> Record<'a> {
    let Some(head) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else {
        return Record::More;
    };
    let word = |at: usize| {
        let word = u32_le(head, at).unwrap_or(0);
        if header.is_bigendian() { word.swap_bytes() } else { word }
    };
    let (seconds, fraction, captured, original) = (word(0), word(4), word(8) as usize, word(12));
    let per_second = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
    if captured > MAX_RECORD_BYTES {
        return Record::Damage;
    }
    if near.is_some_and(|near| {
        near.abs_diff(seconds) > RESYNC_SECONDS
            || fraction >= per_second
            || captured > original as usize
            || original as usize > MAX_RECORD_BYTES
    }) {
        return Record::Damage;
    }
    let parse = if header.is_bigendian() { parse_pcap_frame_be } else { parse_pcap_frame };
    let Ok((_, LegacyPcapBlock { data, .. })) = parse(bytes) else {
        return Record::More;
    };
    let micros = i64::from(seconds) * 1_000_000 + i64::from(fraction / (per_second / 1_000_000));
    Record::Frame {
        bytes: RECORD_HEADER_BYTES + data.len(),
        micros: Some(micros),
        link: header.network.0,
        frame: data,
    }
}

/// Reads a pcapng block and remembers what it says about the ones after it.
fn block<'a>(
    big: &mut bool,
    interfaces: &mut Vec<Interface>,
    bytes: &'a [u8],
    lost: bool,
) -> Record<'a> {
    let swapped = |word: u32, big: bool| if big { word.swap_bytes() } else { word };
    let (Some(kind), Some(length)) = (u32_le(bytes, 0), u32_le(bytes, 4)) else {
        return Record::More;
    };
    if kind == 0x0a0d_0d0a {
        match u32_le(bytes, 8) {
            None => return Record::More,
            Some(0x1a2b_3c4d) => *big = false,
            Some(0x4d3c_2b1a) => *big = true,
            Some(_) => return Record::Damage,
        }
        interfaces.clear();
    }
    let length = swapped(length, *big) as usize;
    if length < 12 || !length.is_multiple_of(4) || length > MAX_RECORD_BYTES {
        return Record::Damage;
    }
    if lost && kind != 0x0a0d_0d0a {
        let Some(captured) = u32_le(bytes, 20) else {
            return Record::More;
        };
        let fits = (swapped(captured, *big) as usize).saturating_add(32) <= length;
        if swapped(kind, *big) != 6 || !fits {
            return Record::Damage;
        }
    }
    let Some(bytes) = bytes.get(..length) else {
        return Record::More;
    };
    let parse = if *big { parse_block_be } else { parse_block_le };
    let Ok((_, block)) = parse(bytes) else {
        return Record::Damage;
    };
    match block {
        Block::InterfaceDescription(described) => {
            interfaces.push(Interface {
                link: described.linktype.0,
                units_per_second: units_per_second(described.if_tsresol),
                offset_seconds: described.if_tsoffset,
            });
            Record::Other { bytes: length }
        }
        Block::EnhancedPacket(packet) => {
            let Some(interface) = interfaces.get(packet.if_id as usize) else {
                return Record::Damage;
            };
            let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let frame = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
            let micros = interface.micros(ticks);
            Record::Frame { bytes: length, micros, link: interface.link, frame }
        }
        _ => Record::Other { bytes: length },
    }
}

impl Interface {
    /// A time stamp in microseconds since 1970; `None` if it cannot be one.
    fn micros(&self, ticks: u64) -> Option<i64> {
        let micros = u128::from(ticks) * 1_000_000 / u128::from(self.units_per_second?);
        let offset = self.offset_seconds.checked_mul(1_000_000)?;
        i64::try_from(micros).ok()?.checked_add(offset)
    }
}

/// The clock units that `if_tsresol` stands for: a power of ten, or of two with the top bit set.
fn units_per_second(resolution: u8) -> Option<u64> {
    let power = u32::from(resolution & 0x7f);
    if resolution & 0x80 != 0 { 2u64.checked_pow(power) } else { 10u64.checked_pow(power) }
}

/// One UDP datagram, borrowed from a captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Udp<'a> {
    /// Destination port.
    pub(super) port: u16,
    /// What the datagram carries, as far as it was captured.
    pub(super) payload: &'a [u8],
}

/// Unwraps the UDP datagram in a link-layer frame.
///
/// `None` for another link type, another protocol than IPv4 UDP, an IP fragment, or a frame
/// too short for the headers it announces.
pub(super) fn udp(link: i32, frame: &[u8]) -> Option<Udp<'_>> {
    const IPV4: u16 = 0x0800;
    const VLAN: u16 = 0x8100;
    let (mut kind, mut at) = match link {
        1 => (u16_be(frame, 12)?, 14),
        101 => (IPV4, 0),
        113 => (u16_be(frame, 14)?, 16),
        276 => (u16_be(frame, 0)?, 20),
        _ => return None,
    };
    if kind == VLAN {
        kind = u16_be(frame, at + 2)?;
        at += 4;
    }
    let packet = frame.get(at..)?;
    let version = *packet.first()?;
    let header_bytes = usize::from(version & 15) * 4;
    let fragment = u16_be(packet, 6)? & 0x3fff;
    if kind != IPV4
        || version >> 4 != 4
        || header_bytes < 20
        || fragment != 0
        || packet.get(9) != Some(&17)
    {
        return None;
    }
    let datagram = packet.get(header_bytes..)?;
    let length = usize::from(u16_be(datagram, 4)?).min(datagram.len());
    Some(Udp { port: u16_be(datagram, 2)?, payload: datagram.get(8..length)? })
}
