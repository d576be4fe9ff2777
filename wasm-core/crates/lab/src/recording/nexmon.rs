//! CSI datagrams of the Nexmon firmware patch for Broadcom chips (Raspberry Pi, Nexus phones).
//!
//! One UDP datagram to port 5500 holds the CSI of one receiving core and one spatial stream.
//! Its payload, little-endian:
//!
//! | bytes    | field         | meaning                                                     |
//! |----------|---------------|-------------------------------------------------------------|
//! | `00..02` | magic         | `0x1111`                                                    |
//! | `02`     | RSSI          | i8 dBm                                                      |
//! | `03`     | frame control | first byte of the 802.11 header                             |
//! | `04..10` | source        | MAC address of the sender                                   |
//! | `10..12` | sequence      | 802.11 sequence number; 0 for frames that have none         |
//! | `12..14` | core, stream  | core in bits 0 to 2, spatial stream in bits 3 to 5          |
//! | `14..16` | chanspec      | Broadcom channel description                                |
//! | `16..18` | chip          | firmware's chip number                                      |
//! | `18..`   | CSI           | 4 bytes a subcarrier; 64, 128, 256 or 512 of them           |
//!
//! Old firmware writes the magic over RSSI and frame control (`11 11 11 11`): both are unknown
//! then. Up to three words may follow the CSI; the bytes are cut to a power of two.
//!
//! bcm43455c0 and bcm4339 write i16 real, i16 imaginary. bcm4358 and bcm4366c0 write one word a
//! subcarrier: signed real mantissa, signed imaginary mantissa (sign and magnitude), shared
//! two's complement exponent, from the top; 9 + 9 + 5 bits on bcm4358 and 12 + 12 + 6 bits on
//! bcm4366c0. The order is that of the FFT. Guard bins and the centre hold garbage, not zeros.
//!
//! A 20 MHz frame received on an 80 MHz channel fills a quarter of the bins; nothing here
//! guesses which.
//!
//! Source: Gringoli, Schulz, Link, Hollick 2019, "Free Your CSI".

use csi_temporal::frame::CsiValues;

use super::carry::{u16_le, u32_le};
use super::{Chain, FrameMeta, FrameTime, Layout, Position, Sender, Sink, SubcarrierRule};

/// The port that the firmware sends to.
pub(super) const PORT: u16 = 5500;
/// Bytes before the CSI.
const HEADER_BYTES: usize = 18;

/// How a chip writes one subcarrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// i16 real, i16 imaginary.
    Integers,
    /// Two mantissas of `mantissa` bits (sign included) over an exponent of `exponent` bits.
    Floats {
        /// Bits of each mantissa, its sign included.
        mantissa: u32,
        /// Bits of the exponent.
        exponent: u32,
    },
}

const BCM4358: Words = Words::Floats { mantissa: 9, exponent: 5 };
const BCM4366C0: Words = Words::Floats { mantissa: 12, exponent: 6 };

/// One datagram, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    /// Received power; `None` from old firmware.
    pub(super) rssi_dbm: Option<i8>,
    /// Sender of the 802.11 frame.
    pub(super) source: [u8; 6],
    /// Receiving core, 0 to 7.
    pub(super) core: u8,
    /// Spatial stream, 0 to 7.
    pub(super) stream: u8,
    /// The firmware's chip number.
    pub(super) chip: u16,
    csi: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a UDP payload; `None` without the magic or with too few bytes for 64 subcarriers.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (header, csi) = payload.split_first_chunk::<HEADER_BYTES>()?;
        let subcarriers = csi.len() / 4;
        if !header.starts_with(&[0x11, 0x11]) || subcarriers < 64 {
            return None;
        }
        let kept = 1usize << subcarriers.min(512).ilog2();
        let old = header.starts_with(&[0x11; 4]);
        let chain = u16_le(header, 12)?;
        Some(Self {
            rssi_dbm: (!old).then_some(header[2] as i8),
            source: *header[4..].first_chunk()?,
            core: (chain & 7) as u8,
            stream: (chain >> 3 & 7) as u8,
            chip: u16_le(header, 16)?,
            csi: &csi[..4 * kept],
        })
    }

    /// Subcarriers: 64, 128, 256 or 512.
    pub(super) fn subcarriers(&self) -> usize {
        self.csi.len() / 4
    }

    /// 20, 40, 80 or 160: the width that the number of subcarriers stands for.
    pub(super) fn bandwidth_mhz(&self) -> u16 {
        (self.subcarriers() / 64 * 20) as u16
    }

    /// How this datagram's chip writes a subcarrier.
    ///
    /// Known chip numbers decide. Another number is judged by its words: integers have negative
    /// imaginary parts, so their topmost bits are not clear in every word.
    pub(super) fn words(&self) -> Words {
        match self.chip {
            0x0001 | 0x0065 => Words::Integers,
            0x0003 => BCM4358,
            0x006a => BCM4366C0,
            _ => {
                let any = self.raw().fold(0, |any, word| any | word);
                match any.leading_zeros() {
                    9.. => BCM4358,
                    2.. => BCM4366C0,
                    _ => Words::Integers,
                }
            }
        }
    }

    /// Writes integer words to `out`: imaginary part first, then real.
    pub(super) fn integers(&self, out: &mut Vec<i16>) {
        out.clear();
        out.extend(self.raw().flat_map(|word| [(word >> 16) as i16, word as i16]));
    }

    /// Writes float words to `out`: imaginary part first, then real. Dimensionless.
    pub(super) fn floats(&self, mantissa: u32, exponent: u32, out: &mut Vec<f32>) {
        out.clear();
        for word in self.raw() {
            let scale = (word << (32 - exponent)) as i32 >> (32 - exponent);
            let part = |shift: u32| {
                let field = word >> shift;
                let size = (field & ((1 << (mantissa - 1)) - 1)) as f32;
                let negative = field >> (mantissa - 1) & 1 == 1;
                libm::scalbnf(if negative { -size } else { size }, scale)
            };
            out.extend([part(exponent), part(exponent + mantissa)]);
        }
    }

    fn raw(&self) -> impl Iterator<Item = u32> + 'a {
        self.csi.chunks_exact(4).filter_map(|word| u32_le(word, 0))
    }
}

/// Hands datagrams over as frames, one stream a core and spatial stream.
#[derive(Debug, Default)]
pub(super) struct Frames {
    integers: Vec<i16>,
    floats: Vec<f32>,
}

impl Frames {
    /// Hands over one datagram received at `time`.
    pub(super) fn frame(
        &mut self,
        datagram: &Datagram<'_>,
        time: FrameTime,
        position: Position,
        sink: &mut Sink,
    ) {
        let meta = FrameMeta {
            time,
            sender: Sender::Mac(datagram.source),
            chain: Some(Chain { rx: datagram.core, tx: datagram.stream }),
            layout: Layout {
                rule: SubcarrierRule::Fft,
                bandwidth_mhz: Some(datagram.bandwidth_mhz()),
                ..Layout::default()
            },
            rssi_dbm: datagram.rssi_dbm,
            ..FrameMeta::default()
        };
        match datagram.words() {
            Words::Integers => {
                datagram.integers(&mut self.integers);
                sink.frame(meta, CsiValues::Iq16(&self.integers), position);
            }
            Words::Floats { mantissa, exponent } => {
                datagram.floats(mantissa, exponent, &mut self.floats);
                sink.frame(meta, CsiValues::IqF32(&self.floats), position);
            }
        }
    }
}
